//! Every format decodes to what was encoded, as readers that are not ours see it: the `csv` crate,
//! `serde_json` and the reader of the `parquet` crate.

use std::fmt;
use std::io::Read;

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow_array::Array;
use bytes::Bytes;
use model::{Compression, Format, FormatOptions, Micros, UnicodeRule};
use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::sample::{Row, any_rows, batch, encode, schema};
use crate::text::decode;
use crate::{all, find};

/// An object with its members in order, doubles kept, values as they are spelt.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// What text becomes under the rule.
fn expected_text(text: &str, unicode: UnicodeRule) -> String {
    match unicode {
        UnicodeRule::Keep => text.to_owned(),
        UnicodeRule::Decode => decode(text).into_owned(),
    }
}

/// Checks the JSON of a cell, `null` included, against the row's value of that column.
fn check_json(name: &str, cell: &str, row: &Row, unicode: UnicodeRule) {
    fn read<'a, T: Deserialize<'a>>(cell: &'a str) -> T {
        serde_json::from_str(cell).unwrap_or_else(|error| panic!("{cell}: {error}"))
    }
    let shown = |text: &String| expected_text(text, unicode);
    // Where serde_json would round, the text itself is read.
    let double = |cell: &str| if cell == "null" { None } else { Some(cell.parse::<f64>().unwrap()) };
    let finite = |value: f64| Some(value).filter(|value| value.is_finite());
    match name {
        "text" => assert_eq!(read::<Option<String>>(cell), row.text.as_ref().map(shown)),
        "payload" => assert_eq!(read::<Option<String>>(cell), row.payload.as_ref().map(shown)),
        "flag" => assert_eq!(read::<Option<bool>>(cell), row.flag),
        "signed" => assert_eq!(read::<Option<i64>>(cell), row.signed),
        "unsigned" => assert_eq!(read::<Option<u64>>(cell), row.unsigned),
        "double" => assert_eq!(double(cell), row.double.and_then(finite)),
        "cost" => assert_eq!(if cell == "null" { None } else { Some(cost(cell)) }, row.cost),
        "time" => {
            let text: Option<String> = read(cell);
            assert_eq!(text.map(|text| Micros::parse_text(&text).unwrap().0), row.time);
        }
        "iso \"time\"" => {
            let text: Option<String> = read(cell);
            let milliseconds = |instant: i64| instant.div_euclid(1_000);
            assert_eq!(text.map(|text| milliseconds(Micros::parse_text(&text).unwrap().0)), row.time.map(milliseconds));
        }
        "tags" => {
            let expected = row.tags.as_ref().map(|tags| tags.iter().map(shown).collect::<Vec<_>>());
            assert_eq!(read::<Option<Vec<String>>>(cell), expected);
        }
        "numbers" => {
            let numbers: Option<Vec<Box<RawValue>>> = read(cell);
            let numbers = numbers.map(|numbers| numbers.iter().map(|number| double(number.get())).collect::<Vec<_>>());
            let expected = row.numbers.as_ref().map(|numbers| numbers.iter().copied().map(finite).collect::<Vec<_>>());
            assert_eq!(numbers, expected);
        }
        "metadata" => {
            let members: Option<Members> = read(cell);
            let members = members.map(|members| {
                members.0.into_iter().map(|(key, value)| (key, read::<String>(value.get()))).collect::<Vec<_>>()
            });
            let shown_pair = |(key, value): &(String, String)| (key.clone(), shown(value));
            assert_eq!(members, row.metadata.as_ref().map(|pairs| pairs.iter().map(shown_pair).collect::<Vec<_>>()));
        }
        "usage" => {
            let members: Option<Members> = read(cell);
            let members = members.map(|members| {
                members.0.into_iter().map(|(key, value)| (key, value.get().parse().unwrap())).collect::<Vec<_>>()
            });
            assert_eq!(members, row.usage);
        }
        "comments" => {
            let comments: Vec<serde_json::Value> = read(cell);
            assert_eq!(comments.len(), row.comments.len());
            for (index, (comment, expected)) in comments.iter().zip(&row.comments).enumerate() {
                assert_eq!(comment["id"], format!("c{index}"));
                assert_eq!(comment["content"], shown(&expected.content));
                assert_eq!(comment["author_email"].as_str().map(str::to_owned), expected.author.as_ref().map(shown));
                let created_at = Micros::parse_text(comment["created_at"].as_str().unwrap()).unwrap().0;
                assert_eq!(created_at.div_euclid(1_000), expected.created_at.div_euclid(1_000));
            }
        }
        "json" | "mixed" => {
            let json = row.json.clone().map(|mut json| {
                if let Some(serde_json::Value::String(text)) = json.pointer_mut("/0/a") {
                    *text = expected_text(text, unicode);
                }
                if name == "mixed" { serde_json::json!([json, 0.5]) } else { json }
            });
            assert_eq!(read::<Option<serde_json::Value>>(cell), json);
        }
        other => panic!("unknown column {other}"),
    }
}

/// A cost in units of 1e-12.
fn cost(text: &str) -> i64 {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let places = 12 + exponent.parse::<i32>().unwrap() - fraction.len() as i32;
    format!("{whole}{fraction}").parse::<i64>().unwrap() * 10_i64.pow(places.try_into().unwrap())
}

/// The file's text, decompressed by other libraries than those that compressed it.
fn text_of(file: &[u8], compression: Compression) -> String {
    let mut text = String::new();
    match compression {
        Compression::None => text.push_str(std::str::from_utf8(file).unwrap()),
        Compression::Gzip => {
            flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
        }
        Compression::Zstd => {
            zstd::stream::read::Decoder::new(file).unwrap().read_to_string(&mut text).unwrap();
        }
    }
    text
}

