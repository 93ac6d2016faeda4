//! `outgest doctor`: what a source is, what it lacks, and which limits hold. It changes nothing.

use lake::StoreInfo;
use model::Fault;
use serde_json::json;
use sources::clickhouse::{Finding, Verdict, examine};

use crate::cli::{DoctorArgs, exit_code};
use crate::config::Settings;
use crate::data::{SourceChoice, open_lake};
use crate::report::print;

/// Carries out `outgest doctor`; the code tells whether exports can work.
pub async fn doctor(settings: &Settings, args: &DoctorArgs) -> Result<u8, Fault> {
    let choice = SourceChoice::read(settings, args.source.as_deref())?;
    let findings = match (choice.clickhouse(), choice.directory(settings)) {
        (Some(options), _) => examine(options.clone(), &tables::stored(), &tables::clickhouse_tables()).await?,
        (None, Some(directory)) => of_store(&open_lake(directory)?.info()?),
        (None, None) => return Err(Fault::bug("a source is neither a store nor a server")),
    };
    let text = if args.json { format!("{}\n", json!(findings)) } else { told(&findings) };
    print(&text)?;
    let failed = findings.iter().any(|finding| finding.verdict == Verdict::Failed);
    Ok(if failed { exit_code::FAILED } else { exit_code::OK })
}

/// The findings for people.
fn told(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        text.push_str(&format!("{finding}\n"));
        if let Some(hint) = &finding.hint {
            text.push_str(&format!("        {hint}\n"));
        }
    }
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    text.push_str(match (count(Verdict::Failed), count(Verdict::Note)) {
        (0, 0) => "\nexports can read everything\n",
        (0, _) => "\nexports can read everything; see the notes\n",
        _ => "\nexports cannot work until what failed is mended\n",
    });
    text
}

/// What there is to say about an embedded store, which has no rights and no limits.
fn of_store(info: &StoreInfo) -> Vec<Finding> {
    let ok = |about, text| Finding { verdict: Verdict::Ok, about, text, hint: None };
    let mut findings = vec![ok("store", format!("{} (format {})", info.directory.display(), info.format))];
    for table in &info.tables {
        let projects = table.projects.len();
        let rows: u64 = table.projects.iter().map(|project| project.live_rows.get()).sum();
        let projects = if projects == 1 { "1 project".to_owned() } else { format!("{projects} projects") };
        let rows = model::RowCount(rows).human();
        findings.push(ok("table", format!("{}, {rows} rows of {projects}, version {}", table.name, table.version)));
    }
    findings
}
