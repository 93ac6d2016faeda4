//! How fast one core encodes: `cargo run --release -p outgest-formats --example encode [seconds]`.
//!
//! Rows are made like those of an events export: 33 columns, most of them short or empty, chat
//! messages as input and output, about 3.4 kB of text a row. Prints rows and output per second of
//! processor time, for each format and compression, and the output's share of the plain size.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::builder::{ListBuilder, MapBuilder, MapFieldNames, StringBuilder, UInt64Builder};
use arrow_array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema};
use model::{ColumnType, Compression, FieldRole, FormatOptions, field};

/// Rows of a block: about 4 MiB, where the pipeline ends a stretch.
const ROWS: usize = 1_250;

const WORDS: [&str; 48] = [
    "the",
    "invoice",
    "customer",
    "refund",
    "order",
    "shipping",
    "address",
    "please",
    "could",
    "you",
    "check",
    "whether",
    "payment",
    "arrived",
    "on",
    "Monday",
    "and",
    "let",
    "me",
    "know",
    "about",
    "delivery",
    "options",
    "for",
    "Zürich",
    "because",
    "our",
    "warehouse",
    "cannot",
    "handle",
    "more",
    "than",
    "three",
    "parcels",
    "per",
    "day",
    "without",
    "additional",
    "staff",
    "I",
    "have",
    "looked",
    "into",
    "it",
    "once",
    "again",
    "日本語",
    "result",
];

/// A small generator of numbers, so that every run encodes the same rows.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn id(&mut self) -> String {
        format!(
            "{:08x}{:08x}{:08x}{:08x}",
            self.roll(1 << 31),
            self.roll(1 << 31),
            self.roll(1 << 31),
            self.roll(1 << 31)
        )
    }

    fn sentence(&mut self, words: usize) -> String {
        let mut text = String::new();
        for word in 0..words {
            text.push_str(WORDS[self.roll(WORDS.len())]);
            text.push_str(if word % 17 == 16 { ".\\n" } else { " " });
        }
        text
    }

    fn chat(&mut self, words: usize) -> String {
        let (system, user) = (self.sentence(words / 4), self.sentence(words - words / 4));
        format!(
            "{{\"messages\": [{{\"role\": \"system\", \"content\": \"{system}\"}}, {{\"role\": \"user\", \"content\": \"{user}\"}}], \"temperature\": 0.{}}}",
            self.roll(10)
        )
    }
}

/// Time this process spent on a processor, where the system tells; else time that passed.
struct ProcessorClock(Instant);

