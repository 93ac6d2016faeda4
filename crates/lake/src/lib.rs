//! The embedded event store: a directory of immutable Parquet files under a commit log in Delta's protocol.
//!
//! A [`Lake`] holds one Delta table per stored table. Rows are appended as versions and never changed;
//! the newest version of a row is the row ([`DeadRows`] says which stored rows are not). Every reader
//! works on a [`TableSnapshot`], which later commits do not touch.
//!
//! This crate knows no export, no format and no destination, and asks nobody for the time.

mod lake;
mod file;
mod order;
pub mod physical;
mod log;
mod keys;
mod append;
mod maintain;
mod expr;
mod read;
mod scores;
mod grouped;
mod cells;
mod disk;
mod parquet_file;
#[cfg(test)]
mod fixture;

pub use append::{AppendOptions, Appender, Commit};
pub use file::{DataFile, Sequence, Span, TableSnapshot};
pub use keys::DeadRows;
pub use lake::Lake;
pub use maintain::{Compacted, Expired, ProjectInfo, StoreInfo, TableInfo};
pub use order::RowOrder;
