//! The command line, black box.

mod bad_input;
mod config;
mod huge_rows;
