//! The structure rules of `docs/ARCHITECTURE.md` that a program can check.
//!
//! Crates may depend only on what their row allows, and no code outside a family matches on the
//! names of its members. Marks of unfinished work are refused too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::{cargo, output, root};

/// Workspace crates that each crate may use; `docs/ARCHITECTURE.md` gives the reasons.
const ALLOWED: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("tables", &["model"]),
    ("sources", &["model", "lake"]),
    ("lake", &["model"]),
    ("enrich", &["model"]),
    ("formats", &["model"]),
    ("destinations", &["model"]),
    ("pipeline", &["model"]),
    ("store", &["model"]),
    ("jobs", &["model", "pipeline"]),
    ("api", &["model"]),
    (
        "outgest",
        &[
            "model",
            "tables",
            "sources",
            "lake",
            "enrich",
            "formats",
            "destinations",
            "pipeline",
            "store",
            "jobs",
            "api",
        ],
    ),
];

/// Outside crates that only their owners may use.
const OWNED: &[(&str, &[&str])] = &[
    ("datafusion", &["lake"]),
    ("sea-orm", &["store"]),
    ("sea-orm-migration", &["store"]),
    ("object_store", &["destinations"]),
    ("axum", &["api"]),
    ("parquet", &["lake", "formats", "outgest"]),
    ("clap", &["outgest"]),
    ("anyhow", &["outgest", "xtask"]),
    ("tracing-subscriber", &["outgest"]),
];

/// Names of family members, and the crate in which code may match on them.
const FAMILIES: &[(&str, &[&str])] = &[
    ("formats", &["csv", "json", "jsonl", "parquet"]),
    ("tables", &["events", "generations", "observations", "scores", "sessions", "traces"]),
    ("destinations", &["s3", "az", "gs", "posthog", "mixpanel"]),
];

/// Files that are compiled for tests alone, though their names do not say so.
const TEST_FILES: &[&str] = &["crates/enrich/src/test_rows.rs", "crates/sources/src/clickhouse/engine.rs"];

/// Runs every rule and prints each violation.
pub fn run() -> Result<()> {
    let mut violations = edges()?;
    violations.extend(compiled_twice()?);
    violations.extend(sources()?);
    for violation in &violations {
        eprintln!("tidy: {violation}");
    }
    if !violations.is_empty() {
        bail!("{} structure rules are broken", violations.len());
    }
    Ok(())
}

fn edges() -> Result<Vec<String>> {
    let text = output(cargo().args(["metadata", "--format-version", "1", "--no-deps", "--locked"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&text)?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let mut violations = Vec::new();
    for package in packages {
        let name = short(package["name"].as_str().unwrap_or_default());
        if name != "xtask" && !allowed.contains_key(name) {
            violations.push(format!("crate {name} has no row in the direction table"));
            continue;
        }
        // Tests may wire whatever they need; the table is about what ships.
        for dependency in package["dependencies"].as_array().into_iter().flatten().filter(|edge| edge["kind"].is_null())
        {
            let full = dependency["name"].as_str().unwrap_or_default();
            if full.starts_with("outgest-") && !allowed.get(name).is_some_and(|row| row.contains(&short(full))) {
                violations.push(format!("{name} must not use {}", short(full)));
            }
            if let Some((_, owners)) = OWNED.iter().find(|(owned, _)| *owned == full)
                && !owners.contains(&name)
            {
                violations.push(format!("{full} belongs to {owners:?}, but {name} uses it"));
            }
        }
    }
    Ok(violations)
}

/// Outside crates that the program alone would compile with other features than all tests together, and
/// with them everything that depends on them.
fn compiled_twice() -> Result<Vec<String>> {
    let tested = crates_with_features(&["--workspace", "--edges", "normal,build,dev"])?;
    let shipped = crates_with_features(&["--package", "outgest", "--edges", "normal,build"])?;
    Ok(shipped
        .difference(&tested)
        .map(|found| {
            format!("{found} is compiled with other features for tests: turn them on in crates/outgest/Cargo.toml")
        })
        .collect())
}

/// One line per outside crate: name, version and features.
fn crates_with_features(selection: &[&str]) -> Result<BTreeSet<String>> {
    let mut tree = cargo();
    tree.args(["tree", "--locked", "--prefix", "none", "--format", "{p} {f}"]).args(selection);
    let text = output(&mut tree)?;
    // A mark at the end says that a crate's own dependencies were listed before; crates of the workspace
    // show their folder.
    let crates = text.lines().map(|line| line.trim_end_matches(" (*)")).filter(|line| !line.contains("(/"));
    Ok(crates.map(str::to_owned).collect())
}

fn short(package: &str) -> &str {
    package.strip_prefix("outgest-").unwrap_or(package)
}

fn sources() -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for file in rust_files(&root().join("crates"))? {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let shown = file.strip_prefix(root()).unwrap_or(&file).display().to_string();
        let is_test = shown.contains("/tests/")
            || shown.ends_with("tests.rs")
            || shown.contains("conformance")
            || TEST_FILES.contains(&shown.as_str());
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (index, line) in code.lines().enumerate() {
            let place = format!("{shown}:{}", index + 1);
            for mark in ["todo!(", "unimplemented!(", "dbg!(", "#[ignore"] {
                if line.contains(mark) {
                    violations.push(format!("{place}: {mark} is unfinished work"));
                }
            }
            if line.contains("// TODO") || line.contains("// FIXME") {
                violations.push(format!("{place}: a note about unfinished work"));
            }
            if is_test {
                continue;
            }
            if line.contains("std::env::var") && !shown.starts_with("crates/outgest/src/config/") {
                violations.push(format!("{place}: only outgest/src/config reads the environment"));
            }
            for (family, names) in FAMILIES {
                let arm = line.trim_start();
                let matches = names.iter().any(|name| arm.starts_with(&format!("\"{name}\" =>")));
                if matches && !shown.starts_with(&format!("crates/{family}/")) {
                    violations.push(format!("{place}: matches on a member of {family} outside its family"));
                }
            }
        }
    }
    Ok(violations)
}

fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
