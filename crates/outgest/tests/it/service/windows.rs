//! Files of windows: their values are Langfuse's, and they are the same files wherever rows are read and wherever files
//! go.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use chrono::{Days, NaiveDate, Utc};
use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};

use super::World;
use super::integration::Integration;
use super::project::{Project, text};
use super::world::Serve;
use crate::clickhouse::files::with_reference_rows;
use crate::parity::scheduled;
use crate::servers::azurite::Azurite;
use crate::servers::clickhouse::ClickHouse;
use crate::servers::s3::S3Server;
use crate::support::golden;

const TABLES: [&str; 3] = ["events", "traces", "scores"];
/// What the tables are called in keys.
const FOLDERS: [&str; 3] = ["observations_v2", "traces", "scores"];

fn tables() -> Vec<Value> {
    TABLES.iter().map(|table| json!({"table": table})).collect()
}

/// A server of a project; its integrations may write to this machine.
fn serve(world: &mut World, project: &str) -> (Serve, Project) {
    world.set("OUTGEST_EGRESS_ALLOW", "127.0.0.0/8");
    let secret = world.key(project, "owner").1;
    let serve = world.serve();
    let project = serve.project(project, &secret);
    (serve, project)
}

/// Windows of the reference rows, by start time as Langfuse's, hold what it writes.
fn compare_with_langfuse(mut world: World) {
    let s3 = S3Server::start();
    let (_serve, project) = serve(&mut world, "proj-e2e");
    for unicode in scheduled::UNICODE_RULES {
        s3.create_bucket(unicode);
        let (options, secrets) = s3.integration(unicode);
        let settings = json!({
            "name": unicode, "kind": "s3", "options": options, "secrets": secrets, "tables": tables(),
            "format": "jsonl", "unicode": unicode, "eventTs": false, "cursor": "start_time",
            // One window has them all: it is asked for, and would end on a leap day by itself.
            "schedule": {"every": "cron", "expression": "0 0 29 2 *"},
            "start": {"from": "date", "at": "2026-06-01T00:00:00Z"},
        });
        let made = Integration::create(&project, &settings);
        made.run_now();
        made.completed();
        let files = s3.contents(unicode);
        let of = |folder: &str| {
            let of_folder = files.iter().filter(|(key, _)| key.starts_with(&format!("proj-e2e/{folder}/")));
            of_folder.map(|(_, bytes)| String::from_utf8(bytes.clone()).unwrap()).collect::<String>()
        };
        scheduled::compare(unicode, &of("observations_v2"));
        for folder in ["traces", "scores"] {
            assert!(!of(folder).is_empty(), "{folder}");
        }
    }
}

#[test]
fn windows_from_the_embedded_store_have_langfuses_values() {
    let world = World::on_sqlite();
    world.ok(&["project", "add", "proj-e2e"]);
    world.ok(&["import", &golden("e2e/events.jsonl")]);
    world.ok(&["import", "--table", "scores", &golden("e2e/scores.jsonl")]);
    compare_with_langfuse(world);
}

#[test]
fn windows_from_clickhouse_have_langfuses_values() {
    let Some(server) = ClickHouse::shared() else {
        return eprintln!("left out: needs the stack of `cargo xtask test`");
    };
    let mut world = World::on_sqlite();
    world.ok(&["project", "add", "proj-e2e"]);
    world.set("OUTGEST_SOURCE_URL", server.url("reader:reader-secret", &with_reference_rows(server), ""));
    compare_with_langfuse(world);
}

/// Days on which the rows began that are compared between places. They ended two days ago: everything is stored by now.
const DAYS: u64 = 3;

/// An integration of days that are over; their windows are all that is due.
fn days(kind: &str, name: &str, format: &str, (options, secrets): (Value, Value), from: NaiveDate) -> Value {
    let compression = if format == "parquet" { "none" } else { "gzip" };
    let deletions = if format == "jsonl" { "include" } else { "count" };
    json!({
        "name": name, "kind": kind, "options": options, "secrets": secrets, "tables": tables(),
        "prefix": format!("{format}/"), "format": format, "compression": compression, "deletions": deletions,
        "schedule": {"every": "day"}, "start": {"from": "date", "at": from.to_string()},
    })
}

