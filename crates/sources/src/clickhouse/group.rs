//! Groups of live rows: what tables of traces and sessions are made of, and what other rows take from them.

use std::collections::BTreeSet;

use model::{Aggregate, AggregateColumn, Expr, Fault, Grouped};

use super::live::{Live, column_name, dead_of, members_since, stored_term};
use super::met::Met;
use super::place::Place;
use super::sql::{Parameters, Printer, Term, identifier, is_composite};

/// A subquery with a row for each group.
pub(super) struct Groups<'a> {
    pub(super) grouped: &'a Grouped,
    /// Which of its columns are wanted.
    pub(super) wanted: BTreeSet<&'a str>,
    /// Where the live rows are that form groups, which, and by what further condition.
    pub(super) members: Vec<(&'a Place, Met, Option<String>)>,
}

/// The column with the text that a group has in common.
pub(super) const GROUP: &str = "g_group";
/// The column of joined groups that is zero where a row has none.
pub(super) const FOUND: &str = "g_found";
/// The column with the greatest ingestion time of a group's rows.
pub(super) const INGESTED: &str = "g_ingested";
/// The column with the greatest version of a group's rows; groups have a column `version` of their own.
pub(super) const VERSION: &str = "g_newest";

impl Groups<'_> {
    /// The subquery without its parentheses.
    pub(super) fn sql(&self, parameters: &mut Parameters) -> Result<String, Fault> {
        let grouped = self.grouped;
        let stored = &*grouped.over;
        let columns: Vec<&AggregateColumn> =
            grouped.columns.iter().filter(|column| self.wanted.contains(column.name)).collect();
        let root = stored.root();
        let mut needed = BTreeSet::from([grouped.by, stored.ingested, stored.version]);
        let mut need = |expr: &Expr| {
            expr.for_each_column(&mut |name| needed.extend(stored.column(name).map(|column| column.name)));
        };
        columns.iter().filter_map(|column| operand(&column.aggregate)).chain(&grouped.keep).for_each(&mut need);
        if columns.iter().any(|column| is_ranked(&column.aggregate)) {
            root.iter().for_each(&mut need);
            needed.insert(stored.time);
            needed.extend(stored.ids());
        }
        let names = |name: &str| stored_term(stored, name);
        let mut printer = Printer { names: &names, parameters, surroundings: None };
        let is_root = root.as_ref().map(|root| printer.predicate(root)).transpose()?;
        let by = column_name(grouped.by);
        let mut select = vec![
            format!("{by} AS {GROUP}"),
            format!("max({}) AS {INGESTED}", column_name(stored.ingested)),
            format!("max({}) AS {VERSION}", column_name(stored.version)),
        ];
        for column in columns {
            select.extend(self.column(column, is_root.as_deref(), &mut printer)?);
        }
        let keep = match &grouped.keep {
            Some(keep) => format!(" WHERE {}", printer.predicate(keep)?),
            None => String::new(),
        };
        let mut members = Vec::with_capacity(self.members.len());
        for (place, met, also) in &self.members {
            let (columns, met) = (needed.clone(), Some(met.clone()));
            let conditions = also.iter().cloned().collect();
            let dead = members_since(place) + &dead_of(place);
            members.push(Live { place, stored, columns, met, conditions, dead }.sql()?);
        }
        let members = members.join(" UNION ALL ");
        Ok(format!("SELECT {} FROM ({members}){keep} GROUP BY {by}", select.join(", ")))
    }

    fn column(
        &self,
        column: &AggregateColumn,
        is_root: Option<&str>,
        printer: &mut Printer,
    ) -> Result<Vec<String>, Fault> {
        let stored = &*self.grouped.over;
        let name = group_name(column.name);
        // Roots first, then the newest, then by ids.
        let rank = || {
            let root = is_root.map_or_else(|| "0".to_owned(), |root| format!("NOT {root}"));
            let ids: Vec<String> = stored.ids().map(column_name).collect();
            format!("({root}, -toUnixTimestamp64Micro({}), {})", column_name(stored.time), ids.join(", "))
        };
        let sql = match &column.aggregate {
            Aggregate::Group => column_name(self.grouped.by),
            Aggregate::Min(expr) => format!("min({})", printer.value(expr)?.sql),
            Aggregate::Max(expr) => format!("max({})", printer.value(expr)?.sql),
            Aggregate::Sum(expr) => format!("ifNull(sum({}), 0)", printer.value(expr)?.sql),
            Aggregate::Count => "toInt64(count())".to_owned(),
            Aggregate::CountDistinct(expr) => format!("toInt64(uniqExact({}))", printer.value(expr)?.sql),
            Aggregate::First(expr) => {
                let Term { sql, absent, .. } = printer.value_as(expr, Some(&column.kind))?;
                let absent = absent.unwrap_or_else(|| "0".to_owned());
                let first = |value: &str| format!("argMin(tuple({value}), {}).1", rank());
                if is_composite(&column.kind) {
                    let absent = format!("{} AS {}", first(&absent), absent_name(column.name));
                    return Ok(vec![format!("{} AS {name}", first(&sql)), absent]);
                }
                first(&sql)
            }
            Aggregate::FirstNonEmpty(expr) => {
                let value = format!("ifNull({}, '')", printer.value(expr)?.sql);
                format!("argMinIf({value}, {}, {value} != '')", rank())
            }
            Aggregate::DistinctTexts(expr) => {
                let value = format!("ifNull({}, '')", printer.value(expr)?.sql);
                format!("arraySort(groupUniqArrayIf({value}, {value} != ''))")
            }
            Aggregate::UnionLists(expr) => format!("arraySort(groupUniqArrayArray({}))", printer.value(expr)?.sql),
            Aggregate::AnyTrue(expr) => format!("CAST(max({}) AS Bool)", printer.predicate(expr)?),
        };
        Ok(vec![format!("{sql} AS {name}")])
    }
}

