//! Revisions: which rows of a window they have, and which they cannot have any more.
//!
//! What a revision is to have was found out when its window was compared or its letters were replayed. By the time it is
//! carried out the integration may export other tables, or rows may be gone: then the run says so.

use std::collections::BTreeSet;

use model::{Expr, IntegrationTable, Relation, RowCount, RowsOfTable, TableSpec, WindowJob};
use serde_json::{Value, json};

use crate::export::Request;

/// Leaves nothing but these rows: a filter like others, so that the manifest says what is in its files.
pub fn narrow(table: &mut IntegrationTable, spec: &TableSpec, rows: &RowsOfTable) {
    let any_of = |column: &str, values: &[String]| json!({"type": "stringOptions", "column": column, "operator": "any of", "value": values});
    let these = if trace_of(spec).is_some() {
        let group = |(traces, ids): (Vec<String>, Vec<String>)| match traces.is_empty() {
            true => any_of("id", &ids),
            false => json!({"type": "and", "filters": [any_of("traceId", &traces), any_of("id", &ids)]}),
        };
        let groups: Vec<Value> = rows.by_trace().into_iter().map(group).collect();
        json!({"type": "or", "filters": groups})
    } else {
        any_of("id", &rows.ids)
    };
    table.filter = match std::mem::take(&mut table.filter) {
        Value::Array(mut filters) => {
            filters.push(these);
            Value::Array(filters)
        }
        Value::Null => json!([these]),
        one => json!([one, these]),
    };
}

/// Whether rows of a table cannot be named in a manifest, because what names them is masked.
pub fn hides_names(request: &Request, spec: &TableSpec) -> bool {
    let names: Vec<&str> = [Some(spec.order.id), trace_of(spec)].into_iter().flatten().collect();
    request.masks_any_of(&names)
}

/// Holds for these rows alone.
pub fn only(spec: &TableSpec, rows: &RowsOfTable) -> Expr {
    let one_of = |column: &str, accepted| Expr::In { value: Box::new(Expr::column(column)), accepted };
    let Some(trace) = trace_of(spec) else { return one_of(spec.order.id, rows.ids.clone()) };
    let group = |(traces, ids): (Vec<String>, Vec<String>)| match traces.is_empty() {
        true => one_of(spec.order.id, ids),
        false => one_of(trace, traces).and(one_of(spec.order.id, ids)),
    };
    Expr::Or(rows.by_trace().into_iter().map(group).collect())
}

/// The column of the trace where ids are those of rows within a trace.
fn trace_of(spec: &TableSpec) -> Option<&'static str> {
    let Relation::Stored(stored) = &spec.relation else { return None };
    spec.order.trace_id.filter(|trace| stored.key.contains(trace))
}

/// What a revision was to have and has not; `exported` knows how many rows of a table it has.
pub fn lacks(window: &WindowJob, exported: impl Fn(&str) -> Option<RowCount>) -> Vec<String> {
    let mut told = Vec::new();
    for rows in &window.rows {
        let table = &rows.table;
        let wanted = rows.rows().collect::<BTreeSet<_>>().len() as u64;
        match exported(table) {
            None => told.push(format!(
                "Rows of {table} were to be exported once more, and the integration does not export that table any more."
            )),
            Some(RowCount(rows)) if rows < wanted => told.push(format!(
                "{rows} of the {wanted} rows of {table} that were to be exported once more are there: the others are \
                 gone since, or the integration leaves them out by now."
            )),
            Some(_) => {}
        }
    }
    told
}
