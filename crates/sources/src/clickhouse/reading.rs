//! One request over ClickHouse, prepared.
//!
//! Nothing but the request's text is fixed when it is prepared: ClickHouse has no snapshots. Slices are
//! planned, and outranked versions looked for, when they are first needed, and once.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use async_trait::async_trait;
use futures_core::stream::BoxStream;
use futures_util::StreamExt;
use futures_util::stream;
use model::{
    ColumnSpec, Cursor, End, Fault, KeyRange, Micros, OrderKey, Plan, ProjectId, ReadRequest, Reading, Relation,
    RowCount, ScoreLookup, Slice, Snapshot, Stop, StoredTable, VersionScope,
};
use tokio::sync::OnceCell;

use super::changes::Changes;
use super::client::Client;
use super::compile::Compiled;
use super::database::{Database, warnings_of};
use super::dead::{Dead, Look, Scope};
use super::live::{BEFORE_SLICE, DEAD_IN_SLICE, dead_of};
use super::place::Place;
use super::plan::{self, Planned};
use super::query::Query;
use super::scores::{self, ClickHouseScores};
use super::slice::SliceReader;
use super::sql::{Parameters, escaped, joined};
use super::tally::TallyReader;
use super::versions::rows_where;

/// The first and the last instant that a DateTime64 can be.
pub(super) const TIMES: (i64, i64) = (-2_208_988_800_000_000, 10_413_791_999_999_999);
/// A correction that was stored so long before a window is not looked for.
const LOOK_BACK: i64 = 86_400 * Micros::PER_SECOND;

/// A prepared read.
pub(super) struct ClickHouseReading {
    pub(super) shared: Arc<Shared>,
    pub(super) scores: Arc<ClickHouseScores>,
    pub(super) request: ReadRequest,
    pub(super) compiled: Compiled,
    schema: SchemaRef,
    planned: OnceCell<Planned>,
    /// Rows that were changed since the read was planned.
    pub(super) changes: Changes,
    /// Outranked versions of the rows that are read, of the versions that decide.
    outranked: OnceCell<Dead>,
}

/// What a reading and its look-ups share.
pub(super) struct Shared {
    pub(super) database: Arc<Database>,
    pub(super) client: Client,
    project: ProjectId,
    /// When the read was planned.
    as_of: Micros,
    /// The stored tables that are read.
    stored: Vec<Arc<StoredTable>>,
    /// Outranked versions of all that were stored before the read was planned, by place.
    outranked: Mutex<HashMap<usize, Arc<OnceCell<Dead>>>>,
}

/// When the rows of a query start, in microseconds, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) lo: i64,
    pub(super) hi: i64,
}

impl ClickHouseReading {
    /// Checks the request and prints its queries; nothing is sent.
    pub(super) fn new(request: ReadRequest, database: &Arc<Database>, client: &Client) -> Result<Self, Fault> {
        Self::holding(request, database, client, scores::SCORES_HELD)
    }

    /// The same with another number of scores that are held at once.
    pub(super) fn holding(
        request: ReadRequest,
        database: &Arc<Database>,
        client: &Client,
        scores_held: usize,
    ) -> Result<Self, Fault> {
        request.check()?;
        if request.snapshot.is_some() {
            return Err(Fault::bad_request(format!("{database} has no snapshots to read again")));
        }
        let attached = request.table.attached.iter().map(|attached| Arc::clone(&attached.groups.over));
        let stored = [Arc::clone(request.table.stored())].into_iter().chain(attached);
        let shared = Shared {
            database: Arc::clone(database),
            client: client.of_run(&request.run, &request.project),
            project: request.project.clone(),
            as_of: request.as_of,
            stored: stored.chain([Arc::new(scores::stored().clone())]).collect(),
            outranked: Mutex::default(),
        };
        Self::sharing(request, Arc::new(shared), scores_held)
    }

    /// A read of the same rows' positions alone.
    pub(super) fn of_positions(&self) -> Result<Self, Fault> {
        let request = ReadRequest { columns: Vec::new(), ..self.request.clone() };
        Self::sharing(request, Arc::clone(&self.shared), scores::SCORES_HELD)
    }

    fn sharing(request: ReadRequest, shared: Arc<Shared>, scores_held: usize) -> Result<Self, Fault> {
        let compiled = Compiled::new(&request, &shared.database)?;
        let fields = request.columns.iter().map(ColumnSpec::to_field).chain(<dyn Reading>::key_fields());
        Ok(Self {
            scores: Arc::new(ClickHouseScores::new(Arc::clone(&shared), &compiled, scores_held)),
            shared,
            compiled,
            changes: Changes::since(request.as_of),
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            request,
            planned: OnceCell::new(),
            outranked: OnceCell::new(),
        })
    }

