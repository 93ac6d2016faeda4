//! `kill -9` at random moments: after `--resume` the same bytes, and nothing half-written ever visible.

mod kill;
mod place;
