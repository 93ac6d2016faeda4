//! A delivery that is killed again and again: every event arrives, and only what was in flight comes twice
//! (promise 16).

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::{Kind, arguments, ids};
use crate::support::{Bench, soak};

const EVENTS: u64 = 6_000;
const REQUEST_EVENTS: usize = 100;
const IN_FLIGHT: usize = 3;
/// Of fewer events half are sent too soon to kill who sends them.
const LEFT_MIN: usize = 2_000;

#[test]
fn soak_deliveries_that_are_killed_lose_nothing_and_repeat_only_what_was_in_flight() {
    let bench = Bench::with_generated(EVENTS);
    let expected = ids(&bench, &["--project", "p"]);
    let kills_wanted = if soak() { 30 } else { 3 };
    for (seed, kind) in (21..).zip(Kind::BOTH) {
        let mut random = SmallRng::seed_from_u64(seed);
        // About sixty requests, three at once: two to three seconds.
        let receiver = kind.receiver(&BTreeSet::new(), None).slow(Duration::from_millis(100));
        let (events, in_flight) =
            (format!("request_events={REQUEST_EVENTS}"), format!("requests_in_flight={IN_FLIGHT}"));
        let more = ["--resume", "--option", &events, "--option", &in_flight];
        let arguments = arguments(kind, &receiver, &more);
        let (mut kills, mut whole) = (0, 0);
        // What had arrived when the last whole delivery ended.
        let mut ended_at = 0;
        loop {
            let mut command = bench.command(&arguments);
            let mut running = command.env("KEY", kind.key()).stdout(Stdio::null()).spawn().unwrap();
            // Killed once so many more events have arrived, whatever the machine's pace; but not where so few are left
            // that it may have ended before it is killed.
            let before = receiver.state().ledger.arrivals();
            let left = expected.len().saturating_sub(before - ended_at);
            let is_killed = kills < kills_wanted && left >= LEFT_MIN;
            let enough = before + random.random_range(0..expected.len()) * left / expected.len() / 2;
            let ended = loop {
                if let Some(status) = running.try_wait().unwrap() {
                    assert!(status.success(), "{kind:?}, seed {seed}: a delivery failed");
                    break true;
                }
                if is_killed && receiver.state().ledger.arrivals() > enough {
                    running.kill().unwrap();
                    running.wait().unwrap();
                    break false;
                }
                std::thread::sleep(Duration::from_millis(5));
            };
            if ended {
                whole += 1;
                ended_at = receiver.state().ledger.arrivals();
            } else {
                kills += 1;
            }
            if ended && kills == kills_wanted {
                break;
            }
        }
        let state = receiver.state();
        assert!(state.ledger.rows(kind.event("events")) == expected, "{kind:?}, seed {seed}: events are missing");
        assert_eq!(state.ledger.changed, Vec::<String>::new(), "{kind:?}, seed {seed}");
        // A delivery that ended is delivered again as a whole by the next command.
        let most = whole * expected.len() + kills * IN_FLIGHT * REQUEST_EVENTS;
        let arrivals = state.ledger.arrivals();
        println!("{kind:?}, seed {seed}: {kills} kills, {whole} whole deliveries, {arrivals} arrivals");
        assert!(arrivals <= most, "{kind:?}, seed {seed}: {arrivals} events arrived, at most {most} may");
    }
}
