//! The commit log of one table, in Delta's protocol: `_delta_log/<20 digits>.json`, one action a line.
//!
//! Checkpoints, beside the commits, save reading all of them. A [`Log`] replays it into the set of files of a version and appends commits to it. It knows names
//! and statistics of data files but never opens one.

mod action;
mod checkpoint;
mod commit;
mod replay;
mod schema;

pub(crate) use action::{Change, Line, add, remove};
pub(crate) use commit::CommitInfo;
pub(crate) use replay::{Log, State, replaced_by};

#[cfg(test)]
mod tests;
