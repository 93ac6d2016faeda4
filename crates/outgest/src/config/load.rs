//! From file, environment and flags to [`Settings`], each value with its origin.
//!
//! Later layers win: defaults, `outgest.toml`, variables of other programs, `OUTGEST_*`, flags. Every problem
//! of every layer is reported at once, a name that is no setting included: a setting that is ignored because
//! of a typing error would be found out too late.

use std::fmt;
use std::path::{Path, PathBuf};

use model::{FieldProblem, nearest};
use serde_json::Value;

use super::file;
use super::keys::{self, Key};
use super::settings::Settings;

/// The file that is read where no other is named, if it exists.
pub const USUAL_FILE: &str = "outgest.toml";

/// The variable that names another file.
pub const FILE_VARIABLE: &str = "OUTGEST_CONFIG";

const PREFIX: &str = "OUTGEST_";

/// An option of the command line that sets a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The option as typed: `--listen`.
    pub name: String,
    /// The setting's path.
    pub key: String,
    /// The value as typed.
    pub value: String,
}

/// What settings are read from.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The file that `--config` names.
    pub file: Option<PathBuf>,
    /// The environment.
    pub variables: Vec<(String, String)>,
    /// Flags.
    pub flags: Vec<Flag>,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of the file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A variable of the environment.
    Variable(String),
    /// An option.
    Flag(String),
}

/// The settings, and where each came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Every setting's value, secrets hidden, in the order of the structs.
    pub values: Vec<Effective>,
    /// The file that was read.
    pub file: Option<PathBuf>,
}

/// A value that holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Effective {
    /// The setting.
    pub key: &'static Key,
    /// Its value, secrets hidden; null where there is none.
    pub value: Value,
    /// Where it came from.
    pub origin: Origin,
}

impl Effective {
    /// Whether nobody set it.
    pub fn is_default(&self) -> bool {
        self.origin == Origin::Default
    }
}

/// A value on its way into the settings.
struct Assigned {
    key: &'static Key,
    value: Value,
    origin: Origin,
}

/// Reads the settings.
pub fn load(inputs: &Inputs) -> Result<Loaded, Vec<FieldProblem>> {
    let mut problems = Vec::new();
    let mut assigned = Vec::new();
    let path = file_of(inputs);
    if let Some(path) = &path {
        read_file(path, &mut assigned, &mut problems);
    }
    read_foreign_variables(inputs, &mut assigned);
    read_variables(inputs, &mut assigned, &mut problems);
    read_flags(inputs, &mut assigned, &mut problems);

    let defaults = serde_json::to_value(Settings::default()).expect("settings are plain data");
    let mut merged = defaults.clone();
    let mut origins = vec![Origin::Default; keys::keys().count()];
    for one in &mut assigned {
        if let Err(problem) = resolve_file_value(one).and_then(|()| check_alone(&defaults, one)) {
            problems.push(problem);
            continue;
        }
        set(&mut merged, one.key, one.value.clone());
        let index = keys::keys().position(|key| key == one.key).expect("the key is from this list");
        origins[index] = one.origin.clone();
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let settings: Settings = serde_json::from_value(merged).expect("every value was read alone");
    let shown = serde_json::to_value(&settings).expect("settings are plain data");
    let values = keys::keys().zip(origins).map(|(key, origin)| Effective { key, value: get(&shown, key), origin });
    let loaded = Loaded { values: values.collect(), settings, file: path };
    problems.extend(loaded.settings.contradictions().into_iter().map(|found| {
        let field = match loaded.origin(found.key) {
            Origin::Default => found.key.to_owned(),
            origin => format!("{origin}: {}", found.key),
        };
        FieldProblem::new(field, found.message).hint(found.hint)
    }));
    if problems.is_empty() { Ok(loaded) } else { Err(problems) }
}

impl Loaded {
    fn origin(&self, path: &str) -> Origin {
        let found = self.values.iter().find(|value| value.key.path == path);
        found.map_or(Origin::Default, |value| value.origin.clone())
    }
}

fn file_of(inputs: &Inputs) -> Option<PathBuf> {
    let variable = inputs.variables.iter().find(|(name, _)| name == FILE_VARIABLE);
    let named = inputs.file.clone().or_else(|| variable.map(|(_, value)| PathBuf::from(value)));
    named.or_else(|| Some(PathBuf::from(USUAL_FILE)).filter(|path| path.is_file()))
}

fn read_file(path: &Path, assigned: &mut Vec<Assigned>, problems: &mut Vec<FieldProblem>) {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let problem = FieldProblem::new(path.display().to_string(), format!("cannot read it: {error}"));
            problems.push(problem.hint(format!("name the file with --config or {FILE_VARIABLE}")));
            return;
        }
    };
    let entries = match file::read(path, &text) {
        Ok(entries) => entries,
        Err(problem) => return problems.push(problem),
    };
    for entry in entries {
        let origin = Origin::File { path: path.to_owned(), line: entry.line };
        match keys::find(&entry.path) {
            Some(key) => assigned.push(Assigned { key, value: entry.value, origin }),
            None => problems.push(unknown(&format!("{origin}: {}", entry.path), &entry.path)),
        }
    }
}

