//! Versions that the rows of a slice may be made of.
//!
//! Whether a row passes is decided by its newest version, which only `FINAL` tells. But a row that passes has a
//! version that does, and those are told without it: from the columns that a filter names and by their skip indexes.
//! So slices are planned from candidates alone, however far apart these lie, and of other rows nothing is read.
//!
//! A part of a filter is left to `FINAL` where a version does not tell it by itself (scores, places in a trace), or
//! where it takes payloads to tell.

use model::{Expr, Fault, StoredTable};

use super::live::in_slice;
use super::place::Place;
use super::sql::{Parameters, Printer, Term, joined};

/// The candidates of one table.
#[derive(Clone, Debug)]
pub(super) struct Candidates {
    /// The condition that a version of a slice is one; `None` where each is.
    condition: Option<String>,
    /// Whether versions that replace each other are candidates together.
    is_fixed: bool,
    /// Whether a newest version that is a candidate passes.
    pub(super) all_pass: bool,
}

impl Candidates {
    /// The candidates of rows that pass a filter and meet `also`, a condition on the table's own columns.
    pub(super) fn of(
        place: &Place,
        stored: &StoredTable,
        filter: Option<&Expr>,
        also: Option<String>,
        parameters: &mut Parameters,
    ) -> Result<Self, Fault> {
        let parts = filter.map_or(Vec::new(), conjuncts);
        let looks_before = place.looks_before() && place.key(stored)?.iter().any(|column| place.is_fixed(column));
        let told: Vec<&Expr> =
            parts.iter().copied().filter(|part| looks_before && is_told(place, stored, part)).collect();
        let mut is_fixed = also.is_none();
        let names = |name: &str| {
            let column = stored.column(name)?;
            Some(Term::new(place.value(stored, column).ok()?, column.kind.clone()))
        };
        let mut printer = Printer { names: &names, parameters, surroundings: None };
        let mut conditions: Vec<String> = also.into_iter().collect();
        for part in &told {
            part.for_each_column(&mut |name| is_fixed &= place.raw(name).is_some_and(|raw| place.is_fixed(&raw)));
            conditions.push(printer.predicate(part)?);
        }
        let condition = (!conditions.is_empty()).then(|| joined("AND", "1", conditions.into_iter()));
        Ok(Self { condition, is_fixed, all_pass: told.len() == parts.len() })
    }

    /// The condition that a version starts in the slice and is one.
    pub(super) fn in_slice(&self, place: &Place, stored: &StoredTable) -> Result<String, Fault> {
        let in_slice = in_slice(place, stored)?;
        Ok(match &self.condition {
            Some(condition) => format!("{in_slice} AND {condition}"),
            None => in_slice,
        })
    }

    /// What has the server read these alone, and whatever replaces them, behind another condition that is looked at
    /// before `FINAL`; it holds for all or for none of the versions that replace each other.
    pub(super) fn before(&self, place: &Place, stored: &StoredTable) -> Result<String, Fault> {
        let before = match &self.condition {
            Some(condition) if self.is_fixed => Some(condition.clone()),
            Some(_) => place.whole_rows(stored, &self.in_slice(place, stored)?)?,
            None => None,
        };
        Ok(before.map(|before| format!(" AND {before}")).unwrap_or_default())
    }
}

/// The parts of a filter that must all hold.
pub(super) fn conjuncts(filter: &Expr) -> Vec<&Expr> {
    match filter {
        Expr::And(parts) => parts.iter().flat_map(conjuncts).collect(),
        part => vec![part],
    }
}

/// Whether a version tells by itself, and for little, whether a predicate holds.
fn is_told(place: &Place, stored: &StoredTable, predicate: &Expr) -> bool {
    let mut is_told =
        !predicate.any(&|expr| matches!(expr, Expr::Score(_) | Expr::InTracePosition(_) | Expr::Comment(_)));
    predicate.for_each_column(&mut |name| {
        is_told &=
            stored.column(name).is_some() && place.raw(name).is_some() && !place.physical.payloads.contains(&name);
    });
    is_told
}