impl ProcessorClock {
    fn seconds(&self) -> f64 {
        let told = std::fs::read_to_string("/proc/self/schedstat").ok();
        let nanoseconds = told.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
        nanoseconds.map_or_else(|| self.0.elapsed().as_secs_f64(), |nanoseconds| nanoseconds / 1e9)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let seconds: f64 = std::env::args().nth(1).map_or(Ok(2.0), |text| text.parse())?;
    let clock = ProcessorClock(Instant::now());
    let rows = rows()?;
    let schema = rows.schema();
    println!("{:<10} {:<6} {:>12} {:>10} {:>8}", "format", "with", "rows/s", "MB/s", "share");
    for format in outgest_formats::all() {
        let mut plain_bytes = None;
        for compression in Compression::ALL {
            let unicode = format.descriptor().unicode_default;
            let options = FormatOptions { compression, unicode, ..FormatOptions::default() };
            let Ok(blocks) = format.block_encoder(&schema, &options) else { continue };
            let mut bytes = 0;
            let mut count = 0;
            let started = clock.seconds();
            while clock.seconds() - started < seconds {
                let mut encoder = format.start(&schema, &options, None)?;
                bytes = encoder.append(blocks.encode(std::slice::from_ref(&rows))?)?.len();
                count += 1;
            }
            let each = (clock.seconds() - started) / f64::from(count);
            let plain = *plain_bytes.get_or_insert(bytes);
            println!(
                "{:<10} {:<6} {:>12.0} {:>10.0} {:>8.3}",
                format.descriptor().name,
                compression.as_str(),
                ROWS as f64 / each,
                plain as f64 / each / 1e6,
                bytes as f64 / plain as f64
            );
        }
    }
    Ok(())
}

/// Rows like those of an events export.
fn rows() -> Result<RecordBatch, Box<dyn Error>> {
    let mut dice = Dice(7);
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    let mut add = |field: Field, column: ArrayRef| {
        fields.push(field);
        columns.push(column);
    };
    let nullable = |name: &str, kind: &ColumnType| Field::new(name, kind.to_arrow(), true);
    let text = |name: &str, make: &mut dyn FnMut(usize) -> String| {
        let values: StringArray = (0..ROWS).map(|row| Some(make(row))).collect();
        (nullable(name, &ColumnType::Text), Arc::new(values) as ArrayRef)
    };
    let ids = |name: &str, dice: &mut Dice| text(name, &mut |_| dice.id());
    for name in ["id", "traceId", "parentObservationId", "sessionId", "userId"] {
        let (field, column) = ids(name, &mut dice);
        add(field, column);
    }
    for (name, value) in [
        ("traceName", "support-agent"),
        ("type", "GENERATION"),
        ("name", "chat-completion"),
        ("environment", "production"),
        ("version", "1.4.2"),
        ("level", "DEFAULT"),
        ("statusMessage", ""),
        ("promptName", "support/answer"),
        ("promptId", ""),
        ("modelId", ""),
        ("providedModelName", "gpt-4o-mini"),
        ("modelParameters", "{\"temperature\":0.7,\"max_tokens\":1024}"),
        ("release", ""),
    ] {
        let (field, column) = text(name, &mut |_| value.to_owned());
        add(field, column);
    }
    for (name, step) in [("startTime", 0), ("endTime", 1_723_456), ("completionStartTime", 412_001)] {
        let times = (0..ROWS as i64).map(|row| 1_780_272_037_007_001 - row * 137_431 + step);
        let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
        add(nullable(name, &ColumnType::Timestamp), Arc::new(times));
    }
    for name in ["latencyMs", "timeToFirstTokenMs", "promptVersion"] {
        let numbers: Int64Array = (0..ROWS as i64).map(|row| (row % 3 > 0).then_some(row * 7 % 5_000)).collect();
        add(nullable(name, &ColumnType::Int64), Arc::new(numbers));
    }
    let costs = Decimal128Array::from_iter_values((0..ROWS as i128).map(|row| row * 12_345_000_000));
    add(nullable("totalCost", &ColumnType::COST), Arc::new(costs.with_precision_and_scale(18, 12)?));
    for (name, words) in [("input", 330), ("output", 90)] {
        let (field, column) = text(name, &mut |_| {
            let words = words / 2 + dice.roll(words);
            if name == "input" { dice.chat(words) } else { dice.sentence(words) }
        });
        add(field::with_role(field, FieldRole::Payload), column);
    }
    let names = || MapFieldNames { entry: "entries".into(), key: "keys".into(), value: "values".into() };
    let keys = || Field::new("keys", DataType::Utf8, false);
    let mut metadata = MapBuilder::new(Some(names()), StringBuilder::new(), StringBuilder::new())
        .with_keys_field(keys())
        .with_values_field(Field::new("values", DataType::Utf8, false));
    let mut usage = MapBuilder::new(Some(names()), StringBuilder::new(), UInt64Builder::new())
        .with_keys_field(keys())
        .with_values_field(Field::new("values", DataType::UInt64, false));
    let mut tags = ListBuilder::new(StringBuilder::new()).with_field(Field::new("item", DataType::Utf8, false));
    for row in 0..ROWS {
        for (key, value) in
            [("region", "eu-central-1"), ("request.user_agent", "Mozilla/5.0 \"X11\""), ("attempt", "1")]
        {
            metadata.keys().append_value(key);
            metadata.values().append_value(value);
        }
        metadata.append(true)?;
        for (key, value) in [("input", row * 3), ("output", row), ("total", row * 4)] {
            usage.keys().append_value(key);
            usage.values().append_value(value as u64);
        }
        usage.append(true)?;
        tags.append_value(["prod", "beta"].map(Some));
    }
    add(nullable("metadata", &ColumnType::text_map()), Arc::new(metadata.finish()));
    add(nullable("usageDetails", &ColumnType::Map(Box::new(ColumnType::UInt64))), Arc::new(usage.finish()));
    add(nullable("tags", &ColumnType::text_list()), Arc::new(tags.finish()));
    let accuracy = ListBuilder::new(arrow_array::builder::Float64Builder::new());
    let mut accuracy = accuracy.with_field(Field::new("item", DataType::Float64, false));
    for row in 0..ROWS {
        accuracy.append_option((row % 4 == 0).then(|| [Some(row as f64 / 1_000.0)]));
    }
    add(
        field::with_role(nullable("accuracy", &ColumnType::List(Box::new(ColumnType::Float64))), FieldRole::Score),
        Arc::new(accuracy.finish()),
    );
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}
