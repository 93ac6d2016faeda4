//! How rows become files: one folder per format, behind [`model::Format`].
//!
//! `text` holds what CSV, JSON and JSONL share: how a cell becomes text and how a file is put
//! together from blocks. `compression` ends a gzip member or zstd frame with every block. Parquet
//! compresses inside and shares neither.
//!
//! Nothing here opens a file, a connection or a thread: blocks are pure functions of rows and
//! options, and the caller decides where they run and where the bytes go.

mod text;

mod csv;
mod json;
mod jsonl;
mod parquet;

mod compression;
mod options;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod readback;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod scanning;

use model::{Fault, Format, nearest};

/// Every format, by name.
pub fn all() -> &'static [&'static dyn Format] {
    static ALL: [&dyn Format; 4] = [&csv::Csv, &json::JSON, &jsonl::JSONL, &parquet::Parquet];
    &ALL
}

/// The format of this name.
pub fn find(name: &str) -> Result<&'static dyn Format, Fault> {
    if let Some(format) = all().iter().find(|format| format.descriptor().name == name) {
        return Ok(*format);
    }
    let names = || all().iter().map(|format| format.descriptor().name);
    let fault = Fault::bad_request(format!("unknown format {name:?}"));
    Err(match nearest(name, names()) {
        Some(close) => fault.hint(format!("did you mean {close}?")),
        None => fault.hint(format!("use one of {}", names().collect::<Vec<_>>().join(", "))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_sorted() {
        let names: Vec<_> = all().iter().map(|format| format.descriptor().name).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    }

    #[test]
    fn an_unknown_format_is_a_fault_with_a_suggestion() {
        let close = find("parket").err().unwrap();
        let far = find("xlsx").err().unwrap();

        assert_eq!(close.public_message(), "unknown format \"parket\"");
        assert_eq!(close.public_hint(), Some("did you mean parquet?"));
        assert_eq!(far.public_hint(), Some("use one of csv, json, jsonl, parquet"));
    }
}
