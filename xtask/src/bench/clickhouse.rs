//! `bench clickhouse`: a real ClickHouse to files, beside the engine writing the same columns itself.
//!
//! Both read the same tables of the same server on this machine and alternate in one run; medians are
//! printed. Ours has score columns, comments and the total order; theirs has none of them: once with the newest
//! version per row, as exports of today ask for it, and once as a plain scan. Loaded servers are kept, so
//! that a second run measures at once; written files are removed, so that the largest of them is all the
//! room that a run needs besides: 13 GB for 4,000,000 events, and 8 GB for their server.
//!
//! The engine writes text as it is stored. So does ours beside it, by `--unicode keep`: unless told so, CSV and
//! JSONL of ours have escapes decoded. JSONL is measured once more as it is by default.

pub(super) mod engine;
mod figures;
mod goals;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use self::engine::Engine;
use self::figures::{Figures, children_seconds, median};
use self::goals::Goals;
use super::load;
use crate::command::{cargo, output, run as run_command, target};
use crate::servers;

/// Rounds of each comparison unless asked for otherwise; odd, so that the median is a measurement.
const ROUNDS: usize = 3;
/// Sizes that are measured where no other are asked for.
const SIZES: &[u64] = &[100_000];
/// Our formats, and the engine's names for them.
const FORMATS: &[(&str, &str)] = &[("csv", "CSVWithNames"), ("jsonl", "JSONEachRow"), ("parquet", "Parquet")];
/// How the engine is asked for the newest version of each row.
const NEWEST: &str = "ORDER BY event_ts DESC LIMIT 1 BY span_id, project_id";
/// Text as it is stored, which is how the engine writes it.
const KEEP: &[&str] = &["--unicode", "keep"];
/// What the server's text ends with where a query failed in the middle of it.
const EXCEPTION: &str = "__exception__";

/// The columns of an export that names none, in the engine's words; scores and comments are not among them.
const COLUMNS: &str = "span_id, trace_id, trace_name, type, name, start_time, end_time, completion_start_time, \
    environment, version, user_id, session_id, level, status_message, prompt_name, prompt_id, prompt_version, model_id, \
    provided_model_name, model_parameters, usage_details, cost_details, total_cost, input, output, \
    CAST((metadata_names, metadata_values), 'Map(String, String)') AS metadata, \
    dateDiff('millisecond', start_time, end_time) AS latency, \
    dateDiff('millisecond', start_time, completion_start_time) AS first_token, tags, release, parent_span_id";

/// `[--events N,…] [--rounds N] [--binary FILE]`: sizes to measure [100,000], how often [3], and a release
/// binary that was built already.
pub fn run(words: &[&str]) -> Result<()> {
    let (mut sizes, mut rounds, mut binary) = (SIZES.to_vec(), ROUNDS, None);
    let mut rest = words;
    while let [option, value, more @ ..] = rest {
        match *option {
            "--events" => sizes = value.split(',').map(str::parse).collect::<Result<_, _>>().context("--events N,N")?,
            "--rounds" => rounds = value.parse::<usize>().context("--rounds N")?.max(1),
            "--binary" => binary = Some(fs::canonicalize(value).with_context(|| format!("--binary {value}"))?),
            _ => break,
        }
        rest = more;
    }
    if !rest.is_empty() {
        bail!("usage: cargo xtask bench clickhouse [--events N,N] [--rounds N] [--binary FILE]");
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
        Bench { outgest: &outgest, folder: &folder, engine: &engine, rounds }.measure(events)?;
    }
    Ok(())
}

/// What is measured, and where.
struct Bench<'a> {
    outgest: &'a Path,
    folder: &'a Path,
    engine: &'a Engine,
    rounds: usize,
}

