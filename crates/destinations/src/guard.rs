//! Which hosts may be connected to on behalf of users (promise 19).
//!
//! An address that somebody typed must not lead into the network that this process stands in: private,
//! loopback, link-local and metadata addresses are refused unless an operator allowed their network.
//! [`Guard::check`] refuses early, with a message for whoever typed; a [`GuardedClient`] refuses again when
//! it connects, because a name can mean something else by then. Redirects are not followed: what they name would
//! have to be guarded as well, and no receiver of ours needs them.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use model::{Fault, FaultKind};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::certificate;

/// Connecting takes this long at most, name lookup and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A whole request takes this long at most: receivers answer notices in a moment or not at all.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) const HINT: &str =
    "use an address of the public internet, or have the operator add the network to egress.allow";

/// Addresses that share their first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    const fn v4(address: [u8; 4], prefix: u8) -> Self {
        Self { address: IpAddr::V4(Ipv4Addr::from_octets(address)), prefix }
    }

    const fn v6(first: u16, second: u16, prefix: u8) -> Self {
        Self { address: IpAddr::V6(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0)), prefix }
    }

    /// Whether an address is one of these.
    pub fn contains(&self, address: IpAddr) -> bool {
        let same = |ours: u128, theirs: u128, bits: u32| {
            let dropped = bits - u32::from(self.prefix);
            ours.checked_shr(dropped).unwrap_or(0) == theirs.checked_shr(dropped).unwrap_or(0)
        };
        match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => same(ours.to_bits().into(), theirs.to_bits().into(), 32),
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => same(ours.to_bits(), theirs.to_bits(), 128),
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is not a network such as 10.0.0.0/8 or an address such as 192.168.1.7");
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(bits), str::parse).map_err(|_| bad())?;
        if prefix > bits { Err(bad()) } else { Ok(Self { address, prefix }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// What is not the public internet, by the registries of special-purpose addresses (RFC 6890 and its
/// successors). Clouds answer questions about their machines in 169.254.0.0/16, 100.64.0.0/10 and fc00::/7.
const SPECIAL: &[Network] = &[
    Network::v4([0, 0, 0, 0], 8),
    Network::v4([10, 0, 0, 0], 8),
    Network::v4([100, 64, 0, 0], 10),
    Network::v4([127, 0, 0, 0], 8),
    Network::v4([169, 254, 0, 0], 16),
    Network::v4([172, 16, 0, 0], 12),
    Network::v4([192, 0, 0, 0], 24),
    Network::v4([192, 0, 2, 0], 24),
    Network::v4([192, 168, 0, 0], 16),
    Network::v4([198, 18, 0, 0], 15),
    Network::v4([198, 51, 100, 0], 24),
    Network::v4([203, 0, 113, 0], 24),
    Network::v4([224, 0, 0, 0], 4),
    Network::v4([240, 0, 0, 0], 4),
    // Everything below ::/8 that no rule of `embedded` reads: unspecified, loopback, old compatible forms.
    Network::v6(0, 0, 8),
    // Local translation of IPv4 addresses; the well-known one is read by `embedded`.
    Network::v6(0x64, 0xff9b, 48),
    Network::v6(0x100, 0, 64),
    // Tunnels whose far end is an IPv4 address in disguise.
    Network::v6(0x2001, 0, 32),
    Network::v6(0x2001, 0xdb8, 32),
    Network::v6(0x2002, 0, 16),
    Network::v6(0xfc00, 0, 7),
    Network::v6(0xfe80, 0, 10),
    Network::v6(0xfec0, 0, 10),
    Network::v6(0xff00, 0, 8),
];

/// Decides which hosts may be connected to. Clones share the list.
#[derive(Clone, Debug)]
pub struct Guard {
    allowed: Arc<[Network]>,
}

impl Guard {
    /// Refuses everything but the public internet and these networks.
    pub fn new(allowed: Vec<Network>) -> Self {
        Self { allowed: allowed.into() }
    }

    /// Whether an address may be connected to.
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = embedded(address);
        let is_in = |networks: &[Network]| networks.iter().any(|network| network.contains(address));
        is_in(&self.allowed) || !is_in(SPECIAL)
    }

    /// Refuses an address of the web whose host may not be connected to, as far as that can be told now. A
    /// name that cannot be looked up at the moment is let through: connecting decides.
    pub async fn check(&self, field: &str, url: &Url) -> Result<(), Fault> {
        let addresses = match url.host() {
            None => {
                return Err(Fault::new(FaultKind::Configuration, format!("{field}: the address names no host"))
                    .hint("write https://host/path"));
            }
            Some(Host::Ipv4(address)) => vec![IpAddr::V4(address)],
            Some(Host::Ipv6(address)) => vec![IpAddr::V6(address)],
            Some(Host::Domain(name)) => look_up(name).await.unwrap_or_default(),
        };
        if !addresses.is_empty() && !addresses.iter().any(|address| self.permits(*address)) {
            return Err(unreachable_network(field));
        }
        Ok(())
    }

    /// Looks the host of an address up. Fails where its name is not known or cannot be asked for.
    pub async fn look_up(&self, doing: &str, url: &Url) -> Result<(), Fault> {
        let Some(Host::Domain(name)) = url.host() else { return Ok(()) };
        match look_up(name).await {
            Ok(found) if !found.is_empty() => Ok(()),
            Ok(_) => Err(unknown_host(doing, name)),
            Err(error) => Err(unknown_host(doing, name).because(error)),
        }
    }

    /// A client that connects to nothing else, follows no redirect and asks no proxy, which would look names
    /// up itself.
    pub fn client(&self) -> Result<GuardedClient, Fault> {
        let inner = reqwest::Client::builder()
            .dns_resolver(Arc::new(self.clone()))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .user_agent(concat!("outgest/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Fault::bug("cannot make an HTTP client").because(error))?;
        Ok(GuardedClient { guard: self.clone(), inner })
    }
}

/// The only client for hosts that users name.
#[derive(Clone, Debug)]
pub struct GuardedClient {
    guard: Guard,
    inner: reqwest::Client,
}

impl GuardedClient {
    /// Sends a request and returns the answer, whatever its status. `doing` begins the message of a fault. A fault
    /// never repeats more of the address than its host: the rest may hold a secret.
    pub async fn execute(&self, doing: &str, request: reqwest::Request) -> Result<reqwest::Response, Fault> {
        // A host that is written as an address is never looked up, so the resolver does not see it.
        let literal = match request.url().host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            _ => None,
        };
        if literal.is_some_and(|address| !self.guard.permits(address)) {
            return Err(unreachable_network(doing));
        }
        let host = request.url().host_str().unwrap_or_default().to_owned();
        self.inner.execute(request).await.map_err(|error| fault(doing, &host, error))
    }
}

fn fault(doing: &str, host: &str, error: reqwest::Error) -> Fault {
    let error = error.without_url();
    if Refused::caused(&error) {
        return unreachable_network(doing);
    }
    if let Some(complaint) = certificate::complaint(&error) {
        let message = format!("{doing}: the certificate of the host {complaint}");
        return Fault::new(FaultKind::Unavailable, message).hint(certificate::hint(host)).because(error);
    }
    let (kind, what) = match () {
        () if error.is_timeout() => (FaultKind::Timeout, "no answer in time"),
        () if error.is_connect() => (FaultKind::Unavailable, "the host cannot be reached"),
        () => (FaultKind::Unavailable, "the connection broke"),
    };
    let fault = Fault::new(kind, format!("{doing}: {what}"));
    let fault = if error.is_connect() {
        fault.hint(format!("check how the address is written, if this lasts: no connection to {host:?} can be made"))
    } else {
        fault
    };
    fault.because(error)
}

fn unreachable_network(doing: &str) -> Fault {
    let message = format!("{doing}: the host is in a network that may not be reached");
    Fault::new(FaultKind::Configuration, message).hint(HINT)
}

fn unknown_host(doing: &str, name: &str) -> Fault {
    Fault::new(FaultKind::Unavailable, format!("{doing}: the host {name:?} is not known"))
        .hint("check how the address is written, and the name servers of this machine")
}

/// The IPv4 address that an IPv6 one stands for, or the address itself.
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else { return address };
    if let Some(four) = six.to_ipv4_mapped() {
        return IpAddr::V4(four);
    }
    // Translators (RFC 6052) put the IPv4 address behind 64:ff9b::/96.
    let [a, b, 0, 0, 0, 0, high, low] = six.segments() else { return address };
    if (a, b) != (0x64, 0xff9b) {
        return address;
    }
    IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

async fn look_up(name: &str) -> std::io::Result<Vec<IpAddr>> {
    Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = look_up(name.as_str()).await?;
            let any = !found.is_empty();
            let permitted: Vec<_> = found.into_iter().filter(|address| guard.permits(*address)).collect();
            if any && permitted.is_empty() {
                return Err(Refused.into());
            }
            let addresses: Addrs = Box::new(permitted.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

/// Every address of a name was refused.
#[derive(Debug)]
pub(crate) struct Refused;

impl Refused {
    /// Whether this is what happened at the root of `error`.
    pub(crate) fn caused(error: &(dyn Error + 'static)) -> bool {
        let mut link = Some(error);
        while let Some(cause) = link {
            if cause.is::<Self>() {
                return true;
            }
            link = cause.source();
        }
        false
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("every address of the host is in a network that may not be reached")
    }
}

impl Error for Refused {}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(guard: &Guard, address: &str) -> bool {
        guard.permits(address.parse().unwrap())
    }

    #[test]
    fn only_the_public_internet_is_permitted() {
        let guard = Guard::new(Vec::new());
        for public in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "64:ff9b::101:101", "::ffff:8.8.8.8"]
        {
            assert!(permits(&guard, public), "{public}");
        }
        for special in [
            "0.0.0.0",
            "10.1.2.3",
            "100.100.100.200",
            "127.0.0.1",
            "169.254.169.254",
            "172.31.255.255",
            "192.168.0.1",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001:0:1::",
        ] {
            assert!(!permits(&guard, special), "{special}");
        }
    }

    #[test]
    fn allowed_networks_are_permitted_and_nothing_beside_them() {
        let guard = Guard::new(vec!["10.20.0.0/16".parse().unwrap(), "fd12::/16".parse().unwrap()]);
        assert!(permits(&guard, "10.20.3.4") && permits(&guard, "::ffff:10.20.3.4") && permits(&guard, "fd12::9"));
        assert!(!permits(&guard, "10.21.0.1") && !permits(&guard, "fd13::9"));
        assert!(permits(&Guard::new(vec!["0.0.0.0/0".parse().unwrap()]), "127.0.0.1"));
    }

    #[test]
    fn networks_have_a_prefix_within_their_family() {
        assert_eq!("10.0.0.0/8".parse::<Network>().unwrap().to_string(), "10.0.0.0/8");
        assert_eq!("192.168.1.7".parse::<Network>().unwrap().to_string(), "192.168.1.7/32");
        assert_eq!("::1".parse::<Network>().unwrap().to_string(), "::1/128");
        for bad in ["", "10.0.0.0/33", "::/129", "localhost", "10/8", "10.0.0.0/"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_name_that_means_this_machine_is_refused_when_it_is_saved_and_when_it_is_used() {
        drop(rustls::crypto::ring::default_provider().install_default());
        let guard = Guard::new(Vec::new());
        for url in ["http://localhost:9/x", "http://127.0.0.1:9/x", "http://[::1]:9/x", "http://2130706433/"] {
            let fault = guard.check("webhook.url", &Url::parse(url).unwrap()).await.unwrap_err();
            assert_eq!(fault.kind(), FaultKind::Configuration, "{url}");
            assert!(fault.public_hint().unwrap().contains("egress.allow"));
        }
        let get = |url: &str| reqwest::Request::new(reqwest::Method::GET, Url::parse(url).unwrap());
        let client = guard.client().unwrap();
        for url in ["http://localhost:9/?token=hunter2", "http://127.0.0.1:9/?token=hunter2", "http://[::1]:9/"] {
            let fault = client.execute("send", get(url)).await.unwrap_err();
            assert_eq!(fault.kind(), FaultKind::Configuration, "{url}");
            assert!(!format!("{fault:?}").contains("hunter2"));
        }

        let allowed = Guard::new(vec!["127.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()]);
        allowed.check("webhook.url", &Url::parse("http://localhost:9/x").unwrap()).await.unwrap();
        let client = allowed.client().unwrap();
        let fault = client.execute("send", get("http://localhost:9/?token=hunter2")).await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Unavailable);
        assert!(!format!("{fault:?}").contains("hunter2"));
        // Outage or misspelling: whoever wrote the address can tell.
        for (url, host) in [("http://localhost:9/", "localhost"), ("http://127.0.0.1:9/", "127.0.0.1")] {
            let fault = client.execute("send", get(url)).await.unwrap_err();
            let hint =
                format!("check how the address is written, if this lasts: no connection to {host:?} can be made");
            assert_eq!((fault.kind(), fault.public_hint()), (FaultKind::Unavailable, Some(hint.as_str())));
        }
    }
}
