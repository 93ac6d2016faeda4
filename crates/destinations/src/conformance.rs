//! The promises of a destination, as functions that every kind is run through.
//!
//! They need an empty place to write to and panic where a promise is broken. What a kind cannot do by
//! its nature is said in [`Ability`], so that a missing promise is visible where the kind is tested.

use bytes::Bytes;
use futures_util::TryStreamExt;
use model::{
    ByteCount, CheckState, CheckStep, Cursor, Destination, Durable, FaultKind, FileAttributes, FileName, FileReceipt,
    FileWriter, KeyDigest, MANIFEST_VERSION, Manifest, ManifestWindow, Micros, ObjectHead, ProjectId, Retry, RowCount,
    TableName, Unrecorded, UploadState,
};

/// Attempts at discarding an upload whose last pieces may still be coming in.
const DISCARD_ATTEMPTS: usize = 5;

/// Attempts at a write, of which each may meet another broken connection.
const WRITE_ATTEMPTS: usize = 5;

/// What to ask of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Ability {
    /// Bytes of one write.
    pub write_bytes: usize,
    /// Bytes after which something must have become durable.
    pub durable_within: usize,
    /// Size of the large file.
    pub large_bytes: usize,
    /// Whether an aborted or discarded upload is gone at once. Azure forgets it after a week.
    pub forgets_at_once: bool,
}

impl Ability {
    /// For kinds in memory.
    pub fn small() -> Self {
        Self { write_bytes: 1000, durable_within: 50_000, large_bytes: 200_000, forgets_at_once: true }
    }

    /// For kinds that make pieces of megabytes durable.
    pub fn large() -> Self {
        Self { write_bytes: 1 << 20, durable_within: 128 << 20, large_bytes: 40 << 20, forgets_at_once: true }
    }
}

/// A stretch of a file reads as that stretch, whatever it cuts.
pub async fn a_stretch_reads_alone(destination: &dyn Destination) {
    let file = name("stretch.csv");
    let mut writer = destination.open(&file, &FileAttributes::default(), None).await.expect("a file opens");
    writer.write(Bytes::from_static(b"0123456789")).await.expect("bytes are taken");
    writer.commit().await.expect("a file is committed");
    for range in [0..10, 0..1, 9..10, 3..7] {
        let expected = &b"0123456789"[range.start as usize..range.end as usize];
        let chunks = destination.read_range(&file, range.clone()).await.expect("a stretch opens");
        let chunks: Vec<Bytes> = chunks.try_collect().await.expect("a stretch reads");
        assert_eq!(chunks.concat(), expected, "{range:?}");
    }
}

/// Runs every promise, one after the other.
pub async fn run(destination: &dyn Destination, ability: &Ability) {
    nothing_is_there_before_it_is_written(destination).await;
    files_read_as_they_were_written(destination, ability).await;
    a_stretch_reads_alone(destination).await;
    names_are_kept_as_given(destination).await;
    a_file_is_invisible_until_it_is_committed(destination, ability).await;
    a_commit_replaces_what_was_visible(destination).await;
    resume_continues_after_the_durable_bytes(destination, ability).await;
    resume_goes_back_to_an_earlier_state(destination, ability).await;
    a_committed_upload_cannot_be_resumed(destination, ability).await;
    abort_leaves_nothing_new(destination, ability).await;
    discard_needs_only_the_first_state(destination, ability).await;
    what_nobody_recorded_is_discarded_by_its_name(destination, ability).await;
    files_are_written_side_by_side(destination, ability).await;
    uploads_of_others_are_refused(destination).await;
    remove_takes_a_visible_file_back(destination).await;
    publish_writes_the_manifest_once_every_file_is_there(destination).await;
    publish_refuses_what_does_not_match(destination).await;
    check_names_its_steps_and_leaves_nothing(destination).await;
}

