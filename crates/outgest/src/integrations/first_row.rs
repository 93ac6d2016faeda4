//! Where a whole history begins: the first row of any table of an integration.
//!
//! Plans tell from metadata whether a stretch of time can hold rows. The first day that can is found by
//! halving, and its keys are read; where the plan promised too much, the search goes on behind that day.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use async_trait::async_trait;
use futures_util::StreamExt;
use jobs::FirstRows;
use model::{CommentLookup, DuePlan, Fault, KeyRange, Micros, ReadRequest, RunId, Source, Stop, Window, key_column};

use super::reads::read_of;

const DAY: i64 = 24 * 3_600 * Micros::PER_SECOND;

/// No product of this kind stored anything before 2015.
const EARLIEST: Micros = Micros(1_420_070_400_000_000);

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
        let mut from = None;
        loop {
            // The first row may be older than any product: then its day is looked for no closer.
            let Some(day) = self.first_day(request, from, now).await? else { return Ok(None) };
            if let Some(first) = self.first_within(request, Window { from, to: Some(day) }).await? {
                return Ok(Some(first));
            }
            from = Some(day);
        }
    }

    /// The end of the first day since `from` that can hold rows.
    async fn first_day(
        &self,
        request: &ReadRequest,
        from: Option<Micros>,
        now: Micros,
    ) -> Result<Option<Micros>, Fault> {
        if from.is_some_and(|from| from >= now) || !self.may_hold(request, Window { from, to: Some(now) }).await? {
            return Ok(None);
        }
        let begin = from.unwrap_or(EARLIEST);
        let (mut none, mut some) = (0, (now.0 - begin.0).div_euclid(DAY) + 1);
        while some - none > 1 {
            let middle = none + (some - none) / 2;
            let to = Micros((begin.0 + middle * DAY).min(now.0));
            match self.may_hold(request, Window { from, to: Some(to) }).await? {
                true => some = middle,
                false => none = middle,
            }
        }
        Ok(Some(Micros((begin.0 + some * DAY).min(now.0))))
    }

    async fn may_hold(&self, request: &ReadRequest, window: Window) -> Result<bool, Fault> {
        let reading = self.source.prepare(ReadRequest { window, ..request.clone() }).await?;
        let plan = reading.plan(None).await;
        reading.close().await?;
        Ok(plan?.rows().get() > 0)
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
        reading.close().await?;
        first
    }
}
