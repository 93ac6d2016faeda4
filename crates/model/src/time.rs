//! Instants in microseconds, the resolution of every stored timestamp.
//!
//! All text forms are UTC; nothing here reads the machine's zone or clock.

use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Fault;

/// Microseconds since 1970-01-01T00:00:00Z. Serialised as RFC 3339 with six digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub i64);

impl Micros {
    /// Microseconds in a second.
    pub const PER_SECOND: i64 = 1_000_000;

    /// The instant as chrono knows it; years beyond chrono's range are clamped to its ends.
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or(if self.0 < 0 {
            DateTime::<Utc>::MIN_UTC
        } else {
            DateTime::<Utc>::MAX_UTC
        })
    }

    /// Reads a user's time: RFC 3339, `YYYY-MM-DD HH:MM[:SS[.f]]` or a date, both UTC, or a
    /// duration before `now` such as `-24h` (units `s`, `m`, `h`, `d`, `w`).
    ///
    /// `field` names the option in the error. Digits beyond microseconds are refused rather than
    /// rounded, because a bound that moves would move rows between windows.
    pub fn parse(field: &str, text: &str, now: Self) -> Result<Self, Fault> {
        let bad = |why: &str| {
            Fault::bad_request(format!("{field}: cannot read {text:?} as a time: {why}"))
                .hint("write RFC 3339 (2026-08-01T00:00:00Z), a date (2026-08-01) or a duration before now (-24h)")
        };
        let trimmed = text.trim();
        if let Some(ago) = trimmed.strip_prefix('-')
            && let Some(unit) = ago.chars().last()
            && unit.is_ascii_alphabetic()
        {
            let seconds: i64 = match unit {
                's' => 1,
                'm' => 60,
                'h' => 3_600,
                'd' => 86_400,
                'w' => 604_800,
                _ => return Err(bad("the unit is not one of s, m, h, d, w")),
            };
            let count: i64 = ago[..ago.len() - 1].parse().map_err(|_| bad("the duration is not a whole number"))?;
            return count
                .checked_mul(seconds * Self::PER_SECOND)
                .and_then(|micros| now.0.checked_sub(micros))
                .map(Self)
                .ok_or_else(|| bad("the duration is too long"));
        }
        Self::parse_text(trimmed).ok_or_else(|| bad("no known form, or more than six fractional digits"))
    }

    /// Reads a stored or exported timestamp: RFC 3339, `YYYY-MM-DD[ T]HH:MM[:SS[.ffffff]]` (UTC)
    /// or a date. `None` where the text is none of these or has more than six fractional digits.
    pub fn parse_text(text: &str) -> Option<Self> {
        let fraction = text.split_once('.').map_or("", |(_, rest)| rest);
        if fraction.bytes().take_while(u8::is_ascii_digit).count() > 6 {
            return None;
        }
        if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
            return Some(Self(instant.timestamp_micros()));
        }
        for form in ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"] {
            if let Ok(instant) = NaiveDateTime::parse_from_str(text, form) {
                return Some(Self(instant.and_utc().timestamp_micros()));
            }
        }
        let midnight = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0)?;
        Some(Self(midnight.and_utc().timestamp_micros()))
    }

    /// Whether its texts have four digits of a year, as every reader of them expects: years 0 to 9999.
    pub const fn has_text(self) -> bool {
        const YEAR_0: i64 = -62_167_219_200 * Micros::PER_SECOND;
        const YEAR_10000: i64 = 253_402_300_800 * Micros::PER_SECOND;
        YEAR_0 <= self.0 && self.0 < YEAR_10000
    }

    /// `YYYY-MM-DD HH:MM:SS.ffffff`, UTC: how ClickHouse prints a `DateTime64(6)`.
    pub fn to_sql_text(self) -> String {
        self.to_utc().format("%Y-%m-%d %H:%M:%S%.6f").to_string()
    }

    /// RFC 3339 with six fractional digits and `Z`.
    pub fn to_rfc3339(self) -> String {
        self.to_utc().format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
    }

    /// The instant `seconds` earlier.
    pub const fn minus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_sub(seconds * Self::PER_SECOND))
    }

    /// The time from `earlier` to this instant.
    pub fn since(self, earlier: Self) -> TimeDelta {
        TimeDelta::microseconds(self.0.saturating_sub(earlier.0))
    }
}

impl From<DateTime<Utc>> for Micros {
    fn from(instant: DateTime<Utc>) -> Self {
        Self(instant.timestamp_micros())
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

impl Serialize for Micros {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_rfc3339())
    }
}

impl<'de> Deserialize<'de> for Micros {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse_text(&text).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is not a time")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_documented_form() {
        let noon = Micros(1_785_585_600_000_000);
        for text in
            ["2026-08-01T12:00:00Z", "2026-08-01 12:00:00.000000", "2026-08-01T14:00:00+02:00", "2026-08-01 12:00"]
        {
            assert_eq!(Micros::parse("--since", text, Micros(0)).unwrap(), noon, "{text}");
        }
        assert_eq!(Micros::parse("--since", "-12h", noon).unwrap(), Micros(noon.0 - 12 * 3_600_000_000));
        assert_eq!(Micros::parse("--since", "2026-08-01", noon).unwrap(), Micros(noon.0 - 12 * 3_600_000_000));
        assert_eq!(noon.to_sql_text(), "2026-08-01 12:00:00.000000");
    }

    #[test]
    fn every_time_that_has_a_text_is_read_from_it() {
        let first = Micros::parse_text("0000-01-01T00:00:00Z").unwrap();
        let last = Micros::parse_text("9999-12-31T23:59:59.999999Z").unwrap();
        for time in [first, last] {
            assert!(time.has_text());
            assert_eq!(Micros::parse_text(&time.to_rfc3339()), Some(time));
            assert_eq!(Micros::parse_text(&time.to_sql_text()), Some(time));
        }
        assert!(!Micros(first.0 - 1).has_text() && !Micros(last.0 + 1).has_text());
    }

    #[test]
    fn refuses_what_it_would_have_to_round() {
        for text in ["2026-08-01T12:00:00.1234567Z", "yesterday", "-5y", "2026-13-01", ""] {
            let fault = Micros::parse("--since", text, Micros(0)).unwrap_err();
            assert!(fault.public_message().starts_with("--since: cannot read"), "{fault}");
        }
    }
}