/// `head` of a name that nobody wrote is `None`; reading it is a `NotFound`.
pub async fn nothing_is_there_before_it_is_written(destination: &dyn Destination) {
    let file = name("never-written.csv");
    assert_eq!(destination.head(&file).await.expect("head of a missing file answers"), None);
    let fault = destination.read(&file).await.err().expect("a missing file cannot be read");
    assert_eq!(fault.kind(), FaultKind::NotFound, "{fault}");
}

/// Empty, small and large files come back byte for byte, and the commit tells their size.
pub async fn files_read_as_they_were_written(destination: &dyn Destination, ability: &Ability) {
    for (file, size) in [("sizes/empty", 0), ("sizes/small", 17), ("sizes/large", ability.large_bytes)] {
        let content = content(size, 1);
        let head = write_whole(destination, &name(file), &content, ability).await;
        assert_eq!(head.bytes, ByteCount::from(size), "{file}");
        assert_same(&read(destination, &name(file)).await, &content, file);
        assert_eq!(destination.head(&name(file)).await.expect("head answers"), Some(head), "{file}");
    }
}

/// Spaces, Unicode, percent and query characters belong to a name like any other.
pub async fn names_are_kept_as_given(destination: &dyn Destination) {
    let names = ["names/a b+c.csv", "names/ä 試.csv", "names/100%25.csv", "names/who?x=1&y#z.csv", "names/~(1)'!*.csv"];
    for file in names {
        write_whole(destination, &name(file), file.as_bytes(), &Ability::small()).await;
    }
    for file in names {
        assert_same(&read(destination, &name(file)).await, file.as_bytes(), file);
    }
}

/// Nothing is visible before the commit, and everything after it.
pub async fn a_file_is_invisible_until_it_is_committed(destination: &dyn Destination, ability: &Ability) {
    let file = name("hidden.csv");
    let content = content(ability.write_bytes * 3, 2);
    let mut writer = open(destination, &file, None).await;
    write(&mut *writer, &content, ability).await;
    assert_eq!(destination.head(&file).await.expect("head answers"), None, "visible before its commit");
    writer.commit().await.expect("commit succeeds");
    assert_same(&read(destination, &file).await, &content, "hidden.csv");
}

/// A second commit of the same name replaces the first, and does not touch it before.
pub async fn a_commit_replaces_what_was_visible(destination: &dyn Destination) {
    let file = name("replaced.csv");
    write_whole(destination, &file, b"the old and longer content", &Ability::small()).await;
    let mut writer = open(destination, &file, None).await;
    writer.write(Bytes::from_static(b"the new")).await.expect("write succeeds");
    assert_same(&read(destination, &file).await, b"the old and longer content", "before the second commit");
    writer.commit().await.expect("commit succeeds");
    assert_same(&read(destination, &file).await, b"the new", "after the second commit");
}

/// A writer that is dropped loses at most what was not durable; its successor goes on from there.
pub async fn resume_continues_after_the_durable_bytes(destination: &dyn Destination, ability: &Ability) {
    let file = name("resumed.csv");
    let mut writer = open(destination, &file, None).await;
    let (durable, sent) = write_until_durable(&mut *writer, 3, ability).await;
    drop(writer);

    let whole = content(sent + ability.write_bytes * 2 + 5, 3);
    let mut writer = open(destination, &file, Some(&durable.state)).await;
    write(&mut *writer, &whole[durable.bytes.get() as usize..], ability).await;
    let head = writer.commit().await.expect("commit of a resumed upload succeeds");

    assert_eq!(head.bytes, ByteCount::from(whole.len()));
    assert_same(&read(destination, &file).await, &whole, "resumed.csv");
}

