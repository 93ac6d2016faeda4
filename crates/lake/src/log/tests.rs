use std::fs;

use model::FaultKind;
use tempfile::tempdir;

use crate::Lake;
use crate::fixture::{NOW, append, live, new_lake, row, table};

#[test]
fn a_store_of_a_newer_format_is_refused_in_one_sentence() {
    let directory = tempdir().unwrap();
    new_lake(directory.path());
    fs::write(directory.path().join("outgest-lake.json"), r#"{"format":2}"#).unwrap();
    for opened in [Lake::open(directory.path(), &[table()]), Lake::create_or_open(directory.path(), &[table()], NOW)] {
        let fault = opened.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Configuration);
        assert!(fault.public_message().contains("its format 2 is newer than 1"), "{fault}");
    }
}

#[test]
fn a_directory_without_a_store_is_not_found() {
    let directory = tempdir().unwrap();
    let fault = Lake::open(directory.path(), &[table()]).unwrap_err();
    assert_eq!(fault.kind(), FaultKind::NotFound);
}

#[test]
fn a_store_that_lost_its_format_file_is_not_overwritten() {
    let directory = tempdir().unwrap();
    append(&new_lake(directory.path()), &[row("t", "a", 1, 1, 1)]);
    fs::remove_file(directory.path().join("outgest-lake.json")).unwrap();
    let fault = Lake::create_or_open(directory.path(), &[table()], NOW).unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Corrupt);
}

#[test]
fn damage_to_a_commit_is_named_and_leaves_what_was_read_before() {
    for damage in ["{\"add\":", "", "{}\n{\"add\":{\"path\":1}}\n", "{\"add\":{}}\n"] {
        let directory = tempdir().unwrap();
        let lake = new_lake(directory.path());
        append(&lake, &[row("t", "a", 1, 1, 1)]);
        let known = lake.snapshot("events").unwrap();
        let path = directory.path().join("events/_delta_log/00000000000000000002.json");
        fs::write(&path, damage).unwrap();
        let fault = lake.snapshot("events").unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Corrupt, "{damage:?}");
        assert!(fault.public_message().contains("00000000000000000002.json"), "{fault}");
        fs::remove_file(&path).unwrap();
        assert_eq!(lake.snapshot("events").unwrap().version, known.version);
    }
}

#[test]
fn a_missing_commit_is_named() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    append(&lake, &[row("t", "a", 1, 1, 1)]);
    append(&lake, &[row("t", "b", 1, 1, 1)]);
    fs::remove_file(directory.path().join("events/_delta_log/00000000000000000001.json")).unwrap();
    let fault = Lake::open(directory.path(), &[table()]).unwrap().snapshot("events").unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Corrupt);
    assert!(fault.public_message().contains("00000000000000000001.json: it is missing"), "{fault}");
}

/// A commit that is there and cannot be looked at, as with a disk that fails: a link to itself.
fn put_an_unreadable_commit(directory: &std::path::Path, version: u64) {
    let path = directory.join(format!("events/_delta_log/{version:020}.json"));
    std::os::unix::fs::symlink(&path, &path).unwrap();
}

#[test]
fn a_commit_that_cannot_be_read_is_not_the_end_of_the_log() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    append(&lake, &[row("t", "a", 1, 1, 1)]);
    put_an_unreadable_commit(directory.path(), 2);
    for lake in [lake.clone(), Lake::open(directory.path(), &[table()]).unwrap()] {
        let fault = lake.snapshot("events").unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Unavailable);
        assert!(fault.public_message().contains("00000000000000000002.json"), "{fault}");
    }
    // A writer does not wait for ever for a state that it cannot see.
    let mut appender = lake.append("events").unwrap();
    appender.push(crate::fixture::batch(&[row("t", "b", 1, 1, 1)])).unwrap();
    assert_eq!(appender.commit(NOW, "WRITE").unwrap_err().kind(), FaultKind::Unavailable);
    assert_eq!(lake.backup(&directory.path().join("backup")).unwrap_err().kind(), FaultKind::Unavailable);
}

#[test]
fn a_file_of_another_writer_is_refused() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    let line = r#"{"add":{"path":"x.parquet","partitionValues":{},"size":1,"modificationTime":1,"dataChange":true}}"#;
    fs::write(directory.path().join("events/_delta_log/00000000000000000001.json"), format!("{line}\n")).unwrap();
    let fault = lake.snapshot("events").unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Configuration);
    assert!(fault.public_message().contains("x.parquet"), "{fault}");
}

#[test]
fn a_table_with_other_columns_is_refused_naming_one() {
    let directory = tempdir().unwrap();
    new_lake(directory.path());
    let mut other = model::StoredTable::clone(&table());
    other.columns.retain(|column| column.name != "input");
    let lake = Lake::open(directory.path(), &[std::sync::Arc::new(other)]).unwrap();
    let fault = lake.snapshot("events").unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Configuration);
    assert!(fault.public_message().contains("column \"input\" is unknown"), "{fault}");
}

