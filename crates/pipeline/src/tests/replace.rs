//! An export that replaces an earlier one leaves nothing of it, and no manifest tells of what is gone.

use std::collections::BTreeMap;

use model::{ByteCount, FileName, Manifest, RowCount};

use super::doubles::{Bench, Ended, Trouble};
use crate::Earlier;

type Files = BTreeMap<String, Vec<u8>>;

const MANIFEST: &str = "out.txt.manifest.json";

/// The files of an export of 60 rows, rolled or not.
async fn earlier(roll_bytes: Option<u64>) -> Files {
    let mut bench = Bench::new(60);
    bench.spec.files.roll_bytes = roll_bytes.map(ByteCount);
    bench.run().await.unwrap();
    bench.files()
}

/// An export of 20 rows over these files and one that is none of its business.
fn replacing(earlier: &Files, roll_bytes: Option<u64>) -> Bench {
    let mut bench = Bench::new(60);
    bench.spec.limit = Some(RowCount(20));
    bench.spec.files.roll_bytes = roll_bytes.map(ByteCount);
    bench.spec.earlier = Earlier::Replaced { manifests: vec![FileName::new(MANIFEST).unwrap()], known: vec![] };
    let mut visible = earlier.clone();
    visible.insert("out.txt.notes".to_owned(), vec![1]);
    *bench.shelf.visible.lock().unwrap() = visible;
    bench
}

/// What the same export leaves where nothing was before.
async fn fresh(roll_bytes: Option<u64>) -> Files {
    let bench = replacing(&Files::new(), roll_bytes);
    bench.run().await.unwrap();
    bench.files()
}

const ROLLS: [(Option<u64>, Option<u64>); 4] =
    [(None, None), (Some(150), Some(150)), (Some(150), None), (None, Some(150))];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_replaced_export_is_left() {
    for (before, now) in ROLLS {
        let old = earlier(before).await;
        assert!(before.is_none() || old.len() > 5, "{:?}", old.keys());
        let bench = replacing(&old, now);
        bench.run().await.unwrap();
        assert_eq!(bench.files(), fresh(now).await, "{before:?} to {now:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rolled_files_without_a_manifest_are_found_by_their_numbers() {
    let mut old = earlier(Some(150)).await;
    old.remove(MANIFEST);
    let bench = replacing(&old, Some(150));
    bench.run().await.unwrap();
    assert_eq!(bench.files(), fresh(Some(150)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_manifest_of_a_replaced_export_goes_where_no_new_one_takes_its_place() {
    for (before, now) in ROLLS {
        for name in [None, Some("other.json")] {
            let mut bench = replacing(&earlier(before).await, now);
            bench.spec.files.manifest = name.map(|name| FileName::new(name).unwrap());
            bench.run().await.unwrap();
            let mut expected = fresh(now).await;
            let manifest = expected.remove(MANIFEST).unwrap();
            expected.extend(name.map(|name| (name.to_owned(), manifest)));
            assert_eq!(bench.files(), expected, "{before:?} to {now:?}, manifest {name:?}");
        }
    }
}

/// A manifest may be anybody's file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_files_of_the_output_are_removed_whatever_a_manifest_lists() {
    let mut old = earlier(Some(150)).await;
    let mut manifest: Manifest = serde_json::from_slice(&old[MANIFEST]).unwrap();
    for (file, name) in manifest.files.iter_mut().zip(["other.txt", "out-part-1.csv", "out-part-x.txt"]) {
        file.key = FileName::new(name).unwrap();
        old.insert(name.to_owned(), vec![2]);
    }
    old.insert(MANIFEST.to_owned(), serde_json::to_vec(&manifest).unwrap());
    let bench = replacing(&old, None);
    bench.run().await.unwrap();
    for name in ["other.txt", "out-part-1.csv", "out-part-x.txt"] {
        assert!(bench.files().contains_key(name), "{name}");
    }
    // Neither is it an error that something else has the manifest's name.
    let bench = replacing(&Files::from([(MANIFEST.to_owned(), b"notes".to_vec())]), Some(150));
    bench.run().await.unwrap();
    assert_eq!(bench.files(), fresh(Some(150)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_while_replacing_leaves_no_manifest_of_files_that_are_gone() {
    for (before, now) in ROLLS {
        let (old, new) = (earlier(before).await, fresh(now).await);
        let undisturbed = replacing(&old, now);
        let Ended::Done(_) = undisturbed.attempt(None).await else { panic!("the undisturbed run fails") };
        for call in 0..undisturbed.calls_made() {
            for trouble in [Trouble::CrashBefore, Trouble::CrashAfter] {
                let bench = replacing(&old, now);
                let at = || format!("{before:?} to {now:?}, {trouble:?} at call {call}");
                if matches!(bench.attempt(Some((call, trouble))).await, Ended::Crashed) {
                    let files = bench.files();
                    // One file is replaced in place: its manifest follows it.
                    let in_place = before.is_none() && now.is_none();
                    if let Some(manifest) = files.get(MANIFEST).filter(|_| !in_place) {
                        let manifest: Manifest = serde_json::from_slice(manifest).unwrap();
                        for file in manifest.files {
                            let found = files.get(file.key.as_str()).map(|bytes| ByteCount::from(bytes.len()));
                            assert_eq!(found, Some(file.head.bytes), "{} after {}", file.key, at());
                        }
                    }
                    bench.attempt(None).await;
                }
                assert_eq!(bench.files(), new, "{}", at());
            }
        }
    }
}
