//! Reading filters from JSON, strictly: an unknown field is a problem, not a field to skip.

use serde_json::{Map, Number, Value};

use super::wire::{
    ARRAY_OPS, BOOLEAN_OPS, DATETIME_OPS, NESTING_MAX, NUMBER_OPS, OPTIONS_OPS, OptionsOp, STRING_OPS, StringOp, Test,
    WireFilter,
};
use crate::{CompareOp, FieldProblem, Micros, TracePosition, nearest};

/// Every value of `type`.
const TYPES: &[&str] = &[
    "datetime",
    "string",
    "number",
    "stringOptions",
    "categoryOptions",
    "arrayOptions",
    "stringObject",
    "numberObject",
    "booleanObject",
    "boolean",
    "null",
    "positionInTrace",
    "and",
    "or",
    "not",
];

/// So many characters of a wrong value are repeated in a message.
const SHOWN_CHARS_MAX: usize = 80;

impl WireFilter {
    /// Reads one filter object, or an array of them; an empty array is no filter. `at` names the
    /// value in problems: `filter` gives `filter[2].value`.
    pub fn from_json(value: &Value, at: &str) -> Result<Vec<Self>, Vec<FieldProblem>> {
        let mut reader = Reader { problems: Vec::new() };
        let filters = match value {
            Value::Array(items) => reader.list(items, at, NESTING_MAX),
            other => reader.filter(other, at, NESTING_MAX).into_iter().collect(),
        };
        if reader.problems.is_empty() { Ok(filters) } else { Err(reader.problems) }
    }
}

struct Reader {
    problems: Vec<FieldProblem>,
}

/// The fields of one filter object.
struct Fields<'a> {
    at: &'a str,
    object: &'a Map<String, Value>,
}

impl Fields<'_> {
    fn path(&self, field: &str) -> String {
        format!("{}.{field}", self.at)
    }

    /// The field, where it is present and not null.
    fn get(&self, field: &str) -> Option<&Value> {
        self.object.get(field).filter(|value| !value.is_null())
    }
}

impl Reader {
    fn report(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.problems.push(FieldProblem::new(field, message));
    }

    fn list(&mut self, items: &[Value], at: &str, levels: usize) -> Vec<WireFilter> {
        let read = |(index, item)| self.filter(item, &format!("{at}[{index}]"), levels);
        items.iter().enumerate().filter_map(read).collect()
    }

    /// Reads one filter that may hold `levels` levels of combinations. `None` where a problem was reported.
    fn filter(&mut self, value: &Value, at: &str, levels: usize) -> Option<WireFilter> {
        let Value::Object(object) = value else {
            self.report(at, format!("{} is not a filter; a filter is an object with a type", shown(value)));
            return None;
        };
        let fields = Fields { at, object };
        let kind = self.choice(&fields, "type", TYPES)?;
        let allowed: &[&str] = match kind {
            "and" | "or" => &["type", "filters"],
            "not" => &["type", "filter"],
            "categoryOptions" | "stringObject" | "numberObject" | "booleanObject" | "positionInTrace" => {
                &["type", "column", "operator", "value", "key"]
            }
            _ => &["type", "column", "operator", "value"],
        };
        self.refuse_others(&fields, kind, allowed);
        if matches!(kind, "and" | "or" | "not") && levels == 0 {
            self.report(at, format!("filters are nested more than {NESTING_MAX} levels deep"));
            return None;
        }
        match kind {
            "and" => self.combined(&fields, levels).map(WireFilter::And),
            "or" => self.combined(&fields, levels).map(WireFilter::Or),
            "not" => {
                let Some(inner) = fields.get("filter") else {
                    self.report(fields.path("filter"), "is missing; not needs the filter it negates");
                    return None;
                };
                Some(WireFilter::Not(Box::new(self.filter(inner, &fields.path("filter"), levels - 1)?)))
            }
            condition => {
                let column = self.text(&fields, "column");
                let test = self.test(&fields, condition);
                Some(WireFilter::condition(at, column?, test?))
            }
        }
    }

