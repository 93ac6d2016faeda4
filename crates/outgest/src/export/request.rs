//! Raw → valid: from the words of the command line to a request that can be honoured as it stands.
//!
//! Every problem is collected and reported at once, each with the option it is in. Nothing is
//! opened here; what only a store or a destination can know is checked by their own `prepare`.

use std::sync::Arc;

use enrich::Mask;
use model::filter::{SearchType, WireFilter, compile, compile_search, parse_where};
use model::{
    ColumnSelection, Compression, Cursor, Expr, Fault, FieldProblem, Format, FormatOptions, Micros, ProjectId,
    RowCount, Selection, TableSpec, UnicodeRule, Window, nearest, select,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::comments::{COMMENTS, CommentsHere, unknown_kinds, without_comments};
use super::output::OutputName;
use crate::cli::{ExportArgs, UnicodeArg};

/// What to do about a filter on comments that are not there.
const REFUSED_HINT: &str = "remove the filter, export without it with --allow-unsupported-filters comments, or set \
    source.comments to own where the data directory holds the comments on these rows";

/// A request that is known to be valid.
pub struct Request {
    /// Project whose rows are read.
    pub project: ProjectId,
    /// The table.
    pub table: Arc<TableSpec>,
    /// Columns in output order, and whether score columns follow.
    pub selection: Selection,
    /// Filters and search, compiled; comment tests are still in it.
    pub filter: Option<Expr>,
    /// Which rows by time.
    pub window: Window,
    /// The timestamp the window is measured on.
    pub cursor: Cursor,
    /// At most so many rows.
    pub limit: Option<RowCount>,
    /// What is hidden.
    pub mask: Option<Mask>,
    /// How columns are laid out, and whether deletions are rows.
    pub layout: Layout,
    /// The format.
    pub format: &'static dyn Format,
    /// Its options.
    pub format_options: FormatOptions,
    /// The request as it can be read and repeated; it holds no secret.
    pub query: Value,
}

/// Which layout of a table's columns is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// That of exports on demand.
    #[default]
    Demand,
    /// That of scheduled exports.
    Scheduled,
    /// The same, with deletions among the rows.
    WithDeletions,
}

impl Layout {
    fn is_usual(&self) -> bool {
        *self == Self::Demand
    }

    /// The table of this name in this layout.
    fn table(self, name: &str) -> Result<Arc<TableSpec>, FieldProblem> {
        let scheduled = match self {
            Self::Demand => return find_table(name),
            Self::Scheduled | Self::WithDeletions => tables::scheduled::find(name)?,
        };
        match self {
            Self::WithDeletions => Ok(Arc::clone(scheduled.with_deletions.as_ref().unwrap_or(&scheduled.table))),
            _ => Ok(Arc::clone(&scheduled.table)),
        }
    }
}

/// What was asked, read but not yet held against the table.
pub(super) struct Asked {
    pub(super) layout: Layout,
    pub(super) project: String,
    pub(super) table: Arc<TableSpec>,
    pub(super) filters: Vec<WireFilter>,
    pub(super) search: Option<(String, Vec<SearchType>)>,
    pub(super) columns: ColumnSelection,
    pub(super) window: Window,
    pub(super) cursor: Cursor,
    pub(super) limit: Option<u64>,
    pub(super) masks: Vec<String>,
    pub(super) format: &'static dyn Format,
    pub(super) format_options: FormatOptions,
}

