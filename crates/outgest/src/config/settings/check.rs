//! What must hold between settings, beyond each being well formed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::FileNamePattern;
use sources::clickhouse::ClickHouseOptions;

use super::{SealSettings, Settings};
use crate::config::value::{Place, SecretText};

/// Bytes of an AES-256 key.
pub const SEAL_KEY_BYTES: usize = 32;

/// A setting that contradicts another one, or that nothing could be done with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The setting: `smtp.from`.
    pub key: &'static str,
    /// What is wrong, without the value.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl Settings {
    /// Everything that is wrong with the settings as a whole. No I/O.
    pub fn contradictions(&self) -> Vec<Contradiction> {
        let mut found = Found(Vec::new());
        found.scheme("database", self.database.as_ref(), &["postgres", "postgresql"]);
        if let Some(url) = &self.server.public_url
            && !matches!(url.scheme(), "http" | "https")
        {
            found.push("server.public_url", "this is not an address of the web", "write https://host");
        }
        if let Some(url) = &self.source.base_url
            && !matches!(url.scheme(), "http" | "https")
        {
            found.push("source.base_url", "this is not an address of the web", "write https://host");
        }
        if self.server.roles.is_empty() {
            found.push("server.roles", "a process without a role would do nothing", "leave it out for all roles");
        }
        if self.server.requests_per_minute == 0 {
            found.push("server.requests_per_minute", "nobody could send a request", "write at least 1");
        }
        if self.quota.active_exports == 0 {
            found.push("quota.active_exports", "no export would ever start", "write at least 1");
        }
        if self.retention.exports < self.export.expiry {
            let message = format!("{} is shorter than export.expiry, {}", self.retention.exports, self.export.expiry);
            found.push("retention.exports", message, "an export stays listed as long as its file can be downloaded");
        }
        if let Err(fault) = FileNamePattern::new(&self.export.file_name) {
            found.push("export.file_name", fault.public_message(), fault.public_hint().unwrap_or_default());
        }
        if let Some(place) = &self.export.destination
            && let Some(scheme) = place.scheme()
            && !destinations::all().iter().any(|kind| kind.schemes.contains(&scheme.as_str()))
        {
            found.push("export.destination", format!("no kind of destination is called {scheme:?}"), DESTINATION_HINT);
        }
        if let Some(place) = &self.source.url
            && let Some(scheme) = place.scheme()
            && !ClickHouseOptions::recognises(place.reveal())
        {
            found.push("source.url", format!("no kind of source is called {scheme:?}"), SOURCE_HINT);
        }
        self.notify_contradictions(&mut found);
        found.scheme("client.server", self.client.server.as_ref(), &["http", "https"]);
        seal_contradictions(&self.seal, &mut found);
        found.0
    }

    fn notify_contradictions(&self, found: &mut Found) {
        found.scheme("smtp.url", self.smtp.url.as_ref(), &["smtp", "smtps"]);
        match (&self.smtp.url, &self.smtp.from) {
            (Some(_), None) => found.push("smtp.from", "smtp.url is set, the sender is missing", MAIL_HINT),
            (None, Some(_)) => found.push("smtp.url", "smtp.from is set, the server is missing", MAIL_HINT),
            (Some(_), Some(from)) if from.parse::<lettre::message::Mailbox>().is_err() => {
                found.push("smtp.from", format!("{from:?} is not a sender"), "write name@host or Name <name@host>");
            }
            _ => {}
        }
        found.scheme("webhook.url", self.webhook.url.as_ref(), &["http", "https"]);
        match (&self.webhook.url, &self.webhook.secret) {
            (Some(_), None) => found.push("webhook.secret", "webhook.url is set, the secret is missing", WEBHOOK_HINT),
            (None, Some(_)) => found.push("webhook.url", "webhook.secret is set, the address is missing", WEBHOOK_HINT),
            _ => {}
        }
        found.scheme("otlp.endpoint", self.otlp.endpoint.as_ref(), &["http", "https"]);
    }
}

const DESTINATION_HINT: &str = "write a path, s3://bucket/prefix/, az://container/prefix/ or gs://bucket/prefix/";
const SOURCE_HINT: &str = "write a data directory, clickhouse://user@host:8123/database, or clickhouses:// with TLS";
const MAIL_HINT: &str = "mail needs both smtp.url and smtp.from";
const WEBHOOK_HINT: &str = "a webhook needs both webhook.url and webhook.secret";
const SEAL_HINT: &str = "write what `openssl rand -base64 32` prints";

fn seal_contradictions(seal: &SealSettings, found: &mut Found) {
    let message = format!("this is not {SEAL_KEY_BYTES} bytes in base64");
    if seal.key.as_ref().is_some_and(|key| key_bytes(key).is_none()) {
        found.push("seal.key", message.clone(), SEAL_HINT);
    }
    if seal.previous_keys.iter().any(|key| key_bytes(key).is_none()) {
        found.push("seal.previous_keys", message, SEAL_HINT);
    }
    if seal.key.is_none() && !seal.previous_keys.is_empty() {
        found.push("seal.key", "there are previous keys, the present one is missing", SEAL_HINT);
    }
}

fn key_bytes(key: &SecretText) -> Option<[u8; SEAL_KEY_BYTES]> {
    STANDARD.decode(key.0.reveal().trim()).ok()?.try_into().ok()
}

impl SealSettings {
    /// The keys' bytes, the present one first; empty where none is set.
    pub fn keys(&self) -> Vec<[u8; SEAL_KEY_BYTES]> {
        self.key.iter().chain(&self.previous_keys).filter_map(key_bytes).collect()
    }
}

struct Found(Vec<Contradiction>);

impl Found {
    fn push(&mut self, key: &'static str, message: impl Into<String>, hint: &str) {
        self.0.push(Contradiction { key, message: message.into(), hint: hint.to_owned() });
    }

    fn scheme(&mut self, key: &'static str, place: Option<&Place>, allowed: &[&str]) {
        let Some(place) = place else { return };
        let scheme = place.scheme();
        if !scheme.as_deref().is_some_and(|scheme| allowed.contains(&scheme)) {
            self.push(key, format!("this does not begin with {}://", allowed.join(":// or ")), "write a whole address");
        }
    }
}
