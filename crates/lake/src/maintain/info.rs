//! What a store holds, in numbers.

use std::path::PathBuf;
use std::sync::Arc;

use model::{ByteCount, Fault, ProjectId, RowCount, Stop};
use serde::Serialize;

use super::compact::projects;
use super::plan;
use crate::file::Span;
use crate::{DataFile, Lake, TableSnapshot};

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

    /// Counts what is stored of one project, by table; tables that hold nothing of it are left out.
    /// `stop` ends the look at keys early.
    pub fn project_info(&self, project: &ProjectId, stop: &Stop) -> Result<Vec<(&'static str, ProjectInfo)>, Fault> {
        let mut infos = Vec::new();
        for log in self.logs() {
            let name = log.table.name;
            let snapshot = self.snapshot(name)?;
            if let Some(info) = self.info_of(&snapshot, snapshot.of_project(project), stop)? {
                infos.push((name, info));
            }
        }
        Ok(infos)
    }

    fn table_info(&self, name: &'static str) -> Result<TableInfo, Fault> {
        let snapshot = self.snapshot(name)?;
        let infos = projects(&snapshot).filter_map(|files| self.info_of(&snapshot, files, &Stop::new()).transpose());
        let infos = infos.collect::<Result<_, Fault>>()?;
        Ok(TableInfo { name, version: snapshot.version, projects: infos })
    }

    /// The figures of files that belong to one project; `None` where there are none.
    fn info_of(
        &self,
        snapshot: &TableSnapshot,
        files: &[Arc<DataFile>],
        stop: &Stop,
    ) -> Result<Option<ProjectInfo>, Fault> {
        let Some(time) = files.iter().map(|file| file.time).reduce(Span::hull) else { return Ok(None) };
        let project = &files[0].project;
        let dead = self.dead_rows(snapshot, project, stop)?;
        let total = |of: &dyn Fn(&DataFile) -> u64| files.iter().map(|file| of(file)).sum::<u64>();
        Ok(Some(ProjectInfo {
            project: project.clone(),
            files: files.len(),
            bytes: ByteCount(total(&|file| file.bytes)),
            rows: RowCount(total(&|file| file.rows)),
            live_rows: RowCount(total(&|file| dead.live_rows(file))),
            time,
            overlap: plan::overlap(files),
        }))
    }
}
