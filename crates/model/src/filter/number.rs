//! Exact numbers: a filter's number becomes the decimal that its text says, not the double near it.

use serde_json::Number;

use crate::Literal;

/// So many digits a decimal literal can have.
const DIGITS_MAX: usize = 38;

/// `number * 10^shift`, exact where 38 digits suffice.
pub(super) fn literal(number: &Number, shift: u8) -> Literal {
    exact(&number.to_string(), shift)
        .unwrap_or_else(|| Literal::Float(number.as_f64().unwrap_or(f64::NAN) * 10f64.powi(i32::from(shift))))
}

/// Reads a JSON number's text; `None` where the value needs more than 38 digits.
fn exact(text: &str, shift: u8) -> Option<Literal> {
    let (negative, magnitude) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = magnitude.split_once(['e', 'E']).unwrap_or((magnitude, "0"));
    let exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Some(Literal::Int(0));
    }
    let stripped = digits.len() - digits.trim_end_matches('0').len();
    // The value is `significant * 10^-scale`.
    let scale = i64::try_from(fraction.len()).ok()? - i64::try_from(stripped).ok()? - exponent - i64::from(shift);
    let zeros = usize::try_from(-scale).unwrap_or(0);
    if significant.len() + zeros > DIGITS_MAX || scale > DIGITS_MAX as i64 {
        return None;
    }
    let magnitude: i128 = format!("{significant}{}", "0".repeat(zeros)).parse().ok()?;
    let unscaled = if negative { -magnitude } else { magnitude };
    let scale = u8::try_from(scale.max(0)).ok()?;
    Some(match (scale, i64::try_from(unscaled)) {
        (0, Ok(integer)) => Literal::Int(integer),
        _ => Literal::Decimal { unscaled, scale },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, shift: u8) -> Literal {
        literal(&serde_json::from_str(text).unwrap(), shift)
    }

    #[test]
    fn numbers_are_the_decimals_that_were_written() {
        let decimal = |unscaled, scale| Literal::Decimal { unscaled, scale };
        for (text, shift, expected) in [
            ("0.0001575", 0, decimal(1575, 7)),
            ("1.5", 3, Literal::Int(1500)),
            ("1.5", 0, decimal(15, 1)),
            ("-0.0", 0, Literal::Int(0)),
            ("99", 0, Literal::Int(99)),
            ("100.00", 0, Literal::Int(100)),
            ("1e-7", 0, decimal(1, 7)),
            ("-2.50e2", 0, Literal::Int(-250)),
            ("1e21", 0, decimal(10i128.pow(21), 0)),
            ("18446744073709551615", 0, decimal(18_446_744_073_709_551_615, 0)),
            ("1e-40", 3, decimal(1, 37)),
        ] {
            assert_eq!(of(text, shift), expected, "{text} shifted by {shift}");
        }
    }

    #[test]
    fn numbers_beyond_38_digits_stay_doubles() {
        let double = |value| literal(&Number::from_f64(value).unwrap(), 0);
        assert_eq!(double(1e38), Literal::Float(1e38));
        assert_eq!(double(1e-39), Literal::Float(1e-39));
        assert_eq!(of("1e37", 0), Literal::Decimal { unscaled: 10i128.pow(37), scale: 0 });
    }
}