    fn refuse_others(&mut self, fields: &Fields<'_>, kind: &str, allowed: &[&str]) {
        for name in fields.object.keys().filter(|name| !allowed.contains(&name.as_str())) {
            let message = format!("unknown field of a filter of type {kind}; its fields are {}", allowed.join(", "));
            let mut problem = FieldProblem::new(fields.path(name), message);
            if let Some(similar) = nearest(name, allowed.iter().copied()) {
                problem = problem.hint(format!("did you mean {similar:?}?"));
            }
            self.problems.push(problem);
        }
    }

    fn combined(&mut self, fields: &Fields<'_>, levels: usize) -> Option<Vec<WireFilter>> {
        let path = fields.path("filters");
        let items = match fields.get("filters") {
            Some(Value::Array(items)) if !items.is_empty() => items,
            Some(Value::Array(_)) => {
                self.report(path, "is empty; a combination needs at least one filter");
                return None;
            }
            Some(other) => {
                self.report(path, format!("{} is not an array of filters", shown(other)));
                return None;
            }
            None => {
                self.report(path, "is missing; a combination needs an array of filters");
                return None;
            }
        };
        let read = self.list(items, &path, levels - 1);
        (read.len() == items.len()).then_some(read)
    }

    /// Reads operator, key and value. Each is read whatever became of the others, so that all
    /// problems are reported at once.
    fn test(&mut self, fields: &Fields<'_>, kind: &str) -> Option<Test> {
        match kind {
            "datetime" => {
                let (op, value) = (self.operator(fields, DATETIME_OPS), self.datetime(fields));
                Some(Test::Datetime { op: op?, value: value? })
            }
            "string" => {
                let (op, value) = (self.operator(fields, STRING_OPS), self.text(fields, "value"));
                Some(Test::String { op: op?, value: value? })
            }
            "number" => {
                let (op, value) = (self.operator(fields, NUMBER_OPS), self.number(fields));
                Some(Test::Number { op: op?, value: value? })
            }
            "stringOptions" => {
                let (op, values) = self.options(fields, OPTIONS_OPS)?;
                Some(Test::StringOptions { op, values })
            }
            "arrayOptions" => {
                let (op, values) = self.options(fields, ARRAY_OPS)?;
                Some(Test::ArrayOptions { op, values })
            }
            "categoryOptions" => {
                let (key, options) = (self.text(fields, "key"), self.options(fields, OPTIONS_OPS));
                let (op, values) = options?;
                Some(Test::CategoryOptions { key: key?, op, values })
            }
            "stringObject" => {
                let key = self.text(fields, "key");
                let (op, value): (Option<StringOp>, _) =
                    (self.operator(fields, STRING_OPS), self.text(fields, "value"));
                Some(Test::StringObject { key: key?, op: op?, value: value? })
            }
            "numberObject" => {
                let key = self.text(fields, "key");
                let (op, value) = (self.operator(fields, NUMBER_OPS), self.number(fields));
                Some(Test::NumberObject { key: key?, op: op?, value: value? })
            }
            "booleanObject" => {
                let key = self.text(fields, "key");
                let (op, value) = (self.operator(fields, BOOLEAN_OPS), self.boolean(fields));
                Some(Test::BooleanObject { key: key?, op: op?, value: value? })
            }
            "boolean" => {
                let (op, value) = (self.operator(fields, BOOLEAN_OPS), self.boolean(fields));
                Some(Test::Boolean { op: op?, value: value? })
            }
            "null" => {
                let test = self.operator(fields, &[("is null", Test::IsNull), ("is not null", Test::IsNotNull)]);
                if let Some(value) = fields.get("value").filter(|value| **value != "") {
                    let message = format!("{} cannot be compared with null; leave the value empty", shown(value));
                    self.report(fields.path("value"), message);
                    return None;
                }
                test
            }
            _ => self.position(fields),
        }
    }

