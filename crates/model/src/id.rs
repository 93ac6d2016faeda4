//! Identifiers as types, so that no plain string ever names two different things.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// Wraps an id as it was written.
            pub fn new(id: impl Into<Box<str>>) -> Self {
                Self(id.into())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// The project whose rows are read. Rows of other projects are never visible to a request.
    ProjectId
}

id! {
    /// One execution of an export, over all its attempts.
    ///
    /// For a command-line export it is derived from the request and the output, so that the same
    /// command finds its own checkpoint again; a job carries a random one.
    RunId
}

id! {
    /// A piece of work in the queue. Its attempts share the id, and so does the export it carries out.
    JobId
}

id! {
    /// An export that happens by itself, window after window.
    IntegrationId
}

id! {
    /// A stretch of the past that an integration exports.
    BackfillId
}

id! {
    /// A mail or a request about something that ended.
    NoticeId
}

id! {
    /// Somebody who signs in.
    UserId
}

id! {
    /// A project's key for programs; not the key itself.
    ApiKeyId
}
