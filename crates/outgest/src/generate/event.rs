//! One generated event and the trace it belongs to, as plain values, and their way into a batch.

use model::Micros;

use crate::rows::{Cell, JsonText, Rows, Values};

/// What all events of a trace share.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) id: String,
    pub(super) name: &'static str,
    pub(super) user: String,
    pub(super) session: String,
    pub(super) tags: Vec<&'static str>,
    pub(super) environment: &'static str,
    pub(super) version: &'static str,
    pub(super) release: String,
    pub(super) service: &'static str,
    pub(super) public: bool,
}

/// One version of an event.
#[derive(Clone, Debug, Default)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) parent: String,
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) start: Micros,
    pub(super) end: Option<Micros>,
    pub(super) first_token: Option<Micros>,
    pub(super) level: &'static str,
    pub(super) status: String,
    pub(super) bookmarked: bool,
    pub(super) prompt: Option<(&'static str, i64)>,
    pub(super) model: Option<&'static Model>,
    pub(super) parameters: String,
    pub(super) usage: Vec<(&'static str, u64)>,
    pub(super) cost: Vec<(&'static str, i128)>,
    pub(super) tools: Vec<(&'static str, String)>,
    pub(super) calls: Vec<(&'static str, String)>,
    pub(super) input: String,
    pub(super) output: String,
    pub(super) metadata: Vec<(&'static str, String)>,
    pub(super) created: Micros,
    pub(super) updated: Micros,
    pub(super) event_ts: Micros,
    pub(super) deleted: bool,
}

/// A model that nobody sells, with prices in units of 10^-12 per token.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) provider: &'static str,
    pub(super) input_price: i128,
    pub(super) output_price: i128,
}

impl Event {
    /// Bytes of the row's texts, which is what `event_bytes` means.
    fn bytes(&self) -> u64 {
        let metadata: usize = self.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        (self.input.len() + self.output.len() + metadata + 500) as u64
    }

    /// Appends the event to a batch of stored events.
    pub(super) fn store(&self, project: &str, trace: &Trace, rows: &mut Rows) {
        let mut row = Row { rows };
        row.text("project_id", project);
        row.text("trace_id", &trace.id);
        row.text("span_id", &self.id);
        row.text("parent_span_id", &self.parent);
        row.set("start_time", Cell::Time(self.start));
        row.time("end_time", self.end);
        row.text("name", &self.name);
        row.text("type", self.kind);
        row.text("environment", trace.environment);
        row.text("version", trace.version);
        row.text("release", &trace.release);
        row.text("trace_name", trace.name);
        row.text("user_id", &trace.user);
        row.text("session_id", &trace.session);
        row.texts("tags", trace.tags.iter().copied());
        row.text("level", self.level);
        row.text("status_message", &self.status);
        row.time("completion_start_time", self.first_token);
        row.set("is_app_root", Cell::Bool(self.parent.is_empty()));
        row.set("bookmarked", Cell::Bool(self.bookmarked));
        row.set("public", Cell::Bool(trace.public));
        if let Some((prompt, version)) = self.prompt {
            row.text("prompt_id", &format!("prompt-{prompt}-{version}"));
            row.text("prompt_name", prompt);
            row.set("prompt_version", Cell::Int(version));
        }
        if let Some(model) = self.model {
            row.text("model_id", model.id);
            row.text("provided_model_name", model.name);
            row.text("usage_pricing_tier_id", "tier-standard");
            row.text("usage_pricing_tier_name", "Standard");
        }
        row.text("model_parameters", &self.parameters);
        for column in ["provided_usage_details", "usage_details"] {
            row.map(column, self.usage.iter().map(|(key, tokens)| (*key, Cell::UInt(*tokens))));
        }
        for column in ["provided_cost_details", "cost_details"] {
            row.map(column, self.cost.iter().map(|(key, units)| (*key, Cell::Decimal { units: *units, scale: 12 })));
        }
        row.map("tool_definitions", self.tools.iter().map(|(name, definition)| (*name, Cell::Text(definition))));
        row.texts("tool_calls", self.calls.iter().map(|(_, call)| call.as_str()));
        row.texts("tool_call_names", self.calls.iter().map(|(name, _)| *name));
        row.text("input", &self.input);
        row.text("output", &self.output);
        row.texts("metadata_names", self.metadata.iter().map(|(name, _)| *name));
        row.texts("metadata_values", self.metadata.iter().map(|(_, value)| value.as_str()));
        row.text("source", "otel");
        row.text("service_name", trace.service);
        row.text("service_version", trace.version);
        row.text("scope_name", "outgest.generate");
        row.text("telemetry_sdk_language", "python");
        row.text("telemetry_sdk_name", "opentelemetry");
        row.set("event_bytes", Cell::UInt(self.bytes()));
        row.set("created_at", Cell::Time(self.created));
        row.set("updated_at", Cell::Time(self.updated));
        row.set("event_ts", Cell::Time(self.event_ts));
        row.set("is_deleted", Cell::Bool(self.deleted));
        rows.close(self.updated);
    }
}

/// Cells of the row under way, by column name.
pub(super) struct Row<'a> {
    pub(super) rows: &'a mut Rows,
}

impl Row<'_> {
    pub(super) fn set(&mut self, column: &str, cell: Cell<'_>) {
        let place = self.place(column);
        self.rows.set(place, cell, JsonText::Refused).expect("generated values fit their columns");
    }

    pub(super) fn text(&mut self, column: &str, text: &str) {
        self.set(column, Cell::Text(text));
    }

    fn time(&mut self, column: &str, time: Option<Micros>) {
        self.set(column, time.map_or(Cell::Null, Cell::Time));
    }

    fn texts<'t>(&mut self, column: &str, texts: impl Iterator<Item = &'t str>) {
        self.fill(column, |values| {
            let Values::List { items, .. } = values else { panic!("{column} is a list") };
            for text in texts {
                items.push(Cell::Text(text), JsonText::Refused).expect("text fits a list of text");
            }
        });
    }

    pub(super) fn map<'c>(&mut self, column: &str, entries: impl Iterator<Item = (&'c str, Cell<'c>)>) {
        self.fill(column, |values| {
            let Values::Map { keys, values, .. } = values else { panic!("{column} is a map") };
            for (key, cell) in entries {
                keys.push(key);
                values.push(cell, JsonText::Refused).expect("generated values fit their maps");
            }
        });
    }

    fn fill(&mut self, column: &str, push: impl FnOnce(&mut Values)) {
        let place = self.place(column);
        let filled = self.rows.fill(place, |values| {
            push(values);
            values.close();
            Ok(crate::rows::Filled::Value)
        });
        filled.expect("it never fails");
    }

    fn place(&self, column: &str) -> usize {
        self.rows.place(column).unwrap_or_else(|| panic!("{} has a column {column}", self.rows.table().name))
    }
}
