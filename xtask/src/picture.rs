//! `picture`: the terminal picture of the README, made from a real run.

use std::fs;
use std::process::Command;

use anyhow::{Result, bail};

use crate::command::{cargo, root, run as run_command, target};

/// What the picture shows, after the sample data is stored.
const COMMANDS: &[&[&str]] = &[
    &["export", "--project", "shop", "--where", "level = \"ERROR\" and latency > 2", "-o", "slow-errors.csv"],
    &["export", "--project", "shop", "--columns", "id,name,inputt", "-o", "names.csv"],
    &["verify", "slow-errors.csv.manifest.json"],
];

/// Width and height of a character at 14 px, in the widest of the fonts below.
const CELL: (f64, f64) = (8.43, 19.0);
/// As wide as the longest line that should not be broken, that of a file with its SHA-256.
const COLUMNS_MAX: usize = 112;

/// Runs the commands and draws what they print to `docs/terminal.svg`.
///
/// A binary that was built already can be named; otherwise it is built.
pub fn run(words: &[&str]) -> Result<()> {
    let outgest = match words {
        [] => {
            run_command(cargo().args(["build", "--locked", "--package", "outgest"]))?;
            target().join("debug/outgest")
        }
        [binary] => fs::canonicalize(binary)?,
        _ => bail!("usage: cargo xtask picture [BINARY]"),
    };
    let folder = target().join("picture");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    run_command(Command::new(&outgest).current_dir(&folder).args([
        "generate",
        "--project",
        "shop",
        "--events",
        "20000",
    ]))?;
    let mut lines = Vec::new();
    for arguments in COMMANDS {
        let shown: Vec<String> = arguments
            .iter()
            .map(|argument| if argument.contains(' ') { format!("'{argument}'") } else { (*argument).to_owned() })
            .collect();
        lines.push(("prompt", format!("$ outgest {}", shown.join(" "))));
        let output = Command::new(&outgest).current_dir(&folder).args(*arguments).output()?;
        for (class, bytes) in [("out", output.stdout), ("err", output.stderr)] {
            let text = String::from_utf8(bytes)?;
            lines.extend(text.lines().flat_map(wrapped).map(|line| (class, line)));
        }
        lines.push(("out", String::new()));
    }
    lines.pop();
    if lines.len() > 40 {
        bail!("{} lines are too many for a picture", lines.len());
    }
    fs::write(root().join("docs/terminal.svg"), drawn(&lines))?;
    Ok(())
}

fn wrapped(line: &str) -> Vec<String> {
    let characters: Vec<char> = line.chars().collect();
    characters.chunks(COLUMNS_MAX).map(|part| part.iter().collect()).collect()
}

fn drawn(lines: &[(&str, String)]) -> String {
    let width = CELL.0 * (COLUMNS_MAX as f64 + 4.0);
    let height = CELL.1 * (lines.len() as f64 + 2.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">\n\
<title>An export with a filter, a mistyped column, and a verification</title>\n\
<style>text{{font:14px ui-monospace,Menlo,Consolas,monospace;white-space:pre}}\
.prompt{{fill:#e6edf3;font-weight:600}}.out{{fill:#b6c2cf}}.err{{fill:#ffb4a9}}</style>\n\
<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#14181d\"/>\n"
    );
    for (index, (class, line)) in lines.iter().enumerate() {
        let y = CELL.1 * (index as f64 + 1.75);
        let text = line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        svg.push_str(&format!("<text x=\"{:.1}\" y=\"{y:.1}\" class=\"{class}\">{text}</text>\n", CELL.0 * 2.0));
    }
    svg.push_str("</svg>\n");
    svg
}
