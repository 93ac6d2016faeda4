//! A small stored table with a column of every type, for the tests of this crate's storage.

use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{Decimal128Builder, ListBuilder, MapBuilder, MapFieldNames, StringBuilder, UInt64Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use model::{ColumnType, Micros, ProjectId, Stop, StoredColumn, StoredTable};

use crate::physical::{from_physical, logical_schema};
use crate::{Lake, TableSnapshot, parquet_file};

/// The instant at which the tests take place.
pub(crate) const NOW: Micros = Micros(1_790_000_000_000_000);

/// A row of the table. Cells that are not named here follow from `payload`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub project: &'static str,
    pub trace: String,
    pub id: String,
    pub time: i64,
    pub version: i64,
    pub deleted: bool,
    pub payload: i64,
}

/// A row of project `p` that is not deleted.
pub(crate) fn row(trace: &str, id: &str, time: i64, version: i64, payload: i64) -> Row {
    Row { project: "p", trace: trace.to_owned(), id: id.to_owned(), time, version, deleted: false, payload }
}

/// The project of [`row`].
pub(crate) fn project() -> ProjectId {
    ProjectId::new("p")
}

/// The table.
pub(crate) fn table() -> Arc<StoredTable> {
    let column = |name, kind, nullable| StoredColumn { name, kind, nullable, required: false, default: "" };
    Arc::new(StoredTable {
        name: "events",
        columns: vec![
            column("project_id", ColumnType::Text, false),
            column("trace_id", ColumnType::Text, false),
            column("span_id", ColumnType::Text, false),
            column("start_time", ColumnType::Timestamp, false),
            column("event_ts", ColumnType::Timestamp, false),
            column("updated_at", ColumnType::Timestamp, false),
            column("is_deleted", ColumnType::Bool, false),
            column("payload", ColumnType::Int64, false),
            column("input", ColumnType::Text, true),
            column("count", ColumnType::UInt64, false),
            column("score", ColumnType::Float64, true),
            column("cost", ColumnType::COST, true),
            column("tags", ColumnType::text_list(), false),
            column("metadata", ColumnType::text_map(), false),
            column("usage", ColumnType::Map(Box::new(ColumnType::UInt64)), false),
        ],
        key: &["project_id", "trace_id", "span_id"],
        time: "start_time",
        version: "event_ts",
        deleted: "is_deleted",
        ingested: "updated_at",
    })
}

/// The rows as a batch that can be appended.
pub(crate) fn batch(rows: &[Row]) -> RecordBatch {
    let texts = |text: fn(&Row) -> &str| Arc::new(rows.iter().map(text).map(Some).collect::<StringArray>()) as ArrayRef;
    let times = |time: fn(&Row) -> i64| {
        Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(time)).with_timezone("UTC")) as ArrayRef
    };
    let names = || MapFieldNames { entry: "entries".into(), key: "keys".into(), value: "values".into() };
    let not_null = |name: &str, kind| Arc::new(arrow_schema::Field::new(name, kind, false));
    let mut cost = Decimal128Builder::new().with_data_type(ColumnType::COST.to_arrow());
    let mut tags = ListBuilder::new(StringBuilder::new()).with_field(not_null("item", ColumnType::Text.to_arrow()));
    let mut metadata = MapBuilder::new(Some(names()), StringBuilder::new(), StringBuilder::new())
        .with_values_field(not_null("values", ColumnType::Text.to_arrow()));
    let mut usage = MapBuilder::new(Some(names()), StringBuilder::new(), UInt64Builder::new())
        .with_values_field(not_null("values", ColumnType::UInt64.to_arrow()));
    for row in rows {
        let payload = row.payload;
        cost.append_option((payload % 3 != 0).then_some(i128::from(payload) * 1_000_000_007));
        for tag in 0..payload.rem_euclid(3) {
            tags.values().append_value(format!("tag-{tag}"));
        }
        tags.append(true);
        // Duplicate keys, unicode and NUL are data like any other.
        for (key, value) in [("k", payload.to_string()), ("k", "é\0😀".to_owned()), ("", String::new())] {
            metadata.keys().append_value(key);
            metadata.values().append_value(value);
        }
        metadata.append(true).unwrap();
        usage.keys().append_value("total");
        usage.values().append_value(u64::MAX - payload as u64);
        usage.append(true).unwrap();
    }
    let columns: Vec<ArrayRef> = vec![
        texts(|row| row.project),
        texts(|row| &row.trace),
        texts(|row| &row.id),
        times(|row| row.time),
        times(|row| row.version),
        times(|row| row.version + 7),
        Arc::new(rows.iter().map(|row| Some(row.deleted)).collect::<BooleanArray>()),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.payload))),
        Arc::new(
            rows.iter()
                .map(|row| (row.payload % 5 != 0).then(|| "in\u{0}put ü".repeat(row.payload as usize % 7)))
                .collect::<StringArray>(),
        ),
        Arc::new(rows.iter().map(|row| Some(u64::MAX - row.payload as u64)).collect::<UInt64Array>()),
        Arc::new(
            rows.iter().map(|row| (row.payload % 4 != 0).then_some(row.payload as f64 / 3.0)).collect::<Float64Array>(),
        ),
        Arc::new(cost.finish()),
        Arc::new(tags.finish()),
        Arc::new(metadata.finish()),
        Arc::new(usage.finish()),
    ];
    RecordBatch::try_new(logical_schema(&table()), columns).unwrap()
}

