use std::collections::{HashMap, HashSet};

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, StringArray};

use super::*;

fn options(events: u64) -> Options {
    Options::new(ProjectId::new("demo"), events, 7)
}

/// FNV-1a, 64 bits: enough to notice any change.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn jsonl(batches: impl Iterator<Item = RecordBatch>) -> Vec<u8> {
    let mut lines = Vec::new();
    for batch in batches {
        write_jsonl(&batch, &mut lines).unwrap();
    }
    lines
}

fn texts<'a>(batch: &'a RecordBatch, column: &str) -> &'a StringArray {
    batch.column_by_name(column).unwrap().as_string()
}

fn times(batch: &RecordBatch, column: &str) -> Vec<i64> {
    batch.column_by_name(column).unwrap().as_primitive::<TimestampMicrosecondType>().values().to_vec()
}

#[test]
fn same_seed_same_bytes_on_every_machine() {
    let events = jsonl(batches(options(500)).unwrap().map(|generated| generated.events));
    let scores = jsonl(batches(options(500)).unwrap().map(|generated| generated.scores));
    assert_eq!(format!("{:016x}", hash(&events)), "be05c2d28dace520");
    assert_eq!(format!("{:016x}", hash(&scores)), "c0a4d1a635263109");

    let other = Options { seed: 8, ..options(500) };
    assert_ne!(hash(&events), hash(&jsonl(batches(other).unwrap().map(|generated| generated.events))));
}

#[test]
fn exactly_so_many_events_live() {
    for events in [1, 2, 777, 5_000] {
        let mut newest: HashMap<String, (i64, bool)> = HashMap::new();
        for generated in batches(options(events)).unwrap() {
            let batch = &generated.events;
            let deleted = batch.column_by_name("is_deleted").unwrap().as_boolean();
            for (row, event_ts) in times(batch, "event_ts").into_iter().enumerate() {
                let key = format!("{} {}", texts(batch, "trace_id").value(row), texts(batch, "span_id").value(row));
                let version = newest.entry(key).or_insert((i64::MIN, false));
                if event_ts >= version.0 {
                    *version = (event_ts, deleted.value(row));
                }
            }
        }
        assert_eq!(newest.values().filter(|(_, deleted)| !deleted).count() as u64, events);
    }
}

#[test]
fn data_is_as_varied_as_real_data() {
    let end = options(0).end;
    let generated: Vec<Generated> = batches(options(20_000)).unwrap().collect();
    let (mut rows, mut bytes, mut late, mut moved) = (0, 0, 0, 0);
    let mut seen: HashMap<&str, HashSet<String>> = HashMap::new();
    let mut starts: HashMap<String, i64> = HashMap::new();
    let mut spans: HashMap<String, HashMap<String, String>> = HashMap::new();
    let (mut duplicates, mut largest, mut days) = (0, 0, HashSet::new());
    for batch in generated.iter().map(|generated| &generated.events) {
        rows += batch.num_rows();
        bytes += batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap()).sum::<usize>();
        for column in ["type", "level", "environment", "provided_model_name", "session_id", "user_id", "release"] {
            seen.entry(column).or_default().extend(texts(batch, column).iter().flatten().map(str::to_owned));
        }
        let (start, created) = (times(batch, "start_time"), times(batch, "created_at"));
        let names = batch.column_by_name("metadata_names").unwrap().as_list::<i32>();
        for row in 0..batch.num_rows() {
            assert!(start[row] < end.0);
            days.insert(start[row] / 86_400_000_000);
            late += usize::from(created[row] - start[row] > 3_000_000_000);
            let (trace, span) = (texts(batch, "trace_id").value(row), texts(batch, "span_id").value(row));
            let first = starts.entry(format!("{trace} {span}")).or_insert(start[row]);
            moved += usize::from(*first != start[row]);
            let parent = texts(batch, "parent_span_id").value(row).to_owned();
            spans.entry(trace.to_owned()).or_default().insert(span.to_owned(), parent);
            largest = largest.max(texts(batch, "input").value(row).len());
            let keys = names.value(row);
            let distinct: HashSet<&str> = keys.as_string::<i32>().iter().flatten().collect();
            duplicates += usize::from(distinct.len() < keys.len());
        }
    }
    let mean = bytes / rows;
    assert!((2_000..3_200).contains(&mean), "a row has {mean} bytes");
    assert!((15_000..24_000).contains(&largest), "the largest input has {largest} bytes");
    assert!((20_500..21_200).contains(&rows), "{rows} versions");
    assert!((200..800).contains(&late), "{late} late rows");
    assert!((50..300).contains(&moved), "{moved} moved starts");
    assert!((100..1_500).contains(&duplicates), "{duplicates} rows with a metadata key twice");
    assert_eq!(days.len(), 14);
    let types =
        ["AGENT", "CHAIN", "EMBEDDING", "EVALUATOR", "EVENT", "GENERATION", "GUARDRAIL", "RETRIEVER", "SPAN", "TOOL"];
    assert!(types.iter().all(|kind| seen["type"].contains(*kind)), "{:?}", seen["type"]);
    assert_eq!(seen["level"].len(), 4);
    assert_eq!(seen["provided_model_name"].len(), 6);
    assert!(seen["user_id"].len() > 200 && seen["session_id"].len() > 300 && seen["release"].len() > 1);

    let depth = |tree: &HashMap<String, String>, span: &String| {
        let mut depth = 1;
        let mut at = span;
        while let Some(parent) = tree.get(at).filter(|parent| !parent.is_empty()) {
            depth += 1;
            at = parent;
        }
        depth
    };
    let deepest = spans.values().flat_map(|tree| tree.keys().map(move |span| depth(tree, span))).max();
    assert_eq!(deepest, Some(4));
    let largest = spans.values().map(HashMap::len).max().unwrap();
    assert!((25..=40).contains(&largest), "the largest trace has {largest} spans");
    assert!(spans.values().any(|tree| tree.len() == 1));
}

