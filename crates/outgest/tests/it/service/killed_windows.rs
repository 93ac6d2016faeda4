//! Servers that are killed in the middle of a window, again and again: the window ends as if nothing had happened
//! (promises 5, 10 and 16).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::World;
use super::integration::{Integration, sum};
use super::project::text;
use super::world::Serve;
use crate::deliver::Kind;
use crate::servers::s3::S3Server;
use crate::support::{Ended, soak};

const TABLES: [&str; 3] = ["events", "scores", "traces"];
const REQUEST_EVENTS: usize = 100;
const IN_FLIGHT: usize = 3;

super::on_both_databases!(
    soak_windows_of_events_that_are_killed_lose_nothing_and_repeat_only_what_was_in_flight,
    soak_windows_of_files_that_are_killed_end_as_undisturbed_ones,
);

/// Kills of each test.
fn kills_wanted() -> usize {
    if soak() { 30 } else { 3 }
}

/// A project whose rows, corrections of the next day included, were stored within the last days.
fn rows(world: &mut World, events: u64) -> String {
    // A worker that died is followed soon.
    world.set("OUTGEST_WORKER_LEASE", "2s");
    world.set("OUTGEST_EGRESS_ALLOW", "127.0.0.0/8");
    world.project("p", 0);
    let events = events.to_string();
    world.ok(&["generate", "--project", "p", "--seed", "7", "--events", &events, "--days", "1", "--end=-48h"]);
    world.key("p", "owner").1
}

/// Kills one server after the other at random moments until `kills` are reached; the last one stays.
fn kill_again_and_again(
    world: &World,
    mut serve: Serve,
    random: &mut SmallRng,
    longest: Duration,
    is_done: impl Fn(&Serve) -> bool,
) -> (Serve, usize) {
    let mut kills = 0;
    while kills < kills_wanted() {
        let moment = Instant::now() + longest.mul_f64(random.random_range(0.0..1.0));
        while Instant::now() < moment && !is_done(&serve) {
            std::thread::sleep(Duration::from_millis(5));
        }
        if is_done(&serve) {
            break;
        }
        serve.signal("KILL");
        drop(serve);
        kills += 1;
        serve = world.serve();
    }
    (serve, kills)
}

fn soak_windows_of_events_that_are_killed_lose_nothing_and_repeat_only_what_was_in_flight(mut world: World) {
    let mut random = SmallRng::seed_from_u64(31);
    let secret = rows(&mut world, if soak() { 30_000 } else { 6_000 });
    let kind = Kind::PostHog;
    let receiver = kind.receiver(&BTreeSet::new(), None).slow(Duration::from_millis(if soak() { 250 } else { 150 }));
    let serve = world.serve();
    let tables: Vec<Value> = TABLES[..2].iter().map(|table| json!({"table": table})).collect();
    let (request_events, in_flight) = (REQUEST_EVENTS.to_string(), IN_FLIGHT.to_string());
    let options = json!({"host": receiver.url(), "request_events": request_events, "requests_in_flight": in_flight});
    let settings = json!({
        "name": "a", "kind": kind.name(), "tables": tables, "options": options, "catchUpMax": 1,
        "secrets": {"api_key": kind.key()},
    });
    let made = Integration::create(&serve.project("p", &secret), &settings);
    made.run_now();
    let project = |serve: &Serve| serve.project("p", &secret);
    let done = |serve: &Serve| made.at(&project(serve)).is_done();
    let (serve, kills) = kill_again_and_again(&world, serve, &mut random, Duration::from_secs(3), done);
    let runs = made.at(&project(&serve)).completed();

    let expected = kind.receiver(&BTreeSet::new(), None);
    let (url, tables) = (expected.url(), TABLES[..2].join(","));
    let words = ["deliver", kind.name(), "--project", "p", "--host", &url, "--key-env", "KEY", "--tables", &tables];
    let mut command = world.command(&[&words[..], &["--allow-network", "127.0.0.1"]].concat());
    let ended = Ended::of(command.env("KEY", kind.key()).output().unwrap());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let state = receiver.state();
    for table in &TABLES[..2] {
        let name = kind.event(table);
        // A row that was deleted in a later window had been sent by then.
        let (arrived, live) = (state.ledger.rows(name), expected.state().ledger.rows(name));
        assert!(!live.is_empty() && live.is_subset(&arrived), "seed 31: {table} are not complete");
    }
    assert_eq!(state.ledger.changed, Vec::<String>::new(), "seed 31: a row came in two shapes");
    assert_eq!(sum(&runs, |result| &result["rows"]), state.ledger.len() as u64, "seed 31");
    let (arrivals, events) = (state.ledger.arrivals(), state.ledger.len());
    println!("events, seed 31: {kills} kills, {events} events, {arrivals} arrivals, {} runs", runs.len());
    // Catching up and the live window may both be under way when a server dies.
    let most = events + kills * 2 * IN_FLIGHT * REQUEST_EVENTS;
    assert!(arrivals <= most, "seed 31: {arrivals} events arrived, at most {most} may");
    assert!(kills > 0, "seed 31: everything was done before the first kill");
}

