use std::collections::BTreeMap;

use model::{FaultKind, Micros, RowCount};
use proptest::prelude::*;
use tempfile::tempdir;

use crate::Lake;
use crate::fixture::{NOW, Row, append, live, live_at, new_lake, order, project, row, stored, table};

/// What a store must hold, by the plainest rules.
#[derive(Default)]
struct Naive {
    newest: BTreeMap<(String, String), Row>,
}

impl Naive {
    fn append(&mut self, rows: &[Row]) {
        for row in rows {
            let key = (row.trace.clone(), row.id.clone());
            if self.newest.get(&key).is_none_or(|known| row.version >= known.version) {
                self.newest.insert(key, row.clone());
            }
        }
    }

    fn live(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = self.newest.values().filter(|row| !row.deleted).cloned().collect();
        rows.sort_by(|a, b| order(a).cmp(&order(b)));
        rows
    }
}

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<Row>),
    Compact,
    MergeBeyond(usize),
    Expire(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let row = (0..6_u8, 0..4_u8, 0..12_i64, 0..5_i64, any::<bool>(), 0..50_i64).prop_map(
        |(trace, id, time, version, deleted, payload)| Row {
            deleted: deleted && payload % 2 == 0,
            ..row(&format!("t{trace}"), &format!("s{id}"), time, version, payload)
        },
    );
    let step = prop_oneof![
        6 => prop::collection::vec(row, 1..8).prop_map(Step::Append),
        1 => Just(Step::Compact),
        2 => (1..3_usize).prop_map(Step::MergeBeyond),
        1 => (0..6_i64).prop_map(Step::Expire),
    ];
    prop::collection::vec(step, 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn live_rows_are_those_of_the_naive_model_whatever_is_merged_and_expired(steps in steps()) {
        let directory = tempdir().unwrap();
        let lake = new_lake(directory.path());
        let mut naive = Naive::default();
        let mut seen = Vec::new();
        for step in steps {
            match step {
                Step::Append(rows) => {
                    append(&lake, &rows);
                    naive.append(&rows);
                }
                Step::Compact => {
                    lake.compact("events", NOW).unwrap();
                }
                Step::MergeBeyond(overlap_max) => lake.compact_deep("events", overlap_max, NOW).unwrap(),
                Step::Expire(before) => {
                    lake.expire("events", Micros(before), NOW).unwrap();
                    naive.newest.retain(|_, row| row.time >= before);
                }
            }
            prop_assert_eq!(live(&lake), naive.live());
            seen.push((lake.snapshot("events").unwrap(), naive.live()));
        }
        // Every version that a reader may still hold is what it was.
        let again = Lake::open(directory.path(), &[table()]).unwrap();
        for (snapshot, expected) in seen {
            prop_assert_eq!(live_at(&again, &again.read_snapshot("events", Some(snapshot.version)).unwrap()), expected);
        }
    }
}

#[test]
fn compaction_leaves_one_sequence_without_superseded_versions_but_with_deletions() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    for version in 0..12 {
        append(&lake, &[row("t", "a", version, version, version), row("t", "b", 5, version, version)]);
    }
    append(&lake, &[Row { deleted: true, ..row("t", "b", 5, 99, 0) }]);
    let compacted = lake.compact("events", NOW).unwrap();
    assert!(compacted.rows_dropped.get() > 0 && compacted.files_after == 1, "{compacted:?}");
    let snapshot = lake.snapshot("events").unwrap();
    assert_eq!(snapshot.files.len(), 1);
    assert_eq!(
        stored(&snapshot, &snapshot.files[0].path),
        [row("t", "a", 11, 11, 11), Row { deleted: true, ..row("t", "b", 5, 99, 0) }]
    );
    // An older version that arrives after all still does not bring the row back.
    append(&lake, &[row("t", "b", 5, 98, 7)]);
    assert_eq!(live(&lake), [row("t", "a", 11, 11, 11)]);
    assert_eq!(lake.compact("events", NOW).unwrap().rows_dropped, RowCount(1));
    assert_eq!(lake.compact("events", NOW).unwrap().files_before, 0);
}

