//! The command line, black box.

mod bad_files;
mod bad_input;
mod config;
mod data;
mod huge_rows;
mod leftovers;
mod lookups;
mod places;
mod printing;
