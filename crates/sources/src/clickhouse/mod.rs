//! ClickHouse as a source: the tables of a Langfuse deployment, read over HTTP.

pub(crate) mod query;
