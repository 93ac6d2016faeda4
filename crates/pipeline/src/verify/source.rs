//! Compares the keys of a manifest with those the source has now.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, RecordBatch};
use model::{
    ByteCount, ColumnSpec, ColumnType, Destination, Expr, Fault, FieldRole, Format, KeyDigest, Manifest, Micros,
    ReadRequest, Relation, RowCount, Stop, TimestampStyle, VersionScope,
};

use super::keys::{self, KeyColumns};
use super::{Against, Difference, RowName, VerifyReport};
use crate::Budget;
use crate::key::Keys;
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

/// Rows of the source that were there when the export was made, and those stored since.
struct Split {
    exported_at: Micros,
    /// Where the export was cut by a limit, rows behind its last one are not looked at.
    rows_left: Option<u64>,
    before: KeyDigest,
    since: KeyDigest,
}

/// Rows of buckets that differ, when files cannot tell.
struct Suspects {
    exported_at: Micros,
    buckets: Vec<u8>,
    before: Vec<(u64, RowName)>,
    since: Vec<RowName>,
}

/// Adds everything in which the source differs from the manifest to `report`.
pub(super) async fn compare(
    manifest: &Manifest,
    stored: &Stored,
    destination: &dyn Destination,
    format: &dyn Format,
    report: &mut VerifyReport,
) -> Result<(), Fault> {
    let mut exported = KeyDigest::default();
    manifest.files.iter().for_each(|file| exported.merge(&file.key_digest));
    let request = stored.request();
    let rows_left = manifest.truncated.then(|| manifest.rows.get());
    let split = Split {
        exported_at: manifest.exported_at,
        rows_left,
        before: KeyDigest::default(),
        since: KeyDigest::default(),
    };
    let split = stored.fold(request.clone(), split, Split::add).await?;
    report.rows_in_source = Some(RowCount(split.before.rows() + split.since.rows()));
    let buckets = split.before.differing_buckets(&exported);
    let full = stored.against.full;
    if buckets.is_empty() && split.since.rows() == 0 && !full {
        return Ok(());
    }
    match KeyColumns::of(manifest, &request.table) {
        Some(columns) if format.scanner(model::Compression::None, &columns.names()).is_ok() => {
            let known = report.differences.len();
            keys::compare(manifest, &columns, stored, destination, format, report).await?;
            // Where all keys agree only versions can differ, which these files do not hold.
            if report.differences.len() == known && report.rows_superseded == RowCount::ZERO {
                report.differences.extend(buckets.into_iter().map(|bucket| Difference::Bucket {
                    bucket,
                    exported: RowCount(exported.bucket(bucket).0),
                    stored: RowCount(split.before.bucket(bucket).0),
                }));
            }
            Ok(())
        }
        _ if full => Err(Fault::bad_request(
            "the files do not hold the columns that identify a row, or cannot be read row by row",
        )
        .hint("verify without --full, which compares the key digest")),
        _ => {
            let suspects = Suspects { exported_at: manifest.exported_at, buckets, before: vec![], since: vec![] };
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
        let ingested = match &request.table.relation {
            Relation::Stored(stored) => vec![ColumnSpec {
                name: INGESTED.to_owned(),
                kind: ColumnType::Timestamp,
                nullable: true,
                expr: Expr::column(stored.ingested),
                group: "",
                default: false,
                role: FieldRole::Plain,
                timestamps: TimestampStyle::SqlMicros,
            }],
            Relation::Grouped(_) => vec![],
        };
        ReadRequest {
            columns: ingested,
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
        mut state: S,
        step: fn(S, &RecordBatch) -> Result<S, Fault>,
    ) -> Result<S, Fault> {
        let source = &self.against.source;
        let reading = self.retrying.until_ok("preparing the read", || source.prepare(request.clone())).await?;
        let plan = self.retrying.until_ok("planning the read", || reading.plan(None)).await?;
        let mut slices =
            Slices::start(Arc::clone(&reading), plan, &self.budget, self.stop.clone(), self.retrying.clone());
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
        drop(slices);
        reading.close().await?;
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
            let digest = if ingested.since(row, self.exported_at) {
                &mut self.since
            } else {
                match &mut self.rows_left {
                    Some(0) => continue,
                    Some(left) => *left -= 1,
                    None => {}
                }
                &mut self.before
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
            if ingested.since(row, self.exported_at) {
                self.since.push(name());
            } else if self.buckets.contains(&KeyDigest::bucket_of(hash)) {
                self.before.push((hash, name()));
            }
        }
        Ok(self)
    }

    /// Names what the digest alone tells: one row too many in a bucket is the row whose hash is the difference.
    fn name(self, exported: &KeyDigest, before: &KeyDigest, report: &mut VerifyReport) {
        report.differences.extend(self.since.into_iter().map(Difference::RowLate));
        for bucket in self.buckets {
            let ((rows_exported, sum_exported), (rows_stored, sum_stored)) =
                (exported.bucket(bucket), before.bucket(bucket));
            let surplus = sum_stored.wrapping_sub(sum_exported);
            let missing = self.before.iter().find(|(hash, _)| *hash == surplus && rows_stored == rows_exported + 1);
            report.differences.push(match missing {
                Some((_, row)) => Difference::RowMissing(row.clone()),
                None => Difference::Bucket { bucket, exported: RowCount(rows_exported), stored: RowCount(rows_stored) },
            });
        }
    }
}
