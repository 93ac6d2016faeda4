//! Random requests: any table, filters of every type and operator, search, columns, windows, formats.
//!
//! A request is drawn from a seed. Values are taken from rows that are stored, often changed a little, so that
//! filters select some.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};

use super::ask::{Ask, parts};
use super::sample::Sample;

/// Rows beyond which a request is large.
pub const LARGE_ROWS: u64 = 10_000;

/// A wire type of filters and one of its operators.
pub type Combination = (&'static str, &'static str);

/// Draws requests.
pub struct Requests<'a> {
    random: ChaCha8Rng,
    sample: &'a Sample,
}

const FORMATS: &[&str] = &["csv", "jsonl", "json", "parquet"];
/// Columns that make up most of a row.
const PAYLOADS: &[&str] = &["input", "output", "metadata"];
/// Tables by how often they are asked for.
const TABLES: &[&str] = &["events", "events", "observations", "scores", "traces", "sessions"];

impl<'a> Requests<'a> {
    pub fn new(seed: u64, sample: &'a Sample) -> Self {
        Self { random: ChaCha8Rng::seed_from_u64(seed), sample }
    }

    fn below(&mut self, end: usize) -> usize {
        (self.random.next_u64() % end as u64) as usize
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    /// True in `percent` of all cases.
    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// A request with a filter of this combination; `large` ones ask for many rows of few columns, and have no further
    /// conditions but those that leave most rows.
    pub fn draw(&mut self, combination: Combination, large: bool) -> Ask {
        let table = self.table_with(combination, large);
        let first = self.condition(table, Some(combination));
        let mut filters = vec![first];
        if !large {
            for _ in 0..self.below(3) {
                let more = self.condition(table, None);
                filters.push(more);
            }
            if filters.len() > 1 && self.chance(40) {
                let kind = self.pick(&["and", "or"]);
                filters = vec![json!({"type": kind, "filters": filters})];
            }
            if self.chance(20) {
                filters[0] = json!({"type": "not", "filter": filters[0]});
            }
        }
        let cursor = if self.chance(30) { "ingested" } else { "start_time" };
        let (since, until) = self.window(large);
        let (limit_min, limit_spread) = if large { (LARGE_ROWS + 1, 3_000) } else { (1, 300) };
        Ask {
            table,
            filters,
            search: if self.chance(25) { self.search(table, large) } else { None },
            columns: self.columns(table, large),
            since,
            until,
            cursor,
            format: self.pick(FORMATS),
            limit: self.chance(15).then(|| limit_min + self.below(limit_spread) as u64),
        }
    }

    fn table_with(&mut self, (kind, operator): Combination, large: bool) -> &'static str {
        let candidates = if large { &["events", "observations"][..] } else { TABLES };
        let takes = |table: &&&str| {
            let table = tables::find(table).unwrap();
            let mut columns = table.filters.iter();
            columns.any(|column| {
                column.kind.accepted_types().contains(&kind) && column.kind.operators(kind).contains(&operator)
            })
        };
        let fitting: Vec<&'static str> = candidates.iter().filter(takes).copied().collect();
        if fitting.is_empty() { "events" } else { self.pick(&fitting) }
    }

    fn window(&mut self, large: bool) -> (Option<String>, Option<String>) {
        let bounds = match large {
            // Of two weeks at most a day and a half at either end.
            true => (self.bound(|time| time < "2026-06-18T12"), self.bound(|time| time > "2026-06-29T12")),
            false => (self.bound(|_| true), self.bound(|_| true)),
        };
        match bounds {
            (Some(a), Some(b)) if a == b => (Some(a), None),
            (Some(a), Some(b)) => (Some(a.clone().min(b.clone())), Some(a.max(b))),
            other => other,
        }
    }

    fn bound(&mut self, fits: impl Fn(&str) -> bool) -> Option<String> {
        let sample = self.sample;
        let fitting: Vec<&String> = sample.times.iter().filter(|time| fits(time)).collect();
        self.chance(40).then(|| self.pick(&fitting).clone())
    }

    fn search(&mut self, table: &str, large: bool) -> Option<(String, &'static str)> {
        if large {
            // Almost every row has one of them in one of its ids.
            return Some((self.pick(&["e", "A", "-"]).to_owned(), "id"));
        }
        let table_spec = tables::find(table).unwrap();
        let has_payloads = table_spec.search.input.is_some();
        let kinds: &[&str] = if has_payloads { &["id", "content", "input", "output"] } else { &["id"] };
        let kind = self.pick(kinds);
        let kind: &'static str = ["id", "content", "input", "output"].into_iter().find(|known| *known == kind)?;
        (!table_spec.search.id.is_empty()).then(|| (self.piece(table), kind))
    }

    fn columns(&mut self, table: &str, large: bool) -> Vec<String> {
        if !large && self.chance(25) {
            return Vec::new();
        }
        let spec = tables::find(table).unwrap();
        let mut names: Vec<String> = spec.columns.iter().map(|column| column.name.clone()).collect();
        if large {
            names.retain(|name| !PAYLOADS.contains(&name.as_str()));
        }
        let count = 1 + self.below(if large { 6 } else { names.len() });
        let mut chosen = Vec::new();
        for _ in 0..count {
            let place = self.below(names.len());
            chosen.push(names.swap_remove(place));
        }
        if large && self.chance(25) {
            chosen.push(self.pick(PAYLOADS).to_owned());
        }
        if spec.scores && self.chance(40) {
            chosen.push("scores".to_owned());
        }
        chosen
    }

