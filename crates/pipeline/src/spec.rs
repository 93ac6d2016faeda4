//! What one run is asked to do, already validated: rows, columns, format and file names.

use std::sync::Arc;

use model::{
    ByteCount, Checkpoint, Compression, Enrichment, Fault, FileAttributes, FileName, Format, FormatDescriptor,
    FormatOptions, KeyRange, ReadRequest, RowCount,
};

use crate::{Budget, Earlier};

/// One export of one table.
#[derive(Clone)]
pub struct RunSpec {
    /// What is read, without the columns that an enrichment adds. `as_of` and `snapshot` are those of
    /// the first attempt where the run is resumed, and `batch_bytes_max` is the budget's.
    pub request: ReadRequest,
    /// Names of the columns of the files in the user's order, added ones included. Score columns
    /// follow them in the order of their enrichment.
    pub output_columns: Vec<String>,
    /// Steps between reading and encoding, in order.
    pub enrichments: Vec<Arc<dyn Enrichment>>,
    /// Only these rows: a part of a run whose files are written by several workers.
    pub range: KeyRange,
    /// At most so many rows, the first of the total order, over all attempts.
    pub limit: Option<RowCount>,
    /// How rows become bytes.
    pub format: &'static dyn Format,
    /// Options of the format.
    pub format_options: FormatOptions,
    /// How files are named and when a new one starts.
    pub files: FileLayout,
    /// What lies under these names already.
    pub earlier: Earlier,
    /// Whether an earlier attempt may have begun files: then uploads of them that no checkpoint names are removed.
    pub begun_before: bool,
    /// The request, readable and repeatable, for the manifest.
    pub query: serde_json::Value,
    /// SHA-256 of the request in canonical form, for the manifest.
    pub query_fingerprint: String,
    /// Version of the product, for the manifest.
    pub product_version: String,
    /// Notes for the reader, for the manifest.
    pub warnings: Vec<String>,
    /// Bounds of memory and patience.
    pub budget: Budget,
}

/// How the files of a run are named. Names depend on the request alone, never on how work was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLayout {
    /// Path and name below the destination's root, without extension.
    pub stem: String,
    /// What follows the stem, dots included: `.csv.gz`.
    pub extension: String,
    /// A file ends with the block that takes it to this size; without it everything is one file.
    pub roll_bytes: Option<ByteCount>,
    /// Where the manifest goes; `None` where the user wants none.
    pub manifest: Option<FileName>,
    /// What becomes of a run without rows.
    pub empty: EmptyRun,
}

/// What a run without rows writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmptyRun {
    /// A valid empty file.
    #[default]
    File,
    /// Nothing: it is a part of a run, and another part has a file.
    Nothing,
}

impl FileLayout {
    /// The layout of a run whose single file is exactly `path`. The extension, in front of which a
    /// rolled file's number stands, is the format's and the compression's where the name ends with it, else what
    /// follows the last dot of the last segment.
    pub fn of_path(path: &str, format: &FormatDescriptor, compression: Compression) -> Self {
        let usual = format!(".{}{}", format.extension, compression.suffix());
        let segment = path.rfind('/').map_or(0, |slash| slash + 1);
        let cut = match path[segment..].strip_suffix(&usual) {
            Some(name) if !name.is_empty() => segment + name.len(),
            _ => path[segment..].rfind('.').filter(|dot| *dot > 0).map_or(path.len(), |dot| segment + dot),
        };
        Self {
            stem: path[..cut].to_owned(),
            extension: path[cut..].to_owned(),
            roll_bytes: None,
            manifest: None,
            empty: EmptyRun::File,
        }
    }

    /// The name of the file with this number, from 1.
    pub fn file(&self, number: usize) -> Result<FileName, Fault> {
        match self.roll_bytes {
            None => FileName::new(format!("{}{}", self.stem, self.extension)),
            Some(_) => FileName::new(format!("{}{}", numbered(&self.stem, number), self.extension)),
        }
    }

