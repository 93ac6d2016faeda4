//! `outgest integrations`: every verb from a terminal, and what is refused there.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::World;
use super::project::{id_of, text};
use super::world::{PATIENCE, Serve};
use crate::deliver::Kind;
use crate::support::Ended;

super::on_both_databases!(an_integration_is_made_watched_changed_and_removed_from_a_terminal);

/// Somebody who types.
struct Terminal<'a> {
    world: &'a World,
    server: String,
    secret: String,
}

impl<'a> Terminal<'a> {
    fn new(world: &'a World, serve: &Serve, secret: &str) -> Self {
        Self { world, server: serve.url(), secret: secret.to_owned() }
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = self.world.command(&["integrations"]);
        command.args(arguments).args(["--server", &self.server, "--project", "p"]);
        Ended::of(command.env("OUTGEST_CLIENT_KEY", &self.secret).output().unwrap())
    }

    /// What a command prints that succeeds, without the end of its last line.
    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{arguments:?}: {}", ended.stdout);
        ended.stdout.trim_end().to_owned()
    }

    /// The same as JSON, a value on each line.
    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let printed = self.ok(&[arguments, &["--json"]].concat());
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Asks until what is printed is this.
    #[track_caller]
    fn until(&self, arguments: &[&str], is: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let printed = self.json(arguments);
            if is(&printed) {
                return printed;
            }
            assert!(Instant::now() < deadline, "{arguments:?}: {printed:#?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until nothing is left to do.
    #[track_caller]
    fn settled(&self, id: &str) {
        self.until(&["backfills", id], |found| found.iter().all(|backfill| backfill["state"] != "running"));
        self.until(&["show", id], |shown| shown[0]["status"] == "upToDate");
    }
}

/// Project `p` with generated rows of two days ago, and the secret of its owner's key.
fn shop(world: &mut World) -> String {
    world.set("OUTGEST_EGRESS_ALLOW", "127.0.0.0/8");
    world.project("p", 0);
    world.ok(&["generate", "--project", "p", "--seed", "5", "--events", "400", "--days", "1", "--end=-48h"]);
    world.key("p", "owner").1
}

fn before_now(hours: i64) -> String {
    (chrono::Utc::now() - chrono::TimeDelta::hours(hours)).format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn an_integration_is_made_watched_changed_and_removed_from_a_terminal(mut world: World) {
    let secret = shop(&mut world);
    let rows = world.bench.rows(&["--project", "p", "--columns", "id"]);
    let poison: BTreeSet<String> = rows.iter().step_by(100).map(|row| text(&row["id"]).to_owned()).collect();
    let first = Kind::PostHog.receiver(&poison, None);
    let second = Kind::PostHog.receiver(&BTreeSet::new(), None);
    let key = format!("api_key=@{}", world.bench.write("key.txt", format!("{}\n", Kind::PostHog.key())));
    // Nothing but what is asked for is due before the next leap day.
    let settings = json!({
        "name": "product", "kind": "posthog", "tables": [{"table": "events"}], "lagSeconds": 0,
        "options": {"host": first.url(), "request_events": "100"},
        "schedule": {"every": "cron", "expression": "0 0 29 2 *"}, "start": {"from": "date", "at": before_now(24 * 9)},
    });
    let settings = format!("@{}", world.bench.write("product.json", settings.to_string()));
    let serve = world.serve();
    let typed = Terminal::new(&world, &serve, &secret);

    let kinds: Vec<String> = typed.json(&["kinds"]).iter().map(|kind| text(&kind["name"]).to_owned()).collect();
    assert!(["s3", "posthog", "mixpanel"].iter().all(|kind| kinds.contains(&(*kind).to_owned())), "{kinds:?}");
    assert_eq!(typed.ok(&["list"]), "");

    let id = typed.ok(&["create", "--settings", &settings, "--secret", &key]);
    let id = id.as_str();
    let listed = typed.ok(&["list"]);
    assert!(listed.starts_with(&format!("{id}  ")) && listed.ends_with("  exported up to -  product"), "{listed}");
    let shown = typed.json(&["show", id]);
    assert_eq!((id_of(&shown[0]), &shown[0]["secrets"]), (id, &json!(["api_key"])), "{shown:#?}");
    let (last, left_open) = Kind::PostHog.last_step();
    let last = format!("{last}: {}", left_open.unwrap());
    let steps = ["address policy", "dns", "connection", last.as_str()].map(|step| format!("ok      {step}"));
    assert_eq!(typed.ok(&["test", id]), steps.join("\n"));
    assert_eq!(first.state().ledger.len(), 0, "a test leaves no event");
    let windows = typed.json(&["windows", id]);
    assert!(windows.len() == 5 && windows.iter().all(|window| window["files"] == json!([])), "{windows:#?}");

    let asked = typed.json(&["run", id]);
    assert_eq!((asked.len(), &asked[0]["cause"]), (1, &json!("request")), "{asked:#?}");
    typed.settled(id);
    let arrived = first.state().ledger.len();
    assert_eq!(arrived, rows.len() - poison.len());
    let line = typed.ok(&["runs", id]);
    let expected = format!("{}  completed  {}  {arrived} rows, ", id_of(&asked[0]), text(&asked[0]["stem"]));
    assert!(line.starts_with(&expected), "{line}");
    assert_eq!(typed.ok(&["runs", id, "--state", "queued,failed"]), "");
    assert_eq!(typed.json(&["runs", id, "--state", "completed", "--limit", "1"]).len(), 1);
    let coverage = typed.json(&["coverage", id]);
    assert_eq!((coverage.len(), &coverage[0]["state"]), (1, &json!("completed")), "{coverage:#?}");
    assert_eq!(coverage[0]["from"], asked[0]["from"]);

    // What was refused is sent to a receiver that minds nothing.
    let letters = typed.ok(&["dead-letters", id]);
    let dead: BTreeSet<String> = letters.lines().map(|line| line.split("  ").nth(2).unwrap().to_owned()).collect();
    assert_eq!(dead, poison, "{letters}");
    assert!(letters.lines().all(|line| line.contains("  events  ") && line.contains("poison")), "{letters}");
    assert_eq!(typed.ok(&["dead-letters", id, "--limit", "1"]).lines().count(), 1);
    let change = json!({"options": {"host": second.url()}, "name": "the product"}).to_string();
    assert_eq!(typed.ok(&["change", id, "--settings", &change]), id);
    let replayed = typed.json(&["replay", id]);
    assert_eq!(replayed.len(), 1, "{replayed:#?}");
    typed.settled(id);
    assert_eq!((typed.ok(&["dead-letters", id]).as_str(), second.state().ledger.len()), ("", poison.len()));
    typed.run(&["replay", id]).assert_told(2, &["there is no dead letter to replay"]);
    let stale = json!({"version": 1, "name": "another"}).to_string();
    typed
        .run(&["change", id, "--settings", &stale])
        .assert_told(2, &["somebody else changed the integration meanwhile"]);

    assert_eq!(typed.ok(&["pause", id]), format!("{id}  paused"));
    assert!(typed.ok(&["list"]).contains("  paused     posthog    exported up to 20"), "{}", typed.ok(&["list"]));
    for verb in ["run", "replay"] {
        typed.run(&[verb, id]).assert_refused(&["the integration is paused", "resume it first"]);
    }
    assert_eq!(typed.ok(&["resume", id]), format!("{id}  upToDate"));

    // A stretch of the past, once more: an estimate begins nothing.
    let (from, to) = (before_now(24 * 4), before_now(24));
    let stretch = ["--from", from.as_str(), "--to", to.as_str()];
    let estimate = typed.json(&[&["backfill", id, "--estimate"], &stretch[..]].concat());
    assert!(estimate[0]["rowsMax"].as_u64() >= Some(1), "{estimate:#?}");
    assert_eq!(typed.ok(&["backfills", id]), "");
    let backfill = typed.ok(&[&["backfill", id, "--order", "newest-first", "--parallel", "2"], &stretch[..]].concat());
    typed.settled(id);
    let line = typed.ok(&["backfills", id]);
    assert!(line.starts_with(&format!("{backfill}  completed  ")), "{line}");
    assert!(line.ends_with("  windows: 1 done, 0 under way, 0 failed"), "{line}");
    assert!(second.state().ledger.len() > poison.len(), "the backfill sent nothing");
    typed.run(&["cancel-backfill", id, &backfill]).assert_told(2, &["the backfill is completed already"]);
    assert_eq!(serve.end(), 0);

    // Nobody works here, so there is something to cancel.
    let serve = world.serve_with(&["--roles", "api"]);
    let typed = Terminal::new(&world, &serve, &secret);
    let backfill = typed.ok(&[&["backfill", id], &stretch[..]].concat());
    assert_eq!(typed.ok(&["cancel-backfill", id, &backfill]), format!("{backfill}  cancelled"));

    assert_eq!(typed.ok(&["delete", id]), "");
    assert_eq!(typed.ok(&["list"]), "");
    typed.run(&["show", id]).assert_refused(&["there is no integration", id]);
    assert!(typed.ok(&["runs", id]).lines().count() >= 3, "the history of runs stays");
    assert!(!serve.log().contains("hunter2"), "a key is in the log");
}

/// What somebody types who makes an integration of files.
fn lake(change: &Value) -> String {
    let mut settings = json!({
        "name": "lake", "kind": "s3", "tables": [{"table": "events"}],
        "options": {"bucket": "b", "region": "eu-central-1", "access_key_id": "AKIA"},
    });
    settings.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    settings.to_string()
}

/// A server that only answers, and somebody who types.
fn answering(world: &mut World) -> (Serve, String) {
    let secret = shop(world);
    (world.serve_with(&["--roles", "api"]), secret)
}

#[test]
fn what_cannot_be_an_integration_is_refused_with_its_field_its_value_and_what_to_write() {
    let mut world = World::on_sqlite();
    let (serve, secret) = answering(&mut world);
    let typed = Terminal::new(&world, &serve, &secret);
    let secrets = world.bench.write("secret.txt", "hunter2");
    let (of_s3, of_mixpanel) = (format!("secret_access_key=@{secrets}"), format!("project_token=@{secrets}"));
    let options = |name: &str, value: &str| {
        let mut options = json!({"bucket": "b", "region": "eu-central-1", "access_key_id": "AKIA"});
        options[name] = json!(value);
        json!({"options": options})
    };
    let cron = |expression: &str| json!({"schedule": {"every": "cron", "expression": expression}});
    let cases: [(Value, &[&str]); 15] = [
        (cron("0 0 31 2 *"), &["schedule.expression", "\"0 0 31 2 *\" never fires", "the day exists in the month"]),
        (cron("often"), &["schedule.expression", "often"]),
        (
            json!({"schedule": {"every": "day", "zone": "Europe/Berln"}}),
            &["schedule.zone", "Europe/Berln", "Europe/Berlin"],
        ),
        (json!({"lagSeconds": 604_801}), &["lagSeconds", "604801", "cursor ingested"]),
        (json!({"catchUpMax": 65}), &["catchUpMax", "65", "1 and 64"]),
        (json!({"prefix": "../"}), &["prefix", "../", "langfuse/"]),
        (json!({"prefix": "a/../b/"}), &["prefix", "a/../b/", "langfuse/"]),
        (json!({"template": "{window}.{ext}"}), &["template", "{window}.{ext}", "{projectId}"]),
        (options("region", "no where"), &["region", "no where", "eu-central-1"]),
        (options("regoin", "eu-central-1"), &["regoin", "region"]),
        (options("endpoint", "https://169.254.169.254"), &["options.endpoint", "may not be reached"]),
        (json!({"kind": "s4"}), &["kind", "s4", "kinds: azure, gcs, mixpanel, posthog, s3"]),
        (json!({"tables": [{"table": "event"}]}), &["tables[0].table", "event", "did you mean events?"]),
        (json!({"format": "parqet"}), &["format", "parqet", "parquet"]),
        (json!({"prefixes": "a/"}), &["prefixes"]),
    ];
    for (change, words) in &cases {
        let ended = typed.run(&["create", "--settings", &lake(change), "--secret", &of_s3]);
        ended.assert_refused(words);
        assert_eq!(ended.code, 2, "{}", ended.stderr);
    }
    let product = |options: Value| json!({"name": "m", "kind": "mixpanel", "options": options}).to_string();
    for (options, secret, words) in [
        (json!({"region": "mars"}), &of_mixpanel, ["region", "\"mars\" is no region", "us, eu or in"]),
        (json!({"host": "https://10.1.2.3"}), &of_mixpanel, ["options.host", "may not be reached", "egress.allow"]),
        (json!({"region": "eu"}), &of_s3, ["secrets.secret_access_key", "no such secret", "project_token"]),
    ] {
        let ended = typed.run(&["create", "--settings", &product(options), "--secret", secret]);
        ended.assert_refused(&words);
        assert_eq!(ended.code, 2, "{}", ended.stderr);
    }
    let ended = typed.run(&["create", "--settings", &product(json!({}))]);
    ended.assert_refused(&["secrets", "there are no credentials for Mixpanel", "project's token"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    let stored: [(&[&str], &[&str]); 6] = [
        (&["create", "--settings", "{"], &["--settings", "this is not JSON"]),
        (&["create", "--settings", "[]"], &["--settings", "one JSON object"]),
        (&["create", "--settings", "@nowhere.json"], &["--settings", "cannot read \"nowhere.json\""]),
        (&["create", "--settings", "{}", "--secret", "api_key"], &["--secret", "NAME=@FILE"]),
        (&["create", "--settings", "{}", "--secret", "a=@nowhere.txt"], &["--secret", "cannot read \"nowhere.txt\""]),
        (&["create", "--settings", "{}"], &["name"]),
    ];
    for (arguments, words) in stored {
        typed.run(arguments).assert_refused(words);
    }
    assert_eq!(typed.ok(&["list"]), "", "something was stored");
}

/// A lag that is longer than the period delays windows, and loses none.
#[test]
fn a_lag_that_is_longer_than_the_period_is_told_by_the_windows() {
    let mut world = World::on_sqlite();
    let (serve, secret) = answering(&mut world);
    let typed = Terminal::new(&world, &serve, &secret);
    let secrets = format!("secret_access_key=@{}", world.bench.write("secret.txt", "hunter2"));
    let late = lake(&json!({"schedule": {"every": "minutes", "minutes": 5}, "lagSeconds": 900, "prefix": "x/"}));
    let id = typed.ok(&["create", "--settings", &late, "--secret", &secrets]);
    let windows = typed.json(&["windows", &id]);
    let at = |value: &Value| chrono::DateTime::parse_from_rfc3339(text(value)).unwrap();
    for window in &windows {
        assert_eq!((at(&window["at"]) - at(&window["to"])).num_seconds(), 900, "{window:#}");
        assert!(text(&window["files"][0]).starts_with("x/p/observations_v2/20"), "{window:#}");
    }
    assert_eq!(windows.len(), 5);
    // Another one may not write over it.
    let same = typed.run(&["create", "--settings", &late, "--secret", &secrets]);
    same.assert_refused(&["another integration writes files to the same keys", "prefix"]);
    // A region that cannot be told from others by its name is named by the test, whose exit code tells.
    let far = json!({"options": {"bucket": "b", "region": "nowhere-1.invalid", "access_key_id": "AKIA"}}).to_string();
    typed.ok(&["change", &id, "--settings", &far]);
    let tested = typed.run(&["test", &id]);
    assert_eq!(tested.code, 1, "{}", tested.stdout);
    let lines: Vec<&str> = tested.stdout.lines().collect();
    assert!(lines.len() == 2 && lines[0] == "ok      address policy", "{}", tested.stdout);
    assert!(lines[1].starts_with("failed  dns: ") && lines[1].contains("nowhere-1.invalid"), "{}", tested.stdout);
}

#[test]
fn an_integration_that_is_not_there_is_named_by_every_verb() {
    let mut world = World::on_sqlite();
    let (serve, secret) = answering(&mut world);
    let typed = Terminal::new(&world, &serve, &secret);
    let stretch = ["--from", "2026-01-01", "--to", "2026-01-02"];
    let verbs: [&[&str]; 15] = [
        &["show", "nosuch"],
        &["change", "nosuch", "--settings", "{}"],
        &["delete", "nosuch"],
        &["pause", "nosuch"],
        &["resume", "nosuch"],
        &["run", "nosuch"],
        &["test", "nosuch"],
        &["windows", "nosuch"],
        &["runs", "nosuch"],
        &["coverage", "nosuch"],
        &[&["backfill", "nosuch"], &stretch[..]].concat(),
        &[&["backfill", "nosuch", "--estimate"], &stretch[..]].concat(),
        &["backfills", "nosuch"],
        &["dead-letters", "nosuch"],
        &["replay", "nosuch"],
    ];
    for verb in verbs {
        let ended = typed.run(verb);
        ended.assert_refused(&["there is no integration \"nosuch\"", "outgest integrations list"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{verb:?}");
    }
    let ended = typed.run(&["cancel-backfill", "nosuch", "neither"]);
    ended.assert_refused(&["there is no", "outgest integrations list"]);
}

#[test]
fn a_server_that_cannot_be_asked_and_words_that_mean_nothing_are_told() {
    let mut world = World::on_sqlite();
    let (serve, secret) = answering(&mut world);
    let typed = Terminal::new(&world, &serve, &secret);
    let settings = json!({"name": "m", "kind": "mixpanel"}).to_string();
    let token = format!("project_token=@{}", world.bench.write("token.txt", "hunter2"));
    let id = typed.ok(&["create", "--settings", &settings, "--secret", &token]);
    let refused: [(&[&str], &[&str]); 5] = [
        (&["runs", &id, "--state", "ended"], &["state", "ended", "queued, running"]),
        (&["backfill", &id, "--from", "2026-01-02", "--to", "2026-01-01"], &["window is empty"]),
        (&["backfill", &id, "--from", "soon", "--to", "2026-01-01"], &["from", "soon"]),
        (&["backfill", &id, "--from", "2026-01-01", "--to", "2026-01-02", "--parallel", "65"], &["parallelMax", "65"]),
        (
            &["backfill", &id, "--from", "2026-01-01", "--to", "2026-01-02", "--order", "any"],
            &["--order", "oldest-first"],
        ),
    ];
    for (arguments, words) in refused {
        let ended = typed.run(arguments);
        ended.assert_refused(words);
        assert_eq!(ended.code, 2, "{}", ended.stderr);
    }
    let stranger = Terminal { secret: "sk-og-unknown".to_owned(), ..Terminal::new(&world, &serve, &secret) };
    let ended = stranger.run(&["list"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(!ended.stderr.contains("sk-og-unknown") && ended.stderr.starts_with("error: "), "{}", ended.stderr);
    let ended = Ended::of(world.command(&["integrations", "list"]).output().unwrap());
    ended.assert_refused(&["--server", "--key", "--project", "OUTGEST_CLIENT_SERVER"]);
    let nobody = Terminal { server: "http://127.0.0.1:9".to_owned(), ..Terminal::new(&world, &serve, &secret) };
    nobody.run(&["list"]).assert_refused(&["the server cannot be reached", "check --server"]);
}
