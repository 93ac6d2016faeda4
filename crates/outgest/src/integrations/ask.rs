//! Raw → valid, field by field: what is asked of an integration, with what it has already or has usually.

use std::collections::BTreeMap;

use model::{
    FieldProblem, FileSettings, Integration, IntegrationAsk, IntegrationKind, IntegrationSettings, IntegrationTable,
    KindDescriptor, SourcePreset, Takes, nearest,
};

use super::kinds;
use crate::export::table_of;

/// Tables of a new integration unless others are named.
const USUAL_TABLES: [&str; 3] = ["events", "traces", "scores"];

/// Longest name.
const NAME_CHARACTERS_MAX: usize = 200;

/// Most windows of the past at the same time.
const CATCH_UP_MAX: u32 = 64;

/// The value, or its problem among the others.
pub(super) fn take<T>(problems: &mut Vec<FieldProblem>, found: Result<T, FieldProblem>) -> Option<T> {
    found.map_err(|problem| problems.push(problem)).ok()
}

/// The name for people.
pub(super) fn name(ask: &IntegrationAsk, existing: Option<&Integration>) -> Result<String, FieldProblem> {
    let name = ask.name.clone().or_else(|| existing.map(|known| known.name.clone())).unwrap_or_default();
    let bad =
        name.trim().is_empty() || name.chars().count() > NAME_CHARACTERS_MAX || name.chars().any(char::is_control);
    if bad {
        let message = format!("it must have 1 to {NAME_CHARACTERS_MAX} characters and no control characters");
        return Err(FieldProblem::new("name", message));
    }
    Ok(name)
}

/// The kind of this name.
pub(super) fn kind_of_name(name: &str) -> Result<&'static IntegrationKind, FieldProblem> {
    let names = || kinds::all().iter().map(|kind| kind.descriptor.name);
    kinds::find(name).ok_or_else(|| {
        let problem = FieldProblem::new("kind", format!("there is no kind of destination {name:?}"));
        match nearest(name, names()) {
            Some(close) => problem.hint(format!("did you mean {close}?")),
            None => problem.hint(format!("kinds: {}", names().collect::<Vec<_>>().join(", "))),
        }
    })
}

/// What is exported.
pub(super) fn tables(
    ask: &IntegrationAsk,
    existing: Option<&Integration>,
    takes: Takes,
) -> Result<Vec<IntegrationTable>, FieldProblem> {
    let named = |names: &[&str]| {
        let table = |name: &&str| IntegrationTable { table: (*name).to_owned(), ..IntegrationTable::default() };
        names.iter().map(table).collect::<Vec<_>>()
    };
    let tables = match (&ask.tables, &ask.source) {
        (Some(_), Some(_)) => {
            let problem = FieldProblem::new("source", "tables are given as well");
            return Err(problem.hint("give a source or tables, not both"));
        }
        (Some(tables), None) => tables.clone(),
        (None, Some(source)) => {
            let preset = SourcePreset::of_name(source).ok_or_else(|| {
                let names = SourcePreset::ALL.map(SourcePreset::as_str).join(", ");
                FieldProblem::new("source", format!("there is no source {source:?}")).hint(format!("sources: {names}"))
            })?;
            match takes {
                Takes::Files => named(preset.tables()),
                Takes::Events => named(&preset.event_tables()),
            }
        }
        (None, None) => match existing {
            Some(known) => known.settings.tables.clone(),
            None => named(&USUAL_TABLES),
        },
    };
    if tables.is_empty() {
        return Err(FieldProblem::new("tables", "names no table").hint("leave it out for events, traces and scores"));
    }
    for (index, table) in tables.iter().enumerate() {
        let name = rows_of(&table.table, takes);
        if let Some(before) = tables[..index].iter().find(|before| rows_of(&before.table, takes) == name) {
            let message = match before.table == table.table {
                true => format!("table {:?} is named twice", table.table),
                false => format!("{:?} and {:?} are one table", before.table, table.table),
            };
            return Err(FieldProblem::new("tables", message).hint("name it once"));
        }
    }
    Ok(tables)
}

/// The name of a table among files; those that are not known keep theirs.
fn rows_of(name: &str, takes: Takes) -> &str {
    match takes {
        Takes::Files => table_of(name).map_or(name, |known| known.name),
        Takes::Events => name,
    }
}

