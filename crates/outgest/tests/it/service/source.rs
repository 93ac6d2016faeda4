//! A server whose rows lie elsewhere: what it says of itself while that place is away.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::World;
use super::http::{Shows, try_send};
use super::project::id_of;
use super::world::{PATIENCE, Serve};
use crate::servers::clickhouse::ClickHouse;

#[test]
fn a_server_stays_ready_while_its_source_is_away_says_so_and_takes_exports() {
    let (folder, address) = (tempfile::tempdir().unwrap(), ClickHouse::free_address());
    let Some(source) = ClickHouse::at(folder.path(), address) else {
        return eprintln!("left out: needs the stack of `cargo xtask test`");
    };
    source.deploy("langfuse");
    let mut world = World::on_sqlite();
    let url = source.url("default", "langfuse", "");
    world.ok(&["project", "add", "p"]);
    world.ok(&["generate", "--project", "p", "--events", "50", "--source", &url]);
    world.set("OUTGEST_SOURCE_URL", url);
    let (_, secret) = world.key("p", "member");
    let serve = world.serve();
    until_source_is(&serve, "ok");

    let storage = serve.project("p", &secret).get("storage").expect(200);
    let events = &storage["tables"][0];
    assert_eq!((&events["table"], events["bytes"].is_null()), (&"events".into(), true), "{storage:#}");
    assert!(events["rows"].as_u64() >= Some(50), "{storage:#}");
    assert!(storage["note"].as_str().is_some_and(|note| note.contains("stored versions")), "{storage:#}");

    drop(source);
    // Nothing would be gained by sending requests elsewhere: what needs no rows goes on here.
    let told = until_source_is(&serve, "away");
    assert_eq!(told["status"], "degraded", "{told}");
    assert!(told["detail"].as_str().is_some_and(|why| why.contains("clickhouse")), "{told}");
    let project = serve.project("p", &secret);
    let waiting = project.create(&json!({"table": "events", "format": "jsonl"}));
    assert_eq!(project.get("exports").expect(200)["items"][0]["id"], waiting["id"]);
    let kept = project.create(&json!({"table": "scores"}));
    assert_eq!(project.cancel(id_of(&kept)).expect(200)["state"], "cancelled");
    let _source = ClickHouse::at(folder.path(), address);
    until_source_is(&serve, "ok");
    assert_eq!(project.wait_for(id_of(&waiting), "completed")["progress"]["rows"], 50);
}

/// A caller leaves after this, and the read must have ended this much later: far before the five seconds that a
/// read may take when somebody waits for it.
const PATIENT_FOR: Duration = Duration::from_millis(700);
const ENDED_WITHIN: Duration = Duration::from_secs(2);

#[test]
fn a_caller_who_leaves_ends_the_read_at_the_source() {
    let source = Silent::listen();
    let mut world = World::on_sqlite();
    world.project("p", 0);
    let (_, secret) = world.key("p", "member");
    world.set("OUTGEST_SOURCE_URL", format!("clickhouse://default@{}/default", source.address));
    let serve = world.serve_with(&["--roles", "api"]);
    let project = serve.project("p", &secret);
    for (path, body) in [
        ("tables/events/rows/search", json!({})),
        ("tables/events/facets", json!({"column": "name"})),
        ("tables/events/histogram", json!({})),
        ("exports/preview", json!({"table": "events"})),
        ("exports/estimate", json!({"table": "events"})),
    ] {
        let call = project.caller.request("POST", &project.path(path)).json(&body).timeout(PATIENT_FOR);
        assert!(try_send(call).unwrap_err().is_timeout(), "{path}");
        let asked = source.asked.recv_timeout(PATIENCE).expect("the source is asked");
        let ended = asked.recv_timeout(ENDED_WITHIN);
        assert!(ended.is_ok(), "{path}: the read goes on although its caller left: {}", serve.log());
    }
}

/// A source that takes questions and answers none. For each question it hands out who tells when it was taken back.
struct Silent {
    address: SocketAddr,
    asked: Receiver<Receiver<()>>,
}

impl Silent {
    fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, asked) = mpsc::channel();
        std::thread::spawn(move || {
            for mut connection in listener.incoming().map_while(Result::ok) {
                let (ended, when_ended) = mpsc::channel();
                if tell.send(when_ended).is_err() {
                    return;
                }
                // Whoever asked closes the connection when the answer is not wanted any more.
                std::thread::spawn(move || {
                    let mut taken = [0; 4_096];
                    while connection.read(&mut taken).is_ok_and(|bytes| bytes > 0) {}
                    // A test that is over listens no more.
                    ended.send(()).ok();
                });
            }
        });
        Self { address, asked }
    }
}

/// Asks until the source is seen so, and returns what is told then. Every answer is one that says "send requests".
fn until_source_is(serve: &Serve, state: &str) -> Value {
    let begun = Instant::now();
    loop {
        let asked = Instant::now();
        let told = serve.caller(Shows::Nothing).get("/ready").expect(200);
        assert!(asked.elapsed() < Duration::from_secs(2), "a probe took {:?}", asked.elapsed());
        if told["source"] == state {
            return told;
        }
        assert!(begun.elapsed() < PATIENCE, "{told}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