impl Request {
    /// Reads the command line and checks everything that can be checked without opening anything. Also
    /// returns what the user should know.
    pub fn new(
        args: &ExportArgs,
        output: &OutputName,
        comments: CommentsHere,
        now: Micros,
    ) -> Result<(Self, Vec<String>), Fault> {
        let mut problems = Problems::default();
        let mut warnings = Vec::new();
        let table = problems.take(find_table(&args.table));
        let filters = problems.take_all(read_filters(args, table.as_deref()));
        let filters = match (filters, &table, comments) {
            (Some(filters), Some(table), CommentsHere::Unknown) => {
                let allowed = args.allow_unsupported_filters.iter().any(|kind| kind == COMMENTS);
                problems.take(without_comments(filters, table, allowed, REFUSED_HINT, &mut warnings))
            }
            (filters, _, _) => filters,
        };
        problems.extend(unknown_kinds("--allow-unsupported-filters", &args.allow_unsupported_filters));
        let window = problems.take_fault(read_window(args, now));
        if args.limit == Some(0) {
            problems.push(FieldProblem::new("--limit", "0 rows").hint("leave --limit out, or give at least 1"));
        }
        if args.threads == Some(0) {
            problems.push(FieldProblem::new("--threads", "0 threads").hint("leave --threads out, or give at least 1"));
        }
        let format = problems.take(find_format(args, output));
        let compression = problems.take_fault(read_compression(args, output));
        let Some(table) = table else {
            return Err(problems.into_fault());
        };
        // Values that had a problem are replaced by harmless ones, so that the rest is checked too.
        let format = format.unwrap_or_else(|| formats::all()[0]);
        let asked = Asked {
            layout: Layout::Demand,
            project: args.project.clone(),
            table,
            filters: filters.unwrap_or_default(),
            search: args
                .search
                .as_ref()
                .map(|query| (query.clone(), args.search_type.iter().map(|kind| kind.to_model()).collect())),
            columns: column_selection(args),
            window: window.unwrap_or_default(),
            cursor: args.cursor.to_model(),
            limit: args.limit,
            masks: args.masks.clone(),
            format,
            format_options: format_options(args, format, compression.unwrap_or_default()),
        };
        Self::check(asked, problems).map(|request| (request, warnings))
    }

    /// Columns whose cells may differ from what is stored, because they are masked.
    pub fn masked_columns(&self) -> Vec<String> {
        let names = self.selection.columns.iter().map(|column| column.name.clone());
        let masked = |name: &String| self.mask.as_ref().is_some_and(|mask| mask.columns().any(|column| column == name));
        names.filter(masked).collect()
    }

    /// Whether a mask hides one of these stored columns, exported or not.
    pub fn masks_any_of(&self, stored: &[&str]) -> bool {
        let is_one = |expr: &Expr| matches!(expr, Expr::Column(name) if stored.contains(&&**name));
        let holds_one = |expr: &Expr| match expr {
            Expr::NullIfEmpty(inner) => is_one(inner),
            expr => is_one(expr),
        };
        let hides =
            |masked: &str| self.table.columns.iter().any(|column| column.name == *masked && holds_one(&column.expr));
        self.mask.as_ref().is_some_and(|mask| mask.columns().any(hides))
    }

    /// Reads the query of a manifest back.
    pub fn of_query(query: &Value) -> Result<Self, Fault> {
        let query: Query = serde_json::from_value(query.clone()).map_err(|error| {
            Fault::corrupt(format!("the manifest's query cannot be read: {error}"))
                .hint("another version of outgest may have written it")
        })?;
        let mut problems = Problems::default();
        let table = problems.take(query.layout.table(&query.table));
        let filters = problems.take_all(WireFilter::from_json(&query.filter, "filter"));
        let format = problems.take(format_of_name(&query.format));
        let (Some(table), Some(filters), Some(format)) = (table, filters, format) else {
            return Err(problems.into_fault());
        };
        let mut names = query.columns;
        if query.scores {
            names.push("scores".to_owned());
        }
        let search = match query.search {
            Some(search) => {
                let types = search.types.iter().map(|name| SearchType::parse("search.types", name));
                let types = types.collect::<Result<_, _>>().map_err(|problem| Fault::of_problems(vec![problem]))?;
                Some((search.query, types))
            }
            None => None,
        };
        let asked = Asked {
            layout: query.layout,
            project: query.project,
            table,
            filters,
            search,
            columns: ColumnSelection::Named(names),
            window: query.window,
            cursor: query.cursor,
            limit: query.limit,
            masks: query.mask,
            format,
            format_options: query.options,
        };
        Self::check(asked, problems)
    }

