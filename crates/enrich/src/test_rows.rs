//! Rows, tables and look-ups for the tests of this crate.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, ListArray, MapArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema};
use async_trait::async_trait;
use model::{
    ByteCount, ColumnSpec, ColumnType, CommentLookup, Cursor, DeletedRows, Expr, Fault, FieldRole, Lookups, Micros,
    ModelPrices, ObjectKind, OrderColumns, PriceLookup, PriceOf, ProjectId, ReadRequest, Reading, Relation, RunId,
    ScoreLookup, ScoreName, ScoreRow, ScoreScope, SearchColumns, StoredTable, TableName, TableSpec, TimestampStyle,
    VersionScope, Window,
};

/// A row by its keys; its plain columns are derived from them.
pub(crate) struct Row {
    trace: String,
    id: String,
}

impl Row {
    pub(crate) fn new(trace: &str, id: &str) -> Self {
        Self { trace: trace.into(), id: id.into() }
    }
}

/// A table of observations with these columns.
pub(crate) fn table(columns: &[(&str, ColumnType)]) -> TableSpec {
    TableSpec {
        name: TableName::new("things"),
        doc: "things",
        relation: Relation::Stored(Arc::new(StoredTable {
            name: "things",
            columns: vec![],
            key: &[],
            time: "time",
            version: "version",
            deleted: "deleted",
            ingested: "ingested",
        })),
        attached: None,
        order: OrderColumns { time: "time", trace_id: Some("trace"), id: "id" },
        columns: columns.iter().map(|(name, kind)| column(name, kind)).collect(),
        filters: vec![],
        search: SearchColumns::default(),
        comments: Some(ObjectKind::Observation),
        scores: true,
    }
}

fn column(name: &str, kind: &ColumnType) -> ColumnSpec {
    ColumnSpec {
        name: name.into(),
        kind: kind.clone(),
        nullable: name.ends_with('?'),
        expr: Expr::column(name),
        group: "core",
        default: true,
        role: match name {
            "json" => FieldRole::Json,
            "inputPrice" => FieldRole::Price(PriceOf::Input),
            "totalPrice" => FieldRole::Price(PriceOf::Total),
            _ => FieldRole::Plain,
        },
        timestamps: TimestampStyle::SqlMicros,
    }
}

/// A request for these columns.
pub(crate) fn request(table: TableSpec, columns: &[(&str, ColumnType)]) -> ReadRequest {
    ReadRequest {
        run: RunId::new("test"),
        project: ProjectId::new("p"),
        table: Arc::new(table),
        columns: columns.iter().map(|(name, kind)| column(name, kind)).collect(),
        filter: None,
        window: Window::default(),
        cursor: Cursor::StartTime,
        as_of: Micros(i64::MAX),
        snapshot: None,
        scores_since: None,
        batch_bytes_max: ByteCount::mebibytes(8),
        versions: VersionScope::default(),
        deleted: DeletedRows::LeftOut,
        row_bytes_max: ByteCount::mebibytes(100),
    }
}

