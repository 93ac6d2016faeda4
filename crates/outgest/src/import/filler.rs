//! A row being checked: cells by name in, one stored row or one problem out.

use std::sync::Arc;

use model::{ColumnType, Micros, ProjectId, StoredTable};

use super::Importable;
use super::layout::{Layout, Meaning, Target};
use super::problem::Problem;
use super::report::{Ignored, IgnoredNames};
use crate::rows::{Cell, Filled, JsonText, Rows, Values};

/// Fills the rows of one stored table.
pub(super) struct Filler {
    layout: Layout,
    rows: Rows,
    project: Option<ProjectId>,
    project_place: usize,
    now: Micros,
    /// What the row under way has given for each column.
    marks: Vec<Mark>,
    /// Whether the row under way uses names that only exports use.
    exported: bool,
    /// Columns of the row under way that cannot be imported, and whether they have a value.
    ignored: Vec<(String, Ignored, bool)>,
    /// Names of the last row in order: the next row most likely has the same.
    order: Vec<(Box<str>, Meaning)>,
}

/// What a cell looks like, as far as it tells score columns from mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// No value, or an empty list.
    Empty,
    /// A list.
    List,
    /// Anything else.
    Other,
}

impl Look {
    pub(super) fn of(cell: &Cell<'_>) -> Self {
        match cell {
            Cell::Null | Cell::Text("" | "[]") | Cell::Json("null" | "[]" | "") => Self::Empty,
            Cell::Json(text) | Cell::Text(text) if text.starts_with('[') => Self::List,
            _ => Self::Other,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Absent,
    Shown,
    Given,
}

impl Filler {
    /// Rows of `table`, of `project` where they do not say.
    pub(super) fn new(table: &Importable, project: Option<ProjectId>, now: Micros) -> Self {
        let rows = Rows::new(Arc::clone(&table.stored));
        let project_place = table.stored.key.first().and_then(|name| rows.place(name));
        Self {
            layout: Layout::new(table),
            project,
            project_place: project_place.expect("the first key column of a stored table is its project"),
            now,
            marks: vec![Mark::Absent; table.stored.columns.len()],
            exported: false,
            ignored: Vec::new(),
            order: Vec::new(),
            rows,
        }
    }

    /// The stored table.
    pub(super) fn table(&self) -> &Arc<StoredTable> {
        self.rows.table()
    }

    /// What names mean.
    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The rows so far.
    pub(super) fn rows(&mut self) -> &mut Rows {
        &mut self.rows
    }

    /// Begins a row; `exported` where the file is known to be an export.
    pub(super) fn begin(&mut self, exported: bool) {
        self.marks.fill(Mark::Absent);
        self.exported = exported;
        self.ignored.clear();
    }

    /// What the name at this position of a row means.
    pub(super) fn meaning(&mut self, position: usize, name: &str) -> Meaning {
        if let Some((known, meaning)) = self.order.get(position)
            && &**known == name
        {
            return *meaning;
        }
        let meaning = self.layout.meaning(name);
        self.order.truncate(position);
        if self.order.len() == position {
            self.order.push((name.into(), meaning));
        }
        meaning
    }

    /// Takes one cell of the row under way.
    pub(super) fn cell(&mut self, name: &str, meaning: Meaning, cell: Cell<'_>) -> Result<(), Problem> {
        self.fill(name, meaning, Look::of(&cell), |values, json| values.push(cell, json)).map_err(|problem| {
            match (meaning.target, cell) {
                (Target::Stored { .. } | Target::Pairs { .. }, Cell::Text(text) | Cell::Json(text)) => {
                    problem.value(text)
                }
                _ => problem,
            }
        })
    }

    /// Takes one cell through the buffer of its column. A map that is stored as two lists is given as
    /// a map of text.
    pub(super) fn fill(
        &mut self,
        name: &str,
        meaning: Meaning,
        look: Look,
        push: impl FnOnce(&mut Values, JsonText) -> Result<Filled, String>,
    ) -> Result<(), Problem> {
        self.exported |= meaning.exported;
        let of_column = |why: String| Problem::of_column(name, why);
        let ignored = match meaning.target {
            Target::Stored { place, shown, json } => {
                if self.mark(place, shown).map_err(of_column)? {
                    self.rows.fill(place, |values| push(values, json)).map_err(of_column)?;
                }
                return Ok(());
            }
            Target::Pairs { names, values } => {
                self.mark(names, false).and_then(|_| self.mark(values, false)).map_err(of_column)?;
                let mut map = Values::new(&ColumnType::text_map());
                if push(&mut map, JsonText::Refused).map_err(of_column)? == Filled::Value {
                    self.split(names, values, &map).map_err(of_column)?;
                }
                return Ok(());
            }
            Target::Derived => Ignored::Derived,
            Target::Comments => Ignored::Comments,
            Target::Score => Ignored::Score,
            // Whether the row is an export's, and can have score columns, is known at its end.
            Target::Unknown if look != Look::Other => Ignored::Score,
            Target::Unknown => return Err(self.unknown(name)),
        };
        self.ignored.push((name.to_owned(), ignored, look != Look::Empty));
        Ok(())
    }

    /// Ends the row: it is stored, or leaves no trace.
    pub(super) fn end(&mut self, filled: Result<(), Problem>, ignored: &mut IgnoredNames) -> Result<(), Problem> {
        let checked = filled.and_then(|()| self.check());
        match &checked {
            Ok(()) => {
                self.rows.close(self.now);
                for (name, why, has_value) in self.ignored.drain(..) {
                    ignored.count(&name, why, has_value);
                }
            }
            Err(_) => self.rows.undo(),
        }
        checked
    }

    fn check(&mut self) -> Result<(), Problem> {
        let is_guess = |name: &str| self.layout.meaning(name).target == Target::Unknown;
        let guessed = self.ignored.iter().find(|(name, why, _)| *why == Ignored::Score && is_guess(name));
        if let Some((name, _, _)) = guessed
            && !self.exported
        {
            return Err(self.unknown(name));
        }
        self.check_project()?;
        match self.rows.missing() {
            None => Ok(()),
            Some(column) => Err(Problem::of_column(column, "the row lacks it, and it is required")),
        }
    }

    fn check_project(&mut self) -> Result<(), Problem> {
        let name = self.table().columns[self.project_place].name;
        let given = self.rows.text(self.project_place).filter(|project| !project.is_empty());
        match (given, &self.project) {
            (None, None) => Err(Problem::of_column(name, "the row names no project").hint("give --project")),
            (None, Some(project)) => {
                let cell = Cell::Text(project.as_str());
                self.rows.set(self.project_place, cell, JsonText::Refused).map_err(|why| Problem::of_column(name, why))
            }
            (Some(given), Some(project)) if given != project.as_str() => {
                Err(Problem::of_foreign_row(name, given, project.as_str()))
            }
            (Some(_), _) => Ok(()),
        }
    }

    /// Whether the value is to be taken; an error where the column was given already.
    fn mark(&mut self, place: usize, shown: bool) -> Result<bool, String> {
        let mark = &mut self.marks[place];
        match (*mark, shown) {
            (Mark::Given, true) => Ok(false),
            (Mark::Absent, true) => {
                *mark = Mark::Shown;
                Ok(true)
            }
            (Mark::Absent | Mark::Shown, false) => {
                *mark = Mark::Given;
                Ok(true)
            }
            (Mark::Given, false) | (Mark::Shown, true) => Err("the row has it twice".to_owned()),
        }
    }

    fn split(&mut self, names: usize, values: usize, map: &Values) -> Result<(), String> {
        let Values::Map { keys, values: texts, .. } = map else { panic!("pairs are read as a map") };
        let Values::Text(texts) = &**texts else { panic!("pairs are read as a map of text") };
        for (place, texts) in [(names, keys), (values, texts)] {
            self.rows.fill(place, |list| {
                let Values::List { items, .. } = list else { return Err("is not stored as lists".to_owned()) };
                for index in 0..texts.len() {
                    items.push(Cell::Text(texts.get(index)), JsonText::Refused)?;
                }
                list.close();
                Ok(Filled::Value)
            })?;
        }
        Ok(())
    }

    /// The problem of a column that is not known.
    pub(super) fn unknown(&self, name: &str) -> Problem {
        let problem = Problem::of_column(name, format!("{} has no such column", self.table().name));
        match self.layout.nearest(name) {
            Some(nearest) => problem.hint(format!("did you mean {nearest}?")),
            None => problem,
        }
    }
}
