//! `outgest integrations`: the integrations of a server, through its API.

use model::{ByteCount, Fault, FaultKind, FieldProblem, RowCount};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::server::Server;
use crate::cli::{BackfillArgs, IntegrationsArgs, IntegrationsCommand, OrderArg, SettingsArgs, exit_code};
use crate::config::Settings;
use crate::report::print;

/// Items that are asked for at once while listing.
const PAGE: usize = 100;

/// What to do about an id that nothing has.
const NOT_FOUND_HINT: &str = "outgest integrations list prints those that there are; check --project as well";

/// Carries out `outgest integrations`.
pub async fn integrations(settings: &Settings, args: &IntegrationsArgs) -> Result<u8, Fault> {
    carry_out(settings, args).await.map_err(|fault| match (fault.kind(), fault.public_hint()) {
        (FaultKind::NotFound, None) => fault.hint(NOT_FOUND_HINT),
        _ => fault,
    })
}

async fn carry_out(settings: &Settings, args: &IntegrationsArgs) -> Result<u8, Fault> {
    let server = Server::new(&settings.client)?;
    let asked = Asked { server: &server, json: args.json };
    match &args.command {
        IntegrationsCommand::Kinds => {
            asked.all(server.json(server.request_to(Method::GET, &["integration-kinds"])).await?)
        }
        IntegrationsCommand::List => asked.pages(&["integrations"], &[], usize::MAX, integration_line).await,
        IntegrationsCommand::Show { id } => asked.show(Method::GET, &[id], None).await,
        IntegrationsCommand::Create(settings) => {
            let answer = server.json(server.request(Method::POST, &["integrations"]).json(&body(settings)?)).await?;
            print(&format!("{}\n", if args.json { answer.to_string() } else { text(&answer, "id") }))
        }
        IntegrationsCommand::Change { id, settings } => change(&asked, id, settings).await,
        IntegrationsCommand::Delete { id } => {
            super::server::send(server.request(Method::DELETE, &["integrations", id])).await.map(drop)
        }
        IntegrationsCommand::Pause { id } => asked.act(&[id, "pause"]).await,
        IntegrationsCommand::Resume { id } => asked.act(&[id, "resume"]).await,
        IntegrationsCommand::Run { id } => asked.show(Method::POST, &[id, "run"], Some(json!({}))).await,
        IntegrationsCommand::Test { id } => return test(&asked, id).await,
        IntegrationsCommand::Windows { id } => asked.show(Method::GET, &[id, "windows"], None).await,
        IntegrationsCommand::Runs { id, states, limit } => {
            let query = if states.is_empty() { vec![] } else { vec![("state", states.join(","))] };
            asked.pages(&["integrations", id, "runs"], &query, *limit, run_line).await
        }
        IntegrationsCommand::Coverage { id } => asked.show(Method::GET, &[id, "coverage"], None).await,
        IntegrationsCommand::Backfill(backfill) => asked.backfill(backfill).await,
        IntegrationsCommand::Backfills { id } => {
            asked.pages(&["integrations", id, "backfills"], &[], usize::MAX, backfill_line).await
        }
        IntegrationsCommand::CancelBackfill { id, backfill } => asked.act(&[id, "backfills", backfill, "cancel"]).await,
        IntegrationsCommand::DeadLetters { id, limit } => {
            asked.pages(&["integrations", id, "dead-letters"], &[], *limit, letter_line).await
        }
        IntegrationsCommand::Replay { id } => {
            asked.show(Method::POST, &[id, "dead-letters", "replay"], Some(json!({}))).await
        }
    }?;
    Ok(exit_code::OK)
}

/// A server, and how its answers are printed.
struct Asked<'a> {
    server: &'a Server,
    json: bool,
}

