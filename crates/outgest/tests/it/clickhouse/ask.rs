//! A request as a value: its command, and how it is made smaller, so that one that fails is told in its shortest form.

use serde_json::{Value, json};

/// Smaller requests that are tried to tell a failing one in its shortest form.
const SHRINKS_MAX: usize = 60;

/// A request, apart from where its rows come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    pub table: &'static str,
    pub filters: Vec<Value>,
    pub search: Option<(String, &'static str)>,
    pub columns: Vec<String>,
    pub since: Option<String>,
    pub until: Option<String>,
    pub cursor: &'static str,
    pub format: &'static str,
    pub limit: Option<u64>,
}

impl Ask {
    /// The options of `outgest export`.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--project", "p", "--table", self.table, "--format", self.format]
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>();
        let mut option = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        for filter in &self.filters {
            option("--filter", filter.to_string());
        }
        if let Some((query, kind)) = &self.search {
            option("--search", query.clone());
            option("--search-type", (*kind).to_owned());
        }
        if !self.columns.is_empty() {
            option("--columns", self.columns.join(","));
        }
        for (name, bound) in [("--since", &self.since), ("--until", &self.until)] {
            bound.iter().for_each(|bound| option(name, bound.clone()));
        }
        if self.cursor != "start_time" {
            option("--cursor", self.cursor.to_owned());
        }
        self.limit.iter().for_each(|limit| option("--limit", limit.to_string()));
        arguments
    }

    /// The command line that repeats it on a data directory, or on the source that is named beside it.
    pub fn command(&self, data: &str, source: Option<&str>) -> String {
        let source = source.into_iter().flat_map(|source| ["--source".to_owned(), source.to_owned()]);
        let words = source.chain(self.arguments()).map(|word| format!("'{}'", word.replace('\'', r"'\''")));
        format!("outgest --data {data} export {} -o -", words.collect::<Vec<_>>().join(" "))
    }

    /// Every request that asks for one thing less.
    pub fn smaller(&self) -> Vec<Self> {
        let mut smaller = Vec::new();
        for (place, filter) in self.filters.iter().enumerate() {
            let mut without = self.clone();
            without.filters.remove(place);
            smaller.push(without);
            for part in parts(filter) {
                let mut simpler = self.clone();
                simpler.filters[place] = part;
                smaller.push(simpler);
            }
        }
        if self.columns.len() > 1 {
            let (left, right) = self.columns.split_at(self.columns.len() / 2);
            smaller.extend([left, right].map(|columns| Self { columns: columns.to_vec(), ..self.clone() }));
        }
        smaller.push(Self { search: None, ..self.clone() });
        smaller.push(Self { limit: None, ..self.clone() });
        smaller.push(Self { since: None, ..self.clone() });
        smaller.push(Self { until: None, ..self.clone() });
        smaller.push(Self { cursor: "start_time", ..self.clone() });
        smaller.push(Self { format: "jsonl", ..self.clone() });
        smaller.retain(|other| other != self);
        smaller
    }
}

/// The request in its shortest form that still fails.
pub fn shrunk(ask: Ask, fails: &dyn Fn(&Ask) -> bool) -> Ask {
    let mut smallest = ask;
    let mut left = SHRINKS_MAX;
    'shrinking: loop {
        for smaller in smallest.smaller() {
            if left == 0 {
                return smallest;
            }
            left -= 1;
            if fails(&smaller) {
                smallest = smaller;
                continue 'shrinking;
            }
        }
        return smallest;
    }
}

/// What a combination of filters is made of.
pub fn parts(filter: &Value) -> Vec<Value> {
    let own = filter["filters"].as_array().cloned().unwrap_or_default();
    own.into_iter().chain(filter.get("filter").cloned()).collect()
}

#[test]
fn a_request_that_fails_by_one_of_its_filters_shrinks_to_that_filter() {
    let guilty = json!({"type": "string", "column": "name", "operator": "=", "value": "x"});
    let innocent = json!({"type": "string", "column": "level", "operator": "=", "value": "ERROR"});
    let combined = json!({"type": "and", "filters": [innocent, {"type": "not", "filter": guilty}]});
    let ask = Ask {
        table: "events",
        filters: vec![innocent, combined],
        search: Some(("a".to_owned(), "id")),
        columns: ["id", "name", "level"].map(str::to_owned).to_vec(),
        since: Some("2026-06-17T00:00:00Z".to_owned()),
        until: Some("2026-06-30T00:00:00Z".to_owned()),
        cursor: "ingested",
        format: "csv",
        limit: Some(7),
    };
    let text = guilty.to_string();
    let shortest = shrunk(ask, &|ask| ask.filters.iter().any(|filter| filter.to_string().contains(&text)));
    let expected = Ask {
        table: "events",
        filters: vec![guilty],
        search: None,
        columns: vec!["id".to_owned()],
        since: None,
        until: None,
        cursor: "start_time",
        format: "jsonl",
        limit: None,
    };
    assert_eq!(shortest, expected);
}
