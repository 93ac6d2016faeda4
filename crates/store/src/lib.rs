//! The metadata store: everything Outgest remembers that is not an event.
//!
//! `native` is our own schema, on SQLite in the data directory. It implements the ports of `model`
//! ([`model::CommentLookup`], [`model::RunLog`]); nobody else writes SQL. It knows nothing of Arrow
//! data, plug-ins or HTTP.

mod native;

pub use native::{NativeStore, NewComment, RunRecord, RunState, StoreLog, UnfinishedRun};
