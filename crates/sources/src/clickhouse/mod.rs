//! ClickHouse as a source: the tables of a Langfuse deployment, read over HTTP.

#[allow(dead_code, reason = "used as soon as readings are")]
pub(crate) mod client;
pub(crate) mod query;

#[allow(dead_code, reason = "used as soon as readings are")]
mod options;

#[cfg(test)]
pub(crate) mod engine;

pub use options::{ClickHouseOptions, CommentsFrom, descriptor};
