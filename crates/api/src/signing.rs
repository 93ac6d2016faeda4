//! Links that carry their own right: what they say, followed by an HMAC-SHA256 over it.

use axum::http::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use model::{Fault, Secret};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// Longest link that is looked at; ours have some 250 characters.
const SIGNED_BYTES_MAX: usize = 2_000;

/// What a signature is for, so that one made for something else never passes here.
const PURPOSE: &[u8] = b"outgest download link\n";

/// `value` and its signature, as one segment of a path.
pub(crate) fn sign(key: &Secret, value: &impl Serialize) -> Result<String, Fault> {
    let said = serde_json::to_vec(value).map_err(|error| Fault::bug("a link has no JSON form").because(error))?;
    let signature = mac(key, &said).finalize().into_bytes();
    Ok(format!("{}.{}", URL_SAFE_NO_PAD.encode(&said), URL_SAFE_NO_PAD.encode(signature)))
}

/// What was signed; `None` where the text was not made by [`sign`] with the same key.
pub(crate) fn verified<T: DeserializeOwned>(key: &Secret, text: &str) -> Option<T> {
    if text.len() > SIGNED_BYTES_MAX {
        return None;
    }
    let (said, signature) = text.split_once('.')?;
    let said = URL_SAFE_NO_PAD.decode(said).ok()?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    mac(key, &said).verify_slice(&signature).ok()?;
    serde_json::from_slice(&said).ok()
}

fn mac(key: &Secret, said: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.reveal().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(PURPOSE);
    mac.update(said);
    mac
}

/// Whether two secrets are the same, in time that does not depend on where they differ.
pub(crate) fn same(shown: &str, known: &str) -> bool {
    // Equal hashes of equal length tell nothing about how much of the text was right.
    Sha256::digest(shown) == Sha256::digest(known)
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A path or URL as a header's value; what a header cannot hold is left to percent-encoding.
pub(crate) fn path_header(place: &str) -> HeaderValue {
    let mut text = String::with_capacity(place.len());
    for byte in place.bytes() {
        if byte.is_ascii_graphic() { text.push(char::from(byte)) } else { text.push_str(&format!("%{byte:02X}")) }
    }
    HeaderValue::from_str(&text).expect("the text is visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_passes_only_as_it_was_made() {
        let key = Secret::new("key");
        let link = sign(&key, &("project", 7)).unwrap();
        assert_eq!(verified::<(String, u32)>(&key, &link), Some(("project".to_owned(), 7)));
        assert_eq!(verified::<(String, u32)>(&Secret::new("other"), &link), None);
        let (said, signature) = link.split_once('.').unwrap();
        let other = URL_SAFE_NO_PAD.encode(r#"["project",8]"#);
        for forged in [format!("{other}.{signature}"), said.to_owned(), format!("{said}."), String::new()] {
            assert_eq!(verified::<(String, u32)>(&key, &forged), None, "{forged}");
        }
    }

    #[test]
    fn what_a_header_cannot_hold_is_encoded() {
        assert_eq!(path_header("/a b/ü"), "/a%20b/%C3%BC");
    }
}
