//! Which format a file has, by its content and then by its name.

use model::Fault;

/// A format that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// One JSON object per line.
    Jsonl,
    /// One JSON array of objects.
    Array,
    /// CSV with a header.
    Csv,
    /// Parquet.
    Parquet,
}

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// RFC 1952, any number of members.
    Gzip,
    /// Zstandard, any number of frames.
    Zstd,
}

/// The packing that these first bytes announce.
pub(super) fn packing(head: &[u8]) -> Option<Packing> {
    match head {
        [0x1f, 0x8b, ..] => Some(Packing::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Packing::Zstd),
        _ => None,
    }
}

/// The format of a file with this name and these first bytes, uncompressed and without BOM.
pub(super) fn detect(name: &str, head: &[u8]) -> Result<Format, Fault> {
    let lower = name.to_ascii_lowercase();
    let bare = [".gz", ".zst", ".zstd"].iter().find_map(|end| lower.strip_suffix(end)).unwrap_or(&lower);
    let ends_with = |ends: &[&str]| ends.iter().any(|end| bare.ends_with(end));
    if head.starts_with(b"PAR1") {
        return Ok(Format::Parquet);
    }
    if ends_with(&[".parquet"]) {
        return Err(Fault::corrupt(format!("{name} is no Parquet file: it does not begin with PAR1"))
            .hint("name it by what it is: .jsonl, .json or .csv"));
    }
    if ends_with(&[".csv"]) {
        return Ok(Format::Csv);
    }
    let first_line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    match head.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') => Ok(Format::Array),
        // An empty export of JSONL or CSV has no bytes at all: no rows either way.
        Some(b'{') | None => Ok(Format::Jsonl),
        Some(_) if ends_with(&[".jsonl", ".ndjson", ".json"]) => Ok(Format::Jsonl),
        Some(_) if first_line.contains(&b',') || first_line.starts_with(b"\"") => Ok(Format::Csv),
        Some(_) => Err(Fault::bad_request(format!("cannot tell the format of {name}"))
            .hint("rows come as JSONL, a JSON array, CSV with a header, or Parquet; gzip and zstd are fine")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides_before_the_name() {
        for (name, head, format) in [
            ("a.txt", "{\"id\":1}\n", Format::Jsonl),
            ("a.jsonl", "  [\n{}]", Format::Array),
            ("-", "\"id\",\"name\"\n", Format::Csv),
            ("-", "id,name\n", Format::Csv),
            ("a.csv.gz", "id\n", Format::Csv),
            ("a.ndjson", "oops", Format::Jsonl),
            ("a", "", Format::Jsonl),
            ("a.json", "PAR1....", Format::Parquet),
        ] {
            assert_eq!(detect(name, head.as_bytes()).unwrap(), format, "{name} {head:?}");
        }
        assert!(detect("notes.txt", b"hello").unwrap_err().public_message().contains("notes.txt"));
        assert!(detect("a.parquet", b"{}").unwrap_err().public_message().contains("PAR1"));
    }
}