#[test]
fn versions_that_never_were_or_are_gone_are_not_found() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    append(&lake, &[row("t", "a", 1, 1, 1)]);
    append(&lake, &[row("t", "b", 1, 1, 1)]);
    assert_eq!(lake.read_snapshot("events", Some(9)).unwrap_err().kind(), FaultKind::NotFound);
    lake.compact("events", NOW).unwrap();
    assert_eq!(lake.read_snapshot("events", Some(1)).unwrap().files.len(), 1);
    // An hour after the compaction its inputs go.
    lake.compact("events", model::Micros(NOW.0 + 3_600_000_001)).unwrap();
    assert_eq!(lake.read_snapshot("events", Some(1)).unwrap_err().kind(), FaultKind::NotFound);
    assert_eq!(live(&lake).len(), 2);
}

#[test]
fn statistics_of_a_file_survive_the_log() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    append(&lake, &[row("t", "a", -1_000_001, 5, 1), row("u", "b", 1_790_000_000_123_456, 9, 2)]);
    let snapshot = Lake::open(directory.path(), &[table()]).unwrap().snapshot("events").unwrap();
    let file = &snapshot.files[0];
    assert_eq!((file.time.min.0, file.time.max.0), (-1_000_001, 1_790_000_000_123_456));
    assert_eq!((file.version.min.0, file.version.max.0, file.ingested.max.0), (5, 9, 16));
    assert_eq!((&*file.first.id, &*file.last.id, file.sequence.version), ("b", "a", 1));
    assert_eq!(file.bytes, fs::metadata(snapshot.path(file)).unwrap().len());
}

fn log_names(directory: &std::path::Path, ending: &str) -> Vec<String> {
    let names = fs::read_dir(directory.join("events/_delta_log")).unwrap();
    let mut names: Vec<String> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(ending));
    names.sort();
    names
}

#[test]
fn a_long_log_is_read_from_its_newest_checkpoint() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    // Files that overlap are merged now and then: each import removes some.
    for n in 0..70 {
        append(&lake, &[row("t", &format!("{:02}", n % 20), n % 20, n, n)]);
    }
    let (expected, snapshot) = (live(&lake), lake.snapshot("events").unwrap());
    let checkpoints = log_names(directory.path(), ".checkpoint.parquet");
    assert_eq!(checkpoints, ["00000000000000000063.checkpoint.parquet"]);
    let last = fs::read_to_string(directory.path().join("events/_delta_log/_last_checkpoint")).unwrap();
    assert!(last.contains("\"version\":63"), "{last}");
    // Nobody reads the commits before it.
    let old = directory.path().join("events/_delta_log/00000000000000000007.json");
    let text = fs::read_to_string(&old).unwrap();
    fs::write(&old, "damaged").unwrap();
    let again = Lake::open(directory.path(), &[table()]).unwrap();
    assert_eq!(live(&again), expected);
    assert_eq!(again.snapshot("events").unwrap().files, snapshot.files);
    assert_eq!(again.read_snapshot("events", Some(66)).unwrap().version, 66);

    // Files that were replaced before the checkpoint are known to be, by whom and when.
    let newest = |lake: &Lake| lake.log("events").unwrap().newest().unwrap();
    let known = newest(&again);
    assert!(known.removed.len() > 40, "{}", known.removed.len());
    assert!(known.removed.iter().all(|(path, file)| newest(&lake).removed[path] == *file));
    again.compact("events", model::Micros(NOW.0 + 3_600_000_001)).unwrap();
    let parquet = fs::read_dir(directory.path().join("events")).unwrap();
    let parquet = parquet.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|e| e == "parquet"));
    let (there, state) = (parquet.count(), newest(&again));
    assert!(there < 15 && live(&again) == expected, "{there} files");

    // And when they are gone, they are forgotten.
    fs::write(&old, text).unwrap();
    for n in state.commits as i64..128 {
        append(&again, &[row("t", &format!("{:02}", n % 20), n % 20, n, n)]);
    }
    let state = newest(&again);
    assert!(state.removed.len() < 70, "{} removed files are remembered", state.removed.len());
}

#[test]
fn a_damaged_checkpoint_costs_time_only() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    for n in 0..66 {
        append(&lake, &[row("t", "a", 1, n, n)]);
    }
    let path = directory.path().join("events/_delta_log/00000000000000000063.checkpoint.parquet");
    let whole = fs::read(&path).unwrap();
    for damage in [&b""[..], &whole[..whole.len() / 2], b"PAR1 and no more"] {
        fs::write(&path, damage).unwrap();
        let again = Lake::open(directory.path(), &[table()]).unwrap();
        assert_eq!(live(&again), live(&lake));
    }
}

#[test]
fn old_checkpoints_go() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    for n in 0..300 {
        append(&lake, &[row("t", "a", 1, n, n)]);
    }
    let checkpoints = log_names(directory.path(), ".checkpoint.parquet");
    assert!((1..=3).contains(&checkpoints.len()), "{checkpoints:?}");
}
