//! The tables of Langfuse 3 beside those of Langfuse 4 and the embedded store: the same data, the same bytes.

use super::need_clickhouse;
use crate::servers::clickhouse::ClickHouse;
use crate::support::Bench;

/// Columns that an event has under the same name as an observation of version 3.
const ALIKE: &str = "trace_id, project_id, environment, type, start_time, end_time, name, level, input, output, \
    provided_model_name, model_parameters, provided_usage_details, usage_details, provided_cost_details, cost_details, \
    completion_start_time, prompt_id, prompt_name, prompt_version, usage_pricing_tier_id, usage_pricing_tier_name, \
    tool_definitions, tool_calls, tool_call_names, created_at, updated_at, event_ts, is_deleted";

/// The same data in each form.
struct Forms {
    bench: Bench,
    /// Observations and traces, in tables of their own.
    three: String,
    /// Events, of which the traces are the roots.
    four: String,
    /// Nothing but the observations, each with what its trace says.
    flat: String,
}

impl Forms {
    fn fill(server: &ClickHouse) -> Self {
        let bench = Bench::new();
        let [made, three, four, flat] = [(); 4].map(|()| server.deployment());
        let plain = server.url("default", &made, "");
        bench.ok(["generate", "--project", "p", "--events", "400", "--late", "0.2", "--source", &plain]);
        Self::three(server, &made, &three);
        Self::moved(server, &three);
        Self::four(server, &three, &four);
        Self::flat(server, &three, &flat);
        for database in [&three, &four, &flat] {
            server.run(database, &format!("INSERT INTO scores SELECT * FROM {made}.scores"));
        }
        Self::embedded(server, &bench, &four);
        let forms = [&three, &four, &flat].map(|database| server.url("default", database, "comments=own"));
        let [three, four, flat] = forms;
        Self { bench, three, four, flat }
    }

    fn three(server: &ClickHouse, made: &str, three: &str) {
        server.run(
            three,
            &format!(
                "INSERT INTO observations (id, parent_observation_id, metadata, status_message, version, \
                 internal_model_id, {ALIKE}) SELECT span_id, nullIf(parent_span_id, ''), \
                 CAST((metadata_names, metadata_values), 'Map(LowCardinality(String), String)'), \
                 nullIf(status_message, ''), nullIf(version, ''), nullIf(model_id, ''), {ALIKE} \
                 FROM {made}.events_full FINAL"
            ),
        );
        server.run(
            three,
            &format!(
                "INSERT INTO traces (id, project_id, timestamp, name, user_id, session_id, release, version, public, \
                 bookmarked, tags, input, output, metadata, created_at, updated_at, event_ts, is_deleted) \
                 SELECT trace_id, project_id, min(start_time) - INTERVAL 1 SECOND, any(trace_name), any(user_id), \
                 any(session_id), any(release), any(version), any(public), any(bookmarked), any(tags), any(input), \
                 any(output), map('region', 'eu'), min(created_at), max(updated_at), max(event_ts), 0 \
                 FROM {made}.events_full FINAL GROUP BY trace_id, project_id"
            ),
        );
    }

    /// Every tenth observation starts in another month since, in a version of its own.
    fn moved(server: &ClickHouse, three: &str) {
        server.run(three, "SYSTEM STOP MERGES observations");
        server.run(
            three,
            "INSERT INTO observations SELECT * REPLACE (start_time - INTERVAL 45 DAY AS start_time, \
             event_ts + INTERVAL 1 DAY AS event_ts, updated_at + INTERVAL 1 DAY AS updated_at) \
             FROM observations WHERE cityHash64(id) % 10 = 0",
        );
    }

    /// The newest versions of observations, as this version's own tables tell them.
    const NEWEST: &'static str =
        "(SELECT * FROM {three}.observations ORDER BY event_ts DESC LIMIT 1 BY project_id, id)";

    /// As Langfuse's migration makes them.
    fn four(server: &ClickHouse, three: &str, four: &str) {
        let newest = Self::NEWEST.replace("{three}", three);
        let alike: Vec<String> = ALIKE.split(", ").map(|name| format!("o.{name}")).collect();
        let alike = alike.join(", ");
        let of_trace = "trace_name, user_id, session_id, release, tags, public";
        server.run(
            four,
            &format!(
                "INSERT INTO events_full (span_id, parent_span_id, metadata_names, metadata_values, status_message, \
                 version, model_id, {of_trace}, {ALIKE}) SELECT o.id, \
                 ifNull(o.parent_observation_id, concat('t-', o.trace_id)), mapKeys(o.metadata), \
                 mapValues(o.metadata), o.status_message, o.version, o.internal_model_id, t.name, t.user_id, \
                 t.session_id, t.release, t.tags, t.public, {alike} FROM {newest} AS o \
                 LEFT JOIN {three}.traces AS t ON t.id = o.trace_id AND t.project_id = o.project_id"
            ),
        );
        server.run(
            four,
            &format!(
                "INSERT INTO events_full (span_id, trace_id, project_id, parent_span_id, start_time, name, trace_name, \
                 user_id, session_id, release, version, public, bookmarked, tags, input, output, metadata_names, \
                 metadata_values, environment, created_at, updated_at, event_ts, is_deleted) \
                 SELECT concat('t-', id), id, project_id, '', timestamp, name, name, user_id, session_id, release, \
                 version, public, bookmarked, tags, input, output, mapKeys(metadata), mapValues(metadata), \
                 environment, created_at, updated_at, event_ts, is_deleted FROM {three}.traces"
            ),
        );
    }

