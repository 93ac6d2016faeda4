//! Nobody acts unseen: every call of the document that changes something, and every download, is in the audit log.
//!
//! Which calls there are is read from the document, so a call that is added fails here until somebody says how it
//! is made, or that it only looks.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::World;
use super::http::{Answer, Caller, Shows, send};
use super::project::{id_of, text};
use super::world::PASSWORD;
use crate::servers::s3::S3Server;

super::on_both_databases!(every_call_that_changes_something_and_every_download_is_in_the_audit_log);

/// Calls with a body that only look.
const ONLY_LOOK: [&str; 8] = [
    "estimate_export",
    "preview_export",
    "preview_new_integration",
    "estimate_backfill",
    "search_rows",
    "count_values",
    "count_over_time",
    // Whoever made the link is in the log; the link itself is the right, and tells nothing of who follows it.
    "follow_link",
];

/// Calls that change something, of which this test has nothing to change: events that a receiver refused.
const NOTHING_TO_CHANGE: [&str; 1] = ["replay_dead_letters"];

/// Calls without a body that give data away.
const DOWNLOADS: [&str; 1] = ["download_file"];

fn every_call_that_changes_something_and_every_download_is_in_the_audit_log(mut world: World) {
    let s3 = S3Server::start();
    s3.create_bucket("lake");
    world.set("OUTGEST_EGRESS_ALLOW", "127.0.0.0/8");
    world.project("p", 50);
    world.user("admin@example.com", &["--admin"]);
    world.user("ann@example.com", &[]);
    let (_, secret) = world.key("p", "owner");
    let serve = world.serve();
    let p = serve.project("p", &secret);
    let admin = serve.sign_in("admin@example.com");
    let mut log = Log { admin: admin.clone(), seen: BTreeSet::new() };

    // Exports and their files.
    let export = log.sees("create_export", "export.create", || p.post("exports", &json!({"table": "events"})));
    let export = id_of(&export).to_owned();
    p.wait_for(&export, "completed");
    log.sees("download_export", "export.download", || p.post(&format!("exports/{export}/download"), &json!({})));
    log.sees_bytes("download_file", "export.download", || p.get(&format!("exports/{export}/files/0")));
    // Nothing is begun while the project may run nothing, so there is something to cancel.
    let held = json!({"quotas": {"exportsActiveMax": 0}});
    p.caller.call("PATCH", "/api/v1/projects/p", Some(&held)).expect(200);
    let waiting = id_of(&p.create(&json!({"table": "scores"}))).to_owned();
    log.sees("cancel_export", "export.cancel", || p.post(&format!("exports/{waiting}/cancel"), &json!({})));
    log.sees("retry_export", "export.retry", || p.post(&format!("exports/{waiting}/retry"), &json!({})));
    log.sees("delete_export", "export.delete", || p.caller.call("DELETE", &p.path(&format!("exports/{export}")), None));
    let row = json!({"id": "new", "traceId": "t", "startTime": "2026-01-01T00:00:00Z"}).to_string();
    log.sees("import_rows", "import", || send(p.caller.request("POST", &p.path("import")).body(row.clone())));
    let comment = json!({"objectType": "OBSERVATION", "objectId": "new", "content": "look at this"});
    log.sees("create_comment", "comment.create", || p.post("comments", &comment));

    // Integrations.
    let settings = json!({
        "name": "lake", "kind": "s3", "paused": true,
        "options": {"bucket": "lake", "endpoint": s3.url(), "access_key_id": s3.environment()[0].1, "region": "us-east-1"},
        "secrets": {"secret_access_key": s3.environment()[1].1},
        "schedule": {"every": "day"}, "start": {"from": "date", "at": "2026-01-01T00:00:00Z"},
    });
    log.sees("test_new_integration", "integration.test", || p.post("integrations/test", &settings));
    let lake = log.sees("create_integration", "integration.create", || p.post("integrations", &settings));
    let at = |rest: &str| format!("integrations/{}{rest}", id_of(&lake));
    let change = json!({"version": 1, "name": "the lake"});
    let changed = || p.caller.call("PATCH", &p.path(&at("")), Some(&change));
    log.sees("change_integration", "integration.change", changed);
    let as_it_is = json!({"version": 2});
    log.sees("test_integration", "integration.test", || p.post(&at("/test"), &as_it_is));
    log.sees("resume_integration", "integration.resume", || p.post(&at("/resume"), &json!({})));
    log.sees("run_integration", "integration.run", || p.post(&at("/run"), &json!({})));
    log.sees("pause_integration", "integration.pause", || p.post(&at("/pause"), &json!({})));
    let past = json!({"from": "2026-01-01", "to": "2026-01-03"});
    let backfill = log.sees("create_backfill", "integration.backfill", || p.post(&at("/backfills"), &past));
    let cancel = at(&format!("/backfills/{}/cancel", id_of(&backfill)));
    log.sees("cancel_backfill", "integration.backfill.cancel", || p.post(&cancel, &json!({})));
    // Nothing was refused, so there is nothing to send again; and what is refused is not noted.
    assert_eq!(p.post(&at("/dead-letters/replay"), &json!({})).problem(409), "conflict");
    log.sees("delete_integration", "integration.delete", || p.caller.call("DELETE", &p.path(&at("")), None));

    // People, keys and the project.
    let member = json!({"email": "ann@example.com", "role": "viewer"});
    log.sees("set_member", "member.set", || p.caller.call("PUT", &p.path("members"), Some(&member)));
    let members = p.get("members").expect(200);
    let ann = members.as_array().unwrap().iter().find(|member| member["user"]["email"] == "ann@example.com").unwrap();
    let gone = p.path(&format!("members/{}", id_of(&ann["user"])));
    log.sees("remove_member", "member.remove", || p.caller.call("DELETE", &gone, None));
    let invitation =
        log.sees("create_invitation", "member.invite", || p.post("invitations", &json!({"role": "member"})));
    let key = log.sees("create_key", "key.create", || p.post("keys", &json!({"role": "viewer"})));
    let gone = p.path(&format!("keys/{}", id_of(&key["key"])));
    log.sees("delete_key", "key.delete", || p.caller.call("DELETE", &gone, None));
    let renamed = json!({"name": "Another"});
    let change = || p.caller.call("PATCH", "/api/v1/projects/p", Some(&renamed));
    log.sees("change_project", "project.change", change);

    // What belongs to no project is in the server's own log.
    let nobody = serve.caller(Shows::Nothing);
    let token = text(&invitation["url"]).split_once('#').unwrap().1;
    let bob = json!({"token": token, "email": "bob@example.com", "name": "Bob", "password": PASSWORD});
    log.sees("accept_invitation", "user.create", || nobody.post("/api/v1/invitations/accept", &bob));
    let who = json!({"email": "bob@example.com", "password": PASSWORD});
    log.sees("sign_in", "session.begin", || nobody.post("/api/v1/session", &who));
    let bob = serve.sign_in("bob@example.com");
    let password = json!({"current": PASSWORD, "new": "another long password"});
    log.sees("change_password", "user.password", || bob.post("/api/v1/session/password", &password));
    let bob = nobody.post("/api/v1/session", &json!({"email": "bob@example.com", "password": "another long password"}));
    let bob = bob.into_session(&serve.url());
    log.sees("sign_out", "session.end", || bob.call("DELETE", "/api/v1/session", None));
    log.sees("create_project", "project.create", || admin.post("/api/v1/projects", &json!({"id": "q", "name": "Q"})));
    log.sees("delete_project", "project.delete", || admin.call("DELETE", "/api/v1/projects/p", None));
    // The log outlives its project, for administrators.
    let kept = admin.get("/api/v1/audit?project=p&limit=200").expect(200);
    assert!(kept["items"].as_array().unwrap().iter().any(|entry| entry["action"] == "export.create"), "{kept:#}");
    assert!(!kept.to_string().contains(&s3.environment()[1].1), "a secret is in the log");

    log.saw_everything(&nobody.get("/api/v1/openapi.json").expect(200));
}

