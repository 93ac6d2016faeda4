//! `bench service`: what the service promises of its speed, each goal with its figure and whether it is met.
//!
//! The figures are those that docs/promises.md names. They mean something on a quiet machine only, so the load is
//! printed beside them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::server::Server;
use crate::command::{cargo, output, run as run_command, target};
use crate::servers;

/// Events of the exports that take a while.
const EVENTS: u64 = 200_000;

/// Pairs of one and two workers; odd, so that the median is a measurement.
const PAIRS: usize = 3;

/// Files of the export that workers share.
const FILES: u64 = 20;

/// Time of two workers, of that of one, at most.
const RATIO_MAX: f64 = 0.6;

/// Calls per second, and for how many seconds.
const RATE: (u32, u32) = (200, 30);

/// Of a hundred calls 99 are answered within this.
const P99_MILLISECONDS_MAX: f64 = 250.0;

/// Projects, and exports of each, that compete for one worker.
const PROJECTS: usize = 50;
const EXPORTS_EACH: usize = 20;

/// Exports that a project may have started more than one that starts its next.
const LEAD_MAX: u64 = 2;

/// How long an idle server is watched, after the time that its start may take to settle.
const IDLE: Duration = Duration::from_secs(60);
const SETTLES: Duration = Duration::from_secs(10);

/// What it may take meanwhile: memory, and a part of one core.
const IDLE_MIB_MAX: f64 = 80.0;
const IDLE_CPU_SHARE_MAX: f64 = 0.01;

const USAGE: &str = "usage: cargo xtask bench service [--binary FILE] [workers] [load] [fairness] [idle]";

struct Bench {
    outgest: PathBuf,
    python: PathBuf,
    script: PathBuf,
    folder: PathBuf,
}

/// Measures everything, or what is named. `--binary` is a release build that is there already.
pub fn run(words: &[&str]) -> Result<()> {
    let (outgest, words) = match words {
        ["--binary", file, rest @ ..] => (fs::canonicalize(file).with_context(|| format!("no binary {file}"))?, rest),
        _ => {
            run_command(cargo().args(["build", "--release", "--locked", "--package", "outgest"]))?;
            (target().join("release/outgest"), words)
        }
    };
    let python = servers::python()?;
    let folder = target().join("bench/service");
    fs::create_dir_all(&folder)?;
    let script = folder.join("service.py");
    fs::write(&script, include_str!("service.py"))?;
    let bench = Bench { outgest, python, script, folder };
    println!("{} cores, load {}", std::thread::available_parallelism()?, super::load()?);
    let all = ["workers", "load", "fairness", "idle"];
    for name in if words.is_empty() { &all[..] } else { words } {
        match *name {
            "workers" => bench.workers()?,
            "load" => bench.load()?,
            "fairness" => bench.fairness()?,
            "idle" => bench.idle()?,
            _ => bail!(USAGE),
        }
    }
    println!("load {}", super::load()?);
    Ok(())
}

/// Says what was measured and whether it is what was promised.
fn verdict(goal: &str, figure: &str, met: bool) {
    println!("{}  {goal}: {figure}", if met { "met   " } else { "MISSED" });
}

impl Bench {
    /// An export of 20 rolled files by one worker and by two, each on a core of its own.
    fn workers(&self) -> Result<()> {
        let data = self.generated("workers", EVENTS)?;
        let key = self.key(&data, "p")?;
        let api = self.serve(&data, None, &["--roles", "api"])?;
        // Files of a twentieth of what the whole export has.
        let whole = self.export_by(&data, &api, &key, &json!({"table": "events", "format": "jsonl"}), 1)?;
        let bytes = whole["bytes"].as_u64().context("no bytes")?;
        let rolled = json!({"table": "events", "format": "jsonl", "rollBytes": bytes / FILES});
        let mut ratios = Vec::new();
        for _ in 0..PAIRS {
            let one = self.export_by(&data, &api, &key, &rolled, 1)?;
            let two = self.export_by(&data, &api, &key, &rolled, 2)?;
            let seconds = |of: &Value| of["seconds"].as_f64().context("no seconds");
            let (alone, both) = (seconds(&one)?, seconds(&two)?);
            println!("{} files: one worker {alone:.1} s, two {both:.1} s, ratio {:.2}", one["files"], both / alone);
            ratios.push(both / alone);
        }
        ratios.sort_by(f64::total_cmp);
        let median = ratios[PAIRS / 2];
        let goal = format!("two workers take at most {RATIO_MAX} of the time of one");
        verdict(&goal, &format!("{median:.2}"), median <= RATIO_MAX);
        Ok(())
    }

    fn export_by(&self, data: &Path, api: &Server, key: &str, body: &Value, workers: usize) -> Result<Value> {
        let options = ["--roles", "work", "--threads", "1", "--set", "worker.jobs=1"];
        let running: Vec<Server> =
            (0..workers).map(|core| self.serve(data, Some(core), &options)).collect::<Result<_>>()?;
        let found = self.script(&["export", &api.url, "p", key, &body.to_string()])?;
        drop(running);
        Ok(found)
    }

