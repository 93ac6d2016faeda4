//! `outgest config check --connect` against servers that answer and servers that do not.

use std::process::Output;

use crate::servers::mail::MailServer;
use crate::servers::receiver::Receiver;
use crate::support::Bench;

fn check(bench: &Bench, variables: &[(&str, &str)]) -> (bool, String) {
    let mut command = bench.command(["config", "check", "--connect"]);
    let Output { status, stdout, .. } = command.envs(variables.iter().copied()).output().unwrap();
    (status.success(), String::from_utf8(stdout).unwrap())
}

#[test]
fn a_new_installation_says_what_will_be_made_and_makes_nothing() {
    let bench = Bench::new();
    let (all, told) = check(&bench, &[]);
    assert!(all, "{told}");
    for line in ["ok      metadata store: ", "ok      source: ", "ok      export destination: "] {
        assert!(told.contains(line), "{line} is not in {told}");
    }
    assert!(!bench.file("data").exists());
}

#[test]
fn what_does_not_answer_is_named_with_what_to_change() {
    let bench = Bench::new();
    let receiver = Receiver::start(&[401]);
    let (all, told) = check(
        &bench,
        &[
            ("OUTGEST_SMTP_URL", "smtp://u:hunter2@127.0.0.1:9"),
            ("OUTGEST_SMTP_FROM", "og@example.com"),
            ("OUTGEST_OTLP_ENDPOINT", &receiver.url()),
            ("OUTGEST_WEBHOOK_URL", "http://127.0.0.1:9/hook?token=hunter2"),
            ("OUTGEST_WEBHOOK_SECRET", "hunter2"),
            ("OUTGEST_EXPORT_DESTINATION", "/proc/no-such/folder"),
        ],
    );
    assert!(!all);
    for words in
        ["failed  mail server: ", "failed  trace collector: ", "failed  webhook: ", "failed  export destination: "]
    {
        assert!(told.contains(words), "{words} is not in {told}");
    }
    assert!(told.contains("egress.allow") && told.contains("otlp.headers"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn what_answers_is_named() {
    let Some(mail) = MailServer::start() else {
        eprintln!("skipped: there is no test stack");
        return;
    };
    let bench = Bench::with_generated(10);
    let receiver = Receiver::start(&[200]);
    let destination = bench.file("exports");
    let (all, told) = check(
        &bench,
        &[
            ("OUTGEST_SMTP_URL", &mail.url()),
            ("OUTGEST_SMTP_FROM", "Outgest <og@example.com>"),
            ("OUTGEST_OTLP_ENDPOINT", &receiver.url()),
            ("OUTGEST_WEBHOOK_URL", &receiver.url()),
            ("OUTGEST_WEBHOOK_SECRET", "s3cret"),
            ("OUTGEST_EGRESS_ALLOW", "127.0.0.0/8"),
            ("OUTGEST_EXPORT_DESTINATION", destination.to_str().unwrap()),
        ],
    );
    assert!(all, "{told}");
    assert_eq!(told.matches("ok      ").count(), 6, "{told}");
    assert!(std::fs::read_dir(destination).map_or(true, |mut left| left.next().is_none()), "the check left a file");
}
