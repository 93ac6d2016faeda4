//! `test`, `soak` and `check`: everything that must pass.

use anyhow::{Result, bail};

use crate::command::{cargo, run as run_command, target};
use crate::{servers, tidy, ui};

/// The variable and the seed that property tests draw their samples from: the same at every run, so that one that fails
/// fails again. `cargo test` draws others, and so does whoever sets the variable.
const PROPTEST_SEED: (&str, &str) = ("PROPTEST_RNG_SEED", "20261128");

/// Formatting, structure, and every kind of test with seeded samples of the long ones; the web app's last, against
/// the binary that the others have built.
///
/// `--unit` leaves out what needs servers; further words go to the test runner as name filters.
pub fn run(words: &[&str]) -> Result<()> {
    let unit_only = words.contains(&"--unit");
    let filters: Vec<&str> = words.iter().copied().filter(|word| *word != "--unit").collect();
    run_command(cargo().args(["fmt", "--all", "--check"]))?;
    tidy::run()?;
    if !unit_only {
        servers::prepare()?;
    }
    let mut tests = cargo();
    tests.args(["test", "--workspace", "--locked", "--no-fail-fast"]);
    if unit_only {
        tests.args(["--lib", "--bins"]);
    }
    tests.env("OUTGEST_STACK", target().join("stack"));
    if std::env::var_os(PROPTEST_SEED.0).is_none() {
        tests.env(PROPTEST_SEED.0, PROPTEST_SEED.1);
    }
    tests.arg("--").args(&filters);
    run_command(&mut tests)?;
    // Those in the browser have names of their own, which filters do not know.
    if unit_only || !filters.is_empty() { Ok(()) } else { ui::test() }
}

/// Names of the long tests: those of the whole server, and the fortnight of integrations, which is a test of the
/// binary's parts.
const SOAKS: [&str; 2] = ["soak", "integrations::tests::loss::"];
/// Tests of the ClickHouse source that take random cases, of which a soak run has many.
const SOAKS_OF_SOURCES: &str = "clickhouse::tests";

/// The full numbers of the long tests, one after another, in release; each prints its figures.
pub fn soak(words: &[&str]) -> Result<()> {
    servers::prepare()?;
    let soak = |package: &[&str], filters: &[&str]| {
        let mut tests = cargo();
        tests.args(["test", "--release", "--locked"]).args(package);
        tests.args(["--no-fail-fast", "--", "--nocapture", "--test-threads", "1"]).args(filters);
        run_command(tests.env("OUTGEST_SOAK", "1").env("OUTGEST_STACK", target().join("stack")))
    };
    let of_outgest = ["--package", "outgest", "--bin", "outgest", "--test", "it"];
    if !words.is_empty() {
        return soak(&of_outgest, words);
    }
    // What fails in the first says nothing of the second, which is run all the same.
    let whole = soak(&of_outgest, &SOAKS);
    let of_sources = soak(&["--package", "outgest-sources", "--lib"], &[SOAKS_OF_SOURCES]);
    whole.and(of_sources)
}

/// Formatting, lints, docs and structure.
pub fn check() -> Result<()> {
    let mut failed = Vec::new();
    let steps: [(&str, &[&str]); 3] = [
        ("formatting", &["fmt", "--all", "--check"]),
        ("lints", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]),
        ("docs", &["doc", "--workspace", "--no-deps", "--locked", "--quiet"]),
    ];
    for (name, arguments) in steps {
        let mut step = cargo();
        step.args(arguments).env("RUSTDOCFLAGS", "-D warnings");
        if let Err(error) = run_command(&mut step) {
            eprintln!("{error}");
            failed.push(name);
        }
    }
    if let Err(error) = tidy::run() {
        eprintln!("{error}");
        failed.push("structure");
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}