/// Names of the stored columns that these columns of groups are made of.
pub(super) fn made_of(grouped: &Grouped, wanted: &BTreeSet<&str>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for column in grouped.columns.iter().filter(|column| wanted.contains(column.name)) {
        if let Some(expr) = operand(&column.aggregate) {
            expr.for_each_column(&mut |name| {
                names.insert(name.to_owned());
            });
        }
    }
    names
}

/// What an aggregate is made of.
fn operand(aggregate: &Aggregate) -> Option<&Expr> {
    match aggregate {
        Aggregate::Group | Aggregate::Count => None,
        Aggregate::Min(expr)
        | Aggregate::Max(expr)
        | Aggregate::Sum(expr)
        | Aggregate::CountDistinct(expr)
        | Aggregate::First(expr)
        | Aggregate::FirstNonEmpty(expr)
        | Aggregate::DistinctTexts(expr)
        | Aggregate::UnionLists(expr)
        | Aggregate::AnyTrue(expr) => Some(expr),
    }
}

fn is_ranked(aggregate: &Aggregate) -> bool {
    matches!(aggregate, Aggregate::First(_) | Aggregate::FirstNonEmpty(_))
}

fn group_name(column: &str) -> String {
    identifier(&format!("g_{column}"))
}

fn absent_name(column: &str) -> String {
    identifier(&format!("g_{column} is null"))
}

/// A column of the groups.
pub(super) fn grouped_term(grouped: &Grouped, name: &str) -> Option<Term> {
    let column = grouped.column(name)?;
    let is_first = matches!(column.aggregate, Aggregate::First(_)) && is_composite(&column.kind);
    let absent = is_first.then(|| format!("({} != 0)", absent_name(name)));
    Some(Term { sql: group_name(name), kind: column.kind.clone(), absent })
}

/// A column that a row takes from its group, where it has one.
pub(super) fn attached_term(grouped: &Grouped, name: &str) -> Option<Term> {
    let Term { sql, kind, .. } = grouped_term(grouped, name)?;
    let missing = format!("(j.{FOUND} = 0)");
    Some(match is_composite(&kind) {
        true => Term { sql: format!("j.{sql}"), absent: Some(missing), kind },
        false => Term::new(format!("if({missing}, NULL, j.{sql})"), kind),
    })
}
