//! Counts of bytes and rows that cannot be mixed up.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);

            /// Whether it is nothing.
            pub const fn is_zero(&self) -> bool {
                self.0 == 0
            }

            /// The plain number.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The difference, or zero where `other` is larger.
            pub const fn saturating_sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }
        }

        impl From<usize> for $name {
            fn from(count: usize) -> Self {
                Self(count as u64)
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                self.0 += other.0;
            }
        }

        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
                counts.fold(Self::ZERO, Add::add)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

quantity! {
    /// A number of bytes.
    ByteCount
}

quantity! {
    /// A number of rows.
    RowCount
}

impl ByteCount {
    /// `n` times 1,048,576 bytes.
    pub const fn mebibytes(n: u64) -> Self {
        Self(n * 1024 * 1024)
    }

    /// Reads a whole number of bytes with an optional unit, decimal (`kB`, `MB`, `GB`, `TB`, or their first
    /// letter) or binary (`KiB`, `MiB`, `GiB`, `TiB`), in any case. `None` for anything else and for zero.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let scale: u64 = match text[digits..].trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" | "k" => 1_000,
            "mb" | "m" => 1_000_000,
            "gb" | "g" => 1_000_000_000,
            "tb" | "t" => 1_000_000_000_000,
            "kib" => 1 << 10,
            "mib" => 1 << 20,
            "gib" => 1 << 30,
            "tib" => 1 << 40,
            _ => return None,
        };
        let bytes = text[..digits].parse::<u64>().ok()?.checked_mul(scale)?;
        (bytes > 0).then_some(Self(bytes))
    }

    /// The count for people, in decimal units: `48.2 MB`.
    pub fn human(self) -> String {
        let mut size = self.0 as f64;
        for unit in ["B", "kB", "MB", "GB"] {
            if size < 1000.0 {
                return if unit == "B" { format!("{} B", self.0) } else { format!("{size:.1} {unit}") };
            }
            size /= 1000.0;
        }
        format!("{size:.1} TB")
    }
}

impl RowCount {
    /// The count for people, thousands separated: `48,210`.
    pub fn human(self) -> String {
        let digits = self.0.to_string();
        let mut text = String::with_capacity(digits.len() + digits.len() / 3);
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        text
    }

    /// The count with its noun: `1 row`, `48,210 rows`.
    pub fn counted(self) -> String {
        format!("{} {}", self.human(), if self.0 == 1 { "row" } else { "rows" })
    }
}

impl RowCount {
    /// Reads a count that builds before the first release wrote as null where they did not count.
    pub(crate) fn of_null<'de, D: Deserializer<'de>>(stored: D) -> Result<Self, D::Error> {
        Option::deserialize(stored).map(Option::unwrap_or_default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_unit() {
        for (text, bytes) in
            [("16777216", 16_777_216), ("16MiB", 16 << 20), (" 64 MB ", 64_000_000), ("1g", 1_000_000_000)]
        {
            assert_eq!(ByteCount::parse(text), Some(ByteCount(bytes)), "{text}");
        }
        for text in ["", "0", "-1", "1.5MB", "MB", "5 XB", "99999999999TB"] {
            assert_eq!(ByteCount::parse(text), None, "{text}");
        }
    }

    #[test]
    fn counts_read_well() {
        assert_eq!(RowCount(1).human(), "1");
        assert_eq!(RowCount(48_210).human(), "48,210");
        assert_eq!(RowCount(1_000_000).human(), "1,000,000");
        assert_eq!(ByteCount(999).human(), "999 B");
        assert_eq!(ByteCount(48_210_000).human(), "48.2 MB");
    }
}