impl Asked<'_> {
    /// Prints an answer: as it came, or indented for people.
    fn all(&self, answer: Value) -> Result<(), Fault> {
        let items = match answer {
            Value::Array(items) => items,
            one => vec![one],
        };
        for item in items {
            print(&if self.json { format!("{item}\n") } else { format!("{item:#}\n") })?;
        }
        Ok(())
    }

    async fn show(&self, method: Method, path: &[&str], body: Option<Value>) -> Result<(), Fault> {
        let mut request = self.server.request(method, &[&["integrations"][..], path].concat());
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.all(self.server.json(request).await?)
    }

    /// Does something and prints where what it was done to stands.
    async fn act(&self, path: &[&str]) -> Result<(), Fault> {
        let request = self.server.request(Method::POST, &[&["integrations"][..], path].concat()).json(&json!({}));
        let answer = self.server.json(request).await?;
        if self.json {
            return self.all(answer);
        }
        let state = if answer["state"].is_string() { "state" } else { "status" };
        print(&format!("{}  {}\n", text(&answer, "id"), text(&answer, state)))
    }

    async fn pages(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        limit: usize,
        line: fn(&Value) -> String,
    ) -> Result<(), Fault> {
        let mut left = limit;
        let mut cursor: Option<String> = None;
        while left > 0 {
            let mut query = query.to_vec();
            query.push(("limit", left.min(PAGE).to_string()));
            query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let answer = self.server.json(self.server.request(Method::GET, path).query(&query)).await?;
            let items = answer["items"].as_array().cloned().unwrap_or_default();
            for item in items.iter().take(left) {
                print(&format!("{}\n", if self.json { item.to_string() } else { line(item) }))?;
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

    async fn backfill(&self, args: &BackfillArgs) -> Result<(), Fault> {
        let mut body = json!({"from": args.from, "to": args.to});
        if args.estimate {
            return self.show(Method::POST, &[&args.id, "backfills", "estimate"], Some(body)).await;
        }
        body["order"] = match args.order {
            OrderArg::OldestFirst => json!("oldestFirst"),
            OrderArg::NewestFirst => json!("newestFirst"),
        };
        if let Some(parallel) = args.parallel {
            body["parallelMax"] = json!(parallel);
        }
        let request = self.server.request(Method::POST, &["integrations", &args.id, "backfills"]).json(&body);
        let answer = self.server.json(request).await?;
        print(&format!("{}\n", if self.json { answer.to_string() } else { text(&answer, "id") }))
    }
}

async fn change(asked: &Asked<'_>, id: &str, settings: &SettingsArgs) -> Result<(), Fault> {
    let server = asked.server;
    let known = server.json(server.request(Method::GET, &["integrations", id])).await?;
    let mut body = body(settings)?;
    // Whoever names a version insists on it.
    body.entry("version").or_insert_with(|| known["version"].clone());
    let answer = server.json(server.request(Method::PATCH, &["integrations", id]).json(&body)).await?;
    print(&format!("{}\n", if asked.json { answer.to_string() } else { text(&answer, "id") }))
}

/// Prints the steps; the code tells whether all succeeded.
async fn test(asked: &Asked<'_>, id: &str) -> Result<u8, Fault> {
    let server = asked.server;
    let known = server.json(server.request(Method::GET, &["integrations", id])).await?;
    let body = json!({"version": known["version"]});
    let report = server.json(server.request(Method::POST, &["integrations", id, "test"]).json(&body)).await?;
    if asked.json {
        print(&format!("{report}\n"))?;
    } else {
        for step in report["steps"].as_array().into_iter().flatten() {
            let name = text(step, "name");
            match (step["failure"].as_str(), step["note"].as_str()) {
                (Some(failure), _) => print(&format!("failed  {name}: {failure}\n"))?,
                (None, Some(note)) => print(&format!("ok      {name}: {note}\n"))?,
                (None, None) => print(&format!("ok      {name}\n"))?,
            }
        }
    }
    Ok(if report["ok"] == json!(true) { exit_code::OK } else { exit_code::FAILED })
}

/// What was typed, in the API's words. The server checks it; here only files are read.
fn body(args: &SettingsArgs) -> Result<Map<String, Value>, Fault> {
    let problem = |field: &str, message: String| Fault::of_problems(vec![FieldProblem::new(field, message)]);
    let content = read(&args.settings).map_err(|why| problem("--settings", why))?;
    let settings: Value =
        serde_json::from_str(&content).map_err(|error| problem("--settings", format!("this is not JSON: {error}")))?;
    let Value::Object(mut settings) = settings else {
        return Err(problem("--settings", "this is not one JSON object".to_owned()));
    };
    let mut secrets = match settings.remove("secrets") {
        None => Map::new(),
        Some(Value::Object(secrets)) => secrets,
        Some(_) => return Err(problem("--settings", "secrets is not a JSON object".to_owned())),
    };
    for text in &args.secrets {
        let Some((name, file)) = text.split_once("=@") else {
            return Err(problem("--secret", "it names no file".to_owned())
                .hint("write NAME=@FILE: what a command line says others can read"));
        };
        let value = read(&format!("@{file}")).map_err(|why| problem("--secret", why))?;
        secrets.insert(name.to_owned(), json!(value.trim_end_matches(['\r', '\n'])));
    }
    if !secrets.is_empty() {
        settings.insert("secrets".to_owned(), Value::Object(secrets));
    }
    Ok(settings)
}

/// A text, or what the file behind an @ holds.
fn read(text: &str) -> Result<String, String> {
    match text.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).map_err(|error| format!("cannot read {file:?}: {error}")),
        None => Ok(text.to_owned()),
    }
}

