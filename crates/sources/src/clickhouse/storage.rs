//! What the name of a table's engine tells of where its rows lie.
//!
//! A table of one server, a replicated one and one of ClickHouse Cloud differ by the word before `MergeTree` alone, and
//! are read alike. What differs is the order of inserts: replicas count them for each partition by itself.

/// Where the rows of a table lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Storage {
    /// On several servers, each with some of the rows.
    pub(super) is_spread: bool,
    /// In the table itself, which is no view of others.
    pub(super) is_table: bool,
    /// On several servers, each with all of the rows sooner or later.
    pub(super) is_replicated: bool,
}

impl Storage {
    /// That of a table with this engine, read on the server that has it.
    pub(super) fn of(engine: &str) -> Self {
        let is_table = engine.ends_with("MergeTree");
        Self {
            is_spread: engine == "Distributed",
            is_table,
            is_replicated: is_table && (engine.starts_with("Replicated") || engine.starts_with("Shared")),
        }
    }

    /// The same, read on every server of a cluster.
    pub(super) fn through_cluster(self) -> Self {
        Self { is_spread: true, ..self }
    }

    /// Whether the numbers that inserts get have one order over all rows.
    pub(super) fn orders_inserts(self) -> bool {
        self.is_table && !self.is_spread && !self.is_replicated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicated_tables_and_those_of_the_cloud_are_tables_like_any_other() {
        for (engine, is_spread, is_table, is_replicated) in [
            ("ReplacingMergeTree", false, true, false),
            ("MergeTree", false, true, false),
            ("ReplicatedReplacingMergeTree", false, true, true),
            ("SharedReplacingMergeTree", false, true, true),
            ("SharedMergeTree", false, true, true),
            ("Distributed", true, false, false),
            ("View", false, false, false),
            ("MaterializedView", false, false, false),
            ("Merge", false, false, false),
            ("", false, false, false),
        ] {
            assert_eq!(Storage::of(engine), Storage { is_spread, is_table, is_replicated }, "{engine}");
            assert!(Storage::of(engine).through_cluster().is_spread, "{engine}");
        }
        assert!(Storage::of("ReplacingMergeTree").orders_inserts());
        assert!(!Storage::of("ReplacingMergeTree").through_cluster().orders_inserts());
        assert!(!Storage::of("SharedReplacingMergeTree").orders_inserts());
    }
}
