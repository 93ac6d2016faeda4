//! Rows as JSON objects with physical column names, read exactly: how tests write rows by hand.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema, SchemaRef};
use model::{ColumnType, Fault, Micros, StoredColumn, StoredTable};
use serde_json::Value as Json;

use super::columnar::to_array;
use super::value::Value;

/// The schema of a table as it is stored.
pub fn stored_schema(table: &StoredTable) -> SchemaRef {
    let fields = table.columns.iter().map(|column| Field::new(column.name, column.kind.to_arrow(), column.nullable));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Reads rows of a table. Missing columns take their default; unknown names and values that would be
/// rounded are faults.
///
/// Timestamps are `YYYY-MM-DD HH:MM:SS.ffffff` or RFC 3339, decimals texts or numbers.
pub fn batch_from_json(table: &StoredTable, rows: &[Json]) -> Result<RecordBatch, Fault> {
    for (index, row) in rows.iter().enumerate() {
        let object = row.as_object().ok_or_else(|| Fault::bad_request(format!("row {index} is no object")))?;
        if let Some(name) = object.keys().find(|name| table.column(name).is_none()) {
            return Err(Fault::bad_request(format!("row {index}: table {} has no column {name:?}", table.name)));
        }
    }
    let columns = table.columns.iter().map(|column| {
        let values = rows.iter().enumerate().map(|(index, row)| {
            cell(column, row.get(column.name)).ok_or_else(|| {
                let given = row.get(column.name).unwrap_or(&Json::Null);
                Fault::bad_request(format!(
                    "row {index}: column {}: cannot read {given} as {:?}",
                    column.name, column.kind
                ))
            })
        });
        to_array(&column.kind, &values.collect::<Result<Vec<_>, _>>()?)
    });
    let columns = columns.collect::<Result<Vec<ArrayRef>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(stored_schema(table), columns, &options)
        .map_err(|error| Fault::bug("rows do not fit the stored schema").because(error))
}

fn cell(column: &StoredColumn, json: Option<&Json>) -> Option<Value> {
    match json {
        None | Some(Json::Null) if column.nullable => Some(Value::Null),
        None if !column.required => default(&column.kind, column.default),
        None | Some(Json::Null) => None,
        Some(json) => value(&column.kind, json),
    }
}

/// The value a row takes where it lacks the column. There is no clock here, so the time of the import is the epoch.
fn default(kind: &ColumnType, text: &str) -> Option<Value> {
    let zero = match kind {
        ColumnType::Text => Json::from(""),
        ColumnType::Bool => Json::from(false),
        ColumnType::Int64 | ColumnType::UInt64 | ColumnType::Float64 | ColumnType::Decimal { .. } => Json::from(0),
        ColumnType::Timestamp => Json::from(Micros(0).to_sql_text()),
        ColumnType::List(_) => Json::Array(Vec::new()),
        ColumnType::Map(_) => Json::Object(serde_json::Map::new()),
        ColumnType::Comments => return None,
    };
    match kind {
        _ if text.is_empty() || text == StoredColumn::IMPORT_TIME => value(kind, &zero),
        ColumnType::Text | ColumnType::Timestamp => value(kind, &Json::from(text)),
        _ => value(kind, &serde_json::from_str(text).ok()?),
    }
}

fn value(kind: &ColumnType, json: &Json) -> Option<Value> {
    Some(match kind {
        ColumnType::Text => Value::Text(json.as_str()?.to_owned()),
        // ClickHouse prints its UInt8 flags as numbers.
        ColumnType::Bool => Value::Bool(match json {
            Json::Bool(truth) => *truth,
            number => number.as_u64().filter(|n| *n < 2)? == 1,
        }),
        ColumnType::Int64 => Value::Int(json.as_i64()?),
        ColumnType::UInt64 => Value::UInt(json.as_u64()?),
        ColumnType::Float64 => Value::Float(json.as_f64()?),
        ColumnType::Decimal { precision, scale } => {
            let unscaled = match json {
                Json::String(text) => decimal(text, *scale),
                Json::Number(number) => decimal(&number.to_string(), *scale),
                _ => None,
            }?;
            let bound = 10_i128.checked_pow(u32::from(*precision))?;
            (-bound < unscaled && unscaled < bound)
                .then_some(Value::Decimal { unscaled, scale: u8::try_from(*scale).ok()? })?
        }
        ColumnType::Timestamp => Value::Timestamp(Micros::parse_text(json.as_str()?)?),
        ColumnType::List(item) => {
            Value::List(json.as_array()?.iter().map(|json| value(item, json)).collect::<Option<_>>()?)
        }
        ColumnType::Map(inner) => Value::Map(
            json.as_object()?
                .iter()
                .map(|(key, json)| Some((key.clone(), value(inner, json)?)))
                .collect::<Option<_>>()?,
        ),
        ColumnType::Comments => return None,
    })
}

/// The digits of `[-]whole[.fraction][e±exponent]` at this scale; `None` where digits would be lost.
fn decimal(text: &str, scale: i8) -> Option<i128> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let shift = i32::from(scale) + exponent - i32::try_from(fraction.len()).ok()?;
    let power = 10_i128.checked_pow(shift.unsigned_abs())?;
    if shift >= 0 { digits.checked_mul(power) } else { (digits % power == 0).then_some(digits / power) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_digit_by_digit() {
        assert_eq!(decimal("0.000157500000", 12), Some(157_500_000));
        assert_eq!(decimal("1e-12", 12), Some(1));
        assert_eq!(decimal("-999999.999999999999", 12), Some(-999_999_999_999_999_999));
        assert_eq!(decimal("-0.5", 12), Some(-500_000_000_000));
        assert_eq!(decimal("12", 12), Some(12_000_000_000_000));
        for lossy in ["1e-13", "0.0000000000001", "1.2.3", "", "x", "1e999"] {
            assert_eq!(decimal(lossy, 12), None, "{lossy}");
        }
    }

    #[test]
    fn integers_keep_all_their_bits() {
        let json: Json = serde_json::from_str("18446744073709551615").unwrap();
        assert_eq!(value(&ColumnType::UInt64, &json), Some(Value::UInt(u64::MAX)));
        assert_eq!(value(&ColumnType::UInt64, &Json::from(-1)), None);
        assert_eq!(value(&ColumnType::COST, &Json::from("9000000")), None);
    }
}
