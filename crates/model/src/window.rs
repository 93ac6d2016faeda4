//! Half-open stretches of time and the clock they are measured on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Fault, Micros};

/// The timestamps `from <= t < to`; either end may be open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// First instant inside, or unbounded.
    pub from: Option<Micros>,
    /// First instant after, or unbounded.
    pub to: Option<Micros>,
}

impl Window {
    /// Builds a window that holds at least one instant.
    pub fn new(from: Option<Micros>, to: Option<Micros>) -> Result<Self, Fault> {
        match (from, to) {
            (Some(from), Some(to)) if from >= to => {
                Err(Fault::bad_request(format!("the window is empty: since {from} is not before until {to}"))
                    .hint("until is exclusive: give a time after since"))
            }
            _ => Ok(Self { from, to }),
        }
    }

    /// Whether `instant` lies inside.
    pub fn contains(&self, instant: Micros) -> bool {
        self.from.is_none_or(|from| from <= instant) && self.to.is_none_or(|to| instant < to)
    }

    /// Whether both ends are open.
    pub fn is_unbounded(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }
}

/// The timestamp a window is measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cursor {
    /// When the newest version was stored (`updated_at`): late and corrected rows fall into a later window.
    Ingested,
    /// When the event started: rows that arrive late are missed by windows already exported.
    StartTime,
}

impl Cursor {
    /// The name in options, manifests and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingested => "ingested",
            Self::StartTime => "start_time",
        }
    }
}
