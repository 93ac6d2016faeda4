//! Raw → valid for requests that come through the API. What is checked, and how, is shared with the
//! command line; only the words differ.

use model::filter::{SearchType, WireFilter, parse_wheres};
use model::{
    ColumnSelection, Compression, Cursor, ExportAsk, Fault, FieldProblem, Format, FormatOptions, Micros, ProjectId,
    TableSpec, UnicodeRule, Window,
};
use serde_json::Value;

use super::comments::{COMMENTS, CommentsHere, unknown_kinds, without_comments};
use super::request::{Asked, Layout, Naming, Problems, Request, find_table, format_of_name};

/// What to do about a filter on comments that are not there.
const REFUSED_HINT: &str =
    "remove the filter, or send \"allowUnsupportedFilters\": [\"comments\"] to export without it";

impl Request {
    /// Checks what was asked; relative times are measured from `now`. Also returns what the user should
    /// know.
    pub fn of_ask(
        project: &ProjectId,
        ask: &ExportAsk,
        comments: CommentsHere,
        now: Micros,
    ) -> Result<(Self, Vec<String>), Fault> {
        let mut problems = Problems::named(Naming::Fields);
        let mut warnings = Vec::new();
        let table = problems.take(find_table(&ask.table));
        let filters = table.as_deref().and_then(|table| problems.take_all(filters(ask, table)));
        let filters = match (filters, &table, comments) {
            (Some(filters), Some(table), CommentsHere::Unknown) => {
                let allowed = ask.allow_unsupported_filters.iter().any(|kind| kind == COMMENTS);
                problems.take(without_comments(filters, table, allowed, REFUSED_HINT, &mut warnings))
            }
            (filters, _, _) => filters,
        };
        problems.extend(unknown_kinds("allowUnsupportedFilters", &ask.allow_unsupported_filters));
        let window = problems.take_all(window(ask, now));
        if ask.limit == Some(0) {
            problems.push(FieldProblem::new("limit", "0 rows").hint("leave the limit out, or give at least 1"));
        }
        if ask.roll_bytes.is_some_and(|bytes| bytes.get() == 0) {
            problems.push(FieldProblem::new("rollBytes", "0 bytes").hint("leave it out for a single file"));
        }
        let format = match &ask.format {
            Some(name) => problems.take(format_of_name(name)),
            None => Some(formats::all()[0]),
        };
        let options = format.and_then(|format| problems.take_all(format_options(ask, format)));
        let search = problems.take(search(ask));
        let (Some(table), Some(format)) = (table, format) else {
            return Err(problems.into_fault());
        };
        let asked = Asked {
            layout: Layout::Demand,
            project: project.as_str().to_owned(),
            table,
            filters: filters.unwrap_or_default(),
            search: search.flatten(),
            columns: columns(ask),
            window: window.unwrap_or_default(),
            cursor: ask.cursor.unwrap_or(Cursor::StartTime),
            limit: ask.limit,
            masks: ask.masks.clone(),
            format,
            format_options: options.unwrap_or_default(),
        };
        Self::check(asked, problems).map(|request| (request, warnings))
    }
}

fn filters(ask: &ExportAsk, table: &TableSpec) -> Result<Vec<WireFilter>, Vec<FieldProblem>> {
    let mut problems = Vec::new();
    let mut filters = match &ask.filter {
        Value::Null => Vec::new(),
        filter => WireFilter::from_json(filter, "filter").unwrap_or_else(|found| {
            problems.extend(found);
            Vec::new()
        }),
    };
    filters.extend(parse_wheres(table, &ask.wheres, &mut problems));
    if problems.is_empty() { Ok(filters) } else { Err(problems) }
}

fn window(ask: &ExportAsk, now: Micros) -> Result<Window, Vec<FieldProblem>> {
    let mut problems = Vec::new();
    let mut read =
        |field: &str, text: &Option<String>| match text.as_deref().map(|text| Micros::parse(field, text, now)) {
            None => None,
            Some(Ok(instant)) => Some(instant),
            Some(Err(fault)) => {
                problems.push(problem_of(field, &fault));
                None
            }
        };
    let (from, to) = (read("since", &ask.since), read("until", &ask.until));
    if problems.is_empty() {
        return Window::new(from, to).map_err(|fault| vec![problem_of("until", &fault)]);
    }
    Err(problems)
}

/// A fault about one field as a problem of that field.
pub(super) fn problem_of(field: &str, fault: &Fault) -> FieldProblem {
    let message = fault.public_message();
    let message = message.strip_prefix(field).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(message);
    FieldProblem { field: field.to_owned(), message: message.to_owned(), hint: fault.public_hint().map(str::to_owned) }
}

fn search(ask: &ExportAsk) -> Result<Option<(String, Vec<SearchType>)>, FieldProblem> {
    let Some(query) = &ask.search else {
        if !ask.search_types.is_empty() {
            return Err(FieldProblem::new("searchTypes", "there is nothing to search for").hint("give search as well"));
        }
        return Ok(None);
    };
    let types = ask.search_types.iter().map(|name| SearchType::parse("searchTypes", name));
    let mut types = types.collect::<Result<Vec<_>, _>>()?;
    if types.is_empty() {
        types.push(SearchType::Id);
    }
    Ok(Some((query.clone(), types)))
}

