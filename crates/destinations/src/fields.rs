//! What destinations read from their options beside plain values: secrets, and addresses of servers.

use model::{Fields, Secret};

/// Options of destinations alone.
pub(crate) trait DestinationFields {
    /// A secret option or else the first variable that is set.
    fn secret_or(&mut self, name: &str, variables: &[&str]) -> Option<Secret>;

    /// An `http` or `https` address of a server. Plain `http` leaves the machine only where
    /// `allow_http` says so, since file contents would be readable on the way.
    fn endpoint(&mut self, name: &str, variables: &[&str], allow_http: bool) -> Option<url::Url>;
}

impl DestinationFields for Fields<'_> {
    fn secret_or(&mut self, name: &str, variables: &[&str]) -> Option<Secret> {
        self.text_or(name, variables).map(Secret::new)
    }

    fn endpoint(&mut self, name: &str, variables: &[&str], allow_http: bool) -> Option<url::Url> {
        let text = self.text_or(name, variables)?;
        let url = match url::Url::parse(&text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
            _ => {
                self.problem(name, "it is not an http or https address", "write https://host:port");
                return None;
            }
        };
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
            self.problem(name, "it holds a user name, a password or a query", "write https://host:port");
            return None;
        }
        let is_here = match url.host() {
            Some(url::Host::Domain(host)) => host == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if url.scheme() == "http" && !allow_http && !is_here {
            self.problem(name, "it is not encrypted", "use https, or set allow_http=true");
            return None;
        }
        Some(url)
    }
}
