//! `outgest exports`: the same exports on a server, through its API.
//!
//! [`server`] sends requests and turns what the server says into faults; [`export`] is what is read of its
//! answers; the commands are in [`command`], [`watch`] and [`download`].

pub mod command;

mod ask;
mod download;
mod export;
mod server;
mod watch;
