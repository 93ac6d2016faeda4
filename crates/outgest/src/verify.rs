//! `outgest verify`: a finished export against its files and its source.

use std::sync::Arc;

use futures_util::TryStreamExt;
use model::{Destination, Fault, FaultKind, FileName, MANIFEST_VERSION, Manifest, RawOptions, RunId, Stop};
use pipeline::{Against, Budget, RealWaits, Verification};
use serde_json::json;

use crate::cli::{VerifyArgs, exit_code};
use crate::config::{self, Settings};
use crate::export::{Request, read_request};
use crate::{data, signals};

/// Largest manifest that is read: a run of 100,000 files has one of about 60 MB.
const MANIFEST_BYTES_MAX: usize = 256 << 20;

/// Carries out `outgest verify`; the code tells whether anything differs.
pub async fn verify(settings: &Settings, args: &VerifyArgs) -> Result<u8, Fault> {
    let connected = destinations::connect(&args.manifest, &RawOptions::default(), &config::environment)?;
    let name = FileName::new(connected.path)?;
    let manifest = read_manifest(connected.to.as_ref(), &name).await?;
    let request = Request::of_query(&manifest.query)?;
    let against = if args.source.as_deref() == Some("none") {
        None
    } else {
        let source = data::open_source(&settings.data, args.source.as_deref())?;
        let store = data::open_metadata(settings).await?;
        let request = read_request(&request, &RunId::new("verify"), manifest.exported_at, &store).await?;
        Some(Against { source, request, full: args.full })
    };
    let stop = Stop::new();
    let stopping = signals::stop_on_signal(stop.clone());
    let report = pipeline::verify(Verification {
        manifest,
        destination: connected.to,
        format: request.format,
        against,
        stop,
        waits: Arc::new(RealWaits),
        budget: Budget::default(),
    })
    .await?;
    stopping.abort();

    if args.json {
        let differences: Vec<String> = report.differences.iter().map(ToString::to_string).collect();
        println!(
            "{}",
            json!({
                "files_read": report.files_read,
                "rows_in_files": report.rows_in_files,
                "rows_in_source": report.rows_in_source,
                "rows_superseded": report.rows_superseded,
                "differences": differences,
            })
        );
    } else {
        for difference in &report.differences {
            println!("{difference}");
        }
        let compared = if args.source.as_deref() == Some("none") { "manifest" } else { "manifest and source" };
        let verdict = match report.differences.len() {
            0 => format!("no differences from {compared}"),
            1 => format!("1 difference from {compared}"),
            many => format!("{many} differences from {compared}"),
        };
        let files = if report.files_read == 1 { "1 file".to_owned() } else { format!("{} files", report.files_read) };
        println!("{files}, {} rows: {verdict}", report.rows_in_files.human());
        if report.rows_superseded.get() > 0 {
            println!("{} of the rows have a newer version by now", report.rows_superseded.human());
        }
    }
    Ok(if report.differences.is_empty() { exit_code::OK } else { exit_code::DIFFERENT })
}

async fn read_manifest(destination: &dyn Destination, name: &FileName) -> Result<Manifest, Fault> {
    let mut bytes = Vec::new();
    let mut stream = destination.read(name).await?;
    while let Some(piece) = stream.try_next().await? {
        if bytes.len() + piece.len() > MANIFEST_BYTES_MAX {
            return Err(not_a_manifest(name, "it is too large"));
        }
        bytes.extend_from_slice(&piece);
    }
    let value: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| not_a_manifest(name, &error.to_string()))?;
    match value["manifest_version"].as_u64() {
        Some(version) if version > u64::from(MANIFEST_VERSION) => Err(Fault::new(
            FaultKind::Configuration,
            format!("{name} is a manifest of version {version}, this outgest reads up to {MANIFEST_VERSION}"),
        )
        .hint("verify it with the outgest that wrote it, or a newer one")),
        Some(_) => serde_json::from_value(value).map_err(|error| not_a_manifest(name, &error.to_string())),
        None => Err(not_a_manifest(name, "it has no manifest_version")),
    }
}

fn not_a_manifest(name: &FileName, why: &str) -> Fault {
    Fault::corrupt(format!("{name} is not a manifest: {why}"))
        .hint("name the .manifest.json file that the export printed")
}
