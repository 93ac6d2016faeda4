//! A stored row as a line of JSON, as `SELECT * … FORMAT JSONEachRow` prints it.

use std::fmt::Write as _;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType, UInt64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use chrono::Datelike;
use model::Micros;

use super::number;

/// Appends row `row` of a batch of stored rows as one line of JSON with physical column names.
///
/// Every value is exact: integers and decimals with all their digits, map keys in stored order.
/// Doubles that JSON cannot write are quoted (`"nan"`).
pub fn jsonl_row(batch: &RecordBatch, row: usize, out: &mut String) {
    out.push('{');
    for (index, (field, column)) in batch.schema_ref().fields().iter().zip(batch.columns()).enumerate() {
        if index > 0 {
            out.push(',');
        }
        text(field.name(), out);
        out.push(':');
        value(column, row, out);
    }
    out.push_str("}\n");
}

fn value(array: &dyn Array, row: usize, out: &mut String) {
    if array.is_null(row) {
        return out.push_str("null");
    }
    match array.data_type() {
        DataType::Utf8 => text(array.as_string::<i32>().value(row), out),
        DataType::Boolean => display(array.as_boolean().value(row), out),
        DataType::Int64 => display(array.as_primitive::<Int64Type>().value(row), out),
        DataType::UInt64 => display(array.as_primitive::<UInt64Type>().value(row), out),
        DataType::Float64 => {
            let double = array.as_primitive::<Float64Type>().value(row);
            if double.is_finite() { display(double, out) } else { text(&double.to_string().to_lowercase(), out) }
        }
        DataType::Decimal128(_, scale) => {
            out.push_str(&number::decimal_text(array.as_primitive::<Decimal128Type>().value(row), *scale));
        }
        DataType::Timestamp(_, _) => {
            out.push('"');
            time(Micros(array.as_primitive::<TimestampMicrosecondType>().value(row)), out);
            out.push('"');
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let (from, to) = (list.value_offsets()[row], list.value_offsets()[row + 1]);
            out.push('[');
            for item in from..to {
                if item > from {
                    out.push(',');
                }
                value(list.values(), item as usize, out);
            }
            out.push(']');
        }
        DataType::Map(_, _) => {
            let map = array.as_map();
            let (from, to) = (map.value_offsets()[row], map.value_offsets()[row + 1]);
            out.push('{');
            for entry in from..to {
                if entry > from {
                    out.push(',');
                }
                text(map.keys().as_string::<i32>().value(entry as usize), out);
                out.push(':');
                value(map.values(), entry as usize, out);
            }
            out.push('}');
        }
        other => panic!("no stored column has type {other}"),
    }
}

fn display(value: impl std::fmt::Display, out: &mut String) {
    write!(out, "{value}").expect("a string takes everything");
}

/// `YYYY-MM-DD HH:MM:SS.ffffff`, without the cost of a format description per value.
fn time(time: Micros, out: &mut String) {
    let date = time.to_utc().date_naive();
    let of_day = time.0.rem_euclid(86_400 * Micros::PER_SECOND);
    let (seconds, micros) = (of_day / Micros::PER_SECOND, of_day % Micros::PER_SECOND);
    let (year, month, day) = (date.year(), date.month(), date.day());
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    write!(out, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}")
        .expect("a string takes everything");
}

/// A JSON string. Only what must be escaped is.
fn text(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(place) = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        out.push_str(&rest[..place]);
        match rest.as_bytes()[place] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            control => write!(out, "\\u{control:04x}").expect("a string takes everything"),
        }
        rest = &rest[place + 1..];
    }
    out.push_str(rest);
    out.push('"');
}
