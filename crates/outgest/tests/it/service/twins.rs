//! `outgest exports`: the API from a terminal.

use serde_json::{Value, json};

use super::World;
use super::project::{id_of, text};
use super::world::Serve;
use crate::support::Ended;

super::on_both_databases!(the_command_line_creates_lists_watches_cancels_and_downloads);

fn the_command_line_creates_lists_watches_cancels_and_downloads(world: World) {
    world.project("p", 300);
    let (_, secret) = world.key("p", "member");
    let serve = world.serve();
    let run = |arguments: &[&str]| exports(&world, &serve, &secret, arguments);
    let ok = |arguments: &[&str]| {
        let ended = run(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.stderr);
        ended.stdout
    };
    let created = ok(&["create", "--table", "events", "--format", "jsonl", "--limit", "100", "--name", "by hand"]);
    let id = created.trim();
    let watched: Value = serde_json::from_str(&ok(&["watch", id, "--json", "--progress", "none"])).unwrap();
    assert_eq!((&watched["state"], &watched["progress"]["rows"]), (&json!("completed"), &json!(100)));
    let listed: Value = serde_json::from_str(ok(&["list", "--json"]).lines().next().unwrap()).unwrap();
    assert_eq!((id_of(&listed), text(&listed["name"])), (id, "by hand"));
    let printed = ok(&["download", id, "-o", "out.jsonl"]);
    assert!(printed.trim().ends_with("out.jsonl"), "{printed}");
    let alone = world.bench.file("alone.jsonl");
    world.ok(&["export", "--project", "p", "--format", "jsonl", "--limit", "100", "-o", alone.to_str().unwrap()]);
    assert!(world.bench.read("out.jsonl") == world.bench.read("alone.jsonl"), "the server's bytes are the command's");
    // A file that exists is not replaced unasked.
    assert_ne!(run(&["download", id, "-o", "out.jsonl"]).code, 0);
    let ended = run(&["cancel", id]);
    assert_eq!((ended.code, ended.stderr.trim()), (2, format!("error: {id} is completed already").as_str()));
    assert_eq!(run(&["create", "--table", "nothing"]).code, 2);
    assert_eq!(serve.end(), 0);

    let serve = world.serve_with(&["--roles", "api"]);
    let created = exports(&world, &serve, &secret, &["create", "--table", "events"]).stdout;
    let cancelled = exports(&world, &serve, &secret, &["cancel", created.trim()]);
    assert_eq!(cancelled.stdout.trim(), format!("{}  cancelled", created.trim()), "{}", cancelled.stderr);
    let watched = exports(&world, &serve, &secret, &["watch", created.trim(), "--progress", "none"]);
    assert_ne!(watched.code, 0, "a script must not take it for done: {}", watched.stdout);
}

/// Runs `outgest exports` against the server.
fn exports(world: &World, serve: &Serve, secret: &str, arguments: &[&str]) -> Ended {
    let mut command = world.command(&["exports"]);
    command.args(arguments).args(["--server", &serve.url(), "--project", "p"]).env("OUTGEST_CLIENT_KEY", secret);
    Ended::of(command.output().unwrap())
}
