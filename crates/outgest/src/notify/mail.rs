//! A mail to the person who asked for an export or made an integration, or who answers for its project.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jobs::notices::Messenger;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::Error as SmtpError;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use model::{Channel, EndedExport, ExportState, Fault, FaultKind, Notice, PeopleStore, StoppedIntegration, Told, User};

use super::link::Links;
use crate::config::settings::SmtpSettings;

/// Each step of the conversation with the mail server takes this long at most.
const STEP_TIMEOUT: Duration = Duration::from_secs(20);

/// Sends mail through one server.
pub struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    links: Links,
    people: Arc<dyn PeopleStore>,
}

impl Mail {
    /// Mail as configured; `None` where it is not. Nothing is connected yet.
    pub fn new(settings: &SmtpSettings, links: Links, people: Arc<dyn PeopleStore>) -> Result<Option<Self>, Fault> {
        let (Some(from), Some(transport)) = (&settings.from, transport(settings)?) else { return Ok(None) };
        let from = from.parse().map_err(|error| {
            Fault::new(FaultKind::Configuration, format!("smtp.from: {from:?} is not a sender")).because(error)
        })?;
        Ok(Some(Self { transport, from, links, people }))
    }
}

/// The way to the configured server; `None` where there is none.
fn transport(settings: &SmtpSettings) -> Result<Option<AsyncSmtpTransport<Tokio1Executor>>, Fault> {
    let Some(url) = &settings.url else { return Ok(None) };
    let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.reveal()).map_err(|error| {
        Fault::new(FaultKind::Configuration, format!("smtp.url: {url} is not the address of a mail server"))
            .hint("write smtps://user:password@host or smtp://user:password@host?tls=required")
            .because(error)
    })?;
    Ok(Some(builder.timeout(Some(STEP_TIMEOUT)).build()))
}

/// Connects, signs in, and leaves again: `None` where mail is not configured.
pub async fn check(settings: &SmtpSettings) -> Result<Option<()>, Fault> {
    let Some(transport) = transport(settings)? else { return Ok(None) };
    match transport.test_connection().await {
        Ok(true) => Ok(Some(())),
        Ok(false) => Err(Fault::new(FaultKind::Unavailable, "the mail server ended the conversation")),
        Err(error) => Err(fault("cannot use the mail server", error)),
    }
}

#[async_trait]
impl Messenger for Mail {
    fn channel(&self) -> Channel {
        Channel::Mail
    }

    async fn send(&self, notice: &Notice) -> Result<(), Fault> {
        let Some(id) = notice.about.addressee() else {
            return Err(Fault::bug("a mail was noted for something that no person asked for"));
        };
        let Some(user) = self.people.user(id).await? else {
            return Err(Fault::new(FaultKind::NotFound, "the account that the mail is for is gone"));
        };
        let message = compose(&self.from, &user, &notice.about, &self.links)?;
        self.transport.send(message).await.map(drop).map_err(|error| fault("the mail was not taken", error))
    }
}

fn compose(from: &Mailbox, user: &User, about: &Told, links: &Links) -> Result<Message, Fault> {
    let address = user.email.parse().map_err(|error| {
        Fault::new(FaultKind::Rejected, format!("{:?} is not an address mail can be sent to", user.email))
            .because(error)
    })?;
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(Some(one_line(&user.name)).filter(|name| !name.is_empty()), address))
        .subject(subject(about))
        // Replies of machines to a machine help nobody.
        .header(AutoSubmitted)
        .header(ContentType::TEXT_PLAIN)
        .body(body(about, links))
        .map_err(|error| Fault::bug("cannot compose a mail").because(error))
}

fn subject(about: &Told) -> String {
    match about {
        Told::Export(export) if export.state == ExportState::Failed => {
            format!("Export \"{}\" failed", one_line(&export.name))
        }
        Told::Export(export) => format!("Export \"{}\" is ready", one_line(&export.name)),
        Told::Integration(stopped) => {
            format!("Integration \"{}\" is paused: action required", one_line(&stopped.name))
        }
    }
}

