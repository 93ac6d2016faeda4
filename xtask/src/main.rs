//! Repository chores: `cargo xtask <chore>`.
//!
//! Each chore is a module with a `run`. They call cargo and the tools of the test stack; nothing of
//! the product is linked here, so chores build in seconds.

mod bench;
mod command;
mod demo;
mod docs;
mod picture;
mod servers;
mod test;
mod tidy;
mod ui;

use anyhow::{Result, bail};

const USAGE: &str = "\
cargo xtask <chore>

  demo           build, then generate, import, export three ways and verify
  demo --serve   build web app and server, serve both on sample data, and open the browser;
                 [--listen ADDRESS] [--no-open]
  test           every kind of test, with seeded samples of the long ones
  soak           the full numbers of the long tests (hours); prints figures for docs/promises.md
  check          formatting, lints, docs, structure: what CI runs besides tests
  bench clickhouse  speed and memory beside the ClickHouse engine itself, release build
  bench deliver  events per processor second beside posthog-node, release build
  bench engine   speed and memory beside DuckDB, release build
  bench service  workers beside each other, calls per second, fairness, an idle server; says what is met
  bench ui       the events page in Chromium on a million events, release build
  tidy           the structure rules alone
  ui             build and test the web app, take its pictures
  openapi        write crates/api/openapi.json anew from the routes, and the web app's types from it
  docs           write docs/configuration.md from the program's own settings
  picture        draw docs/terminal.svg from a real run";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["demo", rest @ ..] => demo::run(rest),
        ["test", rest @ ..] => test::run(rest),
        ["soak", rest @ ..] => test::soak(rest),
        ["check"] => test::check(),
        ["bench", rest @ ..] => bench::run(rest),
        ["tidy"] => tidy::run(),
        ["ui", rest @ ..] => ui::run(rest),
        ["openapi"] => openapi(),
        ["docs", rest @ ..] => docs::run(rest),
        ["picture", rest @ ..] => picture::run(rest),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => bail!("unknown chore {words:?}\n\n{USAGE}"),
    }
}

/// The test that compares the document writes it where it is told to.
fn openapi() -> Result<()> {
    let mut test = command::cargo();
    test.args(["test", "--workspace", "--locked", "--lib", "--", "the_checked_in_document_is_the_code_s"]);
    command::run(test.env("OUTGEST_WRITE_GOLDENS", "1"))?;
    ui::types()
}