    /// The file that a run was writing, or was to write next, when it recorded this; `None` where it needs no more.
    pub fn under_way(&self, checkpoint: &Checkpoint) -> Result<Option<FileName>, Fault> {
        match &checkpoint.open {
            Some(open) => Ok(Some(open.name.clone())),
            None if self.roll_bytes.is_none() && !checkpoint.done.is_empty() => Ok(None),
            None => self.file(checkpoint.done.len() + 1).map(Some),
        }
    }

    /// The layout of one part of a run with rolled files: a single file with this number, and no manifest.
    pub fn part(&self, number: usize) -> Self {
        let empty = if number == 1 { EmptyRun::File } else { EmptyRun::Nothing };
        let stem = numbered(&self.stem, number);
        Self { stem, extension: self.extension.clone(), roll_bytes: None, manifest: None, empty }
    }

    /// Whether a file of the run may have this name.
    pub fn names(&self, name: &FileName) -> bool {
        self.infix(name).is_some_and(|infix| infix.is_empty() == self.roll_bytes.is_none())
    }

    /// Whether a file of this or of another run to the same output may have this name, rolled or not.
    pub(crate) fn may_name(&self, name: &FileName) -> bool {
        self.infix(name).is_some()
    }

    /// What stands between stem and extension: nothing, or the number of a rolled file.
    fn infix<'a>(&self, name: &'a FileName) -> Option<&'a str> {
        let infix = name.as_str().strip_prefix(&self.stem)?.strip_suffix(&self.extension)?;
        let digits = |number: &str| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        (infix.is_empty() || infix.strip_prefix("-part-").is_some_and(digits)).then_some(infix)
    }
}

fn numbered(stem: &str, number: usize) -> String {
    format!("{stem}-part-{number:05}")
}

impl RunSpec {
    /// How a file presents itself: compressed files are downloaded as they are stored.
    pub(crate) fn attributes(&self, file: &FileName) -> FileAttributes {
        let content_type = match self.format_options.compression {
            Compression::None => self.format.descriptor().content_type,
            Compression::Gzip => "application/gzip",
            Compression::Zstd => "application/zstd",
        };
        // Quotes, backslashes and non-ASCII would need RFC 8187; readers fall back to the last path segment.
        let plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
        let name = file.last_segment();
        FileAttributes {
            content_type: content_type.to_owned(),
            content_disposition: plain(name).then(|| format!("attachment; filename=\"{name}\"")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::UnicodeRule;

    const CSV: FormatDescriptor = FormatDescriptor {
        name: "csv",
        doc: "",
        extension: "csv",
        content_type: "text/csv",
        compressible: true,
        stretches_per_block: 1,
        unicode_default: UnicodeRule::Keep,
    };

    #[test]
    fn rolled_files_are_numbered_in_front_of_the_whole_extension() {
        for (path, compression, single, rolled) in [
            ("a/out.csv.gz", Compression::Gzip, "a/out.csv.gz", "a/out-part-00007.csv.gz"),
            ("a.b/out", Compression::None, "a.b/out", "a.b/out-part-00007"),
            ("v1.2.txt", Compression::None, "v1.2.txt", "v1.2-part-00007.txt"),
            (".csv", Compression::None, ".csv", ".csv-part-00007"),
        ] {
            let mut layout = FileLayout::of_path(path, &CSV, compression);
            assert_eq!(layout.file(7).unwrap().as_str(), single);
            assert!(layout.names(&FileName::new(single).unwrap()));
            assert!(!layout.names(&FileName::new(format!("{single}.manifest.json")).unwrap()));
            layout.roll_bytes = Some(ByteCount(1));
            assert_eq!(layout.file(7).unwrap().as_str(), rolled);
            assert_eq!(layout.part(7).file(1).unwrap().as_str(), rolled);
            assert!(layout.names(&FileName::new(rolled).unwrap()));
            assert!(!layout.names(&FileName::new(single).unwrap()));
            assert!(layout.may_name(&FileName::new(single).unwrap()));
            assert!(!layout.may_name(&FileName::new(format!("{single}.manifest.json")).unwrap()));
        }
    }
}
