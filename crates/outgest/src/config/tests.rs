//! What the loader promises: layers, origins, and a problem for everything that is wrong.

use std::path::PathBuf;

use model::FieldProblem;
use tempfile::TempDir;

use super::load::{Effective, Flag, Inputs, Loaded, Origin, load};
use super::settings::{LogForm, Role};
use super::show;

/// Inputs with a file of this text, kept as long as the folder.
fn inputs(toml: &str, variables: &[(&str, &str)], flags: &[(&str, &str, &str)]) -> (TempDir, Inputs) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("outgest.toml");
    std::fs::write(&file, toml).unwrap();
    let owned = |text: &&str| (*text).to_owned();
    let inputs = Inputs {
        file: Some(file),
        variables: variables.iter().map(|(name, value)| (owned(name), owned(value))).collect(),
        flags: flags
            .iter()
            .map(|(name, key, value)| Flag { name: owned(name), key: owned(key), value: owned(value) })
            .collect(),
    };
    (folder, inputs)
}

fn read(toml: &str, variables: &[(&str, &str)], flags: &[(&str, &str, &str)]) -> Result<Loaded, Vec<FieldProblem>> {
    let (_folder, inputs) = inputs(toml, variables, flags);
    load(&inputs)
}

/// What is said about the only thing that is wrong, without the temporary folder's name.
fn problem(toml: &str, variables: &[(&str, &str)], flags: &[(&str, &str, &str)]) -> String {
    let mut problems = read(toml, variables, flags).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    let problem = problems.remove(0);
    let told = format!("{problem} ({})", problem.hint.as_deref().unwrap_or("no hint"));
    match told.find("outgest.toml") {
        Some(at) => told[at..].to_owned(),
        None => told,
    }
}

fn value<'a>(loaded: &'a Loaded, path: &str) -> &'a Effective {
    loaded.values.iter().find(|value| value.key.path == path).unwrap()
}

#[test]
fn later_layers_win_and_every_value_knows_its_origin() {
    let loaded = read(
        "data = \"from-file\"\n[worker]\nthreads = 2\njobs = 3\n[log]\nformat = \"json\"\n",
        &[("OUTGEST_WORKER_THREADS", "4"), ("OUTGEST_SERVER_ROLES", "api,work"), ("PATH", "/bin")],
        &[("--data", "data", "from-flag"), ("--set", "quota.active_exports", "7")],
    )
    .unwrap();

    assert_eq!(loaded.settings.data, PathBuf::from("from-flag"));
    assert_eq!(loaded.settings.worker.threads(), 4);
    assert_eq!(loaded.settings.worker.jobs.get(), 3);
    assert_eq!(loaded.settings.log.format, LogForm::Json);
    assert_eq!(loaded.settings.server.roles.iter().copied().collect::<Vec<_>>(), [Role::Api, Role::Work]);
    assert_eq!(loaded.settings.quota.active_exports, 7);

    let origin = |path| value(&loaded, path).origin.clone();
    assert_eq!(origin("data"), Origin::Flag("--data".to_owned()));
    assert_eq!(origin("worker.threads"), Origin::Variable("OUTGEST_WORKER_THREADS".to_owned()));
    assert!(matches!(origin("worker.jobs"), Origin::File { line: 4, .. }));
    assert_eq!(origin("export.expiry"), Origin::Default);
}

#[test]
fn a_variable_of_another_program_counts_less_than_our_own() {
    let toml = "[source]\nuser = \"file\"\n";
    let user = |variables: &[(&str, &str)]| read(toml, variables, &[]).unwrap().settings.source.user.unwrap();
    assert_eq!(user(&[]), "file");
    assert_eq!(user(&[("CLICKHOUSE_USER", "langfuse")]), "langfuse");
    assert_eq!(user(&[("OUTGEST_SOURCE_USER", "ours"), ("CLICKHOUSE_USER", "langfuse")]), "ours");
}

#[test]
fn nothing_is_ignored_and_close_names_are_suggested() {
    assert_eq!(
        problem("\n[worker]\ntreads = 2\n", &[], &[]),
        "outgest.toml:3: worker.treads: there is no such setting (did you mean worker.threads?)"
    );
    assert_eq!(
        problem("[workers]\nthreads = 2\n", &[], &[]),
        "outgest.toml:1: workers: there is no such setting (did you mean worker?)"
    );
    assert_eq!(
        problem("listen = \"0.0.0.0:80\"\n", &[], &[]),
        "outgest.toml:1: listen: there is no such setting (did you mean server.listen?)"
    );
    assert_eq!(
        problem("", &[("OUTGEST_WORKER_THREAD", "2")], &[]),
        "OUTGEST_WORKER_THREAD: there is no such setting (did you mean OUTGEST_WORKER_THREADS?)"
    );
    assert_eq!(
        problem("", &[], &[("--set", "export.expires", "2h")]),
        "--set export.expires: there is no such setting (did you mean export.expiry?)"
    );
}