    fn flat(server: &ClickHouse, three: &str, flat: &str) {
        let newest = Self::NEWEST.replace("{three}", three);
        let alike: Vec<String> = ALIKE.split(", ").map(|name| format!("o.{name}")).collect();
        server.run(
            flat,
            &format!(
                "INSERT INTO events_full (span_id, parent_span_id, metadata_names, metadata_values, status_message, \
                 version, model_id, trace_name, user_id, session_id, release, tags, public, {ALIKE}) SELECT o.id, \
                 o.parent_observation_id, mapKeys(o.metadata), mapValues(o.metadata), o.status_message, o.version, \
                 o.internal_model_id, t.name, t.user_id, t.session_id, t.release, t.tags, t.public, {} \
                 FROM {newest} AS o LEFT JOIN {three}.traces AS t ON t.id = o.trace_id AND t.project_id = o.project_id",
                alike.join(", ")
            ),
        );
    }

    /// The events and the scores in the embedded store, and comments on some of everything.
    fn embedded(server: &ClickHouse, bench: &Bench, four: &str) {
        let lines = |text: &str| server.run(four, &format!("{text} FORMAT JSONEachRow"));
        bench.write("events.jsonl", lines("SELECT * FROM events_full"));
        bench.write("scores.jsonl", lines("SELECT * FROM scores FINAL"));
        bench.ok(["import", "events.jsonl"]);
        bench.ok(["import", "--table", "scores", "scores.jsonl"]);
        let mut comments = Vec::new();
        for (kind, select) in [
            ("OBSERVATION", "SELECT span_id AS id FROM events_full WHERE project_id = 'p' AND parent_span_id != ''"),
            ("TRACE", "SELECT DISTINCT trace_id AS id FROM events_full WHERE project_id = 'p'"),
            (
                "SESSION",
                "SELECT DISTINCT session_id AS id FROM events_full WHERE project_id = 'p' AND session_id != ''",
            ),
        ] {
            let ids = server.run(four, &format!("{select} ORDER BY cityHash64(id) LIMIT 7 FORMAT TSV"));
            comments.extend(ids.lines().map(|id| {
                serde_json::json!({
                    "id": format!("{kind} {id}"), "object_id": id, "object_type": kind, "content": format!("on {kind}"),
                    "author_user_id": "u", "author_email": "a@example.com", "created_at": "2026-06-02T00:00:00.000Z",
                })
            }));
        }
        bench.write("comments.json", serde_json::to_vec(&comments).unwrap());
        bench.ok(["import", "--table", "comments", "--project", "p", "comments.json"]);
    }

    /// An export from a source, the bench's own store where that is none.
    fn export(&self, source: Option<&str>, options: &[&str]) -> String {
        let source = source.map_or(Vec::new(), |source| vec!["--source", source]);
        self.bench.export("rows", &[&["--project", "p"], options, &source].concat())
    }

    /// Asserts that all forms have the same bytes, of so many rows at least.
    fn agree(&self, three: &str, others: &[Option<&str>], options: &[&str], rows_min: usize) -> String {
        let expected = self.export(Some(three), options);
        assert!(expected.lines().count() > rows_min, "{options:?}: {} lines", expected.lines().count());
        for other in others {
            let found = self.export(*other, options);
            let differing = expected.lines().zip(found.lines()).find(|(three, other)| three != other);
            assert_eq!(differing, None, "{options:?} of {other:?}");
            assert_eq!(expected.lines().count(), found.lines().count(), "{options:?} of {other:?}");
            assert!(expected == found, "{options:?} of {other:?}");
        }
        expected
    }
}

const HAS_COMMENTS: &str = r#"{"type":"number","column":"commentCount","operator":">=","value":1}"#;

#[test]
fn tables_of_version_3_and_4_and_the_embedded_store_make_the_same_files() {
    let server = need_clickhouse!();
    let forms = Forms::fill(server);
    for is_merged in [false, true] {
        if is_merged {
            let three = forms.three.rsplit('/').next().unwrap().split('?').next().unwrap();
            server.run(three, "SYSTEM START MERGES observations");
            server.run(three, "OPTIMIZE TABLE observations FINAL");
            server.run(three, "OPTIMIZE TABLE traces FINAL");
        }
        for (table, others, by_score, has_comments) in [
            ("traces", vec![Some(forms.four.as_str()), None], true, true),
            ("sessions", vec![Some(forms.four.as_str()), None], false, true),
            ("scores", vec![Some(forms.four.as_str()), None], false, false),
            // Of version 3 a trace is no observation.
            ("observations", vec![Some(forms.flat.as_str())], true, true),
            ("events", vec![Some(forms.flat.as_str())], true, true),
        ] {
            let asked = |more: &[&str], rows_min| {
                let options = [&["--table", table], more].concat();
                forms.agree(&forms.three, &others, &options, rows_min)
            };
            let csv = asked(&["--format", "csv"], 10);
            asked(&["--format", "jsonl", "--columns", "all"], 10);
            for cursor in ["ingested", "start_time"] {
                let window = ["--since", "2026-06-20", "--until", "2026-06-28", "--allow-empty"];
                asked(&[&["--format", "jsonl", "--cursor", cursor][..], &window].concat(), 0);
            }
            if has_comments {
                let commented = asked(&["--format", "jsonl", "--filter", HAS_COMMENTS], 2);
                assert!(commented.contains("a@example.com"), "{commented}");
                assert!(csv.contains("a@example.com"), "{table}");
            }
            if by_score {
                assert!(csv.lines().next().unwrap().contains("trace-quality"), "{csv:.2000}");
                let good =
                    r#"{"type":"numberObject","column":"scores","key":"trace-quality","operator":">","value":0.3}"#;
                asked(&["--format", "csv", "--filter", good], 2);
            }
            if table == "scores" {
                let named = r#"{"type":"string","column":"traceName","operator":"contains","value":"a"}"#;
                asked(&["--format", "jsonl", "--filter", named], 2);
            }
        }
    }
}
