//! The command line, black box.

mod agent_traces;
mod bad_files;
mod bad_input;
mod config;
mod connect;
mod data;
mod export;
mod huge_rows;
mod leftovers;
mod lookups;
mod observe;
mod places;
mod printing;
