//! A server whose rows lie elsewhere: what it says of itself while that place is away.

use std::time::Instant;

use super::World;
use super::http::Shows;
use super::world::{PATIENCE, Serve};
use crate::servers::clickhouse::ClickHouse;

#[test]
fn a_server_is_ready_while_its_source_is_and_tells_what_that_knows_of_its_rows() {
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
    let (_, secret) = world.key("p", "viewer");
    let serve = world.serve();
    until_ready_is(&serve, 200);

    let storage = serve.project("p", &secret).get("storage").expect(200);
    let events = &storage["tables"][0];
    assert_eq!((&events["table"], events["bytes"].is_null()), (&"events".into(), true), "{storage:#}");
    assert!(events["rows"].as_u64() >= Some(50), "{storage:#}");
    assert!(storage["note"].as_str().is_some_and(|note| note.contains("stored versions")), "{storage:#}");

    drop(source);
    until_ready_is(&serve, 503);
    // The process itself is well, and a supervisor that asks for that leaves it alone.
    serve.caller(Shows::Nothing).get("/health").expect(200);
    let _source = ClickHouse::at(folder.path(), address);
    until_ready_is(&serve, 200);
}

fn until_ready_is(serve: &Serve, status: u16) {
    let begun = Instant::now();
    loop {
        let answer = serve.caller(Shows::Nothing).get("/ready");
        if answer.status == status {
            return;
        }
        assert!([200, 503].contains(&answer.status), "{}", answer.text());
        assert!(begun.elapsed() < PATIENCE, "{}: {}", answer.status, answer.text());
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}
