use std::fs;
use std::sync::Barrier;

use arrow_array::Array;
use model::{ByteCount, FaultKind};
use tempfile::tempdir;

use super::*;
use crate::disk;
use crate::fixture::{NOW, Row, append, batch, live, live_at, new_lake, order, row, table};

#[test]
fn rows_come_back_as_they_were_whatever_their_types() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    let mut rows: Vec<Row> =
        (0..500).map(|n| row(&format!("t{}", n % 7), &format!("é{n}\0"), n * 1_000 % 77_000, n, n)).collect();
    rows.push(Row { project: "q", ..row("t", "s", -1, i64::MIN / 2, 3) });
    rows.push(Row { project: "", ..row("", "", i64::MIN / 2, 0, 3) });
    let commit = append(&lake, &rows);
    assert_eq!((commit.version, commit.rows, commit.files), (1, RowCount(502), 3));

    let snapshot = lake.snapshot("events").unwrap();
    let mut found = Vec::new();
    for file in &snapshot.files {
        found.extend(crate::fixture::stored(&snapshot, &file.path));
    }
    found.sort_by(|a, b| order(a).cmp(&order(b)));
    rows.sort_by(|a, b| order(a).cmp(&order(b)));
    assert_eq!(found, rows);
}

#[test]
fn nothing_is_visible_before_the_commit_and_nothing_is_left_without_one() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    let mut appender =
        lake.append_with("events", AppendOptions { buffer_bytes: ByteCount(1), ..Default::default() }).unwrap();
    appender.push(batch(&[row("t", "a", 1, 1, 1)])).unwrap();
    appender.push(batch(&[row("t", "b", 2, 1, 2)])).unwrap();
    assert_eq!(lake.snapshot("events").unwrap().files.len(), 0);
    drop(appender);
    assert_eq!(data_files(directory.path()), 0);
    assert_eq!(live(&lake), []);
}

#[test]
fn a_crash_before_the_commit_leaves_a_store_that_goes_on() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    append(&lake, &[row("t", "a", 1, 1, 1)]);
    let mut appender =
        lake.append_with("events", AppendOptions { buffer_bytes: ByteCount(1), ..Default::default() }).unwrap();
    appender.push(batch(&[row("t", "b", 2, 1, 2)])).unwrap();
    appender.worker.crash();
    assert_eq!(data_files(directory.path()), 2);

    assert_eq!(live(&lake), [row("t", "a", 1, 1, 1)]);
    append(&lake, &[row("t", "c", 3, 1, 3)]);
    assert_eq!(live(&lake), [row("t", "c", 3, 1, 3), row("t", "a", 1, 1, 1)]);
    // The orphan goes with maintenance, once it is old enough to belong to nobody.
    lake.compact("events", Micros(0)).unwrap();
    let orphan_and_replaced = data_files(directory.path());
    lake.compact("events", Micros(i64::MAX)).unwrap();
    assert_eq!((orphan_and_replaced, data_files(directory.path())), (4, 1));
    assert_eq!(live(&lake), [row("t", "c", 3, 1, 3), row("t", "a", 1, 1, 1)]);
}

#[test]
fn a_commit_whose_last_step_fails_keeps_the_files_that_it_names() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    append(&lake, &[row("t", "a", 1, 1, 1)]);
    let mut appender = lake.append("events").unwrap();
    appender.push(batch(&[row("t", "b", 2, 1, 2)])).unwrap();
    // The commit has its name; then its directory cannot be synced.
    disk::trouble::refuse_to_sync(Some(&directory.path().join("events/_delta_log")));
    let fault = appender.commit(NOW, "WRITE").unwrap_err();
    assert!(fault.public_message().contains("version 2 of events was written, but may not survive"), "{fault}");
    let both = [row("t", "b", 2, 1, 2), row("t", "a", 1, 1, 1)];
    assert_eq!(live(&lake), both);

    // So with a compaction, whose inputs are gone from the log by then.
    assert!(lake.compact("events", NOW).unwrap_err().public_message().contains("version 3 of events was written"));
    assert_eq!(live(&lake), both);
    disk::trouble::refuse_to_sync(None);
    lake.compact("events", Micros(i64::MAX)).unwrap();
    assert_eq!(live(&lake), both);
    assert_eq!(data_files(directory.path()), 1);
}

#[test]
fn a_commit_that_failed_before_it_had_its_name_leaves_nothing() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    let mut appender = lake.append("events").unwrap();
    appender.push(batch(&[row("t", "a", 1, 1, 1)])).unwrap();
    disk::trouble::refuse_to_sync(Some(&directory.path().join("events")));
    appender.commit(NOW, "WRITE").unwrap_err();
    disk::trouble::refuse_to_sync(None);
    assert_eq!((live(&lake), data_files(directory.path())), (vec![], 0));
}

#[test]
fn files_of_a_living_appender_survive_maintenance() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    let mut appender =
        lake.append_with("events", AppendOptions { buffer_bytes: ByteCount(1), ..Default::default() }).unwrap();
    appender.push(batch(&[row("t", "a", 1, 1, 1)])).unwrap();
    appender.push(batch(&[row("t", "b", 2, 1, 2)])).unwrap();
    lake.compact("events", Micros(i64::MAX)).unwrap();
    appender.commit(NOW, "WRITE").unwrap();
    assert_eq!(live(&lake), [row("t", "b", 2, 1, 2), row("t", "a", 1, 1, 1)]);
}