    fn position(&mut self, fields: &Fields<'_>) -> Option<Test> {
        let op = self.operator(fields, &[("=", CompareOp::Eq)]);
        let key = self.choice(fields, "key", &["root", "first", "last", "nthFromStart", "nthFromEnd"])?;
        let value = fields.get("value");
        let position = match (key, value) {
            ("root", None) => TracePosition::Root,
            ("first", None) => TracePosition::FromStart(1),
            ("last", None) => TracePosition::FromEnd(1),
            ("nthFromStart" | "nthFromEnd", value) => {
                let count = value.and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok());
                match count.filter(|count| *count > 0) {
                    Some(count) if key == "nthFromStart" => TracePosition::FromStart(count),
                    Some(count) => TracePosition::FromEnd(count),
                    None => {
                        let given = value.map_or("nothing".to_owned(), shown);
                        self.report(fields.path("value"), format!("{key} takes a whole number from 1, not {given}"));
                        return None;
                    }
                }
            }
            (_, Some(value)) => {
                self.report(fields.path("value"), format!("{key} takes no value, but {} is given", shown(value)));
                return None;
            }
            (_, None) => return None,
        };
        op.map(|_| Test::PositionInTrace(position))
    }

    fn operator<T: Clone>(&mut self, fields: &Fields<'_>, spellings: &[(&'static str, T)]) -> Option<T> {
        let names: Vec<&'static str> = spellings.iter().map(|(name, _)| *name).collect();
        let chosen = self.choice(fields, "operator", &names)?;
        spellings.iter().find(|(name, _)| *name == chosen).map(|(_, op)| op.clone())
    }

    /// A text field that is one of `allowed`.
    fn choice(&mut self, fields: &Fields<'_>, field: &str, allowed: &[&'static str]) -> Option<&'static str> {
        let given = self.text(fields, field)?;
        if let Some(name) = allowed.iter().find(|name| **name == given) {
            return Some(name);
        }
        let given = shown(&Value::String(given));
        self.report(fields.path(field), format!("{given} is not one of {}", allowed.join(", ")));
        None
    }

    fn text(&mut self, fields: &Fields<'_>, field: &str) -> Option<String> {
        match fields.get(field) {
            Some(Value::String(text)) => return Some(text.clone()),
            Some(other) => self.report(fields.path(field), format!("{} is not a text", shown(other))),
            None => self.report(fields.path(field), "is missing; it takes a text"),
        }
        None
    }

    fn number(&mut self, fields: &Fields<'_>) -> Option<Number> {
        match fields.get("value") {
            Some(Value::Number(number)) => return Some(number.clone()),
            Some(other) => self.report(fields.path("value"), format!("{} is not a number", shown(other))),
            None => self.report(fields.path("value"), "is missing; it takes a number"),
        }
        None
    }

    fn boolean(&mut self, fields: &Fields<'_>) -> Option<bool> {
        match fields.get("value") {
            Some(Value::Bool(value)) => return Some(*value),
            Some(other) => self.report(fields.path("value"), format!("{} is not true or false", shown(other))),
            None => self.report(fields.path("value"), "is missing; it takes true or false"),
        }
        None
    }

    fn datetime(&mut self, fields: &Fields<'_>) -> Option<Micros> {
        let text = self.text(fields, "value")?;
        if let Some(instant) = Micros::parse_text(&text) {
            return Some(instant);
        }
        let message = format!("{} is not a time with at most six fractional digits", shown(&Value::String(text)));
        let problem = FieldProblem::new(fields.path("value"), message);
        self.problems.push(problem.hint("write RFC 3339 (2026-08-01T00:00:00Z) or a date (2026-08-01)"));
        None
    }

    fn options(
        &mut self,
        fields: &Fields<'_>,
        spellings: &[(&'static str, OptionsOp)],
    ) -> Option<(OptionsOp, Vec<String>)> {
        let op = self.operator(fields, spellings);
        let values = self.texts(fields);
        let (op, values) = (op?, values?);
        if op == OptionsOp::AnyOf && values.is_empty() {
            let problem = FieldProblem::new(fields.path("value"), "any of [] would select no row");
            self.problems.push(problem.hint("name at least one value, or leave the filter out"));
            return None;
        }
        Some((op, values))
    }

    fn texts(&mut self, fields: &Fields<'_>) -> Option<Vec<String>> {
        let path = fields.path("value");
        let items = match fields.get("value") {
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.report(path, format!("{} is not an array of texts", shown(other)));
                return None;
            }
            None => {
                self.report(path, "is missing; it takes an array of texts");
                return None;
            }
        };
        let mut texts = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match item {
                Value::String(text) => texts.push(text.clone()),
                other => self.report(format!("{path}[{index}]"), format!("{} is not a text", shown(other))),
            }
        }
        (texts.len() == items.len()).then_some(texts)
    }
}

/// A value as a message repeats it.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
