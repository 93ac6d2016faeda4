//! Where files and events go: one folder per kind of destination, behind [`model::Destination`] and
//! [`model::EventDestination`].
//!
//! [`connect`] turns what the user wrote (`s3://bucket/path?region=…`, a path, `-`) into a connected
//! destination; [`all`] describes every kind for help texts, forms and documentation. Reading order:
//! [`memory`] is the smallest worked example, `local` adds durability on disk, `object_store` uploads
//! in pieces to S3, Azure and Google Cloud. [`conformance`] states what each of them promises.
//!
//! [`connect_events`] and [`all_events`] are the same for receivers of events: `posthog` and `mixpanel`, on
//! what they share in `analytics`. Every host they speak to passes the [`Guard`].
//!
//! Nothing here knows formats, sources or jobs, and nothing retries: a failure is classified as a
//! [`model::Fault`] and handed up. The environment is read through the function given to [`connect`].

pub mod memory;

mod local;
mod object_store;
mod stdout;

mod analytics;
mod mixpanel;
mod posthog;

mod address;
mod certificate;
mod check;
pub mod conformance;
mod decorate;
mod egress;
mod fields;
mod guard;
mod guarded;
mod publish;
mod state;

use std::sync::{Arc, LazyLock};

use model::{Connected, Destination, EventDestination, Fault, Fields, KindDescriptor, Micros, RawOptions, nearest};

use address::Address;
use egress::Egress;
use guarded::Guarded;

pub use decorate::{Call, Trouble, flaky, throttled};
pub use guard::{Guard, GuardedClient, Network};
pub use local::LocalDestination;
pub use stdout::StdoutDestination;

/// What connecting comes to.
type Connection = Result<Connected<dyn Destination>, Fault>;

/// A kind of destination: how it introduces itself and how it is connected.
struct Kind {
    describe: fn() -> KindDescriptor,
    connect: fn(&Egress, &Address, &mut Fields<'_>) -> Connection,
    /// Whether it lies behind a host, so that users of a server can name one.
    remote: bool,
}

/// Every kind that can be named by the user, sorted by name.
const KINDS: &[Kind] = &[object_store::AZURE, object_store::GCS, local::KIND, object_store::S3, stdout::KIND];

static DESCRIPTORS: LazyLock<Vec<KindDescriptor>> =
    LazyLock::new(|| KINDS.iter().map(|kind| (kind.describe)()).collect());

/// Describes every kind that [`connect`] knows, sorted by name.
pub fn all() -> &'static [KindDescriptor] {
    &DESCRIPTORS
}

/// Connects the destination that `text` names: a path, `-` for standard output, or
/// `scheme://root/path?option=value`.
///
/// `options` are added to those in the address. All problems with them are reported at once. Nothing
/// is sent yet, but credentials that certainly are missing are a fault here already.
pub fn connect(
    text: &str,
    options: &RawOptions,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Connected<dyn Destination>, Fault> {
    connect_through(&Egress::open(), text, options, environment)
}

/// Describes the kinds that [`connect_guarded`] knows, sorted by name.
pub fn remote() -> Vec<&'static KindDescriptor> {
    KINDS.iter().zip(all()).filter(|(kind, _)| kind.remote).map(|(_, descriptor)| descriptor).collect()
}

/// Connects a destination that a user of a server names: only kinds behind hosts, only hosts that the guard
/// permits, and with nothing from this machine's environment or its role.
pub fn connect_guarded(text: &str, options: &RawOptions, guard: &Guard) -> Result<Connected<dyn Destination>, Fault> {
    let address = Address::parse(text)?;
    if !remote().iter().any(|kind| kind.schemes.contains(&address.scheme.as_str())) {
        let fault = Fault::bad_request(format!("no kind of remote destination is called {:?}", address.scheme));
        return Err(fault.hint("use s3, az or gs"));
    }
    // The role of the machine is the server's, not the user's.
    let environment = |name: &str| (name == "AWS_EC2_METADATA_DISABLED").then(|| "true".to_owned());
    connect_through(&Egress::for_users(Guarded(guard.clone())), text, options, &environment)
}

fn connect_through(
    egress: &Egress,
    text: &str,
    options: &RawOptions,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Connected<dyn Destination>, Fault> {
    let address = Address::parse(text)?;
    let found = KINDS.iter().zip(all()).find(|(_, descriptor)| descriptor.schemes.contains(&address.scheme.as_str()));
    let Some((kind, descriptor)) = found else {
        let schemes = all().iter().flat_map(|descriptor| descriptor.schemes).copied();
        let schemes: Vec<&str> = schemes.filter(|scheme| *scheme != address::STDOUT_SCHEME).collect();
        let hint = match nearest(&address.scheme, schemes.iter().copied()) {
            Some(close) => format!("did you mean {close}://?"),
            None => format!("use a path, - for standard output, or one of {}://", schemes.join("://, ")),
        };
        return Err(Fault::bad_request(format!("no kind of destination is called {:?}", address.scheme)).hint(hint));
    };
    let mut fields = Fields::new(descriptor, &address.query, options, environment);
    (kind.connect)(egress, &address, &mut fields)
}

/// What connecting a receiver of events comes to.
type EventsConnection = Result<Arc<dyn EventDestination>, Fault>;

/// A kind of receiver of events.
struct EventsKind {
    describe: fn() -> KindDescriptor,
    connect: fn(&mut Fields<'_>, &Guard, fn() -> Micros) -> EventsConnection,
}

/// Every kind of receiver of events, sorted by name.
const EVENTS_KINDS: &[EventsKind] = &[mixpanel::KIND, posthog::KIND];

static EVENTS_DESCRIPTORS: LazyLock<Vec<KindDescriptor>> =
    LazyLock::new(|| EVENTS_KINDS.iter().map(|kind| (kind.describe)()).collect());

/// Describes every kind that [`connect_events`] knows, sorted by name.
pub fn all_events() -> &'static [KindDescriptor] {
    &EVENTS_DESCRIPTORS
}

/// Connects a receiver of events of the kind `name`, which is reached through `guard` alone.
///
/// All problems with the options are reported at once. Nothing is sent yet, but credentials that certainly
/// are missing are a fault here already.
pub fn connect_events(
    name: &str,
    options: &RawOptions,
    guard: &Guard,
    environment: &dyn Fn(&str) -> Option<String>,
    now: fn() -> Micros,
) -> EventsConnection {
    let found = EVENTS_KINDS.iter().zip(all_events()).find(|(_, descriptor)| descriptor.name == name);
    let Some((kind, descriptor)) = found else {
        let names: Vec<&str> = all_events().iter().map(|descriptor| descriptor.name).collect();
        let hint = match nearest(name, names.iter().copied()) {
            Some(close) => format!("did you mean {close}?"),
            None => format!("use one of {}", names.join(", ")),
        };
        return Err(Fault::bad_request(format!("no kind of receiver of events is called {name:?}")).hint(hint));
    };
    let mut fields = Fields::new(descriptor, &[], options, environment);
    (kind.connect)(&mut fields, guard, now)
}

#[cfg(test)]
mod tests;
