//! `outgest config` and the settings behind every command, as people meet them.

use serde_json::Value;

use crate::support::Bench;

#[test]
fn settings_come_from_the_file_the_environment_and_the_options_in_that_order() {
    let bench = Bench::new();
    bench.write("outgest.toml", "[worker]\nthreads = 2\njobs = 2\n[log]\nlevel = \"info\"\n");
    let output = bench
        .command(["config", "show", "--json", "--log", "debug"])
        .env("OUTGEST_WORKER_JOBS", "5")
        .env("OUTGEST_LOG_LEVEL", "error")
        .output()
        .unwrap();
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();

    assert_eq!(shown["worker.threads"]["value"], 2);
    assert_eq!(shown["worker.threads"]["origin"]["line"], 2);
    assert_eq!(shown["worker.jobs"]["value"], 5);
    assert_eq!(shown["worker.jobs"]["origin"]["name"], "OUTGEST_WORKER_JOBS");
    assert_eq!(shown["log.level"]["value"], "debug");
    assert_eq!(shown["log.level"]["origin"]["name"], "--log");
    assert_eq!(shown["data"]["origin"]["name"], "--data");
    assert_eq!(shown["export.expiry"]["value"], "24h");
}

#[test]
fn the_data_directory_of_the_file_is_the_one_that_is_used() {
    let bench = Bench::new();
    bench.write("outgest.toml", "data = \"elsewhere\"\n");
    let mut command = bench.bare_command(["generate", "--project", "p", "--events", "10"]);
    assert!(command.status().unwrap().success());
    assert_eq!(bench.listing(), ["elsewhere", "outgest.toml"]);
}

#[test]
fn every_command_refuses_settings_that_are_wrong() {
    let bench = Bench::new();
    bench.write("outgest.toml", "[worker]\ntreads = 2\n\n[export]\nexpiry = \"soon\"\n");
    for command in [&["config", "check"][..], &["config", "show"], &["data", "info"]] {
        let ended = bench.run(command);
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        assert!(
            ended.stderr.contains("error: outgest.toml:2: worker.treads: there is no such setting\n"),
            "{}",
            ended.stderr
        );
        assert!(ended.stderr.contains("hint: did you mean worker.threads?\n"), "{}", ended.stderr);
        assert!(ended.stderr.contains("error: outgest.toml:5: export.expiry = \"soon\": "), "{}", ended.stderr);
    }
    bench.refused(["--set", "worker.threads", "config", "check"], &["--set: \"worker.threads\" is no assignment"]);
    bench.refused(["--config", "none.toml", "config", "check"], &["none.toml: cannot read it"]);
}

#[test]
fn settings_that_are_right_are_said_to_be() {
    let bench = Bench::new();
    let none = bench.bare_command(["config", "check"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&none.stdout), "there is no configuration file; 0 settings are set\n");
    bench.write("og.toml", "data = \"d\"\n");
    let one = bench.bare_command(["config", "check", "--config", "og.toml"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&one.stdout), "og.toml is right; 1 setting is set in all\n");
}
