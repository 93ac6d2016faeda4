//! The embedded event store: a directory of immutable Parquet files under a commit log in Delta's protocol.
//!
//! A [`Lake`] holds one Delta table per stored table. Rows are appended as versions and never changed;
//! the newest version of a row is the row ([`DeadRows`] says which stored rows are not). Every reader
//! works on a [`TableSnapshot`], which later commits do not touch, and announces itself, so that maintenance
//! keeps its files.
//!
//! This crate knows no export, no format and no destination, and asks nobody for the time.

mod append;
mod cells;
mod checksum;
mod disk;
mod expr;
mod file;
#[cfg(test)]
mod fixture;
mod grouped;
mod keys;
mod lake;
mod log;
mod maintain;
mod order;
mod parquet_file;
pub mod physical;
mod read;
mod readers;
mod scores;

pub use append::{AppendOptions, Appender, Commit};
pub use checksum::Checksum;
pub use file::{DataFile, Sequence, Span, TableSnapshot};
pub use keys::DeadRows;
pub use lake::Lake;
pub use maintain::{Checked, Compacted, Expired, ProjectInfo, StoreInfo, TableInfo};
pub use order::RowOrder;
pub use read::sizes;
pub use scores::ScoreBlock;
