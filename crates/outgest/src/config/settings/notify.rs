//! Settings of what is sent to people and programs outside.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::value::{AllowedNetwork, Place, SecretText};

/// Mail about exports that ended. Nothing is sent unless `url` and `from` are set.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SmtpSettings {
    /// Mail server: `smtps://` (TLS from the start), `smtp://…?tls=required` (STARTTLS) or `smtp://` (plain).
    #[schemars(example = "smtps://outgest:secret@mail.example.com", extend("unset" = "no mail"))]
    pub url: Option<Place>,
    /// Sender.
    #[schemars(example = "Outgest <exports@example.com>", extend("unset" = "no mail"))]
    pub from: Option<String>,
}

/// A request about every export that ended. Nothing is sent unless `url` and `secret` are set.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookSettings {
    /// Where the request goes.
    #[schemars(example = "https://hooks.example.com/exports", extend("unset" = "no webhook"))]
    pub url: Option<Place>,
    /// What requests are signed with.
    #[schemars(extend("unset" = "no webhook"))]
    pub secret: Option<SecretText>,
}

/// Connections to hosts that users name: webhooks, and destinations made through the API.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EgressSettings {
    /// Private, loopback and link-local networks that may be connected to all the same.
    #[schemars(example = ["10.20.0.0/16"])]
    pub allow: Vec<AllowedNetwork>,
}
