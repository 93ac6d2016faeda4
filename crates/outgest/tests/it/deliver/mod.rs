//! `outgest deliver` against PostHog and Mixpanel as their documents describe them: what arrives is compared
//! with the keys of the source, whatever happens on the way.

mod by_hand;
mod each;
mod input;
mod kill;
mod limits;
mod parity;
mod trouble;
mod wire;

use std::collections::BTreeSet;

use crate::servers::analytics::{Contract, FakeMixpanel, FakePostHog, Receiver};
use crate::support::{Bench, Ended};

/// A kind of receiver, and how the command line names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    PostHog,
    Mixpanel,
}

impl Kind {
    pub const BOTH: [Self; 2] = [Self::PostHog, Self::Mixpanel];

    /// A receiver that refuses these rows and takes requests of so many bytes.
    pub fn receiver(self, poison: &BTreeSet<String>, bytes_max: Option<usize>) -> Receiver {
        let poison = poison.clone();
        match self {
            Self::PostHog => {
                let fake = FakePostHog::new();
                start(FakePostHog { poison, bytes_max: bytes_max.unwrap_or(fake.bytes_max), ..fake })
            }
            Self::Mixpanel => {
                let fake = FakeMixpanel::new();
                start(FakeMixpanel { poison, bytes_max: bytes_max.unwrap_or(fake.bytes_max), ..fake })
            }
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::PostHog => "posthog",
            Self::Mixpanel => "mixpanel",
        }
    }

    pub fn key(self) -> &'static str {
        match self {
            Self::PostHog => FakePostHog::KEY,
            Self::Mixpanel => FakeMixpanel::TOKEN,
        }
    }

    /// What an integration calls its key.
    pub fn secret(self) -> &'static str {
        match self {
            Self::PostHog => "api_key",
            Self::Mixpanel => "project_token",
        }
    }

    /// The last step of a check, and what its success leaves open.
    pub fn last_step(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::PostHog => (
                "request",
                Some("PostHog does not tell whether a project has this key: look for the first events there"),
            ),
            Self::Mixpanel => ("dry event", None),
        }
    }

    /// A key that neither takes, whichever project it is of: for PostHog it is too long to be one.
    pub fn no_key() -> String {
        "wrong-hunter3-".repeat(5)
    }

    /// The name of events made of a table's rows.
    pub fn event(self, table: &str) -> &'static str {
        match (self, table) {
            (Self::PostHog, "events") => "langfuse observation",
            (Self::PostHog, "generations") => "langfuse generation",
            (Self::PostHog, "scores") => "langfuse score",
            (Self::PostHog, _) => "langfuse trace",
            (Self::Mixpanel, "events") => "[Langfuse] Observation",
            (Self::Mixpanel, "generations") => "[Langfuse] Generation",
            (Self::Mixpanel, "scores") => "[Langfuse] Score",
            (Self::Mixpanel, _) => "[Langfuse] Trace",
        }
    }
}

fn start(contract: impl Contract) -> Receiver {
    Receiver::start(contract)
}

/// Arguments of a delivery of project `p` to a receiver.
fn arguments(kind: Kind, receiver: &Receiver, more: &[&str]) -> Vec<String> {
    let url = receiver.url();
    let fixed = ["deliver", kind.name(), "--host", &url, "--key-env", "KEY", "--allow-network", "127.0.0.1"];
    let project: &[&str] = if more.contains(&"--project") { &[] } else { &["--project", "p"] };
    [&fixed[..], project, more].concat().into_iter().map(str::to_owned).collect()
}

/// Delivers to the end.
fn deliver(bench: &Bench, kind: Kind, receiver: &Receiver, more: &[&str]) -> Ended {
    Ended::of(bench.command(arguments(kind, receiver, more)).env("KEY", kind.key()).output().unwrap())
}

/// Ids of the rows that the source holds of a table.
pub fn ids(bench: &Bench, arguments: &[&str]) -> BTreeSet<String> {
    let rows = bench.rows(&[arguments, &["--columns", "id"]].concat());
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}
