//! The steps of a check that come before the receiver's own: may the address be used, and does it answer.

use model::{CheckStep, Fault, FaultKind};
use reqwest::{Method, Request};
use url::Url;

use super::Exchange;
use crate::check::step;
use crate::guard::Guard;

/// Looks at an address, step by step.
pub(crate) struct Probe<'a> {
    pub(crate) guard: &'a Guard,
    pub(crate) exchange: &'a Exchange,
    pub(crate) url: &'a Url,
}

impl Probe<'_> {
    /// Address policy, name, connection with TLS. Any answer at all ends the last step well. A name that is not known
    /// passes the policy: that it is not known is for the next step to say.
    pub(crate) async fn run(&self, report: &mut (dyn FnMut(CheckStep) + Send)) -> Result<(), Fault> {
        step("address policy", report, self.guard.check(self.exchange.name, self.url)).await?;
        step("dns", report, self.guard.look_up(self.exchange.name, self.url)).await?;
        let mut root = self.url.clone();
        root.set_path("/");
        root.set_query(None);
        let name = if self.url.scheme() == "https" { "tls" } else { "connection" };
        step(name, report, self.exchange.ask(Request::new(Method::GET, root))).await.map(drop)
    }

    /// The last step: an answer that shows that the receiver can read such a request.
    pub(crate) async fn finish(
        &self,
        name: &'static str,
        report: &mut (dyn FnMut(CheckStep) + Send),
        asked: impl Future<Output = Result<(), Fault>>,
    ) -> Result<(), Fault> {
        step(name, report, async {
            match asked.await {
                // It read the request and did not like what was in it, which is nothing.
                Err(fault) if fault.kind() == FaultKind::Rejected => Ok(()),
                other => other,
            }
        })
        .await
    }
}
