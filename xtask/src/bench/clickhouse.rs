//! `bench clickhouse`: a real ClickHouse to files, beside the engine writing the same columns itself.
//!
//! Both read the same tables of the same server on this machine and alternate in one run; medians are
//! printed. Ours has score columns, comments and the total order; theirs has neither: once with the newest
//! version per row, as exports of today ask for it, and once as a plain scan.

mod engine;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use self::engine::Engine;
use super::load;
use crate::command::{cargo, output, run as run_command, target};
use crate::servers;

/// Rounds of each comparison; odd, so that the median is a measurement.
const ROUNDS: usize = 3;
/// Sizes that are measured where no other are asked for.
const SIZES: &[u64] = &[100_000];
/// Our formats, and the engine's names for them.
const FORMATS: &[(&str, &str)] = &[("csv", "CSVWithNames"), ("jsonl", "JSONEachRow"), ("parquet", "Parquet")];

/// The columns of an export that names none, in the engine's words; scores and comments are not among them.
const COLUMNS: &str = "span_id, trace_id, trace_name, type, name, start_time, end_time, completion_start_time, \
    environment, version, user_id, session_id, level, status_message, prompt_name, prompt_id, prompt_version, model_id, \
    provided_model_name, model_parameters, usage_details, cost_details, total_cost, input, output, \
    CAST((metadata_names, metadata_values), 'Map(String, String)') AS metadata, \
    dateDiff('millisecond', start_time, end_time) AS latency, \
    dateDiff('millisecond', start_time, completion_start_time) AS first_token, tags, release, parent_span_id";

/// What one measurement found.
#[derive(Clone, Copy)]
struct Figures {
    seconds: f64,
    rows: f64,
    bytes: f64,
    /// Of our process; nothing where the engine writes by itself.
    our_cpu: f64,
    our_peak: f64,
    server_cpu: f64,
    server_peak: f64,
}

/// `[--events N,…] [--binary FILE]`: sizes to measure [100,000], and a release binary that was built already.
pub fn run(words: &[&str]) -> Result<()> {
    let (mut sizes, mut binary) = (SIZES.to_vec(), None);
    let mut rest = words;
    while let [option, value, more @ ..] = rest {
        match *option {
            "--events" => sizes = value.split(',').map(str::parse).collect::<Result<_, _>>().context("--events N,N")?,
            "--binary" => binary = Some(fs::canonicalize(value)?),
            _ => break,
        }
        rest = more;
    }
    if !rest.is_empty() {
        bail!("usage: cargo xtask bench clickhouse [--events N,N] [--binary FILE]");
    }
    let outgest = match binary {
        Some(binary) => binary,
        None => {
            run_command(cargo().args(["build", "--release", "--locked", "--package", "outgest"]))?;
            target().join("release/outgest")
        }
    };
    let python = servers::python()?;
    let folder = target().join("bench/clickhouse");
    fs::create_dir_all(&folder)?;
    for events in sizes {
        let engine = Engine::with_events(&python, &outgest, &folder, events)?;
        measure(&Bench { outgest: &outgest, folder: &folder, engine: &engine }, events)?;
    }
    Ok(())
}

/// What is measured, and where.
struct Bench<'a> {
    outgest: &'a Path,
    folder: &'a Path,
    engine: &'a Engine,
}

fn measure(bench: &Bench<'_>, events: u64) -> Result<()> {
    let cores = std::thread::available_parallelism()?.get();
    println!("{events} events, {cores} cores, load {}", load()?);
    println!(
        "{:<32}{:>9}{:>11}{:>8}{:>11}{:>12}{:>13}{:>12}{:>13}",
        "", "seconds", "rows/s", "MB/s", "our cpu s", "our peak", "rows/our cpu", "server cpu", "server peak"
    );
    for (ours, theirs) in FORMATS {
        let (mut our, mut newest, mut scan) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            our.push(bench.export(ours, &[])?);
            newest.push(bench.write(theirs, "ORDER BY event_ts DESC LIMIT 1 BY span_id, project_id"));
            scan.push(bench.write(theirs, ""));
        }
        let our = median(&mut our);
        line(&format!("outgest, {ours}"), &our);
        for (name, figures) in [("newest version", newest), ("plain scan", scan)] {
            let title = format!("engine, {ours}, {name}");
            match figures.into_iter().collect::<Result<Vec<_>>>() {
                Ok(mut figures) => {
                    let their = median(&mut figures);
                    line(&title, &their);
                    let share = (our.rows / our.seconds) / (their.rows / their.seconds);
                    println!("{:<32}{share:>9.2} of the engine's rows a second", "");
                }
                Err(error) => println!("{title}: {error:#}"),
            }
        }
    }
    let mut gzip =
        (0..ROUNDS).map(|_| bench.export("jsonl", &["--compression", "gzip"])).collect::<Result<Vec<_>>>()?;
    line("outgest, jsonl, gzip", &median(&mut gzip));
    let mut first = (0..ROUNDS).map(|_| bench.first_byte()).collect::<Result<Vec<_>>>()?;
    first.sort_by(f64::total_cmp);
    println!("time to the first byte: {:.2} s", first[ROUNDS / 2]);
    println!("most memory of one of our queries: {}", bench.engine.query_peak()?);
    println!("load {}", load()?);
    Ok(())
}