#[test]
fn two_stores_over_one_directory_append_at_once_and_lose_nothing() {
    let directory = tempdir().unwrap();
    new_lake(directory.path());
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let (barrier, path) = (&barrier, directory.path());
            scope.spawn(move || {
                let lake = Lake::open(path, &[table()]).unwrap();
                for n in 0..20 {
                    barrier.wait();
                    append(&lake, &[row(&format!("w{writer}"), &format!("{n:02}"), n, 1, n)]);
                }
            });
        }
    });
    let lake = Lake::open(directory.path(), &[table()]).unwrap();
    let found = live(&lake);
    assert_eq!(found.len(), 40);
    for writer in 0..2 {
        let of_writer = found.iter().filter(|row| row.trace == format!("w{writer}"));
        assert_eq!(of_writer.count(), 20);
    }
}

#[test]
fn a_snapshot_does_not_see_later_commits() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    append(&lake, &[row("t", "a", 1, 1, 1)]);
    let before = lake.snapshot("events").unwrap();
    append(&lake, &[row("t", "a", 1, 2, 2), row("t", "b", 2, 1, 3)]);
    lake.compact("events", NOW).unwrap();
    assert_eq!(live_at(&lake, &before), [row("t", "a", 1, 1, 1)]);
    assert_eq!(live(&lake), [row("t", "b", 2, 1, 3), row("t", "a", 1, 2, 2)]);
    let again = Lake::open(directory.path(), &[table()]).unwrap();
    assert_eq!(
        live_at(&again, &again.read_snapshot("events", Some(before.version)).unwrap()),
        [row("t", "a", 1, 1, 1)]
    );
}

#[test]
fn of_versions_pushed_together_the_greatest_rank_is_stored_and_of_equals_the_last() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    let commit = append(
        &lake,
        &[row("t", "a", 9, 5, 1), row("t", "a", 1, 5, 2), row("t", "a", 3, 4, 3), row("t", "b", 1, 1, 4)],
    );
    assert_eq!((commit.rows, commit.superseded), (RowCount(4), RowCount(2)));
    assert_eq!(live(&lake), [row("t", "a", 1, 5, 2), row("t", "b", 1, 1, 4)]);
}

#[test]
fn small_buffers_make_many_files_which_the_commit_merges() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    let rows: Vec<Row> = (0..400).map(|n| row("t", &format!("{n:03}"), n * 7_919 % 400, 1, n)).collect();
    let options = AppendOptions { buffer_bytes: ByteCount(4_000), ..AppendOptions::default() };
    let mut appender = lake.append_with("events", options).unwrap();
    for part in rows.chunks(7) {
        appender.push(batch(part)).unwrap();
    }
    let commit = appender.commit(NOW, "WRITE").unwrap();
    assert!(commit.files > 8, "{commit:?}");
    assert!(lake.snapshot("events").unwrap().files.len() <= 4);
    assert_eq!(live(&lake).len(), 400);
}

#[test]
fn an_append_without_rows_commits_nothing() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    let commit = lake.append("events").unwrap().commit(NOW, "WRITE").unwrap();
    assert_eq!((commit.version, commit.rows, commit.files), (0, RowCount(0), 0));
    assert_eq!(lake.snapshot("events").unwrap().version, 0);
}

#[test]
fn a_row_group_is_bounded_in_bytes() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    let rows: Vec<Row> = (0..60_000).map(|n| row("t", &format!("{n:0300}"), n, 1, 6)).collect();
    let mut appender = lake.append("events").unwrap();
    for part in rows.chunks(5_000) {
        appender.push(batch(part)).unwrap();
    }
    appender.commit(NOW, "WRITE").unwrap();
    let snapshot = lake.snapshot("events").unwrap();
    let reader = crate::parquet_file::open(&snapshot, &snapshot.files[0]).unwrap();
    let groups = reader.metadata().row_groups();
    let per_row = snapshot.files[0].cell_bytes / snapshot.files[0].rows;
    assert!(groups.len() > 1);
    for group in groups {
        assert!(group.num_rows() as u64 * per_row < 14 << 20, "{} rows of {per_row} bytes", group.num_rows());
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    fs::remove_dir_all(directory.path().join("events")).unwrap();
    fs::write(directory.path().join("events"), "in the way").unwrap();
    let fault = lake.append("events").unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Unavailable);
    assert!(fault.public_message().contains("events/_pending"), "{fault}");
}

#[test]
fn a_batch_with_a_null_where_none_may_be_is_refused() {
    let directory = tempdir().unwrap();
    let lake = new_lake(directory.path());
    let whole = batch(&[row("t", "a", 1, 1, 1)]);
    let mut columns = whole.columns().to_vec();
    columns[0] = arrow_array::new_null_array(columns[0].data_type(), 1);
    let schema: Vec<_> =
        whole.schema().fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    let holed = RecordBatch::try_new(Arc::new(arrow_schema::Schema::new(schema)), columns).unwrap();
    assert_eq!(lake.append("events").unwrap().push(holed).unwrap_err().kind(), FaultKind::Bug);
}

fn data_files(directory: &std::path::Path) -> usize {
    let entries = fs::read_dir(directory.join("events")).unwrap();
    entries.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|kind| kind == "parquet")).count()
}
