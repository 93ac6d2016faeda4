//! What a local directory promises beyond the common promises.

use std::os::unix::fs::PermissionsExt;

use model::Retry;

use super::*;
use crate::conformance::{self, Ability};

fn name(text: &str) -> FileName {
    FileName::new(text).unwrap()
}

async fn open(destination: &LocalDestination, file: &str) -> Box<dyn FileWriter> {
    destination.open(&name(file), &FileAttributes::default(), None).await.unwrap()
}

#[tokio::test]
async fn local_keeps_every_promise() {
    let directory = tempfile::tempdir().unwrap();
    conformance::run(&LocalDestination::new(directory.path()), &Ability::large()).await;
}

#[tokio::test]
async fn an_upload_is_one_partial_file_beside_its_target() {
    let directory = tempfile::tempdir().unwrap();
    let local = LocalDestination::new(directory.path().join("new/deeper"));

    let mut writer = open(&local, "a.csv").await;
    writer.write(Bytes::from_static(b"abc")).await.unwrap();

    let partial = directory.path().join("new/deeper/a.csv.partial");
    assert_eq!(fs::read(&partial).unwrap(), b"abc");
    writer.abort().await.unwrap();
    assert_eq!(fs::read_dir(directory.path().join("new/deeper")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_second_writer_of_the_same_name_is_refused_while_the_first_lives() {
    let directory = tempfile::tempdir().unwrap();
    let local = LocalDestination::new(directory.path());
    let first = open(&local, "a.csv").await;

    let fault = local.open(&name("a.csv"), &FileAttributes::default(), None).await.err().unwrap();
    assert_eq!(fault.kind(), FaultKind::Conflict);

    drop(first);
    open(&local, "a.csv").await;
}

#[tokio::test]
async fn a_partial_file_of_another_run_is_replaced_and_cannot_be_resumed() {
    let directory = tempfile::tempdir().unwrap();
    let local = LocalDestination::new(directory.path());
    let dead = open(&local, "a.csv").await.upload();

    let mut writer = open(&local, "a.csv").await;
    writer.write(Bytes::from_static(b"new")).await.unwrap();
    drop(writer);

    let fault = local.open(&name("a.csv"), &FileAttributes::default(), Some(&dead)).await.err().unwrap();
    assert_eq!(fault.kind(), FaultKind::NotFound);
    local.discard(&dead).await.unwrap();
    assert_eq!(fs::read(directory.path().join("a.csv.partial")).unwrap(), b"new", "not its to remove");
}

#[tokio::test]
async fn a_writer_that_was_taken_over_completes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let local = LocalDestination::new(directory.path());
    let mut stopped = open(&local, "a.csv").await;
    stopped.write(Bytes::from_static(b"old")).await.unwrap();
    // The successor removes what it cannot take over and begins anew under the same name.
    local.discard(&stopped.upload()).await.unwrap();
    let mut successor = open(&local, "a.csv").await;
    successor.write(Bytes::from_static(b"new")).await.unwrap();

    let fault = stopped.commit().await.unwrap_err();

    assert_eq!(fault.kind(), FaultKind::NotFound);
    assert!(local.head(&name("a.csv")).await.unwrap().is_none());
    successor.commit().await.unwrap();
    assert_eq!(fs::read(directory.path().join("a.csv")).unwrap(), b"new");
}

#[tokio::test]
async fn only_durable_bytes_survive_a_resume() {
    let directory = tempfile::tempdir().unwrap();
    let local = LocalDestination::new(directory.path());
    let mut writer = open(&local, "a.csv").await;
    let durable = writer.write(Bytes::from_static(b"not synced yet")).await.unwrap();
    assert_eq!(durable.bytes, ByteCount::ZERO);
    drop(writer);

    let mut writer = local.open(&name("a.csv"), &FileAttributes::default(), Some(&durable.state)).await.unwrap();
    writer.write(Bytes::from_static(b"again")).await.unwrap();
    writer.commit().await.unwrap();

    assert_eq!(fs::read(directory.path().join("a.csv")).unwrap(), b"again");
}

#[tokio::test]
async fn bytes_become_durable_after_a_second_without_a_full_stretch() {
    let directory = tempfile::tempdir().unwrap();
    let local = LocalDestination::new(directory.path());
    let mut writer = open(&local, "a.csv").await;
    writer.write(Bytes::from_static(b"slow export")).await.unwrap();

    tokio::time::sleep(SYNC_WAIT).await;
    let mut durable = ByteCount::ZERO;
    for _ in 0..500 {
        durable = writer.write(Bytes::new()).await.unwrap().bytes;
        if durable > ByteCount::ZERO {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }

    assert_eq!(durable, ByteCount(11));
}

/// Just over the age at which a sync is due.
const SYNC_WAIT: std::time::Duration = std::time::Duration::from_millis(1050);

#[tokio::test]
async fn special_files_and_directories_are_never_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let local = LocalDestination::new(directory.path());
    fs::create_dir(directory.path().join("taken")).unwrap();

    for (destination, file) in [(&local, "taken"), (&LocalDestination::new("/dev"), "null")] {
        let fault = destination.open(&name(file), &FileAttributes::default(), None).await.err().unwrap();
        assert_eq!(fault.kind(), FaultKind::Configuration, "{file}");
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_names_the_path_and_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o555)).unwrap();
    // Root ignores permissions, but not that a file stands where a directory should be.
    let in_the_way = directory.path().join("file");
    let root = if fs::write(&in_the_way, "x").is_ok() { in_the_way } else { directory.path().to_owned() };

    let local = LocalDestination::new(&root);
    let fault = local.open(&name("a.csv"), &FileAttributes::default(), None).await.err().unwrap();

    assert_eq!(fault.kind(), FaultKind::Configuration);
    assert!(fault.public_message().contains("a.csv.partial"), "{fault}");
    assert!(fault.public_hint().is_some());
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_manifest_that_cannot_be_written_leaves_nothing_half_written() {
    let directory = tempfile::tempdir().unwrap();
    // Nothing can be renamed to a directory, so the last step fails after everything was written.
    fs::create_dir(directory.path().join("a.json")).unwrap();
    let local = LocalDestination::new(directory.path());
    let manifest = Published { text: Bytes::from_static(b"{}"), files: vec![] };
    local.publish(&manifest, &name("a.json")).await.unwrap_err();
    assert!(!directory.path().join("a.json.partial").exists());
}

#[test]
fn a_full_disk_is_not_waited_for() {
    let fault = classify("write", Path::new("/x/a.csv.partial"), ErrorKind::StorageFull.into());

    assert_eq!(fault.public_message(), "cannot write /x/a.csv.partial: the disk is full");
    assert_eq!(fault.retry(), Retry::Never);
    assert!(fault.public_hint().is_some());
}

#[test]
fn a_path_names_a_file_in_its_parent_and_a_directory_names_itself() {
    let directory = tempfile::tempdir().unwrap();
    let at = |path: &Path| {
        let connected = crate::connect(path.to_str().unwrap(), &model::RawOptions::default(), &|_| None).unwrap();
        (connected.to.to_string(), connected.path)
    };

    let root = directory.path().display().to_string();
    assert_eq!(at(&directory.path().join("a.csv")), (root.clone(), "a.csv".to_owned()));
    assert_eq!(at(directory.path()), (root, String::new()));
    assert_eq!(at(Path::new("a.csv")), (".".to_owned(), "a.csv".to_owned()));
    assert_eq!(at(Path::new("not-there/")), ("not-there/".to_owned(), String::new()));
}
