//! The tables and rows that conformance runs on: small, with every column type and every oddity.

use std::sync::Arc;

use arrow_array::RecordBatch;
use model::{
    Aggregate, AggregateColumn, Attached, ByteCount, ColumnSpec, ColumnType, CompareOp, Cursor, DeletedRows, Expr,
    FieldRole, Grouped, Micros, ObjectKind, OrderColumns, ProjectId, ReadRequest, Relation, RunId, SearchColumns,
    StoredColumn, StoredTable, TableName, TableSpec, TimestampStyle, VersionScope, Window,
};
use serde_json::{Value, json};

use crate::memory::batch_from_json;

/// The instant that the fixture's times count from.
pub(crate) const EPOCH: Micros = Micros(1_780_272_000_000_000);

/// Project of most rows.
pub(crate) const PROJECT: &str = "p1";

/// The stored tables: events and scores with the physical names that positions and scores need.
pub(crate) fn tables() -> Vec<Arc<StoredTable>> {
    vec![events(), scores()]
}

/// Stored events with a column of every type.
pub(crate) fn events() -> Arc<StoredTable> {
    let usage = ColumnType::Map(Box::new(ColumnType::UInt64));
    let cost = ColumnType::Map(Box::new(ColumnType::COST));
    Arc::new(StoredTable {
        name: "events",
        columns: vec![
            stored("project_id", ColumnType::Text),
            stored("trace_id", ColumnType::Text),
            stored("span_id", ColumnType::Text),
            stored("parent_span_id", ColumnType::Text),
            stored("is_app_root", ColumnType::Bool),
            stored("start_time", ColumnType::Timestamp),
            nullable("end_time", ColumnType::Timestamp),
            stored("name", ColumnType::Text),
            nullable("prompt_version", ColumnType::UInt64),
            stored("tags", ColumnType::text_list()),
            stored("usage_details", usage),
            stored("cost_details", cost),
            stored("tool_definitions", ColumnType::text_map()),
            stored("metadata_names", ColumnType::text_list()),
            stored("metadata_values", ColumnType::text_list()),
            nullable("weight", ColumnType::Float64),
            nullable("balance", ColumnType::Int64),
            stored("input", ColumnType::Text),
            nullable("note", ColumnType::Text),
            stored("updated_at", ColumnType::Timestamp),
            stored("event_ts", ColumnType::Timestamp),
            stored("is_deleted", ColumnType::Bool),
        ],
        key: &["project_id", "trace_id", "span_id"],
        time: "start_time",
        version: "event_ts",
        deleted: "is_deleted",
        ingested: "updated_at",
    })
}

/// Stored scores.
pub(crate) fn scores() -> Arc<StoredTable> {
    Arc::new(StoredTable {
        name: "scores",
        columns: vec![
            stored("id", ColumnType::Text),
            stored("timestamp", ColumnType::Timestamp),
            stored("project_id", ColumnType::Text),
            nullable("trace_id", ColumnType::Text),
            nullable("observation_id", ColumnType::Text),
            stored("name", ColumnType::Text),
            stored("value", ColumnType::Float64),
            nullable("comment", ColumnType::Text),
            stored("data_type", ColumnType::Text),
            nullable("string_value", ColumnType::Text),
            stored("updated_at", ColumnType::Timestamp),
            stored("event_ts", ColumnType::Timestamp),
            stored("is_deleted", ColumnType::Bool),
        ],
        key: &["project_id", "id"],
        time: "timestamp",
        version: "event_ts",
        deleted: "is_deleted",
        ingested: "updated_at",
    })
}

fn stored(name: &'static str, kind: ColumnType) -> StoredColumn {
    StoredColumn { name, kind, nullable: false, required: false, default: "" }
}

fn nullable(name: &'static str, kind: ColumnType) -> StoredColumn {
    StoredColumn { nullable: true, ..stored(name, kind) }
}

/// An exportable table over the stored events: every column as it is, and a computed map.
pub(crate) fn events_table() -> Arc<TableSpec> {
    let table = events();
    let mut columns: Vec<ColumnSpec> = table
        .columns
        .iter()
        .map(|column| exported(column.name, column.kind.clone(), column.nullable, Expr::column(column.name)))
        .collect();
    let metadata = Expr::ZipMap {
        names: Box::new(Expr::column("metadata_names")),
        values: Box::new(Expr::column("metadata_values")),
    };
    columns.push(exported("metadata", ColumnType::text_map(), false, metadata));
    Arc::new(TableSpec {
        name: TableName::new("events"),
        doc: "events of the fixture",
        relation: Relation::Stored(table),
        attached: None,
        order: OrderColumns { time: "start_time", trace_id: Some("trace_id"), id: "span_id" },
        columns,
        filters: Vec::new(),
        search: SearchColumns::default(),
        comments: Some(ObjectKind::Observation),
        scores: true,
    })
}