/// An empty store.
pub(crate) fn new_lake(directory: &Path) -> Lake {
    Lake::create_or_open(directory, &[table()], NOW).unwrap()
}

/// Appends the rows in one commit.
pub(crate) fn append(lake: &Lake, rows: &[Row]) -> crate::Commit {
    let mut appender = lake.append("events").unwrap();
    appender.push(batch(rows)).unwrap();
    appender.commit(NOW, "WRITE").unwrap()
}

/// The live rows of the newest version, in order; checks that files are sorted and whole on the way.
pub(crate) fn live(lake: &Lake) -> Vec<Row> {
    live_at(lake, &lake.snapshot("events").unwrap())
}

/// The live rows of a version, in order.
pub(crate) fn live_at(lake: &Lake, snapshot: &TableSnapshot) -> Vec<Row> {
    let mut rows = Vec::new();
    for file in &snapshot.files {
        let dead = lake.dead_rows(snapshot, &file.project, &Stop::new()).unwrap();
        let stored = stored(snapshot, &file.path);
        assert_eq!(stored.len() as u64, file.rows);
        assert!(stored.windows(2).all(|pair| order(&pair[0]) < order(&pair[1])), "{} is not sorted", file.path);
        let lives = |number: usize| dead.of(file).is_none_or(|dead| !dead.contains(number as u32));
        rows.extend(stored.into_iter().enumerate().filter(|(number, _)| lives(*number)).map(|(_, row)| row));
    }
    rows.sort_by(|a, b| order(a).cmp(&order(b)));
    rows
}

/// What rows are ordered by, over all projects.
pub(crate) fn order(row: &Row) -> (&'static str, std::cmp::Reverse<i64>, &str, &str) {
    (row.project, std::cmp::Reverse(row.time), &row.trace, &row.id)
}

/// All rows of a data file, in its order, after comparing every cell with what its payload implies.
pub(crate) fn stored(snapshot: &TableSnapshot, path: &str) -> Vec<Row> {
    let file = snapshot.files.iter().find(|file| &*file.path == path).unwrap();
    let mut rows = Vec::new();
    for physical in parquet_file::open(snapshot, file).unwrap().build().unwrap() {
        let logical = from_physical(&physical.unwrap(), &logical_schema(&snapshot.table)).unwrap();
        let text = |name: &str| logical.column_by_name(name).unwrap().as_string::<i32>().clone();
        let time =
            |name: &str| logical.column_by_name(name).unwrap().as_primitive::<TimestampMicrosecondType>().clone();
        let (trace, id, start, version) = (text("trace_id"), text("span_id"), time("start_time"), time("event_ts"));
        let deleted = logical.column_by_name("is_deleted").unwrap().as_boolean().clone();
        let payload = logical.column_by_name("payload").unwrap().as_primitive::<Int64Type>().clone();
        let read: Vec<Row> = (0..logical.num_rows())
            .map(|row| Row {
                project: ["p", "q", ""].into_iter().find(|known| *known == text("project_id").value(row)).unwrap(),
                trace: trace.value(row).to_owned(),
                id: id.value(row).to_owned(),
                time: start.value(row),
                version: version.value(row),
                deleted: deleted.value(row),
                payload: payload.value(row),
            })
            .collect();
        assert_eq!(logical, batch(&read), "cells changed on the way through {path}");
        rows.extend(read);
    }
    rows
}
