use std::fs;

use model::{FaultKind, Stop};
use tempfile::tempdir;

use super::*;
use crate::Lake;
use crate::fixture::{Row, append, live, new_lake, project, row, table};

fn three_versions(directory: &Path) -> Lake {
    let lake = new_lake(directory);
    append(&lake, &[row("t", "a", 1, 1, 1), row("t", "b", 1, 1, 2)]);
    append(&lake, &[row("t", "a", 5, 3, 3)]);
    append(&lake, &[row("t", "a", 9, 2, 4), Row { deleted: true, ..row("t", "b", 1, 2, 5) }]);
    lake
}

#[test]
fn the_greatest_rank_wins_and_a_deletion_hides_the_row() {
    let directory = tempdir().unwrap();
    let lake = three_versions(directory.path());
    assert_eq!(live(&lake), [row("t", "a", 5, 3, 3)]);
    let snapshot = lake.snapshot("events").unwrap();
    let dead = lake.dead_rows(&snapshot, &project(), &Stop::new()).unwrap();
    let deletions: u64 =
        snapshot.files.iter().filter_map(|file| dead.deletions_of(file)).map(roaring::RoaringBitmap::len).sum();
    assert_eq!(deletions, 1);
}

#[test]
fn of_equal_ranks_the_later_commit_wins() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    append(&lake, &[row("t", "a", 1, 1, 1)]);
    append(&lake, &[row("t", "a", 0, 1, 2)]);
    assert_eq!(live(&lake), [row("t", "a", 0, 1, 2)]);
    append(&lake, &[Row { deleted: true, ..row("t", "a", 7, 1, 3) }]);
    assert_eq!(live(&lake), []);
    append(&lake, &[row("t", "a", 3, 1, 4)]);
    assert_eq!(live(&lake), [row("t", "a", 3, 1, 4)]);
}

#[test]
fn keys_of_projects_do_not_meet() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    append(&lake, &[row("t", "a", 1, 1, 1)]);
    append(&lake, &[Row { project: "q", deleted: true, ..row("t", "a", 1, 2, 2) }]);
    assert_eq!(live(&lake), [row("t", "a", 1, 1, 1)]);
}

#[test]
fn missing_and_damaged_keys_are_made_again() {
    for damage in 0..6 {
        let directory = tempdir().unwrap();
        let lake = three_versions(directory.path());
        let snapshot = lake.snapshot("events").unwrap();
        let path = path_of(&snapshot.directory, &snapshot.files[0].path);
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        match damage {
            0 => bytes.clear(),
            1 => bytes.truncate(whole.len() - 1),
            2 => bytes[0] ^= 1,
            3 => bytes[9] ^= 1,
            4 => bytes[20] ^= 1,
            _ => fs::remove_file(&path).unwrap(),
        }
        if damage < 5 {
            fs::write(&path, bytes).unwrap();
        }
        assert_eq!(live(&lake), [row("t", "a", 5, 3, 3)], "damage {damage}");
        assert_eq!(fs::read(&path).unwrap(), whole, "damage {damage}");
    }
}

#[test]
fn what_was_found_is_kept_and_damage_to_it_is_noticed() {
    let directory = tempdir().unwrap();
    let lake = three_versions(directory.path());
    let snapshot = lake.snapshot("events").unwrap();
    let found = lake.dead_rows(&snapshot, &project(), &Stop::new()).unwrap();
    let path = cache::path(&snapshot, &project());
    let whole = fs::read(&path).unwrap();
    // A wrong but whole result proves that it is read.
    let mut wrong = DeadRows::default();
    wrong.files.insert("somewhere".into(), Default::default());
    cache::write(&path, &wrong);
    assert_eq!(dead_rows(&snapshot, &project(), &Stop::new()).unwrap(), wrong);
    for position in [0, 10, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[position] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(dead_rows(&snapshot, &project(), &Stop::new()).unwrap(), *found);
        assert_eq!(cache::read(&path), Some((*found).clone()));
    }
}

#[test]
fn a_damaged_data_file_is_named() {
    let directory = tempdir().unwrap();
    let lake = three_versions(directory.path());
    let snapshot = lake.snapshot("events").unwrap();
    let path = snapshot.path(&snapshot.files[0]);
    fs::remove_dir_all(super::directory(&snapshot.directory)).unwrap();
    let whole = fs::read(&path).unwrap();
    let mut shorter = whole.clone();
    shorter.pop();
    let mut headless = whole.clone();
    let end = headless.len();
    headless[end - 40..].fill(0xff);
    for bytes in [Some(shorter), Some(headless), None] {
        match bytes {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let again = Lake::open(directory.path(), &[table()]).unwrap();
        let fault = again.dead_rows(&snapshot, &project(), &Stop::new()).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Corrupt);
        assert!(fault.public_message().contains(&*snapshot.files[0].path), "{fault}");
    }
}
