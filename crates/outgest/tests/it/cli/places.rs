//! Places that cannot be written: a clear error, and no partial file stays.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use crate::servers::Environment;
use crate::servers::moto::Moto;
use crate::servers::s3::{S3Server, SECRET};
use crate::support::{Bench, Ended, golden};

/// The binary inside of a shell script, where it is `"$@"`.
fn in_shell(bench: &Bench, shell: &[&str], script: &str, arguments: &[&str]) -> Ended {
    let outgest = bench.command(arguments);
    let mut command = program(bench, shell[0]);
    command.args(&shell[1..]).args(["sh", "-c", script, "sh"]);
    command.arg(outgest.get_program()).args(outgest.get_args());
    Ended::of(command.output().unwrap())
}

/// A program in the bench's folder and an empty environment, as the binary itself is started.
fn program(bench: &Bench, name: &str) -> Command {
    let mut command = Command::new(name);
    command.current_dir(bench.path()).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// A shell that may mount, for itself alone; `None`, and a word about it, where the system allows none.
fn with_mounts() -> Option<&'static [&'static str]> {
    const SHELL: &[&str] = &["unshare", "--user", "--map-root-user", "--mount"];
    let folder = tempfile::tempdir().unwrap();
    let mut trial = Command::new(SHELL[0]);
    trial.args(&SHELL[1..]).args(["mount", "-t", "tmpfs", "tmpfs"]).arg(folder.path());
    if trial.output().is_ok_and(|output| output.status.success()) {
        return Some(SHELL);
    }
    eprintln!("left out: a small disk needs unshare(1) and user namespaces, which this system does not allow");
    None
}

#[test]
fn a_full_disk_is_named_and_left_as_it_was() {
    let Some(shell) = with_mounts() else { return };
    let bench = Bench::with_generated(2_000);
    std::fs::create_dir(bench.file("small")).unwrap();
    // What is on the small disk can only be seen from inside.
    let script = "mount -t tmpfs -o size=1m tmpfs small && \"$@\"; code=$?; ls -A small > left.txt; exit $code";
    for format in ["csv", "json", "jsonl", "parquet"] {
        let output = format!("small/out.{format}");

        let ended = in_shell(&bench, shell, script, &["export", "--project", "p", "-o", &output]);

        ended.assert_refused(&["out.", "the disk is full", "free space"]);
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        assert_eq!(bench.read("left.txt"), "", "{format}");
    }
}

