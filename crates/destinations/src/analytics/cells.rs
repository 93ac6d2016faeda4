//! A column, taken apart once per batch and ready to print any of its values as JSON.

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType, UInt64Type};
use arrow_array::{
    Array, BooleanArray, Decimal128Array, Float64Array, Int64Array, ListArray, MapArray, StringArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow_schema::{DataType, Field, TimeUnit};
use model::{Fault, Micros, TimestampStyle, field};

use super::instant::{Form, InstantText};

/// The values of one column.
pub(super) enum Cells<'a> {
    Text(&'a StringArray),
    Bool(&'a BooleanArray),
    Int64(&'a Int64Array),
    UInt64(&'a UInt64Array),
    Float64(&'a Float64Array),
    Decimal(&'a Decimal128Array, i8),
    Timestamp(&'a TimestampMicrosecondArray, InstantText),
    List(&'a ListArray, Box<Cells<'a>>),
    Map(&'a MapArray, &'a StringArray, Box<Cells<'a>>),
}

impl<'a> Cells<'a> {
    /// Takes a column apart. A type that events do not know is a fault that names the column. `utc` prints
    /// timestamps as instants of UTC, else they are printed as the field says.
    pub(super) fn bind(field: &Field, array: &'a dyn Array, utc: bool) -> Result<Self, Fault> {
        let unknown = || {
            let (name, kind) = (field.name(), field.data_type());
            Fault::bug(format!("cannot write column {name:?} as a property: its type is {kind}"))
        };
        if array.data_type() != field.data_type() {
            return Err(unknown());
        }
        Ok(match field.data_type() {
            DataType::Utf8 => Self::Text(array.as_string()),
            DataType::Boolean => Self::Bool(array.as_boolean()),
            DataType::Int64 => Self::Int64(array.as_primitive::<Int64Type>()),
            DataType::UInt64 => Self::UInt64(array.as_primitive::<UInt64Type>()),
            DataType::Float64 => Self::Float64(array.as_primitive::<Float64Type>()),
            DataType::Decimal128(_, scale) => Self::Decimal(array.as_primitive::<Decimal128Type>(), *scale),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                let form = match (utc, field::timestamp_style(field)) {
                    (true, _) => Form::Rfc3339,
                    (false, TimestampStyle::SqlMicros) => Form::Sql,
                    (false, TimestampStyle::SqlMillis) => Form::SqlMillis,
                    (false, TimestampStyle::IsoMillis) => Form::Rfc3339Millis,
                };
                Self::Timestamp(array.as_primitive::<TimestampMicrosecondType>(), InstantText::new(form))
            }
            DataType::List(item) => {
                let list = array.as_list::<i32>();
                Self::List(list, Box::new(Self::bind(item, list.values(), utc)?))
            }
            DataType::Map(entries, _) => {
                let map = array.as_map();
                let DataType::Struct(members) = entries.data_type() else { return Err(unknown()) };
                let (Some(keys), [_, value]) = (map.keys().as_string_opt(), &members[..]) else {
                    return Err(unknown());
                };
                Self::Map(map, keys, Box::new(Self::bind(value, map.values(), utc)?))
            }
            _ => return Err(unknown()),
        })
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Text(array) => array.is_null(row),
            Self::Bool(array) => array.is_null(row),
            Self::Int64(array) => array.is_null(row),
            Self::UInt64(array) => array.is_null(row),
            Self::Float64(array) => array.is_null(row),
            Self::Decimal(array, _) => array.is_null(row),
            Self::Timestamp(array, _) => array.is_null(row),
            Self::List(array, _) => array.is_null(row),
            Self::Map(array, ..) => array.is_null(row),
        }
    }

    /// Appends a value as JSON. A list that is null is an empty one.
    #[inline]
    pub(super) fn write(&mut self, row: usize, out: &mut Vec<u8>) {
        if self.is_null(row) {
            return out.extend_from_slice(if matches!(self, Self::List(..)) { b"[]" } else { b"null" });
        }
        match self {
            Self::Text(array) => write_string(array.value(row), out),
            Self::Bool(array) => out.extend_from_slice(if array.value(row) { b"true" } else { b"false" }),
            Self::Int64(array) => out.extend_from_slice(itoa::Buffer::new().format(array.value(row)).as_bytes()),
            Self::UInt64(array) => out.extend_from_slice(itoa::Buffer::new().format(array.value(row)).as_bytes()),
            Self::Float64(array) => write_double(array.value(row), out),
            Self::Decimal(array, scale) => write_decimal(array.value(row), *scale, out),
            Self::Timestamp(array, text) => {
                out.push(b'"');
                text.write(Micros(array.value(row)), out);
                out.push(b'"');
            }
            Self::List(array, items) => {
                out.push(b'[');
                let offsets = array.value_offsets();
                for (index, item) in (offsets[row] as usize..offsets[row + 1] as usize).enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    items.write(item, out);
                }
                out.push(b']');
            }
            Self::Map(array, keys, values) => {
                out.push(b'{');
                let offsets = array.value_offsets();
                for (index, entry) in (offsets[row] as usize..offsets[row + 1] as usize).enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write_string(keys.value(entry), out);
                    out.push(b':');
                    values.write(entry, out);
                }
                out.push(b'}');
            }
        }
    }
}

/// Appends a JSON string.
#[inline]
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(&mut *out, text).expect("a text is written to memory");
}

/// Appends a double as ECMAScript prints it; what is not finite is null, as there.
fn write_double(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        out.extend_from_slice(ryu_js::Buffer::new().format_finite(value).as_bytes());
    } else {
        out.extend_from_slice(b"null");
    }
}

/// Appends `unscaled / 10^scale` with all its digits and no zeros behind them.
fn write_decimal(unscaled: i128, scale: i8, out: &mut Vec<u8>) {
    let scale = usize::try_from(scale).unwrap_or(0);
    let mut buffer = itoa::Buffer::new();
    let magnitude = unscaled.unsigned_abs();
    // Costs fit 64 bits, whose division is much faster.
    let digits = match u64::try_from(magnitude) {
        Ok(small) => buffer.format(small),
        Err(_) => buffer.format(magnitude),
    };
    if unscaled < 0 {
        out.push(b'-');
    }
    let (whole, fraction) = match digits.len().checked_sub(scale) {
        Some(point) if point > 0 => digits.split_at(point),
        _ => ("0", digits),
    };
    out.extend_from_slice(whole.as_bytes());
    let kept = fraction.trim_end_matches('0');
    if !kept.is_empty() {
        out.push(b'.');
        out.extend(std::iter::repeat_n(b'0', scale - fraction.len()));
        out.extend_from_slice(kept.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_every_digit_and_no_zero_behind_them() {
        for (unscaled, scale, text) in [
            (0, 12, "0"),
            (1, 12, "0.000000000001"),
            (1_230_000_000, 12, "0.00123"),
            (1_500_000_000_000, 12, "1.5"),
            (-42_000_000_000_000, 12, "-42"),
            (-10, 2, "-0.1"),
            (999_999_999_999_999_999, 12, "999999.999999999999"),
            (i128::from(u64::MAX) * 100, 2, "18446744073709551615"),
            (70, 0, "70"),
        ] {
            let mut out = Vec::new();
            write_decimal(unscaled, scale, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text, "{unscaled} {scale}");
        }
    }

    #[test]
    fn doubles_and_strings_print_as_in_ecmascript() {
        let mut out = Vec::new();
        for value in [2.0, 0.1 + 0.2, 1e-7, f64::NAN] {
            write_double(value, &mut out);
            out.push(b' ');
        }
        write_string("a\0\u{1f}\u{7f}\u{2028}\r\n\t\"\\é", &mut out);
        let expected = "2 0.30000000000000004 1e-7 null \"a\\u0000\\u001f\u{7f}\u{2028}\\r\\n\\t\\\"\\\\é\"";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
