//! Raw → valid for what an integration exports of one table.

use std::sync::Arc;

use model::filter::{WireFilter, parse_wheres};
use model::{
    ColumnSelection, Compression, Deletions, Fault, FieldProblem, FileSettings, Format, FormatOptions,
    IntegrationSettings, IntegrationTable, ProjectId, UnicodeRule, Window,
};
use serde_json::Value;
use tables::scheduled::{EVENT_TS, IS_DELETED, Scheduled};

use super::ask::problem_of;
use super::request::{Asked, Layout, Naming, Problems, Request, format_of_name};

impl Request {
    /// What is exported of one table in one window.
    pub fn scheduled(
        project: &ProjectId,
        settings: &IntegrationSettings,
        table: &IntegrationTable,
        window: Window,
    ) -> Result<Self, Fault> {
        let mut problems = Problems::named(Naming::Fields);
        let files = settings.files.clone().unwrap_or_else(|| FileSettings::usual("jsonl"));
        let known = problems.take(table_of(&table.table));
        let format = problems.take(format_of_name(&files.format));
        let options = format.and_then(|format| problems.take_all(format_options(&files, format)));
        let (Some(known), Some(format)) = (known, format) else { return Err(problems.into_fault()) };
        let with_deletions = known.with_deletions.as_ref().filter(|_| settings.deletions == Deletions::Include);
        let columns = problems.take_all(columns(known, table, files.event_ts, with_deletions.is_some()));
        let spec = with_deletions.unwrap_or(&known.table);
        let filters = problems.take_all(filters(known, table));
        let asked = Asked {
            layout: if with_deletions.is_some() { Layout::WithDeletions } else { Layout::Scheduled },
            project: project.as_str().to_owned(),
            table: Arc::clone(spec),
            filters: filters.unwrap_or_default(),
            search: None,
            columns: ColumnSelection::Named(columns.unwrap_or_else(|| known.columns(&[], files.event_ts))),
            window,
            cursor: settings.cursor,
            limit: None,
            masks: table.masks.clone(),
            format,
            format_options: options.unwrap_or_default(),
        };
        Self::check(asked, problems)
    }
}

/// The table of scheduled exports of this name.
pub fn table_of(name: &str) -> Result<&'static Scheduled, FieldProblem> {
    tables::scheduled::find(name)
}

/// The problems of a fault as those of a field of a larger request: `tables[0].filter[1].column`.
pub fn problems_in(place: &str, fault: &Fault) -> Vec<FieldProblem> {
    if fault.problems().is_empty() {
        return vec![problem_of(place, fault)];
    }
    let within = |problem: &FieldProblem| {
        // Options of the command line are fields here.
        let field = match problem.field.trim_start_matches("--") {
            "mask" => "masks",
            field => field,
        };
        FieldProblem { field: format!("{place}.{field}"), ..problem.clone() }
    };
    fault.problems().iter().map(within).collect()
}