fn soak_windows_of_files_that_are_killed_end_as_undisturbed_ones(mut world: World) {
    let mut random = SmallRng::seed_from_u64(32);
    let secret = rows(&mut world, if soak() { 60_000 } else { 12_000 });
    // Pieces are slow, so that windows last.
    let s3 = S3Server::start_slow(Duration::from_millis(if soak() { 400 } else { 150 }));
    let serve = world.serve();
    let project = |serve: &Serve| serve.project("p", &secret);
    let create = |serve: &Serve, bucket: &str| {
        s3.create_bucket(bucket);
        let (options, secrets) = s3.integration(bucket);
        let tables: Vec<Value> = TABLES.iter().map(|table| json!({"table": table})).collect();
        let settings = json!({
            "name": bucket, "kind": "s3", "tables": tables, "options": options, "secrets": secrets,
            "format": "jsonl", "rollBytes": 1_000_000, "catchUpMax": 1,
        });
        let made = Integration::create(&project(serve), &settings);
        made.run_now();
        made
    };
    let killed = create(&serve, "killed");
    let done = |serve: &Serve| killed.at(&project(serve)).is_done();
    let (serve, kills) = kill_again_and_again(&world, serve, &mut random, Duration::from_secs(2), done);
    let runs = killed.at(&project(&serve)).completed();
    // The same rows once more, by a server that nobody kills.
    let calm = create(&serve, "calm");
    calm.completed();

    let (killed, calm) = (files(&s3, "killed"), files(&s3, "calm"));
    let rows = lines(&killed);
    println!("files, seed 32: {kills} kills, {} files, {} rows, {} runs", killed.len(), rows.len(), runs.len());
    assert!(kills > 0, "seed 32: everything was done before the first kill");
    assert_eq!(rows.len() as u64, sum(&runs, |result| &result["rows"]), "seed 32: manifests tell other counts");
    assert!(rows == lines(&calm), "seed 32: the rows are not those of undisturbed windows");
    // Windows that ended at midnight are the same ones; their files have the same bytes.
    let same: Vec<&String> = killed.keys().filter(|key| calm.contains_key(*key)).collect();
    assert!(!same.is_empty() && same.iter().all(|key| killed[*key] == calm[*key]), "seed 32: {same:?}");
    assert_eq!(s3.uploads("killed"), Vec::new(), "seed 32: uploads were left behind");
    for run in &runs {
        let manifest = format!("s3://killed/{}", text(&run["result"]["manifest"]));
        let mut verify = world.command(&["verify", &manifest]);
        let ended = Ended::of(verify.envs(s3.environment()).output().unwrap());
        assert_eq!(ended.code, 0, "seed 32: {}{}", ended.stdout, ended.stderr);
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
