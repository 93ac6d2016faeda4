//! `outgest exports`.

use model::{Fault, FaultKind};
use reqwest::Method;
use serde_json::Value;

use super::ask;
use super::download::fetch;
use super::export::ShownExport;
use super::server::Server;
use super::watch::until_ended;
use crate::cli::{CreateArgs, ExportsArgs, ExportsCommand, ProgressArg, exit_code};
use crate::config::Settings;
use crate::report::print;

/// Exports that are asked for at once while listing.
const PAGE: usize = 100;

/// Carries out `outgest exports`.
pub async fn exports(settings: &Settings, args: &ExportsArgs) -> Result<u8, Fault> {
    let server = Server::new(&settings.client)?;
    match &args.command {
        ExportsCommand::Create(args) => create(&server, args).await?,
        ExportsCommand::List { states, limit, json } => list(&server, states, *limit, *json).await?,
        ExportsCommand::Watch { id, json, progress } => watch(&server, id, *json, *progress).await?,
        ExportsCommand::Cancel { id } => {
            let answer = server.json(server.request(Method::POST, &["exports", id, "cancel"])).await?;
            let export = ShownExport::read(&answer)?;
            print(&format!("{}  {}\n", export.id, export.state))?;
        }
        ExportsCommand::Download { id, output, overwrite } => {
            let answer = server.json(server.request(Method::GET, &["exports", id])).await?;
            let export = ShownExport::read(&answer)?;
            for path in fetch(&server, &export, output.as_deref(), *overwrite).await? {
                print(&format!("{}\n", path.display()))?;
            }
        }
    }
    Ok(exit_code::OK)
}

async fn create(server: &Server, args: &CreateArgs) -> Result<(), Fault> {
    let mut request = server.request(Method::POST, &["exports"]).json(&ask::body(args)?);
    if let Some(key) = &args.idempotency_key {
        request = request.header("idempotency-key", key);
    }
    let answer = server.json(request).await?;
    let export = ShownExport::read(&answer)?;
    for warning in &export.warnings {
        eprintln!("note: {warning}");
    }
    if args.wait {
        return watch(server, &export.id, args.json, args.progress).await;
    }
    print(&if args.json { format!("{answer}\n") } else { format!("{}\n", export.id) })
}

async fn watch(server: &Server, id: &str, json: bool, progress: ProgressArg) -> Result<(), Fault> {
    let (shown, export) = until_ended(server, id, progress).await?;
    if json {
        print(&format!("{shown}\n"))?;
    }
    if let Some(fault) = export.fault() {
        return Err(fault);
    }
    if !json {
        print(&receipt(&export))?;
    }
    Ok(())
}

fn receipt(export: &ShownExport) -> String {
    let mut text = format!("{}  {} rows, {}\n", export.id, export.progress.rows.human(), export.progress.bytes.human());
    for file in &export.files {
        text.push_str(&format!("  {}  {}  sha256 {}\n", file.name, file.bytes.human(), file.sha256));
    }
    if export.truncated {
        text.push_str("truncated: a limit cut rows\n");
    }
    for warning in &export.warnings {
        text.push_str(&format!("note: {warning}\n"));
    }
    if let Some(until) = &export.expires_at {
        text.push_str(&format!("outgest exports download {} fetches it until {until}\n", export.id));
    }
    text
}

async fn list(server: &Server, states: &[String], limit: usize, json: bool) -> Result<(), Fault> {
    let mut left = limit;
    let mut cursor: Option<String> = None;
    while left > 0 {
        let mut query = vec![("limit", left.min(PAGE).to_string())];
        if !states.is_empty() {
            query.push(("state", states.join(",")));
        }
        query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        let answer = server.json(server.request(Method::GET, &["exports"]).query(&query)).await?;
        let items = answer["items"].as_array().cloned().unwrap_or_default();
        for item in items.iter().take(left) {
            print(&format!("{}\n", if json { item.to_string() } else { line(item)? }))?;
        }
        left = left.saturating_sub(items.len());
        match &answer["next"] {
            Value::String(next) if !items.is_empty() => cursor = Some(next.clone()),
            Value::String(_) => {
                return Err(Fault::new(FaultKind::Corrupt, "the server sent an empty page that is not the last"));
            }
            _ => break,
        }
    }
    Ok(())
}

fn line(item: &Value) -> Result<String, Fault> {
    let export = ShownExport::read(item)?;
    let (rows, bytes) = (export.progress.rows.human(), export.progress.bytes.human());
    let mut line =
        format!("{}  {:9}  {}  {rows} rows, {bytes}  {}", export.id, export.state, export.created_at, export.name);
    if let Some(failure) = &export.failure {
        line.push_str(&format!("  ({})", failure.message));
    }
    if let Some(at) = &export.retry_at {
        line.push_str(&format!("  tried again at {at}"));
    }
    Ok(line)
}