/// An upload that went on after its last recorded state is continued from that state, with other bytes.
pub async fn resume_goes_back_to_an_earlier_state(destination: &dyn Destination, ability: &Ability) {
    let file = name("went-back.csv");
    let mut writer = open(destination, &file, None).await;
    let (recorded, _) = write_until_durable(&mut *writer, 4, ability).await;
    write(&mut *writer, &content(ability.durable_within / 4, 5), ability).await;
    drop(writer);

    let kept = recorded.bytes.get() as usize;
    let mut whole = content(kept, 4);
    whole.extend(content(ability.write_bytes, 6));
    let mut writer = open(destination, &file, Some(&recorded.state)).await;
    write(&mut *writer, &whole[kept..], ability).await;
    writer.commit().await.expect("commit of a resumed upload succeeds");

    assert_same(&read(destination, &file).await, &whole, "went-back.csv");
}

/// Resuming what was committed is a `NotFound`: the run finds out that its commit had succeeded.
pub async fn a_committed_upload_cannot_be_resumed(destination: &dyn Destination, ability: &Ability) {
    let file = name("committed.csv");
    let mut writer = open(destination, &file, None).await;
    let (durable, _) = write_until_durable(&mut *writer, 7, ability).await;
    writer.commit().await.expect("commit succeeds");
    expect_gone(destination, &file, &durable.state).await;
}

/// After an abort an older file of the name is still visible, and the upload is gone.
pub async fn abort_leaves_nothing_new(destination: &dyn Destination, ability: &Ability) {
    let file = name("aborted.csv");
    write_whole(destination, &file, b"older", ability).await;
    let mut writer = open(destination, &file, None).await;
    let (durable, _) = write_until_durable(&mut *writer, 8, ability).await;
    writer.abort().await.expect("abort succeeds");

    assert_same(&read(destination, &file).await, b"older", "aborted.csv");
    if ability.forgets_at_once {
        expect_gone(destination, &file, &durable.state).await;
    }
}

/// The state that a writer has before its first byte is enough to discard the upload, twice.
pub async fn discard_needs_only_the_first_state(destination: &dyn Destination, ability: &Ability) {
    let file = name("discarded.csv");
    let mut writer = open(destination, &file, None).await;
    let first = writer.upload();
    let (durable, _) = write_until_durable(&mut *writer, 9, ability).await;
    drop(writer);

    discard(destination, &first).await;
    discard(destination, &first).await;

    assert_eq!(destination.head(&file).await.expect("head answers"), None);
    if ability.forgets_at_once {
        expect_gone(destination, &file, &durable.state).await;
    }
}

/// Uploads that crashes left unrecorded go, and those that are recorded or of other files stay.
pub async fn what_nobody_recorded_is_discarded_by_its_name(destination: &dyn Destination, ability: &Ability) {
    let (file, longer) = (name("unrecorded & lost.csv"), name("unrecorded & lost.csv.manifest.json"));
    let mut other = open(destination, &longer, None).await;
    let (of_other, _) = write_until_durable(&mut *other, 12, ability).await;
    drop(other);
    let mut lost = Vec::new();
    for seed in [13, 14] {
        let mut writer = open(destination, &file, None).await;
        lost.push(write_until_durable(&mut *writer, seed, ability).await.0);
    }
    let mut writer = open(destination, &file, None).await;
    let (recorded, _) = write_until_durable(&mut *writer, 15, ability).await;
    drop(writer);

    discard_unrecorded(destination, &file, Some(&recorded.state)).await;

    for (file, kept) in [(&longer, &of_other), (&file, &recorded)] {
        drop(open(destination, file, Some(&kept.state)).await);
    }
    if ability.forgets_at_once {
        for lost in &lost {
            expect_gone(destination, &file, &lost.state).await;
        }
    }
    discard_unrecorded(destination, &file, None).await;
    if ability.forgets_at_once {
        expect_gone(destination, &file, &recorded.state).await;
    }
    let again = destination.discard_unrecorded(&file, None).await.expect("it may be done again");
    assert_eq!(again, Unrecorded::Discarded(0));
    discard(destination, &of_other.state).await;
}

