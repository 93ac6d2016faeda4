//! The body of a call that creates an export, from what was typed.

use clap::ValueEnum;
use model::{Fault, FieldProblem};
use serde_json::{Map, Value, json};

use crate::cli::CreateArgs;
use crate::config;

/// What is asked for, in the API's words. The server checks it; here only files and sizes are read.
pub fn body(args: &CreateArgs) -> Result<Value, Fault> {
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| {
        let said = match &value {
            Value::Null | Value::Bool(false) => false,
            Value::Array(items) => !items.is_empty(),
            _ => true,
        };
        if said {
            body.insert(name.to_owned(), value);
        }
    };
    put("table", json!(args.table));
    put("name", json!(args.name));
    put("filter", json!(filters(&args.filters)?));
    put("where", json!(args.wheres));
    put("search", json!(args.search));
    if args.search.is_some() {
        put("searchTypes", json!(args.search_type.iter().map(named).collect::<Vec<_>>()));
    }
    put("since", json!(args.since));
    put("until", json!(args.until));
    put("cursor", json!(args.cursor.as_ref().map(named)));
    put("columns", json!(args.columns));
    put("groups", json!(args.groups));
    put("limit", json!(args.limit));
    put("masks", json!(args.masks));
    put("allowUnsupportedFilters", json!(args.allow_unsupported_filters));
    put("format", json!(args.format));
    put("compression", json!(args.compression));
    put("unicode", json!(args.unicode.as_ref().map(named)));
    put("parsePayloads", json!(args.parse_payloads));
    put("neutraliseFormulas", json!(args.neutralise_formulas));
    put("csvHeaderAlways", json!(args.csv_header_always));
    put("bom", json!(args.bom));
    let roll_bytes = args.roll_size.as_ref().map(|size| config::parse_size("--roll-size", size)).transpose();
    put("rollBytes", json!(roll_bytes.map_err(|problem| Fault::of_problems(vec![problem]))?));
    Ok(Value::Object(body))
}

/// The name of a choice, which is the same on the command line and in the API.
fn named(choice: &impl ValueEnum) -> String {
    choice.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// Filters of all options: each is an object, an array of them, or a file that holds one of both.
fn filters(texts: &[String]) -> Result<Vec<Value>, Fault> {
    let mut filters = Vec::new();
    for text in texts {
        let problem = |message: String| {
            Fault::of_problems(vec![
                FieldProblem::new("--filter", message)
                    .hint(r#"write {"type":"string","column":"name","operator":"=","value":"chat"}, or use --where"#),
            ])
        };
        let content = match text.strip_prefix('@') {
            Some(file) => {
                std::fs::read_to_string(file).map_err(|error| problem(format!("cannot read {file:?}: {error}")))?
            }
            None => text.clone(),
        };
        match serde_json::from_str(&content).map_err(|error| problem(format!("this is not JSON: {error}")))? {
            Value::Array(more) => filters.extend(more),
            one => filters.push(one),
        }
    }
    Ok(filters)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command, ExportsCommand};

    fn typed(words: &[&str]) -> Result<Value, Fault> {
        let cli = Cli::try_parse_from([&["outgest", "exports", "create"], words].concat()).unwrap();
        match cli.command {
            Command::Exports(args) => match args.command {
                ExportsCommand::Create(args) => body(&args),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_was_not_typed_is_left_to_the_server() {
        assert_eq!(typed(&[]).unwrap(), json!({"table": "events"}));
    }

    #[test]
    fn options_become_the_fields_of_the_api() {
        let words = [
            "--table",
            "traces",
            "--where",
            "level = \"ERROR\"",
            "--filter",
            r#"[{"type":"null"}]"#,
            "--since",
            "-24h",
            "--cursor",
            "start_time",
            "--search",
            "x",
            "--search-type",
            "content,output",
            "--columns",
            "id,name",
            "--limit",
            "5",
            "--format",
            "csv",
            "--unicode",
            "keep",
            "--bom",
            "--roll-size",
            "1MiB",
            "--allow-unsupported-filters",
            "comments",
        ];
        let expected = json!({
            "table": "traces", "where": ["level = \"ERROR\""], "filter": [{"type": "null"}], "since": "-24h",
            "cursor": "start_time", "search": "x", "searchTypes": ["content", "output"], "columns": ["id", "name"],
            "limit": 5, "format": "csv", "unicode": "keep", "bom": true, "rollBytes": 1048576,
            "allowUnsupportedFilters": ["comments"],
        });
        assert_eq!(typed(&words).unwrap(), expected);
        assert!(typed(&["--filter", "{"]).unwrap_err().public_message().starts_with("--filter: this is not JSON"));
    }
}
