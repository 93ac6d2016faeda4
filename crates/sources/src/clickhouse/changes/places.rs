//! What the server is asked about rows that changed: where they stand, where they stood when the read was planned, and
//! which came as they were then.
//!
//! Each question is a query that rows are read with, of other versions of them: so whatever decides which rows come
//! decides here as well. What becomes of the rows is not decided here.

use std::collections::{HashMap, HashSet};

use futures_util::TryStreamExt;
use model::{Fault, KeyRange, OrderKey, Relation, Stop, StoredTable};

use super::Rows;
use crate::clickhouse::limits::in_halves;
use crate::clickhouse::live::{DEAD_IN_SLICE, FINAL_IN_SLICE, FINAL_OF_MEMBERS, dead_of};
use crate::clickhouse::place::Place;
use crate::clickhouse::query::Query;
use crate::clickhouse::reading::ClickHouseReading;

/// When the read was planned, in the text of a query.
const SINCE: &str = "fromUnixTimestamp64Micro({since:Int64}, 'UTC')";

/// Which versions of rows tell where they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Versions {
    /// Those that were the newest when the read was planned.
    BeforePlan,
    /// Those that are there now: of a row that moved since, one in each place.
    OfNow,
}

/// Where rows stand, by what they are known by.
#[derive(Default)]
pub(super) struct Places(HashMap<u128, Vec<OrderKey>>);

impl Places {
    fn add(&mut self, row: u128, place: OrderKey) {
        self.0.entry(row).or_default().push(place);
    }

    pub(super) fn first(&self, row: u128) -> Option<&OrderKey> {
        self.0.get(&row)?.iter().min()
    }

    pub(super) fn has(&self, row: u128, place: &OrderKey) -> bool {
        self.0.get(&row).is_some_and(|places| places.contains(place))
    }
}

impl ClickHouseReading {
    /// Where some of these rows stand; half of them are asked about at a time where the server meets a limit.
    pub(super) async fn places(&self, rows: &Rows<'_>, some: &[usize], versions: Versions) -> Result<Places, Fault> {
        let ask = |some| self.places_together(rows, some, versions);
        let found = in_halves(some, "a question about changed rows", ask).await?;
        let mut places = Places::default();
        found.into_iter().flatten().for_each(|(row, place)| places.add(row, place));
        Ok(places)
    }

    /// The same by one query.
    async fn places_together(
        &self,
        rows: &Rows<'_>,
        some: &[usize],
        versions: Versions,
    ) -> Result<Vec<(u128, OrderKey)>, Fault> {
        let stop = Stop::new();
        let keys: Vec<OrderKey> = some.iter().map(|row| rows.key(*row)).collect();
        let only = self.only(&keys)?;
        let query = match versions {
            Versions::BeforePlan => {
                let mut text = self.with_those_replaced(self.compiled.positions());
                if matches!(self.request.table.relation, Relation::Grouped(_)) {
                    // Of a member that was changed in its place, likewise.
                    text = text.replace(FINAL_OF_MEMBERS, "");
                }
                let among = |member: &Member<'_>| newest_before(member, &only.by_id(&member.id));
                self.before(only.narrowed(text), &KeyRange::ALL, among, &stop).await?
            }
            Versions::OfNow => {
                let text = only.narrowed(self.compiled.positions());
                self.query(text, &KeyRange::ALL, "changed rows", &stop).await?
            }
        };
        let Some(mut query) = query else { return Ok(Vec::new()) };
        query.parameters.extend(only.values());
        let mut found = Vec::new();
        // Whoever uses rows up asks this, while others wait to be used up.
        for answer in self.shared.client.look_up(query, stop).await? {
            let rows = Rows::read(&answer)?;
            found.extend((0..rows.len()).map(|row| (self.identity(&rows, row), rows.key(row))));
        }
        Ok(found)
    }