/// Two files under way do not mix.
pub async fn files_are_written_side_by_side(destination: &dyn Destination, ability: &Ability) {
    let (left, right) = (name("both/left.csv"), name("both/right.csv"));
    let (left_content, right_content) = (content(ability.write_bytes * 4, 10), content(ability.write_bytes * 4, 11));
    let mut left_writer = open(destination, &left, None).await;
    let mut right_writer = open(destination, &right, None).await;
    for at in (0..left_content.len()).step_by(ability.write_bytes) {
        let piece = at..at + ability.write_bytes;
        left_writer.write(Bytes::copy_from_slice(&left_content[piece.clone()])).await.expect("write succeeds");
        right_writer.write(Bytes::copy_from_slice(&right_content[piece])).await.expect("write succeeds");
    }
    left_writer.commit().await.expect("commit succeeds");
    right_writer.commit().await.expect("commit succeeds");
    assert_same(&read(destination, &left).await, &left_content, "left");
    assert_same(&read(destination, &right).await, &right_content, "right");
}

/// A state of another kind, or of another file, is refused.
pub async fn uploads_of_others_are_refused(destination: &dyn Destination) {
    let file = name("mine.csv");
    let foreign = UploadState(serde_json::json!({ "kind": "elsewhere", "version": 1, "upload": {} }));
    assert!(destination.open(&file, &FileAttributes::default(), Some(&foreign)).await.is_err());
    assert!(destination.discard(&foreign).await.is_err());

    let writer = open(destination, &name("other.csv"), None).await;
    let other = writer.upload();
    assert!(destination.open(&file, &FileAttributes::default(), Some(&other)).await.is_err());
    writer.abort().await.expect("abort succeeds");
}

/// A removed file is no longer visible; removing it again is fine.
pub async fn remove_takes_a_visible_file_back(destination: &dyn Destination) {
    let file = name("removed.csv");
    write_whole(destination, &file, b"x", &Ability::small()).await;
    assert!(destination.remove(&file).await.expect("remove succeeds"));
    assert_eq!(destination.head(&file).await.expect("head answers"), None);
    assert!(destination.remove(&file).await.expect("remove succeeds again"));
}

/// The manifest is indented JSON with a newline at its end, and writing it twice changes nothing.
pub async fn publish_writes_the_manifest_once_every_file_is_there(destination: &dyn Destination) {
    let file = name("published/a.csv");
    let head = write_whole(destination, &file, b"id\n1\n", &Ability::small()).await;
    let manifest = manifest_of(&file, head);
    let key = name("published/manifest.json");

    destination.publish(&manifest.to_published(), &key).await.expect("publish succeeds");
    let text = read(destination, &key).await;
    destination.publish(&manifest.to_published(), &key).await.expect("publish succeeds again");

    assert_eq!(read(destination, &key).await, text);
    assert!(text.ends_with(b"}\n") && text.starts_with(b"{\n  \"manifest_version\""));
    assert_eq!(serde_json::from_slice::<Manifest>(&text).expect("the manifest reads back"), manifest);
}

/// A file that is missing, or of another size or tag than committed, keeps the manifest from being written.
pub async fn publish_refuses_what_does_not_match(destination: &dyn Destination) {
    let file = name("mismatch/a.csv");
    let key = name("mismatch/manifest.json");
    let head = write_whole(destination, &file, b"as committed", &Ability::small()).await;

    let missing = manifest_of(&name("mismatch/absent.csv"), head.clone());
    let resized = manifest_of(&file, ObjectHead { bytes: ByteCount(3), tag: head.tag.clone() });
    let mut wrong = vec![missing, resized];
    if head.tag.is_some() {
        wrong.push(manifest_of(&file, ObjectHead { bytes: head.bytes, tag: Some("\"another\"".to_owned()) }));
    }
    for manifest in wrong {
        let fault = destination.publish(&manifest.to_published(), &key).await.expect_err("a mismatch is refused");
        assert_eq!(fault.kind(), FaultKind::Conflict, "{fault}");
        assert!(fault.public_message().contains(manifest.files[0].key.as_str()), "{fault}");
    }
    assert_eq!(destination.head(&key).await.expect("head answers"), None, "a refused manifest was written");
}