fn read_foreign_variables(inputs: &Inputs, assigned: &mut Vec<Assigned>) {
    for key in keys::keys() {
        for (name, value) in &inputs.variables {
            if key.foreign_variables.contains(name) && !value.is_empty() {
                assigned.push(Assigned { key, value: key.read_text(value), origin: Origin::Variable(name.clone()) });
            }
        }
    }
}

fn read_variables(inputs: &Inputs, assigned: &mut Vec<Assigned>, problems: &mut Vec<FieldProblem>) {
    for (name, value) in &inputs.variables {
        // An empty variable counts as unset: compose files pass those that nobody filled in.
        if !name.starts_with(PREFIX) || name == FILE_VARIABLE || value.is_empty() || is_service_link(name) {
            continue;
        }
        match keys::keys().find(|key| key.variable == *name) {
            Some(key) => {
                assigned.push(Assigned { key, value: key.read_text(value), origin: Origin::Variable(name.clone()) });
            }
            None => {
                let hint = match nearest(name, keys::keys().map(|key| key.variable.as_str())) {
                    Some(close) => format!("did you mean {close}?"),
                    None => SEE_ALL.to_owned(),
                };
                problems.push(FieldProblem::new(name, "there is no such setting").hint(hint));
            }
        }
    }
}

/// Kubernetes sets `OUTGEST_PORT`, `OUTGEST_SERVICE_HOST`, … in every container beside a service called
/// `outgest`.
fn is_service_link(name: &str) -> bool {
    let rest = name.strip_prefix(PREFIX).unwrap_or_default();
    rest == "PORT" || rest.starts_with("PORT_") || rest.starts_with("SERVICE_HOST") || rest.starts_with("SERVICE_PORT")
}

fn read_flags(inputs: &Inputs, assigned: &mut Vec<Assigned>, problems: &mut Vec<FieldProblem>) {
    for flag in &inputs.flags {
        match keys::find(&flag.key) {
            Some(key) => {
                let origin = Origin::Flag(flag.name.clone());
                assigned.push(Assigned { key, value: key.read_text(&flag.value), origin });
            }
            None => problems.push(unknown(&format!("{} {}", flag.name, flag.key), &flag.key)),
        }
    }
}

const SEE_ALL: &str = "outgest config show lists every setting";

