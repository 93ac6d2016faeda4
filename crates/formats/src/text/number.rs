//! Numbers as text: as ECMAScript prints them where that text means the stored value exactly,
//! otherwise with all their digits (promise 3).

/// Significant digits that every double keeps: a decimal of up to so many is what ECMAScript prints.
const DIGITS_EXACT: usize = 15;

/// Writes a double; `null` where it is not finite, as `JSON.stringify` does.
pub(crate) fn write_f64(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        out.extend_from_slice(ryu_js::Buffer::new().format_finite(value).as_bytes());
    } else {
        out.extend_from_slice(b"null");
    }
}

/// Writes a signed integer. ECMAScript differs only where it would lose digits.
pub(crate) fn write_i64(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Writes an unsigned integer.
pub(crate) fn write_u64(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Writes `unscaled / 10^scale`.
pub(crate) fn write_decimal(unscaled: i128, scale: i8, out: &mut Vec<u8>) {
    if unscaled == 0 {
        return out.push(b'0');
    }
    if unscaled < 0 {
        out.push(b'-');
    }
    let magnitude = unscaled.unsigned_abs();
    let mut buffer = itoa::Buffer::new();
    // Costs fit 64 bits, whose division is much faster.
    let all = match u64::try_from(magnitude) {
        Ok(small) => buffer.format(small),
        Err(_) => buffer.format(magnitude),
    };
    let digits = all.trim_end_matches('0').as_bytes();
    // The value is 0.DIGITS times ten to the power of `point`.
    let point = all.len() as i32 - i32::from(scale);
    if (-5..=21).contains(&point) || !is_exact(digits, point) {
        write_plain(digits, point, out);
    } else {
        write_scientific(digits, point, out);
    }
}

/// Writes all digits, without exponent.
fn write_plain(digits: &[u8], point: i32, out: &mut Vec<u8>) {
    let zeros = |count: i32| std::iter::repeat_n(b'0', count.max(0) as usize);
    if point <= 0 {
        out.extend_from_slice(b"0.");
        out.extend(zeros(-point));
        out.extend_from_slice(digits);
        return;
    }
    match digits.split_at_checked(point as usize) {
        Some((whole, fraction)) if !fraction.is_empty() => {
            out.extend_from_slice(whole);
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
        _ => {
            out.extend_from_slice(digits);
            out.extend(zeros(point - digits.len() as i32));
        }
    }
}

/// Writes `1e-7`, `1.25e+21`.
fn write_scientific(digits: &[u8], point: i32, out: &mut Vec<u8>) {
    out.push(digits[0]);
    if digits.len() > 1 {
        out.push(b'.');
        out.extend_from_slice(&digits[1..]);
    }
    out.extend_from_slice(if point > 0 { b"e+" } else { b"e-" });
    write_i64(i64::from(point - 1).abs(), out);
}

/// Whether ECMAScript, which sees the nearest double, prints exactly these digits.
fn is_exact(digits: &[u8], point: i32) -> bool {
    if digits.len() <= DIGITS_EXACT {
        return true;
    }
    let mut text = Vec::new();
    write_scientific(digits, point, &mut text);
    let parsed: Option<f64> = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
    parsed.is_some_and(|nearest| ryu_js::Buffer::new().format_finite(nearest).as_bytes() == text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(unscaled: i128, scale: i8) -> String {
        let mut out = Vec::new();
        write_decimal(unscaled, scale, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn double(value: f64) -> String {
        let mut out = Vec::new();
        write_f64(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    /// Sign, digits without zeros at the end, and the power of ten of the last digit.
    fn read(text: &str) -> (bool, String, i32) {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_end_matches('0');
        let power = exponent.parse::<i32>().unwrap() - fraction.len() as i32 + (all.len() - digits.len()) as i32;
        (all.starts_with('-'), digits.trim_start_matches(['-', '0']).to_owned(), power)
    }

    #[test]
    fn doubles_print_as_in_ecmascript() {
        for (value, text) in
            [(0.1, "0.1"), (1e21, "1e+21"), (1e-7, "1e-7"), (-0.0, "0"), (0.1 + 0.2, "0.30000000000000004"), (1.0, "1")]
        {
            assert_eq!(double(value), text);
        }
        assert_eq!([double(f64::NAN), double(f64::INFINITY), double(f64::NEG_INFINITY)], ["null", "null", "null"]);
    }

    #[test]
    fn decimals_drop_trailing_zeros_and_keep_every_other_digit() {
        for (unscaled, scale, text) in [
            (0, 12, "0"),
            (12_000_000, 12, "0.000012"),
            (1_000_000, 12, "0.000001"),
            (100_000, 12, "1e-7"),
            (1, 12, "1e-12"),
            (-123, 12, "-1.23e-10"),
            (1_500_000_000_000, 12, "1.5"),
            (-42_000_000_000_000, 12, "-42"),
            // ECMAScript would print 1000000: all digits instead.
            (999_999_999_999_999_999, 12, "999999.999999999999"),
            (i128::from(u64::MAX) * 1000, 0, "18446744073709551615000"),
            (1, -21, "1e+21"),
            (7, -20, "700000000000000000000"),
            // Sixteen digits and more keep their exponent only where the double has the same digits.
            (1_234_567_890_123_456, 30, "1.234567890123456e-15"),
            (12_345_678_901_234_567_891, 30, "0.000000000012345678901234567891"),
            (i128::MIN, 0, "-170141183460469231731687303715884105728"),
        ] {
            assert_eq!(decimal(unscaled, scale), text);
        }
    }

    proptest! {
        #[test]
        fn decimals_read_back_exactly(unscaled in any::<i128>(), shift in 0..127_u32, scale in -20..38_i8) {
            let unscaled = unscaled >> shift;
            prop_assume!(unscaled != 0);
            prop_assert_eq!(read(&decimal(unscaled, scale)), read(&format!("{unscaled}e{}", -i32::from(scale))));
        }

        #[test]
        fn decimals_that_doubles_hold_print_alike(digits in -999_999_999_999_999_i64..=999_999_999_999_999, scale in 0..25_i8) {
            let value: f64 = format!("{digits}e-{scale}").parse().unwrap();
            prop_assert_eq!(decimal(digits.into(), scale), double(value));
        }
    }
}
