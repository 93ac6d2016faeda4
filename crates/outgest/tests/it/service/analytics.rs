//! Integrations whose destination is PostHog or Mixpanel: windows arrive as events, each row under one id, whatever
//! happens; what is refused is a dead letter that can be sent again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::World;
use super::integration::{Integration, sum};
use super::project::{Project, text};
use super::world::{PATIENCE, Serve};
use crate::deliver::Kind;
use crate::servers::analytics::{FakePostHog, Receiver, Trouble};
use crate::servers::receiver::Receiver as WebHook;
use crate::support::Ended;

super::on_both_databases!(
    windows_arrive_as_deliveries_do_and_what_is_refused_is_sent_again,
    a_key_that_is_refused_pauses_at_once_and_tells_it_once,
    a_receiver_that_is_away_is_waited_for_and_no_other_waits,
    a_backfill_says_that_its_events_happened_long_ago,
    filters_and_masks_hold_for_events,
    rows_that_are_seen_too_late_are_sent_as_a_revision_and_no_others,
);

const EVENTS: &str = "1500";
const TABLES: [&str; 4] = ["events", "generations", "scores", "traces"];

/// A server that may reach this machine, with a project whose rows were stored within the last days. Corrections come a
/// day late, and every row is to be stored by now.
fn serve(world: &mut World) -> (Serve, Project) {
    let secret = rows(world);
    let serve = world.serve();
    let project = serve.project("p", &secret);
    (serve, project)
}

/// The project and its rows; returns the secret of a key.
fn rows(world: &mut World) -> String {
    world.set("OUTGEST_EGRESS_ALLOW", "127.0.0.0/8");
    world.project("p", 0);
    let recent = ["--seed", "5", "--events", EVENTS, "--days", "1", "--end=-48h"];
    world.ok(&[&["generate", "--project", "p"][..], &recent].concat());
    world.key("p", "owner").1
}