#[test]
fn a_full_data_directory_fails_an_import_and_keeps_what_it_had() {
    let Some(shell) = with_mounts() else { return };
    let bench = Bench::new();
    std::fs::create_dir(bench.file("data")).unwrap();
    bench.ok(["generate", "--project", "p", "--events", "4000", "-o", "many.jsonl"]);
    bench.write("one.jsonl", r#"{"trace_id":"t","span_id":"s","start_time":"2026-06-01"}"#);
    // The import that fits comes first, the one that does not second; then the store is looked at.
    let script = "mount -t tmpfs -o size=1m tmpfs data && \"$@\" import --project p one.jsonl > first.txt && \
                  \"$@\" import --project p many.jsonl; code=$?; \
                  \"$@\" export --project p --columns id -o left.csv > receipt.txt 2>&1; ls -A data/lake/events > files.txt; \
                  exit $code";

    let ended = in_shell(&bench, shell, script, &[]);

    ended.assert_refused(&["no space is left", "free space"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert_eq!(bench.read("left.csv"), "\"id\"\n\"s\"\n", "{}", bench.read("receipt.txt"));
    assert!(!bench.read("files.txt").contains(".writing-"), "{}", bench.read("files.txt"));
}

/// The limit stands for every way in which a write can fail in the middle, and needs no rights.
#[test]
fn a_file_beyond_the_allowed_size_is_named_and_removed() {
    let bench = Bench::with_generated(2_000);
    // Blocks of 512 bytes, or of 1,024 in some shells.
    let script = "ulimit -f 1000 && exec \"$@\"";
    for format in ["csv", "jsonl", "parquet"] {
        let output = format!("out.{format}");

        let ended = in_shell(&bench, &["env"], script, &["export", "--project", "p", "-o", &output]);

        ended.assert_refused(&[&format!("{output}.partial"), "larger than is allowed", "ulimit"]);
        assert_eq!(ended.code, 1, "{}", ended.stderr);
    }
    let ended =
        in_shell(&bench, &["env"], script, &["generate", "--project", "p", "--events", "2000", "-o", "more.jsonl"]);
    ended.assert_refused(&["generated rows"]);
    assert_eq!(bench.listing(), Vec::<String>::new());
}

#[test]
fn a_full_disk_behind_standard_output_is_named() {
    let bench = Bench::with_reference_rows();
    let ended = in_shell(&bench, &["env"], "exec \"$@\" > /dev/full", &["export", "--project", "proj-e2e", "-o", "-"]);
    ended.assert_refused(&["standard output", "full", "free space"]);
    assert_eq!(ended.code, 2);
}

#[test]
fn a_directory_that_is_read_only_is_named() {
    let bench = Bench::with_reference_rows();
    let folder = bench.file("locked");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o555)).unwrap();
    let arguments = ["export", "--project", "proj-e2e", "-o", "locked/out.csv"];
    let Some(ended) = without_privileges(&bench, &arguments) else { return };

    ended.assert_refused(&["locked/out.csv", "permission denied", "writable"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn a_data_directory_that_is_read_only_is_named() {
    let bench = Bench::with_reference_rows();
    let events = golden("e2e/events.jsonl");
    std::fs::copy(events, bench.file("events.jsonl")).unwrap();
    lock(&bench.file("data"));
    let Some(ended) = without_privileges(&bench, &["import", "events.jsonl"]) else { return };
    ended.assert_refused(&["data", "access denied", "permissions"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
}

/// Takes the right to write from everything in a folder.
fn lock(path: &Path) {
    let mode = if path.is_dir() { 0o555 } else { 0o444 };
    if path.is_dir() {
        std::fs::read_dir(path).unwrap().for_each(|entry| lock(&entry.unwrap().path()));
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs the binary as a user whom permissions hold back: root becomes nobody. `None`, and a word about
/// it, where that is not possible.
fn without_privileges(bench: &Bench, arguments: &[&str]) -> Option<Ended> {
    const NOBODY: &[&str] = &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|found| found.uid() == 0);
    if !is_root {
        return Some(bench.run(arguments));
    }
    if Command::new(NOBODY[0]).args(&NOBODY[1..]).arg("true").output().is_ok_and(|output| output.status.success()) {
        // Nobody may look into the folders that tests run in; what is locked stays locked.
        open_to_all(bench.path());
        let outgest = bench.command(arguments);
        let copy = bench.file("outgest");
        std::fs::copy(outgest.get_program(), &copy).unwrap();
        let mut command = program(bench, NOBODY[0]);
        command.args(&NOBODY[1..]).arg(&copy).args(outgest.get_args());
        return Some(Ended::of(command.output().unwrap()));
    }
    eprintln!("left out: root ignores permissions, and setpriv(1) is not there to become another user");
    None
}

fn open_to_all(path: &Path) {
    let found = std::fs::metadata(path).unwrap();
    let locked = found.permissions().mode() & 0o200 == 0;
    if !locked {
        let mode = if found.is_dir() { 0o777 } else { 0o666 };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    if found.is_dir() {
        std::fs::read_dir(path).unwrap().for_each(|entry| open_to_all(&entry.unwrap().path()));
    }
}

/// Exports to a bucket, in so many bytes that there are several pieces.
fn export_to(bench: &Bench, environment: Environment) -> Ended {
    let arguments = ["export", "--project", "p", "--format", "jsonl", "-o", "s3://bucket/out.jsonl"];
    Ended::of(bench.command(arguments).envs(environment).output().unwrap())
}

#[test]
fn a_bucket_that_lacks_a_right_is_named_and_left_empty() {
    let bench = Bench::with_generated(4_000);
    for right in ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"] {
        let server = S3Server::start_without(right);
        server.create_bucket("bucket");

        let ended = export_to(&bench, server.environment());

        ended.assert_refused(&["s3://bucket", "out.jsonl", "AccessDenied", "s3:PutObject"]);
        assert_eq!(ended.code, 1, "{}", ended.stderr);
        assert_eq!(server.files("bucket"), Vec::<String>::new(), "{right}");
    }
}

#[test]
fn a_bucket_that_refuses_the_manifest_keeps_the_whole_file_for_another_try() {
    let bench = Bench::with_generated(1_000);
    let server = S3Server::start_without("PutObject");
    server.create_bucket("bucket");

    let ended = export_to(&bench, server.environment());

    ended.assert_refused(&["out.jsonl.manifest.json", "AccessDenied"]);
    let files = server.files("bucket");
    assert!(files.contains(&"out.jsonl".to_owned()), "{files:?}");
    assert!(!files.iter().any(|file| file.contains("manifest")), "{files:?}");
    let info = bench.ok(["data", "info"]);
    assert!(info.contains("failed after 1,000 rows"), "{info}");
}

#[test]
fn a_wrong_secret_is_named_and_not_repeated() {
    let bench = Bench::with_generated(100);
    let server = S3Server::start();
    server.create_bucket("bucket");
    let mut environment = server.environment();
    environment.iter_mut().filter(|(name, _)| *name == "AWS_SECRET_ACCESS_KEY").for_each(|(_, value)| {
        *value = "wrong-hunter3".to_owned();
    });

    let ended = export_to(&bench, environment);

    ended.assert_refused(&["s3://bucket", "HTTP 403", "secret_access_key"]);
    assert!(!ended.stderr.contains("hunter3") && !ended.stderr.contains(SECRET), "{}", ended.stderr);
    assert_eq!(ended.code, 1);
    assert_eq!(server.files("bucket"), Vec::<String>::new());
}

#[test]
fn a_bucket_that_does_not_exist_is_named() {
    let Some(server) = Moto::start() else { return eprintln!("left out: needs the stack of `cargo xtask test`") };
    let bench = Bench::with_generated(100);

    let ended = export_to(&bench, server.s3_environment());

    ended.assert_refused(&["there is no bucket s3://bucket", "create the bucket"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
}

#[test]
fn missing_keys_of_a_bucket_are_asked_for() {
    let bench = Bench::with_generated(100);
    // Half of a key pair is a mistake in any environment; without any, the machine's own role is asked.
    let ended = export_to(&bench, vec![("AWS_ACCESS_KEY_ID", "TESTKEY".to_owned())]);
    ended.assert_refused(&["AWS_SECRET_ACCESS_KEY", "give both or none"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
}
