//! Appends commits to a log: whoever creates the next number first has it, the others look again.

use model::{Fault, FaultKind, Micros};
use serde_json::json;
use uuid::Uuid;

use super::action::{Line, MetaData, Protocol};
use super::replay::{Log, State};
use super::schema::schema_string;
use crate::append::Staging;
use crate::disk::{self, Created};
use crate::file::DataFile;

/// What a commit says about itself, for people and other readers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommitInfo<'a> {
    /// `WRITE`, `OPTIMIZE`, `DELETE`, …: Delta's names where it has one.
    pub operation: &'a str,
    /// When.
    pub now: Micros,
}

impl CommitInfo<'_> {
    fn line(&self) -> Line {
        Line {
            commit_info: Some(json!({
                "timestamp": self.now.0.div_euclid(1_000),
                "operation": self.operation,
                "engineInfo": concat!("outgest/", env!("CARGO_PKG_VERSION")),
            })),
            ..Line::default()
        }
    }
}

impl Log {
    /// Makes the table where there is none. Two processes may do so at once.
    pub(crate) fn create(&self, now: Micros) -> Result<(), Fault> {
        if disk::exists(&self.commit_path(0))? {
            return Ok(());
        }
        disk::create_directory(&self.directory())?;
        let meta_data = MetaData {
            id: Uuid::new_v4().to_string(),
            format: json!({ "provider": "parquet", "options": {} }),
            schema_string: schema_string(&self.table)?,
            partition_columns: Vec::new(),
            configuration: Default::default(),
            created_time: now.0.div_euclid(1_000),
        };
        let lines = [
            CommitInfo { operation: "CREATE TABLE", now }.line(),
            Line { protocol: Some(Protocol::OURS), ..Line::default() },
            Line { meta_data: Some(meta_data), ..Line::default() },
        ];
        match disk::create_new(&self.commit_path(0), text_of(&lines).as_bytes())? {
            Created::Yes | Created::Exists => disk::sync_directory(&self.table_directory),
            Created::Unsure(fault) => Err(fault),
        }
    }

    /// Commits what `decide` makes of the newest state and the staged files, and returns the version.
    ///
    /// `decide` is asked again whenever another commit came first; its fault ends the attempt. The files
    /// belong to the table as soon as a reader may see the commit, even where this fails afterwards.
    pub(crate) fn commit(
        &self,
        info: CommitInfo<'_>,
        staging: &mut Staging,
        mut decide: impl FnMut(&State, &[DataFile]) -> Result<Vec<Line>, Fault>,
    ) -> Result<u64, Fault> {
        let mut taken = None;
        loop {
            let state = self.newest()?;
            if state.commits == 0 {
                // A table that this version knows and the one that made the store did not.
                self.create(info.now)?;
                continue;
            }
            let mut lines = vec![info.line()];
            lines.extend(decide(&state, staging.files())?);
            let version = state.commits;
            if taken == Some(version) {
                let path = self.commit_path(version);
                let message =
                    format!("cannot commit to {}: {} exists and is not seen", self.table.name, path.display());
                return Err(Fault::new(FaultKind::Unavailable, message).hint("try again"));
            }
            // Files are durable before the commit that names them: their writers synced them, this
            // syncs their names.
            disk::sync_directory(&self.table_directory)?;
            match disk::create_new(&self.commit_path(version), text_of(&lines).as_bytes())? {
                Created::Yes => {
                    staging.keep();
                    self.checkpoint_if_due(version, info.now);
                    return Ok(version);
                }
                Created::Exists => taken = Some(version),
                Created::Unsure(fault) => {
                    staging.keep();
                    return Err(self.unsure(version, fault));
                }
            }
        }
    }

    fn unsure(&self, version: u64, fault: Fault) -> Fault {
        let message = format!(
            "version {version} of {} was written, but may not survive a crash: {}",
            self.table.name,
            fault.public_message()
        );
        Fault::new(fault.kind(), message)
            .hint("check the disk, then do it again: it changes nothing twice")
            .because(fault)
    }
}

fn text_of(lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(&serde_json::to_string(line).expect("an action has a JSON form"));
        text.push('\n');
    }
    text
}
