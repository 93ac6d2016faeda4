//! Rows for tests: small batches by hand, and random ones with every column type.

use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder, BooleanBuilder, Decimal128Builder, Float64Builder, Int64Builder, ListBuilder, MapBuilder,
    MapFieldNames, StringBuilder, StructBuilder, TimestampMicrosecondBuilder, UInt64Builder,
};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use model::{ColumnType, FieldRole, Format, FormatOptions, TimestampStyle, field};
use proptest::prelude::*;

/// A file of these blocks, each given as its batches.
pub(crate) fn encode(format: &dyn Format, options: &FormatOptions, blocks: &[&[RecordBatch]]) -> Vec<u8> {
    let schema = blocks[0][0].schema();
    let blocks_of = format.block_encoder(&schema, options).unwrap();
    let mut encoder = format.start(&schema, options, None).unwrap();
    let mut file = Vec::new();
    for block in blocks {
        file.extend_from_slice(&encoder.append(blocks_of.encode(block).unwrap()).unwrap());
    }
    file.extend_from_slice(&encoder.finish().unwrap());
    file
}

/// Columns of text.
pub(crate) fn text_batch(columns: &[(&str, &[&str])]) -> RecordBatch {
    let fields: Vec<_> = columns.iter().map(|(name, _)| Field::new(*name, DataType::Utf8, true)).collect();
    let arrays = columns.iter().map(|(_, texts)| Arc::new(StringArray::from(texts.to_vec())) as ArrayRef).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// One payload column named `input`.
pub(crate) fn payload_batch(texts: &[&str]) -> RecordBatch {
    let field = field::with_role(Field::new("input", DataType::Utf8, true), FieldRole::Payload);
    RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![Arc::new(StringArray::from(texts.to_vec()))]).unwrap()
}

/// A comment of a random row.
#[derive(Clone, Debug)]
pub(crate) struct CommentValue {
    pub(crate) content: String,
    pub(crate) author: Option<String>,
    pub(crate) created_at: i64,
}

/// A random row: one value of every column type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) text: Option<String>,
    pub(crate) payload: Option<String>,
    pub(crate) flag: Option<bool>,
    pub(crate) signed: Option<i64>,
    pub(crate) unsigned: Option<u64>,
    pub(crate) double: Option<f64>,
    pub(crate) cost: Option<i64>,
    pub(crate) time: Option<i64>,
    pub(crate) tags: Option<Vec<String>>,
    pub(crate) numbers: Option<Vec<f64>>,
    pub(crate) metadata: Option<Vec<(String, String)>>,
    pub(crate) usage: Option<Vec<(String, u64)>>,
    pub(crate) comments: Vec<CommentValue>,
    pub(crate) json: Option<serde_json::Value>,
}

/// Text with a good share of what needs care.
pub(crate) fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[a-z]{1,40}",
        r#"([a-z ]|["\\,;=]|[\r\n\t]|[\x00-\x1f]|\\u[0-9a-f]{4}|\\ud83d\\ude00|[é日😀]){0,60}"#,
    ]
}

/// Microseconds between the years 1653 and 2286.
fn any_instant() -> impl Strategy<Value = i64> {
    -10_000_000_000_000_000..10_000_000_000_000_000_i64
}

/// A random row.
pub(crate) fn any_row() -> impl Strategy<Value = Row> {
    let comment = (any_text(), proptest::option::of(any_text()), any_instant())
        .prop_map(|(content, author, created_at)| CommentValue { content, author, created_at });
    let scalars = (
        proptest::option::of(any_text()),
        proptest::option::of(any_text()),
        any::<Option<bool>>(),
        any::<Option<i64>>(),
        any::<Option<u64>>(),
        any::<Option<f64>>(),
        proptest::option::of(-999_999_999_999_999_999..=999_999_999_999_999_999_i64),
        proptest::option::of(any_instant()),
    );
    let nested = (
        proptest::option::of(proptest::collection::vec(any_text(), 0..4)),
        proptest::option::of(proptest::collection::vec(any::<f64>(), 0..4)),
        proptest::option::of(proptest::collection::vec((any_text(), any_text()), 0..4)),
        proptest::option::of(proptest::collection::vec(("[a-z]{1,9}", any::<u64>()), 0..4)),
        proptest::collection::vec(comment, 0..3),
        proptest::option::of(any_text().prop_map(|text| serde_json::json!([{ "a": text }, 1]))),
    );
    (scalars, nested).prop_map(|(scalars, nested)| {
        let (text, payload, flag, signed, unsigned, double, cost, time) = scalars;
        let (tags, numbers, metadata, usage, comments, json) = nested;
        Row {
            text,
            payload,
            flag,
            signed,
            unsigned,
            double,
            cost,
            time,
            tags,
            numbers,
            metadata,
            usage,
            comments,
            json,
        }
    })
}

/// Random rows.
pub(crate) fn any_rows(most: usize) -> impl Strategy<Value = Vec<Row>> {
    proptest::collection::vec(any_row(), 0..=most)
}

