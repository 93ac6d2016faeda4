//! Events of Langfuse and what its transformers made of them, as batches that our encoders take.
//!
//! `golden/transformers.json` holds inputs of any shape that JavaScript can have. What a stored row cannot be
//! is left out, by the names in [`IMPOSSIBLE`].

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, MapBuilder, StringBuilder};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema};
use model::{
    Dialect, EncodedEvents, EventEncoder, EventKind, EventStream, FieldRole, Micros, ProjectId, TimestampStyle,
    event_column, field,
};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Ends of the names of inputs that no stored row has, and why.
const IMPOSSIBLE: &[(&str, &str)] = &[
    ("id-undefined", "rows have ids"),
    ("id-null", "rows have ids"),
    ("user-number", "users are texts"),
    ("date-null", "rows have timestamps"),
    ("date-undefined", "rows have timestamps"),
    ("date-invalid", "timestamps are instants"),
    ("extra-props", "properties are those of the table"),
    ("tags-nested", "tags are texts"),
    ("unicode-id", "texts are Unicode"),
    ("lone-surrogate", "texts are Unicode"),
];

/// An event of Langfuse and what it became.
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) stream: EventStream,
    pub(crate) batch: RecordBatch,
    /// As the transformer returned it.
    pub(crate) expected: Value,
}

/// Every vector that a stored row can be, with what `receiver` gets.
pub(crate) fn vectors(receiver: &str) -> Vec<Vector> {
    #[derive(serde::Deserialize)]
    struct File<'a> {
        #[serde(borrow)]
        vectors: Vec<&'a RawValue>,
    }
    let file: File<'_> = serde_json::from_str(include_str!("golden/transformers.json")).unwrap();
    let mut found = Vec::new();
    let mut left_out = BTreeSet::new();
    for text in file.vectors {
        let name = name_in(text.get());
        let case = name.split('/').nth(1).unwrap();
        match serde_json::from_str(text.get()).ok().and_then(|value: Value| read(&value, receiver)) {
            Some(vector) => found.push(Vector { name, ..vector }),
            None => drop(left_out.insert(case.to_owned())),
        }
    }
    let impossible: BTreeSet<String> = IMPOSSIBLE.iter().map(|(case, _)| (*case).to_owned()).collect();
    assert_eq!(left_out, impossible);
    assert!(found.len() > 100, "only {} vectors", found.len());
    found
}

fn name_in(text: &str) -> String {
    let rest = text.split_once(r#""name""#).unwrap().1;
    rest.split('"').nth(1).unwrap().to_owned()
}

fn read(value: &Value, receiver: &str) -> Option<Vector> {
    let kind = match value["type"].as_str().unwrap() {
        "trace" => EventKind::Trace,
        "generation" => EventKind::Generation,
        "score" => EventKind::Score,
        "event" => EventKind::Observation,
        other => panic!("{other}"),
    };
    let project = ProjectId::new(value["projectId"].as_str().unwrap());
    let expected = serde_json::from_str(value[receiver]["object_json"].as_str()?).unwrap();
    Some(Vector {
        name: String::new(),
        stream: EventStream { project, kind, dialect: Dialect::Langfuse, historical: false },
        batch: batch(value["input"].as_object().unwrap())?,
        expected,
    })
}

/// The row that Langfuse's event was made of; `None` where no stored row is like that.
pub(crate) fn batch(event: &Map<String, Value>) -> Option<RecordBatch> {
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (name, value) in event {
        if value.get("$undefined").is_some() {
            if name == event_column::ID || name == event_column::TIMESTAMP {
                return None;
            }
            continue;
        }
        let (field, column) = if name == event_column::TIMESTAMP { timestamp(value)? } else { property(name, value)? };
        fields.push(field);
        columns.push(column);
    }
    Some(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap())
}

fn timestamp(value: &Value) -> Option<(Field, ArrayRef)> {
    let text = value.as_str().or_else(|| value["$date"].as_str())?;
    let instant = Micros::parse_text(text)?;
    let digits = text.split_once('.').map_or(0, |(_, fraction)| fraction.trim_end_matches('Z').len());
    let style = match (text.ends_with('Z'), digits) {
        (true, 0..=3) => TimestampStyle::IsoMillis,
        (_, 0..=3) => TimestampStyle::SqlMillis,
        _ => TimestampStyle::SqlMicros,
    };
    let column = TimestampMicrosecondArray::from(vec![instant.0]).with_timezone("UTC");
    let kind = model::ColumnType::Timestamp.to_arrow();
    let field = Field::new(event_column::TIMESTAMP, kind, false);
    Some((field::with_timestamp_style(field, style), Arc::new(column)))
}

fn property(name: &str, value: &Value) -> Option<(Field, ArrayRef)> {
    if name == event_column::ID && !value.is_string() || name == event_column::USER && value.is_number() {
        return None;
    }
    // Columns that no table has.
    if !(name.starts_with("langfuse_") || name.ends_with("_session_id")) || name.starts_with('$') {
        return None;
    }
    let column: ArrayRef = match value {
        Value::Null => Arc::new(StringArray::from(vec![None::<&str>])),
        Value::String(text) => Arc::new(StringArray::from(vec![text.as_str()])),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Arc::new(Int64Array::from(vec![integer])),
            None => Arc::new(Float64Array::from(vec![number.as_f64()?])),
        },
        Value::Array(items) => {
            let mut list = ListBuilder::new(StringBuilder::new());
            for item in items {
                list.values().append_value(item.as_str()?);
            }
            list.append(true);
            Arc::new(list.finish())
        }
        Value::Object(entries) => {
            let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
            for (key, value) in entries {
                map.keys().append_value(key);
                map.values().append_value(value.as_str()?);
            }
            map.append(true).unwrap();
            Arc::new(map.finish())
        }
        Value::Bool(_) => return None,
    };
    let field = Field::new(name, column.data_type().clone(), true);
    // A link that is null is stored as one that is not there, unless Langfuse sent the null.
    let role = if name == event_column::USER_LINK && !value.is_null() { FieldRole::IfKnown } else { FieldRole::Plain };
    debug_assert!(!matches!(field.data_type(), DataType::Null));
    Some((field::with_role(field, role), column))
}

/// The only event that an encoder makes of a row.
pub(crate) fn encoded(encoder: &dyn EventEncoder, batch: &RecordBatch) -> (EncodedEvents, Value) {
    let encoded = encoder.encode(batch).unwrap();
    assert_eq!((encoded.events.len(), encoded.refused.len()), (1, 0));
    let event = serde_json::from_slice(encoded.event(0)).unwrap();
    (encoded, event)
}

/// Both timestamps as instants, where one is printed with other digits than it was given.
pub(crate) fn as_instants(ours: &mut Value, theirs: &mut Value) {
    for text in [ours, theirs] {
        let instant = Micros::parse_text(text.as_str().unwrap()).unwrap();
        *text = Value::String(instant.to_rfc3339());
    }
}