/// The settings of an integration of everything, in requests of 200 events. Its windows end on the leap days of years,
/// so that one that is asked for has everything, as one delivery has: of two windows, the first one has rows that are
/// deleted in the second.
fn settings(kind: Kind, receiver: &Receiver, key: &str) -> Value {
    let tables: Vec<Value> = TABLES.iter().map(|table| json!({"table": table})).collect();
    let from = (chrono::Utc::now() - chrono::TimeDelta::days(9)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({
        "name": "analytics", "kind": kind.name(), "tables": tables,
        "options": {"host": receiver.url(), "request_events": "200"},
        "schedule": {"every": "cron", "expression": "0 0 29 2 *"},
        "start": {"from": "date", "at": from},
        "secrets": {kind.secret(): key},
    })
}

/// What `outgest deliver` sends of the same rows to a receiver of its own. An integration knows the project's name.
fn delivered(world: &World, kind: Kind) -> Receiver {
    let receiver = kind.receiver(&BTreeSet::new(), None);
    let url = receiver.url();
    let tables = TABLES.join(",");
    let fixed = ["deliver", kind.name(), "--project", "p", "--host", &url, "--key-env", "KEY", "--tables", &tables];
    let mut command = world.command(&[&fixed[..], &["--allow-network", "127.0.0.1", "--project-name", "p"]].concat());
    let ended = Ended::of(command.env("KEY", kind.key()).output().unwrap());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    receiver
}

fn events(receiver: &Receiver) -> Vec<Value> {
    receiver.state().ledger.events().cloned().collect()
}

fn windows_arrive_as_deliveries_do_and_what_is_refused_is_sent_again(mut world: World) {
    let (serve, project) = serve(&mut world);
    for kind in Kind::BOTH {
        let expected = delivered(&world, kind);
        let all = expected.state().ledger.rows(kind.event("events"));
        let poison: BTreeSet<String> = all.iter().step_by(400).cloned().collect();
        let receiver = kind.receiver(&poison, None);
        let settings = settings(kind, &receiver, kind.key());

        let tested = project.post("integrations/test", &settings).expect(200);
        let steps: Vec<&str> = tested["steps"].as_array().unwrap().iter().map(|step| text(&step["name"])).collect();
        let (last, left_open) = kind.last_step();
        assert_eq!(
            (steps.as_slice(), &tested["ok"]),
            (["address policy", "dns", "connection", last].as_slice(), &json!(true))
        );
        assert_eq!(tested["steps"][3]["note"], json!(left_open), "{tested:#}");
        assert_eq!(receiver.state().ledger.len(), 0, "a test leaves no event");

        let made = Integration::create(&project, &settings);
        made.run_now();
        let runs = made.completed();
        let letters = made.letters();
        let dead: BTreeSet<String> = letters.iter().map(|letter| text(&letter["row"]).to_owned()).collect();
        assert_eq!(dead, poison, "{kind:?}");
        assert!(letters.iter().all(|letter| text(&letter["reason"]).contains("poison")), "{letters:#?}");
        let of_events = |table: &Value| text(&letters[0]["table"]) == text(table);
        assert!(letters.iter().any(|letter| of_events(&letter["table"])));
        // A row of type GENERATION is refused as an event and as a generation.
        assert_eq!(sum(&runs, |result| &result["rejectedRows"]), letters.len() as u64);
        for run in &runs {
            for delivery in run["result"]["deliveries"].as_array().unwrap() {
                let count = |name: &str| delivery[name].as_u64().unwrap();
                assert_eq!(count("read"), count("accepted") + count("rejected"), "{delivery:#}");
            }
        }
        let arrived = receiver.state().ledger.len() as u64;
        assert_eq!(sum(&runs, |result| &result["rows"]), arrived, "{kind:?}");

        // Another receiver minds one row only. Events keep the project's name though the change does not name it.
        let still: BTreeSet<String> = poison.iter().take(1).cloned().collect();
        let second = kind.receiver(&still, None);
        made.change(&json!({"options": {"host": second.url()}}));
        let replayed = made.post("/dead-letters/replay", &json!({})).expect(202);
        assert!(!replayed.as_array().unwrap().is_empty());
        made.completed();
        let taken: BTreeSet<String> = poison.difference(&still).cloned().collect();
        assert_eq!(second.state().ledger.rows(kind.event("events")), taken, "{kind:?}");
        let left: BTreeSet<String> = made.letters().iter().map(|letter| text(&letter["row"]).to_owned()).collect();
        assert_eq!(left, still, "{kind:?}");

        // Together they have what one delivery sends, byte for byte as JSON.
        let refused = |event: &Value| still.contains(text(&event["properties"]["langfuse_id"]));
        let mut expected = events(&expected);
        expected.retain(|event| !refused(event));
        let mut both = [events(&receiver), events(&second)].concat();
        let order = |event: &Value| event.to_string();
        expected.sort_by_key(order);
        both.sort_by_key(order);
        assert_eq!(both.len(), expected.len(), "{kind:?}");
        assert!(both == expected, "{kind:?}: an event is not what a delivery sends");

        let shown = made.shown().to_string();
        assert!(!shown.contains("hunter2") && shown.contains(kind.secret()), "{shown}");
        made.post("/pause", &json!({})).expect(200);
    }
    assert!(!serve.log().contains("hunter2"), "a key is in the log");
}

fn a_key_that_is_refused_pauses_at_once_and_tells_it_once(mut world: World) {
    let hook = WebHook::start(&[204, 204, 204]);
    world.set("OUTGEST_WEBHOOK_URL", format!("{}/hook", hook.url()));
    world.set("OUTGEST_WEBHOOK_SECRET", "whsec-hunter2");
    let (serve, project) = serve(&mut world);
    for (told, kind) in (1..).zip(Kind::BOTH) {
        let receiver = kind.receiver(&BTreeSet::new(), None);
        let made = Integration::create(&project, &settings(kind, &receiver, &Kind::no_key()));
        made.run_now();
        let failed = made.wait_for("failed");
        let failure = &failed["pause"]["failure"];
        assert!(failure.to_string().contains("401"), "{failed:#}");
        assert!(failure["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{failed:#}");
        // Those that were under way end; none is tried again by itself.
        let refused = || {
            std::thread::sleep(Duration::from_secs(2));
            receiver.state().refusals.len()
        };
        let asked = refused();
        assert_eq!(refused(), asked, "a refused key is tried again");
        let received = hook.wait_for(told, Duration::from_secs(60));
        assert_eq!(received.len(), told, "a pause is told once");
        assert!(!received.iter().any(|request| String::from_utf8_lossy(&request.body).contains("hunter")));

        made.change(&json!({"secrets": {kind.secret(): kind.key()}}));
        made.post("/resume", &json!({})).expect(200);
        made.completed();
        let expected = delivered(&world, kind);
        for table in TABLES {
            let name = kind.event(table);
            assert_eq!(receiver.state().ledger.rows(name), expected.state().ledger.rows(name), "{kind:?}, {table}");
        }
        made.post("/pause", &json!({})).expect(200);
    }
    assert!(!serve.log().contains("hunter2"), "a key is in the log");
}

fn a_receiver_that_is_away_is_waited_for_and_no_other_waits(mut world: World) {
    let (_serve, project) = serve(&mut world);
    let (away, fine) = (Kind::PostHog, Kind::Mixpanel);
    let busy = [Trouble::Status(503, None), Trouble::Status(429, Some(1)), Trouble::Cut, Trouble::AnswerLost];
    let slow = away.receiver(&BTreeSet::new(), None).troubled(&busy.repeat(2)).slow(Duration::from_millis(300));
    let waiting = Integration::create(&project, &settings(away, &slow, away.key()));
    waiting.run_now();
    let quick = fine.receiver(&BTreeSet::new(), None);
    let going_on = Integration::create(&project, &settings(fine, &quick, fine.key()));
    going_on.run_now();
    going_on.completed();
    assert_ne!(waiting.shown()["status"], "upToDate", "the other one was to be slower");

    let runs = waiting.completed();
    let expected = delivered(&world, away);
    for table in TABLES {
        let name = away.event(table);
        assert_eq!(slow.state().ledger.rows(name), expected.state().ledger.rows(name), "{table}");
    }
    assert_eq!(slow.state().ledger.changed, Vec::<String>::new(), "a row has one id and one shape");
    // Some in the worker's place, and others by the queue, which takes the window up again.
    let retried: u64 = runs
        .iter()
        .flat_map(|run| run["result"]["deliveries"].as_array().unwrap())
        .map(|delivery| delivery["retried"].as_u64().unwrap())
        .sum();
    let attempts: u64 = runs.iter().map(|run| run["attempts"].as_u64().unwrap() - 1).sum();
    assert!(retried + attempts > 0, "{runs:#?}");
}

fn a_backfill_says_that_its_events_happened_long_ago(mut world: World) {
    let (_serve, project) = serve(&mut world);
    let historical = Arc::new(AtomicUsize::new(0));
    let receiver = Receiver::start(FakePostHog { historical: Arc::clone(&historical), ..FakePostHog::new() });
    let mut settings = settings(Kind::PostHog, &receiver, FakePostHog::KEY);
    settings["start"] = json!({"from": "now"});
    settings["schedule"] = json!({"every": "day"});
    let made = Integration::create(&project, &settings);
    let hours = |hours: i64| {
        let at = chrono::Utc::now() + chrono::TimeDelta::hours(hours);
        at.format("%Y-%m-%dT%H:00:00Z").to_string()
    };
    made.post("/backfills", &json!({"from": hours(-96), "to": hours(0)})).expect(201);
    made.completed();
    let arrived = receiver.state().ledger.len();
    assert!(arrived > 1_000, "{arrived} events");
    assert_eq!(historical.load(Ordering::SeqCst), receiver.state().ledger.arrivals());
}

fn filters_and_masks_hold_for_events(mut world: World) {
    let (_serve, project) = serve(&mut world);
    let receiver = Kind::PostHog.receiver(&BTreeSet::new(), None);
    let mut settings = settings(Kind::PostHog, &receiver, FakePostHog::KEY);
    let table = json!({"table": "events", "where": ["type = \"SPAN\""], "masks": ["langfuse_user_id:hash"]});
    settings["tables"] = json!([table]);
    settings["options"]["dialect"] = json!("event");
    settings["options"]["base_url"] = json!("https://tracing.example.com/");
    let made = Integration::create(&project, &settings);
    made.run_now();
    made.completed();
    let sent = events(&receiver);
    let spans = world.bench.rows(&["--project", "p", "--where", "type = \"SPAN\"", "--columns", "id"]);
    assert_eq!(sent.len(), spans.len());
    let users: Vec<&str> = sent.iter().filter_map(|event| event["properties"]["langfuse_user_id"].as_str()).collect();
    assert!(!users.is_empty());
    let is_hash = |user: &&str| user.len() == 16 && user.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(users.iter().all(is_hash), "{users:?}");
    assert!(sent.iter().all(|event| event["event"] == "langfuse event"));
    let link = |event: &Value| {
        text(&event["properties"]["langfuse_url"]).starts_with("https://tracing.example.com/project/p/")
    };
    assert!(sent.iter().all(link), "{:#}", sent[0]);
}

fn rows_that_are_seen_too_late_are_sent_as_a_revision_and_no_others(mut world: World) {
    let secret = rows(&mut world);
    let serve = world.serve();
    let project = serve.project("p", &secret);
    let sending: Vec<(Kind, Receiver, Integration)> = Kind::BOTH
        .into_iter()
        .map(|kind| {
            let receiver = kind.receiver(&BTreeSet::new(), None);
            let made = Integration::create(&project, &settings(kind, &receiver, kind.key()));
            made.run_now();
            let runs = made.completed();
            assert!(runs.iter().all(|run| run["foundLater"].is_null()), "{runs:#?}");
            (kind, receiver, made)
        })
        .collect();
    assert_eq!(serve.end(), 0);
    import_late(&world);

    // A day has passed, as far as this server is concerned.
    world.set("OUTGEST_INTEGRATIONS_COMPARE_AFTER", "1s");
    let serve = world.serve();
    let project = serve.project("p", &secret);
    for (kind, receiver, made) in sending {
        let made = made.at(&project);
        let deadline = Instant::now() + PATIENCE;
        while !made.runs().iter().any(|run| run["revision"] == 2 && run["state"] == "completed") {
            assert!(Instant::now() < deadline, "{kind:?}: {:#?}", made.runs());
            std::thread::sleep(Duration::from_millis(50));
        }
        let runs = made.completed();
        let [revision, first] = &runs[..] else { panic!("{kind:?}: {runs:#?}") };
        // An event, which is a generation, its trace, and a score.
        assert_eq!((&revision["cause"], &revision["result"]["rows"]), (&json!("reconcile"), &json!(4)), "{kind:?}");
        let found = &first["foundLater"];
        assert_eq!((&found["missingRows"], &found["supersededRows"]), (&json!(4), &json!(0)), "{kind:?}");
        assert_eq!(found["revision"], revision["id"], "{kind:?}");

        let expected = delivered(&world, kind);
        let (state, expected) = (receiver.state(), expected.state());
        for table in TABLES {
            let name = kind.event(table);
            assert_eq!(state.ledger.rows(name), expected.ledger.rows(name), "{kind:?}, {table}");
        }
        assert!(state.ledger.rows(kind.event("events")).contains("late"), "{kind:?}");
        assert_eq!(state.ledger.arrivals(), state.ledger.len(), "{kind:?}: an event was sent again");
    }
}

/// Stores rows that say they were stored a day ago: windows of then have been delivered.
fn import_late(world: &World) {
    let stored = (chrono::Utc::now() - chrono::TimeDelta::days(1)).format("%Y-%m-%d %H:%M:%S%.6f").to_string();
    let times = json!({"updated_at": stored, "created_at": stored, "event_ts": stored});
    let rows = [
        (
            "events",
            json!({"trace_id": "late", "span_id": "late", "name": "chat", "type": "GENERATION",
            "start_time": stored}),
        ),
        (
            "scores",
            json!({"id": "late", "trace_id": "late", "name": "quality", "value": 0.5, "data_type": "NUMERIC",
            "timestamp": stored}),
        ),
    ];
    for (table, mut row) in rows {
        row.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
        let file = world.bench.write(&format!("late-{table}.jsonl"), row.to_string());
        world.ok(&["import", "--project", "p", "--table", table, &file]);
    }
}