    pub(super) fn check(asked: Asked, mut problems: Problems) -> Result<Self, Fault> {
        let table = &asked.table;
        let mut filter = problems.take_all(compile(table, &asked.filters)).flatten();
        if let Some((query, types)) = &asked.search
            && let Some(found) = problems.take(compile_search(table, query, types))
        {
            filter = Some(match filter {
                Some(filter) => filter.and(found),
                None => found,
            });
        }
        let selection = problems.take_all(select(table, &asked.columns));
        let mask = problems.take_all(Mask::parse(&asked.masks, table)).flatten();
        let (Some(selection), true) = (selection, problems.is_empty()) else {
            return Err(problems.into_fault());
        };
        let query = Query {
            project: asked.project.clone(),
            table: table.name.to_string(),
            layout: asked.layout,
            columns: selection.columns.iter().map(|column| column.name.clone()).collect(),
            scores: selection.scores,
            filter: asked.filters.iter().map(WireFilter::to_json).collect(),
            search: asked.search.map(|(query, types)| QuerySearch {
                query,
                types: types.iter().map(|kind| kind.as_str().to_owned()).collect(),
            }),
            window: asked.window,
            cursor: asked.cursor,
            limit: asked.limit,
            mask: asked.masks,
            format: asked.format.descriptor().name.to_owned(),
            options: asked.format_options.clone(),
        };
        Ok(Self {
            project: ProjectId::new(asked.project),
            table: asked.table,
            selection,
            filter,
            window: asked.window,
            cursor: asked.cursor,
            limit: asked.limit.map(RowCount),
            mask,
            layout: asked.layout,
            format: asked.format,
            format_options: asked.format_options,
            query: serde_json::to_value(query)
                .map_err(|error| Fault::bug("cannot write the query as JSON").because(error))?,
        })
    }
}

/// The request as manifests keep it: readable, repeatable, without secrets.
#[derive(Serialize, Deserialize)]
struct Query {
    project: String,
    table: String,
    #[serde(skip_serializing_if = "Layout::is_usual", default)]
    layout: Layout,
    columns: Vec<String>,
    scores: bool,
    filter: Value,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    search: Option<QuerySearch>,
    window: Window,
    cursor: Cursor,
    limit: Option<u64>,
    mask: Vec<String>,
    format: String,
    options: FormatOptions,
}

#[derive(Serialize, Deserialize)]
struct QuerySearch {
    query: String,
    types: Vec<String>,
}

/// The problems found so far, and the values that had none.
#[derive(Default)]
pub(super) struct Problems {
    naming: Naming,
    fields: Vec<FieldProblem>,
    faults: Vec<Fault>,
}

/// What the fields of a request are called.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Naming {
    /// Options of the command line.
    #[default]
    Options,
    /// Fields of the API.
    Fields,
}

impl Problems {
    /// No problems of fields that are called so.
    pub(super) fn named(naming: Naming) -> Self {
        Self { naming, ..Self::default() }
    }

    pub(super) fn extend(&mut self, problems: impl IntoIterator<Item = FieldProblem>) {
        problems.into_iter().for_each(|problem| self.push(problem));
    }

    pub(super) fn push(&mut self, problem: FieldProblem) {
        let field = match self.naming {
            // The model names fields as the API does; on the command line they are options.
            Naming::Options if ["columns", "groups", "search", "search-type"].contains(&problem.field.as_str()) => {
                format!("--{}", problem.field)
            }
            Naming::Options => problem.field,
            Naming::Fields => match problem.field.trim_start_matches("--") {
                "search-type" | "search.types" => "searchTypes".to_owned(),
                "mask" => "masks".to_owned(),
                field => field.to_owned(),
            },
        };
        self.fields.push(FieldProblem { field, ..problem });
    }

    pub(super) fn take<T>(&mut self, result: Result<T, FieldProblem>) -> Option<T> {
        result.map_err(|problem| self.push(problem)).ok()
    }

    pub(super) fn take_all<T>(&mut self, result: Result<T, Vec<FieldProblem>>) -> Option<T> {
        result.map_err(|problems| problems.into_iter().for_each(|problem| self.push(problem))).ok()
    }

    pub(super) fn take_fault<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.faults.push(fault)).ok()
    }

    pub(super) fn into_fault(mut self) -> Fault {
        // A fault that stands alone keeps its own hint; several are told together.
        if self.fields.is_empty() && self.faults.len() == 1 {
            return self.faults.remove(0);
        }
        let mut told = self.fields.iter().map(ToString::to_string).collect::<Vec<_>>();
        told.extend(self.faults.iter().map(ToString::to_string));
        let hints = self.fields.iter().filter_map(|problem| problem.hint.clone());
        let hints = hints.chain(self.faults.iter().filter_map(|fault| fault.public_hint().map(str::to_owned)));
        let hints: Vec<String> = hints.collect();
        let joined = Fault::of_problems(self.fields).with_message(told.join("; "));
        if hints.is_empty() { joined } else { joined.hint(hints.join("; ")) }
    }

    fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.faults.is_empty()
    }
}

