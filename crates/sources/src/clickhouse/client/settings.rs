//! What we ask of a server for each query, and what it lets us ask.
//!
//! Settings bound what a query may take and choose the form of its answer. A user may not be allowed to
//! set them (`readonly = 1`, constraints of a profile), and an older server may not know them. So the
//! server is asked once which settings it has, which may be changed and within which bounds; a setting
//! that cannot be sent is left out and told by `doctor`. Right rows need no setting that differs from the
//! server's own defaults; a profile that changes one of those so that rows would be missing is refused.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt8Type;
use arrow_array::{Array, RecordBatch, StringArray};
use arrow_schema::DataType;

use model::{Fault, FaultKind};

use crate::clickhouse::options::ClickHouseOptions;

/// The server's view of every setting named in `names`.
pub(super) const PROBE: &str = "SELECT name, value, min, max, toUInt8(readonly) AS fixed FROM system.settings \
    WHERE has({names:Array(String)}, name)";

/// The form of answers: nothing is promised by it, only CPU saved. Text comes as bytes, which are checked faster by
/// ourselves; compression inside the blocks costs the server three times what it takes to read them
/// (1.41 s against 0.64 s of CPU for 229 MB).
const FORM: &[(&str, &str)] = &[
    ("output_format_arrow_compression_method", "none"),
    ("output_format_arrow_string_as_string", "0"),
    ("output_format_arrow_low_cardinality_as_dictionary", "0"),
];

/// Whether a query whose client is gone ends, also while it has nothing to send.
const ENDS_WITH_CONNECTION: &str = "cancel_http_readonly_queries_on_client_close";

/// How answers travel: a slow destination must not make the server give up, and a query whose client is
/// gone must end. The second works only for queries that cannot write, so ours say that they cannot.
const TRAVEL: &[(&str, &str)] = &[
    ("http_send_timeout", "300"),
    ("http_receive_timeout", "300"),
    (ENDS_WITH_CONNECTION, "1"),
    ("readonly", "2"),
    ("enable_http_compression", "1"),
];

/// What must hold for an answer to have every row, and the rows that queries are written for. These are
/// the server's defaults, but profiles may differ: `break` makes a server cut results without a word.
const GUARD: &[(&str, &str)] = &[
    ("read_overflow_mode", "throw"),
    ("read_overflow_mode_leaf", "throw"),
    ("group_by_overflow_mode", "throw"),
    ("sort_overflow_mode", "throw"),
    ("result_overflow_mode", "throw"),
    ("timeout_overflow_mode", "throw"),
    ("timeout_overflow_mode_leaf", "throw"),
    ("set_overflow_mode", "throw"),
    ("join_overflow_mode", "throw"),
    ("transfer_overflow_mode", "throw"),
    ("distinct_overflow_mode", "throw"),
    ("limit", "0"),
    ("offset", "0"),
    ("skip_unavailable_shards", "0"),
    ("apply_deleted_mask", "1"),
    ("use_query_cache", "0"),
    (SKIP_EXACTLY, "1"),
    ("join_use_nulls", "0"),
    ("transform_null_in", "0"),
    ("cast_keep_nullable", "0"),
    ("aggregate_functions_null_for_empty", "0"),
    ("empty_result_for_aggregation_by_empty_set", "0"),
    ("final", "0"),
    ("prefer_column_name_to_alias", "0"),
    ("short_circuit_function_evaluation", "enable"),
    ("session_timezone", ""),
    ("date_time_overflow_behavior", "ignore"),
];

/// How many rows come together. Left alone a server sends a slice as one block: its first row comes with its
/// last, and is held as long.
const BLOCK_ROWS: &str = "max_block_size";

/// What a query has that met the limit of memory: one thread, small blocks, and groups and sorts that go to disk
/// early. Merging the versions of a table takes a block of every part for each thread.
const SPARING: &[(&str, &str)] = &[
    ("max_threads", "1"),
    (BLOCK_ROWS, "1024"),
    ("max_bytes_before_external_group_by", "4000000"),
    ("max_bytes_before_external_sort", "4000000"),
];

/// Whether the versions of one slice are merged by several threads. Each of them reads the granules at its ends too: a
/// fifth more rows. Several slices are in flight, so no core waits for one that is merged by a single thread. A page is
/// one query, whose rows lie apart: it is left to several.
const MERGED_IN_PARTS: &str = "split_intersecting_parts_ranges_into_layers_final";

