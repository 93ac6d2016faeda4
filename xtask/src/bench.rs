//! `bench`: programs that measure; medians of paired runs, never a pass or fail in CI.

mod clickhouse;
mod deliver;
mod engine;
mod server;
mod service;
mod sink;
mod ui;

use std::fs;

use anyhow::{Context, Result, bail};

/// Runs one benchmark by name.
pub fn run(words: &[&str]) -> Result<()> {
    match words {
        ["clickhouse", rest @ ..] => clickhouse::run(rest),
        ["deliver", rest @ ..] => deliver::run(rest),
        ["engine", rest @ ..] => engine::run(rest),
        ["service", rest @ ..] => service::run(rest),
        ["ui", rest @ ..] => ui::run(rest),
        _ => bail!("unknown benchmark {words:?}; there are: clickhouse, deliver, engine, service, ui"),
    }
}

/// How busy the machine is, since figures mean little on a busy one.
fn load() -> Result<String> {
    Ok(fs::read_to_string("/proc/loadavg").context("cannot read the load average")?.trim().to_owned())
}
