//! Where a whole history begins: the first row of any table of an integration.
//!
//! A source tells cheaply from when on there can be rows. The keys of the day from then on are read; where no row of
//! it lives, or none passes, the search goes on behind that day.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use async_trait::async_trait;
use futures_util::StreamExt;
use jobs::FirstRows;
use model::{CommentLookup, DuePlan, Fault, KeyRange, Micros, ReadRequest, RunId, Source, Stop, Window, key_column};

use super::reads::read_of;

const DAY: i64 = 24 * 3_600 * Micros::PER_SECOND;

/// Looks first rows up in a source.
pub struct SourceRows {
    /// Where rows come from.
    pub source: Arc<dyn Source>,
    /// Where comments come from.
    pub comments: Arc<dyn CommentLookup>,
}

#[async_trait]
impl FirstRows for SourceRows {
    async fn first_row(&self, due: &DuePlan, now: Micros) -> Result<Option<Micros>, Fault> {
        let mut first: Option<Micros> = None;
        for table in &due.settings.tables {
            let window = Window { from: None, to: Some(now) };
            let run = RunId::new(format!("first-{}", due.integration));
            let of = (&due.project, &due.settings, table);
            let read = read_of(of, window, &run, now, self.comments.as_ref()).await?;
            let read = ReadRequest { columns: Vec::new(), ..read };
            let found = self.first_of(&read, now).await?;
            first = [first, found].into_iter().flatten().min();
        }
        Ok(first)
    }
}

impl SourceRows {
    async fn first_of(&self, request: &ReadRequest, now: Micros) -> Result<Option<Micros>, Fault> {
        let mut from: Option<Micros> = None;
        while from.is_none_or(|from| from < now) {
            let window = Window { from, to: Some(now) };
            let reading = self.source.prepare(ReadRequest { window, ..request.clone() }).await?;
            let earliest = reading.earliest().await;
            pipeline::end_reading(&*reading).await;
            let Some(earliest) = earliest? else { return Ok(None) };
            let behind = Micros(earliest.0.saturating_add(DAY).min(now.0));
            let day = Window { from: Some(earliest), to: Some(behind) };
            if let Some(first) = self.first_within(request, day).await? {
                return Ok(Some(first));
            }
            from = Some(behind);
        }
        Ok(None)
    }

    async fn first_within(&self, request: &ReadRequest, window: Window) -> Result<Option<Micros>, Fault> {
        let reading = self.source.prepare(ReadRequest { window, ..request.clone() }).await?;
        let read = async {
            let mut first: Option<Micros> = None;
            let mut batches = Arc::clone(&reading).read(KeyRange::ALL, Stop::new());
            while let Some(batch) = batches.next().await {
                let batch = batch?;
                let cursor = batch.column_by_name(key_column::CURSOR);
                let cursor = cursor.and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
                let cursor = cursor.ok_or_else(|| Fault::bug("a batch has no cursor"))?;
                first = first.into_iter().chain(cursor.iter().flatten().map(Micros)).min();
            }
            Ok(first)
        };
        let first: Result<Option<Micros>, Fault> = read.await;
        pipeline::end_reading(&*reading).await;
        first
    }
}