fn columns(ask: &ExportAsk) -> ColumnSelection {
    if !ask.groups.is_empty() {
        ColumnSelection::Groups(ask.groups.clone())
    } else if ask.columns.len() == 1 && ask.columns[0] == "all" {
        ColumnSelection::All
    } else if ask.columns.is_empty() {
        ColumnSelection::Default
    } else {
        ColumnSelection::Named(ask.columns.clone())
    }
}

fn format_options(ask: &ExportAsk, format: &dyn Format) -> Result<FormatOptions, Vec<FieldProblem>> {
    let mut problems = Vec::new();
    if !ask.columns.is_empty() && !ask.groups.is_empty() {
        problems
            .push(FieldProblem::new("groups", "columns are given as well").hint("give columns or groups, not both"));
    }
    let compression = match &ask.compression {
        None => Compression::None,
        Some(name) => name.parse().unwrap_or_else(|fault| {
            problems.push(problem_of("compression", &fault));
            Compression::None
        }),
    };
    let unicode = match ask.unicode.as_deref() {
        None => format.descriptor().unicode_default,
        Some("keep") => UnicodeRule::Keep,
        Some("decode") => UnicodeRule::Decode,
        Some(other) => {
            problems.push(FieldProblem::new("unicode", format!("{other:?} is no rule")).hint("use keep or decode"));
            UnicodeRule::Keep
        }
    };
    let options = FormatOptions {
        compression,
        bom: ask.bom,
        csv_header_always: ask.csv_header_always,
        neutralise_formulas: ask.neutralise_formulas,
        parse_payloads: ask.parse_payloads,
        unicode,
    };
    if problems.is_empty() { Ok(options) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::export::comments::COMMENTS_LEFT_OUT;

    fn check(ask: &ExportAsk, comments: CommentsHere) -> Result<(Request, Vec<String>), Fault> {
        Request::of_ask(&ProjectId::new("p"), ask, comments, Micros(1_785_585_600_000_000))
    }

    fn events() -> ExportAsk {
        ExportAsk { table: "events".to_owned(), ..ExportAsk::default() }
    }

    #[test]
    fn every_problem_is_told_with_its_field() {
        let ask = ExportAsk {
            filter: json!([{"type": "string", "column": "nonsense", "operator": "=", "value": "x"}]),
            since: Some("yesterday".to_owned()),
            limit: Some(0),
            format: Some("xml".to_owned()),
            compression: Some("rar".to_owned()),
            ..events()
        };
        let fault = check(&ask, CommentsHere::Known).err().unwrap();
        let fields: Vec<&str> = fault.problems().iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["since", "limit", "format"], "{fault}");

        let ask = ExportAsk { format: None, ..ask };
        let fault = check(&ask, CommentsHere::Known).err().unwrap();
        let fields: Vec<&str> = fault.problems().iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["since", "limit", "compression", "filter[0].column"], "{fault}");
        let since = &fault.problems()[0];
        assert!(since.message.starts_with("cannot read \"yesterday\"") && since.hint.is_some());

        let texts = ["level = \"ERROR\"", "levl = 1"].map(str::to_owned).to_vec();
        let ask = ExportAsk { wheres: texts, masks: vec!["nonsense:hash".to_owned()], ..events() };
        let fault = check(&ask, CommentsHere::Known).err().unwrap();
        let fields: Vec<&str> = fault.problems().iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["where[1]", "masks"], "{fault}");
    }

    #[test]
    fn relative_times_are_frozen() {
        let ask = ExportAsk { since: Some("-24h".to_owned()), ..events() };
        let (request, _) = check(&ask, CommentsHere::Known).unwrap();
        assert_eq!(request.window.from, Some(Micros(1_785_499_200_000_000)));
        let again = Request::of_query(&request.query).unwrap();
        assert_eq!(again.window, request.window);
    }

    #[test]
    fn comment_filters_are_refused_without_comments_unless_the_caller_accepts_it() {
        let comment = json!({"type": "number", "column": "commentCount", "operator": ">=", "value": 1});
        let level = json!({"type": "string", "column": "name", "operator": "=", "value": "chat"});
        let ask = ExportAsk { filter: json!([comment, level]), ..events() };
        assert!(check(&ask, CommentsHere::Known).is_ok());
        let fault = check(&ask, CommentsHere::Unknown).err().unwrap();
        assert!(fault.public_message().contains("has no comments"), "{fault}");

        let accepting = ExportAsk { allow_unsupported_filters: vec!["comments".to_owned()], ..ask };
        let (request, warnings) = check(&accepting, CommentsHere::Unknown).unwrap();
        assert_eq!(warnings, [COMMENTS_LEFT_OUT]);
        assert_eq!(request.query["filter"], json!([level]));
        let (_, warnings) = check(&accepting, CommentsHere::Known).unwrap();
        assert!(warnings.is_empty());
    }
}