/// A check reports each step by name as it begins and as it ends, and its file is gone afterwards.
pub async fn check_names_its_steps_and_leaves_nothing(destination: &dyn Destination) {
    let (mut steps, file) = (Vec::new(), name("checked/_outgest-check"));
    destination.check(&file, &mut |step| steps.push(step)).await.expect("the check of a working place succeeds");
    let pairs: Vec<[CheckStep; 2]> = steps.as_chunks::<2>().0.to_vec();
    let ended = |[begun, ended]: &[CheckStep; 2]| {
        (begun.name, &begun.state, &ended.state) == (ended.name, &CheckState::Begun, &CheckState::Passed)
    };
    assert!(steps.len() == 2 * pairs.len() && pairs.iter().all(ended), "{steps:?}");
    let names: Vec<&str> = pairs.iter().map(|[begun, _]| begun.name).collect();
    let (reached, written) = names.split_at(names.iter().position(|name| *name == "open").expect("a file is opened"));
    // A kind that is reached through a network takes large files in parts.
    let expected: &[&str] = match reached {
        [] => &["open", "write", "commit", "read back", "delete"],
        _ => &["open", "write", "commit", "multipart", "read back", "delete"],
    };
    assert_eq!(written, expected);
    let expected: [&[&str]; 3] = [&[], &["dns", "connection", "credentials"], &["dns", "tls", "credentials"]];
    assert!(expected.contains(&reached), "{reached:?}");
    assert_eq!(destination.head(&file).await.expect("head answers"), None);
}

