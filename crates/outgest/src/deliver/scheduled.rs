//! Raw → valid for what an integration delivers of one table: its events, those that pass its filters, and
//! what is hidden of them.

use enrich::{Mask, resolve_comments};
use model::filter::{WireFilter, compile, parse_wheres};
use model::{
    CommentLookup, CommentScope, Expr, Fault, FieldProblem, IntegrationSettings, IntegrationTable, Micros, ProjectId,
    TableSpec, Window, event_column, nearest,
};
use tables::analytics::{EVENT_TABLES, EventFacts, EventTable, event_table};

use super::looks::Looks;
use super::spec::Delivery;

/// The delivery of one table in one window, and the table.
pub struct Scheduled {
    /// What it has in common with those of other tables.
    pub delivery: Delivery,
    /// The table, with the filters of the integration; comment tests are still in them.
    pub of: EventTable,
}

impl Scheduled {
    /// Reads and checks what is delivered of a table. Every problem is reported at once.
    pub fn new(
        project: &ProjectId,
        settings: &IntegrationSettings,
        table: &IntegrationTable,
        (window, base_url): (Window, Option<&str>),
    ) -> Result<Self, Fault> {
        let mut problems = Vec::new();
        let looks = Looks::take(&mut settings.options.clone()).unwrap_or_else(|found| {
            problems.extend(found);
            Looks::default()
        });
        let facts = EventFacts { project: project.clone(), project_name: looks.project_name, dialect: looks.dialect };
        let Some(mut of) = event_table(&table.table, &facts) else {
            problems.push(unknown_table("table", &table.table));
            return Err(Fault::of_problems(problems));
        };
        for (field, is_given) in [("groups", !table.groups.is_empty()), ("columns", !table.columns.is_empty())] {
            if is_given {
                let problem = FieldProblem::new(field, "the properties of events are given");
                problems.push(problem.hint("leave it out; masks hide properties"));
            }
        }
        match filter(table, &of.table) {
            Ok(filter) => of.keep = both(of.keep, filter),
            Err(found) => problems.extend(found),
        }
        let mask = mask(table, &of.table).unwrap_or_else(|found| {
            problems.extend(found);
            None
        });
        if !problems.is_empty() {
            return Err(Fault::of_problems(problems));
        }
        let delivery = Delivery {
            facts,
            window,
            cursor: settings.cursor,
            base_url: looks.base_url.or_else(|| base_url.map(str::to_owned)),
            historical: false,
            mask,
        };
        Ok(Self { delivery, of })
    }

    /// Leaves nothing but rows for which this holds as well.
    pub fn only(mut self, rows: Expr) -> Self {
        self.of.keep = both(self.of.keep, Some(rows));
        self
    }

    /// Replaces comment tests by the ids that pass them as of then.
    pub async fn resolved(mut self, comments: &dyn CommentLookup, as_of: Micros) -> Result<Self, Fault> {
        // Of tables that nobody comments on, filters stay as they are.
        let Some(kind) = self.of.table.comments else { return Ok(self) };
        if let Some(filter) = self.of.keep.take() {
            let scope = CommentScope { project: self.delivery.facts.project.clone(), kind, as_of };
            let id = self.of.table.order.id;
            self.of.keep = Some(resolve_comments(filter, &scope, comments, id).await?);
        }
        Ok(self)
    }
}

/// What is said of a table whose rows do not become events.
pub fn unknown_table(field: &str, name: &str) -> FieldProblem {
    let hint = match nearest(name, EVENT_TABLES) {
        Some(close) => format!("did you mean {close}?"),
        None => format!("tables: {}", EVENT_TABLES.join(", ")),
    };
    FieldProblem::new(field, format!("rows of {name:?} do not become events")).hint(hint)
}

fn filter(table: &IntegrationTable, spec: &TableSpec) -> Result<Option<Expr>, Vec<FieldProblem>> {
    let mut problems = Vec::new();
    let mut filters = Vec::new();
    if !table.filter.is_null() {
        match WireFilter::from_json(&table.filter, "filter") {
            Ok(more) => filters.extend(more),
            Err(found) => problems.extend(found),
        }
    }
    filters.extend(parse_wheres(spec, &table.wheres, &mut problems));
    if problems.is_empty() { compile(spec, &filters) } else { Err(problems) }
}

/// What is hidden; what makes an event's identity cannot be.
fn mask(table: &IntegrationTable, spec: &TableSpec) -> Result<Option<Mask>, Vec<FieldProblem>> {
    let Some(mask) = Mask::parse(&table.masks, spec)? else { return Ok(None) };
    let kept = [event_column::ID, event_column::TIMESTAMP];
    let problem = |column| {
        FieldProblem::new("masks", format!("{column} is a part of what receivers know an event by"))
            .hint("leave it as it is; events would become one another")
    };
    let problems: Vec<FieldProblem> = mask.columns().filter(|column| kept.contains(column)).map(problem).collect();
    if problems.is_empty() { Ok(Some(mask)) } else { Err(problems) }
}

fn both(one: Option<Expr>, other: Option<Expr>) -> Option<Expr> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.and(other)),
        (one, other) => one.or(other),
    }
}
