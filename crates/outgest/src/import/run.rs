//! The parsing side of an import: files one after the other, batches to the sink's thread.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use arrow_array::RecordBatch;
use model::{ByteCount, Fault, FaultKind, FieldProblem, RowCount, StoredTable, nearest};

use super::array::{Element, Elements};
use super::buffer::Buffer;
use super::comments::{self, COMMENTS_AT_ONCE, NewComment};
use super::csv::CsvRows;
use super::filler::Filler;
use super::format::Format;
use super::input::{Input, Opened, read_fault};
use super::layout::{Meaning, Target};
use super::lines::{Lines, RawRow};
use super::models::{self, MODELS_AT_ONCE, NewModel};
use super::parquet::{self, ParquetRows};
use super::problem::{Place, Problem, Stored};
use super::rejects::{Raw, Rejects};
use super::report::{IgnoredNames, Report};
use super::{COMMENTS, Importable, MODELS, Options, json};

/// What the sink's thread is given.
pub(super) enum Parcel {
    Rows(Arc<StoredTable>, RecordBatch),
    Comments(Vec<NewComment>),
    Models(Vec<NewModel>),
    Commit,
}

/// One import under way.
pub(super) struct Run<'a> {
    options: &'a Options,
    fillers: Vec<Filler>,
    comments: Vec<NewComment>,
    models: Vec<NewModel>,
    ignored: IgnoredNames,
    rejects: Option<Rejects>,
    report: Report,
    send: SyncSender<Parcel>,
    /// Bytes sent since the last commit.
    uncommitted: u64,
    stored: Stored,
}

/// What the rows of a file are.
#[derive(Clone, Copy)]
enum Table {
    /// Rows of the stored table of this filler.
    Stored(usize),
    Comments,
    Models,
}

impl<'a> Run<'a> {
    /// Checks the options and creates the rejects file.
    pub(super) fn new(tables: &[Importable], options: &'a Options, send: SyncSender<Parcel>) -> Result<Self, Fault> {
        let filler = |table| Filler::new(table, options.project.clone(), options.now);
        let run = Self {
            options,
            fillers: tables.iter().map(filler).collect(),
            comments: Vec::new(),
            models: Vec::new(),
            ignored: IgnoredNames::default(),
            rejects: options.rejects.as_deref().map(Rejects::create).transpose()?,
            report: Report::default(),
            send,
            uncommitted: 0,
            stored: Stored::Nothing,
        };
        run.named_table()?;
        Ok(run)
    }

    /// Imports every file, then asks for a commit. The rejects are for whoever knows whether it was made.
    pub(super) fn carry_out(mut self, inputs: Vec<Input>) -> (Result<Report, Fault>, Option<Rejects>) {
        let imported = self.import(inputs).and_then(|()| {
            self.report.ignored = std::mem::take(&mut self.ignored).into_columns();
            self.report.check()
        });
        (imported.map(|()| self.report), self.rejects)
    }

    fn import(&mut self, inputs: Vec<Input>) -> Result<(), Fault> {
        for input in inputs {
            self.file(input)?;
        }
        for filler in 0..self.fillers.len() {
            self.send_rows(filler)?;
        }
        self.send_comments()?;
        self.send_models()?;
        self.commit()
    }

    fn file(&mut self, input: Input) -> Result<(), Fault> {
        let name = input.name();
        match input.open()? {
            Opened::Text(Format::Csv, buffer) => self.csv(name, buffer),
            Opened::Text(Format::Array, buffer) => self.array(&name, buffer),
            Opened::Text(_, buffer) => self.lines(&name, buffer),
            Opened::Parquet(file) => self.parquet(name, file),
        }
    }

    fn lines(&mut self, name: &str, buffer: Buffer) -> Result<(), Fault> {
        let mut lines = Lines::new(buffer, self.options.row_bytes_max.get() as usize);
        let mut table = self.named_table()?;
        while let Some(row) = lines.next().map_err(|error| read_fault(name, error))? {
            self.json_row(name, &row, &mut table)?;
        }
        Ok(())
    }

    fn array(&mut self, name: &str, buffer: Buffer) -> Result<(), Fault> {
        let mut elements = Elements::new(buffer, self.options.row_bytes_max.get() as usize);
        let mut table = self.named_table()?;
        loop {
            match elements.next().map_err(|error| read_fault(name, error))? {
                Element::Row(row) => self.json_row(name, &row, &mut table)?,
                Element::End => return Ok(()),
                Element::Broken(why, place) => {
                    return Err(Fault::corrupt(format!("{name} {place}: {why}"))
                        .hint(format!("see that the file is whole and is one JSON array; {}", self.stored)));
                }
            }
        }
    }

