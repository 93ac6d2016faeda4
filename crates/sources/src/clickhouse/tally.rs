//! The rows of a range for counting: as the server finds them, without an order and without their keys.
//!
//! A query that meets a limit of the server fails here: rows without keys cannot be gone on with, and what is
//! counted takes neither payloads nor a sort.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use futures_core::stream::BoxStream;
use futures_util::TryStreamExt;
use model::{ColumnSpec, Fault, KeyRange, Reading, Stop};

use super::columns::requested;
use super::reading::ClickHouseReading;

/// Reads a range, planned slice by planned slice.
pub(super) struct TallyReader {
    reading: Arc<ClickHouseReading>,
    schema: SchemaRef,
    stop: Stop,
    /// The whole range, until it has been divided.
    whole: Option<KeyRange>,
    left: VecDeque<KeyRange>,
    answer: Option<BoxStream<'static, Result<RecordBatch, Fault>>>,
}

impl TallyReader {
    /// Nothing is sent yet.
    pub(super) fn new(reading: Arc<ClickHouseReading>, range: KeyRange, stop: Stop) -> Self {
        let [time, ..] = <dyn Reading>::key_fields();
        let fields = reading.request.columns.iter().map(ColumnSpec::to_field).chain([time]);
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Self { reading, schema, stop, whole: Some(range), left: VecDeque::new(), answer: None }
    }

    /// The next rows; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>, Fault> {
        let reading = &self.reading;
        if let Some(whole) = self.whole.take() {
            let planned = reading.planned(&self.stop).await?;
            self.left = planned.slices.iter().filter_map(|slice| slice.range.and(&whole)).collect();
        }
        loop {
            self.stop.check()?;
            if let Some(answer) = &mut self.answer {
                if let Some(block) = answer.try_next().await? {
                    return requested(&block, &reading.compiled.outputs, &self.schema).map(Some);
                }
                self.answer = None;
            }
            let Some(range) = self.left.pop_front() else { return Ok(None) };
            let query = reading.query(reading.compiled.tally(), &range, "rows to be counted", &self.stop).await?;
            // Somebody looks at a page, and does not wait for exports.
            self.answer = query.map(|query| reading.shared.client.stream_looked_up(query, self.stop.clone()));
        }
    }
}
