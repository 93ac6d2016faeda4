//! An export with rolled files is work for several workers: one job per file, whose ranges make up the whole.

use serde_json::json;

use super::World;
use super::project::{id_of, text};
use crate::servers::postgres::Postgres;

#[test]
fn every_file_of_a_rolled_export_is_a_job_of_its_own_below_the_exports() {
    let Some(database) = Postgres::shared() else {
        return eprintln!("without Postgres: cargo xtask test runs this test with it");
    };
    let url = database.new_database();
    let mut world = World::on_database(&url);
    world.set("OUTGEST_WORKER_JOBS", "1");
    world.project("p", 16_000);
    let (_, secret) = world.key("p", "member");
    let api = world.serve_with(&["--roles", "api,schedule"]);
    let _workers = [world.serve_with(&["--roles", "work"]), world.serve_with(&["--roles", "work"])];
    let project = api.project("p", &secret);

    let export = project.completed(&json!({"table": "events", "format": "jsonl", "rollBytes": 2_000_000}));

    let files = export["files"].as_array().unwrap();
    assert!(files.len() > 1, "{export:#}");
    let id = id_of(&export);
    let parts = format!("SELECT part, kind, state, attempts FROM job WHERE parent_id = '{id}' ORDER BY part");
    let jobs = database.sql(url.rsplit('/').next().unwrap(), &parts).unwrap();
    let expected: String = (1..=files.len()).map(|part| format!("{part}|file|completed|1\n")).collect();
    assert_eq!(jobs, expected);
    for (number, file) in (1..).zip(files) {
        assert!(text(&file["name"]).contains(&format!("-part-{number:05}")), "{file}");
    }
    let whole = project.completed(&json!({"table": "events", "format": "jsonl"}));
    let together: Vec<u8> = (0..files.len()).flat_map(|file| project.download(id, file)).collect();
    assert!(together == project.download(id_of(&whole), 0), "the files make up the whole, in its order");
}