#[test]
fn an_append_that_overtakes_a_merge_stays_newer() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    append(&lake, &[row("t", "a", 1, 1, 1)]);
    append(&lake, &[row("t", "b", 1, 1, 1)]);
    let before = lake.snapshot("events").unwrap();
    append(&lake, &[row("t", "a", 2, 1, 2)]);
    // The merge of what was there before the last append commits after it.
    let mut compacted = Default::default();
    lake.merge_files(&before, &project(), before.files.clone(), NOW, &mut compacted).unwrap();
    assert_eq!(live(&lake), [row("t", "a", 2, 1, 2), row("t", "b", 1, 1, 1)]);
}

#[test]
fn merging_files_that_are_gone_is_a_conflict_and_leaves_nothing() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    append(&lake, &[row("t", "a", 1, 1, 1)]);
    append(&lake, &[row("t", "b", 1, 1, 1)]);
    let before = lake.snapshot("events").unwrap();
    lake.compact("events", NOW).unwrap();
    let fault = lake.merge_files(&before, &project(), before.files.clone(), NOW, &mut Default::default()).unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Conflict);
    assert_eq!(live(&lake).len(), 2);
}

#[test]
fn one_process_maintains_at_a_time_and_appends_go_on() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    append(&lake, &[row("t", "a", 1, 1, 1)]);
    let other = Lake::open(directory.path(), &[table()]).unwrap();
    let owned = other.try_own().unwrap();
    assert!(owned.is_some());
    assert_eq!(lake.compact("events", NOW).unwrap_err().kind(), FaultKind::Conflict);
    assert_eq!(lake.expire("events", NOW, NOW).unwrap_err().kind(), FaultKind::Conflict);
    for n in 0..12 {
        append(&lake, &[row("t", "a", 1, n, n)]);
    }
    assert_eq!(live(&lake), [row("t", "a", 1, 11, 11)]);
    drop(owned);
    append(&lake, &[row("t", "a", 1, 12, 12)]);
    assert!(lake.snapshot("events").unwrap().files.len() <= 8);
}

#[test]
fn expiry_takes_older_versions_of_what_it_removes_with_it() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    // First stored with a later start, then corrected to an earlier one.
    append(&lake, &[row("t", "a", 100, 1, 1), row("t", "b", 100, 1, 2)]);
    append(&lake, &[row("t", "a", 10, 2, 3), row("t", "c", 60, 1, 4)]);
    append(&lake, &[row("t", "d", 5, 1, 5)]);
    let expired = lake.expire("events", Micros(50), NOW).unwrap();
    assert_eq!((expired.rows, expired.files_dropped, expired.files_rewritten), (RowCount(3), 1, 2));
    assert_eq!(live(&lake), [row("t", "b", 100, 1, 2), row("t", "c", 60, 1, 4)]);
    assert_eq!(lake.expire("events", Micros(50), NOW).unwrap().rows, RowCount(0));
    lake.expire("events", Micros(i64::MAX), NOW).unwrap();
    assert_eq!(lake.snapshot("events").unwrap().files, []);
}

/// An hour after [`NOW`] and a little more.
const LATER: Micros = Micros(NOW.0 + 3_600_000_001);

#[test]
fn a_reader_keeps_its_files_for_as_long_as_it_reads() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    append(&lake, &[row("t", "a", 1, 1, 1)]);
    append(&lake, &[row("t", "b", 1, 1, 2)]);
    // Another process reads, one more of a version that goes by.
    let other = Lake::open(directory.path(), &[table()]).unwrap();
    let reading = other.read_snapshot("events", None).unwrap();
    let (at_start, clone) = (live(&lake), reading.clone());
    lake.compact("events", NOW).unwrap();
    let between = lake.snapshot("events").unwrap();
    append(&lake, &[row("t", "c", 1, 1, 3)]);
    drop(reading);
    lake.compact("events", LATER).unwrap();
    lake.compact("events", Micros(LATER.0 * 2)).unwrap();
    assert_eq!(live_at(&other, &clone), at_start);
    // What came after its version and went before now is nobody's.
    assert!(!between.path(&between.files[0]).exists());
    // Someone who resumes finds the version as long as somebody has it.
    let resumed = lake.read_snapshot("events", Some(clone.version)).unwrap();
    drop(clone);
    lake.compact("events", Micros(LATER.0 * 2)).unwrap();
    assert_eq!(live_at(&lake, &resumed), at_start);

    drop(resumed);
    lake.compact("events", Micros(LATER.0 * 2)).unwrap();
    assert_eq!(lake.read_snapshot("events", Some(2)).unwrap_err().kind(), FaultKind::NotFound);
    assert_eq!(std::fs::read_dir(directory.path().join("events/_readers")).unwrap().count(), 1);
}