fn unknown(field: &str, path: &str) -> FieldProblem {
    if keys::sections().iter().any(|section| section.name == path) {
        return FieldProblem::new(field, "this is a section, not a setting")
            .hint(format!("write [{path}] and the settings of the section below it"));
    }
    // A setting in the wrong section has the right name at least.
    let name = path.rsplit_once('.').map_or(path, |(_, name)| name);
    let misplaced = keys::keys().find(|key| key.name() == name).map(|key| key.path.clone());
    let sections = keys::sections().iter().map(|section| section.name.as_str());
    let close = misplaced.or_else(|| match path.rsplit_once('.') {
        Some((section, name)) if keys::sections().iter().any(|known| known.name == section) => {
            let names = keys::keys().filter(|key| key.path.starts_with(&format!("{section}."))).map(Key::name);
            nearest(name, names).map(|name| format!("{section}.{name}"))
        }
        _ => nearest(path, keys::keys().map(|key| key.path.as_str()).chain(sections)).map(str::to_owned),
    });
    let hint = close.map_or_else(|| SEE_ALL.to_owned(), |close| format!("did you mean {close}?"));
    FieldProblem::new(field, "there is no such setting").hint(hint)
}

/// A secret or an address may stand in a file of its own: `@/run/secrets/smtp`.
fn resolve_file_value(one: &mut Assigned) -> Result<(), FieldProblem> {
    if !one.key.in_file {
        return Ok(());
    }
    let problem = |path: &str, error: &std::io::Error| {
        FieldProblem::new(format!("{}: {}", one.origin, one.key.path), format!("cannot read {path:?}: {error}"))
            .hint("a value that starts with @ names the file that holds it")
    };
    let read = |value: &Value| match value.as_str().and_then(|text| text.strip_prefix('@')) {
        Some(path) => match std::fs::read_to_string(path) {
            Ok(text) => Ok(Value::from(text.trim_end_matches(['\r', '\n']))),
            Err(error) => Err(problem(path, &error)),
        },
        None => Ok(value.clone()),
    };
    one.value = match &one.value {
        Value::Array(items) => Value::Array(items.iter().map(read).collect::<Result<_, _>>()?),
        other => read(other)?,
    };
    Ok(())
}

/// Reads one value with everything else at its default, so that a refusal is about this value.
fn check_alone(defaults: &Value, one: &Assigned) -> Result<(), FieldProblem> {
    let mut alone = defaults.clone();
    set(&mut alone, one.key, one.value.clone());
    let Err(error) = serde_json::from_value::<Settings>(alone) else { return Ok(()) };
    let named = match &one.origin {
        Origin::Flag(name) if one.key.flag.as_ref() == Some(name) => name.clone(),
        Origin::Variable(name) => name.clone(),
        origin => format!("{origin}: {}", one.key.path),
    };
    let hidden = one.key.secret || one.key.in_file;
    let field = if hidden { named } else { format!("{named} = {}", one.value) };
    let told = error.to_string();
    // Types of ours explain themselves; what serde says about its own is for programmers.
    let own_words = !told.starts_with("invalid ") && !told.starts_with("unknown ");
    if own_words && one.key.choices.is_empty() {
        return Err(FieldProblem::new(field, told));
    }
    if one.key.choices.is_empty() {
        let article = if one.key.form.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        return Err(FieldProblem::new(field, format!("expected {article} {}", one.key.form)));
    }
    let wrong = match &one.value {
        Value::Array(items) => {
            items.iter().filter_map(Value::as_str).find(|item| !one.key.choices.iter().any(|c| c == item))
        }
        value => value.as_str(),
    };
    let problem = FieldProblem::new(field, format!("expected {}", one.key.choices.join(", ")));
    Err(match wrong.and_then(|wrong| nearest(wrong, one.key.choices.iter().map(String::as_str))) {
        Some(close) => problem.hint(format!("did you mean {close}?")),
        None => problem,
    })
}

fn set(settings: &mut Value, key: &Key, value: Value) {
    match key.path.split_once('.') {
        Some((section, name)) => settings[section][name] = value,
        None => settings[&key.path] = value,
    }
}

fn get(settings: &Value, key: &Key) -> Value {
    match key.path.split_once('.') {
        Some((section, name)) => settings[section][name].clone(),
        None => settings[&key.path].clone(),
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}