/// The schema of random rows.
pub(crate) fn schema() -> SchemaRef {
    let column = |name: &str, kind: ColumnType| Field::new(name, kind.to_arrow(), true);
    Arc::new(Schema::new(vec![
        column("text", ColumnType::Text),
        field::with_role(column("payload", ColumnType::Text), FieldRole::Payload),
        column("flag", ColumnType::Bool),
        column("signed", ColumnType::Int64),
        column("unsigned", ColumnType::UInt64),
        column("double", ColumnType::Float64),
        column("cost", ColumnType::COST),
        column("time", ColumnType::Timestamp),
        field::with_timestamp_style(column("iso \"time\"", ColumnType::Timestamp), TimestampStyle::IsoMillis),
        column("tags", ColumnType::text_list()),
        field::with_role(column("numbers", ColumnType::List(Box::new(ColumnType::Float64))), FieldRole::Score),
        column("metadata", ColumnType::text_map()),
        column("usage", ColumnType::Map(Box::new(ColumnType::UInt64))),
        field::with_role(column("comments", ColumnType::Comments), FieldRole::Comments),
        field::with_role(column("json", ColumnType::Text), FieldRole::Json),
        field::with_role(column("mixed", ColumnType::text_list()), FieldRole::JsonScore),
    ]))
}

/// The rows as a batch of [`schema`].
pub(crate) fn batch(rows: &[Row]) -> RecordBatch {
    let json = |row: &Row| row.json.as_ref().map(ToString::to_string);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row.text.as_deref()))),
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row.payload.as_deref()))),
        each(BooleanBuilder::new(), rows, |to, row| to.append_option(row.flag)),
        each(Int64Builder::new(), rows, |to, row| to.append_option(row.signed)),
        each(UInt64Builder::new(), rows, |to, row| to.append_option(row.unsigned)),
        each(Float64Builder::new(), rows, |to, row| to.append_option(row.double)),
        each(Decimal128Builder::new().with_data_type(ColumnType::COST.to_arrow()), rows, |to, row| {
            to.append_option(row.cost.map(i128::from));
        }),
        each(TimestampMicrosecondBuilder::new().with_timezone("UTC"), rows, |to, row| to.append_option(row.time)),
        each(TimestampMicrosecondBuilder::new().with_timezone("UTC"), rows, |to, row| to.append_option(row.time)),
        each(ListBuilder::new(StringBuilder::new()).with_field(item(ColumnType::Text)), rows, |to, row| {
            to.append_option(row.tags.as_ref().map(|tags| tags.iter().map(Some)));
        }),
        each(ListBuilder::new(Float64Builder::new()).with_field(item(ColumnType::Float64)), rows, |to, row| {
            to.append_option(row.numbers.as_ref().map(|numbers| numbers.iter().copied().map(Some)));
        }),
        each(map_of(StringBuilder::new(), ColumnType::Text), rows, |to, row| {
            for (key, value) in row.metadata.iter().flatten() {
                to.keys().append_value(key);
                to.values().append_value(value);
            }
            to.append(row.metadata.is_some()).unwrap();
        }),
        each(map_of(UInt64Builder::new(), ColumnType::UInt64), rows, |to, row| {
            for (key, value) in row.usage.iter().flatten() {
                to.keys().append_value(key);
                to.values().append_value(*value);
            }
            to.append(row.usage.is_some()).unwrap();
        }),
        comments(rows),
        Arc::new(StringArray::from_iter(rows.iter().map(json))),
        each(ListBuilder::new(StringBuilder::new()).with_field(item(ColumnType::Text)), rows, |to, row| {
            to.append_option(json(row).map(|text| [Some(text), Some("0.5".to_owned())]));
        }),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn each<B: ArrayBuilder>(mut builder: B, rows: &[Row], append: impl Fn(&mut B, &Row)) -> ArrayRef {
    for row in rows {
        append(&mut builder, row);
    }
    builder.finish()
}

fn item(kind: ColumnType) -> Field {
    Field::new("item", kind.to_arrow(), false)
}

fn map_of<V: ArrayBuilder>(values: V, kind: ColumnType) -> MapBuilder<StringBuilder, V> {
    let names = MapFieldNames { entry: "entries".into(), key: "keys".into(), value: "values".into() };
    MapBuilder::new(Some(names), StringBuilder::new(), values)
        .with_keys_field(Field::new("keys", DataType::Utf8, false))
        .with_values_field(Field::new("values", kind.to_arrow(), false))
}

fn comments(rows: &[Row]) -> ArrayRef {
    comments_array(rows.iter().map(|row| {
        let comments = row.comments.iter().enumerate();
        comments
            .map(|(index, comment)| {
                (format!("c{index}"), comment.content.clone(), comment.author.clone(), comment.created_at)
            })
            .collect()
    }))
}

/// A comments column: id, content, author and time of each comment of each row.
pub(crate) fn comments_array(rows: impl Iterator<Item = Vec<(String, String, Option<String>, i64)>>) -> ArrayRef {
    let DataType::List(record) = ColumnType::Comments.to_arrow() else { panic!("comments are a list") };
    let DataType::Struct(members) = record.data_type().clone() else { panic!("of records") };
    let columns: Vec<Box<dyn ArrayBuilder>> = vec![
        Box::new(StringBuilder::new()),
        Box::new(StringBuilder::new()),
        Box::new(StringBuilder::new()),
        Box::new(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
    ];
    let mut builder = ListBuilder::new(StructBuilder::new(members, columns)).with_field(record);
    for row in rows {
        for (id, content, author, created_at) in row {
            let record = builder.values();
            record.field_builder::<StringBuilder>(0).unwrap().append_value(id);
            record.field_builder::<StringBuilder>(1).unwrap().append_value(content);
            record.field_builder::<StringBuilder>(2).unwrap().append_option(author);
            record.field_builder::<TimestampMicrosecondBuilder>(3).unwrap().append_value(created_at);
            record.append(true);
        }
        builder.append(true);
    }
    Arc::new(builder.finish())
}
