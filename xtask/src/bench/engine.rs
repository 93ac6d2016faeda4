//! `bench engine`: the embedded store to files, beside DuckDB copying the same Parquet files.
//!
//! Every comparison is paired: ours and theirs alternate in one run, and medians are printed. Times
//! are of the whole command; DuckDB's own start-up is left out of its time, in its favour.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command::{cargo, output, run as run_command, target};
use crate::servers;

/// Pairs per comparison; odd, so that the median is a measurement.
const PAIRS: usize = 3;

/// A filter that about one event in a hundred passes, in both languages.
const FILTERED: (&str, &str) =
    ("statusMessage != \"\" and level = \"ERROR\"", "level = 'ERROR' AND status_message <> ''");

struct Figures {
    seconds: f64,
    cpu_seconds: f64,
    peak_bytes: f64,
    bytes: u64,
}

/// Sizes of the memory series: what a run holds must not grow with them.
const SERIES: [u64; 3] = [100_000, 1_000_000, 4_000_000];
/// Events of the export that must start and end at once.
const SMALL: u64 = 10_000;
/// Bytes of the largest values of the series with huge rows, and how many of them there are.
const HUGE: (usize, usize) = (50_000_000, 12);

/// `[--events N]` sets the size of the comparison [1,000,000] and leaves larger sizes out of the memory series.
pub fn run(words: &[&str]) -> Result<()> {
    let events: u64 = match words {
        [] => 1_000_000,
        ["--events", count] => count.parse().context("--events takes a number")?,
        _ => bail!("usage: cargo xtask bench engine [--events N]"),
    };
    let largest = if words.is_empty() { u64::MAX } else { events };
    let python = servers::python()?;
    run_command(cargo().args(["build", "--release", "--locked", "--package", "outgest"]))?;
    let outgest = target().join("release/outgest");
    let folder = target().join("bench/engine");
    let data = prepare(&outgest, &folder, events)?;
    let files = data.join("lake/events/*.parquet");
    let cores = std::thread::available_parallelism()?.get();
    println!("{events} events, {cores} cores, load {}", super::load()?);
    println!("{:<22}{:>12}{:>12}{:>8}{:>12}{:>12}", "", "outgest", "duckdb", "ratio", "our peak", "our MB/s");

    for form in ["csv", "jsonl", "parquet"] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..PAIRS {
            ours.push(export(&outgest, &data, &folder, form, &[])?);
            theirs.push(copy(&python, &folder, &files, form, cores, "true")?);
        }
        report(form, &mut ours, &mut theirs);
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        ours.push(export(&outgest, &data, &folder, "csv", &["--where", FILTERED.0])?);
        theirs.push(copy(&python, &folder, &files, "csv", cores, FILTERED.1)?);
    }
    report("csv, 1 % filtered", &mut ours, &mut theirs);

    let gzip = export(&outgest, &data, &folder, "jsonl", &["--compression", "gzip"])?;
    println!("jsonl gzip: {} bytes in {:.2} s, peak {:.0} MiB", gzip.bytes, gzip.seconds, gzip.peak_bytes / 1048576.0);
    compare_gzip(&folder, gzip.bytes)?;
    memory(&outgest, &folder, largest)?;
    small(&outgest, &folder)?;
    println!("load {}", super::load()?);
    Ok(())
}

/// Peak memory over sizes, and with huge rows.
fn memory(outgest: &Path, folder: &Path, largest: u64) -> Result<()> {
    println!("{:<22}{:>12}{:>12}{:>12}{:>12}", "peak memory, MiB", "csv", "jsonl", "parquet", "jsonl.gz");
    let line = |name: String, data: &Path| -> Result<()> {
        let mut peaks = String::new();
        for (form, more) in [("csv", &[][..]), ("jsonl", &[]), ("parquet", &[]), ("jsonl", &["--compression", "gzip"])]
        {
            peaks += &format!("{:>12.0}", export(outgest, data, folder, form, more)?.peak_bytes / 1048576.0);
        }
        println!("{name:<22}{peaks}");
        Ok(())
    };
    for events in SERIES.into_iter().filter(|events| *events <= largest) {
        line(format!("{events} events"), &generated(outgest, folder, events)?)?;
    }
    line(format!("{} MB rows", HUGE.0 / 1_000_000), &huge(outgest, folder)?)
}

/// A small export from a cold start: the whole command.
fn small(outgest: &Path, folder: &Path) -> Result<()> {
    let data = generated(outgest, folder, SMALL)?;
    let mut figures = Vec::new();
    for _ in 0..5 {
        figures.push(export(outgest, &data, folder, "csv", &[])?);
    }
    println!("csv of {SMALL} events, whole command: {:.2} s", median(&mut figures).seconds);
    Ok(())
}

/// A store of so many generated events; made once.
fn generated(outgest: &Path, folder: &Path, events: u64) -> Result<PathBuf> {
    let data = folder.join(format!("generated-{events}"));
    if !data.join("ready").exists() {
        run_command(Command::new(outgest).arg("--data").arg(&data).args([
            "generate",
            "--project",
            "bench",
            "--seed",
            "7",
            "--events",
            &events.to_string(),
        ]))?;
        fs::write(data.join("ready"), "")?;
    }
    Ok(data)
}

