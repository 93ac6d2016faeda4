//! Kinds of destinations as they describe themselves.

use model::Takes;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A kind of destination that integrations can have.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IntegrationKind {
    /// Stable name.
    #[schema(example = "s3")]
    name: String,
    /// Name for people.
    title: String,
    /// One paragraph for people.
    doc: String,
    /// JSON schema of its options, secrets among them.
    #[schema(value_type = Object)]
    options: Value,
    /// Options that are secrets: they are sent under `secrets` and never shown.
    secrets: Vec<String>,
    /// What it takes. What files look like is asked for and shown of kinds that take files alone.
    takes: KindTakes,
    /// Tables that can go there.
    tables: Vec<String>,
}

/// What a kind of destination takes.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum KindTakes {
    /// Files, with a format, a compression and names.
    Files,
    /// Events, whose properties are given.
    Events,
}

impl From<&model::IntegrationKind> for IntegrationKind {
    fn from(known: &model::IntegrationKind) -> Self {
        let kind = &known.descriptor;
        Self {
            takes: match known.takes {
                Takes::Files => KindTakes::Files,
                Takes::Events => KindTakes::Events,
            },
            tables: known.tables.iter().map(|name| (*name).to_owned()).collect(),
            name: kind.name.to_owned(),
            title: kind.title.to_owned(),
            doc: kind.doc.to_owned(),
            options: kind.options.clone(),
            secrets: kind.secrets.iter().map(|name| (*name).to_owned()).collect(),
        }
    }
}
