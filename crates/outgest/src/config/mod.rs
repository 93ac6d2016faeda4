//! The only code that reads the environment and the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use model::{ByteCount, FieldProblem, Micros};

/// A variable of the environment; `None` where it is unset, empty or not UTF-8.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The current time.
pub fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Reads a size: a whole number of bytes with an optional unit `kB`, `MB`, `GB`, `TB` (decimal) or
/// `KiB`, `MiB`, `GiB`, `TiB` (binary).
pub fn parse_size(field: &str, text: &str) -> Result<ByteCount, FieldProblem> {
    let trimmed = text.trim();
    let digits = trimmed.len() - trimmed.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let scale: Option<u64> = match trimmed[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => Some(1),
        "kb" | "k" => Some(1_000),
        "mb" | "m" => Some(1_000_000),
        "gb" | "g" => Some(1_000_000_000),
        "tb" | "t" => Some(1_000_000_000_000),
        "kib" => Some(1 << 10),
        "mib" => Some(1 << 20),
        "gib" => Some(1 << 30),
        "tib" => Some(1 << 40),
        _ => None,
    };
    let bytes = trimmed[..digits].parse::<u64>().ok().zip(scale).and_then(|(count, scale)| count.checked_mul(scale));
    match bytes {
        Some(bytes) if bytes > 0 => Ok(ByteCount(bytes)),
        _ => {
            Err(FieldProblem::new(field, format!("{text:?} is not a size")).hint("write a size such as 500MB or 1GiB"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_decimal_and_binary_units() {
        assert_eq!(parse_size("--roll-size", "500MB").unwrap(), ByteCount(500_000_000));
        assert_eq!(parse_size("--roll-size", "1 GiB").unwrap(), ByteCount(1 << 30));
        assert_eq!(parse_size("--roll-size", "17").unwrap(), ByteCount(17));
        for bad in ["", "MB", "-1", "1.5GB", "0", "99999999999TB", "5 parsecs"] {
            assert!(parse_size("--roll-size", bad).is_err(), "{bad}");
        }
    }
}