    fn json_row(&mut self, file: &str, row: &RawRow<'_>, table: &mut Option<Table>) -> Result<(), Fault> {
        let read = if row.too_long {
            let limit = self.options.row_bytes_max;
            Err(Problem::of_row(format!("the row is longer than {limit} bytes")))
        } else {
            match *table {
                Some(known) => self.read_json(known, row.bytes),
                None => {
                    let names = json::names(row.bytes);
                    let told = self.table_of(file, &names)?;
                    // A row that cannot be read does not tell what the rows after it are.
                    *table = told.filter(|_| !names.is_empty());
                    self.read_json(told.unwrap_or(Table::Stored(0)), row.bytes)
                }
            }
        };
        self.settle(read, file, row.place, Raw { bytes: row.bytes, clipped: row.too_long })
    }

    fn read_json(&mut self, table: Table, bytes: &[u8]) -> Result<Table, Problem> {
        match table {
            Table::Stored(filler) => json::row(bytes, &mut self.fillers[filler], &mut self.ignored)?,
            Table::Comments => {
                let comment = comments::read(bytes, self.options.project.as_ref())?;
                self.comments.push(comment);
            }
            Table::Models => {
                let model = models::read(bytes, self.options.project.as_ref())?;
                self.models.push(model);
            }
        }
        Ok(table)
    }

    fn csv(&mut self, name: String, buffer: Buffer) -> Result<(), Fault> {
        let mut rows = CsvRows::new(name.clone(), buffer, self.options.row_bytes_max.get())?;
        if rows.header().is_empty() {
            return Ok(());
        }
        let filler = self.stored_table_of(&name, rows.header())?;
        let meanings: Vec<Meaning> =
            rows.header().iter().map(|column| self.fillers[filler].layout().meaning(column)).collect();
        self.check_names(&name, filler, rows.header(), &meanings)?;
        while rows.advance()? {
            let read = rows.row(&meanings, &mut self.fillers[filler], &mut self.ignored);
            let text = if read.is_err() { rows.text() } else { Vec::new() };
            let raw = Raw { bytes: &text, clipped: false };
            self.settle(read.map(|()| Table::Stored(filler)), &name, rows.place(), raw)?;
        }
        Ok(())
    }

    fn parquet(&mut self, name: String, file: std::fs::File) -> Result<(), Fault> {
        let mut rows = ParquetRows::new(name.clone(), file)?;
        let names = rows.names();
        let filler = self.stored_table_of(&name, &names)?;
        let meanings = rows.meanings(&self.fillers[filler])?;
        self.check_names(&name, filler, &names, &meanings)?;
        let limit = self.options.row_bytes_max;
        let mut number = 0;
        while let Some(batch) = rows.next()? {
            for row in 0..batch.num_rows() {
                number += 1;
                let too_long = parquet::row_bytes(&batch, row) as u64 > limit.get();
                let read = match too_long {
                    true => Err(Problem::of_row(format!("the row is longer than {limit} bytes"))),
                    false => parquet::row(&batch, row, &meanings, &mut self.fillers[filler], &mut self.ignored),
                };
                let text = if read.is_err() && !too_long { parquet::text(&batch, row) } else { Vec::new() };
                let raw = Raw { bytes: &text, clipped: too_long };
                self.settle(read.map(|()| Table::Stored(filler)), &name, Place::Row(number), raw)?;
            }
        }
        Ok(())
    }

    /// Counts a row, and sends a batch that is full; a bad row is rejected or ends the import.
    fn settle(&mut self, read: Result<Table, Problem>, file: &str, place: Place, raw: Raw<'_>) -> Result<(), Fault> {
        self.report.read += RowCount(1);
        match read {
            Ok(Table::Stored(filler)) if self.fillers[filler].rows().is_full() => self.send_rows(filler),
            Ok(Table::Comments) if self.comments.len() >= COMMENTS_AT_ONCE => self.send_comments(),
            Ok(Table::Models) if self.models.len() >= MODELS_AT_ONCE => self.send_models(),
            Ok(_) => Ok(()),
            Err(problem) => {
                self.options.stop.check()?;
                let Some(rejects) = &mut self.rejects else {
                    return Err(problem.into_fault(file, place, self.stored, self.options.advice));
                };
                rejects.write(file, place, &problem, raw)?;
                self.report.rejected += RowCount(1);
                Ok(())
            }
        }
    }

    fn send_rows(&mut self, filler: usize) -> Result<(), Fault> {
        let rows = self.fillers[filler].rows();
        if rows.is_empty() {
            return Ok(());
        }
        let (count, bytes) = (rows.len(), rows.bytes());
        let (table, batch) = (Arc::clone(rows.table()), rows.take()?);
        self.count_stored(table.name, count);
        self.send(Parcel::Rows(table, batch))?;
        self.uncommitted += bytes as u64;
        self.commit_if_due()
    }

