//! `outgest generate`: sample rows into the embedded store, into files, or into a ClickHouse.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use model::{Fault, FaultKind, FieldProblem, Micros, ObjectKind, ProjectId, RowCount, Stop, StoredTable};
use sources::clickhouse::ClickHouseWriter;
use tokio::runtime::Handle;

use super::clickhouse::to_clickhouse;
use super::{Batches, Generated, Options, ParquetFile, batches, write_jsonl};
use crate::cli::GenerateArgs;
use crate::config::{self, Settings};
use crate::data::{self, SourceChoice};
use crate::export::CommentsHere;
use crate::import::command::StoreSink;
use crate::import::{NewComment, Sink};
use crate::report::print;
use crate::signals;

/// Carries out `outgest generate`.
pub async fn generate(settings: &Settings, args: &GenerateArgs) -> Result<(), Fault> {
    if args.events == 0 {
        let problem = FieldProblem::new("--events", "0 events").hint("give at least 1");
        return Err(Fault::of_problems(vec![problem]));
    }
    let now = config::now();
    let mut options = Options::new(ProjectId::new(args.project.as_str()), args.events, args.seed);
    options.days = args.days;
    options.end = Micros::parse("--end", &args.end, now)?;
    options.late = args.late;
    options.updates = args.updates;
    options.deletions = args.deletions;
    options.score_updates = args.score_updates;
    options.score_deletions = args.score_deletions;
    let project = options.project.clone();
    let rows = batches(options)?;
    let choice = args.source.as_deref().map(|source| SourceChoice::read(settings, Some(source))).transpose()?;
    let counts = match (&args.output, choice) {
        (None, Some(choice)) => {
            let Some(options) = choice.clickhouse() else {
                return Err(Fault::bad_request("--source: this is not the address of a ClickHouse")
                    .hint("to store the rows in a data directory name it with --data"));
            };
            let writer = ClickHouseWriter::connect(options.clone())?;
            let comments = match choice.comments() {
                CommentsHere::Known => Some(data::open_metadata(settings).await?),
                CommentsHere::Unknown => None,
            };
            to_clickhouse(rows, &project, &writer, comments.as_ref()).await?
        }
        (Some(events), _) => {
            let scores = args.scores_output.as_deref();
            check_outputs(args, events, scores, &settings.data)?;
            let create = |path: &Path, table: &StoredTable| Output::create(path, table, args.overwrite);
            let events = create(events, &tables::stored_events())?;
            let scores = scores.map(|path| create(path, &tables::stored_scores())).transpose()?;
            until_stopped(move |stop| to_files(rows, events, scores, stop)).await?
        }
        (None, None) => {
            let lake =
                data::create_lake(&settings.data, now)?.keeping_replaced_files(settings.retention.replaced_files.0);
            let store = data::open_metadata(settings).await?;
            let sink = StoreSink::new(lake, store, Handle::current(), now);
            until_stopped(move |stop| to_store(rows, &project, sink, stop)).await?
        }
    };
    if args.json {
        return print(&format!("{}\n", serde_json::json!(counts)));
    }
    let told: Vec<String> = counts.iter().map(|(what, rows)| format!("{} {what}", rows.human())).collect();
    print(&format!("generated {}\n", told.join(", ")))
}

/// Fails where a file would be written that must not be, before any is.
fn check_outputs(args: &GenerateArgs, events: &Path, scores: Option<&Path>, data: &Path) -> Result<(), Fault> {
    for (option, path) in [("--output", Some(events)), ("--scores-output", scores)] {
        let Some(path) = path else { continue };
        data::refuse_inside(option, path, data)?;
        if path.is_dir() {
            return Err(Fault::bad_request(format!("{option}: {} is a directory", path.display()))
                .hint("name a file that ends in .jsonl or .parquet"));
        }
        if !args.overwrite && path.exists() {
            return Err(Fault::new(FaultKind::Conflict, format!("{} exists already", path.display()))
                .hint(format!("give another {option}, or replace it with --overwrite")));
        }
    }
    if scores.is_some_and(|scores| data::absolute(scores) == data::absolute(events)) {
        return Err(
            Fault::bad_request("--scores-output: it is the file of --output").hint("give scores a file of their own")
        );
    }
    Ok(())
}

/// Rows made, by what they are. Versions and deletions count.
pub(super) type Counts = BTreeMap<&'static str, RowCount>;

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Fault::bug("generating ended without an answer").because(error))?
}

