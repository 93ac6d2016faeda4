//! A few rows at an end of a range, for pages.
//!
//! A slice is read with everything that its rows hold; a page needs a hundred of them. So positions are asked for
//! first, which looks at the columns of the filter alone, and then the rows of those positions. A long range is
//! looked through in parts, the next one much longer than the one before: most pages end with the first.
//!
//! What the rows of a part are does not depend on where it ends. A group stands where its first member starts, so
//! groups are met by any member in the part and placed by all that they have.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::RecordBatch;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};
use model::{End, Fault, KeyRange, Micros, OrderKey, Relation, RowCount, Stop, StoredTable};

use super::changes::Rows;
use super::live::{BEFORE_SLICE, members_since, rows_of, since_slice};
use super::near::Near;
use super::place::Place;
use super::plan;
use super::query::Query;
use super::reading::ClickHouseReading;
use super::slice::SliceReader;
use super::sql::{arrays_of_texts, joined};

/// Stored versions that the first part has for each row that is wanted, where every row passes.
const VERSIONS_OF_ROW: u64 = 4;
/// So many times as many where rows must pass a filter.
const WHERE_FILTERED: u64 = 10;
/// So many times as many where rows are groups.
const WHERE_GROUPED: u64 = 10;
/// So many rows more are asked for than are wanted, for those that may be outranked.
const MORE_ROWS: u64 = 16;
/// How much longer each part is than the one before.
const LONGER: u64 = 16;

/// Some rows of a range, by their ids.
pub(super) struct OnlyRows {
    /// What stands in the text of a query for the condition, and the condition.
    conditions: Vec<(String, String)>,
    values: Vec<(String, String)>,
    /// So many of the values, the first ones, are lists of their ids.
    id_lists: usize,
}

impl OnlyRows {
    /// A text for these rows alone.
    pub(super) fn narrowed(&self, text: String) -> String {
        self.conditions.iter().fold(text, |text, (mark, condition)| text.replace(mark, condition))
    }

    /// The condition that a column has the id of one of them.
    pub(super) fn by_id(&self, column: &str) -> String {
        one_of(column, &self.values[..self.id_lists])
    }

    /// Values that a narrowed text has.
    pub(super) fn values(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.values.iter().cloned()
    }
}

/// Some rows of a range, and what outranked versions of theirs there are.
pub(super) struct SomeRows {
    only: OnlyRows,
    near: Near,
}

impl SomeRows {
    /// A query for these rows.
    pub(super) fn query(
        &self,
        reading: &ClickHouseReading,
        text: String,
        range: &KeyRange,
    ) -> Result<Option<Query>, Fault> {
        let query = reading.query_near(self.only.narrowed(text), range, &self.near, "rows")?;
        Ok(query.map(|mut query| {
            query.parameters.extend(self.only.values());
            query
        }))
    }
}

/// Reads so many rows at an end of a range.
pub(super) struct FewReader {
    reading: Arc<ClickHouseReading>,
    /// What positions have not been looked for in; `None` where there are no more.
    left: Option<KeyRange>,
    end: End,
    /// How many rows are wanted still.
    rows: u64,
    stop: Stop,
    found: Option<SliceReader>,
}

impl FewReader {
    /// Nothing is sent yet.
    pub(super) fn new(reading: Arc<ClickHouseReading>, range: KeyRange, end: End, rows: RowCount, stop: Stop) -> Self {
        Self { reading, left: Some(range), end, rows: rows.get(), stop, found: None }
    }

    /// The next rows; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>, Fault> {
        loop {
            if let Some(found) = &mut self.found {
                if let Some(batch) = found.next().await? {
                    self.rows = self.rows.saturating_sub(batch.num_rows() as u64);
                    return Ok(Some(batch));
                }
                self.found = None;
            }
            if self.rows == 0 || !self.look().await? {
                return Ok(None);
            }
        }
    }

    /// Looks for the rows that are wanted still: a row may have changed since its position was found, and no longer be
    /// one of them. False where there are none.
    pub(super) async fn look(&mut self) -> Result<bool, Fault> {
        let Some(range) = self.left.take() else { return Ok(false) };
        let found = self.reading.found(&range, self.end, RowCount(self.rows), &self.stop).await?;
        let Some(Found { range, some, rest }) = found else { return Ok(false) };
        self.left = rest;
        self.found = Some(SliceReader::of_rows(Arc::clone(&self.reading), range, some, self.stop.clone()));
        Ok(true)
    }
}