/// An exportable table grouped by trace, with every aggregate.
pub(crate) fn traces_table() -> Arc<TableSpec> {
    let column = |name: &'static str, kind, aggregate| AggregateColumn { name, kind, aggregate };
    let usage = Expr::MapSumWhereKeyContains { map: Box::new(Expr::column("usage_details")), needle: "put".into() };
    let columns = vec![
        column("id", ColumnType::Text, Aggregate::Group),
        column("timestamp", ColumnType::Timestamp, Aggregate::Min(Expr::column("start_time"))),
        column("last", ColumnType::Timestamp, Aggregate::Max(Expr::column("end_time"))),
        column("usage", ColumnType::UInt64, Aggregate::Sum(usage)),
        column("count", ColumnType::Int64, Aggregate::Count),
        column("names", ColumnType::Int64, Aggregate::CountDistinct(Expr::column("name"))),
        column("input", ColumnType::Text, Aggregate::First(Expr::column("input"))),
        column("name", ColumnType::Text, Aggregate::FirstNonEmpty(Expr::column("name"))),
        column("notes", ColumnType::text_list(), Aggregate::DistinctTexts(Expr::column("note"))),
        column("tags", ColumnType::text_list(), Aggregate::UnionLists(Expr::column("tags"))),
        column("marked", ColumnType::Bool, Aggregate::AnyTrue(Expr::IsTrue(Box::new(Expr::column("is_app_root"))))),
    ];
    let exports = columns.iter().map(|column| {
        let nullable = column.name == "last";
        exported(column.name, column.kind.clone(), nullable, Expr::column(column.name))
    });
    Arc::new(TableSpec {
        name: TableName::new("traces"),
        doc: "traces of the fixture",
        columns: exports.collect(),
        relation: Relation::Grouped(Grouped {
            over: events(),
            by: "trace_id",
            keep: Some(Expr::compare(Expr::column("name"), CompareOp::NotEq, Expr::text("left out"))),
            columns,
        }),
        attached: None,
        order: OrderColumns { time: "timestamp", trace_id: None, id: "id" },
        filters: Vec::new(),
        search: SearchColumns::default(),
        comments: Some(ObjectKind::Trace),
        scores: true,
    })
}

/// The events, each with columns of the events that are called what its note says.
pub(crate) fn linked_table() -> Arc<TableSpec> {
    let column = |name: &'static str, kind, aggregate| AggregateColumn { name, kind, aggregate };
    let usage = Expr::MapSumWhereKeyContains { map: Box::new(Expr::column("usage_details")), needle: "put".into() };
    let columns = vec![
        column("linked_name", ColumnType::Text, Aggregate::Group),
        column("linked_count", ColumnType::Int64, Aggregate::Count),
        column("linked_end", ColumnType::Timestamp, Aggregate::Max(Expr::column("end_time"))),
        column("linked_usage", ColumnType::UInt64, Aggregate::Sum(usage)),
        column("linked_note", ColumnType::Text, Aggregate::FirstNonEmpty(Expr::column("note"))),
        column("linked_tags", ColumnType::text_list(), Aggregate::UnionLists(Expr::column("tags"))),
        column(
            "linked_root",
            ColumnType::Bool,
            Aggregate::AnyTrue(Expr::IsTrue(Box::new(Expr::column("is_app_root")))),
        ),
    ];
    let mut table = TableSpec::clone(&events_table());
    table.columns.extend(
        columns.iter().map(|column| exported(column.name, column.kind.clone(), true, Expr::column(column.name))),
    );
    let keep = Some(Expr::compare(Expr::column("balance"), CompareOp::NotEq, Expr::Literal(model::Literal::Int(-6))));
    table.attached = Some(Attached { on: "note", groups: Grouped { over: events(), by: "name", keep, columns } });
    Arc::new(table)
}

/// A column of this name and value.
pub(crate) fn exported(name: &str, kind: ColumnType, nullable: bool, expr: Expr) -> ColumnSpec {
    ColumnSpec {
        name: name.into(),
        kind,
        nullable,
        expr,
        group: "core",
        default: true,
        role: FieldRole::Plain,
        timestamps: TimestampStyle::SqlMicros,
    }
}

/// A request for all columns and rows of the fixture's project.
pub(crate) fn request(table: Arc<TableSpec>) -> ReadRequest {
    ReadRequest {
        run: RunId::new("conformance"),
        project: ProjectId::new(PROJECT),
        columns: table.columns.clone(),
        table,
        filter: None,
        window: Window::default(),
        cursor: Cursor::StartTime,
        as_of: Micros(EPOCH.0 + 3_900 * Micros::PER_SECOND),
        snapshot: None,
        scores_since: None,
        batch_bytes_max: ByteCount::mebibytes(8),
        versions: VersionScope::default(),
        deleted: DeletedRows::LeftOut,
        row_bytes_max: ByteCount::mebibytes(100),
    }
}