/// What is said of files to a kind that takes none.
pub(super) fn no_files(ask: &IntegrationAsk, kind: &KindDescriptor) -> Vec<FieldProblem> {
    let given = [
        ("format", ask.format.is_some()),
        ("compression", ask.compression.is_some()),
        ("unicode", ask.unicode.is_some()),
        ("neutraliseFormulas", ask.neutralise_formulas.is_some()),
        ("csvHeaderAlways", ask.csv_header_always.is_some()),
        ("rollBytes", ask.roll_bytes.flatten().is_some()),
        ("prefix", ask.prefix.is_some()),
        ("template", ask.template.is_some()),
        ("eventTs", ask.event_ts.is_some()),
        ("schema", ask.schema.is_some()),
    ];
    let problem = |(field, _)| FieldProblem::new(field, format!("{} takes events, not files", kind.title));
    given
        .into_iter()
        .filter(|(_, is_given)| *is_given)
        .map(problem)
        .map(|problem| problem.hint("leave it out"))
        .collect()
}

/// How files look and are called.
pub(super) fn files(ask: &IntegrationAsk, existing: Option<&Integration>) -> Result<FileSettings, FieldProblem> {
    let known = existing.and_then(|known| known.settings.files.clone());
    let mut files = known.unwrap_or_else(|| FileSettings::usual("parquet"));
    if let Some(template) = ask.key_template()? {
        files.template = template;
    }
    if ask.roll_bytes.flatten().is_some_and(|bytes| bytes.get() == 0) {
        return Err(FieldProblem::new("rollBytes", "0 bytes").hint("null is a single file"));
    }
    files.format = ask.format.clone().unwrap_or(files.format);
    files.compression = ask.compression.clone().unwrap_or(files.compression);
    files.unicode = ask.unicode.clone().or(files.unicode);
    files.neutralise_formulas = ask.neutralise_formulas.unwrap_or(files.neutralise_formulas);
    files.csv_header_always = ask.csv_header_always.unwrap_or(files.csv_header_always);
    files.roll_bytes = ask.roll_bytes.unwrap_or(files.roll_bytes);
    files.prefix = ask.prefix.clone().unwrap_or(files.prefix);
    files.event_ts = ask.event_ts.unwrap_or(files.event_ts);
    files.schema = ask.schema.unwrap_or(files.schema);
    Ok(files)
}

/// Lag and windows of the past at the same time.
pub(super) fn bounds(
    ask: &IntegrationAsk,
    existing: Option<&Integration>,
    problems: &mut Vec<FieldProblem>,
) -> (u32, u32) {
    let known = existing.map(|known| &known.settings);
    let lag = ask.lag_seconds.or_else(|| known.map(|known| known.lag_seconds));
    let lag = lag.unwrap_or(IntegrationSettings::LAG_SECONDS);
    if lag > IntegrationSettings::LAG_SECONDS_MAX {
        let message = format!("{lag} seconds are more than a week");
        problems.push(FieldProblem::new("lagSeconds", message).hint("rows that late are caught by cursor ingested"));
    }
    let catch_up = ask.catch_up_max.or_else(|| known.map(|known| known.catch_up_max));
    let catch_up = catch_up.unwrap_or(IntegrationSettings::CATCH_UP);
    if !(1..=CATCH_UP_MAX).contains(&catch_up) {
        problems.push(FieldProblem::new("catchUpMax", format!("{catch_up} is not between 1 and {CATCH_UP_MAX}")));
    }
    (lag, catch_up)
}

/// Secrets that the kind does not have, and those that came among the options.
pub(super) fn secrets(ask: &IntegrationAsk, kind: &KindDescriptor) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    for name in ask.secrets.keys().filter(|name| !kind.secrets.contains(&name.as_str())) {
        let problem = FieldProblem::new(format!("secrets.{name}"), format!("{} has no such secret", kind.title));
        problems.push(problem.hint(format!("its secrets are {}", kind.secrets.join(", "))));
    }
    let options = ask.options.iter().flat_map(BTreeMap::keys);
    for name in options.filter(|name| kind.secrets.contains(&name.as_str())) {
        // The value is not repeated.
        let problem = FieldProblem::new(format!("options.{name}"), "it is a secret");
        problems.push(problem.hint("send it under secrets, where it is sealed"));
    }
    problems
}
