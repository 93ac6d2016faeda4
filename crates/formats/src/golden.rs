//! The text formats against what Langfuse writes for the same rows.
//!
//! `golden/encoders.json` holds rows as JavaScript values and the exact text of each format. A row's
//! properties become columns of the type that fits; what no column type can hold is listed in
//! [`UNREPRESENTABLE`], and where our promises ask for other bytes, [`DIFFERENCES`] says which. Both quote
//! the document on differences.

use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder, BooleanBuilder, Float64Builder, Int64Builder, ListBuilder, MapBuilder, StringBuilder,
    TimestampMicrosecondBuilder, UInt64Builder,
};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::{DataType, Field, Fields, Schema};
use model::{ColumnType, FieldRole, FormatOptions, Micros, TimestampStyle, UnicodeRule, field};
use serde_json::{Map, Value};

use crate::find;
use crate::sample::{comments_array, encode};

/// Vectors, or formats of a vector, that rows of fixed columns cannot express. The other cells of `dates`
/// are checked below.
const UNREPRESENTABLE: [(&str, &[&str], &str); 4] = [
    ("undefined-first-row-key-order", &["JSON", "JSONL"], "A column is in every row; a missing value is null."),
    ("extra-key-later", &["CSV", "JSON", "JSONL"], "A column is in every row"),
    ("bigint-huge", &["CSV", "JSON", "JSONL"], "Integers beyond 64 bits and invalid dates can be in a row."),
    ("dates", &["CSV", "JSON", "JSONL"], "Integers beyond 64 bits and invalid dates can be in a row."),
];

const DIGITS: &str = "Every digit is kept";
const ASCII: &str = "Only escapes of code points from U+0080 on";
const ESCAPED: &str = "behind an odd number of backslashes";

