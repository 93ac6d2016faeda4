//! The command line, black box.

mod bad_input;
mod config;
mod data;
mod huge_rows;
mod lookups;
