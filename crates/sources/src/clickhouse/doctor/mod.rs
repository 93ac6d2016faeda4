//! What `outgest doctor` tells about a ClickHouse: what is there, what is missing, what holds for us.
//!
//! [`examine`] only looks: at the server's version, at the schema through `system.tables` and
//! `system.columns`, at rights by reading no row of every column, at the settings that it may send. It stops
//! where nothing more can be found out, and reads nobody's rows.

mod replicas;
mod schema;

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use model::{Fault, FaultKind, PhysicalTable, Stop, StoredTable};
use serde::Serialize;

use super::client::{Client, Limit};
use super::options::{ClickHouseOptions, CommentsFrom};
use super::query::Query;
use super::sql::escaped;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How good it is.
    pub verdict: Verdict,
    /// What it is about, in a word: `server`, `table`, `limit`.
    pub about: &'static str,
    /// What was found, in a sentence without secrets.
    pub text: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// How good a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Exports work, and somebody should know.
    Note,
    /// Some or all exports cannot work.
    Failed,
}

impl Verdict {
    /// As it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<6}  {}: {}", self.verdict.as_str(), self.about, self.text)
    }
}

impl Finding {
    fn ok(about: &'static str, text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, about, text: text.into(), hint: None }
    }

    fn note(about: &'static str, text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { verdict: Verdict::Note, about, text: text.into(), hint: Some(hint.into()) }
    }

    fn failed(about: &'static str, text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { verdict: Verdict::Failed, about, text: text.into(), hint: Some(hint.into()) }
    }

    fn of_fault(about: &'static str, fault: &Fault) -> Self {
        let hint = fault.public_hint().map(str::to_owned);
        Self { verdict: Verdict::Failed, about, text: fault.public_message().to_owned(), hint }
    }
}

/// The version of the server that answers there.
pub async fn version(options: ClickHouseOptions) -> Result<String, Fault> {
    let client = Client::new(options)?;
    let answer = client.rows(query("SELECT version() AS version", "its version", &[]), &Stop::new()).await?;
    Ok(texts(&answer, "version").first().copied().unwrap_or_default().to_owned())
}

/// Looks at everything that exports of these stored tables depend on; `places` is every table that their
/// rows may be in. What cannot be looked at is a finding too; it is a fault only where the
/// options cannot be used at all.
pub async fn examine(
    options: ClickHouseOptions,
    tables: &[Arc<StoredTable>],
    places: &[PhysicalTable],
) -> Result<Vec<Finding>, Fault> {
    let client = Client::new(options)?;
    let mut findings = Vec::new();
    match server(&client).await {
        Ok(finding) => findings.push(finding),
        // Without an answer there is nothing more to be found out.
        Err(fault) => return Ok(vec![Finding::of_fault("server", &fault)]),
    }
    findings.extend(cluster(&client).await);
    match schema::Schema::read(&client, tables, places).await {
        Ok(schema) => {
            findings.extend(schema.findings(client.options()));
            findings.extend(replicas::findings(&client, &schema.replicated()).await);
            findings.extend(schema.rights(&client).await);
        }
        Err(fault) => findings.push(Finding::of_fault("tables", &fault)),
    }
    findings.extend(errors(&client).await);
    match client.limits().await {
        Ok(limits) => findings.extend(limits.iter().map(limit)),
        Err(fault) => findings.push(Finding::of_fault("limit", &fault)),
    }
    findings.push(ours(client.options()));
    findings.push(comments(client.options().comments));
    Ok(findings)
}

async fn server(client: &Client) -> Result<Finding, Fault> {
    let text = "SELECT version() AS version, timezone() AS zone, currentUser() AS user";
    let answer = client.rows(query(text, "its version", &[]), &Stop::new()).await?;
    let value = |name| texts(&answer, name).first().copied().unwrap_or_default().to_owned();
    let text = format!(
        "ClickHouse {}, time zone {}, at {} as user {:?}",
        value("version"),
        value("zone"),
        client.options(),
        value("user")
    );
    Ok(Finding::ok("server", text))
}

