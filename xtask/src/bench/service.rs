//! `bench service`: workers beside each other, the API under load, and fairness among projects.
//!
//! The figures are those that docs/promises.md names. They mean something on a quiet machine only, so the load is
//! printed beside them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::command::{cargo, output, run as run_command, target};
use crate::servers;

/// Events of the exports that take a while.
const EVENTS: u64 = 200_000;

/// Pairs of one and two workers; odd, so that the median is a measurement.
const PAIRS: usize = 3;

/// Projects, and exports of each, that compete for one worker.
const PROJECTS: usize = 50;
const EXPORTS_EACH: usize = 20;

/// Calls per second, and for how many seconds.
const RATE: (u32, u32) = (200, 30);

struct Bench {
    outgest: PathBuf,
    python: PathBuf,
    script: PathBuf,
    folder: PathBuf,
}

/// A running server; killed when dropped.
struct Server {
    child: Child,
    url: String,
}

/// Measures everything, or what is named: `workers`, `load`, `fairness`.
pub fn run(words: &[&str]) -> Result<()> {
    let python = servers::python()?;
    run_command(cargo().args(["build", "--release", "--locked", "--package", "outgest"]))?;
    let folder = target().join("bench/service");
    fs::create_dir_all(&folder)?;
    let script = folder.join("service.py");
    fs::write(&script, include_str!("service.py"))?;
    let bench = Bench { outgest: target().join("release/outgest"), python, script, folder };
    println!("load {}", load()?);
    let all = ["workers", "load", "fairness"];
    for name in if words.is_empty() { &all[..] } else { words } {
        match *name {
            "workers" => bench.workers()?,
            "load" => bench.load()?,
            "fairness" => bench.fairness()?,
            _ => bail!("usage: cargo xtask bench service [{}]", all.join("] [")),
        }
    }
    println!("load {}", load()?);
    Ok(())
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
        let rolled = json!({"table": "events", "format": "jsonl", "rollBytes": bytes / 20});
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
        println!("median ratio {:.2}", ratios[PAIRS / 2]);
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
        println!("{}", self.script(&["fairness", &api.url, &keys, &each])?);
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
        let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start a server")?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("no stdout")?;
        let mut lines = BufReader::new(stdout);
        lines.read_line(&mut line)?;
        // What it prints later is of no interest, but it must find a reader.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        let url = line.split_whitespace().last().context("the server printed no address")?.to_owned();
        Ok(Server { child, url })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn load() -> Result<String> {
    Ok(fs::read_to_string("/proc/loadavg").context("cannot read the load average")?.trim().to_owned())
}
