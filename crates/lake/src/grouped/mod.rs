//! Grouped relations: one row per group of live rows, in the order of the groups.
//!
//! Preparing looks once at the columns that group and order rows ([`index`]) and keeps about 50 bytes
//! a group and 4 a row; for projects that are not large they stay known for the next read ([`groups`]). A slice is a stretch of the ordered groups: the columns that aggregates need
//! are decoded for its rows alone and folded ([`fold`]) into accumulators ([`aggregate`]); values of a
//! group's first row, which may be large, are fetched last and only for groups that pass the filter
//! ([`fetch`]). No payload is ever held for all groups.
//!
//! Rows of other tables take columns from groups by the same means ([`attach`]).

mod aggregate;
mod attach;
mod fetch;
mod fold;
mod gather;
mod groups;
mod index;
mod reading;
mod scan;
mod slice;
mod times;

pub(crate) use attach::AttachedGroups;
pub(crate) use groups::KnownGroups;
pub(crate) use reading::GroupedReading;