/// Whether the cluster is known that tables are to be read through.
async fn cluster(client: &Client) -> Option<Finding> {
    let name = client.options().cluster.clone()?;
    let text = "SELECT toString(uniqExact(shard_num)) AS shards FROM system.clusters WHERE cluster = {cluster:String}";
    let asked = client.rows(query(text, "its clusters", &[("cluster", escaped(&name))]), &Stop::new()).await;
    Some(match asked {
        // Reading through a cluster needs no look at it.
        Err(fault) if fault.kind() == FaultKind::Credentials => Finding::note(
            "cluster",
            format!("the user may not see system.clusters, so whether it has {name:?} is told by the rights alone"),
            format!("GRANT SELECT ON system.clusters TO {}", client.options().user),
        ),
        Err(fault) => Finding::of_fault("cluster", &fault),
        Ok(answer) => match texts(&answer, "shards").first() {
            None | Some(&"0") => Finding::failed(
                "cluster",
                format!("the server knows none called {name:?}"),
                "correct the option cluster",
            ),
            Some(&"1") => Finding::ok("cluster", format!("{name:?} has 1 shard")),
            Some(shards) => Finding::ok("cluster", format!("{name:?} has {shards} shards")),
        },
    })
}

/// What of a failure in the middle of an answer can be told.
async fn errors(client: &Client) -> Vec<Finding> {
    let marked = match client.marks_failures().await {
        Ok(true) => Finding::ok("errors", "failures in the middle of an answer are marked by the server"),
        Ok(false) => Finding::note(
            "errors",
            "failures in the middle of an answer are not marked; they are known by the end that is missing",
            "ClickHouse 25.11 and newer mark them; nothing has to be done",
        ),
        Err(fault) => Finding::of_fault("errors", &fault),
    };
    vec![marked, progress(client).await]
}

/// Whether queries that run can be seen, and what comes of it where they cannot.
async fn progress(client: &Client) -> Finding {
    if client.sees_queries().await {
        return Finding::ok("progress", "a query that is silent while it works is known by its progress");
    }
    let (left, instead) = match client.ends_with_connection().await {
        Ok(true) => ("ends with its connection and not before", "raise silence_seconds_max"),
        Ok(false) => (
            "runs on while it is silent",
            "raise silence_seconds_max and set cancel_http_readonly_queries_on_client_close in the user's profile",
        ),
        Err(fault) => return Finding::of_fault("progress", &fault),
    };
    let text = format!(
        "the user may not see system.processes, so a query that is silent is given up although it works, and one that \
         is given up or cancelled {left}"
    );
    let hint = format!("GRANT SELECT ON system.processes TO {}, or {instead}", client.options().user);
    Finding::note("progress", text, hint)
}

fn limit(limit: &Limit) -> Finding {
    let Limit { setting, wanted, effective, note } = limit;
    match note {
        None => Finding::ok("limit", format!("{setting} = {effective}")),
        Some(why) => Finding::note(
            "limit",
            format!("{setting} is {effective} instead of {wanted}: {why}"),
            "set it in the user's profile where the server should be spared",
        ),
    }
}

/// The limits that we keep ourselves.
fn ours(options: &ClickHouseOptions) -> Finding {
    let rate = options.bytes_per_second_max.map(|bytes| format!("{} a second", bytes.human()));
    let rate = rate.unwrap_or_else(|| "any number of bytes a second".to_owned());
    let queries = format!("{} queries at the same time over all workers", options.queries_max);
    let look_ups = "one look-up beside them in each worker";
    Finding::ok("limit", format!("{queries}, {look_ups}, and {rate}, kept by outgest itself"))
}

fn comments(from: CommentsFrom) -> Finding {
    match from {
        CommentsFrom::Own => Finding::ok("comments", "those of the data directory"),
        CommentsFrom::None => Finding::ok("comments", "none: filters on comments are refused"),
    }
}

/// A query with values for its places, in the escaped text form.
fn query(text: &str, purpose: &'static str, values: &[(&str, String)]) -> Query {
    let parameters = values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Query { text: text.to_owned(), parameters, purpose }
}

/// The column of texts; empty where it is none.
fn texts<'a>(batch: &'a RecordBatch, column: &str) -> Vec<&'a str> {
    let column = batch.column_by_name(column).and_then(|column| column.as_string_opt::<i32>());
    column.map(|column| column.iter().map(Option::unwrap_or_default).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
