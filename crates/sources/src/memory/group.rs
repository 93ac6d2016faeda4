//! Grouped relations: live rows of a stored table gathered into one row per text, and rows of another
//! table that take columns from such groups.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use model::{Aggregate, Attached, Grouped, Micros};

use super::evaluate::{Row, evaluate, holds, sum};
use super::position::Position;
use super::rows::{ColumnIndex, Record};
use super::value::Value;

/// A group, when its newest row was stored, and in which version.
pub struct Group {
    /// What its rows have in common.
    pub text: String,
    /// The row of the relation.
    pub row: Record,
    /// The greatest ingestion time of the rows that take part.
    pub ingested: Micros,
    /// The greatest version of the rows that take part.
    pub version: Micros,
}

/// The rows of a grouped relation, from the live rows underneath.
pub fn groups(grouped: &Grouped, live: Vec<Record>) -> Vec<Group> {
    let columns = grouped.columns.iter().enumerate().map(|(place, column)| (column.name.into(), place));
    let columns: ColumnIndex = Arc::new(columns.collect());
    let root = grouped.over.root();
    let mut members: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    for row in live {
        if grouped.keep.as_ref().is_none_or(|keep| holds(keep, &row)) {
            members.entry(row.text(grouped.by).to_owned()).or_default().push(row);
        }
    }
    members
        .into_iter()
        .map(|(text, mut rows)| {
            let ids = |row: &Record| grouped.over.ids().map(|id| row.text(id).to_owned()).collect::<Vec<_>>();
            let is_root = |row: &Record| root.as_ref().is_some_and(|root| holds(root, row));
            rows.sort_by_key(|row| (!is_root(row), Reverse(row.timestamp(grouped.over.time)), ids(row)));
            let values = grouped.columns.iter().map(|column| aggregate(&column.aggregate, &text, &rows)).collect();
            let greatest = |column| rows.iter().map(|row| row.timestamp(column)).max().expect("a group has a row");
            Group {
                text,
                row: Record {
                    columns: Arc::clone(&columns),
                    values,
                    scores: Vec::new(),
                    position: Position::default(),
                },
                ingested: greatest(grouped.over.ingested),
                version: greatest(grouped.over.version),
            }
        })
        .collect()
}

/// Adds to every row the columns of the group that it names, nulls where there is none. `live` are
/// the live rows that form groups.
pub fn attach(attached: &Attached, rows: &mut [Record], live: Vec<Record>) {
    let Some(first) = rows.first() else { return };
    let mut columns = HashMap::clone(&first.columns);
    let own = columns.len();
    columns.extend(attached.groups.columns.iter().enumerate().map(|(place, column)| (column.name.into(), own + place)));
    let columns: ColumnIndex = Arc::new(columns);
    let groups: HashMap<String, Record> =
        groups(&attached.groups, live).into_iter().map(|group| (group.text, group.row)).collect();
    let none = vec![Value::Null; attached.groups.columns.len()];
    for row in rows {
        let group = row.value(attached.on).as_text().and_then(|text| groups.get(text));
        let taken = group.map_or(&*none, |group| &group.values);
        row.values = row.values.iter().chain(taken).cloned().collect();
        row.columns = Arc::clone(&columns);
    }
}

/// The value of a group whose rows are ranked.
fn aggregate(how: &Aggregate, group: &str, rows: &[Record]) -> Value {
    let each = |expr| rows.iter().map(move |row| evaluate(expr, row));
    let extreme = |expr, wanted: Ordering| {
        each(expr)
            .filter(|value| !value.is_null())
            .reduce(|best, next| if next.compare(&best) == Some(wanted) { next } else { best })
            .unwrap_or(Value::Null)
    };
    match how {
        Aggregate::Group => Value::Text(group.to_owned()),
        Aggregate::Min(expr) => extreme(expr, Ordering::Less),
        Aggregate::Max(expr) => extreme(expr, Ordering::Greater),
        Aggregate::Sum(expr) => sum(each(expr).filter(|value| !value.is_null())),
        Aggregate::Count => Value::Int(rows.len() as i64),
        Aggregate::CountDistinct(expr) => {
            Value::Int(each(expr).filter_map(|value| text(&value)).collect::<BTreeSet<_>>().len() as i64)
        }
        Aggregate::First(expr) => each(expr).next().unwrap_or(Value::Null),
        Aggregate::FirstNonEmpty(expr) => {
            Value::Text(each(expr).filter_map(|value| text(&value)).find(|text| !text.is_empty()).unwrap_or_default())
        }
        Aggregate::DistinctTexts(expr) => {
            sorted(each(expr).filter_map(|value| text(&value)).filter(|text| !text.is_empty()))
        }
        Aggregate::UnionLists(expr) => sorted(each(expr).flat_map(|value| match value {
            Value::List(items) => items.iter().filter_map(text).collect(),
            _ => Vec::new(),
        })),
        Aggregate::AnyTrue(expr) => Value::Bool(rows.iter().any(|row| holds(expr, row))),
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_text().map(ToOwned::to_owned)
}

/// Distinct texts in byte order.
fn sorted(texts: impl Iterator<Item = String>) -> Value {
    Value::List(texts.collect::<BTreeSet<_>>().into_iter().map(Value::Text).collect())
}
