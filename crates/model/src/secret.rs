//! Text that must never be printed, and where it is kept sealed.

use std::borrow::Cow;
use std::fmt;

use async_trait::async_trait;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::Fault;

/// A password, key or token. `Debug` does not show it and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret in.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one who has to send or compare it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// `text` with every occurrence of the secret replaced, for messages of receivers that repeat what
    /// they were sent.
    pub fn redact<'a>(&self, text: impl Into<Cow<'a, str>>) -> Cow<'a, str> {
        let text = text.into();
        if self.0.is_empty() || !text.contains(&self.0) { text } else { Cow::Owned(text.replace(&self.0, "***")) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Secret")
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "password", "writeOnly": true })
    }
}

/// Names a stored secret. It is sealed to this name: a secret copied to another row does not open.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretName {
    /// Kind of the object it belongs to: `integration`.
    pub of: &'static str,
    /// Id of that object.
    pub id: String,
    /// Field of that object: `secret_access_key`.
    pub field: String,
}

/// Secrets at rest (promise 18): written by the API, opened when a job is claimed, never listed.
#[async_trait]
pub trait SecretStore: Send + Sync {
    /// Stores or replaces a secret.
    async fn put_secret(&self, name: &SecretName, secret: &Secret) -> Result<(), Fault>;

    /// Opens a secret; `None` where there is none.
    async fn secret(&self, name: &SecretName) -> Result<Option<Secret>, Fault>;

    /// Names of the fields that have a secret, sorted.
    async fn secret_fields(&self, of: &'static str, id: &str) -> Result<Vec<String>, Fault>;

    /// Forgets every secret of an object.
    async fn forget_secrets(&self, of: &'static str, id: &str) -> Result<(), Fault>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(secret.redact("key hunter2 is wrong"), "key *** is wrong");
    }
}