pub(super) fn find_table(name: &str) -> Result<Arc<TableSpec>, FieldProblem> {
    tables::find(name).ok_or_else(|| {
        let names: Vec<&str> = tables::all().iter().map(|table| table.name.as_str()).collect();
        let hint = match nearest(name, names.iter().copied()) {
            Some(close) => format!("did you mean {close}?"),
            None => format!("tables: {}", names.join(", ")),
        };
        FieldProblem::new("--table", format!("there is no table {name:?}")).hint(hint)
    })
}

fn read_filters(args: &ExportArgs, table: Option<&TableSpec>) -> Result<Vec<WireFilter>, Vec<FieldProblem>> {
    let mut filters = Vec::new();
    let mut problems = Vec::new();
    for (index, text) in args.filters.iter().enumerate() {
        let at = if args.filters.len() == 1 { "filter".to_owned() } else { format!("filter #{}", index + 1) };
        match read_filter(text, &at) {
            Ok(more) => filters.extend(more),
            Err(more) => problems.extend(more),
        }
    }
    for (index, text) in args.wheres.iter().enumerate() {
        let at = if args.wheres.len() == 1 { "--where".to_owned() } else { format!("--where #{}", index + 1) };
        // Without a table nothing can be said about its columns; that problem is reported already.
        let Some(table) = table else { continue };
        match parse_where(table, text, &at) {
            Ok(filter) => filters.push(filter),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(filters) } else { Err(problems) }
}

fn read_filter(text: &str, at: &str) -> Result<Vec<WireFilter>, Vec<FieldProblem>> {
    let content = match text.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).map_err(|error| {
            vec![
                FieldProblem::new("--filter", format!("cannot read {file:?}: {error}"))
                    .hint("name a file that can be read behind the @, or write the JSON itself"),
            ]
        })?,
        None => text.to_owned(),
    };
    let value: Value = serde_json::from_str(&content).map_err(|error| {
        vec![
            FieldProblem::new("--filter", format!("this is not JSON: {error}"))
                .hint(r#"write {"type":"string","column":"name","operator":"=","value":"chat"}, or use --where"#),
        ]
    })?;
    WireFilter::from_json(&value, at)
}

fn read_window(args: &ExportArgs, now: Micros) -> Result<Window, Fault> {
    let read = |field, text: &Option<String>| text.as_deref().map(|text| Micros::parse(field, text, now)).transpose();
    Window::new(read("--since", &args.since)?, read("--until", &args.until)?)
}

fn column_selection(args: &ExportArgs) -> ColumnSelection {
    if !args.groups.is_empty() {
        ColumnSelection::Groups(args.groups.clone())
    } else if args.columns.len() == 1 && args.columns[0] == "all" {
        ColumnSelection::All
    } else if args.columns.is_empty() {
        ColumnSelection::Default
    } else {
        ColumnSelection::Named(args.columns.clone())
    }
}

fn find_format(args: &ExportArgs, output: &OutputName) -> Result<&'static dyn Format, FieldProblem> {
    let from_name =
        || formats::all().iter().find(|format| output.has_extension(format.descriptor().extension)).copied();
    let name = match &args.format {
        Some(name) => name.as_str(),
        None => from_name().map_or(formats::all()[0].descriptor().name, |format| format.descriptor().name),
    };
    format_of_name(name)
}

pub(super) fn format_of_name(name: &str) -> Result<&'static dyn Format, FieldProblem> {
    formats::find(name).map_err(|fault| {
        let problem = FieldProblem::new("--format", fault.public_message());
        match fault.public_hint() {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    })
}

fn read_compression(args: &ExportArgs, output: &OutputName) -> Result<Compression, Fault> {
    match &args.compression {
        Some(name) => name.parse().map_err(|fault: Fault| {
            let message = format!("--compression: {}", fault.public_message());
            fault.with_message(message)
        }),
        None => Ok(output.compression()),
    }
}

fn format_options(args: &ExportArgs, format: &dyn Format, compression: Compression) -> FormatOptions {
    FormatOptions {
        compression,
        bom: args.bom,
        csv_header_always: args.csv_header_always,
        neutralise_formulas: args.neutralise_formulas,
        parse_payloads: args.parse_payloads,
        unicode: match args.unicode {
            None => format.descriptor().unicode_default,
            Some(UnicodeArg::Keep) => UnicodeRule::Keep,
            Some(UnicodeArg::Decode) => UnicodeRule::Decode,
        },
    }
}
