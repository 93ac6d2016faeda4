//! What can be exported, as data: a table is a list of columns, filters and keys over stored tables.

use std::fmt;
use std::sync::Arc;

use arrow_schema::Field;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ColumnType, CompareOp, Expr, FieldRole, ObjectKind, ScoreLevel, TimestampStyle, field};

/// The name of an exportable table: `events`, `scores`, `traces`, …
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct TableName(Box<str>);

impl TableName {
    /// Wraps a name.
    pub fn new(name: impl Into<Box<str>>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An exportable table.
#[derive(Clone, Debug)]
pub struct TableSpec {
    /// Name in options, file names and the API.
    pub name: TableName,
    /// One line for people.
    pub doc: &'static str,
    /// Where its rows come from.
    pub relation: Relation,
    /// Columns that its rows take from groups of another stored table.
    pub attached: Option<Attached>,
    /// The columns of the relation that order its rows.
    pub order: OrderColumns,
    /// Columns in export order.
    pub columns: Vec<ColumnSpec>,
    /// What can be filtered, first match wins.
    pub filters: Vec<FilterColumn>,
    /// What a search looks at.
    pub search: SearchColumns,
    /// What comments on its rows hang on, where they can have any.
    pub comments: Option<ObjectKind>,
    /// Whether score columns are merged into its rows.
    pub scores: bool,
}

impl TableSpec {
    /// The stored table underneath.
    pub fn stored(&self) -> &Arc<StoredTable> {
        match &self.relation {
            Relation::Stored(stored) => stored,
            Relation::Grouped(grouped) => &grouped.over,
        }
    }

    /// The column of this export name.
    pub fn column(&self, name: &str) -> Option<&ColumnSpec> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The filter column that `name` means: by id, UI name or alias, exact, first match wins. The
    /// name `scores` is accepted in any case, as it always was.
    pub fn filter_column(&self, name: &str) -> Option<&FilterColumn> {
        let wanted = if name.eq_ignore_ascii_case("scores") { "scores" } else { name };
        self.filters
            .iter()
            .find(|column| column.id == wanted || column.title == wanted || column.aliases.contains(&wanted))
    }

    /// The type of a column of the relation or attached to it, which is what [`Expr::Column`] refers to.
    pub fn relation_column(&self, name: &str) -> Option<&ColumnType> {
        let own = match &self.relation {
            Relation::Stored(stored) => stored.column(name).map(|column| &column.kind),
            Relation::Grouped(grouped) => grouped.column(name).map(|column| &column.kind),
        };
        own.or_else(|| self.attached_column(name).map(|column| &column.kind))
    }

    /// The attached column of this name.
    pub fn attached_column(&self, name: &str) -> Option<&AggregateColumn> {
        self.attached.as_ref()?.groups.column(name)
    }
}

/// Where the rows of a table come from.
#[derive(Clone, Debug)]
pub enum Relation {
    /// One row per live row of a stored table.
    Stored(Arc<StoredTable>),
    /// One row per group of live rows of a stored table.
    Grouped(Grouped),
}

/// A table as a store keeps it. Several versions of a row may be stored; the one with the greatest
/// `version`, ties decided by the later write, is the row, unless it is marked deleted.
#[derive(Clone, Debug)]
pub struct StoredTable {
    /// `events`, `scores`.
    pub name: &'static str,
    /// Columns in stored order.
    pub columns: Vec<StoredColumn>,
    /// Columns that identify a row, the project first.
    pub key: &'static [&'static str],
    /// Column a time window with cursor `start_time` is measured on.
    pub time: &'static str,
    /// Column that ranks versions.
    pub version: &'static str,
    /// Column that marks a version as a deletion.
    pub deleted: &'static str,
    /// Column a time window with cursor `ingested` is measured on.
    pub ingested: &'static str,
}

impl StoredTable {
    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&StoredColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The key without the project, its last column first: what tells rows of a project apart.
    pub fn ids(&self) -> impl Iterator<Item = &'static str> {
        self.key[1..].iter().rev().copied()
    }

    /// The predicate that holds for the roots of traces, rows without parent or marked as an
    /// application's root; `None` where the rows do not know. Only such rows have places in a trace.
    pub fn root(&self) -> Option<Expr> {
        let (parent, app_root) = ("parent_span_id", "is_app_root");
        (self.column(parent).is_some() && self.column(app_root).is_some()).then(|| {
            Expr::Or(vec![
                Expr::IsNull(Box::new(Expr::column(parent))),
                Expr::compare(Expr::column(parent), CompareOp::Eq, Expr::text("")),
                Expr::IsTrue(Box::new(Expr::column(app_root))),
            ])
        })
    }
}

/// A column as a store keeps it.
#[derive(Clone, Debug)]
pub struct StoredColumn {
    /// Physical name, as in ClickHouse's `events_full` and `scores`.
    pub name: &'static str,
    /// Type.
    pub kind: ColumnType,
    /// Whether it may be null.
    pub nullable: bool,
    /// Whether an imported row must have it.
    pub required: bool,
    /// Text of the value where an imported row lacks it and it is neither nullable nor required;
    /// empty means the type's zero value, [`StoredColumn::IMPORT_TIME`] the time of the import.
    pub default: &'static str,
}

impl StoredColumn {
    /// The `default` of timestamps that an imported row takes from the time of its import.
    pub const IMPORT_TIME: &'static str = "now";
}

/// Rows made of groups of live rows.
#[derive(Clone, Debug)]
pub struct Grouped {
    /// Table whose live rows are grouped.
    pub over: Arc<StoredTable>,
    /// Text column whose equal values form a group.
    pub by: &'static str,
    /// Rows that take part; all where `None`.
    pub keep: Option<Expr>,
    /// Columns of the grouped relation.
    pub columns: Vec<AggregateColumn>,
}