/// What a query for a few rows has, so that a granule is enough for a thread. Left alone a server gives each at least
/// twenty granules of what needs no merging: more than a page has with payloads, which one thread would unpack.
const APART: &[(&str, &str)] = &[
    ("merge_tree_min_rows_for_concurrent_read", "1"),
    ("merge_tree_min_bytes_for_concurrent_read", "1"),
    ("merge_tree_min_read_task_size", "1"),
];

/// Whether `FINAL` looks at skip indexes at all: wrong where the server does not look again at what replaces the rows
/// that they find, as [`SKIP_EXACTLY`] has it do.
const SKIP: &str = "use_skip_indexes_if_final";
const SKIP_EXACTLY: &str = "use_skip_indexes_if_final_exact_mode";

/// A setting that limits what a query takes, as far as the server lets us set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The server's name for it.
    pub setting: &'static str,
    /// What we would set.
    pub wanted: String,
    /// What holds for our queries.
    pub effective: String,
    /// Why it is not what we would set, where it is not.
    pub note: Option<&'static str>,
}

/// Settings that go with every query.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    /// Name and value.
    pub(super) sent: Vec<(&'static str, String)>,
    /// Limits among them, and those that are missing.
    pub(super) limits: Vec<Limit>,
    /// Whether a log comment can be sent.
    pub(super) log_comment: bool,
    /// Whether queries end with their connections.
    pub(super) ends_with_connection: bool,
    /// The number of rows of a block, where it can be set.
    block_rows: Option<Known>,
    /// Whether slices can be told to be merged by one thread.
    merges_whole: bool,
    /// Those of [`SPARING`] that can be sent.
    sparing: Vec<(&'static str, String)>,
    /// Those of [`APART`] that can be sent.
    apart: Vec<(&'static str, String)>,
}

/// A setting as the server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    value: String,
    min: Option<String>,
    max: Option<String>,
    fixed: bool,
}

/// Limits that we set, with their values.
fn limits_of(options: &ClickHouseOptions) -> Vec<(&'static str, String)> {
    let mut limits = vec![
        ("max_threads", options.threads_max.to_string()),
        ("max_memory_usage", options.memory_bytes_max.to_string()),
        ("max_execution_time", options.time_max.as_secs().to_string()),
    ];
    limits.extend(options.priority.map(|priority| ("priority", priority.to_string())));
    limits
}

/// The names to ask the server for.
pub(super) fn names(options: &ClickHouseOptions) -> Vec<&'static str> {
    let limits = limits_of(options).into_iter().map(|(name, _)| name);
    limits
        .chain(FORM.iter().chain(TRAVEL).chain(GUARD).map(|(name, _)| *name))
        .chain(SPARING[2..].iter().chain(APART).map(|(name, _)| *name))
        .chain(["log_comment", BLOCK_ROWS, MERGED_IN_PARTS, SKIP])
        .collect()
}

