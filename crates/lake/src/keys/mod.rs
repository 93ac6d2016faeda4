//! Which stored rows are live: sorted keys beside every data file, merged.
//!
//! Everything in the `_keys` folder can be deleted; it is made again from the data files.

pub(crate) mod cache;
mod dead;
mod hash;
mod merge;
mod rebuild;
mod rows;
mod sidecar;

pub use dead::DeadRows;
pub(crate) use dead::dead_rows;
pub(crate) use hash::KeyColumns;
pub(crate) use merge::Version;
pub(crate) use rows::{by_sequence, each_row};
pub(crate) use sidecar::{Entry, ROWS_MAX, encode};

use std::path::{Path, PathBuf};

/// Where the keys of a table's files and what was made of them lie.
pub(crate) fn directory(table_directory: &Path) -> PathBuf {
    table_directory.join("_keys")
}

/// Where the keys of a data file lie.
pub(crate) fn path_of(table_directory: &Path, data_file: &str) -> PathBuf {
    directory(table_directory).join(format!("{data_file}.keys"))
}

#[cfg(test)]
mod tests;