    /// The slices of everything, planned with the first call.
    pub(super) async fn planned(&self, stop: &Stop) -> Result<&Planned, Fault> {
        self.planned.get_or_try_init(|| Planned::count(self, stop)).await
    }

    /// Looks for whatever versions the slices leave out.
    async fn look(&self, stop: &Stop) -> Result<(), Fault> {
        if self.compiled.read().contains(DEAD_IN_SLICE) {
            self.outranked(stop).await?;
        }
        let places = self.compiled.looked_through.keys().copied();
        self.shared.without_outranked(String::new(), places, None, stop).await.map(drop)
    }

    /// The part of a range that the window leaves; `None` where that is nothing.
    pub(super) fn in_window(&self, range: &KeyRange) -> Option<KeyRange> {
        match self.request.cursor {
            Cursor::StartTime => {
                let window = self.request.window;
                range.and(&KeyRange::of_times(window.from, window.to))
            }
            Cursor::Ingested => Some(range.clone()),
        }
    }

    /// When rows of a range can start.
    pub(super) fn bounds(&self, range: &KeyRange) -> Option<Bounds> {
        let (lowest, after_highest) = self.in_window(range)?.times();
        let lo = lowest.map_or(TIMES.0, |lowest| lowest.0.max(TIMES.0));
        let hi = after_highest.map_or(TIMES.1, |after| after.0.saturating_sub(1).min(TIMES.1));
        (lo <= hi).then_some(Bounds { lo, hi })
    }

    /// A query over a range, without what is outranked there; `None` where the window leaves nothing of it.
    pub(super) async fn query(
        &self,
        text: String,
        range: &KeyRange,
        purpose: &'static str,
        stop: &Stop,
    ) -> Result<Option<Query>, Fault> {
        let Some((range, bounds)) = self.in_window(range).zip(self.bounds(range)) else { return Ok(None) };
        let places = self.compiled.looked_through.keys().copied();
        let text = text.replace(BEFORE_SLICE, &self.compiled.before);
        let (mut text, mut dead) = self.shared.without_outranked(text, places, None, stop).await?;
        if text.contains(DEAD_IN_SLICE) {
            text = self.without(text, self.outranked(stop).await?, bounds, &mut dead)?;
        }
        Ok(Some(Query { text, parameters: self.parameters(range, bounds, dead), purpose }))
    }

    /// The text without these outranked versions of the rows themselves; the values for it go to `dead`.
    pub(super) fn without(
        &self,
        text: String,
        outranked: &Dead,
        bounds: Bounds,
        dead: &mut Vec<(String, String)>,
    ) -> Result<String, Fault> {
        let stored = self.request.table.stored();
        let known = self.shared.database.place(stored.name)?.known(stored)?;
        let (condition, values) = outranked.left_out(known, "slice_", (bounds.lo, bounds.hi));
        dead.extend(values);
        Ok(text.replace(DEAD_IN_SLICE, &condition))
    }

    /// The values of a query over a range.
    pub(super) fn parameters(
        &self,
        range: KeyRange,
        bounds: Bounds,
        more: Vec<(String, String)>,
    ) -> Vec<(String, String)> {
        let mut parameters = self.common_parameters();
        parameters.extend(more);
        parameters.extend(bounds.named());
        parameters.push(("row_bytes_max".to_owned(), self.request.row_bytes_max.to_string()));
        // An open end is a position before or after every row.
        let ends = [("from", range.from, TIMES.1 + 1), ("to", range.to, TIMES.0 - 1)];
        for (end, key, beyond) in ends {
            let key = key.unwrap_or_else(|| OrderKey::at(Micros(beyond)));
            parameters.push((format!("{end}_time"), key.time.0.to_string()));
            parameters.push((format!("{end}_trace"), escaped(&key.trace_id)));
            parameters.push((format!("{end}_id"), escaped(&key.id)));
        }
        parameters
    }

    /// Values that every query of the request has.
    pub(super) fn common_parameters(&self) -> Vec<(String, String)> {
        let mut parameters = self.compiled.parameters.clone();
        parameters.push(("project".to_owned(), escaped(self.request.project.as_str())));
        parameters
    }

