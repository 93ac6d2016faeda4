//! Compares the keys of a manifest with those the source has now.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, RecordBatch};
use model::{
    Aggregate, AggregateColumn, ByteCount, ColumnSpec, ColumnType, Expr, Fault, FieldRole, KeyDigest, Manifest, Micros,
    OrderKey, ReadRequest, Reading, Relation, RowCount, Stop, TableSpec, TimestampStyle, VersionScope,
};

use super::file::Files;
use super::keys::{self, KeyColumns};
use super::{Against, Difference, RowName, VerifyReport};
use crate::Budget;
use crate::key::Keys;
use crate::reads::end_reading;
use crate::retry::Retrying;
use crate::slice::{Read, Slices};
use crate::task::Task;

/// Name of the column that tells when a row was stored.
const INGESTED: &str = "outgest.ingested";

/// The source, as it is read for a comparison.
pub(super) struct Stored {
    pub(super) against: Against,
    pub(super) budget: Budget,
    pub(super) stop: Stop,
    pub(super) retrying: Retrying,
}

/// Which rows of the source are looked at, and how they stand to the export.
#[derive(Clone)]
pub(super) struct Scope {
    pub(super) exported_at: Micros,
    /// Where the export was cut by a limit, rows behind its last one are not looked at.
    cut_after: Option<OrderKey>,
    /// Without an end, a window goes on: what is stored later is no part of the export.
    ends: bool,
}

/// How a row of the source stands to the export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Behind the last row of an export that a limit cut.
    Behind,
    /// Stored when the export was made.
    Before,
    /// Stored since.
    Since,
}

impl Scope {
    fn of(manifest: &Manifest) -> Self {
        let Manifest { exported_at, cut_after, window, .. } = manifest;
        Self { exported_at: *exported_at, cut_after: cut_after.clone(), ends: window.to.is_some() }
    }

    /// Where a row of a batch stands.
    pub(super) fn place(&self, keys: &Keys<'_>, ingested: &Ingested<'_>, row: usize) -> Place {
        match &self.cut_after {
            Some(last) if keys.order_key(row) > *last => Place::Behind,
            _ if ingested.since(row, self.exported_at) => Place::Since,
            _ => Place::Before,
        }
    }

    /// Whether a row that was stored since, and is not in the export, should be.
    pub(super) fn awaits_late_rows(&self) -> bool {
        self.ends
    }
}

/// Rows of the source that were there when the export was made, and those stored since.
struct Split {
    scope: Scope,
    before: KeyDigest,
    since: KeyDigest,
}

/// Rows of buckets that differ, when files cannot tell.
struct Suspects {
    scope: Scope,
    buckets: Vec<u8>,
    /// At most [`NAMES_MAX`].
    before: Vec<(u64, RowName)>,
    before_more: bool,
    since: Vec<RowName>,
    since_more: u64,
}

/// Rows whose names are kept while nothing but a digest tells which of them are missing.
const NAMES_MAX: usize = 100_000;

/// Adds everything in which the source differs from the manifest to `report`.
pub(super) async fn compare(
    manifest: &Manifest,
    columns: Option<KeyColumns>,
    stored: &Stored,
    files: &Files<'_>,
    report: &mut VerifyReport,
) -> Result<(), Fault> {
    let scope = Scope::of(manifest);
    let mut exported = KeyDigest::default();
    manifest.files.iter().for_each(|file| exported.merge(&file.key_digest));
    let request = stored.request();
    let split = Split { scope: scope.clone(), before: KeyDigest::default(), since: KeyDigest::default() };
    let split = stored.fold(request.clone(), split, Split::add).await?;
    report.rows_in_source = Some(RowCount(split.before.rows() + split.since.rows()));
    let buckets = split.before.differing_buckets(&exported);
    let full = stored.against.full;
    if buckets.is_empty() && split.since.rows() == 0 && !full {
        return Ok(());
    }
    match columns {
        Some(columns) if files.hold(&columns.names()) => {
            let known = report.differences.len();
            keys::compare(manifest, &columns, &scope, stored, files, report).await?;
            // Where all keys agree only versions can differ, which these files do not hold.
            if report.differences.len() == known && report.rows_superseded == RowCount::ZERO {
                for bucket in buckets {
                    let (exported, stored) = (exported.bucket(bucket).0, split.before.bucket(bucket).0);
                    report.add(Difference::Bucket { bucket, exported: RowCount(exported), stored: RowCount(stored) });
                }
            }
            Ok(())
        }
        _ if full => {
            Err(Fault::bad_request("the files do not hold, as they are stored, the columns that identify a row")
                .hint("verify without --full, which compares the key digest"))
        }
        _ => {
            let suspects =
                Suspects { scope, buckets, before: vec![], before_more: false, since: vec![], since_more: 0 };
            let suspects = stored.fold(request, suspects, Suspects::add).await?;
            suspects.name(&exported, &split.before, report);
            Ok(())
        }
    }
}