impl Settings {
    /// What can be sent, from the blocks of the answer to [`PROBE`]. A setting that would cost rows and may not be
    /// changed is a fault, and so is an answer that tells of none: nothing would be guarded.
    pub(super) fn of_probe(options: &ClickHouseOptions, answer: &[RecordBatch]) -> Result<Self, Fault> {
        let mut known = HashMap::new();
        for block in answer {
            known.extend(known_of(block).ok_or_else(|| {
                Fault::corrupt(format!("the list of settings of {options} has other types than it was asked for"))
            })?);
        }
        if known.is_empty() {
            return Err(Fault::corrupt(format!("{options} tells no settings, so that none can be relied on"))
                .hint("the user needs system.settings, which every user may read unless it was taken away"));
        }
        let mut settings = Self::default();
        for (name, wanted) in limits_of(options) {
            let limit = Limit::of(name, wanted, known.get(name));
            if known.get(name).is_some_and(|known| !known.fixed) {
                settings.sent.push((name, limit.effective.clone()));
            }
            settings.limits.push(limit);
        }
        for (name, value) in FORM.iter().chain(TRAVEL) {
            let Some(known) = known.get(*name).filter(|known| !known.fixed && known.value != *value) else { continue };
            if known.allows(value) {
                settings.sent.push((name, (*value).to_owned()));
            }
        }
        let skips = (!known.contains_key(SKIP_EXACTLY)).then_some((SKIP, "0"));
        for (name, value) in GUARD.iter().copied().chain(skips) {
            let Some(known) = known.get(name).filter(|known| known.value != value) else { continue };
            if known.fixed || !known.allows(value) {
                return Err(Fault::new(
                    FaultKind::Configuration,
                    format!(
                        "user {:?} of {options} has {name} = {}, with which rows may be missing, and may not change it",
                        options.user, known.value
                    ),
                )
                .hint(format!("set {name} to {} in the user's profile", if value.is_empty() { "''" } else { value })));
            }
            settings.sent.push((name, value.to_owned()));
        }
        settings.log_comment = known.get("log_comment").is_some_and(|known| !known.fixed);
        settings.block_rows = known.get(BLOCK_ROWS).filter(|known| !known.fixed).cloned();
        let merged_in_parts = known.get(MERGED_IN_PARTS).filter(|known| !known.fixed && known.value != "0");
        settings.merges_whole = merged_in_parts.is_some_and(|known| known.allows("0"));
        let can_be_sent = |name: &str, value: &str| known.get(name).is_some_and(|k| !k.fixed && k.allows(value));
        let those_of = |list: &'static [(&'static str, &'static str)]| -> Vec<(&'static str, String)> {
            let those = list.iter().filter(|(name, value)| can_be_sent(name, value));
            those.map(|(name, value)| (*name, (*value).to_owned())).collect()
        };
        let ends = known.get(ENDS_WITH_CONNECTION).is_some_and(|known| known.value == "1");
        settings.ends_with_connection = ends || can_be_sent(ENDS_WITH_CONNECTION, "1");
        settings.sparing = those_of(SPARING);
        settings.apart = those_of(APART);
        Ok(settings)
    }

    /// What is sent with a query that has `more` besides: each setting once.
    pub(super) fn with(&self, more: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
        let sent = self.sent.iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
        sent.chain(more).cloned().collect()
    }

    /// What a query has besides that takes less memory and more time, as far as it can be sent.
    pub(super) fn sparing(&self) -> Vec<(&'static str, String)> {
        self.sparing.clone()
    }

    /// Whether the rows of a block can be bounded.
    pub(super) fn bounds_blocks(&self) -> bool {
        self.block_rows.is_some()
    }

    /// What a query for a slice has besides, as far as it can be sent: blocks of so many rows where they would have
    /// more, and one thread that merges.
    pub(super) fn of_slice(&self, rows: u64) -> Vec<(&'static str, String)> {
        let merged = self.merges_whole.then(|| (MERGED_IN_PARTS, "0".to_owned()));
        self.blocks_of(rows).into_iter().chain(merged).collect()
    }

    /// What a query for a few rows that lie apart has besides, likewise: such blocks, and threads that share granules.
    pub(super) fn of_few(&self, rows: u64) -> Vec<(&'static str, String)> {
        self.blocks_of(rows).into_iter().chain(self.apart.iter().cloned()).collect()
    }

    fn blocks_of(&self, rows: u64) -> Option<(&'static str, String)> {
        let block_rows = self.block_rows.as_ref();
        let known = block_rows.filter(|known| known.value.parse().is_ok_and(|there: u64| rows < there))?;
        let wanted = rows.to_string();
        Some((BLOCK_ROWS, known.within(&wanted).unwrap_or(wanted)))
    }
}

impl Limit {
    fn of(setting: &'static str, wanted: String, known: Option<&Known>) -> Self {
        let (effective, note) = match known {
            None => ("unlimited".to_owned(), Some("this server does not have the setting")),
            Some(known) if known.value == wanted => (wanted.clone(), None),
            Some(known) if known.fixed => (shown(&known.value), Some("the user may not change the setting")),
            Some(known) => match known.within(&wanted) {
                None => (wanted.clone(), None),
                Some(bound) => (bound, Some("the user's profile bounds the setting")),
            },
        };
        Self { setting, wanted, effective, note }
    }
}

/// `0` stands for no limit.
fn shown(value: &str) -> String {
    if value == "0" { "unlimited".to_owned() } else { value.to_owned() }
}

impl Known {
    /// The nearest allowed value, where `wanted` is not allowed.
    fn within(&self, wanted: &str) -> Option<String> {
        let number = |text: &str| text.parse::<f64>().ok();
        let beyond = |bound: &Option<String>, beyond: fn(f64, f64) -> bool| {
            let bound = bound.as_deref()?;
            beyond(number(wanted)?, number(bound)?).then(|| bound.to_owned())
        };
        beyond(&self.max, |wanted, max| wanted > max).or_else(|| beyond(&self.min, |wanted, min| wanted < min))
    }

    fn allows(&self, value: &str) -> bool {
        self.within(value).is_none()
    }
}