    /// Outranked versions among those that decide what the rows are.
    async fn outranked(&self, stop: &Stop) -> Result<&Dead, Fault> {
        self.outranked
            .get_or_try_init(|| async {
                let stored = self.request.table.stored();
                let mut parameters = Parameters::default();
                let place = self.shared.database.place(stored.name)?;
                // What was stored since outranks nothing: of a row that has such a version the one before is passed
                // on, in every attempt.
                let as_of = parameters.instant(self.request.as_of);
                let before = format!("{} < {as_of}", place.required(stored.ingested)?);
                let conditions = [Some(before), self.deciding(stored, &mut parameters)?];
                let condition = joined("AND", "1", conditions.into_iter().flatten());
                let scope = Some(Scope { condition, counted: None, first: None });
                self.shared.look(place, stored, scope, parameters).dead(stop).await
            })
            .await
    }

    /// Which stored versions decide: those of the window, and those stored since a day before it began.
    fn deciding(&self, stored: &StoredTable, parameters: &mut Parameters) -> Result<Option<String>, Fault> {
        let Some(from) = self.request.window.from.filter(|_| self.request.versions == VersionScope::SinceWindow) else {
            return Ok(None);
        };
        let place = self.shared.database.place(stored.name)?;
        let since = parameters.instant(Micros(from.0.saturating_sub(LOOK_BACK)));
        let mut deciding = vec![format!("{} >= {since}", place.required(stored.ingested)?)];
        if self.request.cursor == Cursor::StartTime {
            let time = place.required(stored.time)?;
            let mut within = vec![parameters.compared(&time, ">=", from)];
            within.extend(self.request.window.to.map(|to| parameters.compared(&time, "<", to)));
            deciding.push(joined("AND", "1", within.into_iter()));
        }
        Ok(Some(joined("OR", "1", deciding.into_iter())))
    }
}

impl Bounds {
    /// The values by which queries know them.
    pub(super) fn named(self) -> [(String, String); 2] {
        [("lo", self.lo), ("hi", self.hi)].map(|(name, time)| (name.to_owned(), time.to_string()))
    }
}

impl Shared {
    pub(super) fn look<'a>(
        &'a self,
        place: &'a Place,
        stored: &'a StoredTable,
        scope: Option<Scope>,
        parameters: Parameters,
    ) -> Look<'a> {
        Look { client: &self.client, place, stored, project: &self.project, scope, parameters }
    }

    /// The text with what leaves out the outranked versions of these places, and the values for it. Of rows that
    /// start before `since` nothing is left out: the text does not read them.
    pub(super) async fn without_outranked(
        &self,
        mut text: String,
        places: impl Iterator<Item = usize>,
        since: Option<Micros>,
        stop: &Stop,
    ) -> Result<(String, Vec<(String, String)>), Fault> {
        let times = (since.map_or(TIMES.0, |since| since.0), TIMES.1);
        let mut parameters = Vec::new();
        for number in places {
            let (place, stored) = self.numbered(number)?;
            let cell = {
                let mut cells = self.outranked.lock().unwrap_or_else(PoisonError::into_inner);
                Arc::clone(cells.entry(number).or_default())
            };
            let before = cell.get_or_try_init(|| self.outranked_before(place, stored, stop)).await?;
            let dead = self.and_later(before, place, stored, stop).await?;
            text = self.without(text, number, &dead, times, &mut parameters)?;
        }
        Ok((text, parameters))
    }

    /// Outranked versions of a place among those that were stored before the read was planned.
    async fn outranked_before(&self, place: &Place, stored: &StoredTable, stop: &Stop) -> Result<Dead, Fault> {
        let mut parameters = Parameters::default();
        let condition = format!("{} < {}", place.required(stored.ingested)?, parameters.instant(self.as_of));
        let scope = Scope { condition, counted: None, first: None };
        self.look(place, stored, Some(scope), parameters).dead(stop).await
    }

    /// These outranked versions, and those stored since that would stand beside another version of their row. What
    /// was stored since outranks nothing: groups would leave their places for others that have been read. Of a row
    /// that is new the newest version stays. Looked for by each query, which is a count where nothing is new.
    async fn and_later<'d>(
        &self,
        before: &'d Dead,
        place: &Place,
        stored: &StoredTable,
        stop: &Stop,
    ) -> Result<Cow<'d, Dead>, Fault> {
        let mut parameters = Parameters::default();
        let (ingested, as_of) = (place.required(stored.ingested)?, parameters.instant(self.as_of));
        let is_later = format!("{ingested} >= {as_of}");
        let scope = Scope {
            condition: place.whole_rows(stored, &is_later)?.unwrap_or_else(|| "1".to_owned()),
            counted: Some(rows_where(place, stored, stored.key[0], &is_later)?),
            first: Some(format!("{ingested} < {as_of}")),
        };
        let later = self.look(place, stored, Some(scope), parameters).dead_beside(before, stop).await?;
        Ok(if later.is_empty() { Cow::Borrowed(before) } else { Cow::Owned(before.and(later)) })
    }

    /// The text without these outranked versions of a place, of rows that start within `times`; the values for it
    /// go to `parameters`.
    pub(super) fn without(
        &self,
        text: String,
        number: usize,
        outranked: &Dead,
        times: (i64, i64),
        parameters: &mut Vec<(String, String)>,
    ) -> Result<String, Fault> {
        let (place, stored) = self.numbered(number)?;
        let (condition, values) = outranked.left_out(place.known(stored)?, &format!("place{number}_"), times);
        parameters.extend(values);
        Ok(text.replace(&dead_of(place), &condition))
    }

    /// A place by its number, and what its rows are.
    pub(super) fn numbered(&self, number: usize) -> Result<(&Place, &StoredTable), Fault> {
        let place = self.database.numbered(number)?;
        let name = place.physical.stored;
        let stored = self.stored.iter().find(|stored| stored.name == name);
        Ok((place, stored.ok_or_else(|| Fault::bug(format!("table {name} is read without a description")))?))
    }
}

