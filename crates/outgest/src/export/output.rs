//! Where the files of an export go: the output's name, its destination, and what may not be overwritten.

use std::path::Path;
use std::sync::Arc;

use model::{Compression, Destination, Fault, FaultKind, FileName, FileReceipt, FormatDescriptor, RawOptions};
use pipeline::FileLayout;

use crate::cli::ExportArgs;
use crate::config;
use crate::data::{absolute, refuse_inside};

/// The output as the user wrote it, before it is connected.
pub struct OutputName {
    text: String,
    /// The text without the options of a URL.
    place: String,
}

/// An output that is connected: the destination, and the names of files below it.
pub struct Output {
    /// The destination.
    pub destination: Arc<dyn Destination>,
    /// Names of files and manifest.
    pub layout: FileLayout,
    /// Where the manifest lies unless it is given another name; `None` where the place cannot hold one.
    pub usual_manifest: Option<FileName>,
    /// The output for people, without secrets.
    pub shown: String,
    /// The output as it is called from everywhere on this machine, without secrets.
    pub place: String,
}

impl OutputName {
    /// The output of `--output`; `None` means a file in the current folder.
    pub fn new(args: &ExportArgs) -> Self {
        let text = args.output.clone().unwrap_or_else(|| "./".to_owned());
        let is_url = text.contains("://");
        let place = if is_url { text.split('?').next().unwrap_or_default().to_owned() } else { text.clone() };
        Self { text, place }
    }

    /// Whether the name says that the file has this extension, compressed or not.
    pub fn has_extension(&self, extension: &str) -> bool {
        let name = self.place.strip_suffix(self.compression().suffix()).unwrap_or(&self.place);
        name.rsplit_once('.').is_some_and(|(_, found)| found.eq_ignore_ascii_case(extension))
    }

    /// The compression that the name promises.
    pub fn compression(&self) -> Compression {
        let promised =
            |compression: &Compression| *compression != Compression::None && self.place.ends_with(compression.suffix());
        Compression::ALL.into_iter().find(promised).unwrap_or_default()
    }

    /// Whether rows go to standard output.
    pub fn is_stdout(&self) -> bool {
        self.text == "-"
    }

    /// The path of an output on this machine, however it is written.
    fn local(&self) -> Option<&Path> {
        match self.place.split_once("://") {
            None => (!self.is_stdout()).then_some(Path::new(&self.place)),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("file") => {
                rest.find('/').map(|at| Path::new(&rest[at..]))
            }
            Some(_) => None,
        }
    }

    /// Connects the destination and fixes the names of files. Nothing is sent.
    ///
    /// A place that ends in `/`, and a folder that exists, get a file named after project and table.
    pub fn connect(
        &self,
        args: &ExportArgs,
        format: &FormatDescriptor,
        compression: Compression,
        data: &Path,
    ) -> Result<Output, Fault> {
        let connected = destinations::connect(&self.text, &RawOptions::default(), &config::environment)?;
        let shown = connected.to.to_string();
        let mut place = shown.clone();
        if let Some(local) = self.local() {
            refuse_inside("--output", local, data)?;
            place = absolute(Path::new(&shown)).map_or(place, |path| path.display().to_string());
        }
        if self.is_stdout() && args.roll_size.is_some() {
            return Err(Fault::bad_request("--roll-size: standard output is one file")
                .hint("leave --roll-size out, or write to a file or URL"));
        }
        let mut path = connected.path;
        if path.is_empty() || path.ends_with('/') {
            path.push_str(&usual_name(args, format, compression));
        }
        let mut layout = FileLayout::of_path(&path, format, compression);
        layout.roll_bytes = match &args.roll_size {
            Some(size) => {
                Some(config::parse_size("--roll-size", size).map_err(|problem| Fault::of_problems(vec![problem]))?)
            }
            None => None,
        };
        let manifests = connected.to.limits().manifests;
        let usual_manifest = if manifests { Some(FileName::new(format!("{path}.manifest.json"))?) } else { None };
        if let Some(name) = &args.manifest {
            if !manifests {
                return Err(Fault::bad_request(format!("--manifest: {} cannot hold a manifest", connected.to))
                    .hint("write to a file or URL, or leave --manifest out"));
            }
            if name.contains('/') {
                // Verification looks for the files where the manifest lies.
                return Err(Fault::bad_request(format!("--manifest: {name:?} lies elsewhere than the files"))
                    .hint("give a name without folders: a manifest lies beside its files"));
            }
            let name = FileName::new(beside(&path, name))?;
            if layout.names(&name) {
                return Err(Fault::bad_request(format!("--manifest: {name} is the name of an exported file"))
                    .hint("give the manifest a name of its own, or leave --manifest out"));
            }
            layout.manifest = Some(name);
        } else if !args.no_manifest {
            layout.manifest = usual_manifest.clone();
        }
        Ok(Output { shown, place, destination: connected.to, usual_manifest, layout })
    }
}

/// The name of a file in a folder that was given without one.
fn usual_name(args: &ExportArgs, format: &FormatDescriptor, compression: Compression) -> String {
    // A project id may hold anything; a file name should not.
    let project: String =
        args.project.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
    format!("{project}-{}.{}{}", args.table, format.extension, compression.suffix())
}

impl Output {
    /// The output as the same words name it from everywhere on this machine: rolled files have a number more.
    pub fn full_name(&self) -> String {
        format!("{}{} in {}", self.layout.stem, self.layout.extension, self.place)
    }

    /// Fails where a file or manifest of the run exists already, apart from the files that an unfinished
    /// attempt at it made.
    pub async fn refuse_existing(&self, unfinished: &[FileReceipt]) -> Result<(), Fault> {
        let mut names = vec![self.layout.file(1)?];
        // The parts of an earlier export follow one another, so the second one tells of all.
        if self.layout.roll_bytes.is_some() {
            names.push(self.layout.file(2)?);
        }
        names.extend(self.layout.manifest.clone());
        for name in names {
            let Some(found) = self.destination.head(&name).await? else { continue };
            if !unfinished.iter().any(|file| file.key == name && file.head == found) {
                return Err(Fault::new(FaultKind::Conflict, format!("{name} exists already in {}", self.destination))
                    .hint("give another --output, or replace it with --overwrite"));
            }
        }
        Ok(())
    }
}

/// A name relative to the folder of `path`.
fn beside(path: &str, name: &str) -> String {
    match path.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{name}"),
        None => name.to_owned(),
    }
}
