//! Raw → valid: from the words of the command line to deliveries that can be honoured as they stand.

use std::sync::Arc;

use destinations::Guard;
use model::{EventDestination, Fault, FieldProblem, Micros, ProjectId, RawOptions, RunId, Window};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tables::analytics::{EventFacts, EventTable, event_table};

use super::looks::base_url_problem;
use super::scheduled::unknown_table;
use super::spec::Delivery;
use crate::cli::DeliverArgs;
use crate::config::{self, Settings};
use crate::export::hex;

/// Deliveries that are known to be valid.
pub struct Asked {
    /// What they have in common.
    pub delivery: Delivery,
    /// One per table, in the order asked for.
    pub tables: Vec<EventTable>,
}

impl Asked {
    /// Reads the command line and checks everything that can be checked without opening anything.
    pub fn new(args: &DeliverArgs, base_url: Option<&str>, now: Micros) -> Result<Self, Fault> {
        let facts = EventFacts {
            project: ProjectId::new(args.project.as_str()),
            project_name: args.project_name.clone(),
            dialect: args.dialect.to_model(),
        };
        let mut problems = Vec::new();
        let mut tables: Vec<EventTable> = Vec::new();
        for name in &args.tables {
            match event_table(name, &facts) {
                Some(found) if tables.iter().any(|other| other.table.name == found.table.name) => {
                    problems.push(FieldProblem::new("--tables", format!("{name:?} is named twice")));
                }
                Some(found) => tables.push(found),
                None => problems.push(unknown_table("--tables", name)),
            }
        }
        problems.extend(base_url.and_then(|base_url| base_url_problem("--base-url", base_url)));
        if !problems.is_empty() {
            return Err(Fault::of_problems(problems));
        }
        let read =
            |field, text: &Option<String>| text.as_deref().map(|text| Micros::parse(field, text, now)).transpose();
        let delivery = Delivery {
            facts,
            window: Window::new(read("--since", &args.since)?, read("--until", &args.until)?)?,
            cursor: args.cursor.to_model(),
            base_url: base_url.map(str::to_owned),
            historical: args.historical,
            mask: None,
        };
        Ok(Self { delivery, tables })
    }
}

/// What identifies the delivery of a table: times as they were written, because `-24h` means the same hours
/// for every attempt.
pub fn identity(
    args: &DeliverArgs,
    (source, base_url): (Option<&str>, Option<&str>),
    of: &EventTable,
    destination: &dyn EventDestination,
) -> (RunId, Value) {
    let asked = json!({
        "deliver": args.receiver,
        "to": destination.to_string(),
        "project": args.project,
        "table": of.table.name,
        "source": source,
        "window": {"from": args.since, "to": args.until},
        "cursor": args.cursor.to_model().as_str(),
        "dialect": args.dialect.to_model(),
        "base_url": base_url,
        "project_name": args.project_name,
        "historical": args.historical,
    });
    let id = RunId::new(hex(&Sha256::digest(asked.to_string()))[..16].to_owned());
    (id, asked)
}

/// Connects the receiver. Nothing is sent.
pub fn connect(settings: &Settings, args: &DeliverArgs) -> Result<Arc<dyn EventDestination>, Fault> {
    let mut options = RawOptions::default();
    let mut problems = Vec::new();
    for text in &args.options {
        match text.split_once('=') {
            Some((key, value)) => drop(options.0.insert(key.trim().to_owned(), value.to_owned())),
            None => problems.push(
                FieldProblem::new("--option", format!("{text:?} is no assignment"))
                    .hint("write --option KEY=VALUE, such as --option region=eu"),
            ),
        }
    }
    let secrets = destinations::all_events().iter().find(|kind| kind.name == args.receiver).map(|kind| kind.secrets);
    for secret in secrets.unwrap_or_default() {
        if options.0.contains_key(*secret) {
            problems.push(
                FieldProblem::new("--option", format!("{secret} is a secret, and others can read this command line"))
                    .hint("put it into a variable of the environment and name that with --key-env"),
            );
        }
    }
    if let Some(host) = &args.host {
        options.0.insert("host".to_owned(), host.clone());
    }
    if let (Some(variable), Some(secrets)) = (&args.key_env, secrets) {
        match config::environment(variable) {
            Some(key) => drop(options.0.insert(key_option(secrets, &options).to_owned(), key)),
            None => problems.push(
                FieldProblem::new("--key-env", format!("the variable {variable} is not set"))
                    .hint("set it to the project's key, such as export POSTHOG_API_KEY=phc_…"),
            ),
        }
    }
    if !problems.is_empty() {
        return Err(Fault::of_problems(problems));
    }
    let allowed = settings.egress.allow.iter().map(|network| network.0).chain(args.allow_networks.iter().copied());
    let guard = Guard::new(allowed.collect());
    destinations::connect_events(&args.receiver, &options, &guard, &config::environment, config::now)
}

/// The secret that the key is: that of the service account where one is named, else the first one.
fn key_option(secrets: &'static [&'static str], options: &RawOptions) -> &'static str {
    let belongs =
        |secret: &&&str| secret.strip_suffix("_secret").is_some_and(|account| options.0.contains_key(account));
    secrets.iter().find(belongs).or(secrets.first()).copied().unwrap_or_default()
}
