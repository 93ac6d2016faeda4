//! `outgest exports` and `outgest integrations`: what a server does, through its API.
//!
//! [`server`] sends requests and turns what the server says into faults; [`export`] is what is read of its
//! answers; the commands are in [`command`], [`watch`] and [`download`], those of
//! integrations in [`integrations`].

pub mod command;
pub mod integrations;

mod ask;
mod download;
mod export;
mod server;
mod watch;