/// The settings of a block. A profile decides how texts are sent, so these may come as bytes or as dictionaries.
fn known_of(block: &RecordBatch) -> Option<HashMap<String, Known>> {
    let column = |name: &str, kind: &DataType| arrow_cast::cast(block.column_by_name(name)?, kind).ok();
    let [names, values, min, max] = ["name", "value", "min", "max"].map(|name| column(name, &DataType::Utf8));
    let (names, values, min, max) = (names?, values?, min?, max?);
    let fixed = column("fixed", &DataType::UInt8)?;
    let [names, values, min, max] = [&names, &values, &min, &max].map(|column| column.as_string::<i32>());
    let fixed = fixed.as_primitive::<UInt8Type>();
    let optional = |column: &StringArray, row| {
        Some(column.value(row).to_owned()).filter(|bound| !column.is_null(row) && !bound.is_empty())
    };
    let known = |row| {
        let known = Known {
            value: values.value(row).to_owned(),
            min: optional(min, row),
            max: optional(max, row),
            fixed: fixed.value(row) != 0,
        };
        (names.value(row).to_owned(), known)
    };
    Some((0..block.num_rows()).map(known).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, BinaryArray, UInt8Array};
    use arrow_schema::Field;
    use model::RawOptions;

    use super::*;

    fn probed(rows: &[(&str, &str, Option<&str>, u8)]) -> Result<Settings, Fault> {
        let options =
            ClickHouseOptions::read("clickhouse://h/d?threads_max=8&priority=3", &RawOptions::default(), &|_| None);
        let text = |values: Vec<Option<&str>>| Arc::new(StringArray::from(values)) as ArrayRef;
        let answer = RecordBatch::try_from_iter_with_nullable([
            ("name", text(rows.iter().map(|row| Some(row.0)).collect()), false),
            ("value", text(rows.iter().map(|row| Some(row.1)).collect()), false),
            ("min", text(vec![None; rows.len()]), true),
            ("max", text(rows.iter().map(|row| row.2).collect()), true),
            ("fixed", Arc::new(rows.iter().map(|row| row.3).collect::<UInt8Array>()) as ArrayRef, false),
        ]);
        let answer = answer.unwrap();
        // A server may send it in any number of blocks.
        let blocks: Vec<RecordBatch> = (0..answer.num_rows()).map(|row| answer.slice(row, 1)).collect();
        Settings::of_probe(&options.unwrap(), &blocks)
    }

    fn limit<'a>(settings: &'a Settings, name: &str) -> (&'a str, Option<&'static str>) {
        let limit = settings.limits.iter().find(|limit| limit.setting == name).unwrap();
        (&limit.effective, limit.note)
    }

    #[test]
    fn a_user_who_may_set_them_gets_every_setting() {
        let rows = [("max_threads", "auto(2)", None, 0), ("log_comment", "", None, 0), ("readonly", "0", None, 0)];
        let settings = probed(&rows).unwrap();
        assert_eq!(settings.sent, [("max_threads", "8".to_owned()), ("readonly", "2".to_owned())]);
        assert_eq!(limit(&settings, "max_threads"), ("8", None));
        assert!(settings.log_comment);
        assert_eq!(limit(&settings, "priority"), ("unlimited", Some("this server does not have the setting")));
    }

    #[test]
    fn a_profile_bounds_what_is_sent() {
        let settings = probed(&[("max_threads", "4", Some("4"), 0), ("max_memory_usage", "0", None, 0)]).unwrap();
        assert_eq!(settings.sent[0], ("max_threads", "4".to_owned()));
        assert_eq!(limit(&settings, "max_threads"), ("4", Some("the user's profile bounds the setting")));
        assert_eq!(limit(&settings, "max_memory_usage").1, None);
    }

    #[test]
    fn blocks_become_smaller_where_that_may_be_asked_for() {
        let blocks = |value, fixed| probed(&[("max_block_size", value, None, fixed)]).unwrap().of_slice(1_000);
        assert_eq!(blocks("65409", 0), [("max_block_size", "1000".to_owned())]);
        assert_eq!(blocks("500", 0), [], "never larger than the server would make them");
        assert_eq!(blocks("65409", 1), []);
        let bounds = |fixed| probed(&[("max_block_size", "65409", None, fixed)]).unwrap().bounds_blocks();
        assert_eq!([bounds(0), bounds(1)], [true, false]);
        let merged = |value, fixed| probed(&[(MERGED_IN_PARTS, value, None, fixed)]).unwrap().of_slice(1_000);
        assert_eq!(merged("1", 0), [(MERGED_IN_PARTS, "0".to_owned())]);
        assert_eq!([merged("0", 0), merged("1", 1)], [[], []]);
    }

    #[test]
    fn a_few_rows_are_read_by_threads_that_share_granules() {
        let few = |fixed| {
            let least = "merge_tree_min_rows_for_concurrent_read";
            let rows =
                [("max_block_size", "65409", None, 0), (least, "163840", None, fixed), (MERGED_IN_PARTS, "1", None, 0)];
            probed(&rows).unwrap().of_few(1_000)
        };
        let (blocks, least) = (("max_block_size", "1000".to_owned()), (APART[0].0, "1".to_owned()));
        assert_eq!(few(0), [blocks.clone(), least]);
        assert_eq!(few(1), [blocks]);
    }

    #[test]
    fn answers_may_be_compressed_where_a_server_has_it_otherwise() {
        let sent = |value, fixed| probed(&[("enable_http_compression", value, None, fixed)]).unwrap().sent;
        assert_eq!(sent("0", 0), [("enable_http_compression", "1".to_owned())]);
        assert_eq!([sent("1", 0), sent("0", 1)], [[], []]);
    }

    #[test]
    fn queries_end_with_their_connections_where_the_server_watches_these() {
        let ends = |value, fixed| probed(&[(ENDS_WITH_CONNECTION, value, None, fixed)]).unwrap().ends_with_connection;
        assert_eq!([ends("0", 0), ends("1", 1), ends("0", 1)], [true, true, false]);
        assert!(!probed(&[("readonly", "1", None, 1)]).unwrap().ends_with_connection, "no server of this age watches");
    }

    #[test]
    fn a_sparing_query_has_its_own_threads_and_each_setting_once() {
        let rows = [("max_threads", "auto(2)", None, 0), ("max_block_size", "65409", None, 0)];
        let settings = probed(&rows).unwrap();
        let sparing = [("max_threads", "1".to_owned()), ("max_block_size", "1024".to_owned())];
        assert_eq!(settings.with(&settings.sparing()), sparing);
        assert_eq!(probed(&[("max_threads", "4", Some("4"), 1)]).unwrap().sparing(), []);
    }

    #[test]
    fn a_user_who_may_only_read_sends_nothing() {
        let rows =
            [("max_threads", "auto(2)", None, 1), ("max_execution_time", "0", None, 1), ("readonly", "1", None, 1)];
        let settings = probed(&rows).unwrap();
        assert_eq!(settings.sent, []);
        assert!(!settings.log_comment);
        assert_eq!(limit(&settings, "max_execution_time"), ("unlimited", Some("the user may not change the setting")));
    }

    #[test]
    fn a_profile_that_would_cost_rows_is_overruled_or_refused() {
        let settings = probed(&[("read_overflow_mode", "break", None, 0), ("limit", "0", None, 1)]).unwrap();
        assert_eq!(settings.sent, [("read_overflow_mode", "throw".to_owned())]);
        let fault = probed(&[("read_overflow_mode", "break", None, 1)]).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Configuration);
        assert!(fault.to_string().contains("read_overflow_mode = break"), "{fault}");
        assert_eq!(probed(&[]).unwrap_err().kind(), FaultKind::Corrupt, "nothing would be guarded");
    }

    #[test]
    fn guards_hold_whatever_form_the_profile_gives_texts() {
        let options = ClickHouseOptions::read("clickhouse://h/d", &RawOptions::default(), &|_| None).unwrap();
        let bytes = |value: &str| Arc::new(BinaryArray::from(vec![value.as_bytes()])) as ArrayRef;
        let block = |fixed: ArrayRef| {
            let texts = [("name", "result_overflow_mode"), ("value", "break"), ("min", ""), ("max", "")];
            let columns = texts.map(|(name, value)| (name, bytes(value))).into_iter().chain([("fixed", fixed)]);
            RecordBatch::try_from_iter(columns).unwrap()
        };
        let settings = Settings::of_probe(&options, &[block(Arc::new(UInt8Array::from(vec![0])))]).unwrap();
        assert_eq!(settings.sent, [("result_overflow_mode", "throw".to_owned())]);
        let nested = arrow_array::ListArray::new_null(Arc::new(Field::new("item", DataType::Utf8, true)), 1);
        let fault = Settings::of_probe(&options, &[block(Arc::new(nested))]).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Corrupt);
    }
}
