//! Starts the real binary on a data directory of its own.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;

use serde_json::Value;
use tempfile::TempDir;

use crate::sealed;

/// A temporary folder with a data directory and a place for outputs; gone when dropped, unless it is kept.
pub struct Bench {
    folder: TempDir,
    /// Files that the test wrote, which may hold secrets.
    written: Mutex<BTreeSet<PathBuf>>,
}

impl Drop for Bench {
    /// Looks for secrets in everything that is left.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            sealed::assert_folder_sealed(self.path(), &self.written.lock().unwrap());
        }
    }
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; -1 where a signal ended it.
    pub code: i32,
    /// What it printed to stdout.
    pub stdout: String,
    /// What it printed to stderr.
    pub stderr: String,
}

impl Bench {
    /// An empty bench.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), written: Mutex::default() }
    }

    /// A bench whose store holds the reference rows.
    pub fn with_reference_rows() -> Self {
        let bench = Self::new();
        bench.ok(["import", &golden("e2e/events.jsonl")]);
        bench.ok(["import", "--table", "scores", &golden("e2e/scores.jsonl")]);
        bench.ok(["import", "--table", "comments", "--project", "proj-e2e", &golden("e2e/comments.json")]);
        bench
    }

    /// A bench whose store holds generated events of project `p`.
    pub fn with_generated(events: u64) -> Self {
        let bench = Self::new();
        bench.ok(["generate", "--project", "p", "--seed", "5", "--events", &events.to_string()]);
        bench
    }

    /// The folder that commands run in.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves the folder where it is, for somebody who looks into a failure.
    pub fn keep(&mut self) {
        self.folder.disable_cleanup(true);
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file in it and returns its path as text.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.file(name);
        std::fs::write(&path, content).unwrap();
        self.written.lock().unwrap().insert(path.clone());
        path.to_str().unwrap().to_owned()
    }

    /// Reads a file in it as text.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The binary on the bench's data directory, set up but not started.
    pub fn command<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> Command {
        let mut command = self.bare_command(["--data"]);
        command.arg(self.file("data")).args(arguments);
        command
    }

    /// The binary in the bench's folder and an empty environment, set up but not started.
    pub fn bare_command<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outgest"));
        command
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    /// Runs the binary to its end and tells the most memory, in MiB, that it was seen to hold.
    pub fn run_measured<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> (Ended, u64) {
        let mut child = self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        // Whatever moves hundreds of megabytes takes far longer than a turn of this loop.
        while child.try_wait().unwrap().is_none() {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let resident = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
            peak = peak.max(resident.map_or(0, |kibibytes| kibibytes.parse::<u64>().unwrap() / 1024));
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        (Ended::of(child.wait_with_output().unwrap()), peak)
    }

    /// Runs the binary to its end.
    pub fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> Ended {
        Ended::of(self.command(arguments).output().unwrap())
    }

    /// Runs the binary and expects success; returns stdout.
    #[track_caller]
    pub fn ok<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "stderr: {}", ended.stderr);
        ended.stdout
    }

    /// Runs the binary, expects it to refuse the command with one error line and a hint that hold
    /// these words, and returns stderr.
    pub fn refused<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I, words: &[&str]) -> String {
        let ended = self.run(arguments);
        ended.assert_refused(words);
        ended.stderr
    }

    /// Exports to a file in the bench and returns its text.
    pub fn export(&self, name: &str, arguments: &[&str]) -> String {
        self.ok(["export", "--overwrite", "-o", name].iter().chain(arguments));
        self.read(name)
    }

    /// Exports as JSONL and returns the rows.
    pub fn rows(&self, arguments: &[&str]) -> Vec<Value> {
        let text = self.export("rows.jsonl", &[arguments, &["--format", "jsonl"]].concat());
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Names of the files in the bench's folder, sorted, without the data directory.
    pub fn listing(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "data")
            .collect();
        names.sort();
        names
    }
}

impl Ended {
    /// Expects that the command failed with one error line and a hint that hold these words.
    pub fn assert_refused(&self, words: &[&str]) {
        let stderr = &self.stderr;
        assert!([1, 2].contains(&self.code), "exit code {}: {}{stderr}", self.code, self.stdout);
        let lines = |start: &str| stderr.lines().filter(|line| line.starts_with(start)).count();
        assert_eq!(lines("error: "), 1, "{stderr}");
        // Words that do not parse are refused by the parser of the command line, in its own manner.
        let by_parser = stderr.contains("For more information, try '--help'");
        assert_eq!(lines("hint: "), usize::from(!by_parser), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        for word in words {
            assert!(stderr.contains(word), "{word:?} is not in: {stderr}");
        }
    }

    /// Expects one error line that holds these words, and at most a hint, with this exit code.
    #[track_caller]
    pub fn assert_told(&self, code: i32, words: &[&str]) {
        let errors = self.stderr.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!((self.code, errors, self.stdout.as_str()), (code, 1, ""), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in: {}", self.stderr);
        }
    }

    /// How a process ended. It may have printed no secret.
    #[track_caller]
    pub fn of(output: Output) -> Self {
        sealed::assert_sealed("what a command printed", &output.stdout);
        sealed::assert_sealed("what a command said of itself", &output.stderr);
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The path of a reference file.
pub fn golden(name: &str) -> String {
    format!("{}/../sources/golden/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The root of the test stack that `cargo xtask test` prepares; `None` where tests run without it.
pub fn stack() -> Option<PathBuf> {
    std::env::var_os("OUTGEST_STACK").map(PathBuf::from)
}

/// Python of the test stack.
pub fn python() -> Option<PathBuf> {
    Some(stack()?.join("venv/bin/python"))
}

/// Whether the long tests run at full length.
pub fn soak() -> bool {
    std::env::var_os("OUTGEST_SOAK").is_some()
}
