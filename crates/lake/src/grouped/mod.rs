//! Grouped relations: one row per group of live rows, in the order of the groups.
//!
//! Preparing looks once at the columns that group and order rows ([`index`]) and keeps about 50 bytes
//! a group and 8 a row. A slice is a stretch of the ordered groups: the columns that aggregates need
//! are decoded for its rows alone and folded ([`fold`]) into accumulators ([`aggregate`]); values of a
//! group's first row, which may be large, are fetched last and only for groups that pass the filter
//! ([`fetch`]). No payload is ever held for all groups.
//!
//! Rows of other tables take columns from groups by the same means ([`attach`]).

mod aggregate;
mod attach;
mod fetch;
mod fold;
mod index;
mod reading;
mod scan;
mod slice;

pub(crate) use attach::AttachedGroups;
pub(crate) use reading::GroupedReading;