#[test]
fn wrong_values_name_key_value_file_and_line() {
    assert_eq!(
        problem("[worker]\nthreads = \"many\"\n", &[], &[]),
        "outgest.toml:2: worker.threads = \"many\": expected a whole number from 1 (no hint)"
    );
    assert_eq!(
        problem("[worker]\njobs = 0\n", &[], &[]),
        "outgest.toml:2: worker.jobs = 0: expected a whole number from 1 (no hint)"
    );
    assert_eq!(
        problem("[log]\nformat = \"jsn\"\n", &[], &[]),
        "outgest.toml:2: log.format = \"jsn\": expected text, json (did you mean json?)"
    );
    assert_eq!(
        problem("", &[("OUTGEST_SERVER_ROLES", "api,wrk")], &[]),
        "OUTGEST_SERVER_ROLES = [\"api\",\"wrk\"]: expected api, schedule, work (did you mean work?)"
    );
    assert_eq!(
        problem("", &[], &[("--listen", "server.listen", "localhost")]),
        "--listen = \"localhost\": expected an address and port (no hint)"
    );
    assert_eq!(
        problem("worker = 3\n", &[], &[]),
        "outgest.toml:1: worker: this is a section, not a setting \
         (write [worker] and the settings of the section below it)"
    );
    let told = problem("[export]\nexpiry = \"5 parsecs\"\n", &[], &[]);
    assert!(told.contains("outgest.toml:2: export.expiry") && told.contains("such as 250ms"), "{told}");
}

#[test]
fn all_problems_are_told_at_once() {
    let problems = read("treads = 1\n[worker]\njobs = -1\n", &[("OUTGEST_X", "1")], &[]).unwrap_err();
    assert_eq!(problems.len(), 3, "{problems:?}");
}

#[test]
fn settings_that_contradict_each_other_are_refused_with_their_origin() {
    let told = problem("[smtp]\nurl = \"smtps://u:hunter2@mail\"\n", &[], &[]);
    assert_eq!(told, "smtp.from: smtp.url is set, the sender is missing (mail needs both smtp.url and smtp.from)");
    let told = problem("database = \"mysql://u:hunter2@db/x\"\n", &[], &[]);
    assert!(told.starts_with("outgest.toml:1: database: this does not begin with postgres://"), "{told}");
    let told = problem("", &[("OUTGEST_SEAL_KEY", "hunter2")], &[]);
    assert!(told.starts_with("OUTGEST_SEAL_KEY: seal.key: this is not 32 bytes in base64"), "{told}");
}

#[test]
fn secrets_are_shown_nowhere() {
    let toml = "database = \"postgres://og:hunter2@db/og\"\n[webhook]\nurl = \"https://h/x?token=hunter2\"\n\
                secret = \"hunter2\"\n[export]\ndestination = \"s3://b/?secret_access_key=hunter2\"\n";
    let loaded = read(toml, &[], &[]).unwrap();
    for shown in [show::as_text(&loaded), show::as_json(&loaded).to_string(), format!("{:?}", loaded.settings)] {
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("og:***@db"), "{shown}");
    }
    assert_eq!(loaded.settings.webhook.secret.unwrap().0.reveal(), "hunter2");

    for bad in [
        "[webhook]\nsecret = [\"hunter2\"]\n",
        "database = \"postgres://u:hunter2@:/x\"\n",
        "[smtp]\nurl = [\"smtp://u:hunter2@m\"]\n",
    ] {
        let told = format!("{:?}", read(bad, &[], &[]).unwrap_err());
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_secret_may_stand_in_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, "hunter2\n").unwrap();
    let toml = format!("[webhook]\nurl = \"https://h/x\"\nsecret = \"@{}\"\n", path.display());
    assert_eq!(read(&toml, &[], &[]).unwrap().settings.webhook.secret.unwrap().0.reveal(), "hunter2");

    let told = problem("[webhook]\nurl = \"https://h/x\"\nsecret = \"@/no/such/file\"\n", &[], &[]);
    assert!(told.contains("webhook.secret: cannot read \"/no/such/file\""), "{told}");
}

#[test]
fn empty_variables_and_those_of_kubernetes_are_no_settings() {
    let variables = [("OUTGEST_DATA", ""), ("OUTGEST_PORT", "tcp://10.0.0.1:80"), ("OUTGEST_SERVICE_HOST", "10.0.0.1")];
    let loaded = read("data = \"here\"\n", &variables, &[]).unwrap();
    assert_eq!(loaded.settings.data, PathBuf::from("here"));
}

#[test]
fn a_file_that_was_named_must_exist() {
    let missing = Inputs { file: Some("/no/such/outgest.toml".into()), ..Inputs::default() };
    let problems = load(&missing).unwrap_err();
    assert!(problems[0].to_string().starts_with("/no/such/outgest.toml: cannot read it"), "{problems:?}");
}

#[test]
fn what_is_shown_can_be_written_back() {
    let loaded = read("[quota]\nbytes_per_day = \"100GiB\"\n", &[], &[]).unwrap();
    let text = show::as_text(&loaded);
    let line = text.lines().find(|line| line.starts_with("quota.bytes_per_day")).unwrap();
    assert!(line.starts_with("quota.bytes_per_day = \"100GiB\""), "{line}");
    assert!(line.ends_with("outgest.toml:2"), "{line}");
    let settable: String = text.lines().filter(|line| !line.contains(" = (")).map(|line| format!("{line}\n")).collect();
    assert_eq!(read(&settable, &[], &[]).unwrap().settings, loaded.settings);
}
