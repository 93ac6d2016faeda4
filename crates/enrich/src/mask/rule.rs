//! The grammar of `--mask` and what each kind of column allows.

use model::{ColumnSpec, ColumnType, FieldProblem, FieldRole, TableSpec, nearest};

use super::pattern::Pattern;

/// The option that problems are reported on.
const OPTION: &str = "--mask";

/// One thing to mask.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// Column, by its name in files.
    pub column: String,
    /// The one key of a map; all of it where `None`.
    pub key: Option<String>,
    /// What happens to it.
    pub action: Action,
}

/// What happens to a masked text.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// It becomes null, or empty where the column cannot be null; keys leave their map.
    Drop,
    /// It becomes the first digits of its SHA-256.
    Hash,
    /// It becomes `[REDACTED]`.
    Redact,
    /// Matches of a pattern are replaced.
    Replace(Pattern),
}

/// Reads one option; what it holds goes to `rules`, what is wrong with it to `problems`.
pub(super) fn parse(option: &str, table: &TableSpec, rules: &mut Vec<Rule>, problems: &mut Vec<FieldProblem>) {
    let items: Vec<(&str, Result<Action, FieldProblem>)> = match option.split_once(":/") {
        // A pattern may hold commas and colons, so it takes the rest of the option.
        Some((columns, rest)) => columns.split(',').map(|column| (column, pattern(rest))).collect(),
        None => option
            .split(',')
            .map(|item| match item.split_once(':') {
                Some((column, name)) => (column, action(name.trim())),
                None => (item, Ok(Action::Redact)),
            })
            .collect(),
    };
    for (column, action) in items {
        let rule = action.and_then(|action| rule(column.trim(), action, table));
        match rule {
            Ok(rule) => rules.push(rule),
            Err(problem) => problems.push(problem),
        }
    }
}

fn action(name: &str) -> Result<Action, FieldProblem> {
    match name {
        "drop" => Ok(Action::Drop),
        "hash" => Ok(Action::Hash),
        "redact" => Ok(Action::Redact),
        _ => Err(FieldProblem::new(OPTION, format!("unknown action {name:?}"))
            .hint("use drop, hash, redact or /pattern/replacement")),
    }
}

fn pattern(text: &str) -> Result<Action, FieldProblem> {
    Pattern::parse(text).map(Action::Replace).map_err(|why| {
        let problem = FieldProblem::new(OPTION, format!("cannot use pattern /{text}: {}", why.message));
        problem.hint(why.hint)
    })
}

fn rule(target: &str, action: Action, table: &TableSpec) -> Result<Rule, FieldProblem> {
    let (column, key) = match table.column(target) {
        Some(column) => (column, None),
        None => {
            let (name, key) = match target.split_once('.') {
                Some((name, key)) => (name, Some(key)),
                None => (target, None),
            };
            (table.column(name).ok_or_else(|| unknown(name, table))?, key)
        }
    };
    match refusal(column, key, &action) {
        Some(why) => Err(FieldProblem::new(OPTION, format!("cannot mask {target}: {why}"))),
        None => Ok(Rule { column: column.name.clone(), key: key.map(str::to_owned), action }),
    }
}

fn unknown(name: &str, table: &TableSpec) -> FieldProblem {
    let problem = FieldProblem::new(OPTION, format!("{} has no column {name:?}", table.name));
    match nearest(name, table.columns.iter().map(|column| column.name.as_str())) {
        Some(similar) => problem.hint(format!("did you mean {similar:?}?")),
        None => problem,
    }
}

/// Why a column cannot be masked so.
fn refusal(column: &ColumnSpec, key: Option<&str>, action: &Action) -> Option<&'static str> {
    let is_drop = matches!(action, Action::Drop);
    match (&column.kind, key) {
        _ if matches!(column.role, FieldRole::Price(_)) && !(is_drop && key.is_none()) => {
            Some("the column holds prices; use drop")
        }
        (ColumnType::Map(_), Some("")) => Some("the key after the dot is empty"),
        (ColumnType::Map(value), _) if **value == ColumnType::Text || is_drop => None,
        (_, Some(_)) => Some("the column is no map, so it has no keys"),
        (ColumnType::Text | ColumnType::List(_), None)
            if matches!(action, Action::Replace(_)) && column.role == FieldRole::Json =>
        {
            Some("the column holds JSON, which a pattern could break; use redact, hash or drop")
        }
        (ColumnType::Text, None) => None,
        (ColumnType::List(item), None) if **item == ColumnType::Text || is_drop => None,
        (ColumnType::Comments, None) if is_drop => None,
        _ if is_drop && column.nullable => None,
        _ if is_drop => Some("the column is never null; leave it out of the columns instead"),
        _ => Some("the column holds no text; use drop"),
    }
}