/// Work that a signal ends, which removes what was written.
async fn until_stopped(work: impl FnOnce(&Stop) -> Result<Counts, Fault> + Send + 'static) -> Result<Counts, Fault> {
    let stop = Stop::new();
    let stopping = signals::stop_on_signal(stop.clone(), "nothing is kept");
    let counts = blocking(move || work(&stop)).await;
    stopping.abort();
    counts
}

fn to_store(rows: Batches, project: &ProjectId, mut sink: StoreSink, stop: &Stop) -> Result<Counts, Fault> {
    let (events, scores) = (tables::stored_events(), tables::stored_scores());
    let mut counts = Counts::new();
    for generated in rows {
        stop.check()?;
        let Generated { events: event_rows, scores: score_rows, comments } = generated;
        *counts.entry("versions of events").or_default() += RowCount::from(event_rows.num_rows());
        *counts.entry("scores").or_default() += RowCount::from(score_rows.num_rows());
        *counts.entry("comments").or_default() += RowCount::from(comments.len());
        sink.rows(&events, event_rows)?;
        sink.rows(&scores, score_rows)?;
        let of_project = |comment| NewComment { project: project.clone(), kind: ObjectKind::Observation, comment };
        sink.comments(comments.into_iter().map(of_project).collect())?;
    }
    sink.commit()?;
    Ok(counts)
}

fn to_files(rows: Batches, mut events: Output, mut scores: Option<Output>, stop: &Stop) -> Result<Counts, Fault> {
    let mut counts = Counts::new();
    for generated in rows {
        stop.check()?;
        let Generated { events: event_rows, scores: score_rows, .. } = generated;
        *counts.entry("versions of events").or_default() += RowCount::from(event_rows.num_rows());
        events.write(&event_rows)?;
        if let Some(scores) = &mut scores {
            *counts.entry("scores").or_default() += RowCount::from(score_rows.num_rows());
            scores.write(&score_rows)?;
        }
    }
    events.finish()?;
    if let Some(scores) = scores {
        scores.finish()?;
    }
    Ok(counts)
}

/// A file of stored rows, JSONL or Parquet by its name. It appears under its name when it is whole.
struct Output {
    form: Form,
    partial: Partial,
}

enum Form {
    Jsonl(BufWriter<File>),
    Parquet(Box<ParquetFile<BufWriter<File>>>),
}

/// The file while it is written; removed unless it was given its name.
struct Partial {
    path: PathBuf,
    partial: PathBuf,
    complete: bool,
}

impl Output {
    fn create(path: &Path, table: &StoredTable, overwrite: bool) -> Result<Self, Fault> {
        let ends_in = |extension: &str| path.extension().is_some_and(|found| found == extension);
        let parquet = ends_in("parquet");
        if !parquet && !ends_in("jsonl") {
            return Err(Fault::bad_request(format!("{} ends neither in .jsonl nor in .parquet", path.display()))
                .hint("the file's name tells its format"));
        }
        let mut name = path.as_os_str().to_owned();
        name.push(".partial");
        let partial = PathBuf::from(name);
        // Without --overwrite nothing is replaced, not even what another command may be writing.
        let created = if overwrite { File::create(&partial) } else { File::create_new(&partial) };
        let file = created.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                Fault::new(FaultKind::Conflict, format!("{} exists already", partial.display()))
                    .hint("another command writes it, or was killed: remove it, or give --overwrite")
            }
            _ => cannot_write(path, &error),
        })?;
        let partial = Partial { path: path.to_owned(), partial, complete: false };
        let file = BufWriter::new(file);
        let form = if parquet { Form::Parquet(Box::new(ParquetFile::create(table, file)?)) } else { Form::Jsonl(file) };
        Ok(Self { form, partial })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), Fault> {
        match &mut self.form {
            Form::Jsonl(file) => write_jsonl(batch, file),
            Form::Parquet(file) => file.write(batch),
        }
    }

    fn finish(self) -> Result<(), Fault> {
        let Self { form, mut partial } = self;
        let mut file = match form {
            Form::Jsonl(file) => file,
            Form::Parquet(file) => file.finish()?,
        };
        file.flush().map_err(|error| cannot_write(&partial.path, &error))?;
        std::fs::rename(&partial.partial, &partial.path).map_err(|error| cannot_write(&partial.path, &error))?;
        partial.complete = true;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.complete
            && let Err(cause) = std::fs::remove_file(&self.partial)
        {
            tracing::warn!(file = %self.partial.display(), %cause, "cannot remove an unfinished file");
        }
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Fault {
    Fault::new(FaultKind::Configuration, format!("cannot write {}: {error}", path.display()))
        .hint("see that its folder can be written and its disk has room")
}
