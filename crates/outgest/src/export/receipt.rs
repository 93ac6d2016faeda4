//! What an export says when it is done, for people and for programs.

use std::fmt::Write;
use std::time::Duration;

use model::{Receipt, RowCount};
use serde_json::{Value, json};

use crate::process::Usage;

/// The receipt as one JSON object: the manifest's fields, where it lies, time and resources.
pub fn to_json(receipt: &Receipt, took: Duration) -> Value {
    let mut value = serde_json::to_value(&receipt.manifest).unwrap_or_default();
    value["manifest"] = json!(receipt.manifest_key);
    value["seconds"] = json!(took.as_secs_f64());
    value["process"] = json!(Usage::now());
    value
}

/// The receipt for people: totals first, then one line per file, then where they are unless that is the current
/// folder.
pub fn to_text(receipt: &Receipt, destination: &str, took: Duration) -> String {
    let manifest = &receipt.manifest;
    let seconds = took.as_secs_f64();
    let mut text = format!("{}, {}, in {seconds:.1} s", manifest.rows.counted(), manifest.bytes.human());
    // Starting and ending take tenths of a second, which say nothing about a pace.
    if seconds >= 1.0 {
        let pace = RowCount((manifest.rows.get() as f64 / seconds) as u64);
        text.push_str(&format!(" ({} rows/s)", pace.human()));
    }
    text.push('\n');
    for file in &manifest.files {
        // Writing to memory cannot fail.
        writeln!(text, "  {}  {}  {}  sha256 {}", file.key, file.rows.counted(), file.head.bytes.human(), file.sha256)
            .ok();
    }
    if let Some(key) = &receipt.manifest_key {
        writeln!(text, "  {key}  the manifest: outgest verify checks the files against it").ok();
    }
    if destination != "." {
        writeln!(text, "  in {destination}").ok();
    }
    if manifest.truncated {
        text.push_str("truncated: --limit cut rows\n");
    }
    if manifest.changed_during_run > RowCount::ZERO {
        let changed = manifest.changed_during_run.counted();
        writeln!(text, "{changed} changed at the source meanwhile: each is there once, as it was met").ok();
    }
    for warning in &manifest.warnings {
        // Langfuse's own words bring the mark along.
        let mark = if warning.starts_with("Note: ") { "" } else { "note: " };
        writeln!(text, "{mark}{warning}").ok();
    }
    text
}