/// Vector, format, Langfuse's bytes, ours, and what the document says of them.
const DIFFERENCES: [(&str, &str, &str, &str, &str); 18] = [
    ("bigint", "CSV", "9007199254740992", "9007199254740993", DIGITS),
    ("bigint", "CSV", "18446744073709552000", "18446744073709551615", DIGITS),
    ("bigint", "CSV", "-9223372036854776000", "-9223372036854775808", DIGITS),
    ("bigint", "JSON", "9007199254740992", "9007199254740993", DIGITS),
    ("bigint", "JSON", "18446744073709552000", "18446744073709551615", DIGITS),
    ("bigint", "JSON", "-9223372036854776000", "-9223372036854775808", DIGITS),
    ("bigint", "JSONL", "9007199254740992", "9007199254740993", DIGITS),
    ("bigint", "JSONL", "18446744073709552000", "18446744073709551615", DIGITS),
    ("bigint", "JSONL", "-9223372036854776000", "-9223372036854775808", DIGITS),
    ("unicode-escape-lone", "CSV", r"\ud83dA", r"\ud83d\u0041", ASCII),
    ("unicode-escape-lone", "JSON", r"\\ud83dA", r"\\ud83d\\u0041", ASCII),
    ("unicode-escape-lone", "JSONL", r"\\ud83dA", r"\\ud83d\\u0041", ASCII),
    ("unicode-escape-in-json-string", "CSV", r#"こん ""x"""#, r"こん \u0022x\u0022", ASCII),
    ("unicode-escape-in-json-string", "JSON", r#"こん \"x\""#, r"こん \\u0022x\\u0022", ASCII),
    ("unicode-escape-in-json-string", "JSONL", r#"こん \"x\""#, r"こん \\u0022x\\u0022", ASCII),
    ("unicode-escape-double-encoded", "CSV", "あ", r"\\u3042", ESCAPED),
    ("unicode-escape-double-encoded", "JSON", "あ", r"\\\\u3042", ESCAPED),
    ("unicode-escape-double-encoded", "JSONL", "あ", r"\\\\u3042", ESCAPED),
];

#[test]
fn text_formats_write_what_langfuse_writes() {
    let golden: Value = serde_json::from_str(include_str!("../golden/encoders.json")).unwrap();
    let options = FormatOptions { unicode: UnicodeRule::Decode, ..FormatOptions::default() };
    let mut compared = 0;
    for vector in golden["vectors"].as_array().unwrap() {
        let name = vector["name"].as_str().unwrap();
        for label in ["CSV", "JSON", "JSONL"] {
            if UNREPRESENTABLE.iter().any(|(vector, labels, _)| *vector == name && labels.contains(&label)) {
                continue;
            }
            let mut expected = vector[label]["text"].as_str().unwrap().to_owned();
            for (_, _, theirs, ours, why) in DIFFERENCES.iter().filter(|known| (known.0, known.1) == (name, label)) {
                assert!(expected.contains(theirs), "{name} as {label} does not hold {theirs} ({why})");
                expected = expected.replace(theirs, ours);
            }
            let rows = batch(vector["rows"].as_array().unwrap());
            let format = find(&label.to_lowercase()).unwrap();

            let file = encode(format, &options, &[&[rows]]);

            assert_eq!(String::from_utf8(file).unwrap(), expected, "{name} as {label}");
            compared += 1;
        }
    }
    let skipped: usize = UNREPRESENTABLE.iter().map(|(_, labels, _)| labels.len()).sum();
    assert_eq!(compared, 3 * golden["vectors"].as_array().unwrap().len() - skipped);
}

#[test]
fn every_listed_difference_is_documented() {
    let document = include_str!("../../../docs/differences-from-langfuse.md");
    let listed = DIFFERENCES.iter().map(|known| known.4).chain(UNREPRESENTABLE.iter().map(|known| known.2));
    for said in listed {
        assert!(document.contains(said), "docs/differences-from-langfuse.md does not say: {said}");
    }
}

#[test]
fn dates_are_iso_text_and_quoted_again_in_csv() {
    let dates = serde_json::json!([{ "d": { "$date": "2026-05-04T10:11:12.123Z" }, "e": { "$date": "1970-01-01T00:00:00.000Z" } }]);
    let rows = batch(dates.as_array().unwrap());
    let file = |name: &str| encode(find(name).unwrap(), &FormatOptions::default(), &[std::slice::from_ref(&rows)]);

    assert_eq!(
        file("csv"),
        b"\"d\",\"e\"\n\"\"\"2026-05-04T10:11:12.123Z\"\"\",\"\"\"1970-01-01T00:00:00.000Z\"\"\"\n"
    );
    assert_eq!(file("jsonl"), b"{\"d\":\"2026-05-04T10:11:12.123Z\",\"e\":\"1970-01-01T00:00:00.000Z\"}\n");
}

/// The rows as a batch with the columns of the first one.
fn batch(rows: &[Value]) -> RecordBatch {
    let rows: Vec<&Map<String, Value>> = rows.iter().map(|row| row.as_object().unwrap()).collect();
    let names: Vec<&String> = rows.first().map_or(Vec::new(), |row| row.keys().collect());
    let (fields, columns): (Vec<_>, Vec<_>) =
        names.into_iter().map(|name| column(name, &rows.iter().map(|row| &row[name]).collect::<Vec<_>>())).unzip();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(Fields::from(fields))), columns, &options).unwrap()
}

/// A column of the first type that holds all values.
fn column(name: &str, values: &[&Value]) -> (Field, ArrayRef) {
    let is_null = |value: &Value| value.is_null() || value.get("$undefined").is_some();
    let present: Vec<&Value> = values.iter().copied().filter(|value| !is_null(value)).collect();
    let all = |test: &dyn Fn(&Value) -> bool| present.iter().all(|value| test(value));
    let items =
        |value: &Value, test: &dyn Fn(&Value) -> bool| value.as_array().is_some_and(|list| list.iter().all(test));
    let members =
        |value: &Value, test: &dyn Fn(&Value) -> bool| value.as_object().is_some_and(|map| map.values().all(test));
    let tagged = |tag: &'static str| move |value: &Value| value.get(tag).is_some();
    let plain = |array: ArrayRef| (Field::new(name, array.data_type().clone(), true), array);
    let present_or_null = |value: &&Value| if is_null(value) { None } else { Some((*value).clone()) };

    if name == "comments" && all(&Value::is_array) {
        let lists: Vec<&Vec<Value>> = present.iter().map(|value| value.as_array().unwrap()).collect();
        let field = Field::new(name, ColumnType::Comments.to_arrow(), true);
        return (field::with_role(field, FieldRole::Comments), comments(&lists));
    }
    if present.is_empty() {
        return plain(new_null_array(&DataType::Utf8, values.len()));
    }
    if all(&Value::is_string) {
        return plain(each(StringBuilder::new(), values, |to, value| to.append_option(value.as_str())));
    }
    if all(&Value::is_number) {
        return plain(each(Float64Builder::new(), values, |to, value| to.append_option(value.as_f64())));
    }
    if all(&Value::is_boolean) {
        return plain(each(BooleanBuilder::new(), values, |to, value| to.append_option(value.as_bool())));
    }
    if all(&tagged("$date")) {
        let instant = |value: &Value| Micros::parse_text(value["$date"].as_str()?).map(|instant| instant.0);
        let array = each(TimestampMicrosecondBuilder::new().with_timezone("UTC"), values, |to, value| {
            to.append_option(instant(value));
        });
        let (field, array) = plain(array);
        return (field::with_timestamp_style(field, TimestampStyle::IsoMillis), array);
    }
    if all(&tagged("$bigint")) {
        let text = |value: &Value| value["$bigint"].as_str().unwrap().to_owned();
        if present.iter().any(|value| text(value).starts_with('-')) {
            return plain(each(Int64Builder::new(), values, |to, value| to.append_option(text(value).parse().ok())));
        }
        return plain(each(UInt64Builder::new(), values, |to, value| to.append_option(text(value).parse().ok())));
    }
    if all(&|value| items(value, &Value::is_string)) {
        return plain(each(ListBuilder::new(StringBuilder::new()), values, |to, value| {
            to.append_option(value.as_array().map(|list| list.iter().map(Value::as_str).collect::<Vec<_>>()));
        }));
    }
    let number = |value: &Value| value.as_f64().or_else(|| value["$number"].as_str()?.parse().ok());
    if all(&|value| items(value, &|item| number(item).is_some())) {
        return plain(each(ListBuilder::new(Float64Builder::new()), values, |to, value| {
            to.append_option(value.as_array().map(|list| list.iter().map(number).collect::<Vec<_>>()));
        }));
    }
    if all(&|value| members(value, &Value::is_string)) {
        return plain(each(MapBuilder::new(None, StringBuilder::new(), StringBuilder::new()), values, |to, value| {
            for (key, member) in value.as_object().unwrap() {
                to.keys().append_value(key);
                to.values().append_option(member.as_str());
            }
            to.append(true).unwrap();
        }));
    }
    if all(&|value| members(value, &Value::is_number)) {
        return plain(each(MapBuilder::new(None, StringBuilder::new(), Float64Builder::new()), values, |to, value| {
            for (key, member) in value.as_object().unwrap() {
                to.keys().append_value(key);
                to.values().append_option(member.as_f64());
            }
            to.append(true).unwrap();
        }));
    }
    let defined = |value: Value| value.to_string().replace("{\"$undefined\":true}", "null");
    let texts = each(StringBuilder::new(), values, |to, value| to.append_option(present_or_null(&value).map(defined)));
    let (field, array) = plain(texts);
    (field::with_role(field, FieldRole::Json), array)
}

fn each<B: ArrayBuilder>(mut builder: B, values: &[&Value], append: impl Fn(&mut B, &Value)) -> ArrayRef {
    for value in values {
        append(&mut builder, value);
    }
    builder.finish()
}

fn comments(lists: &[&Vec<Value>]) -> ArrayRef {
    let text = |comment: &Value, name: &str| comment[name].as_str().map(str::to_owned);
    let comment = |value: &Value| {
        let created_at = Micros::parse_text(&text(value, "created_at").unwrap()).unwrap().0;
        (text(value, "id").unwrap(), text(value, "content").unwrap(), text(value, "author_email"), created_at)
    };
    comments_array(lists.iter().map(|list| list.iter().map(comment).collect::<Vec<_>>()))
}