    /// A condition; of this combination, where one is asked for.
    fn condition(&mut self, table: &str, combination: Option<Combination>) -> Value {
        let spec = tables::find(table).unwrap();
        let mut fitting = Vec::new();
        for column in &spec.filters {
            for kind in column.kind.accepted_types() {
                for operator in column.kind.operators(kind) {
                    if combination.is_none_or(|wanted| wanted == (kind, operator)) {
                        fitting.push((column.id, kind, operator));
                    }
                }
            }
        }
        let (column, kind, operator) = self.pick(&fitting);
        let mut condition = json!({"type": kind, "column": column, "operator": operator});
        match kind {
            "string" => condition["value"] = json!(self.text_for(table, column, operator)),
            "stringOptions" | "arrayOptions" => {
                let count = 1 + self.below(3);
                let values: Vec<String> = (0..count).map(|_| self.text(table, column)).collect();
                condition["value"] = json!(values);
            }
            "number" => condition["value"] = self.number(table, column),
            "datetime" => condition["value"] = json!(self.pick(&self.sample.times)),
            "boolean" => condition["value"] = json!(self.chance(50)),
            "null" => condition["value"] = json!(""),
            "stringObject" => {
                let (key, value) = self.pick(&self.sample.metadata);
                let value = if self.chance(70) { value } else { self.piece(table) };
                condition["key"] = json!(key);
                condition["value"] = json!(if operator == "=" { value } else { self.cut(&value, operator) });
            }
            "numberObject" => {
                let names = ["trace-quality", "relevance", "relevance-reviewed", "no-such-score"];
                condition["key"] = json!(self.pick(&names));
                condition["value"] = json!(self.below(101) as f64 / 100.0);
            }
            "booleanObject" => {
                condition["key"] = json!("is-helpful");
                condition["value"] = json!(self.chance(50));
            }
            "categoryOptions" => {
                let (key, values) = self.pick(&[
                    ("sentiment", ["positive", "neutral", "no such"]),
                    ("outcome", ["solved", "open", "escalated"]),
                ]);
                condition["key"] = json!(key);
                condition["value"] = json!(values[..1 + self.below(3)]);
            }
            "positionInTrace" => {
                let key = self.pick(&["root", "first", "last", "nthFromStart", "nthFromEnd"]);
                condition["key"] = json!(key);
                if key.starts_with("nth") {
                    condition["value"] = json!(1 + self.below(4));
                }
            }
            other => panic!("no values for filters of type {other}"),
        }
        condition
    }

    fn number(&mut self, table: &str, column: &str) -> Value {
        let stored = self.sample.numbers(table, column);
        if !stored.is_empty() && self.chance(70) {
            return self.pick(&stored);
        }
        self.pick(&[json!(0), json!(1), json!(0.5), json!(2.75), json!(-1), json!(1000), json!(0.000_001), json!(1e21)])
    }

    fn text_for(&mut self, table: &str, column: &str, operator: &str) -> String {
        let text = self.text(table, column);
        if operator == "=" { text } else { self.cut(&text, operator) }
    }

    /// A text as it is stored in the column, or one like it.
    fn text(&mut self, table: &str, column: &str) -> String {
        let stored = self.sample.texts(table, column);
        match self.below(10) {
            0 => self.piece(table),
            1 => self
                .pick(&["", "%", "_", "no such", "it's", r"back\slash", "tab\there", "äöü", "日本", "{x:String}"])
                .to_owned(),
            _ if !stored.is_empty() => self.pick(&stored),
            _ => self.piece(table),
        }
    }

    /// A piece of some stored text.
    fn piece(&mut self, table: &str) -> String {
        let texts = self.sample.all_texts(table);
        let text = self.pick(texts);
        self.cut(&text, "contains")
    }

    /// A piece of a text that the operator can find, with a letter or digit where words are looked for.
    fn cut(&mut self, text: &str, operator: &str) -> String {
        let characters: Vec<char> = text.chars().collect();
        if characters.is_empty() {
            return if operator == "matches" { "the".to_owned() } else { String::new() };
        }
        let length = 1 + self.below(characters.len().min(12));
        let from = match operator {
            "starts with" => 0,
            "ends with" => characters.len() - length,
            _ => self.below(characters.len() - length + 1),
        };
        let mut piece: String = characters[from..from + length].iter().collect();
        if operator == "matches" {
            let word = text.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| word.len() > 2);
            return word.unwrap_or("the").to_owned();
        }
        if self.chance(15) {
            piece = if self.chance(50) { piece.to_uppercase() } else { piece.to_lowercase() };
        }
        piece
    }
}

/// Every wire type of filters with each of its operators, of all tables. Filters on comments are not a
/// source's; they have the types of others.
pub fn combinations() -> Vec<Combination> {
    let mut found: Vec<Combination> = Vec::new();
    for table in tables::all() {
        for column in &table.filters {
            for kind in column.kind.accepted_types() {
                found.extend(column.kind.operators(kind).into_iter().map(|operator| (kind, operator)));
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// The combinations that a filter is made of.
pub fn combinations_of(filter: &Value, found: &mut Vec<Combination>) {
    let parts = parts(filter);
    parts.iter().for_each(|part| combinations_of(part, found));
    if parts.is_empty() {
        let is = |(kind, operator): &Combination| filter["type"] == *kind && filter["operator"] == *operator;
        found.extend(combinations().into_iter().find(is));
    }
}
