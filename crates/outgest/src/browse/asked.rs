//! Raw → valid: which rows are meant, held against the table.

use std::sync::Arc;

use enrich::resolve_comments;
use model::filter::{SearchType, WireFilter, compile, compile_search, parse_wheres};
use model::{
    ByteCount, ColumnSpec, CommentScope, Cursor, DeletedRows, Expr, Fault, FieldProblem, Micros, ProjectId,
    ReadRequest, RowsAsk, RunId, TableSpec, VersionScope, Window, nearest,
};
use serde_json::Value;

use super::SourceBrowse;

/// A row with more stored bytes cannot be looked at: the same bound as in exports.
const ROW_BYTES_MAX: ByteCount = ByteCount::mebibytes(100);

/// Bytes of one batch: small, because a page may end with its first rows.
const BATCH_BYTES_MAX: ByteCount = ByteCount::mebibytes(2);

/// Which rows are meant.
pub(super) struct Asked {
    pub(super) table: Arc<TableSpec>,
    pub(super) window: Window,
    pub(super) cursor: Cursor,
    project: ProjectId,
    filter: Option<Expr>,
    as_of: Micros,
}

impl Asked {
    /// Checks what was asked, reporting every problem at once, and looks comments up.
    pub(super) async fn new(browse: &SourceBrowse, project: &ProjectId, ask: &RowsAsk) -> Result<Self, Fault> {
        let now = (browse.now)();
        let table = find_table(&ask.table)?;
        let mut problems = Vec::new();
        let written = parse_wheres(&table, &ask.wheres, &mut problems);
        let mut keep = |found: Vec<FieldProblem>| problems.extend(found);
        let mut filters = match &ask.filter {
            Value::Null => Vec::new(),
            filter => WireFilter::from_json(filter, "filter").unwrap_or_else(|found| {
                keep(found);
                Vec::new()
            }),
        };
        filters.extend(written);
        let filter = compile(&table, &filters).unwrap_or_else(|found| {
            keep(found);
            None
        });
        let found = search(&table, ask).unwrap_or_else(|found| {
            keep(vec![found]);
            None
        });
        let mut time = |field: &str, text: &Option<String>| {
            let text = text.as_deref()?;
            Micros::parse(field, text, now).map_err(|fault| keep(vec![problem_of(field, &fault)])).ok()
        };
        let (from, to) = (time("since", &ask.since), time("until", &ask.until));
        let window = Window::new(from, to).unwrap_or_else(|fault| {
            keep(vec![problem_of("until", &fault)]);
            Window::default()
        });
        if !problems.is_empty() {
            return Err(Fault::of_problems(problems));
        }
        let filter = match (filter, found) {
            (Some(filter), Some(found)) => Some(filter.and(found)),
            (filter, found) => filter.or(found),
        };
        let filter = match (filter, table.comments) {
            (Some(filter), Some(kind)) => {
                let id = table.order.id;
                let scope = CommentScope { project: project.clone(), kind, as_of: now };
                Some(resolve_comments(filter, &scope, browse.looked_up.comments.as_ref(), id).await?)
            }
            (filter, _) => filter,
        };
        let cursor = ask.cursor.unwrap_or(Cursor::StartTime);
        Ok(Self { table, window, cursor, project: project.clone(), filter, as_of: now })
    }

    /// Every row of a table.
    pub(super) fn everything(browse: &SourceBrowse, project: &ProjectId, table: &str) -> Result<Self, Fault> {
        Ok(Self {
            table: find_table(table)?,
            window: Window::default(),
            cursor: Cursor::StartTime,
            project: project.clone(),
            filter: None,
            as_of: (browse.now)(),
        })
    }

    /// Only rows for which this holds too.
    pub(super) fn only(mut self, predicate: Expr) -> Self {
        self.filter = Some(match self.filter {
            Some(filter) => filter.and(predicate),
            None => predicate,
        });
        self
    }

    /// A read of these columns.
    pub(super) fn request(&self, columns: Vec<ColumnSpec>) -> ReadRequest {
        ReadRequest {
            run: RunId::new("browse"),
            project: self.project.clone(),
            table: Arc::clone(&self.table),
            columns,
            filter: self.filter.clone(),
            window: self.window,
            cursor: self.cursor,
            versions: VersionScope::SinceWindow,
            deleted: DeletedRows::LeftOut,
            as_of: self.as_of,
            snapshot: None,
            scores_since: None,
            batch_bytes_max: BATCH_BYTES_MAX,
            row_bytes_max: ROW_BYTES_MAX,
        }
    }
}

pub(super) fn find_table(name: &str) -> Result<Arc<TableSpec>, Fault> {
    tables::find(name).ok_or_else(|| {
        let names: Vec<&str> = tables::all().iter().map(|table| table.name.as_str()).collect();
        let hint = match nearest(name, names.iter().copied()) {
            Some(close) => format!("did you mean {close}?"),
            None => format!("tables: {}", names.join(", ")),
        };
        let problem = FieldProblem::new("table", format!("there is no table {name:?}"));
        Fault::of_problems(vec![problem.hint(hint)])
    })
}

fn search(table: &TableSpec, ask: &RowsAsk) -> Result<Option<Expr>, FieldProblem> {
    let Some(text) = &ask.search else { return Ok(None) };
    let kinds = ask.search_types.iter().map(|name| SearchType::parse("searchTypes", name));
    let mut kinds = kinds.collect::<Result<Vec<_>, _>>()?;
    if kinds.is_empty() {
        kinds.push(SearchType::Id);
    }
    compile_search(table, text, &kinds).map(Some).map_err(|problem| {
        // The model names the option of the command line.
        let field = if problem.field == "search-type" { "searchTypes".to_owned() } else { problem.field };
        FieldProblem { field, ..problem }
    })
}

/// A fault about one field, whose message may begin with its name.
fn problem_of(field: &str, fault: &Fault) -> FieldProblem {
    let message = fault.public_message();
    let message = message.strip_prefix(field).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(message);
    let problem = FieldProblem::new(field, message);
    match fault.public_hint() {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}
