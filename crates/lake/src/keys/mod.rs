//! Which stored rows are live.

mod dead;

pub use dead::DeadRows;
