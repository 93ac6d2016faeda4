//! Values of a filter column and how many rows have them.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch, StringArray};
use arrow_schema::DataType;
use model::{
    Bound, BrowseBounds, ColumnSpec, ColumnType, Expr, FacetAsk, FacetValue, Facets, Fault, FieldProblem, FieldRole,
    FilterKind, Literal, ProjectId, RowCount, TableSpec, TimestampStyle, nearest,
};

use super::SourceBrowse;
use super::asked::Asked;
use super::open::{Ended, More, Open};

/// Bytes of different values that are counted: a column of ids has one per row, and nobody looks through those.
const VALUES_BYTES_MAX: usize = 16 * 1024 * 1024;

pub(super) async fn facets(
    browse: &SourceBrowse,
    project: &ProjectId,
    ask: &FacetAsk,
    bounds: &BrowseBounds,
) -> Result<Facets, Fault> {
    let asked = Asked::new(browse, project, &ask.rows).await?;
    let column = counted_column(&asked.table, ask)?;
    let mut open = Open::new(browse.source.as_ref(), asked.request(vec![column]), bounds).await?;
    let mut counts = Counts { contains: ask.contains.as_ref().map(|text| text.to_lowercase()), ..Counts::default() };
    let mut stopped = None;
    for slice in open.plan(None).await?.slices {
        let ended = open
            .tally(slice.range, |batch| {
                counts.add(&batch)?;
                Ok(if counts.bytes > VALUES_BYTES_MAX { More::No } else { More::Yes })
            })
            .await?;
        match ended {
            Ended::Seen => {}
            Ended::Enough => stopped = Some(Bound::Bytes),
            Ended::At(bound) => stopped = Some(bound),
        }
        if stopped.is_some() {
            break;
        }
    }
    Ok(counts.into_facets(ask.values_max as usize, stopped))
}

/// The column whose cells are the values.
fn counted_column(table: &TableSpec, ask: &FacetAsk) -> Result<ColumnSpec, Fault> {
    let wrong = |field, message: String, hint: Option<String>| {
        let problem = FieldProblem::new(field, message);
        Fault::of_problems(vec![match hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        }])
    };
    let Some(column) = table.filter_column(&ask.column) else {
        let close = nearest(&ask.column, table.filters.iter().map(|column| column.id));
        let message = format!("{} has no column {:?} to filter by", table.name, ask.column);
        return Err(wrong("column", message, close.map(|close| format!("did you mean {close:?}?"))));
    };
    let text = |expr| Ok((ColumnType::Text, expr));
    let list = |expr| Ok((ColumnType::text_list(), expr));
    let counted = match (&column.kind, &ask.key) {
        (FilterKind::TextPairs { names, .. }, None) => list(names.clone()),
        (FilterKind::TextPairs { names, values }, Some(key)) => text(Expr::ZipGet {
            names: Box::new(names.clone()),
            values: Box::new(values.clone()),
            key: key.as_str().into(),
        }),
        (FilterKind::TextMap(map), None) => list(Expr::MapKeys(Box::new(map.clone()))),
        (FilterKind::TextMap(map), Some(key)) => {
            text(Expr::MapGet { map: Box::new(map.clone()), key: key.as_str().into() })
        }
        (kind, _) if !kind.is_countable() => {
            let message = format!("values of {:?} cannot be counted", ask.column);
            Err(wrong("column", message, Some("the catalog says which columns have facets".to_owned())))
        }
        (_, Some(_)) => Err(wrong("key", format!("column {:?} has no keys", ask.column), None)),
        (FilterKind::Text { value, .. }, None) => text(value.clone()),
        (FilterKind::TextList(value), None) => list(value.clone()),
        (FilterKind::Bool(predicate), None) => {
            let truth = |value| Box::new(Expr::Literal(Literal::Text(if value { "true" } else { "false" }.to_owned())));
            text(Expr::If { when: Box::new(predicate.clone()), then: truth(true), otherwise: truth(false) })
        }
        (_, None) => Err(Fault::bug(format!("values of {:?} have no expression", ask.column))),
    };
    let (kind, expr) = counted?;
    Ok(ColumnSpec {
        name: "value".to_owned(),
        kind,
        nullable: true,
        expr,
        group: "counted",
        default: false,
        role: FieldRole::Plain,
        timestamps: TimestampStyle::SqlMicros,
    })
}

/// Values so far.
#[derive(Default)]
struct Counts {
    contains: Option<String>,
    rows: RowCount,
    values: HashMap<String, u64>,
    /// Bytes of the values.
    bytes: usize,
}

impl Counts {
    fn add(&mut self, batch: &RecordBatch) -> Result<(), Fault> {
        self.rows += RowCount::from(batch.num_rows());
        let column = batch.column(0);
        match column.data_type() {
            DataType::Utf8 => {
                for text in column.as_string::<i32>().iter().flatten() {
                    self.count(text);
                }
            }
            DataType::List(_) => {
                let lists = column.as_list::<i32>();
                let texts: &StringArray = lists
                    .values()
                    .as_string_opt()
                    .ok_or_else(|| Fault::bug("a list of counted values does not hold texts"))?;
                for row in (0..lists.len()).filter(|row| lists.is_valid(*row)) {
                    let range = lists.value_offsets()[row] as usize..lists.value_offsets()[row + 1] as usize;
                    let mut of_row: Vec<&str> = range.map(|item| texts.value(item)).collect();
                    // A row has a value or it has not.
                    of_row.sort_unstable();
                    of_row.dedup();
                    of_row.into_iter().for_each(|text| self.count(text));
                }
            }
            other => return Err(Fault::bug(format!("values of type {other} cannot be counted"))),
        }
        Ok(())
    }

    fn count(&mut self, text: &str) {
        if let Some(count) = self.values.get_mut(text) {
            *count += 1;
            return;
        }
        if self.contains.as_ref().is_none_or(|part| text.to_lowercase().contains(part.as_str())) {
            self.bytes += text.len() + size_of::<(String, u64)>();
            self.values.insert(text.to_owned(), 1);
        }
    }

    fn into_facets(self, values_max: usize, stopped: Option<Bound>) -> Facets {
        let value = |(value, rows)| FacetValue { value, rows: RowCount(rows) };
        let mut values: Vec<FacetValue> = self.values.into_iter().map(value).collect();
        values.sort_unstable_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.value.cmp(&b.value)));
        let more = values.len() > values_max;
        values.truncate(values_max);
        Facets { values, more, rows: self.rows, stopped }
    }
}
