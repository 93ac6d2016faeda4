//! The forms that settings are written in: periods, sizes, secrets, places, networks.
//!
//! Each reads from text and writes the same text back, so that a default in a struct, a line in
//! `outgest.toml` and a row of the documentation look alike. No message repeats a secret.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use destinations::Network;
use model::{ByteCount, Secret};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time, written `250ms`, `30s`, `5m`, `24h` or `90d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

/// Units of a period, the largest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Period {
    /// So many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// So many hours.
    pub const fn hours(hours: u64) -> Self {
        Self::seconds(hours * 3_600)
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let digits = trimmed.len() - trimmed.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let unit = UNITS.iter().find(|(unit, _)| *unit == trimmed[digits..].trim());
        let count = trimmed[..digits].parse::<u64>().ok();
        match count.zip(unit).and_then(|(count, (_, millis))| count.checked_mul(*millis)) {
            Some(millis) if millis > 0 => Ok(Self(Duration::from_millis(millis))),
            _ => Err(format!("{text:?} is not a length of time such as 250ms, 30s, 5m, 24h or 90d")),
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        // 24h stays 24h: a day is written as the hours that people set, several days as days.
        let fits = |(unit, size): &&(&str, u64)| millis % size == 0 && (*unit != "d" || millis > *size);
        match UNITS.iter().find(fits) {
            Some((unit, size)) => write!(f, "{}{unit}", millis / size),
            None => write!(f, "{millis}ms"),
        }
    }
}

/// A number of bytes, written `500MB`, `1GiB` or as a whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub ByteCount);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        ByteCount::parse(text).map(Self).ok_or_else(|| format!("{text:?} is not a size such as 500MB or 1GiB"))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const BINARY: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        let bytes = self.0.get();
        match BINARY.iter().find(|(_, size)| bytes > 0 && bytes.is_multiple_of(*size)) {
            Some((unit, size)) => write!(f, "{}{unit}", bytes / size),
            None => write!(f, "{bytes}"),
        }
    }
}

/// A setting that is never shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretText(pub Secret);

impl FromStr for SecretText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(Self(Secret::new(text))) }
    }
}

/// A path or an address that may carry a password. `Display` and `Debug` hide it.
#[derive(Clone, PartialEq, Eq)]
pub struct Place(String);

impl Place {
    /// Wraps a path or an address that is known to be well formed.
    #[cfg(test)]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The place as it was written, for the one call that connects to it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What stands before `://`, in lower case; `None` for a path.
    pub fn scheme(&self) -> Option<String> {
        self.0.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase())
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("it is empty".to_owned());
        }
        if text.contains("://") && url::Url::parse(text).is_err() {
            return Err("this is not an address such as scheme://user:password@host:port/path".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_secrets(&self.0))
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An address without its password and without options whose names say that they are secret.
pub fn without_secrets(text: &str) -> Cow<'_, str> {
    const SECRET_WORDS: [&str; 7] = ["secret", "password", "key", "token", "sig", "sas", "credential"];
    let Ok(mut url) = url::Url::parse(text) else { return Cow::Borrowed(text) };
    if !text.contains("://") {
        return Cow::Borrowed(text);
    }
    let mut hidden = false;
    if url.password().is_some() {
        // Refused only for addresses without a host, which have no password either.
        hidden = url.set_password(Some("***")).is_ok();
    }
    let is_secret = |name: &str| SECRET_WORDS.iter().any(|word| name.to_ascii_lowercase().contains(word));
    if url.query_pairs().any(|(name, _)| is_secret(&name)) {
        let kept: Vec<String> = url
            .query_pairs()
            .map(|(name, value)| format!("{name}={}", if is_secret(&name) { "***" } else { &value }))
            .collect();
        url.set_query(Some(&kept.join("&")));
        hidden = true;
    }
    if hidden { Cow::Owned(url.into()) } else { Cow::Borrowed(text) }
}

/// Addresses of a private network that may be connected to: `10.0.0.0/8`, `fd00::/8`, `192.168.1.7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllowedNetwork(pub Network);

impl FromStr for AllowedNetwork {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

impl fmt::Display for AllowedNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Reads a text, or a whole number where people write one without quotes.
struct TextOrNumber;

impl Visitor<'_> for TextOrNumber {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }
}

macro_rules! written_as_text {
    ($name:ident, $write:expr, $schema:tt) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(TextOrNumber)?.parse().map_err(de::Error::custom)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let write: fn(&Self) -> String = $write;
                serializer.serialize_str(&write(self))
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

written_as_text!(Period, ToString::to_string, { "type": "string", "form": "length of time" });
written_as_text!(Size, ToString::to_string, { "type": "string", "form": "size" });
written_as_text!(SecretText, |_| "***".to_owned(), { "type": "string", "form": "secret" });
written_as_text!(Place, ToString::to_string, { "type": "string", "form": "path or address" });
written_as_text!(AllowedNetwork, ToString::to_string, { "type": "string", "form": "network" });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_and_sizes_are_written_as_they_are_read() {
        for text in ["250ms", "30s", "5m", "24h", "90d", "36h"] {
            assert_eq!(text.parse::<Period>().unwrap().to_string(), text);
        }
        for text in ["1GiB", "16MiB", "500000000", "17"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
        for bad in ["", "5", "h", "-1s", "1.5h", "0s", "5 parsecs", "99999999999999999999d"] {
            assert!(bad.parse::<Period>().is_err(), "{bad}");
        }
    }

    #[test]
    fn passwords_and_secret_options_of_addresses_are_hidden() {
        let place: Place = "postgres://og:hunter2@db:5432/og?sslmode=require".parse().unwrap();
        assert_eq!(place.to_string(), "postgres://og:***@db:5432/og?sslmode=require");
        assert_eq!(format!("{place:?}"), place.to_string());

        let place: Place = "s3://b/p?region=eu-1&secret_access_key=hunter2".parse().unwrap();
        assert_eq!(place.to_string(), "s3://b/p?region=eu-1&secret_access_key=***");
        assert_eq!(Place::new("exports/of:today").to_string(), "exports/of:today");
    }

    #[test]
    fn a_wrong_address_is_refused_without_repeating_it() {
        let refusal = "postgres://og:hunter2@".parse::<Place>().unwrap_err();
        assert!(!refusal.contains("hunter2"), "{refusal}");
        assert!(!format!("{:?}", "hunter2".parse::<SecretText>().unwrap()).contains("hunter2"));
    }
}
