//! The one integration binary: the real program on real stores and servers.

#![allow(clippy::unwrap_used, reason = "everything here is a test, functions beside the tests included")]

mod cli;
mod clickhouse;
mod crash;
mod deliver;
mod destinations;
mod parity;
mod readers;
mod sealed;
mod servers;
mod service;
mod support;
mod verify;
