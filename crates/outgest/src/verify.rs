//! `outgest verify`: a finished export against its files and its source.

use std::sync::Arc;

use futures_util::TryStreamExt;
use model::{
    Destination, Fault, FaultKind, FileName, MANIFEST_VERSION, Manifest, RawOptions, RowCount, RunId, Stop,
    WindowManifest,
};
use pipeline::{Against, Budget, FilesRead, RealWaits, Verification, VerifyReport};
use serde_json::json;

use crate::cli::{VerifyArgs, exit_code};
use crate::config::{self, Settings};
use crate::export::{Request, read_request};
use crate::report::print;
use crate::{data, signals};

/// Largest manifest that is read: a run of 100,000 files has one of about 60 MB.
const MANIFEST_BYTES_MAX: usize = 256 << 20;

/// So many differences are named to people: where another source was meant, every row is one.
const DIFFERENCES_TOLD: usize = 100;

/// Carries out `outgest verify`; the code tells whether anything differs.
pub async fn verify(settings: &Settings, args: &VerifyArgs) -> Result<u8, Fault> {
    let files_alone = args.source.as_deref() == Some("none");
    if files_alone && args.full {
        return Err(Fault::bad_request("--full: it compares with the source, and --source none leaves the source out")
            .hint("leave one of the two out"));
    }
    let connected = destinations::connect(&args.manifest, &RawOptions::default(), &config::environment)?;
    let name = FileName::new(connected.path)?;
    let manifests = read_manifest(connected.to.as_ref(), &name).await?;
    let source = if files_alone {
        None
    } else {
        let choice = data::SourceChoice::read(settings, args.source.as_deref())?;
        Some((choice.open(settings)?, choice.lookups(settings).await?.comments))
    };
    let stop = Stop::new();
    let stopping = signals::stop_on_signal(stop.clone(), "nothing was changed");
    let mut report = VerifyReport::default();
    for manifest in manifests {
        let request = Request::of_query(&manifest.query)?;
        let against = match &source {
            None => None,
            Some((source, comments)) => {
                let request =
                    read_request(&request, &RunId::new("verify"), manifest.exported_at, comments.as_ref()).await?;
                Some(Against { source: Arc::clone(source), request, full: args.full })
            }
        };
        let table = pipeline::verify(Verification {
            manifest,
            destination: Arc::clone(&connected.to),
            format: request.format,
            options: request.format_options.clone(),
            files: FilesRead::All,
            altered: request.masked_columns(),
            against,
            stop: stop.clone(),
            waits: Arc::new(RealWaits),
            budget: Budget::default(),
        });
        report.merge(table.await?);
    }
    stopping.abort();

    let text = if args.json {
        let differences: Vec<String> = report.differences.iter().map(ToString::to_string).collect();
        let answer = json!({
            "files_read": report.files_read,
            "rows_in_files": report.rows_in_files,
            "rows_in_source": report.rows_in_source,
            "rows_superseded": report.rows_superseded,
            "rows_since": report.rows_since,
            "differences": differences,
            "differences_more": report.differences_more,
        });
        format!("{answer}\n")
    } else {
        told(&report, if files_alone { "manifest" } else { "manifest and source" })
    };
    print(&text)?;
    Ok(if report.differences.is_empty() { exit_code::OK } else { exit_code::DIFFERENT })
}

/// The report for people.
fn told(report: &VerifyReport, compared: &str) -> String {
    let all = report.differences.len() as u64 + report.differences_more;
    let told = report.differences.iter().take(DIFFERENCES_TOLD);
    let mut text: String = told.map(|difference| format!("{difference}\n")).collect();
    if all > DIFFERENCES_TOLD as u64 {
        let more = RowCount(all - DIFFERENCES_TOLD as u64).human();
        text.push_str(&format!("and {more} more; --json names the first {}\n", report.differences.len()));
    }
    let verdict = match all {
        0 => format!("no differences from {compared}"),
        1 => format!("1 difference from {compared}"),
        many => format!("{} differences from {compared}", RowCount(many).human()),
    };
    let files = if report.files_read == 1 { "1 file".to_owned() } else { format!("{} files", report.files_read) };
    text.push_str(&format!("{files}, {}: {verdict}\n", report.rows_in_files.counted()));
    if report.rows_superseded.get() > 0 {
        text.push_str(&format!(
            "{} of the rows have a newer version by now, or were deleted\n",
            report.rows_superseded.human()
        ));
    }
    if report.rows_since.get() > 0 {
        text.push_str(&format!(
            "{} stored since: the window has no end, so another export has them\n",
            report.rows_since.counted()
        ));
    }
    text
}

/// The manifest of an export, or one of every table of a window.
async fn read_manifest(destination: &dyn Destination, name: &FileName) -> Result<Vec<Manifest>, Fault> {
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
    let of_window = value["manifestVersion"].as_u64();
    match value["manifest_version"].as_u64().or(of_window) {
        Some(version) if version > u64::from(MANIFEST_VERSION) => Err(Fault::new(
            FaultKind::Configuration,
            format!("{name} is a manifest of version {version}, this outgest reads up to {MANIFEST_VERSION}"),
        )
        .hint("verify it with the outgest that wrote it, or a newer one")),
        Some(_) if of_window.is_some() => {
            let manifest: WindowManifest =
                serde_json::from_value(value).map_err(|error| not_a_manifest(name, &error.to_string()))?;
            Ok(manifest.into_tables())
        }
        Some(_) => {
            let manifest = serde_json::from_value(value).map_err(|error| not_a_manifest(name, &error.to_string()))?;
            Ok(vec![manifest])
        }
        None => Err(not_a_manifest(name, "it has no manifest_version")),
    }
}

fn not_a_manifest(name: &FileName, why: &str) -> Fault {
    Fault::corrupt(format!("{name} is not a manifest: {why}"))
        .hint("name the .manifest.json file that the export printed")
}
