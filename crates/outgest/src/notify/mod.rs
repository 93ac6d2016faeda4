//! Telling people and programs that an export ended: mail through SMTP, and a signed request.
//!
//! What is to be told waits in the store's outbox; `jobs::notices` decides when and how often. Here is how it
//! is said and sent.

mod link;
mod mail;
mod webhook;

use std::sync::Arc;

use destinations::Guard;
use jobs::notices::Messenger;
use model::{Channel, Fault, PeopleStore};

use crate::config::Settings;
use link::Links;
use mail::Mail;
pub use mail::check as check_mail;
use webhook::Webhook;
pub use webhook::url_of as webhook_url;

/// The channels that are configured: the store writes notices for these alone.
pub fn channels(settings: &Settings) -> Vec<Channel> {
    let mail = settings.smtp.url.is_some().then_some(Channel::Mail);
    let webhook = settings.webhook.url.is_some().then_some(Channel::Webhook);
    mail.into_iter().chain(webhook).collect()
}

/// A messenger for each configured channel. Nothing is sent yet.
pub fn messengers(
    settings: &Settings,
    guard: &Guard,
    people: Arc<dyn PeopleStore>,
) -> Result<Vec<Arc<dyn Messenger>>, Fault> {
    let links = Links::new(&settings.server);
    let mut messengers: Vec<Arc<dyn Messenger>> = Vec::new();
    if let Some(mail) = Mail::new(&settings.smtp, links.clone(), people)? {
        messengers.push(Arc::new(mail));
    }
    if let Some(webhook) = Webhook::new(&settings.webhook, links, guard)? {
        messengers.push(Arc::new(webhook));
    }
    Ok(messengers)
}
