//! What a delivery says when it is done, for people and for programs.

use std::path::Path;
use std::time::Duration;

use model::{DeliveryReceipt, RowCount};
use serde_json::{Value, json};

use crate::process::Usage;
use crate::report::counted;

/// The receipt as one JSON object: what was delivered, dead letters, time and resources.
pub fn to_json(receipt: &DeliveryReceipt, letters: Option<&Path>, took: Duration) -> Value {
    let mut value = serde_json::to_value(receipt).unwrap_or_default();
    value["dead_letters"] = json!(letters);
    value["seconds"] = json!(took.as_secs_f64());
    value["process"] = json!(Usage::now());
    value
}

/// The receipt for people.
pub fn to_text(receipt: &DeliveryReceipt, letters: Option<&Path>, took: Duration) -> String {
    let counts = &receipt.counts;
    let seconds = took.as_secs_f64();
    let mut text = format!(
        "{}: {} accepted by {} in {}, {}, in {seconds:.1} s",
        receipt.table,
        counted(counts.accepted.get(), "event"),
        receipt.destination,
        counted(counts.requests, "request"),
        counts.bytes.human(),
    );
    // Starting and ending take tenths of a second, which say nothing about a pace.
    if seconds >= 1.0 {
        let pace = RowCount((counts.accepted.get() as f64 / seconds) as u64);
        text.push_str(&format!(" ({} events/s)", pace.human()));
    }
    text.push('\n');
    if receipt.rows_resumed > RowCount::ZERO {
        text.push_str(&format!("  {} rows were accounted for before\n", receipt.rows_resumed.human()));
    }
    if counts.retried > RowCount::ZERO {
        text.push_str(&format!("  {} events were sent more than once\n", counts.retried.human()));
    }
    if let Some(letters) = letters {
        text.push_str(&format!("  {} events were refused: {}\n", counts.rejected.human(), letters.display()));
    }
    text
}
