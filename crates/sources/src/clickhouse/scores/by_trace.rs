//! Scores that are held, found by their trace.
//!
//! They stay in the blocks that the server sent, beside an index of numbers: a score takes about 200 bytes, as an object
//! of its own it would take three times that.

use lake::ScoreBlock;
use model::ScoreRow;
use xxhash_rust::xxh3::xxh3_128;

/// Scores by trace, and which traces they are all of.
#[derive(Default)]
pub(super) struct ByTrace {
    blocks: Vec<ScoreBlock>,
    /// Where the scores of a trace are, ascending.
    places: Vec<Place>,
    /// The traces that were asked for, ascending: those without scores are told from those that nobody asked for.
    asked: Vec<u128>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    trace: u128,
    block: u32,
    row: u32,
}

/// The number of a trace. Among 2^40 of them two are alike with a chance of 2^-49.
fn number(trace: &str) -> u128 {
    xxh3_128(trace.as_bytes())
}

impl ByTrace {
    /// Holds blocks in which are all scores of the traces that were asked for.
    pub(super) fn of<'a>(blocks: Vec<ScoreBlock>, asked: impl Iterator<Item = &'a str>) -> Self {
        let places = (0u32..).zip(&blocks).flat_map(|(block, rows)| {
            let place = move |row: u32| Place { trace: number(rows.trace_id(row as usize)), block, row };
            (0..rows.count() as u32).map(place)
        });
        let mut places: Vec<Place> = places.collect();
        places.sort_unstable();
        let mut asked: Vec<u128> = asked.map(number).collect();
        asked.sort_unstable();
        Self { blocks, places, asked }
    }

    /// Whether a trace was asked for.
    pub(super) fn knows(&self, trace: &str) -> bool {
        self.asked.binary_search(&number(trace)).is_ok()
    }

    /// The scores of a trace, in the order in which they came.
    pub(super) fn scores(&self, trace: &str) -> impl Iterator<Item = ScoreRow> {
        let trace = number(trace);
        let first = self.places.partition_point(|place| place.trace < trace);
        let of_trace = self.places[first..].iter().take_while(move |place| place.trace == trace);
        of_trace.map(|place| self.blocks[place.block as usize].share(place.row as usize))
    }
}
