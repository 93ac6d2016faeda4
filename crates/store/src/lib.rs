//! The metadata store: everything Outgest remembers that is not an event.
//!
//! `native` is our own schema, on SQLite in the data directory or on Postgres. It implements the ports
//! of `model` ([`model::JobStore`], [`model::ExportStore`], [`model::PeopleStore`],
//! [`model::CommentLookup`], [`model::RunLog`] and others); nobody else writes SQL. It knows nothing of
//! Arrow data, plug-ins or HTTP.

mod native;

pub use native::{
    HeldRun, NativeStore, NewComment, NewPrices, PasswordCost, Place, RunHold, RunHolder, RunRecord, RunState,
    SealingKey, SealingKeys, StoreLog, StoreOptions, UnfinishedRun,
};