fn body(about: &Told, links: &Links) -> String {
    match about {
        Told::Export(export) => export_body(export, &links.told(about)),
        Told::Integration(stopped) => integration_body(stopped, &links.told(about)),
    }
}

fn integration_body(stopped: &StoppedIntegration, link: &str) -> String {
    let (name, project, failure) = (one_line(&stopped.name), &stopped.project, &stopped.failure);
    let mut text = format!(
        "The integration \"{name}\" ({}) of project {project} is paused: its destination refused a window, \
         and nothing more is exported until somebody resumes it. Nothing is lost meanwhile.\n\n",
        stopped.kind
    );
    if let Some(step) = &failure.step {
        text.push_str(&format!("Step:  {step}\n"));
    }
    text.push_str(&format!("Cause: {}\n", failure.message));
    if let Some(hint) = &failure.hint {
        text.push_str(&format!("To do: {hint}\n"));
    }
    text.push_str(&format!("\nChange it and resume:\n{link}\n"));
    text
}

fn export_body(export: &EndedExport, link: &str) -> String {
    let mut text = String::new();
    let name = one_line(&export.name);
    let mut line = |line: std::fmt::Arguments<'_>| {
        text.write_fmt(line).and_then(|()| text.write_char('\n')).expect("a string takes all text");
    };
    if export.state == ExportState::Failed {
        line(format_args!("The export \"{name}\" of project {} failed.\n", export.project));
        if let Some(failure) = &export.failure {
            if let Some(step) = &failure.step {
                line(format_args!("Step:  {step}"));
            }
            line(format_args!("Cause: {}", failure.message));
            if let Some(hint) = &failure.hint {
                line(format_args!("To do: {hint}"));
            }
        }
        line(format_args!("\nDetails, and another try:\n{link}"));
        return text;
    }
    line(format_args!(
        "The export \"{name}\" of project {} is ready: {} rows, {}.\n",
        export.project,
        export.rows.human(),
        export.bytes.human()
    ));
    if let Some(until) = export.expires_at {
        let until = until.to_utc().format("%Y-%m-%d %H:%M UTC");
        line(format_args!("It can be downloaded until {until}:"));
    }
    line(format_args!("{link}"));
    if export.truncated {
        line(format_args!("\nA limit cut rows: this is not everything that was asked for."));
    }
    for warning in &export.warnings {
        line(format_args!("\n{warning}"));
    }
    text
}