#[test]
fn a_reader_that_died_holds_nothing() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    append(&lake, &[row("t", "a", 1, 1, 1)]);
    append(&lake, &[row("t", "b", 1, 1, 2)]);
    let mut reading = lake.read_snapshot("events", None).unwrap();
    let died = std::sync::Arc::into_inner(reading._reader.take().unwrap()).unwrap();
    died.abandon();
    lake.compact("events", NOW).unwrap();
    lake.compact("events", LATER).unwrap();
    assert!(reading.files.iter().all(|file| !reading.path(file).exists()));
    assert_eq!(std::fs::read_dir(directory.path().join("events/_readers")).unwrap().count(), 1);
}

#[test]
fn what_a_crash_leaves_at_the_root_of_a_store_goes_when_it_is_an_hour_old() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    append(&lake, &[row("t", "a", 1, 1, 1)]);
    let left = directory.path().join(".writing-format");
    let written = std::fs::File::create_new(&left).unwrap();
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_micros(u64::try_from(NOW.0).unwrap());
    written.set_modified(at).unwrap();
    let backup = directory.path().join(".writing-backup");
    std::fs::create_dir(&backup).unwrap();

    lake.compact("events", NOW).unwrap();
    assert!(left.exists());
    lake.compact("events", LATER).unwrap();
    assert!(!left.exists());
    lake.compact("events", Micros(LATER.0 * 2)).unwrap();
    assert!(backup.exists() && directory.path().join("outgest-lake.json").exists());
    assert_eq!(live(&lake), [row("t", "a", 1, 1, 1)]);
}

#[test]
fn replaced_files_are_kept_as_long_as_is_set_and_what_is_gone_is_not_called_damage() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path()).keeping_replaced_files(std::time::Duration::from_secs(60));
    append(&lake, &[row("t", "a", 1, 1, 1)]);
    append(&lake, &[row("t", "b", 1, 1, 2)]);
    let looked_at = lake.snapshot("events").unwrap();
    lake.compact("events", NOW).unwrap();
    lake.compact("events", Micros(NOW.0 + 59_000_000)).unwrap();
    looked_at.open(&looked_at.files[0]).unwrap();
    lake.compact("events", Micros(NOW.0 + 60_000_000)).unwrap();
    let fault = looked_at.open(&looked_at.files[0]).unwrap_err();
    assert_eq!(fault.kind(), FaultKind::NotFound);
    assert!(fault.public_message().contains("cannot go on reading version 2 of events: version 3 replaced"), "{fault}");
}

#[test]
fn a_backup_is_a_store_and_restores_to_one() {
    let directory = tempdir().unwrap();
    let lake = new_lake(&directory.path().join("data"));
    append(&lake, &[row("t", "a", 1, 1, 1)]);
    append(&lake, &[row("t", "a", 1, 2, 2), row("t", "b", 1, 1, 3)]);
    let expected = live(&lake);
    let backup = directory.path().join("backup");
    assert!(lake.backup(&backup).unwrap().get() > 0);
    assert_eq!(lake.backup(&backup).unwrap_err().kind(), FaultKind::Conflict);

    // What happens to the store afterwards does not reach the backup.
    lake.expire("events", NOW, NOW).unwrap();
    lake.compact("events", Micros(NOW.0 + 4_000_000_000)).unwrap();
    assert_eq!(live(&lake), []);
    assert_eq!(live(&Lake::open(&backup, &[table()]).unwrap()), expected);
    let into = directory.path().join("restored");
    let restored = Lake::restore(&backup, &into, &[table()], NOW).unwrap();
    assert_eq!(live(&restored), expected);
    append(&restored, &[row("t", "c", 9, 1, 4)]);
    assert_eq!(live(&restored).len(), 3);
    assert_eq!(Lake::restore(&backup, &into, &[table()], NOW).unwrap_err().kind(), FaultKind::Conflict);
}

