//! The tables as a whole: names, order of columns, and that every expression reads what exists.

use std::collections::BTreeSet;

use model::{Aggregate, Expr, FilterKind, Relation, TableSpec};

use super::*;

mod filters;

/// Every expression of the table over its relation's columns.
fn expressions(table: &TableSpec) -> Vec<Expr> {
    let mut all: Vec<Expr> = table.columns.iter().map(|column| column.expr.clone()).collect();
    for filter in &table.filters {
        match &filter.kind {
            FilterKind::Text { value, .. } | FilterKind::Number { value, .. } => all.push(value.clone()),
            FilterKind::Time(value)
            | FilterKind::Bool(value)
            | FilterKind::TextList(value)
            | FilterKind::TextMap(value) => all.push(value.clone()),
            FilterKind::TextPairs { names, values } => all.extend([names.clone(), values.clone()]),
            FilterKind::Score { .. }
            | FilterKind::CommentCount
            | FilterKind::CommentContent
            | FilterKind::TracePosition => {}
        }
    }
    let search = &table.search;
    all.extend(search.id.iter().chain(&search.input).chain(&search.output).cloned());
    all
}

fn columns_read(expr: &Expr) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    expr.for_each_column(&mut |name| {
        names.insert(name.to_owned());
    });
    names
}

#[test]
fn tables_are_unique_sorted_and_found_by_name() {
    let names: Vec<&str> = all().iter().map(|table| table.name.as_str()).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(names, sorted);
    for name in names {
        assert_eq!(find(name).unwrap().name.as_str(), name);
    }
    assert!(find("event").is_none());
}

#[test]
fn column_names_and_filter_names_are_unique() {
    for table in all() {
        let mut columns = BTreeSet::new();
        for column in &table.columns {
            assert!(columns.insert(column.name.as_str()), "{}.{}", table.name, column.name);
        }
        let mut filters = BTreeSet::new();
        for filter in &table.filters {
            for name in [filter.id, filter.title].iter().chain(filter.aliases) {
                assert!(filters.insert(*name) || *name == filter.id, "{} filters by {name:?} twice", table.name);
            }
        }
    }
}

#[test]
fn every_expression_reads_columns_of_its_relation() {
    for table in all() {
        for expr in expressions(table) {
            for name in columns_read(&expr) {
                assert!(table.relation_column(&name).is_some(), "{} reads {name:?}, which it has not", table.name);
            }
        }
        let order = &table.order;
        for name in [Some(order.time), order.trace_id, Some(order.id)].into_iter().flatten() {
            assert!(table.relation_column(name).is_some(), "{} is ordered by {name:?}", table.name);
        }
        if let Relation::Grouped(grouped) = &table.relation {
            assert!(grouped.over.column(grouped.by).is_some());
        }
        if let Some(attached) = &table.attached {
            assert!(attached.groups.over.column(attached.groups.by).is_some());
            assert!(table.stored().column(attached.on).is_some());
            for column in &attached.groups.columns {
                assert!(table.stored().column(column.name).is_none(), "{} has {} twice", table.name, column.name);
                assert!(!matches!(column.aggregate, Aggregate::First(_)), "{} may be a payload", column.name);
            }
        }
    }
}

#[test]
fn stored_tables_name_existing_columns() {
    for table in stored() {
        let mut names = BTreeSet::new();
        for column in &table.columns {
            assert!(names.insert(column.name), "{} has {} twice", table.name, column.name);
            assert!(!(column.nullable && column.required), "{} is nullable and required", column.name);
        }
        let special = [table.time, table.version, table.deleted, table.ingested];
        for name in table.key.iter().chain(&special) {
            assert!(names.contains(name), "{} has no {name}", table.name);
        }
    }
}

#[test]
fn events_have_the_columns_of_the_batch_export_in_order() {
    let table = find("events").unwrap();
    let names: Vec<&str> =
        table.columns.iter().filter(|column| column.default).map(|column| column.name.as_str()).collect();
    let expected = "id traceId traceName type name startTime endTime completionStartTime environment version userId \
                    sessionId level statusMessage promptName promptId promptVersion modelId providedModelName \
                    modelParameters usageDetails costDetails totalCost input output metadata latencyMs \
                    timeToFirstTokenMs tags release parentObservationId comments";
    assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn observations_have_the_columns_of_the_batch_export_in_order() {
    let table = find("observations").unwrap();
    let names: Vec<&str> =
        table.columns.iter().filter(|column| column.default).map(|column| column.name.as_str()).collect();
    let expected = "id traceId startTime endTime projectId parentObservationId type environment name level \
                    statusMessage version createdAt updatedAt input output metadata model internalModelId \
                    modelParameters completionStartTime promptId promptName promptVersion latency timeToFirstToken \
                    providedUsageDetails usageDetails costDetails providedCostDetails inputCost outputCost totalCost \
                    inputUsage outputUsage totalUsage usagePricingTierId usagePricingTierName toolDefinitions \
                    toolCalls toolCallNames traceName traceTags traceTimestamp userId toolDefinitionsCount \
                    toolCallsCount modelId inputPrice outputPrice totalPrice comments";
    assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn scores_have_the_columns_of_the_batch_export_in_order() {
    let table = find("scores").unwrap();
    let names: Vec<&str> =
        table.columns.iter().filter(|column| column.default).map(|column| column.name.as_str()).collect();
    let expected = "id traceId sessionId datasetRunId timestamp source name dataType value stringValue comment metadata \
                    observationId traceName userId traceTags environment authorUserName";
    assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn an_export_of_all_columns_restores_every_stored_event_column() {
    let mut exact = BTreeSet::new();
    let stored = stored_events();
    for column in &find("events").unwrap().columns {
        match restored(column, &stored) {
            Some(Restored::Column(name)) => {
                exact.insert(name.to_string());
            }
            Some(Restored::Pairs { names, values }) => {
                exact.extend([names.to_string(), values.to_string()]);
            }
            Some(Restored::Shown(_)) | None => {}
        }
    }
    let lost: Vec<&str> =
        stored.columns.iter().map(|column| column.name).filter(|name| !exact.contains(*name)).collect();
    // Only live rows are exported, so the mark is false for all of them.
    assert_eq!(lost, ["is_deleted"]);
}

#[test]
fn restored_columns_have_the_type_of_the_stored_ones() {
    for name in ["events", "observations", "scores"] {
        let table = find(name).unwrap();
        for column in &table.columns {
            if let Some(Restored::Column(stored) | Restored::Shown(stored)) = restored(column, table.stored()) {
                let stored = table.stored().column(&stored).unwrap();
                assert_eq!(stored.kind, column.kind, "{name}.{}", column.name);
                let loses_null = stored.nullable && !column.nullable;
                assert!(!loses_null, "{name}.{} may be null", column.name);
            }
        }
    }
}