fn check_object(object: &str, row: &Row, unicode: UnicodeRule) {
    let members = serde_json::from_str::<Members>(object).unwrap().0;
    let schema = schema();
    let names: Vec<&String> = schema.fields().iter().map(|field| field.name()).collect();
    assert_eq!(members.iter().map(|(name, _)| name).collect::<Vec<_>>(), names);
    for (name, value) in &members {
        check_json(name, value.get(), row, unicode);
    }
}

fn check_line(line: &csv::StringRecord, row: &Row, unicode: UnicodeRule) {
    for (field, cell) in schema().fields().iter().zip(line) {
        let nulls = batch(std::slice::from_ref(row)).column_by_name(field.name()).unwrap().is_null(0);
        match field.name().as_str() {
            _ if nulls => assert_eq!(cell, ""),
            // Text stands as it is, everything else as JSON.
            name @ ("text" | "payload" | "time") => {
                check_json(name, &serde_json::to_string(cell).unwrap(), row, unicode);
            }
            name => check_json(name, cell, row, unicode),
        }
    }
}

fn options(compression: Compression, unicode: UnicodeRule) -> FormatOptions {
    FormatOptions { compression, unicode, ..FormatOptions::default() }
}

fn file(format: &dyn Format, options: &FormatOptions, blocks: &[Vec<Row>]) -> Vec<u8> {
    let blocks: Vec<_> = blocks.iter().map(|rows| [batch(rows)]).collect();
    let blocks: Vec<_> = blocks.iter().map(|block| block.as_slice()).collect();
    encode(format, options, &blocks)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn text_formats_decode_to_what_was_encoded(
        blocks in proptest::collection::vec(any_rows(5), 1..4),
        compression in proptest::sample::select(&Compression::ALL[..]),
        unicode in proptest::sample::select(vec![UnicodeRule::Keep, UnicodeRule::Decode]),
    ) {
        let options = options(compression, unicode);
        let rows: Vec<&Row> = blocks.iter().flatten().collect();
        let text = |name: &str| text_of(&file(find(name).unwrap(), &options, &blocks), compression);

        let jsonl = text("jsonl");
        prop_assert_eq!(jsonl.lines().count(), rows.len());
        for (line, row) in jsonl.lines().zip(&rows) {
            check_object(line, row, unicode);
        }

        let json = text("json");
        let objects: Vec<Box<RawValue>> = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(objects.len(), rows.len());
        for (object, row) in objects.iter().zip(&rows) {
            check_object(object.get(), row, unicode);
        }

        let csv = text("csv");
        let lines: Vec<csv::StringRecord> = csv::Reader::from_reader(csv.as_bytes()).records().map(Result::unwrap).collect();
        prop_assert_eq!(lines.len(), rows.len());
        for (line, row) in lines.iter().zip(&rows) {
            check_line(line, row, unicode);
        }
    }

    #[test]
    fn compressed_files_hold_the_uncompressed_bytes(blocks in proptest::collection::vec(any_rows(5), 1..4)) {
        for format in all().iter().filter(|format| format.descriptor().compressible) {
            let plain = text_of(&file(*format, &options(Compression::None, UnicodeRule::Keep), &blocks), Compression::None);
            for compression in [Compression::Gzip, Compression::Zstd] {
                let packed = file(*format, &options(compression, UnicodeRule::Keep), &blocks);
                prop_assert_eq!(&text_of(&packed, compression), &plain);
            }
        }
    }

    #[test]
    fn parquet_decodes_to_what_was_encoded(
        blocks in proptest::collection::vec(any_rows(5), 1..4),
        unicode in proptest::sample::select(vec![UnicodeRule::Keep, UnicodeRule::Decode]),
    ) {
        let mut blocks = blocks;
        if unicode == UnicodeRule::Decode {
            // In Parquet JSON is text like any other; the text formats decode the values within it.
            blocks.iter_mut().flatten().for_each(|row| row.json = None);
        }
        let bytes = file(find("parquet").unwrap(), &options(Compression::None, unicode), &blocks);
        let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).unwrap();
        let groups: Vec<i64> = reader.metadata().row_groups().iter().map(|group| group.num_rows()).collect();
        let read: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();

        // Row groups end where blocks end.
        let full: Vec<i64> = blocks.iter().map(|rows| rows.len() as i64).filter(|rows| *rows > 0).collect();
        prop_assert_eq!(groups, full);
        // Both printed by the same encoder, whose text was checked above.
        let rows: Vec<Row> = blocks.concat();
        let jsonl = find("jsonl").unwrap();
        let print = |batches: &[arrow_array::RecordBatch], unicode| {
            let options = options(Compression::None, unicode);
            let mut encoder = jsonl.start(&schema(), &options, None).unwrap();
            let block = jsonl.block_encoder(&schema(), &options).unwrap().encode(batches).unwrap();
            String::from_utf8(encoder.append(block).unwrap().to_vec()).unwrap()
        };
        prop_assert_eq!(print(&read, UnicodeRule::Keep), print(&[batch(&rows)], unicode));
        let doubles = |batch: &arrow_array::RecordBatch| batch.column_by_name("double").unwrap().to_data();
        let expected: Vec<_> = read.iter().scan(0, |at, part| {
            let start = *at;
            *at += part.num_rows();
            Some(doubles(&batch(&rows).slice(start, part.num_rows())))
        }).collect();
        prop_assert_eq!(read.iter().map(doubles).collect::<Vec<_>>(), expected);
    }
}
