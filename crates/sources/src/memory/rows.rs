//! Stored versions, and the live rows that they make of a relation.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use model::{Fault, Micros, ProjectId, StoredTable};

use super::columnar::from_array;
use super::evaluate::Row;
use super::position::Position;
use super::scores::ScoreEntry;
use super::value::Value;

/// Which column stands where.
pub type ColumnIndex = Arc<HashMap<Box<str>, usize>>;

/// Every stored version of every row of a table, in the order they were stored.
#[derive(Debug)]
pub struct StoredRows {
    /// The table.
    pub table: Arc<StoredTable>,
    columns: ColumnIndex,
    versions: Vec<Arc<[Value]>>,
}

impl StoredRows {
    /// Takes batches of the stored schema.
    pub fn new(table: Arc<StoredTable>, batches: &[RecordBatch]) -> Result<Self, Fault> {
        let columns = table.columns.iter().enumerate().map(|(place, column)| (column.name.into(), place)).collect();
        let mut versions = Vec::new();
        for batch in batches {
            let mut cells = Vec::with_capacity(table.columns.len());
            for column in &table.columns {
                let array = batch
                    .column_by_name(column.name)
                    .ok_or_else(|| Fault::corrupt(format!("rows of {} lack column {}", table.name, column.name)))?;
                cells.push(from_array(&column.kind, array)?.into_iter());
            }
            for _ in 0..batch.num_rows() {
                versions
                    .push(cells.iter_mut().map(|column| column.next().expect("columns are equally long")).collect());
            }
        }
        Ok(Self { table, columns: Arc::new(columns), versions })
    }

    /// Number of stored versions.
    pub fn len(&self) -> usize {
        self.versions.len()
    }

    /// Whether any version of any row of the project is stored.
    pub fn has_project(&self, project: &ProjectId) -> bool {
        self.versions_of(project).next().is_some()
    }

    /// The live rows of a project (promise 1): of the versions of a key the one with the greatest
    /// version, of equals the one stored last; none where that one is deleted.
    pub fn live(&self, project: &ProjectId) -> Vec<Record> {
        let mut rows = self.newest(project);
        rows.retain(|row| !row.get(self.table.deleted).is_some_and(Value::is_set));
        rows
    }

    /// The newest version of every row of a project, deletions among them.
    pub fn newest(&self, project: &ProjectId) -> Vec<Record> {
        let mut newest: HashMap<Vec<String>, Record> = HashMap::new();
        for candidate in self.versions_of(project) {
            let key: Vec<String> = self.table.key.iter().map(|column| candidate.text(column).to_owned()).collect();
            let outranked = newest
                .get(&key)
                .is_some_and(|best| best.timestamp(self.table.version) > candidate.timestamp(self.table.version));
            if !outranked {
                newest.insert(key, candidate);
            }
        }
        newest.into_values().collect()
    }

    fn versions_of<'a>(&'a self, project: &'a ProjectId) -> impl Iterator<Item = Record> + 'a {
        let records = self.versions.iter().map(|values| Record {
            columns: Arc::clone(&self.columns),
            values: Arc::clone(values),
            scores: Vec::new(),
            position: Position::default(),
        });
        records.filter(|row| row.text(self.table.key[0]) == project.as_str())
    }
}

/// A row of a relation and what surrounds it.
#[derive(Clone, Debug)]
pub struct Record {
    /// Which column stands where in `values`.
    pub columns: ColumnIndex,
    /// Cells.
    pub values: Arc<[Value]>,
    /// Score entries that hang on the row, where a filter needs them.
    pub scores: Vec<ScoreEntry>,
    /// Its place in its trace, where a filter needs it.
    pub position: Position,
}

impl Record {
    /// The value of a column; `None` where there is no such column.
    pub fn get(&self, column: &str) -> Option<&Value> {
        self.columns.get(column).map(|&place| &self.values[place])
    }

    /// The text of a column, empty where it is null.
    pub fn text(&self, column: &str) -> &str {
        self.value(column).as_text().unwrap_or_default()
    }

    /// The instant of a column that is never null.
    pub fn timestamp(&self, column: &str) -> Micros {
        self.value(column).as_timestamp().expect("columns that order or rank rows are never null")
    }
}

impl Row for Record {
    fn value(&self, column: &str) -> &Value {
        self.get(column).unwrap_or_else(|| panic!("there is no column {column}"))
    }

    fn scores(&self) -> &[ScoreEntry] {
        &self.scores
    }

    fn position(&self) -> Position {
        self.position
    }
}