    fn send_comments(&mut self) -> Result<(), Fault> {
        if self.comments.is_empty() {
            return Ok(());
        }
        let comments = std::mem::take(&mut self.comments);
        self.count_stored(COMMENTS, comments.len());
        self.uncommitted += comments.iter().map(|comment| comment.comment.content.len() as u64).sum::<u64>();
        self.send(Parcel::Comments(comments))?;
        self.commit_if_due()
    }

    fn send_models(&mut self) -> Result<(), Fault> {
        if self.models.is_empty() {
            return Ok(());
        }
        let models = std::mem::take(&mut self.models);
        self.count_stored(MODELS, models.len());
        self.send(Parcel::Models(models))?;
        self.commit_if_due()
    }

    fn count_stored(&mut self, table: &str, count: usize) {
        *self.report.stored.entry(table.to_owned()).or_default() += RowCount::from(count);
    }

    fn commit_if_due(&mut self) -> Result<(), Fault> {
        match self.options.commit_every {
            Some(ByteCount(bytes)) if self.uncommitted >= bytes => self.commit(),
            _ => Ok(()),
        }
    }

    /// Rejects are durable before the rows they were taken from are gone from the input.
    fn commit(&mut self) -> Result<(), Fault> {
        if let Some(rejects) = &mut self.rejects {
            rejects.sync()?;
        }
        self.uncommitted = 0;
        self.stored = Stored::EarlierCommits;
        self.send(Parcel::Commit)
    }

    fn send(&self, parcel: Parcel) -> Result<(), Fault> {
        self.options.stop.check()?;
        // The sink's thread reports why it went away; this is only the end of our work.
        self.send.send(parcel).map_err(|_| Fault::new(FaultKind::Cancelled, "the import was stopped by its sink"))
    }

    /// The table that `--table` names.
    fn named_table(&self) -> Result<Option<Table>, Fault> {
        let Some(name) = &self.options.table else { return Ok(None) };
        match name.as_str() {
            COMMENTS => return Ok(Some(Table::Comments)),
            MODELS => return Ok(Some(Table::Models)),
            _ => {}
        }
        let known: Vec<&str> = self.fillers.iter().map(|filler| filler.table().name).collect();
        if let Some(filler) = known.iter().position(|known| known == name) {
            return Ok(Some(Table::Stored(filler)));
        }
        let hint = match nearest(name, known.iter().copied().chain([COMMENTS, MODELS])) {
            Some(nearest) => format!("did you mean {nearest}?"),
            None => format!("tables are {}, {COMMENTS} and {MODELS}", known.join(", ")),
        };
        let problem =
            FieldProblem::new("table", format!("rows cannot be imported into {name}: there is no such table"));
        Err(Fault::of_problems(vec![problem.hint(hint)]))
    }

    /// The table whose rows have these columns; `None` where there are no columns to tell by.
    fn table_of(&self, file: &str, names: &[String]) -> Result<Option<Table>, Fault> {
        if let named @ Some(_) = self.named_table()? {
            return Ok(named);
        }
        if names.is_empty() {
            return Ok(None);
        }
        if comments::fit(names) {
            return Ok(Some(Table::Comments));
        }
        if models::fit(names) {
            return Ok(Some(Table::Models));
        }
        let fit = |filler: &Filler| filler.layout().fit(filler.table(), names.iter().map(String::as_str));
        let fits = self.fillers.iter().enumerate().filter_map(|(index, filler)| Some((fit(filler)?, index)));
        match fits.max_by_key(|(fit, index)| (*fit, std::cmp::Reverse(*index))) {
            Some((_, filler)) => Ok(Some(Table::Stored(filler))),
            None => Err(Fault::bad_request(format!("cannot tell which table the rows of {file} belong to"))
                .hint(self.options.advice.no_table)),
        }
    }

    fn stored_table_of(&self, file: &str, names: &[String]) -> Result<usize, Fault> {
        match self.table_of(file, names)? {
            Some(Table::Stored(filler)) => Ok(filler),
            _ => Err(Fault::bad_request(format!("cannot import comments or models from {file}"))
                .hint("comments and models come as JSONL or a JSON array")),
        }
    }

    /// Refuses columns that are neither known nor can be an export's scores.
    fn check_names(&self, file: &str, filler: usize, names: &[String], meanings: &[Meaning]) -> Result<(), Fault> {
        let exported = meanings.iter().any(|meaning| meaning.exported);
        let unknown = names.iter().zip(meanings).find(|(_, meaning)| meaning.target == Target::Unknown);
        match unknown {
            Some((name, _)) if !exported => {
                let problem = self.fillers[filler].unknown(name);
                let fault = Fault::bad_request(format!("{file}: {problem}"));
                Err(match problem.hint {
                    Some(hint) => fault.hint(hint),
                    None => fault.hint("remove the column"),
                })
            }
            _ => Ok(()),
        }
    }
}
