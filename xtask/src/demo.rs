//! `demo`: what Outgest does, shown on sample data; with `--serve` its server and its web app.

use std::process::Command;

use anyhow::Result;

use crate::command::{binary, cargo, run as run_command, target};
use crate::ui;

/// Events of the sample data: enough for a page that scrolls, few enough to be there in seconds.
const SAMPLE_EVENTS: &str = "50000";

/// Where the sample data is kept between demonstrations.
const SAMPLE_FOLDER: &str = "demo";

/// `cargo xtask demo …`
pub fn run(words: &[&str]) -> Result<()> {
    match words {
        ["--serve"] => serve(),
        _ => show(words),
    }
}

/// The commands of the product, one after another.
fn show(words: &[&str]) -> Result<()> {
    eprintln!("building outgest: about ten minutes on two cores the first time, seconds after that");
    run_command(cargo().args(["run", "--quiet", "--package", "outgest", "--", "demo"]).args(words))
}

/// Builds app and binary and serves both on sample data that ends now.
fn serve() -> Result<()> {
    ui::build()?;
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
