//! Tables as scheduled exports lay them out: the columns, names and order of Langfuse's blob storage exports.
//!
//! They are the same rows as the tables of [`crate::all`], with the same filters. Their files have columns in
//! one order whatever the order of groups: everything else, then input and output, then prices; behind them
//! what we add, `event_ts` and, where deletions are rows, `is_deleted`.

mod observations;
mod scores;
mod traces;

use std::sync::{Arc, LazyLock};

use model::{ColumnSpec, ColumnType, Expr, FieldProblem, TableName, TableSpec, nearest};

use crate::build::{col, column, flag, if_then, is_true, null, nullable, opt_in, timestamp};

/// The group of the columns that we add.
const ADDED: &str = "added";

/// The column by which readers tell versions of a row apart.
pub const EVENT_TS: &str = "event_ts";

/// The column that marks a deletion.
pub const IS_DELETED: &str = "is_deleted";

/// A table of scheduled exports.
pub struct Scheduled {
    /// Name in settings: `events`.
    pub name: &'static str,
    /// The table; its own name is that of the folder: `observations_v2`.
    pub table: Arc<TableSpec>,
    /// The table with deletions among its rows; `None` where its rows cannot be deleted by themselves.
    pub with_deletions: Option<Arc<TableSpec>>,
    /// Field groups in order; empty where there is nothing to choose.
    pub groups: &'static [&'static str],
    /// Kinds of scores and the like that belong in no file, as a filter in the wire form.
    pub always: Option<&'static str>,
}

/// Every table, by name.
pub fn all() -> &'static [Scheduled] {
    static ALL: LazyLock<[Scheduled; 4]> = LazyLock::new(|| {
        [
            Scheduled { groups: &observations::GROUPS, ..stored("events", observations::events()) },
            Scheduled { groups: &observations::GROUPS, ..stored("observations", observations::observations()) },
            Scheduled { always: Some(scores::LISTED), ..stored("scores", scores::scores()) },
            Scheduled {
                name: "traces",
                table: Arc::new(traces::traces()),
                with_deletions: None,
                groups: &[],
                always: None,
            },
        ]
    });
    ALL.as_slice()
}

/// The table of this name, or of this name of a folder.
pub fn find(name: &str) -> Result<&'static Scheduled, FieldProblem> {
    let found = all().iter().find(|known| known.name == name || known.table.name.as_str() == name);
    found.ok_or_else(|| {
        let names = || all().iter().map(|known| known.name);
        let problem = FieldProblem::new("table", format!("no table {name:?} can be exported on a schedule"));
        match nearest(name, names()) {
            Some(close) => problem.hint(format!("did you mean {close}?")),
            None => problem.hint(format!("tables: {}", names().collect::<Vec<_>>().join(", "))),
        }
    })
}

fn stored(name: &'static str, table: TableSpec) -> Scheduled {
    let mut with_deletions = table.clone();
    for column in &mut with_deletions.columns {
        hide_payload(column);
    }
    with_deletions.columns.push(opt_in(flag(ADDED, IS_DELETED, "is_deleted")));
    Scheduled {
        name,
        table: Arc::new(table),
        with_deletions: Some(Arc::new(with_deletions)),
        groups: &[],
        always: None,
    }
}

/// Columns of other groups that hold what a row said.
const PAYLOADS: [&str; 3] = ["comment", "string_value", "model_parameters"];

/// What a deleted row said is gone: its payload is null.
fn hide_payload(column: &mut ColumnSpec) {
    let payload = matches!(column.group, "io" | "metadata" | "tools") || PAYLOADS.contains(&column.name.as_str());
    if payload {
        let stored = std::mem::replace(&mut column.expr, null());
        column.expr = match stored {
            // Maps are made of lists, which can be null.
            Expr::ZipMap { names, values } => {
                let kept = |list: Box<Expr>| Box::new(if_then(is_true(col("is_deleted")), null(), *list));
                Expr::ZipMap { names: kept(names), values: kept(values) }
            }
            stored => if_then(is_true(col("is_deleted")), null(), stored),
        };
        column.nullable = true;
    }
}

