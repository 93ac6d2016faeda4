//! The web app in `ui/`: built, tested in a real browser against the real binary.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{binary, cargo, output, root, run as run_command};
use crate::servers;

/// What builds the app, as `engines` of its package.json has it for npm; several systems still install an older Node.
const NODE: &str = "Node 20.19, 22.12 or newer";

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
    let hint = format!("the web app needs {NODE} and npm: https://nodejs.org");
    let version = output(Command::new("node").arg("--version")).with_context(|| hint.clone())?;
    if node_version(&version).is_some_and(|found| !is_new_enough(found)) {
        bail!("{hint}; this is {}", version.trim());
    }
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

/// Major and minor of what `node --version` prints: `v20.19.5`.
fn node_version(printed: &str) -> Option<(u32, u32)> {
    let mut numbers = printed.trim().strip_prefix('v')?.split('.').map(str::parse::<u32>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Whether a version is one of [`NODE`]: what 22.12 brought came to 20 with 20.19, and not to 21.
fn is_new_enough((major, minor): (u32, u32)) -> bool {
    match major {
        20 => minor >= 19,
        22 => minor >= 12,
        _ => major > 22,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_node_is_told_from_a_new_one() {
        let is_new = |printed: &&str| is_new_enough(node_version(printed).unwrap());
        assert!(["v20.19.0\n", "v20.20.1\n", "v22.12.0\n", "v23.0.0\n", "v24.1.0\n"].iter().all(is_new));
        assert!(!["v18.19.0\n", "v20.9.1\n", "v21.19.0\n", "v22.1.0\n", "v22.11.0\n"].iter().any(is_new));
        assert_eq!(node_version("20"), None);
    }
}
