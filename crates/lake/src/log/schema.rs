//! A table's schema as Delta writes it: Spark's JSON form of a struct type.

use arrow_schema::DataType;
use model::{Fault, StoredTable};
use serde_json::{Value, json};

use crate::physical::physical_schema;

/// The `schemaString` of a table.
pub(super) fn schema_string(table: &StoredTable) -> Result<String, Fault> {
    let fields = physical_schema(table)
        .fields()
        .iter()
        .map(|field| {
            Ok(json!({
                "name": field.name(),
                "type": delta_type(field.data_type())?,
                "nullable": field.is_nullable(),
                "metadata": {},
            }))
        })
        .collect::<Result<Vec<_>, Fault>>()?;
    Ok(json!({ "type": "struct", "fields": fields }).to_string())
}

fn delta_type(physical: &DataType) -> Result<Value, Fault> {
    Ok(match physical {
        DataType::Utf8 => "string".into(),
        DataType::Boolean => "boolean".into(),
        DataType::Int64 => "long".into(),
        DataType::Float64 => "double".into(),
        DataType::Timestamp(_, Some(_)) => "timestamp".into(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})").into(),
        DataType::List(item) => json!({
            "type": "array",
            "elementType": delta_type(item.data_type())?,
            "containsNull": item.is_nullable(),
        }),
        DataType::Map(entries, _) => {
            let DataType::Struct(fields) = entries.data_type() else { return Err(unstorable(physical)) };
            let [key, value] = &fields[..] else { return Err(unstorable(physical)) };
            json!({
                "type": "map",
                "keyType": delta_type(key.data_type())?,
                "valueType": delta_type(value.data_type())?,
                "valueContainsNull": value.is_nullable(),
            })
        }
        other => return Err(unstorable(other)),
    })
}

fn unstorable(kind: &DataType) -> Fault {
    Fault::bug(format!("a stored table has a column of type {kind}, which Delta cannot hold"))
}
