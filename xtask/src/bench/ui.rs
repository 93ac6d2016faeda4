//! `bench ui`: the web app in Chromium on a million events, beside the goals that were set for it.
//!
//! The page is visited with nothing in the browser's cache, and its requests are asked for once more by
//! themselves. Figures mean something on a quiet machine only, so the load is printed beside them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::load;
use super::server::Server;
use crate::command::{cargo, output, run as run_command, target};
use crate::{servers, ui};

const PROJECT: &str = "bench";
const EMAIL: &str = "bench@example.com";
const PASSWORD: &str = "not a secret at all";

/// Goals, in milliseconds and bytes.
const INTERACTIVE_MAX: f64 = 1_500.0;
const REQUEST_MAX: f64 = 300.0;
const SCRIPT_BYTES_MAX: f64 = 350_000.0;
const FRAME_MAX: f64 = 1_000.0 / 60.0;

const USAGE: &str = "usage: cargo xtask bench ui [--events N] [--binary FILE] [--source ADDRESS]";

/// `[--events N]` in the embedded store [1,000,000], `[--binary FILE]`: a release binary that was built already,
/// `[--source ADDRESS]`: a ClickHouse in which `outgest generate --project bench` has put them.
pub fn run(words: &[&str]) -> Result<()> {
    let (mut events, mut binary, mut source) = (1_000_000, None, None);
    let mut rest = words;
    while let [option, value, more @ ..] = rest {
        match *option {
            "--events" => events = value.parse().context("--events takes a number")?,
            "--binary" => binary = Some(fs::canonicalize(value)?),
            "--source" => source = Some(*value),
            _ => bail!(USAGE),
        }
        rest = more;
    }
    if !rest.is_empty() {
        bail!(USAGE);
    }
    servers::chromium()?;
    ui::build()?;
    let outgest = match binary {
        Some(binary) => binary,
        None => {
            run_command(cargo().args(["build", "--release", "--locked", "--package", "outgest"]))?;
            target().join("release/outgest")
        }
    };
    let bench = Bench { data: target().join("bench/ui").join(store_name(source, events)), outgest, source };
    let key = bench.prepare(events)?;
    let server = bench.serve()?;
    println!("{events} events in {}, load {}", source.unwrap_or("the embedded store"), load()?);
    let found = output(ui::node("tests/bench/measure.mjs").args([&server.url, PROJECT, &key, EMAIL, PASSWORD]))?;
    report(&serde_json::from_str(&found)?)?;
    println!("load {}", load()?);
    Ok(())
}

struct Bench<'a> {
    outgest: PathBuf,
    data: PathBuf,
    source: Option<&'a str>,
}

fn store_name(source: Option<&str>, events: u64) -> String {
    match source {
        Some(_) => "elsewhere".to_owned(),
        None => format!("embedded-{events}"),
    }
}

impl Bench<'_> {
    /// Makes rows, a person and a key where they are not there yet; the key.
    fn prepare(&self, events: u64) -> Result<String> {
        let kept = self.data.join("key");
        if let Ok(key) = fs::read_to_string(&kept) {
            return Ok(key);
        }
        if self.data.exists() {
            fs::remove_dir_all(&self.data).context("cannot remove what was not completed")?;
        }
        self.command(&["project", "add", PROJECT])?;
        if self.source.is_none() {
            let events = events.to_string();
            self.command(&["generate", "--project", PROJECT, "--events", &events, "--seed", "1", "--end=-1m"])?;
        }
        let password = self.data.join("password");
        fs::write(&password, PASSWORD)?;
        let password = password.to_str().context("the target folder has a name that is no text")?;
        self.command(&["user", "add", "--email", EMAIL, "--password-file", password, "--admin"])?;
        let printed: Value = serde_json::from_str(&self.command(&["key", "add", "--project", PROJECT])?)?;
        let key = printed["secretKey"].as_str().context("no secret key")?;
        fs::write(&kept, key)?;
        Ok(key.to_owned())
    }

    fn command(&self, words: &[&str]) -> Result<String> {
        output(self.outgest().args(words))
    }

    fn outgest(&self) -> Command {
        let mut command = Command::new(&self.outgest);
        command.env("OUTGEST_DATA", &self.data).env("OUTGEST_LOG_LEVEL", "error");
        command
    }

    fn serve(&self) -> Result<Server> {
        let mut command = self.outgest();
        command.args(["serve", "--listen", "127.0.0.1:0", "--set", "server.requests_per_minute=1000000"]);
        if let Some(source) = self.source {
            command.env("OUTGEST_SOURCE_URL", source);
        }
        Server::start(&mut command)
    }
}

fn report(found: &Value) -> Result<()> {
    let number = |value: &Value| value.as_f64().context("a figure is missing");
    let list = |value: &Value| value.as_array().cloned().context("figures are missing");
    println!("{:<52}{:>10}{:>10}", "", "figure", "goal");
    line("scripts, compressed, kB", number(&found["scriptBytes"])? / 1_000.0, Some(SCRIPT_BYTES_MAX / 1_000.0));
    line("events page until it answers, ms", number(&found["interactive"])?, Some(INTERACTIVE_MAX));
    for asked in list(&found["asked"])? {
        line(&format!("  of it {}, ms", asked[0].as_str().unwrap_or_default()), number(&asked[1])?, None);
    }
    for call in list(&found["calls"])? {
        let name = call[0].as_str().unwrap_or_default();
        let goal = if name.contains("over time") || name.contains("values") { None } else { Some(REQUEST_MAX) };
        line(&format!("{name}, ms (the first time {:.0})", number(&call[1])?), number(&call[2])?, goal);
    }
    for (name, goal) in [("median", Some(FRAME_MAX)), ("p95", None), ("max", None)] {
        line(&format!("frames while scrolling, {name}, ms"), number(&found["frames"][name])?, goal);
    }
    Ok(())
}

fn line(name: &str, figure: f64, goal: Option<f64>) {
    let goal = goal.map_or_else(|| "–".to_owned(), |goal| format!("≤ {goal:.1}"));
    println!("{name:<52}{figure:>10.1}{goal:>10}");
}