impl Stored {
    /// The request of the run as it is read for verification: keys, and when each row was stored.
    pub(super) fn request(&self) -> ReadRequest {
        let request = &self.against.request;
        let mut table = TableSpec::clone(&request.table);
        let expr = match &mut table.relation {
            Relation::Stored(stored) => Expr::column(stored.ingested),
            Relation::Grouped(grouped) => {
                let aggregate = Aggregate::Max(Expr::column(grouped.over.ingested));
                grouped.columns.push(AggregateColumn { name: INGESTED, kind: ColumnType::Timestamp, aggregate });
                Expr::column(INGESTED)
            }
        };
        let ingested = ColumnSpec {
            name: INGESTED.to_owned(),
            kind: ColumnType::Timestamp,
            nullable: true,
            expr,
            group: "",
            default: false,
            role: FieldRole::Plain,
            timestamps: TimestampStyle::SqlMicros,
        };
        ReadRequest {
            table: Arc::new(table),
            columns: vec![ingested],
            snapshot: None,
            batch_bytes_max: self.budget.batch_bytes,
            // A row that is too large to be exported still has a key to be compared.
            row_bytes_max: ByteCount(u64::MAX),
            versions: if self.against.full { VersionScope::All } else { VersionScope::SinceWindow },
            ..request.clone()
        }
    }

    /// Gives `step` every batch of a read, in order, on a blocking thread.
    pub(super) async fn fold<S: Send + 'static>(
        &self,
        request: ReadRequest,
        state: S,
        step: fn(S, &RecordBatch) -> Result<S, Fault>,
    ) -> Result<S, Fault> {
        let source = &self.against.source;
        let reading = self.retrying.until_ok("preparing the read", || source.prepare(request.clone())).await?;
        let folded = self.fold_rows(&reading, state, step).await;
        end_reading(&*reading).await;
        folded
    }

    async fn fold_rows<S: Send + 'static>(
        &self,
        reading: &Arc<dyn Reading>,
        mut state: S,
        step: fn(S, &RecordBatch) -> Result<S, Fault>,
    ) -> Result<S, Fault> {
        let plan = self.retrying.until_ok("planning the read", || reading.plan(None)).await?;
        let mut slices =
            Slices::start(Arc::clone(reading), plan, &self.budget, self.stop.clone(), self.retrying.clone());
        while let Some(read) = slices.next().await? {
            if let Read::Rows(batch, permit) = read {
                state = Task::blocking("comparing keys", move || {
                    let state = step(state, &batch);
                    drop(permit);
                    state
                })
                .join()
                .await??;
            }
        }
        Ok(state)
    }
}

/// When each row of a batch was stored; `None` where the table does not know.
pub(super) struct Ingested<'a>(Option<&'a arrow_array::TimestampMicrosecondArray>);

impl<'a> Ingested<'a> {
    pub(super) fn of(batch: &'a RecordBatch) -> Self {
        Self(batch.column_by_name(INGESTED).and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>()))
    }

    pub(super) fn at(&self, row: usize) -> Option<Micros> {
        self.0.filter(|times| times.is_valid(row)).map(|times| Micros(times.value(row)))
    }

    /// Whether the row was stored after `instant`.
    pub(super) fn since(&self, row: usize, instant: Micros) -> bool {
        self.at(row).is_some_and(|ingested| ingested > instant)
    }
}

impl Split {
    fn add(mut self, batch: &RecordBatch) -> Result<Self, Fault> {
        let (keys, ingested) = (Keys::of(batch)?, Ingested::of(batch));
        let mut scratch = Vec::new();
        for row in 0..keys.len() {
            let digest = match self.scope.place(&keys, &ingested, row) {
                Place::Behind => continue,
                Place::Since => &mut self.since,
                Place::Before => &mut self.before,
            };
            digest.add(keys.trace_id(row), keys.id(row), keys.version(row), &mut scratch);
        }
        Ok(self)
    }
}

impl Suspects {
    fn add(mut self, batch: &RecordBatch) -> Result<Self, Fault> {
        let (keys, ingested) = (Keys::of(batch)?, Ingested::of(batch));
        let mut scratch = Vec::new();
        for row in 0..keys.len() {
            let hash = KeyDigest::hash(keys.trace_id(row), keys.id(row), keys.version(row), &mut scratch);
            let name = || RowName {
                trace_id: keys.trace_id(row).to_owned(),
                id: keys.id(row).to_owned(),
                ingested: ingested.at(row),
            };
            match self.scope.place(&keys, &ingested, row) {
                Place::Behind => {}
                Place::Since if self.since.len() == NAMES_MAX => self.since_more += 1,
                Place::Since => self.since.push(name()),
                Place::Before if !self.buckets.contains(&KeyDigest::bucket_of(hash)) => {}
                Place::Before if self.before.len() == NAMES_MAX => self.before_more = true,
                Place::Before => self.before.push((hash, name())),
            }
        }
        Ok(self)
    }

    /// Names what the digest alone tells: one row too many in a bucket is the row whose hash is the difference.
    fn name(self, exported: &KeyDigest, before: &KeyDigest, report: &mut VerifyReport) {
        if self.scope.awaits_late_rows() {
            self.since.into_iter().for_each(|row| report.add(Difference::RowLate(row)));
            report.differences_more += self.since_more;
            report.lacking_more += RowCount(self.since_more);
        } else {
            report.rows_since += RowCount(self.since.len() as u64 + self.since_more);
        }
        for bucket in self.buckets {
            let ((rows_exported, sum_exported), (rows_stored, sum_stored)) =
                (exported.bucket(bucket), before.bucket(bucket));
            let surplus = sum_stored.wrapping_sub(sum_exported);
            // Of too many rows some have no name here, and another could take the blame.
            let named = rows_stored == rows_exported + 1 && !self.before_more;
            let missing = self.before.iter().find(|(hash, _)| named && *hash == surplus);
            report.add(match missing {
                Some((_, row)) => Difference::RowMissing(row.clone()),
                None => Difference::Bucket { bucket, exported: RowCount(rows_exported), stored: RowCount(rows_stored) },
            });
        }
    }
}
