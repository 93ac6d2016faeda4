//! The server that the benchmark reads: started on data that is made once and kept.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::command::{root, run as run_command};

/// Memory that all queries together may use: what the engine's own query over a million rows needs.
const MEMORY_BYTES: u64 = 14 << 30;
/// Merges of what was just stored are waited for, so that they do not run beside a measurement.
const MERGES_WAIT: Duration = Duration::from_secs(900);
const DATABASE: &str = "langfuse";

/// A running server; it ends with this process.
pub struct Engine {
    address: SocketAddr,
    data: PathBuf,
    child: Child,
}

/// What the server's process has used.
pub struct Usage {
    /// Since it started.
    pub cpu_seconds: f64,
    /// Most memory held since the last look.
    pub peak_bytes: f64,
}

impl Engine {
    /// A server with so many generated events, beside a data directory with the comments on them; both are made
    /// where one of them is not there yet.
    pub fn with_events(python: &Path, outgest: &Path, folder: &Path, events: u64) -> Result<Self> {
        let [path, data] = ["server", "data"].map(|name| folder.join(format!("{name}-{events}")));
        // Written last, so that rows whose comments were not kept are made again with them.
        let ready = data.join("ready");
        let is_ready = path.exists() && ready.exists();
        if !is_ready {
            for unfinished in [&path, &data].into_iter().filter(|made| made.exists()) {
                fs::remove_dir_all(unfinished).context("cannot remove what was not completed")?;
            }
        }
        let engine = Self::start(python, &path, data)?;
        if !is_ready {
            engine.fill(outgest, events)?;
            fs::write(ready, "")?;
        }
        engine.wait_for_merges()?;
        Ok(engine)
    }

    fn start(python: &Path, path: &Path, data: PathBuf) -> Result<Self> {
        let mut command = Command::new(python);
        command.arg(root().join("crates/sources/engine/clickhouse.py")).arg("--attached").arg("--path").arg(path);
        command.args(["--memory", &MEMORY_BYTES.to_string()]);
        // It is quiet while it works, so what it complains of can stand among the figures.
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("the output is a pipe")?).read_line(&mut line)?;
        let port = line.trim().strip_prefix("READY ").and_then(|port| port.parse().ok());
        let port: u16 = port.with_context(|| format!("the server does not start: it says {line:?}"))?;
        Ok(Self { address: SocketAddr::from(([127, 0, 0, 1], port)), data, child })
    }

    fn fill(&self, outgest: &Path, events: u64) -> Result<()> {
        self.post("default", &format!("CREATE DATABASE {DATABASE}"), &mut std::io::sink())?;
        let tables = fs::read_to_string(root().join("crates/sources/engine/langfuse.sql"))?;
        for statement in tables.split_inclusive(";\n") {
            let lines = statement.lines().filter(|line| !line.starts_with("--"));
            let statement = lines.collect::<Vec<_>>().join("\n");
            if !statement.trim().is_empty() {
                self.query(&statement)?;
            }
        }
        let began = Instant::now();
        run_command(Command::new(outgest).arg("--data").arg(&self.data).args([
            "generate",
            "--project",
            "bench",
            "--seed",
            "7",
            "--events",
            &events.to_string(),
            "--source",
            &self.address_with_comments(),
        ]))?;
        println!("{events} events stored in {:.0} s", began.elapsed().as_secs_f64());
        Ok(())
    }

    fn wait_for_merges(&self) -> Result<()> {
        let began = Instant::now();
        while self.query("SELECT count() FROM system.merges")?.trim() != "0" {
            if began.elapsed() > MERGES_WAIT {
                bail!("the server still merges what was stored");
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        Ok(())
    }

    /// Where its tables are, for `--source`.
    pub fn address(&self) -> String {
        format!("clickhouse://default@{}/{DATABASE}", self.address)
    }

    /// The same for whoever also reads the comments in [`Engine::data`].
    pub fn address_with_comments(&self) -> String {
        format!("{}?comments=own", self.address())
    }

    /// The data directory whose comments are those on the server's rows.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Runs one statement and returns what it prints.
    pub fn query(&self, text: &str) -> Result<String> {
        let mut answer = Vec::new();
        self.query_to(text, &mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Runs one statement and writes what it prints; the number of bytes.
    pub fn query_to(&self, text: &str, out: &mut dyn Write) -> Result<u64> {
        self.post(DATABASE, text, out)
    }

    /// In the older form of HTTP the answer is not cut into chunks.
    fn post(&self, database: &str, text: &str, mut out: &mut dyn Write) -> Result<u64> {
        let mut stream = TcpStream::connect(self.address)?;
        let length = text.len();
        write!(stream, "POST /?database={database} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{text}")?;
        let mut answer = BufReader::with_capacity(1 << 20, stream);
        let (mut head, mut line) = (String::new(), String::new());
        while line != "\r\n" {
            line.clear();
            if answer.read_line(&mut line)? == 0 {
                bail!("the server closed the connection");
            }
            head.push_str(&line);
        }
        if head.split(' ').nth(1) != Some("200") {
            let mut why = String::new();
            answer.take(300).read_to_string(&mut why)?;
            bail!("the engine refuses: {why}");
        }
        std::io::copy(&mut answer, &mut out).context("the answer broke off")
    }

    /// What the process has used; its peak of memory begins anew.
    pub fn usage(&self) -> Result<Usage> {
        let folder = format!("/proc/{}", self.child.id());
        let status = fs::read_to_string(format!("{folder}/status"))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        let peak: f64 = peak.context("the kernel tells no peak")?.trim().parse()?;
        let stat = fs::read_to_string(format!("{folder}/stat"))?;
        let (_, fields) = stat.rsplit_once(") ").context("/proc/stat is not as expected")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        // User and system time, in hundredths of a second.
        let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
        fs::write(format!("{folder}/clear_refs"), "5")?;
        Ok(Usage { cpu_seconds: ticks / 100.0, peak_bytes: peak * 1024.0 })
    }

    /// The most memory that one query of ours needed since then, in microseconds.
    pub fn query_peak(&self, since: &str) -> Result<f64> {
        self.query("SYSTEM FLUSH LOGS")?;
        let text = format!(
            "SELECT max(memory_usage) FROM system.query_log WHERE query_id LIKE 'outgest-%' AND query_kind = 'Select' \
             AND toUnixTimestamp64Micro(event_time_microseconds) >= {since}"
        );
        self.query(&text)?.trim().parse().context("the server's log of queries has no memory")
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It ends by itself when its input closes; it is not worth a failure that it has ended before.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
