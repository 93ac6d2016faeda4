//! Carries exports out: the same pipeline as on the command line, with the queue as its log.
//!
//! An export with rolled files is planned first. Where the plan shows several files, each becomes a job
//! of its own with the rows of one key range ([`parts`](super::parts)), and the export's job is claimed
//! once more to write the manifest over all of them.

use std::sync::Arc;

use async_trait::async_trait;
use jobs::{Context, Done, Runner};
use model::{
    Checkpoint, CommentLookup, ExportJob, Fault, FileName, Job, JobKind, KeyRange, Manifest, Micros, NewPart,
    PriceLookup, Receipt, RowCount, RunId, Snapshot, Source, Unrecorded,
};
use pipeline::{Budget, FileLayout, Ports, RealWaits};

use super::parts;
use super::place::Place;
use super::spec::{AskedExport, FileJob, read};
use crate::export::{Request, run_spec};

/// Carries exports out.
pub struct ExportRunner {
    /// Where rows come from.
    pub source: Arc<dyn Source>,
    /// Where comments come from.
    pub comments: Arc<dyn CommentLookup>,
    /// Where prices come from.
    pub prices: Arc<dyn PriceLookup>,
    /// Where files go.
    pub place: Place,
    /// Bounds of each run.
    pub budget: Budget,
}

/// One run of the pipeline: a whole export, or one file of it.
struct Piece {
    request: Request,
    export: ExportJob,
    layout: FileLayout,
    as_of: Micros,
    snapshot: Option<Snapshot>,
    range: KeyRange,
}

#[async_trait]
impl Runner for ExportRunner {
    async fn run(&self, job: &Job, context: Context) -> Result<Done, Fault> {
        match job.kind {
            JobKind::Export if !job.parts.is_empty() => self.join(job, &context).await,
            JobKind::Export => {
                let piece = self.whole(job)?;
                match self.split(job, &piece).await? {
                    Some(parts) => Ok(Done::Split(parts)),
                    None => self.write(job, piece, context).await,
                }
            }
            JobKind::File => {
                let piece = self.part(job)?;
                self.write(job, piece, context).await
            }
            JobKind::Window | JobKind::Reconcile => Err(Fault::bug(format!("job {} is no export", job.id))),
        }
    }

    async fn clean_up(&self, job: &Job) -> Result<(), Fault> {
        let piece = match job.kind {
            JobKind::File => self.part(job)?,
            _ => self.whole(job)?,
        };
        if job.parts.is_empty() {
            self.remove(&piece.layout, job.checkpoint.as_ref()).await?;
        }
        for (number, part) in (1..).zip(&job.parts) {
            self.remove(&piece.layout.part(number), part.checkpoint.as_ref()).await?;
        }
        match &piece.layout.manifest {
            Some(manifest) => self.remove_file(manifest).await,
            None => Ok(()),
        }
    }
}

impl ExportRunner {
    fn whole(&self, job: &Job) -> Result<Piece, Fault> {
        let export: ExportJob = read(&job.spec, ExportJob::VERSION)?;
        let (request, roll_bytes) = requested(&export)?;
        let mut layout = self.place.layout(&request, &export.file_name)?;
        layout.roll_bytes = roll_bytes;
        Ok(Piece { request, export, layout, as_of: job.created_at, snapshot: None, range: KeyRange::ALL })
    }

    fn part(&self, job: &Job) -> Result<Piece, Fault> {
        let FileJob { export, as_of, snapshot, range, number, .. } = read(&job.spec, FileJob::VERSION)?;
        let (request, _) = requested(&export)?;
        let layout = self.place.layout(&request, &export.file_name)?.part(number);
        Ok(Piece { request, export, layout, as_of, snapshot, range })
    }

    /// The jobs that an export is split into; `None` where one worker writes it.
    async fn split(&self, job: &Job, piece: &Piece) -> Result<Option<Vec<NewPart>>, Fault> {
        let Some(roll_bytes) = piece.layout.roll_bytes else { return Ok(None) };
        // A limit keeps the first rows of the order: how many each file has is known only one after the
        // other. What was begun by one worker is ended by one.
        if piece.limit().is_some() || job.checkpoint.is_some() {
            return Ok(None);
        }
        let spec = self.spec(job, piece).await?;
        let reading = self.source.prepare(spec.request).await.map_err(|fault| fault.during("preparing the read"))?;
        let plan = reading.plan(None).await.map_err(|fault| fault.during("planning the read"));
        let snapshot = reading.snapshot().cloned();
        pipeline::end_reading(&*reading).await;
        let ranges = parts::ranges(&plan?, parts::cell_bytes(&piece.request, roll_bytes));
        if ranges.len() < 2 {
            return Ok(None);
        }
        let part = |(number, range)| {
            let file = FileJob {
                version: FileJob::VERSION,
                export: piece.export.clone(),
                as_of: piece.as_of,
                snapshot: snapshot.clone(),
                range,
                number,
            };
            let spec = serde_json::to_value(&file).map_err(|error| Fault::bug("cannot write a spec").because(error))?;
            Ok(NewPart { kind: JobKind::File, spec })
        };
        (1..).zip(ranges).map(part).collect::<Result<_, Fault>>().map(Some)
    }