/// Rows with these columns and the key columns: texts are the row's id, numbers its place, lists and
/// maps `[id, ""]` and `{email: id, plan: "", email: id}`, comments none.
pub(crate) fn batch(columns: &[(&str, ColumnType)], rows: &[Row]) -> RecordBatch {
    let mut fields: Vec<Field> = columns.iter().map(|(name, kind)| column(name, kind).to_field()).collect();
    fields.extend(<dyn Reading>::key_fields());
    let mut arrays: Vec<ArrayRef> = columns.iter().map(|(_, kind)| array(kind, rows)).collect();
    let instants = || {
        let zeros = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|_| 0));
        Arc::new(zeros.with_timezone("UTC")) as ArrayRef
    };
    arrays.extend([
        instants(),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.trace))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.id))),
        instants(),
        instants(),
    ]);
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn array(kind: &ColumnType, rows: &[Row]) -> ArrayRef {
    let texts = |texts: Vec<&str>| Arc::new(StringArray::from_iter_values(texts)) as ArrayRef;
    let offsets = |each: usize| arrow_buffer::OffsetBuffer::from_lengths(rows.iter().map(|_| each));
    match (kind, kind.to_arrow()) {
        (ColumnType::Text, _) => texts(rows.iter().map(|row| &*row.id).collect()),
        (ColumnType::Int64, _) => Arc::new(Int64Array::from_iter_values(0..rows.len() as i64)),
        (ColumnType::List(_), DataType::List(item)) => {
            let items = rows.iter().flat_map(|row| [&*row.id, ""]).collect();
            Arc::new(ListArray::new(item, offsets(2), texts(items), None))
        }
        (ColumnType::Map(_), DataType::Map(entries, sorted)) => {
            let DataType::Struct(fields) = entries.data_type().clone() else { panic!("entries are a struct") };
            let keys = texts(rows.iter().flat_map(|_| ["email", "plan", "email"]).collect());
            let values = texts(rows.iter().flat_map(|row| [&*row.id, "", &*row.id]).collect());
            let inner = arrow_array::StructArray::new(fields, vec![keys, values], None);
            Arc::new(MapArray::new(entries, offsets(3), inner, None, sorted))
        }
        (ColumnType::Comments, DataType::List(item)) => {
            let none = arrow_array::new_empty_array(item.data_type());
            Arc::new(ListArray::new(item, offsets(0), none, None))
        }
        (other, _) => panic!("no test needs {other:?}"),
    }
}

/// Look-ups with these scores.
pub(crate) fn lookups(scores: Vec<ScoreRow>, comments: Arc<dyn CommentLookup>) -> Lookups {
    Lookups { scores: Arc::new(GivenScores(scores)), comments, prices: Arc::new(NoPrices) }
}

/// Models that cost nothing that is known.
struct NoPrices;

#[async_trait]
impl PriceLookup for NoPrices {
    async fn prices(&self, _: &ProjectId, _: &[&str]) -> Result<Vec<ModelPrices>, Fault> {
        Ok(vec![])
    }
}

struct GivenScores(Vec<ScoreRow>);

impl GivenScores {
    fn in_scope(&self, scope: &ScoreScope) -> impl Iterator<Item = &ScoreRow> {
        self.0.iter().filter(move |score| scope.since.is_none_or(|since| score.timestamp >= since))
    }
}

#[async_trait]
impl ScoreLookup for GivenScores {
    async fn score_names(&self, scope: &ScoreScope) -> Result<Vec<ScoreName>, Fault> {
        let mut names: Vec<ScoreName> = Vec::new();
        for score in self.in_scope(scope) {
            let numeric = matches!(&*score.data_type, "NUMERIC" | "BOOLEAN");
            match names.iter_mut().find(|name| *name.name == *score.name) {
                Some(name) => {
                    name.numeric |= numeric;
                    name.textual |= !numeric;
                }
                None => names.push(ScoreName { name: score.name.to_string(), numeric, textual: !numeric }),
            }
        }
        names.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(names)
    }

    async fn scores(&self, scope: &ScoreScope, traces: &[&str]) -> Result<Vec<ScoreRow>, Fault> {
        Ok(self.in_scope(scope).filter(|score| traces.contains(&&*score.trace_id)).cloned().collect())
    }
}

/// Comments nobody wrote.
pub(crate) struct NoComments;

#[async_trait]
impl CommentLookup for NoComments {
    async fn comments(&self, _: &ProjectId, _: ObjectKind, _: &[&str]) -> Result<Vec<model::Comment>, Fault> {
        Ok(vec![])
    }

    async fn commented(&self, _: &model::CommentScope, _: &model::CommentTest, _: usize) -> Result<Vec<String>, Fault> {
        Ok(vec![])
    }

    async fn objects(&self, _: &model::CommentScope, _: usize) -> Result<Vec<String>, Fault> {
        Ok(vec![])
    }
}