impl Bench<'_> {
    /// An export of all rows, scores and comments included.
    fn export(&self, form: &str, more: &[&str]) -> Result<Figures> {
        let file = self.folder.join(format!("ours.{form}"));
        let before = self.engine.usage()?;
        let began = Instant::now();
        let receipt = output(
            self.command()
                .args(["--format", form, "--json", "--overwrite", "--unicode", "keep"])
                .args(more)
                .arg("--output")
                .arg(&file),
        )?;
        let seconds = began.elapsed().as_secs_f64();
        let after = self.engine.usage()?;
        let receipt: Value = serde_json::from_str(&receipt).context("the receipt is not JSON")?;
        let figure = |value: &Value, name| value.as_f64().with_context(|| format!("the receipt lacks {name}"));
        Ok(Figures {
            seconds,
            rows: figure(&receipt["rows"], "rows")?,
            bytes: fs::metadata(&file)?.len() as f64,
            our_cpu: figure(&receipt["process"]["cpu_seconds"], "cpu_seconds")?,
            our_peak: figure(&receipt["process"]["peak_memory_bytes"], "peak_memory_bytes")?,
            server_cpu: after.cpu_seconds - before.cpu_seconds,
            server_peak: after.peak_bytes,
        })
    }

    /// The engine writes the same columns by itself.
    fn write(&self, form: &str, newest: &str) -> Result<Figures> {
        let file = self.folder.join("theirs");
        let text = format!("SELECT {COLUMNS} FROM events_full WHERE project_id = 'bench' {newest} FORMAT {form}");
        let before = self.engine.usage()?;
        let began = Instant::now();
        let bytes = self.engine.query_to(&text, &mut fs::File::create(&file)?)?;
        let seconds = began.elapsed().as_secs_f64();
        let after = self.engine.usage()?;
        let versions = if newest.is_empty() { "count()" } else { "uniqExact(span_id)" };
        let rows = self.engine.query(&format!("SELECT {versions} FROM events_full WHERE project_id = 'bench'"))?;
        Ok(Figures {
            seconds,
            rows: rows.trim().parse().context("a count is no number")?,
            bytes: bytes as f64,
            our_cpu: 0.0,
            our_peak: 0.0,
            server_cpu: after.cpu_seconds - before.cpu_seconds,
            server_peak: after.peak_bytes,
        })
    }

    /// Seconds from the start of the command to the first byte of an unfiltered export.
    fn first_byte(&self) -> Result<f64> {
        let began = Instant::now();
        let mut child = self.command().args(["--format", "jsonl", "--output", "-"]).stdout(Stdio::piped()).spawn()?;
        let mut first = [0];
        child.stdout.take().context("the output is a pipe")?.read_exact(&mut first)?;
        let seconds = began.elapsed().as_secs_f64();
        child.kill()?;
        child.wait()?;
        Ok(seconds)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.outgest);
        command.arg("--data").arg(self.data()).args(["export", "--project", "bench", "--source"]);
        command.arg(self.engine.address());
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }
}

fn line(name: &str, figures: &Figures) {
    const MEBIBYTE: f64 = 1_048_576.0;
    let Figures { seconds, rows, bytes, our_cpu, our_peak, server_cpu, server_peak } = figures;
    let (rate, pace) = (rows / seconds, bytes / 1e6 / seconds);
    let ours = match *our_cpu > 0.0 {
        true => format!("{our_cpu:>11.2}{:>8.0} MiB{:>13.0}", our_peak / MEBIBYTE, rows / our_cpu),
        false => format!("{:>36}", ""),
    };
    println!(
        "{name:<32}{seconds:>9.2}{rate:>11.0}{pace:>8.0}{ours}{server_cpu:>12.2}{:>9.0} MiB",
        server_peak / MEBIBYTE
    );
}

fn median(figures: &mut [Figures]) -> Figures {
    figures.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    figures[figures.len() / 2]
}
