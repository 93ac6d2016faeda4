//! Sealing: AES-256-GCM, bound to the name of the secret, with a key that can be changed.
//!
//! A sealed secret is a random nonce and the ciphertext; the key's id lies beside it, so that old
//! secrets open while new ones are sealed with the current key. The name goes in as associated data:
//! a sealed secret that is copied to another row or field does not open.

use std::fmt;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Aead, Generate, Key, KeyInit, Nonce, Payload};
use model::{Fault, FaultKind, Secret, SecretName};

/// Bytes of a nonce, which stand before the ciphertext.
const NONCE_BYTES: usize = 12;

/// A key and the id it is known by. `Debug` shows the id alone.
#[derive(Clone)]
pub struct SealingKey {
    id: String,
    key: Key<Aes256Gcm>,
}

impl SealingKey {
    /// A key of 32 bytes.
    pub fn new(id: impl Into<String>, key: [u8; 32]) -> Self {
        Self { id: id.into(), key: key.into() }
    }

    /// A new random key.
    pub fn random(id: impl Into<String>) -> Self {
        Self { id: id.into(), key: Key::<Aes256Gcm>::generate() }
    }

    /// The bytes, for whoever keeps the key.
    pub fn bytes(&self) -> [u8; 32] {
        self.key.into()
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({})", self.id)
    }
}

/// The key that seals, and those that still open.
#[derive(Clone, Debug)]
pub struct SealingKeys {
    /// Seals and opens.
    pub current: SealingKey,
    /// Only open.
    pub older: Vec<SealingKey>,
}

/// A secret at rest.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    pub(super) key_id: String,
    pub(super) bytes: Vec<u8>,
}

impl SealingKeys {
    pub(super) fn seal(&self, name: &SecretName, secret: &Secret) -> Result<Sealed, Fault> {
        let nonce = Nonce::<Aes256Gcm>::generate();
        let aad = associated(name);
        let payload = Payload { msg: secret.reveal().as_bytes(), aad: aad.as_bytes() };
        let sealed = Aes256Gcm::new(&self.current.key)
            .encrypt(&nonce, payload)
            .map_err(|_| Fault::bug("cannot seal a secret"))?;
        let mut bytes = nonce.to_vec();
        bytes.extend(sealed);
        Ok(Sealed { key_id: self.current.id.clone(), bytes })
    }

    pub(super) fn open(&self, name: &SecretName, sealed: &Sealed) -> Result<Secret, Fault> {
        let cannot = |why: &str, hint: &str| {
            Fault::new(
                FaultKind::Configuration,
                format!("cannot open the {} of {} {}: {why}", name.field, name.of, name.id),
            )
            .hint(hint)
        };
        let keys = std::iter::once(&self.current).chain(&self.older);
        let Some(key) = keys.into_iter().find(|key| key.id == sealed.key_id) else {
            return Err(cannot(
                &format!("it was sealed with key {:?}, which is not configured", sealed.key_id),
                "add that key to the older keys, or enter the secret again",
            ));
        };
        let damaged = || cannot("it does not belong to this key and place", "enter the secret again");
        if sealed.bytes.len() < NONCE_BYTES {
            return Err(damaged());
        }
        let (nonce, text) = sealed.bytes.split_at(NONCE_BYTES);
        let nonce = Nonce::<Aes256Gcm>::try_from(nonce).map_err(|_| damaged())?;
        let aad = associated(name);
        let payload = Payload { msg: text, aad: aad.as_bytes() };
        let plain = Aes256Gcm::new(&key.key).decrypt(&nonce, payload).map_err(|_| damaged())?;
        String::from_utf8(plain).map(Secret::new).map_err(|_| damaged())
    }
}

/// What a secret is bound to. Lengths keep parts from running into one another.
fn associated(name: &SecretName) -> String {
    format!("{}:{}/{}:{}/{}:{}", name.of.len(), name.of, name.id.len(), name.id, name.field.len(), name.field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(id: &str, field: &str) -> SecretName {
        SecretName { of: "integration", id: id.to_owned(), field: field.to_owned() }
    }

    fn keys(current: &SealingKey, older: &[SealingKey]) -> SealingKeys {
        SealingKeys { current: current.clone(), older: older.to_vec() }
    }

    #[test]
    fn a_secret_opens_only_at_its_own_place() {
        let keys = keys(&SealingKey::random("a"), &[]);
        let sealed = keys.seal(&name("1", "key"), &Secret::new("hunter2")).unwrap();
        assert_eq!(keys.open(&name("1", "key"), &sealed).unwrap(), Secret::new("hunter2"));
        assert!(keys.open(&name("2", "key"), &sealed).is_err());
        assert!(keys.open(&name("1", "other"), &sealed).is_err());
        assert!(!sealed.bytes.windows(7).any(|window| window == b"hunter2"));
    }

    #[test]
    fn old_secrets_open_after_the_key_was_changed() {
        let (old, new) = (SealingKey::random("2025"), SealingKey::random("2026"));
        let sealed = keys(&old, &[]).seal(&name("1", "key"), &Secret::new("s")).unwrap();
        assert_eq!(keys(&new, &[old]).open(&name("1", "key"), &sealed).unwrap(), Secret::new("s"));
        let fault = keys(&new, &[]).open(&name("1", "key"), &sealed).unwrap_err();
        assert!(fault.public_message().contains("2025"), "{fault}");
    }

    #[test]
    fn a_damaged_secret_is_refused() {
        let keys = keys(&SealingKey::random("a"), &[]);
        let mut sealed = keys.seal(&name("1", "key"), &Secret::new("s")).unwrap();
        *sealed.bytes.last_mut().unwrap() ^= 1;
        assert!(keys.open(&name("1", "key"), &sealed).is_err());
        sealed.bytes.truncate(5);
        assert!(keys.open(&name("1", "key"), &sealed).is_err());
    }
}