/// A name may hold anything; a header has one line.
fn one_line(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn fault(doing: &str, error: SmtpError) -> Fault {
    let status = error.status().map(u16::from);
    let (kind, hint) = match () {
        () if error.is_timeout() => (FaultKind::Timeout, None),
        // The codes of failed authentication (RFC 4954).
        () if matches!(status, Some(530 | 534 | 535 | 538)) => {
            (FaultKind::Credentials, Some("check user and password in smtp.url"))
        }
        () if error.is_permanent() => (FaultKind::Rejected, None),
        () if error.is_tls() => {
            (FaultKind::Configuration, Some("check whether smtp.url should be smtp:// or smtps://"))
        }
        () => (FaultKind::Unavailable, Some("check host and port in smtp.url")),
    };
    // What the server said names addresses at most; passwords travel the other way only.
    let fault = Fault::new(kind, format!("{doing}: {error}")).because(error);
    match hint {
        Some(hint) => fault.hint(hint),
        None => fault,
    }
}

/// RFC 3834: written by a program.
#[derive(Clone)]
struct AutoSubmitted;

impl lettre::message::header::Header for AutoSubmitted {
    fn name() -> lettre::message::header::HeaderName {
        lettre::message::header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> lettre::message::header::HeaderValue {
        lettre::message::header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use model::{Actor, Failure, Micros, UserId};

    use super::*;
    use crate::config::settings::ServerSettings;
    use crate::notify::webhook::tests::ended;

    fn links() -> Links {
        let server =
            ServerSettings { public_url: "https://og.example/base/".parse().ok(), ..ServerSettings::default() };
        Links::new(&server)
    }

    #[test]
    fn a_mail_says_what_is_ready_how_much_it_is_and_where() {
        let export = EndedExport {
            warnings: vec!["Late rows may follow.".to_owned()],
            truncated: true,
            ..ended(ExportState::Completed)
        };
        let export = Told::Export(Box::new(export));
        assert_eq!(subject(&export), "Export \"nightly events\" is ready");
        assert_eq!(
            body(&export, &links()),
            "The export \"nightly events\" of project acme/prod is ready: 48,210 rows, 12.3 MB.\n\n\
             It can be downloaded until 2026-08-02 10:00 UTC:\n\
             https://og.example/base/projects/acme%2Fprod/exports/e-1\n\n\
             A limit cut rows: this is not everything that was asked for.\n\n\
             Late rows may follow.\n"
        );
    }

    #[test]
    fn a_mail_about_a_failure_says_step_cause_and_what_to_do() {
        let failure = Failure {
            step: Some("upload".to_owned()),
            kind: "credentials".to_owned(),
            message: "access denied by s3://bucket".to_owned(),
            hint: Some("grant s3:PutObject".to_owned()),
        };
        let export = Told::Export(Box::new(EndedExport { failure: Some(failure), ..ended(ExportState::Failed) }));
        assert_eq!(subject(&export), "Export \"nightly events\" failed");
        assert_eq!(
            body(&export, &links()),
            "The export \"nightly events\" of project acme/prod failed.\n\n\
             Step:  upload\nCause: access denied by s3://bucket\nTo do: grant s3:PutObject\n\n\
             Details, and another try:\nhttps://og.example/base/projects/acme%2Fprod/exports/e-1\n"
        );
    }

    #[test]
    fn a_mail_about_a_stopped_integration_says_cause_and_what_to_do() {
        let stopped = Told::Integration(Box::new(StoppedIntegration {
            integration: model::IntegrationId::new("i-1"),
            project: model::ProjectId::new("acme"),
            name: "lake".to_owned(),
            kind: "s3".to_owned(),
            created_by: Actor::System,
            at: Micros(0),
            failure: Failure {
                step: Some("writing a file".to_owned()),
                kind: "credentials".to_owned(),
                message: "AccessDenied".to_owned(),
                hint: Some("grant s3:PutObject".to_owned()),
            },
            addressee: None,
        }));
        assert_eq!(subject(&stopped), "Integration \"lake\" is paused: action required");
        let body = body(&stopped, &links());
        assert!(body.contains("Step:  writing a file\nCause: AccessDenied\nTo do: grant s3:PutObject\n"), "{body}");
        assert!(body.ends_with("https://og.example/base/projects/acme/integrations/i-1\n"), "{body}");
    }

    #[test]
    fn names_of_people_and_exports_cannot_add_headers() {
        let user = User {
            id: UserId::new("u"),
            email: "ann@example.com".to_owned(),
            name: "Ann\r\nBcc: everybody@example.com".to_owned(),
            admin: false,
            created_at: Micros(0),
        };
        let export = EndedExport { name: "x\r\nBcc: all@example.com".to_owned(), ..ended(ExportState::Completed) };
        let export = Told::Export(Box::new(export));
        let message = compose(&"og@example.com".parse().unwrap(), &user, &export, &links()).unwrap();
        let text = String::from_utf8(message.formatted()).unwrap();
        let headers = text.split("\r\n\r\n").next().unwrap();
        assert!(!headers.lines().any(|line| line.starts_with("Bcc:")), "{headers}");
        assert!(headers.contains("Auto-Submitted: auto-generated"), "{headers}");
        assert_eq!(message.envelope().to().len(), 1);
    }
}