#[async_trait]
impl Reading for ClickHouseReading {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn snapshot(&self) -> Option<&Snapshot> {
        None
    }

    async fn plan(&self, after: Option<&OrderKey>) -> Result<Plan, Fault> {
        let rest = after.map_or(Some(KeyRange::ALL), |key| KeyRange::ALL.after(key));
        let Some(rest) = rest else { return Ok(Plan::default()) };
        let stop = Stop::new();
        if self.request.columns.is_empty() && self.planned(&stop).await?.slices.is_empty() {
            // Who asks for keys counts, and mostly finds nothing: late rows, deletions.
            return Ok(Plan::default());
        }
        // Slices are asked for next, and need both.
        let (planned, _) = futures_util::try_join!(self.planned(&stop), self.look(&stop))?;
        let slices = planned.slices.iter().filter_map(|slice| {
            let range = slice.range.and(&rest)?;
            Some(Slice { range, ..slice.clone() })
        });
        Ok(Plan { slices: slices.collect() })
    }

    async fn earliest(&self) -> Result<Option<Micros>, Fault> {
        plan::earliest(self, &Stop::new()).await
    }

    async fn part(&self, range: &KeyRange, end: End, rows: RowCount, before: u32) -> Result<Option<KeyRange>, Fault> {
        self.part_for_few(range, end, rows, before).await.map(Some)
    }

    fn few(
        self: Arc<Self>,
        range: KeyRange,
        end: End,
        rows: RowCount,
        stop: Stop,
    ) -> BoxStream<'static, Result<RecordBatch, Fault>> {
        self.few_rows(range, end, rows, stop)
    }

    fn read(self: Arc<Self>, range: KeyRange, stop: Stop) -> BoxStream<'static, Result<RecordBatch, Fault>> {
        self.changes.reads(&range);
        let reader = SliceReader::new(self, range, stop);
        stream::try_unfold(reader, |mut reader| async move { Ok(reader.next().await?.map(|batch| (batch, reader))) })
            .boxed()
    }

    fn tally(self: Arc<Self>, range: KeyRange, stop: Stop) -> BoxStream<'static, Result<RecordBatch, Fault>> {
        let reader = TallyReader::new(self, range, stop);
        stream::try_unfold(reader, |mut reader| async move { Ok(reader.next().await?.map(|batch| (batch, reader))) })
            .boxed()
    }

    async fn once_each(&self, batch: RecordBatch) -> Result<RecordBatch, Fault> {
        self.without_those_before(batch).await
    }

    async fn warnings(&self) -> Result<Vec<String>, Fault> {
        let Shared { database, client, project, .. } = &*self.shared;
        let table = &self.request.table;
        let mut warnings = database.warnings(client, project, table).await?;
        let mut groups = table.attached.as_ref().map(|attached| &attached.groups);
        match &table.relation {
            Relation::Stored(stored) => {
                let asked = |column: &str| self.compiled.reads.contains(column);
                warnings.extend(warnings_of(database.differences(stored), &asked));
            }
            Relation::Grouped(grouped) => groups = Some(grouped),
        }
        if let Some(groups) = groups {
            let asked = |column: &str| self.compiled.reads_of_groups.contains(column);
            warnings.extend(warnings_of(database.differences_of_groups(&groups.over), &asked));
        }
        Ok(warnings)
    }

    async fn changed(&self) -> Result<RowCount, Fault> {
        self.rows_changed().await
    }

    fn scores(&self) -> Arc<dyn ScoreLookup> {
        Arc::clone(&self.scores) as Arc<dyn ScoreLookup>
    }

    async fn close(&self) -> Result<(), Fault> {
        self.shared.client.close().await
    }
}