fn columns(
    known: &Scheduled,
    table: &IntegrationTable,
    event_ts: bool,
    deletions: bool,
) -> Result<Vec<String>, Vec<FieldProblem>> {
    let mut problems = Vec::new();
    if !table.columns.is_empty() && !table.groups.is_empty() {
        let problem = FieldProblem::new("groups", "columns are given as well");
        problems.push(problem.hint("give columns or groups, not both"));
    }
    for (index, group) in table.groups.iter().enumerate() {
        let groups = known.groups;
        if groups.is_empty() {
            let problem = FieldProblem::new("groups", format!("{} has no field groups", known.name));
            problems.push(problem.hint("leave them out, or name columns"));
            break;
        }
        if !groups.contains(&group.as_str()) {
            let problem = FieldProblem::new("groups", format!("{} has no field group {group:?}", known.name));
            problems.push(match model::nearest(group, groups.iter().copied()) {
                Some(close) => problem.hint(format!("did you mean {close:?}?")),
                None => problem.hint(format!("field groups of {}: {}", known.name, groups.join(", "))),
            });
        } else if table.groups[..index].contains(group) {
            problems.push(FieldProblem::new("groups", format!("field group {group:?} is named twice")));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut names =
        if table.columns.is_empty() { known.columns(&table.groups, event_ts) } else { table.columns.clone() };
    let mut add = |name: &str, wanted: bool| {
        if wanted && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    };
    add(EVENT_TS, event_ts);
    add(IS_DELETED, deletions);
    Ok(names)
}

fn filters(known: &Scheduled, table: &IntegrationTable) -> Result<Vec<WireFilter>, Vec<FieldProblem>> {
    let mut problems = Vec::new();
    let mut filters = Vec::new();
    let mut read = |value: &Value, at: &str| match WireFilter::from_json(value, at) {
        Ok(more) => filters.extend(more),
        Err(found) => problems.extend(found),
    };
    if let Some(always) = known.always {
        let always = serde_json::from_str(always).expect("a filter of ours is JSON");
        read(&always, "filter");
    }
    if !table.filter.is_null() {
        read(&table.filter, "filter");
    }
    filters.extend(parse_wheres(&known.table, &table.wheres, &mut problems));
    if problems.is_empty() { Ok(filters) } else { Err(problems) }
}

fn format_options(files: &FileSettings, format: &dyn Format) -> Result<FormatOptions, Vec<FieldProblem>> {
    let mut problems = Vec::new();
    let compression = files.compression.parse().unwrap_or_else(|fault| {
        problems.push(problem_of("compression", &fault));
        Compression::None
    });
    let unicode = match files.unicode.as_deref() {
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
        csv_header_always: files.csv_header_always,
        neutralise_formulas: files.neutralise_formulas,
        unicode,
        ..FormatOptions::default()
    };
    if problems.is_empty() { Ok(options) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::{Cadence, Cursor, Micros, RawSchedule, Schedule, Start};

    use super::*;

    fn settings(deletions: Deletions) -> IntegrationSettings {
        IntegrationSettings {
            kind: "s3".to_owned(),
            options: BTreeMap::new(),
            tables: Vec::new(),
            schedule: Schedule::new(RawSchedule::utc(Cadence::Hour)).unwrap(),
            cursor: Cursor::Ingested,
            lag_seconds: 0,
            start: Start::Now,
            deletions,
            catch_up_max: 1,
            files: Some(FileSettings::usual("jsonl")),
        }
    }

    fn table(name: &str) -> IntegrationTable {
        IntegrationTable { table: name.to_owned(), ..IntegrationTable::default() }
    }

    fn check(deletions: Deletions, table: &IntegrationTable) -> Result<Request, Fault> {
        let window = Window { from: Some(Micros(0)), to: Some(Micros(1)) };
        Request::scheduled(&ProjectId::new("p"), &settings(deletions), table, window)
    }

    #[test]
    fn the_query_of_a_scheduled_export_reads_back_as_it_is() {
        for (name, deletions) in
            [("events", Deletions::Include), ("scores", Deletions::Count), ("traces", Deletions::Include)]
        {
            let request = check(deletions, &table(name)).unwrap();
            let again = Request::of_query(&request.query).unwrap();
            assert_eq!((&again.query, again.layout), (&request.query, request.layout));
            assert_eq!(again.table.name, request.table.name);
        }
    }

    #[test]
    fn files_end_with_event_ts_and_with_deletions_where_they_are_rows() {
        let last = |deletions, name| {
            let columns = check(deletions, &table(name)).unwrap().selection.columns;
            columns.into_iter().rev().take(2).map(|column| column.name).collect::<Vec<_>>()
        };
        assert_eq!(last(Deletions::Include, "events"), ["is_deleted", "event_ts"]);
        assert_eq!(last(Deletions::Count, "events"), ["event_ts", "total_price"]);
        // A trace is made of events; it is gone when they are.
        assert_eq!(last(Deletions::Include, "traces"), ["event_ts", "updated_at"]);
    }

    #[test]
    fn corrections_are_no_scores_of_a_schedule() {
        let request = check(Deletions::Count, &table("scores")).unwrap();
        assert!(request.query["filter"][0]["value"].as_array().unwrap().iter().all(|kind| kind != "CORRECTION"));
    }

    #[test]
    fn every_problem_of_a_table_is_told_with_its_field() {
        let fields = |table: IntegrationTable| {
            let fault = check(Deletions::Count, &table).err().unwrap();
            problems_in("tables[0]", &fault).into_iter().map(|problem| problem.field).collect::<Vec<_>>()
        };
        assert_eq!(fields(table("event")), ["tables[0].table"]);
        let groups = vec!["io".to_owned(), "inputs".to_owned(), "io".to_owned()];
        assert_eq!(fields(IntegrationTable { groups, ..table("events") }), ["tables[0].groups", "tables[0].groups"]);
        let groups = vec!["io".to_owned()];
        assert_eq!(fields(IntegrationTable { groups, ..table("traces") }), ["tables[0].groups"]);
        let columns = vec!["id".to_owned(), "inputs".to_owned()];
        assert_eq!(fields(IntegrationTable { columns, ..table("events") }), ["tables[0].columns"]);
        let wheres = vec!["nonsense = 1".to_owned()];
        assert_eq!(fields(IntegrationTable { wheres, ..table("events") }).len(), 1);
    }
}
