//! `docs/configuration.md`, written from the settings themselves.

use std::fmt::Write;

use serde_json::Value;

use super::keys::{self, Key, Section};

const HEAD: &str = "\
# Configuration

Written by `cargo xtask docs` from the structs in `crates/outgest/src/config/settings`; a test fails when the two
differ.

A setting has one name everywhere. `worker.threads` is

- `threads = 3` under `[worker]` in `outgest.toml`,
- `OUTGEST_WORKER_THREADS=3` in the environment,
- `--set worker.threads=3` on the command line, or the flag named below where it has one of its own.

What comes later in this list wins over what comes earlier. The file is `outgest.toml` in the folder that the command
runs in, if there is one; `--config FILE` or `OUTGEST_CONFIG` names another. Relative paths start from the folder that
the command runs in. Variables of other programs that are named below count less than `OUTGEST_*` and more than the
file. An empty variable counts as unset.

Lists are `[\"a\", \"b\"]` in the file and `a,b` elsewhere. Lengths of time are written `250ms`, `30s`, `5m`, `24h`, `90d`;
sizes `500MB`, `1GiB` or a whole number of bytes. A secret or an address may stand in a file of its own: write
`@/run/secrets/name` instead of it.

A name that is no setting is an error, in the file, in the environment and on the command line: nothing that was
written is ignored. `outgest config check` names every problem with its line, `--connect` also tries what the settings
point at. `outgest config show` prints every value that holds and where it came from; secrets are hidden.
";

/// The whole document.
pub fn markdown() -> String {
    let mut text = HEAD.to_owned();
    for section in keys::sections() {
        push_section(&mut text, section);
    }
    text
}

fn push_section(text: &mut String, section: &Section) {
    let title = if section.name.is_empty() { "General".to_owned() } else { format!("`[{}]`", section.name) };
    push(text, format_args!("\n## {title}\n"));
    if !section.doc.is_empty() {
        push(text, format_args!("\n{}\n", section.doc));
    }
    for key in &section.keys {
        push_key(text, key);
    }
}

fn push_key(text: &mut String, key: &Key) {
    push(text, format_args!("\n### `{}`\n\n{}\n\n", key.name(), key.doc));
    let form = if key.choices.is_empty() {
        key.form.clone()
    } else {
        let choices: Vec<String> = key.choices.iter().map(|choice| format!("`{choice}`")).collect();
        let list = if key.form.starts_with("list") { "list of " } else { "" };
        format!("{list}{}", choices.join(", "))
    };
    push(text, format_args!("- Form: {form}\n"));
    match (&key.default, &key.unset) {
        (Value::Null, Some(unset)) => push(text, format_args!("- Default: {unset}\n")),
        (default, _) => push(text, format_args!("- Default: `{}`\n", in_toml(default))),
    }
    if let Some(example) = &key.example {
        push(text, format_args!("- Example: `{} = {}`\n", key.name(), in_toml(example)));
    }
    let foreign: String = key.foreign_variables.iter().map(|name| format!(", also `{name}`")).collect();
    push(text, format_args!("- Variable: `{}`{foreign}\n", key.variable));
    if let Some(flag) = &key.flag {
        push(text, format_args!("- Flag: `{flag}`\n"));
    }
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.write_fmt(line).expect("a string takes all text");
}

/// Scalars and lists of scalars are spelled alike in JSON and TOML, save for the space after commas.
fn in_toml(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(in_toml).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_in_docs_is_what_the_settings_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        let checked_in = std::fs::read_to_string(path).unwrap_or_default();
        assert!(checked_in == markdown(), "docs/configuration.md is out of date: run cargo xtask docs");
    }
}
