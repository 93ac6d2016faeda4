//! Servers that are killed in the middle of a window, again and again: the window ends as if nothing had happened
//! (promises 5, 10 and 16).

mod trial;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;

use super::World;
use super::integration::sum;
use super::project::text;
use crate::deliver::{Kind, ids};
use crate::servers::s3::S3Server;
use crate::support::{Ended, soak};
use trial::{Trial, cut_short};

/// Tables whose rows go to files.
const FILES: [&str; 3] = ["events", "scores", "traces"];
/// Tables whose rows go to a receiver, and how those of them are exported that become events: no corrections.
const EVENTS: [(&str, &[&str]); 2] = [("events", &[]), ("scores", &["--table", "scores", "--where", LISTED])];
const LISTED: &str = r#"dataType in ("NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT")"#;

const REQUEST_EVENTS: u64 = 100;
const IN_FLIGHT: u64 = 3;

super::on_both_databases!(
    soak_windows_to_posthog_that_are_killed_lose_nothing_and_repeat_only_what_was_in_flight,
    soak_windows_to_mixpanel_that_are_killed_lose_nothing_and_repeat_only_what_was_in_flight,
    soak_windows_of_files_that_are_killed_end_as_undisturbed_ones,
);

fn soak_windows_to_posthog_that_are_killed_lose_nothing_and_repeat_only_what_was_in_flight(world: World) {
    lose_nothing_and_repeat_only_what_was_in_flight(world, Kind::PostHog, 31);
}

fn soak_windows_to_mixpanel_that_are_killed_lose_nothing_and_repeat_only_what_was_in_flight(world: World) {
    lose_nothing_and_repeat_only_what_was_in_flight(world, Kind::Mixpanel, 33);
}

fn lose_nothing_and_repeat_only_what_was_in_flight(world: World, kind: Kind, seed: u64) {
    // A test run shares the receivers between the databases, a soak run has both on each.
    if !soak() && world.is_on_postgres() != (kind == Kind::Mixpanel) {
        return eprintln!("left out: a test run sends to {} on the other database", kind.name());
    }
    let receiver = kind.receiver(&BTreeSet::new(), None).slow(Duration::from_millis(if soak() { 250 } else { 150 }));
    let mut trial = Trial::new(world, kind.name(), seed, if soak() { 30_000 } else { 6_000 });
    let rounds = trial.survive(|round| {
        json!({
            "name": format!("round {round}"), "kind": kind.name(), "catchUpMax": 1,
            "tables": EVENTS.map(|(table, _)| json!({"table": table})),
            "options": {
                "host": receiver.url(),
                "request_events": REQUEST_EVENTS.to_string(),
                "requests_in_flight": IN_FLIGHT.to_string(),
            },
            "secrets": {kind.secret(): kind.key()},
        })
    });

    let state = receiver.state();
    let ledger = &state.ledger;
    let (arrivals, events) = (ledger.arrivals() as u64, ledger.len() as u64);
    println!("{trial}: {events} events, {arrivals} arrivals");
    let mut rows = 0;
    for (table, exported) in EVENTS {
        let arrived = ledger.rows(kind.event(table));
        rows += arrived.len();
        // A row that was deleted in a later window had been sent by then.
        let stored = ids(&trial.world.bench, &[&["--project", "p"][..], exported].concat());
        let missing: Vec<&String> = stored.difference(&arrived).collect();
        assert!(
            !stored.is_empty() && missing.is_empty(),
            "{trial}: {} of {} {table} are missing, such as {:?}",
            missing.len(),
            stored.len(),
            missing.first()
        );
    }
    assert_eq!(ledger.changed, Vec::<String>::new(), "{trial}: a row came in two shapes");
    assert_eq!(ledger.len(), rows, "{trial}: a row came under two ids");
    for runs in &rounds {
        assert_eq!(sum(runs, |result| &result["rows"]), events, "{trial}: windows tell other counts: {runs:#?}");
    }
    // Each round sends everything once, and after each attempt that was cut short again what it had in flight.
    let most = rounds.len() as u64 * events + cut_short(&rounds) * IN_FLIGHT * REQUEST_EVENTS;
    assert!(arrivals <= most, "{trial}: {arrivals} events arrived, at most {most} may");
}

fn soak_windows_of_files_that_are_killed_end_as_undisturbed_ones(world: World) {
    // Pieces are slow, so that windows last.
    let s3 = S3Server::start_slow(Duration::from_millis(if soak() { 400 } else { 150 }));
    let mut trial = Trial::new(world, "files", 32, if soak() { 60_000 } else { 12_000 });
    let settings = |bucket: &str| {
        s3.create_bucket(bucket);
        let (options, secrets) = s3.integration(bucket);
        json!({
            "name": bucket, "kind": "s3", "options": options, "secrets": secrets, "catchUpMax": 1,
            "tables": FILES.map(|table| json!({"table": table})),
            "format": "jsonl", "rollBytes": 1_000_000,
        })
    };
    let bucket_of = |round: usize| format!("killed-{round}");
    let rounds = trial.survive(|round| settings(&bucket_of(round)));
    // The same rows once more, by a server that nobody kills.
    trial.undisturbed(&settings("calm"));

    let calm = files(&s3, "calm");
    let expected = lines(&calm);
    for (round, runs) in rounds.iter().enumerate() {
        let bucket = bucket_of(round);
        let killed = files(&s3, &bucket);
        let rows = lines(&killed);
        println!("{trial}, {bucket}: {} files, {} rows, {} windows", killed.len(), rows.len(), runs.len());
        let counted = sum(runs, |result| &result["rows"]);
        assert_eq!(rows.len() as u64, counted, "{trial}, {bucket}: manifests tell other counts: {runs:#?}");
        let difference = rows.iter().zip(&expected).find(|(row, expected)| row != expected);
        assert!(
            rows == expected,
            "{trial}, {bucket}: {} rows, of undisturbed windows {}; the first difference: {difference:#?}",
            rows.len(),
            expected.len()
        );
        // Windows that ended at midnight are the same ones; their files have the same bytes.
        let both = killed.keys().filter(|key| calm.contains_key(*key));
        let (same, other): (Vec<&String>, Vec<&String>) = both.partition(|key| killed[*key] == calm[*key]);
        assert!(
            !same.is_empty() && other.is_empty(),
            "{trial}, {bucket}: other bytes than those of undisturbed windows: {other:?}, the same: {same:?}"
        );
        assert_eq!(s3.uploads(&bucket), Vec::new(), "{trial}, {bucket}: uploads were left behind");
        for run in runs {
            let manifest = format!("s3://{bucket}/{}", text(&run["result"]["manifest"]));
            let mut verify = trial.world.command(&["verify", &manifest]);
            let ended = Ended::of(verify.envs(s3.environment()).output().unwrap());
            assert_eq!(ended.code, 0, "{trial}, {manifest}: {}{}", ended.stdout, ended.stderr);
        }
    }
}

/// The files of rows in a bucket, by key.
fn files(s3: &S3Server, bucket: &str) -> BTreeMap<String, Vec<u8>> {
    s3.contents(bucket).into_iter().filter(|(key, _)| key.contains(".jsonl")).collect()
}

/// Every row of the files, sorted.
fn lines(files: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).unwrap();
    let mut lines: Vec<String> =
        files.values().flat_map(|bytes| text(bytes).lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    lines.sort();
    lines
}
