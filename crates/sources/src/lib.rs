//! Where rows are read from: one folder per source, and the list of them.
//!
//! A source answers a [`model::ReadRequest`] with the live rows of one table in their total order.
//! What that means is written once, as the functions of `conformance`, and every source runs them.
//! This crate knows no format, no destination and no job, and names no exportable table: table specs
//! arrive in the request.

pub mod clickhouse;
#[cfg(test)]
mod conformance;
pub mod lake;
pub mod memory;

use model::KindDescriptor;

/// Every kind of source, by name.
pub fn all() -> Vec<KindDescriptor> {
    vec![clickhouse::descriptor(), lake::descriptor(), memory::descriptor()]
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_of_kinds_are_unique_and_sorted() {
        let names: Vec<&str> = super::all().iter().map(|kind| kind.name).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(names, sorted);
    }
}