    /// Rows up to `last` that came as they were before the read was planned and have a newer version by now.
    pub(super) async fn changed_behind(&self, last: OrderKey) -> Result<usize, Fault> {
        let stop = Stop::new();
        let mut is_changed = false;
        for Member { place, .. } in self.members()? {
            let text = self.stored_since(place, "1 AS one")? + " LIMIT 1";
            let parameters = self.common_parameters().into_iter().chain([self.since_value()]).collect();
            let query = Query { text, parameters, purpose: "changed rows" };
            is_changed |= self.shared.client.rows(query, &stop).await?.num_rows() > 0;
        }
        if !is_changed {
            return Ok(0);
        }
        let among = |member: &Member<'_>| {
            let key = format!("({})", member.key.join(", "));
            let since = self.stored_since(member.place, &key)?;
            Ok(format!("{key} {} ({since})", member.place.within()))
        };
        // The version that came may be replaced in its place by now.
        let text = self.with_those_replaced(self.compiled.positions());
        let text = format!("SELECT DISTINCT k_micros, k_trace, k_id FROM ({text})");
        let range = KeyRange { from: None, to: Some(last.successor()) };
        let query = self.before(text, &range, among, &stop).await?;
        let Some(query) = query else { return Ok(0) };
        let mut counted = HashSet::new();
        let mut answers = self.shared.client.stream(query, stop);
        while let Some(answer) = answers.try_next().await? {
            let rows = Rows::read(&answer)?;
            let notes = self.changes.notes();
            let keys = (0..answer.num_rows()).map(|row| self.identity(&rows, row));
            counted.extend(keys.filter(|key| notes.rows.get(key) != Some(&true)));
        }
        Ok(counted.len())
    }

    /// A text that also has the versions of stored rows that are replaced in their place, which are there until they
    /// are merged.
    fn with_those_replaced(&self, text: String) -> String {
        let text = text.replace(FINAL_IN_SLICE, "");
        match &self.compiled.newest_deletions {
            Some(newest) => text.replace(newest, ""),
            None => text,
        }
    }

    /// A query over a range, of versions from before the plan that meet a condition.
    async fn before(
        &self,
        text: String,
        range: &KeyRange,
        among: impl Fn(&Member<'_>) -> Result<String, Fault>,
        stop: &Stop,
    ) -> Result<Option<Query>, Fault> {
        let mut text = text;
        for member in self.members()? {
            let ingested = member.place.required(member.stored.ingested)?;
            let condition = among(&member)?;
            let narrowed = format!("{} AND {ingested} < {SINCE} AND {condition}", member.mark);
            text = text.replace(&member.mark, &narrowed);
        }
        let query = self.query(text, range, "changed rows", stop).await?;
        Ok(query.map(|mut query| {
            query.parameters.push(self.since_value());
            query
        }))
    }

    /// Selects something of the versions that were stored since the read was planned.
    fn stored_since(&self, place: &Place, selected: &str) -> Result<String, Fault> {
        let stored = self.request.table.stored();
        let [project, ingested] = [stored.key[0], stored.ingested].map(|column| place.required(column));
        Ok(format!(
            "SELECT {selected} FROM {} AS t WHERE {} = {{project:String}} AND {} >= {SINCE}",
            place.from(),
            project?,
            ingested?
        ))
    }

    fn since_value(&self) -> (String, String) {
        ("since".to_owned(), self.changes.since.0.to_string())
    }

    /// The stored versions that rows are made of.
    fn members(&self) -> Result<Vec<Member<'_>>, Fault> {
        let (database, order) = (&self.shared.database, self.request.table.order);
        match &self.request.table.relation {
            Relation::Stored(stored) => {
                let place = database.place(stored.name)?;
                let key = place.key(stored)?;
                Ok(vec![Member { mark: DEAD_IN_SLICE.to_owned(), place, stored, id: place.required(order.id)?, key }])
            }
            Relation::Grouped(grouped) => {
                let stored = &*grouped.over;
                let member = |place| {
                    let by = Place::required(place, grouped.by)?;
                    Ok(Member { mark: dead_of(place), place, stored, id: by.clone(), key: vec![by] })
                };
                database.places_of_groups(stored.name)?.into_iter().map(member).collect()
            }
        }
    }
}

/// The condition that of the versions from before the plan a member is the one that `FINAL` would have left then, of
/// members that meet a condition.
fn newest_before(member: &Member<'_>, condition: &str) -> Result<String, Fault> {
    let Member { place, stored, id, .. } = member;
    let [project, version, ingested] =
        [stored.key[0], stored.version, stored.ingested].map(|column| place.required(column));
    let (project, version, ingested) = (project?, version?, ingested?);
    let instance = place.instance_number();
    // A version that does not meet it may outrank one that does.
    let whole_rows = match place.key(stored)?.contains(id) && place.is_fixed(id) {
        true => condition.to_owned(),
        false => place.whole_rows(stored, condition)?.unwrap_or_else(|| "1".to_owned()),
    };
    let version = format!("({version}, {ingested}, {instance})");
    Ok(format!(
        "{version} {} (SELECT tupleElement(newest, 1), tupleElement(newest, 2), tupleElement(newest, 3) FROM \
         (SELECT max({version}) AS newest FROM {} AS t WHERE {project} = {{project:String}} AND {ingested} < {SINCE} \
         AND {whole_rows} GROUP BY {instance}))",
        place.within(),
        place.from(),
    ))
}

/// Stored versions that rows are made of, and how they are narrowed.
struct Member<'a> {
    /// Stands at the end of their condition.
    mark: String,
    place: &'a Place,
    stored: &'a StoredTable,
    /// The column with what rows have as their id.
    id: String,
    /// The columns that identify a row, but for the project.
    key: Vec<String>,
}
