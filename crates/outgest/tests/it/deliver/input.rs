//! What cannot be delivered as it was asked for is refused before anything is sent.

use std::collections::BTreeSet;

use super::{Kind, arguments, deliver};
use crate::support::{Bench, Ended};

fn refused(more: &[&str], words: &[&str]) {
    let bench = Bench::with_generated(50);
    let receiver = Kind::PostHog.receiver(&BTreeSet::new(), None);
    let ended = deliver(&bench, Kind::PostHog, &receiver, more);
    ended.assert_refused(words);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert_eq!(receiver.state().ledger.len(), 0);
    assert_eq!(bench.listing(), Vec::<String>::new(), "something was written");
}

#[test]
fn a_table_without_events_is_named_with_a_suggestion() {
    refused(&["--tables", "event,scores"], &["--tables", "\"event\"", "did you mean events?"]);
    refused(&["--tables", "events,events"], &["named twice"]);
}

#[test]
fn an_empty_window_and_an_address_without_host_are_refused() {
    refused(&["--since", "2026-08-02", "--until", "2026-08-01"], &["window is empty"]);
    refused(&["--base-url", "tracing.example.com"], &["--base-url", "https://"]);
}

#[test]
fn a_project_that_is_not_there_is_refused() {
    refused(&["--project", "nobody"], &["\"nobody\"", "data info"]);
}

#[test]
fn a_secret_on_the_command_line_is_refused_without_being_repeated() {
    let bench = Bench::new();
    let receiver = Kind::PostHog.receiver(&BTreeSet::new(), None);
    let ended = deliver(&bench, Kind::PostHog, &receiver, &["--option", "api_key=phc_leaked"]);
    ended.assert_refused(&["api_key is a secret", "--key-env"]);
    assert!(!ended.stderr.contains("phc_leaked"));
}

#[test]
fn a_variable_that_is_not_set_is_named() {
    let bench = Bench::new();
    let receiver = Kind::Mixpanel.receiver(&BTreeSet::new(), None);
    let ended = Ended::of(bench.command(arguments(Kind::Mixpanel, &receiver, &[])).output().unwrap());
    ended.assert_refused(&["--key-env", "KEY is not set"]);
}

#[test]
fn a_private_network_is_refused_unless_it_is_allowed() {
    let bench = Bench::with_generated(50);
    let receiver = Kind::PostHog.receiver(&BTreeSet::new(), None);
    let url = receiver.url();
    let arguments = ["deliver", "posthog", "--project", "p", "--host", &url, "--key-env", "KEY"];
    let ended = Ended::of(bench.command(arguments).env("KEY", "phc_x").output().unwrap());
    ended.assert_refused(&["network that may not be reached", "egress.allow"]);
    assert!(receiver.state().batches.is_empty());
}

#[test]
fn a_receiver_that_is_not_known_is_named_with_a_suggestion() {
    Bench::new().refused(["deliver", "posthoq", "--project", "p"], &["posthoq", "did you mean posthog?"]);
}
