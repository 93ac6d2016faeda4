//! Limits of a server that a query may meet, and how often what it looks at is divided before that is a fault.

use model::{Fault, FaultKind};

/// How often something is halved, and its halves again, without a row in between, before its fault stands. Time also runs out where the
/// connection hangs, which nothing smaller cures.
const HALVINGS_FOR_TIME: u32 = 3;
const HALVINGS_FOR_MEMORY: u32 = 64;

/// How often what met this fault is halved; not at all where less of it would fail alike.
pub(super) fn halvings(fault: &Fault) -> u32 {
    match fault.kind() {
        FaultKind::TooLarge { .. } => HALVINGS_FOR_MEMORY,
        FaultKind::Timeout => HALVINGS_FOR_TIME,
        _ => 0,
    }
}

/// Whether a smaller query may pass where this one met its limit.
pub(super) fn is_limit(fault: &Fault) -> bool {
    halvings(fault) > 0
}
