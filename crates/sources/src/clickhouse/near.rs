//! Outranked versions of the rows that one range meets.
//!
//! A run looks once at all rows for them. For a page that is too much: it looks at those alone that its rows are
//! made of, whenever their versions were stored and whenever they start.

use std::collections::BTreeMap;

use model::{Fault, KeyRange, OrderKey, Relation, RowCount, Stop};

use super::dead::{Dead, Scope};
use super::few::OnlyRows;
use super::live::{BEFORE_SLICE, DEAD_IN_SLICE, in_slice};
use super::met::Met;
use super::place::Place;
use super::query::Query;
use super::reading::{Bounds, ClickHouseReading, TIMES};
use super::sql::{Parameters, joined};
use super::surroundings::LookedThrough;
use super::versions::rows_where;

/// What was found.
#[derive(Default, PartialEq, Eq)]
pub(super) struct Near {
    /// Of the rows themselves.
    own: Option<Dead>,
    /// Of what is looked through beside them, by place.
    places: BTreeMap<usize, Dead>,
}

impl Near {
    /// Of what one reading found what another one would look for.
    pub(super) fn of_the_same(mut self, looked_for: &LookedThrough, wanted: &LookedThrough) -> Self {
        self.places.retain(|number, _| looked_for.get(number) == wanted.get(number));
        self
    }

    /// The first of some positions, which were asked for when less was known, among which so many are certain not to
    /// be outranked; all of them where there are no others. `None` where that takes asking again: something beside
    /// them is outranked, or they are not enough.
    pub(super) fn first_of(
        &self,
        mut found: Vec<OrderKey>,
        are_all: bool,
        known: &Self,
        rows: RowCount,
    ) -> Option<Vec<OrderKey>> {
        if self.places != known.places {
            return None;
        }
        let is_certain = |row: &OrderKey| self.own.as_ref().is_none_or(|own| !own.starts_at(row.time.0));
        let mut certain = 0;
        let enough = found.iter().position(|row| {
            certain += u64::from(is_certain(row));
            certain >= rows.get()
        });
        match enough {
            Some(last) => found.truncate(last + 1),
            None if are_all => {}
            None => return None,
        }
        Some(found)
    }
}

impl ClickHouseReading {
    /// What is found where nothing is outranked.
    pub(super) fn without_a_look(&self) -> Near {
        let own = matches!(self.request.table.relation, Relation::Stored(_)).then(Dead::default);
        let places = self.compiled.looked_through.keys().map(|number| (*number, Dead::default()));
        Near { own, places: places.collect() }
    }

    /// Looks for outranked versions of the rows that a range, or some rows of it, meets; not again for those that
    /// are known.
    pub(super) async fn near(
        &self,
        range: &KeyRange,
        only: Option<&OnlyRows>,
        known: Near,
        stop: &Stop,
    ) -> Result<Near, Fault> {
        let mut near = known;
        let Some(bounds) = self.bounds(range) else { return Ok(near) };
        let stored = self.request.table.stored();
        if near.own.is_none() && matches!(self.request.table.relation, Relation::Stored(_)) {
            let place = self.shared.database.place(stored.name)?;
            let in_slice = match &self.compiled.candidates {
                Some(candidates) => candidates.in_slice(place, stored)?,
                None => in_slice(place, stored)?,
            };
            let condition = place.whole_rows(stored, &in_slice)?;
            near.own = Some(self.look_near(place, condition, Some(&in_slice), bounds, only, stop).await?);
        }
        for (number, met) in &self.compiled.looked_through {
            if !near.places.contains_key(number) {
                let (place, _) = self.shared.numbered(*number)?;
                // Of a group that has a row in the range all rows are looked at, which may be many more: these are
                // counted themselves.
                let condition = self.met(place, met)?;
                let looked = self.look_near(place, condition, None, bounds, only, stop);
                near.places.insert(*number, looked.await?);
            }
        }
        Ok(near)
    }

    /// The condition for all versions of the rows of a place that are met; `None` where nothing tells.
    fn met(&self, place: &Place, met: &[Met]) -> Result<Option<String>, Fault> {
        let (_, stored) = self.shared.numbered(place.number)?;
        let conditions: Option<Vec<String>> =
            met.iter().map(|met| met.whole_rows(place, stored)).collect::<Result<_, _>>()?;
        Ok(conditions.map(|conditions| joined("OR", "0", conditions.into_iter())))
    }

    /// Looks at rows that meet a condition; about as many meet another one, which takes less to look at.
    async fn look_near(
        &self,
        place: &Place,
        condition: Option<String>,
        about_as_many: Option<&str>,
        bounds: Bounds,
        only: Option<&OnlyRows>,
        stop: &Stop,
    ) -> Result<Dead, Fault> {
        let (_, stored) = self.shared.numbered(place.number)?;
        let mut parameters = Parameters::default();
        let scope = match condition {
            None => None,
            Some(condition) => {
                let narrowed = |text: String| only.map_or(text.clone(), |only| only.narrowed(text));
                bounds.named().into_iter().for_each(|(name, value)| parameters.name(&name, value));
                only.iter().flat_map(|only| only.values()).for_each(|(name, value)| parameters.name(&name, value));
                parameters.names(&self.compiled.parameters);
                let counted = about_as_many.map(|counted| rows_where(place, stored, stored.key[0], counted));
                let counted = counted.transpose()?.map(narrowed);
                Some(Scope { condition: narrowed(condition), counted, first: None })
            }
        };
        self.shared.look(place, stored, scope, parameters).dead(stop).await
    }

    /// A query over a range, without the outranked versions that were found near it; `None` where the window leaves
    /// nothing of it.
    pub(super) fn query_near(
        &self,
        text: String,
        range: &KeyRange,
        near: &Near,
        purpose: &'static str,
    ) -> Result<Option<Query>, Fault> {
        let Some((range, bounds)) = self.in_window(range).zip(self.bounds(range)) else { return Ok(None) };
        let (mut text, mut dead) = (text.replace(BEFORE_SLICE, &self.compiled.before), Vec::new());
        for (number, outranked) in &near.places {
            text = self.shared.without(text, *number, outranked, TIMES, &mut dead)?;
        }
        if let Some(own) = near.own.as_ref().filter(|_| text.contains(DEAD_IN_SLICE)) {
            text = self.without(text, own, bounds, &mut dead)?;
        }
        Ok(Some(Query { text, parameters: self.parameters(range, bounds, dead), purpose }))
    }
}
