//! Kinds of destinations as they describe themselves.

use model::KindDescriptor;
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
}

impl From<&KindDescriptor> for IntegrationKind {
    fn from(kind: &KindDescriptor) -> Self {
        Self {
            name: kind.name.to_owned(),
            title: kind.title.to_owned(),
            doc: kind.doc.to_owned(),
            options: kind.options.clone(),
            secrets: kind.secrets.iter().map(|name| (*name).to_owned()).collect(),
        }
    }
}
