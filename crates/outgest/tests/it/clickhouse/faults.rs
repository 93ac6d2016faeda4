//! A server in trouble, as it looks from the command line: one line that says what to do, or a run that
//! recovers with the bytes of an undisturbed one.

#[path = "../../../../sources/engine/proxy.rs"]
mod proxy;

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use self::proxy::{Proxy, Trouble};
use super::need_clickhouse;
use crate::servers::clickhouse::ClickHouse;
use crate::support::{Bench, Ended, soak};

/// Events of a run that is disturbed: 20 MB.
const EVENTS: &str = "4500";
/// Events whose rows do not fit into the buffers between server and client: 60 MB and several slices.
const MANY_EVENTS: &str = "14000";
/// What every query for rows of events holds, and no other: their payload.
const ROWS: &str = "x_input";
/// Slows a run to several seconds, so that trouble meets it in the middle: what is written, and what is read.
const RATE: &str = "10MB";
const SLOWLY: &str = "bytes_per_second_max=8MB&threads_max=1&queries_max=1";

/// A database with so many generated events, and a bench for exports of them.
fn deployment(server: &ClickHouse, events: &str) -> (Bench, String) {
    let database = server.deployment();
    let bench = Bench::new();
    let to = server.url("default", &database, "");
    bench.ok(["generate", "--project", "p", "--seed", "3", "--events", events, "--source", &to]);
    (bench, database)
}

/// Where rows are read through something in front of the server.
fn through(address: SocketAddr, database: &str, options: &str) -> String {
    format!("clickhouse://default@{address}/{database}?{options}")
}

fn export<'a>(source: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["export", "--project", "p", "--format", "jsonl", "--source", source], more].concat()
}

/// The bytes that an undisturbed export writes.
fn undisturbed(bench: &Bench, source: &str) -> Vec<u8> {
    bench.ok(export(source, &["-o", "undisturbed.jsonl"]));
    std::fs::read(bench.file("undisturbed.jsonl")).unwrap()
}

fn assert_undisturbed(bench: &Bench, ended: &Ended, expected: &[u8]) {
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let bytes = std::fs::read(bench.file("disturbed.jsonl")).unwrap();
    assert!(bytes == expected, "{} bytes instead of {}", bytes.len(), expected.len());
}

