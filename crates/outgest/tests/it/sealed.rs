//! What the suite gives the product to keep secret is looked for in everything that the product gives back
//! (promise 18): what commands print, what servers answer and log, what mails and webhooks say, and every file in the
//! folders of tests, the metadata store included.
//!
//! Nothing has to be asked for: [`Ended`](crate::support::Ended), the callers of servers and the folders look by
//! themselves, so every test of the suite is one of this promise too.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use memchr::memmem;

/// Every secret that tests choose has one of these in it.
const MARKS: [&str; 3] = ["hunter", "reader-secret", "correct horse battery"];

/// What the secret halves of API keys begin with.
const KEY_PREFIX: &str = "sk-og-";

/// Read of a file at once.
const CHUNK_BYTES: u64 = 1 << 20;

/// No secret is longer.
const SECRET_BYTES_MAX: usize = 256;

/// The marks, as they are and inside of base64.
static NEEDLES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let plain = MARKS.iter().map(|mark| (*mark).to_owned());
    plain.chain(MARKS.iter().flat_map(|mark| (0..3).map(|before| inside_base64(mark, before)))).collect()
});

/// API keys that were made, once they were told.
static KEYS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// From now on nobody may repeat this secret half of a key.
pub fn keep(key: &str) {
    assert!(key.starts_with(KEY_PREFIX) && key.len() <= SECRET_BYTES_MAX, "{key:?} is no secret half of a key");
    KEYS.lock().unwrap().insert(key.to_owned());
}

/// Fails where there is a secret in something that the product gave back.
#[track_caller]
pub fn assert_sealed(what: &str, bytes: &[u8]) {
    if let Some(secret) = secret_in(bytes) {
        panic!("the secret {secret:?} is in {what}: {}", String::from_utf8_lossy(bytes));
    }
}

/// Fails where there is a secret in a file below a folder. Files that a test wrote itself may have some.
pub fn assert_folder_sealed(folder: &Path, written_by_test: &BTreeSet<PathBuf>) {
    // What a running server removes meanwhile is not there to be read.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            assert_folder_sealed(&path, written_by_test);
        } else if kind.is_file() && !written_by_test.contains(&path) {
            let secret = secret_in_file(&path);
            assert_eq!(secret, None, "{} has a secret in it", path.display());
        }
    }
}

fn secret_in(bytes: &[u8]) -> Option<String> {
    if let Some(needle) = NEEDLES.iter().find(|needle| memmem::find(bytes, needle.as_bytes()).is_some()) {
        return Some(needle.clone());
    }
    let keys = KEYS.lock().unwrap();
    let begins = |at: usize| keys.iter().find(|key| bytes[at..].starts_with(key.as_bytes())).cloned();
    memmem::find_iter(bytes, KEY_PREFIX.as_bytes()).find_map(begins)
}

fn secret_in_file(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let mut window = Vec::new();
    loop {
        window.drain(..window.len().saturating_sub(SECRET_BYTES_MAX));
        let read = file.by_ref().take(CHUNK_BYTES).read_to_end(&mut window).ok()?;
        if let Some(secret) = secret_in(&window) {
            return Some(secret);
        }
        if read == 0 {
            return None;
        }
    }
}

/// How a text looks in base64 behind so many other bytes, without the characters that depend on its neighbours.
fn inside_base64(text: &str, before: usize) -> String {
    let encoded = STANDARD_NO_PAD.encode([&vec![0; before], text.as_bytes()].concat());
    encoded[(before * 8).div_ceil(6)..(before + text.len()) * 8 / 6].to_owned()
}

#[test]
fn a_secret_is_found_however_it_is_written() {
    let encoded = |text: &str| STANDARD_NO_PAD.encode(text);
    let key = "sk-og-made-by-a-test";
    keep(key);
    let carriers = [
        "the key phc_test-hunter2 is wrong".to_owned(),
        format!("Authorization: Basic {}", encoded("token-hunter2:")),
        format!("Authorization: Basic {}", encoded("u:hunter2")),
        format!("Authorization: Basic {}", encoded("me:hunter2:x")),
        format!("{{\"password\":\"{}\"}}", "correct horse battery"),
        format!("no key {key}."),
    ];
    let folder = tempfile::tempdir().unwrap();
    for carrier in &carriers {
        assert!(secret_in(carrier.as_bytes()).is_some(), "{carrier}");
        // Where two reads of a file meet, and in a folder below.
        let path = folder.path().join("below");
        std::fs::create_dir_all(&path).unwrap();
        let path = path.join("file");
        let before = vec![b'.'; CHUNK_BYTES as usize - carrier.len() / 2];
        std::fs::write(&path, [&before, carrier.as_bytes()].concat()).unwrap();
        assert!(secret_in_file(&path).is_some(), "{carrier}");
        let look = |written: &[PathBuf]| {
            let written = written.iter().cloned().collect();
            std::panic::catch_unwind(|| assert_folder_sealed(folder.path(), &written)).is_ok()
        };
        assert_eq!((look(&[]), look(std::slice::from_ref(&path))), (false, true));
    }
    for clean in ["", "the key *** is wrong", "sk-og-another", "a horse"] {
        assert_eq!(secret_in(clean.as_bytes()), None);
    }
}
