//! Settings of commands that talk to a server.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::value::{Place, SecretText};

/// The server that `outgest exports` and `outgest integrations` talk to.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClientSettings {
    /// Its address.
    #[schemars(example = "https://exports.example.com", extend("flag" = "--server", "unset" = "none"))]
    pub server: Option<Place>,
    /// Secret half of a project's key.
    #[schemars(extend("flag" = "--key", "unset" = "none"))]
    pub key: Option<SecretText>,
    /// Project whose exports are meant.
    #[schemars(example = &"shop", extend("flag" = "--project", "unset" = "none"))]
    pub project: Option<String>,
}