#[test]
fn who_calls_is_taken_from_our_own_proxies_and_from_nobody_else() {
    let mut world = World::on_sqlite();
    world.user("admin@example.com", &["--admin"]);
    let who = json!({"email": "admin@example.com", "password": PASSWORD});
    // The first address is what a caller made up, the second what the proxy appended.
    let signs_in_from = |world: &World| {
        let serve = world.serve_with(&["--roles", "api"]);
        let call = serve.caller(Shows::Nothing).request("POST", "/api/v1/session").json(&who);
        let admin = send(call.header("x-forwarded-for", "198.51.100.1, 203.0.113.9")).into_session(&serve.url());
        let log = admin.get("/api/v1/audit?limit=1").expect(200);
        text(&log["items"][0]["client"]).to_owned()
    };
    assert_eq!(signs_in_from(&world), "127.0.0.1");
    world.set("OUTGEST_SERVER_TRUSTED_PROXIES", "127.0.0.0/8");
    assert_eq!(signs_in_from(&world), "203.0.113.9");
}

/// The audit logs as an administrator reads them, and the calls that were found in them.
struct Log {
    admin: Caller,
    seen: BTreeSet<&'static str>,
}

impl Log {
    /// Makes a call, which must succeed and be noted as `action`; returns its answer.
    #[track_caller]
    fn sees(&mut self, operation: &'static str, action: &str, call: impl FnOnce() -> Answer) -> Value {
        let answer = self.sees_bytes(operation, action, call);
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    #[track_caller]
    fn sees_bytes(&mut self, operation: &'static str, action: &str, call: impl FnOnce() -> Answer) -> Answer {
        let before = self.count(action);
        let answer = call();
        assert!((200..300).contains(&answer.status), "{operation}: {} {}", answer.status, answer.text());
        assert_eq!(self.count(action), before + 1, "{operation} is not in the log as {action}");
        self.seen.insert(operation);
        answer
    }

    fn count(&self, action: &str) -> usize {
        let of = |query: &str| {
            let page = self.admin.get(&format!("/api/v1/audit?limit=200{query}")).expect(200);
            page["items"].as_array().unwrap().iter().filter(|entry| entry["action"] == action).count()
        };
        of("") + of("&project=p") + of("&project=q")
    }

    /// Whether every call of the document that changes something was made.
    fn saw_everything(&self, document: &Value) {
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let id = text(&operation["operationId"]);
                let changes = !matches!(method.as_str(), "get" | "head") && !ONLY_LOOK.contains(&id);
                let changes = changes && !NOTHING_TO_CHANGE.contains(&id);
                if changes || DOWNLOADS.contains(&id) {
                    assert!(self.seen.contains(id), "{method} {path}: say how {id} is made, or that it only looks");
                }
            }
        }
    }
}