/// Rows at an end of a range.
struct Found {
    /// From the first to the last of them.
    range: KeyRange,
    some: SomeRows,
    /// What is behind them; `None` where nothing is, and of the last rows of a range: others would come before them.
    rest: Option<KeyRange>,
}

impl ClickHouseReading {
    /// The part of a range that is looked through next for so many rows.
    pub(super) async fn part_for_few(
        &self,
        range: &KeyRange,
        end: End,
        rows: RowCount,
        before: u32,
    ) -> Result<KeyRange, Fault> {
        let mut versions = VERSIONS_OF_ROW * rows.get().max(1);
        if !self.compiled.candidates.as_ref().map_or(self.request.filter.is_none(), |candidates| candidates.all_pass) {
            versions *= WHERE_FILTERED;
        }
        if matches!(self.request.table.relation, Relation::Grouped(_)) {
            versions *= WHERE_GROUPED;
        }
        let versions = RowCount(versions.saturating_mul(LONGER.saturating_pow(before)));
        let Some(time) = plan::time_behind(self, range, end, versions, &Stop::new()).await? else {
            return Ok(range.clone());
        };
        // Whatever starts together stays together.
        let part = match end {
            End::First => KeyRange { from: None, to: Some(OrderKey::at(Micros(time.0.saturating_sub(1)))) },
            End::Last => KeyRange { from: Some(OrderKey::at(time)), to: None },
        };
        Ok(range.and(&part).unwrap_or_else(|| range.clone()))
    }