#[test]
fn a_backup_that_fails_leaves_nothing_behind() {
    let directory = tempdir().unwrap();
    let lake = new_lake(&directory.path().join("data"));
    append(&lake, &[row("t", "a", 1, 1, 1)]);
    let snapshot = lake.snapshot("events").unwrap();
    std::fs::remove_file(snapshot.path(&snapshot.files[0])).unwrap();
    let fault = lake.backup(&directory.path().join("backup")).unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Corrupt);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

/// Changes the middle byte of the first data file, which lies inside a page.
fn flip_a_byte(lake: &Lake) -> std::path::PathBuf {
    let snapshot = lake.snapshot("events").unwrap();
    let path = snapshot.path(&snapshot.files[0]);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn a_changed_byte_is_found_by_a_check_and_copied_by_no_backup() {
    let directory = tempdir().unwrap();
    let lake = new_lake(&directory.path().join("data"));
    append(&lake, &[row("t", "a", 1, 1, 1)]);
    append(&lake, &[row("t", "b", 1, 1, 2)]);
    let whole = lake.check().unwrap();
    assert_eq!((whole.files, whole.without_checksum, whole.damaged), (2, 0, vec![]));
    let backup = directory.path().join("backup");
    lake.backup(&backup).unwrap();

    // The backup shares its files with the store, as hard links do.
    let path = flip_a_byte(&lake);
    let found = lake.check().unwrap().damaged;
    assert!(found.len() == 1 && found[0].contains(path.to_str().unwrap()) && found[0].contains("SHA-256"), "{found:?}");
    let again = directory.path().join("again");
    assert_eq!(lake.backup(&again).unwrap_err().kind(), FaultKind::Corrupt);
    assert!(!again.exists());
    let into = directory.path().join("restored");
    assert_eq!(Lake::restore(&backup, &into, &[table()], NOW).unwrap_err().kind(), FaultKind::Corrupt);
    assert!(!into.exists());
}

#[test]
fn a_damaged_file_is_not_compacted() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    append(&lake, &[row("t", "a", 1, 1, 1)]);
    append(&lake, &[row("t", "b", 1, 1, 2)]);
    flip_a_byte(&lake);
    assert_eq!(lake.compact("events", NOW).unwrap_err().kind(), FaultKind::Corrupt);
    assert_eq!(lake.snapshot("events").unwrap().files.len(), 2);
}

#[test]
fn a_file_without_a_checksum_is_read_and_counted() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    append(&lake, &[row("t", "a", 1, 1, 1)]);
    let log = directory.path().join("events/_delta_log/00000000000000000001.json");
    let text = std::fs::read_to_string(&log).unwrap();
    let tag = text.find(r#""outgest.sha256":"#).unwrap();
    let end = tag + text[tag..].find(',').unwrap() + 1;
    std::fs::write(&log, format!("{}{}", &text[..tag], &text[end..])).unwrap();
    let again = Lake::open(directory.path(), &[table()]).unwrap();
    assert_eq!(live(&again), [row("t", "a", 1, 1, 1)]);
    assert_eq!(again.check().unwrap().without_checksum, 1);
    again.backup(&directory.path().join("backup")).unwrap();
}

#[test]
fn info_counts_what_is_stored_and_what_lives() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    append(&lake, &[row("t", "a", 1, 1, 1), row("t", "b", 2, 1, 1), Row { project: "q", ..row("t", "a", 7, 1, 1) }]);
    append(&lake, &[row("t", "a", 3, 2, 1), Row { deleted: true, ..row("t", "b", 2, 2, 1) }]);
    let info = lake.info().unwrap();
    let events = &info.tables[0];
    assert_eq!((info.format, events.name, events.version, events.projects.len()), (1, "events", 2, 2));
    let of_p = &events.projects[0];
    assert_eq!((of_p.files, of_p.rows, of_p.live_rows, of_p.overlap), (2, RowCount(4), RowCount(1), 2));
    assert_eq!((of_p.time.min, of_p.time.max), (Micros(1), Micros(3)));
}