    async fn write(&self, job: &Job, piece: Piece, context: Context) -> Result<Done, Fault> {
        let spec = self.spec(job, &piece).await?;
        let ports = Ports {
            source: Arc::clone(&self.source),
            comments: Arc::clone(&self.comments),
            prices: Arc::clone(&self.prices),
            destination: Arc::clone(&self.place.destination),
            log: context.log,
            progress: context.progress,
            waits: Arc::new(RealWaits),
        };
        let outcome = pipeline::run(spec, ports, job.checkpoint.clone()).await?;
        completed(&outcome.receipt)
    }

    async fn spec(&self, job: &Job, piece: &Piece) -> Result<pipeline::RunSpec, Fault> {
        let run = RunId::new(job.id.as_str());
        let (layout, comments) = (piece.layout.clone(), self.comments.as_ref());
        let spec = run_spec(&piece.request, &run, piece.as_of, comments, layout, self.budget).await;
        let mut spec = spec.map_err(|fault| fault.during("looking comments up"))?;
        spec.request.snapshot = piece.snapshot.clone();
        spec.begun_before = job.attempt > 1;
        spec.range = piece.range.clone();
        spec.limit = piece.limit();
        spec.warnings = piece.export.warnings.clone();
        if let Some(rows_max) = piece.export.rows_max
            && piece.request.limit.is_none_or(|limit| limit > rows_max)
        {
            spec.warnings.push(format!(
                "Exports of this project have at most {} rows; `truncated` tells whether rows were cut.",
                rows_max.human()
            ));
        }
        Ok(spec)
    }

    /// Writes the manifest over the files of all parts.
    async fn join(&self, job: &Job, context: &Context) -> Result<Done, Fault> {
        let export: ExportJob = read(&job.spec, ExportJob::VERSION)?;
        let result = |part: &model::Part| -> Result<Manifest, Fault> {
            let unreadable = || Fault::corrupt(format!("the result of job {} cannot be read", part.id));
            let result = part.result.clone().ok_or_else(unreadable)?;
            let receipt: Receipt = serde_json::from_value(result).map_err(|error| unreadable().because(error))?;
            Ok(receipt.manifest)
        };
        let manifests = job.parts.iter().map(result).collect::<Result<Vec<_>, Fault>>()?;
        let manifest = Manifest::joined(manifests).ok_or_else(|| {
            Fault::corrupt("the files of the export do not have the same columns")
                .hint("score names changed while it ran; delete it and export again")
        })?;
        let name = manifest_name(&self.place.key(&export.file_name)?)?;
        context.log.stop().check()?;
        let published = self.place.destination.publish(&manifest.to_published(), &name).await;
        published.map_err(|fault| fault.during("writing the manifest"))?;
        completed(&Receipt { manifest, manifest_key: Some(name) })
    }

    /// Removes what was written under this layout, as far as it was recorded or can be found by its name.
    async fn remove(&self, layout: &FileLayout, checkpoint: Option<&Checkpoint>) -> Result<(), Fault> {
        let destination = &self.place.destination;
        let none = Checkpoint::default();
        let checkpoint = checkpoint.unwrap_or(&none);
        if let Some(open) = &checkpoint.open {
            let discarded = destination.discard(&open.upload).await;
            discarded.map_err(|fault| fault.during("removing an unfinished file"))?;
        }
        if let Some(file) = layout.under_way(checkpoint)? {
            let discarded = destination.discard_unrecorded(&file, None).await;
            if discarded.map_err(|fault| fault.during("removing an unfinished file"))? == Unrecorded::NotListed {
                tracing::warn!(%file, %destination, "an upload of this file may be left: uploads are not listed to us");
            }
        }
        for file in &checkpoint.done {
            self.remove_file(&file.key).await?;
        }
        Ok(())
    }

    async fn remove_file(&self, key: &FileName) -> Result<(), Fault> {
        let removed = self.place.destination.remove(key).await;
        removed.map_err(|fault| fault.during("removing a file"))?;
        Ok(())
    }
}

impl Piece {
    /// The rows that were asked for, as far as the quota allows.
    fn limit(&self) -> Option<RowCount> {
        [self.request.limit, self.export.rows_max].into_iter().flatten().min()
    }
}

fn requested(export: &ExportJob) -> Result<(Request, Option<model::ByteCount>), Fault> {
    let asked: AskedExport = serde_json::from_value(export.request.clone())
        .map_err(|error| Fault::corrupt("the request of a job cannot be read").because(error))?;
    Ok((Request::of_query(&asked.query)?, asked.roll_bytes))
}

fn manifest_name(key: &FileName) -> Result<FileName, Fault> {
    FileName::new(format!("{key}.manifest.json"))
}

fn completed(receipt: &Receipt) -> Result<Done, Fault> {
    let result = serde_json::to_value(receipt).map_err(|error| Fault::bug("cannot write a receipt").because(error))?;
    Ok(Done::Completed(result))
}
