//! What a store holds, in numbers.

use std::path::PathBuf;

use model::{ByteCount, Fault, ProjectId, RowCount, Stop};
use serde::Serialize;

use super::compact::projects;
use super::plan;
use crate::file::Span;
use crate::{DataFile, Lake};

/// What a store holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoreInfo {
    /// Where it lies.
    pub directory: PathBuf,
    /// Version of its format.
    pub format: u32,
    /// Its tables.
    pub tables: Vec<TableInfo>,
}

/// What a table holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableInfo {
    /// Its name.
    pub name: &'static str,
    /// Number of its newest commit.
    pub version: u64,
    /// What belongs to each project, by id.
    pub projects: Vec<ProjectInfo>,
}

/// What a table holds of a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProjectInfo {
    /// The project.
    pub project: ProjectId,
    /// Data files.
    pub files: usize,
    /// Their size.
    pub bytes: ByteCount,
    /// Stored rows.
    pub rows: RowCount,
    /// Rows that a reader sees.
    pub live_rows: RowCount,
    /// Start times of the stored rows.
    pub time: Span,
    /// So many files share one position of the total order; compaction makes it 1.
    pub overlap: usize,
}

impl Lake {
    /// Counts what is stored. Looks at keys once, like the first export after a change.
    pub fn info(&self) -> Result<StoreInfo, Fault> {
        let tables = self.logs().iter().map(|log| self.table_info(log.table.name)).collect::<Result<_, _>>()?;
        Ok(StoreInfo { directory: self.directory().to_owned(), format: crate::lake::FORMAT, tables })
    }

    fn table_info(&self, name: &'static str) -> Result<TableInfo, Fault> {
        let snapshot = self.snapshot(name)?;
        let mut infos = Vec::new();
        for files in projects(&snapshot) {
            let project = &files[0].project;
            let dead = self.dead_rows(&snapshot, project, &Stop::new())?;
            let total = |of: &dyn Fn(&DataFile) -> u64| files.iter().map(|file| of(file)).sum::<u64>();
            infos.push(ProjectInfo {
                project: project.clone(),
                files: files.len(),
                bytes: ByteCount(total(&|file| file.bytes)),
                rows: RowCount(total(&|file| file.rows)),
                live_rows: RowCount(total(&|file| dead.live_rows(file))),
                time: files.iter().map(|file| file.time).reduce(Span::hull).expect("a project has a file"),
                overlap: plan::overlap(files),
            });
        }
        Ok(TableInfo { name, version: snapshot.version, projects: infos })
    }
}