#[test]
fn scores_of_every_type_hang_on_traces_and_observations() {
    let mut seen = HashSet::new();
    let mut comments = 0;
    for generated in batches(options(20_000)).unwrap() {
        comments += generated.comments.len();
        let observations = texts(&generated.scores, "observation_id");
        let types = texts(&generated.scores, "data_type");
        seen.extend((0..types.len()).map(|row| (types.value(row).to_owned(), observations.is_valid(row))));
    }
    for expected in [
        ("NUMERIC", true),
        ("NUMERIC", false),
        ("BOOLEAN", true),
        ("CATEGORICAL", true),
        ("CATEGORICAL", false),
        ("TEXT", false),
        ("CORRECTION", true),
    ] {
        assert!(seen.contains(&(expected.0.to_owned(), expected.1)), "{expected:?}");
    }
    assert!((20..200).contains(&comments), "{comments} comments");
}

#[test]
fn scores_change_and_end_where_that_is_asked_for_and_nothing_else_does() {
    let asked = || Options { score_updates: 0.3, score_deletions: 0.2, ..options(3_000) };
    let events = |options: Options| hash(&jsonl(batches(options).unwrap().map(|generated| generated.events)));
    let scores = |options: Options| -> Vec<serde_json::Value> {
        let lines = jsonl(batches(options).unwrap().map(|generated| generated.scores));
        lines.split_inclusive(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect()
    };
    let id = |score: &serde_json::Value| score["id"].as_str().unwrap().to_owned();
    assert_eq!(events(asked()), events(options(3_000)));
    assert_eq!(scores(asked()), scores(asked()));

    let mut versions: HashMap<String, Vec<serde_json::Value>> = HashMap::new();
    for score in scores(asked()) {
        versions.entry(id(&score)).or_default().push(score);
    }
    let first = scores(options(3_000));
    assert_eq!(first.len(), versions.len(), "a score has one version unless more are asked for");
    assert!(first.iter().all(|score| versions[&id(score)][0] == *score));
    let mut changed = HashSet::new();
    for versions in versions.values() {
        for pair in versions.windows(2) {
            let (older, newer) = (&pair[0], &pair[1]);
            assert!(newer["event_ts"].as_str() > older["event_ts"].as_str(), "{older} {newer}");
            let columns = ["value", "string_value", "name", "timestamp", "is_deleted"];
            changed.extend(columns.into_iter().filter(|column| older[*column] != newer[*column]));
        }
    }
    assert_eq!(changed.len(), 5, "{changed:?}");
}

#[test]
fn text_compresses_like_text() {
    let mut text = Vec::new();
    for generated in batches(options(3_000)).unwrap() {
        text.extend_from_slice(texts(&generated.events, "input").values());
    }
    let packed = zstd::bulk::compress(&text, 3).unwrap();
    let ratio = text.len() as f64 / packed.len() as f64;
    assert!((2.5..4.5).contains(&ratio), "{ratio}");
}

#[test]
fn payloads_are_json_in_both_spellings() {
    let mut escaped = 0;
    for generated in batches(options(2_000)).unwrap() {
        for column in ["input", "output", "model_parameters"] {
            for text in texts(&generated.events, column).iter().flatten().filter(|text| !text.is_empty()) {
                serde_json::from_str::<serde::de::IgnoredAny>(text).unwrap_or_else(|error| panic!("{error}: {text}"));
                escaped += usize::from(text.contains("\\u"));
            }
        }
    }
    assert!(escaped > 50, "{escaped} texts with escapes");
}

#[test]
fn impossible_options_are_named() {
    let fault = |options: Options| batches(options).err().unwrap().public_message().to_owned();
    assert_eq!(fault(Options { late: 1.5, ..options(1) }), "--late: 1.5 is not a share from 0 to 1");
    assert_eq!(fault(Options { updates: f64::NAN, ..options(1) }), "--updates: NaN is not a share from 0 to 1");
    assert_eq!(fault(Options { deletions: 0.6, ..options(1) }), "--deletions: 0.6 is not a share from 0 to 0.5");
    assert_eq!(
        fault(Options { score_deletions: -0.1, ..options(1) }),
        "--score-deletions: -0.1 is not a share from 0 to 1"
    );
    assert_eq!(fault(Options { days: 0, ..options(1) }), "--days: 0 is not from 1 to 3650");
}

#[test]
fn parquet_holds_the_same_rows() {
    let table = tables::stored_events();
    let mut file = ParquetFile::create(&table, Vec::new()).unwrap();
    let generated: Vec<RecordBatch> = batches(options(300)).unwrap().map(|generated| generated.events).collect();
    for batch in &generated {
        file.write(batch).unwrap();
    }
    let bytes = bytes::Bytes::from(file.finish().unwrap());
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(bytes, 100_000).unwrap();
    assert_eq!(jsonl(reader.map(Result::unwrap)), jsonl(generated.into_iter()));
}