    /// Reads so many rows at an end of a range.
    pub(super) fn few_rows(
        self: Arc<Self>,
        range: KeyRange,
        end: End,
        rows: RowCount,
        stop: Stop,
    ) -> BoxStream<'static, Result<RecordBatch, Fault>> {
        let reader = FewReader::new(self, range, end, rows, stop);
        stream::try_unfold(reader, |mut reader| async move { Ok(reader.next().await?.map(|batch| (batch, reader))) })
            .boxed()
    }

    /// The rows at an end of a range; `None` where there are none.
    async fn found(&self, range: &KeyRange, end: End, rows: RowCount, stop: &Stop) -> Result<Option<Found>, Fault> {
        let positions = self.of_positions()?;
        // Few rows have an outranked version, so positions are asked for while these are looked for: of some rows more
        // than are wanted. Those that may be outranked are asked for with the others and do not come if they are.
        let known = positions.without_a_look();
        let looked = positions.near(range, None, Near::default(), stop);
        let more = RowCount(rows.get().saturating_add(MORE_ROWS));
        let (near, found) = futures_util::try_join!(looked, positions.positions(range, end, more, &known, stop))?;
        let count = found.len();
        let mut are_all = (count as u64) < more.get();
        let mut keys = match near.first_of(found, are_all, &known, rows) {
            Some(first) => {
                are_all &= first.len() == count;
                first
            }
            None => {
                let found = positions.positions(range, end, rows, &near, stop).await?;
                are_all = (found.len() as u64) < rows.get();
                found
            }
        };
        let Some(last) = keys.last() else { return Ok(None) };
        let rest = match end {
            End::First if !are_all => range.after(last),
            End::First | End::Last => None,
        };
        if end == End::Last {
            keys.reverse();
        }
        let range = KeyRange { from: keys.first().cloned(), to: keys.last().map(OrderKey::successor) };
        let only = self.without_earlier_members(self.only(&keys)?)?;
        // What was found of the positions holds for the rows; what these take from others is looked for now, also in a
        // table that the positions were looked for in.
        let near = near.of_the_same(&positions.compiled.looked_through, &self.compiled.looked_through);
        let near = self.near(&range, Some(&only), near, stop).await?;
        Ok(Some(Found { range, some: SomeRows { only, near }, rest }))
    }

    /// The positions at an end of a range, from that end on, without what is outranked near it.
    async fn positions(
        &self,
        range: &KeyRange,
        end: End,
        rows: RowCount,
        near: &Near,
        stop: &Stop,
    ) -> Result<Vec<OrderKey>, Fault> {
        let text = self.compiled.positions_at(end);
        let Some(mut query) = self.query_near(text, range, near, "the positions of rows")? else {
            return Ok(Vec::new());
        };
        query.parameters.push(("few".to_owned(), rows.to_string()));
        let found = self.shared.client.rows(query, stop).await?;
        if found.num_rows() == 0 {
            return Ok(Vec::new());
        }
        let found = Rows::read(&found)?;
        Ok((0..found.len()).map(|row| found.key(row)).collect())
    }

    /// The rows of these positions. Those with the same id in between are of other traces, where these are not told.
    pub(super) fn only(&self, keys: &[OrderKey]) -> Result<OnlyRows, Fault> {
        let mut values = lists("only", keys.iter().map(|key| &*key.id))?;
        let id_lists = values.len();
        let mut conditions = Vec::new();
        match &self.request.table.relation {
            Relation::Stored(stored) => {
                let place = self.shared.database.place(stored.name)?;
                let id = place.required(self.request.table.order.id)?;
                let mut condition = format!(" AND {}", one_of(&id, &values));
                // A hundred ids are in most granules, as far as an index of them tells; they are of few traces.
                if let Some(trace) = self.trace_of_versions(place, stored)? {
                    let traces: BTreeSet<&str> = keys.iter().map(|key| &*key.trace_id).collect();
                    let traces = lists("only_traces", traces)?;
                    condition += &format!(" AND {}", one_of(&trace, &traces));
                    values.extend(traces);
                }
                conditions.push((rows_of(place), condition.clone()));
                if place.looks_before() && place.is_fixed(&id) {
                    conditions.push((BEFORE_SLICE.to_owned(), condition));
                }
            }
            Relation::Grouped(_) => {
                let selects = values.iter().map(|(name, _)| format!("SELECT arrayJoin({{{name}:Array(String)}})"));
                conditions.push((self.compiled.traces.clone(), selects.collect::<Vec<_>>().join(" UNION ALL ")));
            }
        }
        Ok(OnlyRows { conditions, values, id_lists })
    }

    /// The same where no group has a member that starts before the range.
    fn without_earlier_members(&self, mut only: OnlyRows) -> Result<OnlyRows, Fault> {
        if let Relation::Grouped(grouped) = &self.request.table.relation {
            for place in self.shared.database.places_of_groups(grouped.over.name)? {
                let since = since_slice(place, &grouped.over)?;
                only.conditions.push((members_since(place), format!(" AND {since}")));
            }
        }
        Ok(only)
    }

    /// The column of a row's trace, where all versions of the row are in the same one and the table is sorted by it.
    fn trace_of_versions(&self, place: &Place, stored: &StoredTable) -> Result<Option<String>, Fault> {
        let Some(trace) = self.request.table.order.trace_id else { return Ok(None) };
        let keys = place.key(stored)?;
        Ok(place.raw(trace).filter(|trace| keys.contains(trace) && place.is_fixed(trace)))
    }
}

/// Texts as named values of a query.
fn lists<'a>(name: &str, texts: impl IntoIterator<Item = &'a str>) -> Result<Vec<(String, String)>, Fault> {
    let lists = arrays_of_texts(texts)?.into_iter().enumerate();
    Ok(lists.map(|(place, list)| (format!("{name}{place}"), list)).collect())
}

/// The condition that a column has one of the texts of such values.
fn one_of(column: &str, lists: &[(String, String)]) -> String {
    joined("OR", "0", lists.iter().map(|(name, _)| format!("{column} IN {{{name}:Array(String)}}")))
}
