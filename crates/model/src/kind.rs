//! How a plug-in introduces itself: the only thing the CLI, the API and the UI ever see of it.

use std::collections::BTreeMap;

use serde::Serialize;

/// Name, doc and options of a kind of source or destination.
#[derive(Clone, Debug, Serialize)]
pub struct KindDescriptor {
    /// Stable name: `s3`.
    pub name: &'static str,
    /// Name for people: `Amazon S3 and compatible`.
    pub title: &'static str,
    /// One paragraph for people.
    pub doc: &'static str,
    /// URL schemes that select it, without `://`.
    pub schemes: &'static [&'static str],
    /// JSON schema of its options.
    pub options: serde_json::Value,
    /// Options that are secrets.
    pub secrets: &'static [&'static str],
}

/// A kind of destination that integrations can have.
#[derive(Clone, Debug)]
pub struct IntegrationKind {
    /// How it introduces itself.
    pub descriptor: KindDescriptor,
    /// What it takes.
    pub takes: Takes,
    /// Tables that can go there, in the order in which they are offered.
    pub tables: Vec<&'static str>,
}

/// What a kind of destination takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Files, with a format, a compression and names.
    Files,
    /// Events, whose properties are given.
    Events,
}

/// Options as the user wrote them: from a URL's query, flags, a file or a form.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RawOptions(pub BTreeMap<String, String>);

impl std::fmt::Debug for RawOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values may be secrets.
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A destination and the name of the file or prefix that the user's URL points to below it.
pub struct Connected<D: ?Sized> {
    /// What was connected.
    pub to: std::sync::Arc<D>,
    /// Path below its root, as in the URL; empty where the URL names the root.
    pub path: String,
}