impl Grouped {
    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&AggregateColumn> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// Columns that the rows of a stored table take from groups of another table's live rows: what a
/// score shows of its trace.
///
/// A row has the columns of the group that it names, whatever the window, and null in all of them
/// where it names none or nothing live forms that group. Expressions refer to them as to stored
/// columns, so their names differ from those.
#[derive(Clone, Debug)]
pub struct Attached {
    /// Text column of the row that names the group; null names none.
    pub on: &'static str,
    /// The groups. No column of theirs is an [`Aggregate::First`], which may be a payload.
    pub groups: Grouped,
}

/// A column of a grouped relation.
#[derive(Clone, Debug)]
pub struct AggregateColumn {
    /// Name that expressions refer to.
    pub name: &'static str,
    /// Type of the result.
    pub kind: ColumnType,
    /// How it is made.
    pub aggregate: Aggregate,
}

/// How a group becomes one value. Rows of a group are ranked: roots (`parent_span_id` empty, or
/// `is_app_root`) first, then the newest by time, then by [`StoredTable::ids`] in byte order.
#[derive(Clone, Debug)]
pub enum Aggregate {
    /// The grouping column itself.
    Group,
    /// Smallest value that is not null.
    Min(Expr),
    /// Largest value that is not null.
    Max(Expr),
    /// Sum of the values; zero where there is none.
    Sum(Expr),
    /// Number of rows. Int64.
    Count,
    /// Number of distinct texts. Int64.
    CountDistinct(Expr),
    /// The value of the first row by rank.
    First(Expr),
    /// The first text by rank that is not empty; empty where there is none.
    FirstNonEmpty(Expr),
    /// Distinct non-empty texts, sorted.
    DistinctTexts(Expr),
    /// Distinct elements of all lists, sorted.
    UnionLists(Expr),
    /// Whether the predicate holds for any row.
    AnyTrue(Expr),
}

/// Columns of the relation that order its rows: time descending, trace id, id. Columns that a
/// table lacks are `None` and order as empty text.
#[derive(Clone, Copy, Debug)]
pub struct OrderColumns {
    /// Timestamp column.
    pub time: &'static str,
    /// Trace id column, nullable values order as empty text.
    pub trace_id: Option<&'static str>,
    /// Id column.
    pub id: &'static str,
}

/// An exportable column.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnSpec {
    /// Name in files.
    pub name: String,
    /// Type in files.
    pub kind: ColumnType,
    /// Whether it may be null.
    pub nullable: bool,
    /// Its value.
    pub expr: Expr,
    /// Field group (`core`, `basic`, `time`, …), for selection by group.
    pub group: &'static str,
    /// Whether it is exported when no columns are named.
    pub default: bool,
    /// What it is to the encoders.
    pub role: FieldRole,
    /// How text encoders print its timestamps.
    pub timestamps: TimestampStyle,
}

impl ColumnSpec {
    /// The Arrow field, with role and timestamp style noted.
    pub fn to_field(&self) -> Field {
        let plain = Field::new(&self.name, self.kind.to_arrow(), self.nullable);
        field::with_timestamp_style(field::with_role(plain, self.role), self.timestamps)
    }
}

/// Something a filter can name.
#[derive(Clone, Debug)]
pub struct FilterColumn {
    /// Id on the wire: `traceId`.
    pub id: &'static str,
    /// Name in the UI: `Trace ID`.
    pub title: &'static str,
    /// Further accepted names.
    pub aliases: &'static [&'static str],
    /// Which filter types it takes and what they look at.
    pub kind: FilterKind,
}

/// Which filter types a column takes and what they look at.
#[derive(Clone, Debug)]
pub enum FilterKind {
    /// `string` and `stringOptions`.
    Text {
        /// Text value; null where the stored model has no value.
        value: Expr,
        /// Whether empty and null count as equal (spec §3.2 `emptyEqualsNull`).
        empty_is_null: bool,
        /// Whether `=` also demands whole tokens, and `matches` is allowed (input and output).
        full_text: bool,
    },
    /// `number`.
    Number {
        /// Numeric value in stored units.
        value: Expr,
        /// Power of ten that turns the filter's unit into the stored one: 3 for seconds over milliseconds.
        decimal_shift: u8,
    },
    /// `datetime`.
    Time(Expr),
    /// `boolean`, a predicate.
    Bool(Expr),
    /// `arrayOptions` and `stringOptions`.
    TextList(Expr),
    /// `stringObject`: two parallel lists.
    TextPairs {
        /// Keys.
        names: Expr,
        /// Values.
        values: Expr,
    },
    /// `stringObject` over a map.
    TextMap(Expr),
    /// `numberObject`, `categoryOptions` or `booleanObject` on scores.
    Score {
        /// Which of the three, at which level.
        accepts: ScoreFilters,
    },
    /// `number`: how many comments.
    CommentCount,
    /// `string`: what a comment says.
    CommentContent,
    /// `positionInTrace`.
    TracePosition,
}

/// Which score filters a column takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScoreFilters {
    /// Where the scores hang.
    pub level: ScoreLevel,
    /// `numberObject` is accepted.
    pub numbers: bool,
    /// `categoryOptions` is accepted.
    pub categories: bool,
    /// `booleanObject` is accepted.
    pub booleans: bool,
}

/// What a search looks at, per search type; empty where the table has none.
#[derive(Clone, Debug, Default)]
pub struct SearchColumns {
    /// `id`: any of these texts contains the query, ignoring case.
    pub id: Vec<Expr>,
    /// `input`, and half of `content`.
    pub input: Option<Expr>,
    /// `output`, and half of `content`.
    pub output: Option<Expr>,
}