/// A store of rows that are tens of megabytes each; made once.
fn huge(outgest: &Path, folder: &Path) -> Result<PathBuf> {
    let data = folder.join("huge");
    if data.join("ready").exists() {
        return Ok(data);
    }
    let file = folder.join("huge.jsonl");
    let mut lines = std::io::BufWriter::new(fs::File::create(&file)?);
    let text = "many words that a model was given, and \\n lines between them; ".repeat(HUGE.0 / 64);
    for row in 0..HUGE.1 {
        writeln!(
            lines,
            r#"{{"project_id":"bench","trace_id":"t{row}","span_id":"s{row}","name":"huge","type":"SPAN","start_time":"2026-06-01 10:00:{row:02}.000000","event_ts":"2026-06-01 10:00:{row:02}.000000","input":"{text}"}}"#
        )?;
    }
    lines.flush()?;
    drop(lines);
    run_command(Command::new(outgest).arg("--data").arg(&data).arg("import").arg(&file))?;
    fs::remove_file(&file)?;
    fs::write(data.join("ready"), "")?;
    Ok(data)
}

/// Generates and imports once; later runs reuse the store.
fn prepare(outgest: &Path, folder: &Path, events: u64) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let data = folder.join(format!("data-{events}"));
    if data.join("ready").exists() {
        return Ok(data);
    }
    let jsonl = folder.join(format!("events-{events}.jsonl"));
    run_command(
        Command::new(outgest)
            .args(["generate", "--project", "bench", "--seed", "7", "--events", &events.to_string()])
            .args(["--overwrite", "--output"])
            .arg(&jsonl),
    )?;
    let bytes = fs::metadata(&jsonl)?.len();
    let began = Instant::now();
    run_command(Command::new(outgest).arg("--data").arg(&data).arg("import").arg(&jsonl))?;
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "import: {:.0} MB of JSONL in {seconds:.1} s, {:.0} MB/s",
        bytes as f64 / 1e6,
        bytes as f64 / 1e6 / seconds
    );
    fs::remove_file(&jsonl)?;
    fs::write(data.join("ready"), "")?;
    Ok(data)
}

fn export(outgest: &Path, data: &Path, folder: &Path, form: &str, more: &[&str]) -> Result<Figures> {
    let file = folder.join(format!("ours.{form}"));
    let began = Instant::now();
    let receipt = output(
        Command::new(outgest)
            .arg("--data")
            .arg(data)
            .args(["export", "--project", "bench", "--format", form, "--json", "--overwrite", "--unicode", "keep"])
            .args(more)
            .arg("--output")
            .arg(&file),
    )?;
    let seconds = began.elapsed().as_secs_f64();
    let receipt: Value = serde_json::from_str(&receipt).context("the receipt is not JSON")?;
    let figure = |name: &str| receipt["process"][name].as_f64().with_context(|| format!("the receipt lacks {name}"));
    Ok(Figures {
        seconds,
        cpu_seconds: figure("cpu_seconds")?,
        peak_bytes: figure("peak_memory_bytes")?,
        bytes: fs::metadata(&file)?.len(),
    })
}

fn copy(python: &Path, folder: &Path, files: &Path, form: &str, cores: usize, filter: &str) -> Result<Figures> {
    let script = folder.join("duckdb_copy.py");
    fs::write(&script, include_str!("duckdb_copy.py"))?;
    let file = folder.join(format!("theirs.{form}"));
    let printed = output(
        Command::new(python)
            .arg(&script)
            .arg(files)
            .arg("bench")
            .arg(form)
            .arg(&file)
            .arg(cores.to_string())
            .arg(filter),
    )?;
    let printed: Value = serde_json::from_str(&printed)?;
    let figure = |name: &str| printed[name].as_f64().with_context(|| format!("DuckDB's figures lack {name}"));
    Ok(Figures {
        seconds: figure("seconds")?,
        cpu_seconds: figure("cpu_seconds")?,
        peak_bytes: figure("peak_memory_bytes")?,
        bytes: fs::metadata(&file)?.len(),
    })
}

fn report(name: &str, ours: &mut [Figures], theirs: &mut [Figures]) {
    let (our, their) = (median(ours), median(theirs));
    println!(
        "{name:<22}{:>10.2} s{:>10.2} s{:>8.2}{:>8.0} MiB{:>12.0}   cpu {:.2} s / {:.2} s",
        our.seconds,
        their.seconds,
        their.seconds / our.seconds,
        our.peak_bytes / 1048576.0,
        our.bytes as f64 / 1e6 / our.seconds,
        our.cpu_seconds,
        their.cpu_seconds,
    );
}

fn median(figures: &mut [Figures]) -> &Figures {
    figures.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    &figures[figures.len() / 2]
}

/// Our gzip output beside `gzip -6` of the same text.
fn compare_gzip(folder: &Path, ours: u64) -> Result<()> {
    let plain = folder.join("plain.jsonl");
    let packed = fs::File::create(&plain)?;
    run_command(Command::new("gzip").args(["-dc"]).arg(folder.join("ours.jsonl")).stdout(packed))?;
    let began = Instant::now();
    let six = fs::File::create(folder.join("six.gz"))?;
    run_command(Command::new("gzip").args(["-6", "-c"]).arg(&plain).stdout(six))?;
    let seconds = began.elapsed().as_secs_f64();
    let six = fs::metadata(folder.join("six.gz"))?.len();
    println!("gzip -6: {six} bytes in {seconds:.2} s on one core; ours / theirs = {:.3}", ours as f64 / six as f64);
    fs::remove_file(plain)?;
    Ok(())
}