/// What is stored: two batches for every table, the second with newer versions and deletions.
pub(crate) fn batches() -> Vec<(Arc<StoredTable>, Vec<RecordBatch>)> {
    let batch = |table: &StoredTable, rows: Vec<Value>| batch_from_json(table, &rows).unwrap();
    let (events, scores) = (events(), scores());
    let mut old: Vec<Value> = (0..60).map(|n| event(n, 0)).collect();
    old.push(json!({"project_id": "p2", "trace_id": "t0", "span_id": "s000", "start_time": at(1), "event_ts": at(1)}));
    let newer = (0..60).filter(|n| n % 5 == 0).map(|n| event(n, 1)).collect();
    let given: Vec<Value> = (0..40).map(score).collect();
    vec![
        (Arc::clone(&events), vec![batch(&events, old), batch(&events, newer)]),
        (Arc::clone(&scores), vec![batch(&scores, given)]),
    ]
}

/// An event; several start at the same instant, some versions are older or deletions.
fn event(n: i64, version: i64) -> Value {
    let text = ["", "plain", "50%_x", "日本語 token", "ÉCOLE İ", "a.b,c"][n as usize % 6];
    json!({
        "project_id": PROJECT, "trace_id": format!("t{}", n % 7), "span_id": format!("s{n:03}"),
        "parent_span_id": if n % 3 == 0 { "" } else { "s000" },
        "is_app_root": n % 11 == 0,
        "start_time": at(n / 4 - version), "end_time": if n % 4 == 0 { Value::Null } else { at(n) },
        "name": text, "prompt_version": if n % 2 == 0 { json!(u64::MAX - n as u64) } else { Value::Null },
        "tags": if n % 2 == 0 { json!(["prod", text]) } else { json!([]) },
        "usage_details": {"input": n, "Output": 2 * n, "total": 3 * n},
        "cost_details": {"input": format!("0.{n:012}"), "total": "999999.999999999999"},
        "tool_definitions": if n % 5 == 1 { json!({"search": "{}"}) } else { json!({}) },
        "metadata_names": ["region", "n", "region"], "metadata_values": ["eu", n.to_string(), "us"],
        "weight": if n % 3 == 0 { Value::Null } else { json!(n as f64 / 7.0) }, "balance": -n,
        "input": text.repeat(n as usize), "note": if n % 4 == 0 { Value::Null } else { json!(text) },
        "updated_at": at(100 + n + version), "event_ts": at(200 + n + version * (1 - n % 2 * 2)),
        "is_deleted": version == 1 && n % 10 == 0,
    })
}

fn score(n: i64) -> Value {
    let data_type = ["NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT", "CORRECTION"][n as usize % 5];
    json!({
        "id": format!("sc{n}"), "timestamp": at(n), "project_id": if n == 7 { "p2" } else { PROJECT },
        "trace_id": if n % 9 == 8 { Value::Null } else { json!(format!("t{}", n % 7)) },
        "observation_id": if n % 2 == 0 { Value::Null } else { json!(format!("s{n:03}")) },
        "name": (["quality", "tone"][n as usize / 5 % 2]), "value": n as f64 / 10.0,
        "data_type": data_type, "string_value": if n % 5 == 0 { Value::Null } else { Value::from(["True", "good"][n as usize / 2 % 2]) },
        "updated_at": at(n), "event_ts": at(n), "is_deleted": n == 39,
    })
}

/// A stored timestamp so many seconds and as many microseconds after the fixture's epoch.
pub(crate) fn at(seconds: i64) -> Value {
    Value::from(Micros(EPOCH.0 + seconds * 1_000_001).to_sql_text())
}

/// Events with inputs of `bytes` bytes, `per_instant` of them at each instant.
pub(crate) fn bulky(from: usize, count: usize, bytes: usize, per_instant: usize) -> RecordBatch {
    let rows: Vec<Value> = (from..from + count)
        .map(|n| {
            // Noise does not compress and does not repeat, so sizes on disk are sizes in memory.
            let mut state = n as u64 + 1;
            let noise: String = std::iter::repeat_with(|| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                char::from(b'!' + (state >> 33) as u8 % 90)
            })
            .take(bytes)
            .collect();
            json!({
                "project_id": "p1", "trace_id": format!("t{}", n % 97), "span_id": format!("s{n:06}"),
                "start_time": at((n * 7919 % 5003 / per_instant) as i64), "event_ts": at(n as i64), "updated_at": at(n as i64),
                "input": noise, "name": if n % 100 == 0 { "rare" } else { "common" },
            })
        })
        .collect();
    batch_from_json(&events(), &rows).unwrap()
}