/// What the manifests of a bucket say of files, without what its store and its source alone know.
fn facts(files: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Value> {
    let manifests = files.iter().filter(|(key, _)| key.contains("/manifests/"));
    let facts = manifests.map(|(key, bytes)| {
        let mut manifest: Value = serde_json::from_slice(bytes).unwrap();
        for file in manifest["files"].as_array_mut().unwrap() {
            file.as_object_mut().unwrap().remove("tag");
        }
        for own in ["createdAt", "integrationId"] {
            assert!(manifest.as_object_mut().unwrap().remove(own).is_some(), "{own}");
        }
        (key.clone(), manifest)
    });
    facts.collect()
}

/// The text of a file with gzip.
fn unpacked(bytes: &[u8]) -> String {
    let mut text = String::new();
    MultiGzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn windows_are_the_same_files_from_clickhouse_and_from_the_embedded_store_on_s3_and_on_azure() {
    let (Some(server), Some(azurite)) = (ClickHouse::shared(), Azurite::start()) else {
        return eprintln!("left out: needs the stack of `cargo xtask test`");
    };
    let s3 = S3Server::start();
    let [mut stored, mut remote] = [World::on_sqlite(), World::on_sqlite()];
    let source = server.url("default", &server.deployment(), "");
    // Another day may begin meanwhile.
    let today = Utc::now().date_naive();
    let (end, from) = (today - Days::new(2), today - Days::new(2 + DAYS));
    let (days_of_rows, until) = (DAYS.to_string(), end.to_string());
    let rows = ["generate", "--project", "p", "--seed", "5", "--events", "900", "--days", &days_of_rows];
    let versions = ["--end", &until, "--updates", "0.1", "--deletions", "0.03", "--late", "0.05"];
    for (world, place) in [(&stored, &[][..]), (&remote, &["--source", &source][..])] {
        world.ok(&["project", "add", "p"]);
        world.ok(&[&rows[..], &versions, place].concat());
    }
    remote.set("OUTGEST_SOURCE_URL", &source);
    let (_stored, in_store) = serve(&mut stored, "p");
    let (_remote, in_clickhouse) = serve(&mut remote, "p");
    azurite.create_container("windows");
    for (bucket, project) in [("stored", &in_store), ("remote", &in_clickhouse)] {
        s3.create_bucket(bucket);
        for format in ["csv", "jsonl", "parquet"] {
            Integration::create(project, &days("s3", format, format, s3.integration(bucket), from)).completed();
        }
    }
    let on_azure = days("azure", "azure", "jsonl", azurite.integration("windows"), from);
    let on_azure = Integration::create(&in_store, &on_azure).completed();

    let ends: Vec<String> = (0..2 + DAYS).map(|ago| format!("/{}T00-00-00.", today - Days::new(ago))).collect();
    let [stored, remote] = ["stored", "remote"].map(|bucket| {
        let mut files = s3.contents(bucket);
        files.retain(|key, _| ends.iter().any(|end| key.contains(end)));
        files
    });
    let mut keys = BTreeSet::new();
    for (format, ext) in [("csv", "csv.gz"), ("jsonl", "jsonl.gz"), ("parquet", "parquet")] {
        for end in &ends {
            keys.extend(FOLDERS.map(|folder| format!("{format}/p/{folder}{end}{ext}")));
            keys.insert(format!("{format}/p/manifests{end}json"));
        }
    }
    assert!(stored.keys().eq(&keys), "{:?}", stored.keys());
    assert!(remote.keys().eq(&keys), "{:?}", remote.keys());
    for (key, bytes) in stored.iter().filter(|(key, _)| !key.contains("/manifests/")) {
        assert!(remote[key] == *bytes, "{key} is another file from ClickHouse");
    }
    let [told, told_by_clickhouse] = [&stored, &remote].map(facts);
    assert_eq!(told, told_by_clickhouse);
    for format in ["csv", "jsonl", "parquet"] {
        let of_format = told.iter().filter(|(key, _)| key.starts_with(format));
        let deleted: u64 = of_format.map(|(_, manifest)| manifest["deletedRows"].as_u64().unwrap()).sum();
        assert!(deleted >= 10, "{format}: {deleted} deletions");
    }
    let of_events = stored.iter().filter(|(key, _)| key.starts_with("jsonl/p/observations_v2/"));
    let lines: String = of_events.map(|(_, bytes)| unpacked(bytes)).collect();
    assert!(lines.matches(r#""is_deleted":true"#).count() >= 10, "deletions are rows");
    for folder in FOLDERS {
        let files = told.values().flat_map(|manifest| manifest["files"].as_array().unwrap());
        let of_folder = files.filter(|file| file["table"] == folder);
        let with_rows = of_folder.filter(|file| file["rowCount"].as_u64() > Some(0)).count();
        assert!(with_rows >= 3 * DAYS as usize, "{folder}: {with_rows} files have rows");
    }

    let on_azure = on_azure.iter().flat_map(|run| run["result"]["files"].as_array().unwrap());
    let on_azure: Vec<&str> = on_azure.map(|file| text(&file["key"])).filter(|key| keys.contains(*key)).collect();
    assert_eq!(on_azure.len(), FOLDERS.len() * ends.len());
    for key in on_azure {
        assert!(azurite.blob("windows", key) == stored[key], "{key} is another file on Azure");
    }
}