impl Scheduled {
    /// Names of the columns of these groups in the order of files; of all groups where none is named.
    pub fn columns(&self, groups: &[String], event_ts: bool) -> Vec<String> {
        let chosen = |column: &&ColumnSpec| {
            let all = groups.is_empty() || self.groups.is_empty();
            column.group != ADDED && (all || column.group == "core" || groups.iter().any(|group| group == column.group))
        };
        let mut names: Vec<String> =
            self.table.columns.iter().filter(chosen).map(|column| column.name.clone()).collect();
        if event_ts {
            names.push(EVENT_TS.to_owned());
        }
        names
    }
}

/// `event_ts`, behind everything else.
fn event_ts() -> ColumnSpec {
    opt_in(timestamp(ADDED, EVENT_TS, "event_ts"))
}

fn spec(name: &str, of: TableSpec, columns: Vec<ColumnSpec>) -> TableSpec {
    TableSpec { name: TableName::new(name), columns, scores: false, ..of }
}

/// A text column whose name is that of the stored one.
fn same(group: &'static str, name: &str) -> ColumnSpec {
    column(group, name, ColumnType::Text, col(name))
}

/// A text column that may be null, as it is stored.
fn optional(group: &'static str, name: &str) -> ColumnSpec {
    nullable(same(group, name))
}

#[cfg(test)]
mod tests {
    use model::Relation;

    use super::*;

    fn names(table: &str, groups: &[&str]) -> Vec<String> {
        let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
        find(table).unwrap().columns(&groups, true)
    }

    #[test]
    fn columns_and_their_order_are_langfuses() {
        assert_eq!(
            names("events", &[]).join(" "),
            "id trace_id start_time end_time project_id parent_observation_id type \
             name level status_message version environment bookmarked public user_id session_id is_root_observation \
             completion_start_time created_at updated_at metadata provided_model_name model_id model_parameters \
             usage_details cost_details total_cost usage_pricing_tier_id usage_pricing_tier_name \
             prompt_id prompt_name prompt_version latency time_to_first_token \
             tags release trace_name tool_definitions tool_calls tool_call_names input output \
             input_price output_price total_price event_ts"
        );
        assert_eq!(
            names("observations", &[]).join(" "),
            "id trace_id project_id environment type parent_observation_id start_time end_time name metadata level \
             status_message version input output provided_model_name model_parameters usage_details cost_details \
             completion_start_time prompt_name prompt_version total_cost latency time_to_first_token model_id \
             created_at updated_at prompt_id tool_calls tool_call_names tool_definitions usage_pricing_tier_name \
             input_price output_price total_price event_ts"
        );
        assert_eq!(
            names("traces", &[]).join(" "),
            "id timestamp name environment project_id metadata user_id session_id release version public bookmarked \
             tags input output created_at updated_at event_ts"
        );
        assert_eq!(
            names("scores", &[]).join(" "),
            "id timestamp project_id environment trace_id observation_id session_id dataset_run_id name value source \
             comment data_type string_value created_at updated_at event_ts"
        );
    }

    #[test]
    fn core_is_always_there_and_the_order_of_groups_changes_nothing() {
        let io = names("events", &["io"]);
        assert_eq!(
            io.join(" "),
            "id trace_id start_time end_time project_id parent_observation_id type input output event_ts"
        );
        assert_eq!(names("events", &["model", "io"]), names("events", &["io", "model"]));
        assert!(!find("events").unwrap().columns(&[], false).contains(&EVENT_TS.to_owned()));
    }

    #[test]
    fn every_expression_reads_what_exists() {
        for scheduled in all() {
            for table in [Some(&scheduled.table), scheduled.with_deletions.as_ref()].into_iter().flatten() {
                for column in &table.columns {
                    column.expr.for_each_column(&mut |name| {
                        assert!(table.relation_column(name).is_some(), "{}.{} reads {name}", table.name, column.name);
                    });
                }
            }
        }
    }

    #[test]
    fn names_of_folders_are_langfuses() {
        let folders: Vec<&str> = all().iter().map(|known| known.table.name.as_str()).collect();
        assert_eq!(folders, ["observations_v2", "observations", "scores", "traces"]);
        assert!(find("events").is_ok() && find("observations_v2").is_ok());
        let problem = find("trace").err().unwrap();
        assert_eq!(problem.hint.as_deref(), Some("did you mean traces?"));
    }

    #[test]
    fn traces_cannot_be_deleted_by_themselves() {
        let with: Vec<bool> = all().iter().map(|known| known.with_deletions.is_some()).collect();
        assert_eq!(with, [true, true, true, false]);
        assert!(matches!(find("traces").unwrap().table.relation, Relation::Grouped(_)));
    }
}
