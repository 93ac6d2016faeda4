//! The rows that are served: a data directory that is there whole or not at all, with rows up to now.
//!
//! It is kept between demonstrations, with whatever people did in it: nothing is ever taken out of it. How old its
//! rows are is asked of the store, so no note of ours can be wrong about it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use chrono::DateTime;
use serde_json::Value;

use crate::command::{output, target};

/// Folder of the sample data, where cargo builds.
const FOLDER: &str = "demo";
/// Project of the rows.
const PROJECT: &str = "demo";
/// Enough for pages that scroll, few enough to be there in seconds.
const EVENTS_A_DAY: u64 = 3_600;
/// Days that rows are made for, at most: those of a new sample.
const DAYS_MAX: u64 = 14;
/// Seed of a new sample.
const FIRST_SEED: u64 = 1;

const HOUR_SECONDS: u64 = 3_600;
const DAY_SECONDS: u64 = 24 * HOUR_SECONDS;
/// Beyond this, "the last 24 hours" would show too little.
const AGE_SECONDS_MAX: u64 = 12 * HOUR_SECONDS;

/// The program, and the data directory that it is shown with.
pub struct Samples {
    program: PathBuf,
    /// The data directory.
    pub folder: PathBuf,
}

impl Samples {
    /// Makes the sample data where there is none, and adds rows where the newest ones are of an earlier day.
    pub fn prepare(program: PathBuf) -> Result<Self> {
        // The program runs in another folder, and cargo's may be named from this one.
        let built = fs::canonicalize(target()).with_context(|| format!("cannot find {}", target().display()))?;
        let samples = Self { program, folder: built.join(FOLDER) };
        if samples.folder.exists() {
            samples.bring_up_to_now()?
        } else {
            samples.make()?
        }
        Ok(samples)
    }

    /// The program, on this data alone.
    pub fn outgest(&self) -> Command {
        let mut command = Command::new(&self.program);
        // Variables, or an `outgest.toml` in the current folder, are about somebody's own server: sample rows do not
        // belong there, nor its rows here.
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("OUTGEST_")) {
                command.env_remove(name);
            }
        }
        if let Some(above) = self.folder.parent() {
            command.current_dir(above);
        }
        command.env("OUTGEST_DATA", &self.folder);
        command
    }

    /// Address of the first account, where somebody has made one.
    pub fn account(&self) -> Result<Option<String>> {
        let accounts = output(self.outgest().args(["user", "list"]))?;
        Ok(accounts.split_whitespace().next().map(str::to_owned))
    }

    /// What somebody types who cannot sign in any more.
    pub fn new_account(&self) -> String {
        let (program, folder) = (self.program.display(), self.folder.display());
        format!("{program} user add --admin --email you@example.com --data {folder}")
    }

    /// Makes it beside its place, where it comes when it is whole: one that was interrupted is begun anew.
    fn make(&self) -> Result<()> {
        let unfinished = Self { program: self.program.clone(), folder: self.folder.with_extension("unfinished") };
        if unfinished.folder.exists() {
            println!("the sample data was not finished the last time: beginning anew");
            let cannot = || format!("cannot remove {}", unfinished.folder.display());
            fs::remove_dir_all(&unfinished.folder).with_context(cannot)?;
        }
        println!("making sample data: events of the last two weeks");
        unfinished.generate(DAYS_MAX, FIRST_SEED)?;
        output(unfinished.outgest().args(["project", "add", PROJECT, "--name", "Demo"]))?;
        let cannot = || format!("cannot rename {} to {}", unfinished.folder.display(), self.folder.display());
        fs::rename(&unfinished.folder, &self.folder).with_context(cannot)
    }

    fn bring_up_to_now(&self) -> Result<()> {
        let newest = self.newest_seconds().with_context(|| {
            let folder = self.folder.display();
            format!("there is no whole sample data in {folder}; to begin anew, without what is there: rm -r {folder}")
        })?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let Some(days) = days_missing(now.saturating_sub(newest)) else { return Ok(()) };
        println!("the sample data is of an earlier day: adding events up to now; everything else in it stays");
        // Rows of another seed have other ids, so that none of those that are there is replaced.
        self.generate(days, newest)
    }

    /// When the newest event began, in seconds since 1970.
    fn newest_seconds(&self) -> Result<u64> {
        let info = output(self.outgest().args(["data", "info", "--json"]))?;
        newest_in(&serde_json::from_str(&info)?).context("it holds no sample events")
    }

    /// Stores events of so many days before now, or none at all.
    fn generate(&self, days: u64, seed: u64) -> Result<()> {
        let (events, days, seed) = ((days * EVENTS_A_DAY).to_string(), days.to_string(), seed.to_string());
        let mut generate = self.outgest();
        generate.args(["generate", "--project", PROJECT, "--end=-1m"]);
        generate.args(["--events", &events, "--days", &days, "--seed", &seed]);
        output(&mut generate).map(drop)
    }
}

/// Whole days for which rows are missing, if it is time to add some. It may be a part of a day too many, which makes
/// that part busier; one too few would look like an outage.
fn days_missing(age_seconds: u64) -> Option<u64> {
    (age_seconds > AGE_SECONDS_MAX).then(|| age_seconds.div_ceil(DAY_SECONDS).min(DAYS_MAX))
}

/// The newest start of an event in what `outgest data info --json` prints, in seconds since 1970.
fn newest_in(info: &Value) -> Option<u64> {
    let events = info["store"]["tables"].as_array()?.iter().find(|table| table["name"] == "events")?;
    let ours = events["projects"].as_array()?.iter().find(|project| project["project"] == PROJECT)?;
    let newest = DateTime::parse_from_rfc3339(ours["time"]["max"].as_str()?).ok()?;
    u64::try_from(newest.timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_are_added_for_every_day_without_some() {
        assert_eq!(days_missing(0), None);
        assert_eq!(days_missing(AGE_SECONDS_MAX), None);
        assert_eq!(days_missing(AGE_SECONDS_MAX + 1), Some(1));
        assert_eq!(days_missing(DAY_SECONDS), Some(1));
        assert_eq!(days_missing(DAY_SECONDS + 1), Some(2));
        assert_eq!(days_missing(1_000 * DAY_SECONDS), Some(DAYS_MAX));
    }

    #[test]
    fn the_newest_event_of_the_sample_counts() {
        let of = |project: &str, max: &str| json!({"project": project, "time": {"min": max, "max": max}});
        let rows = json!([of("another", "2026-07-02T00:00:00.000000Z"), of(PROJECT, "1970-01-01T00:01:00.000000Z")]);
        let table = |name: &str, projects: Value| json!({"name": name, "projects": projects});
        let info = |events: Value| json!({"store": {"tables": [table("scores", json!([])), table("events", events)]}});
        assert_eq!(newest_in(&info(rows)), Some(60));
        assert_eq!(newest_in(&info(json!([]))), None);
        assert_eq!(newest_in(&json!({})), None);
    }

    #[test]
    fn what_is_not_whole_is_begun_anew_and_gets_no_place() {
        let above = std::env::temp_dir().join(format!("outgest-demo-{}", std::process::id()));
        let samples = Samples { program: "false".into(), folder: above.join(FOLDER) };
        let unfinished = samples.folder.with_extension("unfinished");
        fs::create_dir_all(unfinished.join("lake")).unwrap();
        assert!(samples.make().is_err());
        assert!(!unfinished.exists());
        assert!(!samples.folder.exists());
        fs::remove_dir_all(above).unwrap();
    }
}