#[test]
fn what_cannot_work_is_told_in_one_line_without_the_password() {
    let server = need_clickhouse!();
    let database = server.deployment();
    let bench = Bench::new();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let tls = Proxy::start_tls(server.address(), certificate());
    let at = |scheme: &str, user: &str, address: SocketAddr, database: &str| {
        format!("{scheme}://{user}:hunter2@{address}/{database}")
    };
    let here = server.address();
    for (source, words) in [
        (at("clickhouse", "default", nobody, &database), &["Connection refused", "whether the server runs"][..]),
        (at("clickhouse", "default", tls.address(), &database), &["does not speak plain HTTP", "clickhouses://"]),
        (at("clickhouses", "default", here, &database), &["not speak TLS", "clickhouse://"]),
        (at("clickhouse", "default", here, &database), &["Authentication failed", "CLICKHOUSE_PASSWORD"]),
        (server.url("default", "nowhere", ""), &["nowhere does not exist", "correct the database"]),
        (server.url("default", "default", ""), &["has no table events_full", "the user's grants"]),
        (server.url("default", &database, "thread_max=2"), &["thread_max", "threads_max"]),
        ("clickhouse://u:hunter2@h/a/b".to_owned(), &["more behind the host than the database"]),
    ] {
        let ended = bench.run(export(&source, &["-o", "out.jsonl"]));
        ended.assert_refused(words);
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
    assert_eq!(bench.listing(), Vec::<String>::new(), "nothing was written");
}

#[test]
fn a_user_without_the_right_to_scores_exports_rows_without_them() {
    let server = need_clickhouse!();
    // The database whose scores the user may not read.
    server.deploy("unscored");
    let bench = Bench::new();
    let (all, limited) = (server.url("default", "unscored", ""), server.url("no_scores:reader-secret", "unscored", ""));
    bench.ok(["generate", "--project", "p", "--events", "50", "--source", &all]);

    let ended = bench.run(export(&limited, &["-o", "with.jsonl"]));
    // A server shows no table that the user may not read.
    ended.assert_refused(&["has no table scores", "the user may not read it", "the user's grants"]);
    assert!(!ended.stderr.contains("reader-secret"), "{}", ended.stderr);
    bench.ok(export(&limited, &["--columns", "id,name,input", "-o", "without.jsonl"]));
    assert_eq!(bench.read("without.jsonl").lines().count(), 50);
}

#[test]
fn connections_that_break_or_hang_in_the_middle_leave_the_same_bytes() {
    let server = need_clickhouse!();
    let (bench, database) = deployment(server, EVENTS);
    let proxy = Proxy::start(server.address());
    // A second of silence instead of twenty, so that the test takes seconds.
    let source = through(proxy.address(), &database, "silence_seconds_max=1");
    let expected = undisturbed(&bench, &source);
    for trouble in [
        Trouble::Reset { after: 300_000 },
        Trouble::Close { after: 300_000 },
        Trouble::Close { after: 0 },
        Trouble::Stall { after: 300_000 },
        Trouble::Answer(vec![b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>".to_vec()]),
    ] {
        let named = format!("{trouble:?}");
        proxy.make(trouble, ROWS, 2);
        let ended = bench.run(export(&source, &["--overwrite", "-o", "disturbed.jsonl"]));
        assert_eq!(proxy.left(), 0, "{named} did not happen");
        assert_undisturbed(&bench, &ended, &expected);
    }
    let left = running(server, &database);
    assert_eq!(left, 0, "queries are left on the server");
}

#[test]
fn a_query_that_somebody_kills_is_asked_again() {
    let server = need_clickhouse!();
    let (bench, database) = deployment(server, MANY_EVENTS);
    let expected = undisturbed(&bench, &server.url("default", &database, ""));
    let source = server.url("default", &database, SLOWLY);
    let mut child = start(&bench, &source);
    let killed = until(&mut child, || {
        let killed = server.run(
            "default",
            &format!(
                "KILL QUERY WHERE current_database = '{database}' AND position(query, '{ROWS}') > 0 ASYNC FORMAT TSV"
            ),
        );
        !killed.trim().is_empty()
    });
    assert!(killed, "no query was there to be killed");
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert!(ended.stderr.contains("trying again"), "it was not noticed: {}", ended.stderr);
    assert_undisturbed(&bench, &ended, &expected);
}

/// Cancels an export while it reads, and returns how it ended: as if it had never begun.
fn cancelled(server: &ClickHouse, user: &str, database: &str) -> Ended {
    let bench = Bench::new();
    let mut child = start(&bench, &server.url(user, database, SLOWLY));
    assert!(until(&mut child, || reading(server, database)), "no query for rows ran");
    let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(told.success());
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert_eq!(ended.code, 130, "{}", ended.stderr);
    assert_eq!(bench.listing(), Vec::<String>::new());
    ended
}

#[test]
fn a_cancelled_export_leaves_no_query_on_the_server() {
    let server = need_clickhouse!();
    let (_, database) = deployment(server, MANY_EVENTS);
    cancelled(server, "default", &database);
    assert_eq!(running(server, &database), 0);
}

#[test]
fn the_documented_grants_are_enough_to_export_and_to_cancel() {
    let server = need_clickhouse!();
    let bench = Bench::new();
    server.deploy("granted");
    let all = server.url("default", "granted", "");
    bench.ok(["generate", "--project", "p", "--seed", "3", "--events", MANY_EVENTS, "--source", &all]);
    let expected = undisturbed(&bench, &all);
    for user in ["granted:reader-secret", "unseeing:reader-secret"] {
        let ended = bench.run(export(&server.url(user, "granted", ""), &["--overwrite", "-o", "disturbed.jsonl"]));
        assert_undisturbed(&bench, &ended, &expected);
    }
    const LEFT: &str = "queries are left to the end of their connections";
    let ended = cancelled(server, "granted:reader-secret", "granted");
    assert_eq!(running(server, "granted"), 0);
    assert!(!ended.stderr.contains(LEFT), "{}", ended.stderr);

    // Without the right to see queries that run, the one that is left over is told of, and ends with its connection.
    let ended = cancelled(server, "unseeing:reader-secret", "granted");
    assert_eq!(ended.stderr.matches(LEFT).count(), 1, "{}", ended.stderr);
    let deadline = Instant::now() + Duration::from_secs(30);
    while running(server, "granted") > 0 {
        assert!(Instant::now() < deadline, "a query runs on without anybody who waits for it");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn the_test_user_has_exactly_the_documented_grants() {
    let document = include_str!("../../../../../docs/clickhouse.md");
    let granted = document.lines().filter_map(|line| line.trim().strip_prefix("GRANT ")?.split_once(" TO outgest;"));
    let granted: Vec<String> =
        granted.map(|(grant, _)| format!("GRANT {}", grant.replace("langfuse.", "granted."))).collect();
    let users = include_str!("../../../../sources/engine/server.xml");
    let (user, _) = users.split_once("<granted>").unwrap().1.split_once("</granted>").unwrap();
    let has = user.lines().filter_map(|line| line.trim().strip_prefix("<query>")?.strip_suffix("</query>"));
    assert_eq!(granted, has.collect::<Vec<&str>>());
}

#[test]
fn a_run_goes_on_after_the_server_was_restarted() {
    let folder = tempfile::tempdir().unwrap();
    let address = ClickHouse::free_address();
    let Some(server) = ClickHouse::at(folder.path(), address) else {
        return eprintln!("left out: needs the stack of `cargo xtask test`");
    };
    let (bench, database) = deployment(&server, MANY_EVENTS);
    let expected = undisturbed(&bench, &server.url("default", &database, ""));
    let mut child = start(&bench, &server.url("default", &database, SLOWLY));
    assert!(until(&mut child, || reading(&server, &database)), "no query for rows ran");
    drop(server);
    let _server = ClickHouse::at(folder.path(), address);
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert!(ended.stderr.contains("trying again"), "it was not noticed: {}", ended.stderr);
    assert_undisturbed(&bench, &ended, &expected);
}

/// Megabytes of rows behind which an exception comes: a sample, and the full figure.
const EXCEPTION_AFTER: usize = 12_000_000;
const SOAK_EXCEPTION_AFTER: usize = 100_000_000;
/// Events of which there are more than 100 MB.
const SOAK_EVENTS: &str = "45000";

/// What a server says in the middle of rows, behind so many bytes, and how the export ends.
fn exceptions_in_the_middle(events: &str, after: usize) {
    let server = need_clickhouse!();
    let (bench, database) = deployment(server, events);
    let proxy = Proxy::start(server.address());
    let source = through(proxy.address(), &database, "");
    let expected = undisturbed(&bench, &source);
    assert!(expected.len() > after, "{} bytes are too few", expected.len());

    let words = "Code: 241. DB::Exception: Query memory limit exceeded: would use 2.01 GiB. (MEMORY_LIMIT_EXCEEDED)";
    proxy.make(Trouble::Exception { after, words }, ROWS, 1);
    let ended = bench.run(export(&source, &["--overwrite", "-o", "disturbed.jsonl"]));
    assert_eq!(proxy.left(), 0, "it did not happen");
    assert_undisturbed(&bench, &ended, &expected);

    let words = "Code: 395. DB::Exception: Value passed to 'throwIf' function is non-zero: row too bad. \
                 (FUNCTION_THROW_IF_VALUE_IS_NON_ZERO)";
    proxy.make(Trouble::Exception { after, words }, ROWS, 1);
    let ended = bench.run(export(&source, &["-o", "refused.jsonl"]));
    assert_eq!(proxy.left(), 0, "it did not happen");
    assert_ne!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("row too bad") && ended.stdout.is_empty(), "{ended:?}");
    assert!(!bench.listing().iter().any(|name| name.starts_with("refused")), "{:?}", bench.listing());
}

#[test]
fn an_exception_in_the_middle_is_told_and_never_a_short_file() {
    exceptions_in_the_middle(MANY_EVENTS, EXCEPTION_AFTER);
}

#[test]
fn soak_an_exception_after_100_mb_is_told_and_never_a_short_file() {
    if soak() {
        exceptions_in_the_middle(SOAK_EVENTS, SOAK_EXCEPTION_AFTER);
    }
}

#[test]
fn soak_twenty_seconds_of_silence_are_given_up_and_asked_again() {
    if !soak() {
        return;
    }
    let server = need_clickhouse!();
    let (bench, database) = deployment(server, EVENTS);
    let proxy = Proxy::start(server.address());
    let source = through(proxy.address(), &database, "");
    let expected = undisturbed(&bench, &source);
    proxy.make(Trouble::Stall { after: 300_000 }, ROWS, 1);
    let began = Instant::now();
    let ended = bench.run(export(&source, &["-o", "disturbed.jsonl"]));
    let waited = began.elapsed();
    assert_eq!(proxy.left(), 0, "it did not happen");
    assert!(waited > Duration::from_secs(20), "given up after {waited:?}");
    assert_undisturbed(&bench, &ended, &expected);
    assert_eq!(running(server, &database), 0, "queries are left on the server");
}

#[test]
fn a_slice_that_takes_longer_than_a_query_may_is_halved() {
    let server = need_clickhouse!();
    let (bench, database) = deployment(server, MANY_EVENTS);
    let expected = undisturbed(&bench, &server.url("default", &database, ""));
    // Rows that are taken this slowly keep the server busy for more than the second it may take.
    let source = server.url("default", &database, &format!("{SLOWLY}&seconds_max=1"));
    let ended = bench.run(export(&source, &["-o", "disturbed.jsonl"]));
    assert_undisturbed(&bench, &ended, &expected);
    assert_ne!(ended_with(server, &database, 159), "", "no query met the limit");
}

/// Limits of a query's memory, of which the first ones are ample for a slice, and the last one is not.
const LIMITS: [&str; 5] = ["40MB", "32MB", "28MB", "26MB", "24MB"];

#[test]
fn a_slice_that_needs_more_memory_than_a_query_may_have_is_halved() {
    let server = need_clickhouse!();
    let (bench, database) = deployment(server, EVENTS);
    let expected = undisturbed(&bench, &server.url("default", &database, ""));
    for limit in LIMITS {
        let source = server.url("default", &database, &format!("memory_bytes_max={limit}&threads_max=1"));
        let ended = bench.run(export(&source, &["--overwrite", "-o", "disturbed.jsonl"]));
        assert_undisturbed(&bench, &ended, &expected);
        if ended_with(server, &database, 241).lines().any(|purpose| purpose == "rows") {
            return;
        }
    }
    panic!("no query for rows met a limit");
}

#[test]
fn a_server_that_has_too_much_to_do_is_asked_again_and_the_bytes_are_the_same() {
    let server = need_clickhouse!();
    let (bench, database) = deployment(server, EVENTS);
    let proxy = Proxy::start(server.address());
    let source = through(proxy.address(), &database, "");
    let expected = undisturbed(&bench, &source);
    let amid = "Code: 241. DB::Exception: Memory limit (total) exceeded: would use 9.00 GiB. (MEMORY_LIMIT_EXCEEDED)";
    for trouble in [
        Trouble::refusal(202, "Too many simultaneous queries. Maximum: 100. (TOO_MANY_SIMULTANEOUS_QUERIES)"),
        Trouble::refusal(252, "Too many parts (300). Merges are processing slower than inserts. (TOO_MANY_PARTS)"),
        Trouble::refusal(241, "User memory limit exceeded: would use 9.00 GiB. (MEMORY_LIMIT_EXCEEDED)"),
        Trouble::AtTheEnd { words: Some(amid) },
        Trouble::AtTheEnd { words: None },
    ] {
        let named = format!("{trouble:?}");
        proxy.make(trouble, ROWS, 2);
        let ended = bench.run(export(&source, &["--overwrite", "-o", "disturbed.jsonl"]));
        assert_eq!(proxy.left(), 0, "{named} did not happen");
        assert_undisturbed(&bench, &ended, &expected);
    }
}

#[test]
fn an_answer_that_is_compressed_on_its_way_has_the_same_bytes_and_none_where_it_is_cut() {
    let server = need_clickhouse!();
    let (bench, database) = deployment(server, EVENTS);
    let proxy = Proxy::start(server.address());
    let expected = undisturbed(&bench, &server.url("default", &database, ""));
    for (compression, asks) in [("auto", false), ("none", false), ("zstd", true)] {
        let source = through(proxy.address(), &database, &format!("compression={compression}"));
        proxy.watch(ROWS);
        proxy.make(Trouble::Close { after: 100_000 }, ROWS, 1);
        let ended = bench.run(export(&source, &["--overwrite", "-o", "disturbed.jsonl"]));
        assert_eq!(proxy.left(), 0, "{compression}: it was not cut");
        assert_undisturbed(&bench, &ended, &expected);
        let heads = proxy.heads();
        let asked = heads.iter().filter(|head| head.contains("accept-encoding: zstd")).count();
        assert_eq!(asked, if asks { heads.len() } else { 0 }, "{compression}: {heads:?}");
        assert!(heads.len() > 1 && ended.stderr.contains("trying again"), "{compression}: {}", ended.stderr);
    }
}

/// What queries of a database were for that ended with this number, a line each.
fn ended_with(server: &ClickHouse, database: &str, code: u32) -> String {
    server.run("default", "SYSTEM FLUSH LOGS");
    let purposes = format!(
        "SELECT DISTINCT JSONExtractString(log_comment, 'purpose') FROM system.query_log \
         WHERE current_database = '{database}' AND exception_code = {code} FORMAT TSV"
    );
    server.run("default", &purposes)
}

/// A slow export that can be disturbed.
fn start(bench: &Bench, source: &str) -> Child {
    let mut command = bench.command(export(source, &["--max-rate", RATE, "-o", "disturbed.jsonl"]));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until something is so; false where the export ended before.
fn until(child: &mut Child, mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        if child.try_wait().unwrap().is_some() || Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

/// How many of our queries run in a database.
fn running(server: &ClickHouse, database: &str) -> u64 {
    count(server, database, "query_id LIKE 'outgest-%'")
}

/// Whether rows of events are being read from a database.
fn reading(server: &ClickHouse, database: &str) -> bool {
    count(server, database, &format!("query_id LIKE 'outgest-%' AND position(query, '{ROWS}') > 0")) > 0
}

fn count(server: &ClickHouse, database: &str, which: &str) -> u64 {
    let text = format!("SELECT count() FROM system.processes WHERE current_database = '{database}' AND {which}");
    server.run("default", &text).trim().parse().unwrap()
}

/// A server's side of TLS that nobody vouches for.
fn certificate() -> rustls::ServerConfig {
    let file = |name: &str| format!("{}/../sources/golden/tls/{name}.pem", env!("CARGO_MANIFEST_DIR"));
    let certificates = CertificateDer::pem_file_iter(file("certificate")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(file("key")).unwrap();
    // Several tests may be the first; a second installation fails, and the first one stands.
    drop(rustls::crypto::ring::default_provider().install_default());
    rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key).unwrap()
}
