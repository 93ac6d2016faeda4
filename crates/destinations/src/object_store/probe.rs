//! The steps of a check that come before a file is written: is the host known, does it answer, are there credentials.

use model::{CheckStep, Fault, FaultKind, FileName};
use object_store::GetOptions;
use object_store::client::{HttpRequest, HttpRequestBody};
use url::{Host, Url};

use super::{ANSWER_TIME, Session, path_of};
use crate::check::step;
use crate::egress::Refusal;

/// Name, connection with TLS, credentials. `file` is the one that will be written.
pub(super) async fn probe(
    session: &Session,
    file: &FileName,
    report: &mut (dyn FnMut(CheckStep) + Send),
) -> Result<(), Fault> {
    let url = session.vendor.url();
    let mut answered = Ok(());
    let known = async {
        answered = session.greet(url).await;
        // Behind a proxy it is the proxy that looks names up: an answer counts, whoever knew the name.
        if answered.is_ok() { Ok(()) } else { session.look_up(url).await }
    };
    step("dns", report, known).await?;
    step(if url.scheme() == "https" { "tls" } else { "connection" }, report, async { answered }).await?;
    step("credentials", report, session.introduce(file)).await
}

impl Session {
    /// Asks for the bucket without credentials: any answer at all is one of the server's.
    async fn greet(&self, url: &Url) -> Result<(), Fault> {
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.uri_mut() = url.as_str().parse().expect("a URL is a URI");
        let asked = self.vendor.http().execute(request);
        let doing = "ask for a connection";
        match tokio::time::timeout(ANSWER_TIME, asked).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if Refusal::of(&error).is_some() => Ok(()),
            Ok(Err(error)) => {
                let error = object_store::Error::Generic { store: self.place.scheme, source: Box::new(error) };
                Err(self.place.fault(doing, error))
            }
            Err(_) => Err(self.place.timeout(doing, ANSWER_TIME)),
        }
    }

    /// Asks for a file that is not there. Fails where the server does not know who asks; what they may do, the steps
    /// that follow find out.
    async fn introduce(&self, file: &FileName) -> Result<(), Fault> {
        let path = path_of(file)?;
        let asked = self.vendor.client().get_opts(&path, GetOptions::default());
        match self.request(&format!("read {file}"), ANSWER_TIME, asked).await {
            Err(fault) if knows_who_asks(&fault) => Ok(()),
            asked => asked.map(drop),
        }
    }

    /// Fails where the host's name is not known here.
    async fn look_up(&self, url: &Url) -> Result<(), Fault> {
        let Some(Host::Domain(name)) = url.host() else { return Ok(()) };
        let unknown = || {
            let message = format!("cannot connect to {}: the host {name:?} is not known", self.place);
            Fault::new(FaultKind::Unavailable, message)
                .hint(format!("check {}, and the name servers of this machine", self.place.address))
        };
        let mut found = tokio::net::lookup_host((name, 0)).await.map_err(|error| unknown().because(error))?;
        found.next().map(drop).ok_or_else(unknown)
    }
}

/// Whether the server refused what was asked, and not who asked.
fn knows_who_asks(fault: &Fault) -> bool {
    let lacks_right = ["AccessDenied", "AuthorizationPermissionMismatch"];
    Refusal::of(fault)
        .is_some_and(|refusal| fault.kind() != FaultKind::Credentials || lacks_right.contains(&refusal.code.as_str()))
}
