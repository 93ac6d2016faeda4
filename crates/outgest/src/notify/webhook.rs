//! A signed request about an export that ended.

use std::fmt::Write;
use std::time::Duration;

use async_trait::async_trait;
use destinations::{Guard, GuardedClient};
use hmac::{Hmac, KeyInit, Mac};
use jobs::notices::Messenger;
use model::{Channel, ExportState, Fault, FaultKind, Notice, Secret, Told};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Request, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;
use url::Url;

use super::link::Links;
use crate::config;
use crate::config::settings::WebhookSettings;

/// Version of the body. Fields may be added to it; what is there keeps its meaning.
const BODY_VERSION: u16 = 1;

/// Sends requests to one receiver.
pub struct Webhook {
    url: Url,
    secret: Secret,
    client: GuardedClient,
    links: Links,
}

impl Webhook {
    /// The webhook as configured; `None` where it is not. Nothing is sent yet.
    pub fn new(settings: &WebhookSettings, links: Links, guard: &Guard) -> Result<Option<Self>, Fault> {
        let (Some(url), Some(secret)) = (url_of(settings)?, &settings.secret) else { return Ok(None) };
        Ok(Some(Self { url, secret: secret.0.clone(), client: guard.client()?, links }))
    }
}

/// The receiver's address; `None` where there is none.
pub fn url_of(settings: &WebhookSettings) -> Result<Option<Url>, Fault> {
    let parsed = settings.url.as_ref().map(|place| Url::parse(place.reveal())).transpose();
    parsed.map_err(|error| Fault::new(FaultKind::Configuration, "webhook.url: this is not an address").because(error))
}

#[async_trait]
impl Messenger for Webhook {
    fn channel(&self) -> Channel {
        Channel::Webhook
    }

    async fn send(&self, notice: &Notice) -> Result<(), Fault> {
        let body = body(notice, &self.links).to_string();
        let seconds = config::now().0.div_euclid(model::Micros::PER_SECOND);
        let mut request = Request::new(Method::POST, self.url.clone());
        request.headers_mut().extend(headers(&self.secret, notice, seconds, &body)?);
        *request.body_mut() = Some(body.into());
        let answer = self.client.execute("the webhook was not delivered", request).await?;
        refusal(answer.status(), answer.headers()).map_or(Ok(()), Err)
    }
}

fn body(notice: &Notice, links: &Links) -> Value {
    let export = match &notice.about {
        Told::Export(export) => export,
        Told::Integration(stopped) => {
            return json!({
                "version": BODY_VERSION,
                "id": notice.id,
                "event": "integration.paused",
                "link": links.told(&notice.about),
                "integration": stopped,
            });
        }
    };
    let event = if export.state == ExportState::Failed { "export.failed" } else { "export.completed" };
    let files: Vec<Value> = export
        .files
        .iter()
        .map(|file| {
            json!({"name": file.name, "contentType": file.content_type, "bytes": file.bytes, "rows": file.rows,
                "sha256": file.sha256})
        })
        .collect();
    json!({
        "version": BODY_VERSION,
        "id": notice.id,
        "event": event,
        "link": links.told(&notice.about),
        "export": {
            "id": export.id,
            "project": export.project,
            "name": export.name,
            "state": export.state,
            "table": export.table,
            "format": export.format,
            "createdBy": export.created_by,
            "createdAt": export.created_at,
            "finishedAt": export.finished_at,
            "expiresAt": export.expires_at,
            "rows": export.rows,
            "bytes": export.bytes,
            "truncated": export.truncated,
            "warnings": export.warnings,
            "files": files,
            "failure": export.failure,
        },
    })
}

fn headers(secret: &Secret, notice: &Notice, seconds: i64, body: &str) -> Result<HeaderMap, Fault> {
    let signature = format!("t={seconds},v1={}", sign(secret, seconds, body));
    let value = |text: &str| {
        HeaderValue::from_str(text).map_err(|error| Fault::bug("a header of a webhook is no text").because(error))
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("outgest-notice", value(notice.id.as_str())?);
    headers.insert("outgest-signature", value(&signature)?);
    Ok(headers)
}

/// HMAC-SHA256 of `<seconds>.<body>`, in hexadecimal. The time is signed as well, so that an old request
/// cannot be sent again as a new one.
fn sign(secret: &Secret, seconds: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body.as_bytes());
    mac.finalize().into_bytes().iter().fold(String::with_capacity(64), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all text");
        text
    })
}

/// What an answer that is no acceptance means. Only the status is told: bodies of strangers may hold anything.
fn refusal(status: StatusCode, headers: &HeaderMap) -> Option<Fault> {
    if status.is_success() {
        return None;
    }
    let asked = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let kind = match status.as_u16() {
        408 => FaultKind::Timeout,
        425 | 429 => FaultKind::Throttled,
        401 | 403 => FaultKind::Credentials,
        500..=599 => FaultKind::Unavailable,
        _ => FaultKind::Rejected,
    };
    let fault = Fault::new(kind, format!("the receiver of the webhook answered HTTP {}", status.as_u16()));
    let fault = match asked {
        Some(seconds) => fault.retry_after(Duration::from_secs(seconds)),
        None => fault,
    };
    Some(match kind {
        FaultKind::Credentials => fault.hint("it must accept requests that carry a signature only"),
        FaultKind::Rejected if status.is_redirection() => {
            fault.hint("redirects are not followed: name the target itself")
        }
        FaultKind::Rejected => fault.hint("check webhook.url"),
        _ => fault,
    })
}

#[cfg(test)]
pub mod tests;
