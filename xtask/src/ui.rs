//! The web app in `ui/`: built, tested in a real browser against the real binary, shown on sample data.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{cargo, output, root, run as run_command, target};
use crate::servers;

/// Events of the sample data: enough for a page that scrolls, few enough to be there in seconds.
const SAMPLE_EVENTS: &str = "50000";

/// Where the sample data is kept between demonstrations.
const SAMPLE_FOLDER: &str = "demo";

const USAGE: &str = "\
cargo xtask ui <what>

  build      build the app into ui/dist; the binary embeds it when it is compiled next
  test       its tests: types, logic, and every flow in Chromium against the binary
  types      write ui/src/api/schema.d.ts anew from crates/api/openapi.json
  pictures   take the pictures of the README and of the visual tests anew";

/// `cargo xtask ui …`
pub fn run(words: &[&str]) -> Result<()> {
    match words {
        ["build"] => build(),
        ["test"] => {
            run_command(cargo().args(["build", "--locked", "--package", "outgest"]))?;
            test()
        }
        ["types"] => types(),
        ["pictures"] => pictures(),
        _ => bail!("{USAGE}"),
    }
}

/// Builds what the binary serves.
pub fn build() -> Result<()> {
    install()?;
    run_command(npm().args(["run", "--silent", "build"]))
}

/// Everything that is tested of it. The binary must have been built.
pub fn test() -> Result<()> {
    servers::chromium()?;
    build()?;
    run_command(npm().args(["run", "--silent", "test"]))?;
    run_command(npm().args(["run", "--silent", "browser"]).env("OUTGEST_BINARY", binary()?))
}

/// Writes the types of the API anew, where npm is there to do it.
pub fn types() -> Result<()> {
    install()?;
    run_command(npm().args(["run", "--silent", "types"]))
}

fn pictures() -> Result<()> {
    servers::chromium()?;
    run_command(cargo().args(["build", "--locked", "--package", "outgest"]))?;
    build()?;
    run_command(npm().args(["run", "--silent", "pictures"]).env("OUTGEST_BINARY", binary()?))
}

/// Builds app and binary and serves both on sample data that ends now.
pub fn demo() -> Result<()> {
    build()?;
    eprintln!("building outgest: about ten minutes on two cores the first time, seconds after that");
    run_command(cargo().args(["build", "--quiet", "--locked", "--package", "outgest"]))?;
    let (binary, data) = (binary()?, target().join(SAMPLE_FOLDER));
    let outgest = || {
        let mut command = Command::new(&binary);
        command.env("OUTGEST_DATA", &data);
        command
    };
    if !data.exists() {
        run_command(outgest().args(["generate", "--project", "demo", "--events", SAMPLE_EVENTS, "--end=-1m"]))?;
        run_command(outgest().args(["project", "add", "demo", "--name", "Demo"]))?;
    }
    eprintln!("sample data: {}; Ctrl-C ends the server", data.display());
    run_command(outgest().arg("serve"))
}

/// The binary of the last build.
fn binary() -> Result<PathBuf> {
    let binary = target().join("debug/outgest");
    let missing = || format!("{} is missing: cargo build --package outgest", binary.display());
    fs::canonicalize(&binary).with_context(missing)
}

/// A script of the app's folder, with the packages that are installed there.
pub fn node(script: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(script).current_dir(folder());
    command
}

fn npm() -> Command {
    let mut command = Command::new("npm");
    command.current_dir(folder());
    command
}

fn folder() -> PathBuf {
    root().join("ui")
}

/// Installs exactly what the lock file says, unless that is there already.
fn install() -> Result<()> {
    output(Command::new("node").arg("--version"))
        .context("the web app needs Node 20.19 or newer: apt-get install nodejs npm")?;
    let lock = fs::read(folder().join("package-lock.json")).context("cannot read ui/package-lock.json")?;
    let mark = folder().join("node_modules/.installed");
    if fs::read(&mark).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    eprintln!("installing what the web app is built with into ui/node_modules");
    run_command(npm().args(["ci", "--no-audit", "--no-fund", "--loglevel", "error"]))
        .context("the packages come from the registry that npm is configured with")?;
    // Written last, so that an installation that was cut off is done again.
    fs::write(&mark, lock).with_context(|| format!("cannot write {}", mark.display()))
}
