//! The keys that secrets in the metadata store are sealed with.

use std::fs;
use std::io::Write;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{Fault, FaultKind};
use sha2::{Digest, Sha256};
use store::{SealingKey, SealingKeys};

use crate::config::settings::SealSettings;
use crate::export::hex;

/// Where the key lies that was made because none was configured.
const FILE_NAME: &str = "seal.key";

/// The configured keys, or the one in the data directory, which is made where it is missing.
pub fn keys(settings: &SealSettings, data: &Path) -> Result<SealingKeys, Fault> {
    let mut keys = settings.keys().into_iter();
    let current = match keys.next() {
        Some(key) => key,
        None => in_directory(data)?,
    };
    Ok(SealingKeys { current: named(current), older: keys.map(named).collect() })
}

/// A key is known by a hash of it, so that nobody has to invent names.
fn named(key: [u8; 32]) -> SealingKey {
    let id = hex(&Sha256::digest([b"outgest key id".as_slice(), &key].concat()));
    SealingKey::new(&id[..16], key)
}

fn in_directory(data: &Path) -> Result<[u8; 32], Fault> {
    let path = data.join(FILE_NAME);
    let cannot = |why: String| {
        Fault::new(FaultKind::Configuration, format!("cannot use the key in {}: {why}", path.display()))
            .hint("restore the file from a copy, or set seal.key; without the key stored secrets cannot be read")
    };
    let new = SealingKey::random("new").bytes();
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(&path) {
        Ok(mut file) => {
            let written = writeln!(file, "{}", STANDARD.encode(new)).and_then(|()| file.sync_all());
            written.map_err(|error| cannot(error.to_string()))?;
            tracing::warn!("a key for secrets was made in {}: keep a copy of it apart from backups", path.display());
            Ok(new)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let text = fs::read_to_string(&path).map_err(|error| cannot(error.to_string()))?;
            let bytes = STANDARD.decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
            bytes.ok_or_else(|| cannot("it is not 32 bytes in base64".to_owned()))
        }
        Err(error) => Err(cannot(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let made = keys(&SealSettings::default(), folder.path()).unwrap();
        let found = keys(&SealSettings::default(), folder.path()).unwrap();
        assert_eq!(made.current.bytes(), found.current.bytes());
        assert_eq!(format!("{made:?}"), format!("{found:?}"));
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(
                &fs::metadata(folder.path().join(FILE_NAME)).unwrap().permissions(),
            );
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::write(folder.path().join(FILE_NAME), "short").unwrap();
        assert!(keys(&SealSettings::default(), folder.path()).is_err());
    }
}
