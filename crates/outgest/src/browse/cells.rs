//! Rows as JSON: the cells a JSONL export would have, long texts cut where that is asked for.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, MapArray, RecordBatch, StringArray, StructArray};
use arrow_schema::{DataType, Schema, SchemaRef};
use enrich::{Comments, Prices, Scores};
use model::{
    ByteCount, Enricher, Enrichment, Fault, FieldRole, Format, FormatOptions, Lookups, Micros, OrderKey, ReadRequest,
    Reading, Selection, ShownRow,
};

use super::LookedUp;
use super::token::row_key;

/// Adds comments and scores to rows and prints them.
pub(super) struct Cells {
    steps: Vec<Arc<dyn Enricher>>,
    schema: SchemaRef,
    format: &'static dyn Format,
    options: FormatOptions,
    characters_max: Option<usize>,
}

impl Cells {
    pub(super) async fn new(
        request: &ReadRequest,
        reading: &dyn Reading,
        looked_up: &LookedUp,
        selection: &Selection,
        characters_max: Option<u32>,
    ) -> Result<Self, Fault> {
        let mut wanted: Vec<&dyn Enrichment> = Vec::new();
        if selection.columns.iter().any(|column| column.role == FieldRole::Comments) {
            wanted.push(&Comments);
        }
        if selection.columns.iter().any(|column| matches!(column.role, FieldRole::Price(_))) {
            wanted.push(&Prices);
        }
        if selection.scores {
            wanted.push(&Scores);
        }
        let lookups = Lookups {
            scores: reading.scores(),
            comments: Arc::clone(&looked_up.comments),
            prices: Arc::clone(&looked_up.prices),
        };
        let mut schema = Arc::clone(reading.schema());
        let mut steps = Vec::new();
        for enrichment in wanted {
            let step = enrichment.prepare(request, &schema, &lookups).await?;
            schema = Arc::clone(step.schema());
            steps.push(step);
        }
        let format = formats::find("jsonl")?;
        let options = FormatOptions { unicode: format.descriptor().unicode_default, ..FormatOptions::default() };
        let fields = schema.fields();
        let shown = Schema::new(fields[..fields.len() - <dyn Reading>::KEY_COLUMNS].to_vec());
        let characters_max = characters_max.and_then(|most| usize::try_from(most).ok());
        Ok(Self { steps, schema: Arc::new(shown), format, options, characters_max })
    }

    /// Names of the columns.
    pub(super) fn columns(&self) -> Vec<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    /// The rows of a batch.
    pub(super) async fn print(&self, mut batch: RecordBatch) -> Result<Vec<ShownRow>, Fault> {
        for step in &self.steps {
            batch = step.apply(batch).await?;
        }
        let keys = (0..batch.num_rows()).map(|row| order_key(&batch, row)).collect::<Result<Vec<_>, Fault>>()?;
        let mut columns = batch.columns()[..self.schema.fields().len()].to_vec();
        let mut cut = vec![Vec::new(); keys.len()];
        if let Some(most) = self.characters_max {
            for (field, column) in self.schema.fields().iter().zip(&mut columns) {
                let shorter = shortened(column, most, &mut |row, bytes| cut[row].push((field.name().clone(), bytes)));
                *column = shorter.unwrap_or_else(|| Arc::clone(column));
            }
        }
        let (schema, format, options) = (Arc::clone(&self.schema), self.format, self.options.clone());
        let rows = RecordBatch::try_new(Arc::clone(&schema), columns)
            .map_err(|error| Fault::bug("cut texts do not fit their columns").because(error))?;
        // Encoding takes longer than other calls should wait for.
        let text = tokio::task::spawn_blocking(move || {
            let block = format.block_encoder(&schema, &options)?.encode(&[rows])?;
            format.start(&schema, &options, None)?.append(block)
        });
        let text = text.await.map_err(|error| Fault::bug("printing rows ended without an answer").because(error))??;
        let text = std::str::from_utf8(&text).map_err(|error| Fault::bug("rows are not UTF-8").because(error))?;
        let rows = text.lines().zip(keys).zip(cut);
        Ok(rows.map(|((cells, key), cut)| ShownRow { key: row_key(&key), cells: cells.to_owned(), cut }).collect())
    }
}

/// The position of a row, from the key columns at the end of its batch.
pub(super) fn order_key(batch: &RecordBatch, row: usize) -> Result<OrderKey, Fault> {
    let first = batch.num_columns().saturating_sub(<dyn Reading>::KEY_COLUMNS);
    let time = batch.column(first).as_primitive_opt::<TimestampMicrosecondType>();
    let text = |offset: usize| batch.column(first + offset).as_string_opt::<i32>();
    match (time, text(1), text(2)) {
        (Some(time), Some(trace_id), Some(id)) => Ok(OrderKey {
            time: Micros(time.value(row)),
            trace_id: trace_id.value(row).into(),
            id: id.value(row).into(),
        }),
        _ => Err(Fault::bug("a batch does not end with the key columns")),
    }
}

/// The column with every text of at most `most` characters, telling rows and sizes of those that were longer;
/// `None` where none was, or where the column holds no texts.
fn shortened(column: &ArrayRef, most: usize, tell: &mut dyn FnMut(usize, ByteCount)) -> Option<ArrayRef> {
    match column.data_type() {
        DataType::Utf8 => {
            let texts = column.as_string::<i32>();
            let shorter = shorter_texts(texts, most)?;
            for row in 0..texts.len() {
                if texts.value_length(row) > shorter.value_length(row) {
                    tell(row, ByteCount::from(texts.value(row).len()));
                }
            }
            Some(Arc::new(shorter))
        }
        DataType::Map(..) => shortened_values(column.as_map(), most, tell),
        _ => None,
    }
}

fn shortened_values(map: &MapArray, most: usize, tell: &mut dyn FnMut(usize, ByteCount)) -> Option<ArrayRef> {
    let values = map.values().as_string_opt::<i32>()?;
    let shorter = shorter_texts(values, most)?;
    for row in 0..map.len() {
        let (from, to) = (map.value_offsets()[row] as usize, map.value_offsets()[row + 1] as usize);
        if (from..to).any(|value| values.value_length(value) > shorter.value_length(value)) {
            tell(row, (from..to).map(|value| ByteCount::from(values.value(value).len())).sum());
        }
    }
    let DataType::Map(entries, sorted) = map.data_type() else { return None };
    let DataType::Struct(fields) = entries.data_type() else { return None };
    let entries_array =
        StructArray::new(fields.clone(), vec![Arc::clone(map.keys()), Arc::new(shorter) as ArrayRef], None);
    let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
    Some(Arc::new(MapArray::new(Arc::clone(entries), offsets, entries_array, nulls, *sorted)))
}

fn shorter_texts(texts: &StringArray, most: usize) -> Option<StringArray> {
    // A text of no more bytes has no more characters.
    let long = |text: &str| text.len() > most && text.char_indices().nth(most).is_some();
    if !texts.iter().flatten().any(long) {
        return None;
    }
    let cut = |text| match str::char_indices(text).nth(most) {
        Some((end, _)) => &text[..end],
        None => text,
    };
    Some(texts.iter().map(|text| text.map(cut)).collect())
}
