//! `kill -9` at random moments: after `--resume` the same bytes, and nothing half-written ever visible; of imports
//! and compactions, a store that is whole.

mod kill;
mod place;
mod store;
