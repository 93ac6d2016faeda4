//! Properties that events of several tables have, in either dialect.

use model::{ColumnSpec, ColumnType, Dialect, Expr, TimestampStyle, event_column};

use super::EventFacts;
use crate::build::{col, column, integer, map_get, metadata_value, millis_between, null_if_empty, nullable, seconds};

/// Version of the shape of events, as Langfuse counts it.
const EVENT_VERSION: &str = "1.0.0";

const GROUP: &str = "event";

/// Makes properties.
pub(super) struct Properties<'a> {
    facts: &'a EventFacts,
}

impl<'a> Properties<'a> {
    pub(super) fn new(facts: &'a EventFacts) -> Self {
        Self { facts }
    }

    pub(super) fn is_langfuse(&self) -> bool {
        self.facts.dialect == Dialect::Langfuse
    }

    /// A property that is never null.
    pub(super) fn always(&self, name: &str, kind: ColumnType, expr: Expr) -> ColumnSpec {
        column(GROUP, name, kind, expr)
    }

    /// A property that is null where nothing is known.
    pub(super) fn known(&self, name: &str, kind: ColumnType, expr: Expr) -> ColumnSpec {
        nullable(column(GROUP, name, kind, expr))
    }

    /// A text that is null where it is empty.
    pub(super) fn known_text(&self, name: &str, text: Expr) -> ColumnSpec {
        self.known(name, ColumnType::Text, null_if_empty(text))
    }

    /// A stored text, which Langfuse sends even where it is empty.
    pub(super) fn text(&self, name: &str, stored: &str) -> ColumnSpec {
        match self.is_langfuse() {
            true => self.always(name, ColumnType::Text, col(stored)),
            false => self.known_text(name, col(stored)),
        }
    }

    /// The same of a text that may be null.
    pub(super) fn text_or_empty(&self, name: &str, text: Expr) -> ColumnSpec {
        match self.is_langfuse() {
            true => self.always(name, ColumnType::Text, Expr::Coalesce(vec![text, Expr::text("")])),
            false => self.known_text(name, text),
        }
    }

    /// When it happened, as Langfuse prints it: with milliseconds unless it is an observation.
    pub(super) fn timestamp(&self, stored: &str, style: TimestampStyle) -> ColumnSpec {
        let timestamp = self.always(event_column::TIMESTAMP, ColumnType::Timestamp, col(stored));
        ColumnSpec { timestamps: style, ..timestamp }
    }

    /// A count of tokens, which Langfuse takes for zero where it is not stored.
    pub(super) fn tokens(&self, name: &str, key: &str) -> ColumnSpec {
        let stored = map_get("usage_details", key);
        match self.is_langfuse() {
            true => self.always(name, ColumnType::UInt64, Expr::Coalesce(vec![stored, integer(0)])),
            false => self.known(name, ColumnType::UInt64, stored),
        }
    }

    /// Seconds from one stored timestamp to another.
    pub(super) fn seconds_between(&self, name: &str, from: &str, to: &str) -> ColumnSpec {
        self.known(name, ColumnType::Float64, seconds(millis_between(col(from), col(to))))
    }

    /// Milliseconds from the start of an event to the first token of its answer.
    pub(super) fn time_to_first_token(&self) -> ColumnSpec {
        let millis = millis_between(col("start_time"), col("completion_start_time"));
        self.known("langfuse_time_to_first_token", ColumnType::Int64, millis)
    }

    /// The project's id and, in Langfuse's dialect, its name. A name can change; an event that is sent
    /// again must not.
    pub(super) fn project(&self) -> Vec<ColumnSpec> {
        let id = Expr::text(self.facts.project.as_str());
        let mut columns = vec![self.always("langfuse_project_id", ColumnType::Text, id)];
        if let (true, Some(name)) = (self.is_langfuse(), &self.facts.project_name) {
            columns.push(self.always("langfuse_project_name", ColumnType::Text, Expr::text(name.as_str())));
        }
        columns
    }

    pub(super) fn user(&self, stored: &str) -> ColumnSpec {
        self.known_text(event_column::USER, col(stored))
    }

    pub(super) fn tags(&self, stored: &str) -> ColumnSpec {
        self.known("langfuse_tags", ColumnType::text_list(), col(stored))
    }

    pub(super) fn environment(&self) -> ColumnSpec {
        self.always("langfuse_environment", ColumnType::Text, col("environment"))
    }

    pub(super) fn event_version(&self) -> ColumnSpec {
        self.always("langfuse_event_version", ColumnType::Text, Expr::text(EVENT_VERSION))
    }

    /// The sessions that the metadata of the row names for the receivers.
    pub(super) fn sessions(&self) -> [ColumnSpec; 2] {
        let of = |key| self.text_or_empty(event_column_of(key), metadata_value(key));
        [of(POSTHOG_SESSION), of(MIXPANEL_SESSION)]
    }
}

/// Metadata key of a PostHog session.
pub(super) const POSTHOG_SESSION: &str = "$posthog_session_id";
/// Metadata key of a Mixpanel session.
pub(super) const MIXPANEL_SESSION: &str = "$mixpanel_session_id";

/// The column of a metadata key.
pub(super) fn event_column_of(key: &str) -> &'static str {
    if key == POSTHOG_SESSION { event_column::POSTHOG_SESSION } else { event_column::MIXPANEL_SESSION }
}
