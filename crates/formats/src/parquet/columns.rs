//! Reads asked columns of a Parquet file, and nothing else of it.
//!
//! The footer stands at the end and says where the cells are, so a file is read by stretches: its end, then
//! the asked columns of one row group after the other. No more is held than those columns of one row group,
//! and the footer.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use ::parquet::DecodeResult;
use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::push_decoder::{ParquetPushDecoder, ParquetPushDecoderBuilder};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder};
use arrow_array::RecordBatch;
use bytes::Bytes;
use model::{Fault, RowCount, RowScanner, ScannedRows};

use crate::text::{Bare, Cells, TextRules, text_of};

/// Rows that are decoded at once.
const BATCH_ROWS: usize = 8_192;

/// A Parquet file of which some columns are being read.
pub(super) struct Columns {
    names: Vec<String>,
    step: Step,
    /// Stretches that are still to come, the one that has begun first.
    wanted: VecDeque<Range<u64>>,
    /// What came of that one.
    begun: Vec<u8>,
}

enum Step {
    Start,
    Footer(ParquetMetaDataPushDecoder),
    Rows(ParquetPushDecoder),
    Ended,
}

impl Columns {
    pub(super) fn new(names: &[&str]) -> Self {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Self { names, step: Step::Start, wanted: VecDeque::new(), begun: Vec::new() }
    }

    /// Goes on until bytes are missing.
    fn advance(&mut self, found: &mut ScannedRows) -> Result<(), Fault> {
        while self.wanted.is_empty() {
            let next = match &mut self.step {
                Step::Footer(decoder) => match decoder.try_decode().map_err(makes_no_sense)? {
                    DecodeResult::NeedsData(stretches) => {
                        self.wanted.extend(stretches);
                        continue;
                    }
                    DecodeResult::Data(footer) => Step::Rows(self.rows(footer)?),
                    DecodeResult::Finished => return Err(Fault::corrupt("the file has no footer")),
                },
                Step::Rows(decoder) => match decoder.try_decode().map_err(makes_no_sense)? {
                    DecodeResult::NeedsData(stretches) => {
                        self.wanted.extend(stretches);
                        continue;
                    }
                    DecodeResult::Data(rows) => {
                        self.take(&rows, found)?;
                        continue;
                    }
                    DecodeResult::Finished => Step::Ended,
                },
                Step::Start | Step::Ended => return Ok(()),
            };
            self.step = next;
        }
        Ok(())
    }

    fn rows(&self, footer: ParquetMetaData) -> Result<ParquetPushDecoder, Fault> {
        let builder = ParquetPushDecoderBuilder::try_new_decoder(Arc::new(footer)).map_err(makes_no_sense)?;
        let places = self.names.iter().filter_map(|name| builder.schema().index_of(name).ok());
        let asked = ProjectionMask::roots(builder.parquet_schema(), places);
        builder.with_projection(asked).with_batch_size(BATCH_ROWS).build().map_err(makes_no_sense)
    }

    fn take(&self, rows: &RecordBatch, found: &mut ScannedRows) -> Result<(), Fault> {
        let schema = rows.schema();
        let rules = TextRules { decode: false, parse_payloads: false };
        let mut columns = Vec::with_capacity(self.names.len());
        for name in &self.names {
            let column = schema.index_of(name).ok();
            let cells = column.map(|place| Cells::bind::<Bare>(schema.field(place), rows.column(place), rules));
            columns.push(cells.transpose()?);
        }
        let mut json = Vec::new();
        for row in 0..rows.num_rows() {
            let mut texts = Vec::with_capacity(columns.len());
            for cells in &mut columns {
                json.clear();
                texts.push(match cells {
                    Some(cells) => {
                        cells.write_json::<Bare>(row, &mut json);
                        text_of(str::from_utf8(&json).map_err(|error| Fault::bug("JSON is text").because(error))?)
                    }
                    None => None,
                });
            }
            found.texts.push(texts);
        }
        found.rows += RowCount::from(rows.num_rows());
        Ok(())
    }
}

impl RowScanner for Columns {
    fn next_stretch(&mut self, size: u64, _pushed: u64) -> Result<Option<Range<u64>>, Fault> {
        if let Step::Start = self.step {
            let footer = ParquetMetaDataPushDecoder::try_new(size).map_err(makes_no_sense)?;
            self.step = Step::Footer(footer.with_page_index_policy(PageIndexPolicy::Skip));
            self.advance(&mut ScannedRows::default())?;
        }
        match self.wanted.front() {
            Some(stretch) if stretch.end > size => Err(Fault::corrupt("its footer lists bytes that it does not have")),
            stretch => Ok(stretch.cloned()),
        }
    }

    fn push(&mut self, bytes: &[u8], found: &mut ScannedRows) -> Result<(), Fault> {
        self.begun.extend_from_slice(bytes);
        let begun = self.begun.len() as u64;
        let Some(stretch) = self.wanted.pop_front_if(|stretch| stretch.end - stretch.start <= begun) else {
            return Ok(());
        };
        if stretch.end - stretch.start < begun {
            return Err(Fault::bug("more bytes than the columns asked for"));
        }
        let bytes = Bytes::from(std::mem::take(&mut self.begun));
        match &mut self.step {
            Step::Footer(decoder) => decoder.push_range(stretch, bytes),
            Step::Rows(decoder) => decoder.push_range(stretch, bytes),
            Step::Start | Step::Ended => return Err(Fault::bug("bytes that no column asked for")),
        }
        .map_err(makes_no_sense)?;
        self.advance(found)
    }

    fn finish(self: Box<Self>, _found: &mut ScannedRows) -> Result<(), Fault> {
        match self.step {
            Step::Ended => Ok(()),
            Step::Start | Step::Footer(_) | Step::Rows(_) => Err(Fault::corrupt("the file ended amid its rows")),
        }
    }
}

fn makes_no_sense(error: ParquetError) -> Fault {
    Fault::corrupt("the Parquet file makes no sense").because(error)
}