/// Bytes that differ everywhere and from seed to seed, so that a piece in the wrong place is noticed.
pub fn content(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        // Xorshift: no library's idea of randomness may change what a test writes.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// Writes a file in one go.
pub async fn write_whole(
    destination: &dyn Destination,
    file: &FileName,
    content: &[u8],
    ability: &Ability,
) -> ObjectHead {
    let mut writer = open(destination, file, None).await;
    write(&mut *writer, content, ability).await;
    writer.commit().await.expect("commit succeeds")
}

/// The content of a visible file.
pub async fn read(destination: &dyn Destination, file: &FileName) -> Vec<u8> {
    let chunks = destination.read(file).await.expect("a visible file can be read");
    let chunks: Vec<Bytes> = chunks.try_collect().await.expect("a visible file can be read to its end");
    chunks.concat()
}

fn name(text: &str) -> FileName {
    FileName::new(text).expect("the names of this module are valid")
}

async fn open(destination: &dyn Destination, file: &FileName, resume: Option<&UploadState>) -> Box<dyn FileWriter> {
    let content_disposition = Some("attachment".to_owned());
    let attributes = FileAttributes { content_type: "text/csv".to_owned(), content_disposition };
    destination.open(file, &attributes, resume).await.expect("open succeeds")
}

/// Discards as the pipeline does: servers that get an abort while a piece of the dropped writer is still
/// coming in may fail at the first attempt.
async fn discard(destination: &dyn Destination, state: &UploadState) {
    for _ in 0..DISCARD_ATTEMPTS {
        match destination.discard(state).await {
            Err(fault) if fault.retry() != Retry::Never => {}
            result => return result.expect("discard succeeds"),
        }
    }
    panic!("discard failed {DISCARD_ATTEMPTS} times");
}

/// The same for what nobody recorded.
async fn discard_unrecorded(destination: &dyn Destination, file: &FileName, recorded: Option<&UploadState>) {
    for _ in 0..DISCARD_ATTEMPTS {
        match destination.discard_unrecorded(file, recorded).await {
            Err(fault) if fault.retry() != Retry::Never => {}
            result => {
                let found = result.expect("discarding what nobody recorded succeeds");
                return assert!(matches!(found, Unrecorded::Discarded(_)), "{found:?}");
            }
        }
    }
    panic!("discarding what nobody recorded failed {DISCARD_ATTEMPTS} times");
}

async fn write(writer: &mut dyn FileWriter, content: &[u8], ability: &Ability) {
    let mut durable = ByteCount::ZERO;
    for chunk in content.chunks(ability.write_bytes) {
        let now = write_patiently(writer, chunk).await;
        assert!(now.bytes >= durable, "durable bytes went back from {durable} to {}", now.bytes);
        durable = now.bytes;
    }
}

/// Writes as the pipeline does: after a fault that may pass, what was taken is sent again. Servers break connections
/// that a dropped writer used.
async fn write_patiently(writer: &mut dyn FileWriter, chunk: &[u8]) -> Durable {
    let mut next = Bytes::copy_from_slice(chunk);
    for _ in 0..WRITE_ATTEMPTS {
        match writer.write(next).await {
            Err(fault) if fault.retry() != Retry::Never => next = Bytes::new(),
            result => return result.expect("write succeeds"),
        }
    }
    panic!("write failed {WRITE_ATTEMPTS} times");
}

/// Writes the content of `seed` until some of it is durable; how much that is, and how much was sent.
async fn write_until_durable(writer: &mut dyn FileWriter, seed: u64, ability: &Ability) -> (Durable, usize) {
    let content = content(ability.durable_within, seed);
    let mut sent = 0;
    for chunk in content.chunks(ability.write_bytes) {
        let durable = write_patiently(writer, chunk).await;
        sent += chunk.len();
        assert!(durable.bytes <= ByteCount::from(sent), "more is durable than was written");
        if durable.bytes > ByteCount::ZERO {
            return (durable, sent);
        }
    }
    panic!("of {sent} bytes none became durable");
}

async fn expect_gone(destination: &dyn Destination, file: &FileName, state: &UploadState) {
    let fault = destination.open(file, &FileAttributes::default(), Some(state)).await.err();
    let fault = fault.expect("an upload that ended cannot be resumed");
    assert_eq!(fault.kind(), FaultKind::NotFound, "{fault}");
}

/// Compares without printing megabytes.
fn assert_same(found: &[u8], expected: &[u8], what: &str) {
    assert_eq!(found.len(), expected.len(), "size of {what}");
    let differs = found.iter().zip(expected).position(|(found, expected)| found != expected);
    assert_eq!(differs, None, "first differing byte of {what}");
}

/// A manifest of one file.
fn manifest_of(file: &FileName, head: ObjectHead) -> Manifest {
    let receipt = FileReceipt {
        key: file.clone(),
        table: TableName::new("events"),
        format: "csv".to_owned(),
        compression: "none".to_owned(),
        content_type: "text/csv".to_owned(),
        head: head.clone(),
        rows: RowCount(1),
        sha256: "00".repeat(32),
        cursor_min: None,
        cursor_max: None,
        key_digest: KeyDigest::default(),
    };
    Manifest {
        manifest_version: MANIFEST_VERSION,
        product_version: "0.0.0".to_owned(),
        project_id: ProjectId::new("p"),
        window: ManifestWindow { from: None, to: None, cursor: Cursor::StartTime },
        exported_at: Micros(0),
        query_fingerprint: "00".repeat(32),
        query: serde_json::json!({ "table": "events" }),
        schema_version: 1,
        columns: Vec::new(),
        bytes: head.bytes,
        files: vec![receipt],
        rows: RowCount(1),
        truncated: false,
        cut_after: None,
        changed_during_run: RowCount::ZERO,
        warnings: Vec::new(),
        revision: 1,
        supersedes: None,
    }
}