    /// Calls per second while exports run.
    fn load(&self) -> Result<()> {
        let data = self.generated("load", EVENTS)?;
        let key = self.key(&data, "p")?;
        let server = self.serve(
            &data,
            None,
            &["--set", "quota.queued_exports=1000000", "--set", "server.requests_per_minute=1000000"],
        )?;
        let found = self.script(&["load", &server.url, "p", &key, &RATE.0.to_string(), &RATE.1.to_string()])?;
        println!("{found}");
        let number = |name: &str| found[name].as_f64().with_context(|| format!("no {name}"));
        let (rate, p99, exports) = (number("per_second")?, number("p99_ms")?, number("large_exports_completed")?);
        // A rate that is not kept up says nothing about the times of its calls.
        let met = rate >= 0.98 * f64::from(RATE.0) && p99 < P99_MILLISECONDS_MAX && exports > 0.0;
        let goal = format!("{} calls/s while exports run, p99 below {P99_MILLISECONDS_MAX} ms", RATE.0);
        verdict(&goal, &format!("{rate:.0}/s, p99 {p99:.0} ms, {exports} large exports meanwhile"), met);
        Ok(())
    }

    /// Projects that ask for as many exports each.
    fn fairness(&self) -> Result<()> {
        let data = self.folder.join("fairness");
        if data.exists() {
            fs::remove_dir_all(&data)?;
        }
        let mut keys = BTreeMap::new();
        for number in 0..PROJECTS {
            let project = format!("p{number:02}");
            self.command(&data, &["project", "add", &project])?;
            self.command(&data, &["generate", "--project", &project, "--seed", "7", "--events", "100"])?;
            keys.insert(project.clone(), self.key(&data, &project)?);
        }
        let (keys, each) = (json!(keys).to_string(), EXPORTS_EACH.to_string());
        let api = self.serve(&data, None, &["--roles", "api"])?;
        self.script(&["queue", &api.url, &keys, &each])?;
        let _worker = self.serve(&data, None, &["--roles", "work"])?;
        let found = self.script(&["fairness", &api.url, &keys, &each])?;
        let lead = found["lead_max"].as_u64().context("no lead")?;
        let goal = format!("of {PROJECTS} x {EXPORTS_EACH} exports no project is more than {LEAD_MAX} ahead");
        verdict(&goal, &format!("{lead} ahead at most, {} exports", found["exports"]), lead <= LEAD_MAX);
        Ok(())
    }

    /// A server that nobody asks for anything.
    fn idle(&self) -> Result<()> {
        let data = self.generated("idle", 1_000)?;
        let server = self.serve(&data, None, &[])?;
        sleep(SETTLES);
        let before = server.cpu_seconds()?;
        sleep(IDLE);
        let share = (server.cpu_seconds()? - before) / IDLE.as_secs_f64();
        let memory = server.resident_mib()?;
        let met = memory < IDLE_MIB_MAX && share < IDLE_CPU_SHARE_MAX;
        let figure = format!("{memory:.0} MiB, {:.2} % of a core over {IDLE:?}", share * 100.0);
        verdict(&format!("an idle server is below {IDLE_MIB_MAX} MiB and near 0 %"), &figure, met);
        Ok(())
    }

    /// A data directory with so many events of project `p`; made once.
    fn generated(&self, name: &str, events: u64) -> Result<PathBuf> {
        let data = self.folder.join(format!("{name}-{events}"));
        if !data.join("ready").exists() {
            self.command(&data, &["project", "add", "p"])?;
            self.command(&data, &["generate", "--project", "p", "--seed", "7", "--events", &events.to_string()])?;
            fs::write(data.join("ready"), "")?;
        }
        Ok(data)
    }

    fn key(&self, data: &Path, project: &str) -> Result<String> {
        let printed: Value = serde_json::from_str(&self.command(data, &["key", "add", "--project", project])?)?;
        Ok(printed["secretKey"].as_str().context("no secret key")?.to_owned())
    }

    fn command(&self, data: &Path, arguments: &[&str]) -> Result<String> {
        output(Command::new(&self.outgest).arg("--data").arg(data).args(arguments))
    }

    fn script(&self, arguments: &[&str]) -> Result<Value> {
        Ok(serde_json::from_str(&output(Command::new(&self.python).arg(&self.script).args(arguments))?)?)
    }

    /// Starts a server, on one core where it is named.
    fn serve(&self, data: &Path, core: Option<usize>, options: &[&str]) -> Result<Server> {
        let mut command = match core {
            Some(core) => {
                let mut pinned = Command::new("taskset");
                pinned.args(["-c", &core.to_string()]).arg(&self.outgest);
                pinned
            }
            None => Command::new(&self.outgest),
        };
        command.arg("--data").arg(data).args(["serve", "--listen", "127.0.0.1:0"]).args(options);
        Server::start(&mut command)
    }
}