impl Bench<'_> {
    fn measure(&self, events: u64) -> Result<()> {
        let cores = std::thread::available_parallelism()?.get();
        println!("\n{events} events, {cores} cores, median of {}, load {}", self.rounds, load()?);
        // Neither side pays for the first look at the files.
        self.engine.query_to(&self.select("", "Native"), &mut std::io::sink())?;
        let began = self.engine.query("SELECT toUnixTimestamp64Micro(now64(6))")?;
        let mut goals = Goals::default();
        figures::head();
        for (ours, theirs) in FORMATS {
            self.compare(ours, theirs, &mut goals)?;
        }
        let decoded = self.exports("jsonl", &[])?;
        decoded.line("outgest, jsonl, decoded");
        goals.peak(decoded.our_peak);
        let gzip = self.exports("jsonl", &[KEEP, &["--compression", "gzip"]].concat())?;
        gzip.line("outgest, jsonl, gzip");
        goals.pace("jsonl.gz", gzip.rows / gzip.our_cpu(), 40_000.0);
        goals.peak(gzip.our_peak);
        let mut first = (0..self.rounds).map(|_| self.first_byte()).collect::<Result<Vec<_>>>()?;
        first.sort_by(f64::total_cmp);
        goals.first_byte(first[first.len() / 2]);
        goals.query_peak(self.engine.query_peak(began.trim())?);
        println!("load {}", load()?);
        let gzip_is_slow = goals.print();
        if gzip_is_slow {
            self.gzip_levels()?;
        }
        Ok(())
    }

    /// Ours and the engine's in turn.
    fn compare(&self, ours: &str, theirs: &str, goals: &mut Goals) -> Result<()> {
        let (mut our, mut newest, mut scan) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            our.push(self.export(ours, KEEP)?);
            newest.push(self.write(theirs, NEWEST));
            scan.push(self.write(theirs, ""));
        }
        let our = median(&mut our);
        our.line(&format!("outgest, {ours}"));
        goals.peak(our.our_peak);
        if ours != "parquet" {
            goals.pace(ours, our.rows / our.our_cpu(), 120_000.0);
        }
        for (name, measured) in [("newest version", newest), ("plain scan", scan)] {
            let title = format!("engine, {ours}, {name}");
            // The engine's own query over millions of rows may need more memory than there is.
            let mut measured = match measured.into_iter().collect::<Result<Vec<_>>>() {
                Ok(measured) => measured,
                Err(error) => {
                    println!("{title}: {error:#}");
                    continue;
                }
            };
            let their = median(&mut measured);
            their.line(&title);
            let share = (our.rows / our.seconds) / (their.rows / their.seconds);
            println!("{:<32}{share:>9.2} of the engine's rows a second", "");
            if name == "newest version" {
                goals.share(ours, share);
            }
        }
        Ok(())
    }

    /// The median of as many exports as there are rounds.
    fn exports(&self, form: &str, more: &[&str]) -> Result<Figures> {
        let figures = (0..self.rounds).map(|_| self.export(form, more));
        Ok(median(&mut figures.collect::<Result<Vec<_>>>()?))
    }

    /// An export of all rows, scores and comments included.
    fn export(&self, form: &str, more: &[&str]) -> Result<Figures> {
        let file = self.folder.join(format!("ours.{form}"));
        remove(&file)?;
        let before = self.engine.usage()?;
        let (user, system) = children_seconds()?;
        let began = Instant::now();
        let receipt = output(
            self.command().args(["--format", form, "--json", "--overwrite"]).args(more).arg("--output").arg(&file),
        )?;
        let seconds = began.elapsed().as_secs_f64();
        let (user_after, system_after) = children_seconds()?;
        let after = self.engine.usage()?;
        let bytes = fs::metadata(&file)?.len() as f64;
        remove(&file)?;
        let receipt: Value = serde_json::from_str(&receipt).context("the receipt is not JSON")?;
        let figure = |value: &Value, name| value.as_f64().with_context(|| format!("the receipt lacks {name}"));
        Ok(Figures {
            seconds,
            rows: figure(&receipt["rows"], "rows")?,
            bytes,
            our_user: user_after - user,
            our_system: system_after - system,
            our_peak: figure(&receipt["process"]["peak_memory_bytes"], "peak_memory_bytes")?,
            server_cpu: after.cpu_seconds - before.cpu_seconds,
            server_peak: after.peak_bytes,
        })
    }

    /// The engine writes the same columns by itself.
    fn write(&self, form: &str, newest: &str) -> Result<Figures> {
        let file = self.folder.join("theirs");
        let before = self.engine.usage()?;
        let began = Instant::now();
        let bytes = self.engine.query_to(&self.select(newest, form), &mut fs::File::create(&file)?);
        let seconds = began.elapsed().as_secs_f64();
        let end = tail(&file);
        remove(&file)?;
        let (bytes, end) = (bytes?, end?);
        if let Some((_, words)) = end.split_once(EXCEPTION) {
            bail!("the engine gives up: {}", words.trim().chars().take(200).collect::<String>());
        }
        let after = self.engine.usage()?;
        let versions = if newest.is_empty() { "count()" } else { "uniqExact(span_id)" };
        let rows = self.engine.query(&format!("SELECT {versions} FROM events_full WHERE project_id = 'bench'"))?;
        Ok(Figures {
            seconds,
            rows: rows.trim().parse().context("a count is no number")?,
            bytes: bytes as f64,
            our_user: 0.0,
            our_system: 0.0,
            our_peak: 0.0,
            server_cpu: after.cpu_seconds - before.cpu_seconds,
            server_peak: after.peak_bytes,
        })
    }

    fn select(&self, newest: &str, form: &str) -> String {
        format!("SELECT {COLUMNS} FROM events_full WHERE project_id = 'bench' {newest} FORMAT {form}")
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

    /// What a level of gzip costs and saves, on rows of this export.
    fn gzip_levels(&self) -> Result<()> {
        let file = self.folder.join("sample.jsonl");
        run_command(
            self.command()
                .args(["--format", "jsonl", "--overwrite", "--limit", "20000", "--json"])
                .args(KEEP)
                .arg("--output")
                .arg(&file)
                .stdout(Stdio::null()),
        )?;
        let levels = ["run", "--quiet", "--release", "--locked", "--package", "outgest-formats", "--example"];
        run_command(cargo().args(levels).args(["gzip_levels", "--"]).arg(&file))?;
        remove(&file)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.outgest);
        command.arg("--data").arg(self.engine.data()).args(["export", "--project", "bench", "--source"]);
        command.arg(self.engine.address_with_comments());
        command
    }
}

/// Removes a written file and its manifest, where they are.
fn remove(file: &Path) -> Result<()> {
    let mut manifest = file.as_os_str().to_owned();
    manifest.push(".manifest.json");
    for path in [file, Path::new(&manifest)] {
        if path.exists() {
            fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// The last bytes of a file, as text.
fn tail(file: &Path) -> Result<String> {
    use std::io::{Seek, SeekFrom};
    let mut file = fs::File::open(file)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(4096)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
