//! Exact numbers and timestamps from text, and decimals back to text.

use model::Micros;

/// Largest power of ten that an `i128` holds.
const POWER_MAX: i32 = 38;

/// The decimal `text` times ten to the power of `scale`; digits that would be lost are an error.
pub fn decimal(text: &str, scale: i8) -> Result<i128, String> {
    let not_a_number = || if scale == 0 { "expected a whole number" } else { "expected a number" }.to_owned();
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i16>().map_err(|_| not_a_number())?),
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(not_a_number());
    }
    let mut units: i128 = 0;
    let fraction_kept = fraction.trim_end_matches('0');
    for byte in whole.bytes().chain(fraction_kept.bytes()) {
        if !byte.is_ascii_digit() {
            return Err(not_a_number());
        }
        let digit = i128::from(byte - b'0');
        units = units
            .checked_mul(10)
            .and_then(|units| units.checked_add(digit))
            .ok_or_else(|| "more than 38 digits".to_owned())?;
    }
    let shift = i32::from(scale) + i32::from(exponent) - fraction_kept.len() as i32;
    let shifted = shift_by(units, shift, scale)?;
    Ok(if negative { -shifted } else { shifted })
}

/// A decimal of one scale at another.
pub(super) fn rescale(units: i128, from: i8, to: i8) -> Result<i128, String> {
    shift_by(units, i32::from(to) - i32::from(from), to)
}

fn shift_by(units: i128, shift: i32, scale: i8) -> Result<i128, String> {
    if units == 0 || shift == 0 {
        return Ok(units);
    }
    let power = |exponent: i32| 10_i128.pow(exponent.unsigned_abs());
    if shift > 0 {
        return (shift <= POWER_MAX)
            .then(|| units.checked_mul(power(shift)))
            .flatten()
            .ok_or_else(|| "more than 38 digits".to_owned());
    }
    if shift >= -POWER_MAX && units % power(shift) == 0 {
        return Ok(units / power(shift));
    }
    Err(match scale {
        0 => "expected a whole number".to_owned(),
        _ => format!("more than {scale} digits after the point, and nothing is rounded"),
    })
}

/// A double; digits that mean a finite number must give one.
pub(super) fn double(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "expected a number")?;
    if value.is_infinite() && text.bytes().any(|byte| byte.is_ascii_digit()) {
        return Err("beyond a double".to_owned());
    }
    Ok(value)
}

/// A timestamp in any form that is stored or exported.
pub(super) fn timestamp(text: &str) -> Option<Micros> {
    sql_timestamp(text.as_bytes()).or_else(|| Micros::parse_text(text))
}

/// `YYYY-MM-DD HH:MM:SS[.f…]`, also with `T` and `Z`: nearly every timestamp of an import, and
/// several times cheaper than the general reader.
fn sql_timestamp(text: &[u8]) -> Option<Micros> {
    let text = text.strip_suffix(b"Z").unwrap_or(text);
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b' ' | b'T', h0, h1, b':', n0, n1, b':', s0, s1, rest @ ..] = text
    else {
        return None;
    };
    let pair = |tens: &u8, ones: &u8| {
        (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
    };
    let (year, month, day) = (pair(y0, y1)? * 100 + pair(y2, y3)?, pair(m0, m1)?, pair(d0, d1)?);
    let (hour, minute, second) = (pair(h0, h1)?, pair(n0, n1)?, pair(s0, s1)?);
    let micros = match rest {
        [] => 0,
        [b'.', digits @ ..] if (1..=6).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) => {
            let value = digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
            value * 10_i64.pow(6 - digits.len() as u32)
        }
        _ => return None,
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let date = chrono::NaiveDate::from_ymd_opt(year as i32, month as u32, day as u32)?;
    let days = i64::from(date.to_epoch_days());
    Some(Micros((((days * 24 + hour) * 60 + minute) * 60 + second) * Micros::PER_SECOND + micros))
}

/// `units * 10^-scale` without trailing zeros, as ClickHouse prints a decimal.
pub(super) fn decimal_text(units: i128, scale: i8) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let Ok(places @ 1..) = usize::try_from(scale) else {
        return format!("{units}{}", "0".repeat(usize::from(scale.unsigned_abs())));
    };
    let digits = format!("{:0width$}", units.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_or_refused() {
        assert_eq!(decimal("0.000000000001", 12), Ok(1));
        assert_eq!(decimal("-999999.999999999999", 12), Ok(-999_999_999_999_999_999));
        assert_eq!(decimal("1e-7", 12), Ok(100_000));
        assert_eq!(decimal("1.5E+3", 0), Ok(1_500));
        assert_eq!(decimal("18446744073709551615", 0), Ok(18_446_744_073_709_551_615));
        assert_eq!(decimal("3.0", 0), Ok(3));
        assert_eq!(decimal("0e999", 12), Ok(0));
        for refused in ["", "-", ".", "+1", "1,5", "0x1", "1e", "e5", "1e99", "1 ", "--1"] {
            assert!(decimal(refused, 12).is_err(), "{refused:?}");
        }
        assert_eq!(
            decimal("0.0000000000015", 12).unwrap_err(),
            "more than 12 digits after the point, and nothing is rounded"
        );
        assert_eq!(decimal("2.5", 0).unwrap_err(), "expected a whole number");
    }

    #[test]
    fn decimal_text_is_what_clickhouse_prints() {
        assert_eq!(decimal_text(1, 12), "0.000000000001");
        assert_eq!(decimal_text(-1_500_000_000_000, 12), "-1.5");
        assert_eq!(decimal_text(3_000_000_000_000, 12), "3");
        assert_eq!(decimal_text(42, 0), "42");
    }

    #[test]
    fn timestamps_agree_with_the_general_reader() {
        for text in [
            "2026-06-01 00:00:37.007001",
            "1969-12-31 23:59:59.999999",
            "2024-02-29T12:00:00Z",
            "0001-01-01 00:00:00.5",
            "9999-12-31 23:59:59",
        ] {
            assert_eq!(sql_timestamp(text.as_bytes()), Micros::parse_text(text), "{text}");
            assert!(sql_timestamp(text.as_bytes()).is_some(), "{text}");
        }
        assert_eq!(timestamp("2026-06-01T02:00:00+02:00"), timestamp("2026-06-01 00:00:00"));
        for text in ["2026-02-30 00:00:00", "2026-01-01 24:00:00", "2026-01-01 00:00:00.1234567", "now", ""] {
            assert_eq!(timestamp(text), None, "{text}");
        }
    }
}