fn text(value: &Value, field: &str) -> String {
    match &value[field] {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

/// A count for people; a dash where the server, an older one, does not tell it.
fn rows(result: &Value, field: &str) -> String {
    result[field].as_u64().map_or_else(|| "-".to_owned(), |count| RowCount(count).human())
}

fn integration_line(item: &Value) -> String {
    let upto = text(item, "exportedUpto");
    let mut line = format!(
        "{}  {:9}  {:9}  exported up to {upto}  {}",
        text(item, "id"),
        text(item, "status"),
        text(item, "kind"),
        text(item, "name")
    );
    if let Some(message) = item["pause"]["failure"]["message"].as_str() {
        line.push_str(&format!("  ({message})"));
    }
    line
}

fn run_line(item: &Value) -> String {
    let result = &item["result"];
    let mut line = format!("{}  {:9}  {}", text(item, "id"), text(item, "state"), text(item, "stem"));
    if result.is_object() {
        line.push_str(&format!(
            "  {} rows, {}, {} late, {} deleted",
            rows(result, "rows"),
            result["bytes"].as_u64().map_or_else(|| "-".to_owned(), |bytes| ByteCount(bytes).human()),
            rows(result, "lateRows"),
            rows(result, "deletedRows")
        ));
    }
    if let Some(message) = item["failure"]["message"].as_str() {
        line.push_str(&format!("  ({message})"));
    }
    if let Some(at) = item["retryAt"].as_str() {
        line.push_str(&format!("  tried again at {at}"));
    }
    line
}

fn backfill_line(item: &Value) -> String {
    format!(
        "{}  {:9}  {} to {}  windows: {} done, {} under way, {} failed",
        text(item, "id"),
        text(item, "state"),
        text(item, "from"),
        text(item, "to"),
        text(item, "windowsCompleted"),
        text(item, "windowsActive"),
        text(item, "windowsFailed")
    )
}

fn letter_line(item: &Value) -> String {
    format!("{}  {}  {}  {}", text(item, "at"), text(item, "table"), text(item, "row"), text(item, "reason"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(settings: &str, secrets: &[&str]) -> Result<Map<String, Value>, Fault> {
        let secrets = secrets.iter().map(|text| (*text).to_owned()).collect();
        body(&SettingsArgs { settings: settings.to_owned(), secrets })
    }

    #[test]
    fn settings_and_secrets_become_the_body() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "hunter2\n").unwrap();
        let secret = format!("secret_access_key=@{}", file.display());
        let body = typed(r#"{"name":"lake","secrets":{"session_token":"t"}}"#, &[&secret]).unwrap();
        assert_eq!(
            Value::Object(body),
            json!({"name": "lake", "secrets": {"session_token": "t", "secret_access_key": "hunter2"}})
        );
    }

    #[test]
    fn what_cannot_be_read_is_told_without_the_secret() {
        assert!(typed("{", &[]).unwrap_err().public_message().starts_with("--settings: this is not JSON"));
        assert!(typed("[]", &[]).is_err());
        for secret in ["hunter2", "secret_access_key=hunter2"] {
            let fault = typed("{}", &[secret]).unwrap_err();
            assert!(!format!("{fault:?}").contains("hunter2"), "{fault:?}");
        }
        assert!(typed(r#"{"secrets":"hunter2"}"#, &[]).is_err());
    }

    #[test]
    fn a_run_is_one_line() {
        let run = json!({"id": "r", "state": "completed", "stem": "2026-08-01T12-00-00",
            "result": {"rows": 7000, "bytes": 10, "lateRows": 2, "deletedRows": 3}});
        assert_eq!(run_line(&run), "r  completed  2026-08-01T12-00-00  7,000 rows, 10 B, 2 late, 3 deleted");
        let failed =
            json!({"id": "r", "state": "queued", "stem": "s", "failure": {"message": "503"}, "retryAt": "soon"});
        assert_eq!(run_line(&failed), "r  queued     s  (503)  tried again at soon");
    }
}
