//! Typed expressions over the stored columns of one table: what a column is and what a filter means.
//!
//! One tree, three readings: `sources/memory` evaluates it row by row (the reference), `lake` builds
//! DataFusion expressions, `sources/clickhouse` prints SQL. A property test compares them kind by
//! kind, so each kind's meaning is fixed here:
//!
//! - **Values** may be null; null in, null out, unless the kind says otherwise.
//! - **Predicates are two-valued.** A comparison with null is false, and `Not` is the complement,
//!   so that `not f` always selects exactly the rows that `f` does not.
//! - Text is compared byte by byte unless a [`CaseRule`] says otherwise.

use crate::Micros;

/// A value or a predicate over one row.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    // --- values ---------------------------------------------------------------------------------
    /// The stored column of this name.
    Column(Box<str>),
    /// A constant.
    Literal(Literal),
    /// Null where the text is empty.
    NullIfEmpty(Box<Expr>),
    /// The first value that is not null.
    Coalesce(Vec<Expr>),
    /// `then` where the predicate holds, else `otherwise`.
    If {
        /// Predicate.
        when: Box<Expr>,
        /// Value where it holds.
        then: Box<Expr>,
        /// Value where it does not.
        otherwise: Box<Expr>,
    },
    /// Whole milliseconds between two timestamps, each first cut to milliseconds (towards minus
    /// infinity): `date_diff('millisecond', from, to)`. Int64, may be negative.
    MillisBetween {
        /// Earlier timestamp.
        from: Box<Expr>,
        /// Later timestamp.
        to: Box<Expr>,
    },
    /// Float64 quotient of two numbers by IEEE rules: division by zero is an infinity or NaN, not null.
    Divide {
        /// Dividend.
        numerator: Box<Expr>,
        /// Divisor.
        denominator: Box<Expr>,
    },
    /// The value of the first entry with this key; null where the key is absent.
    MapGet {
        /// A map.
        map: Box<Expr>,
        /// Key, exact.
        key: Box<str>,
    },
    /// The sum of the values whose key contains `needle`, ignoring ASCII case; zero where none does.
    /// UInt64 maps add modulo 2^64, as ClickHouse does.
    MapSumWhereKeyContains {
        /// A map of numbers.
        map: Box<Expr>,
        /// Lower-case ASCII text.
        needle: Box<str>,
    },
    /// The keys of a map in stored order.
    MapKeys(Box<Expr>),
    /// Number of elements of a list, or of entries of a map. Int64.
    Length(Box<Expr>),
    /// The map of two parallel text lists, in stored order, duplicates kept; the shorter list rules.
    ZipMap {
        /// Keys.
        names: Box<Expr>,
        /// Values.
        values: Box<Expr>,
    },
    /// The value beside the first occurrence of `key` in two parallel text lists; null where absent.
    ZipGet {
        /// Keys.
        names: Box<Expr>,
        /// Values.
        values: Box<Expr>,
        /// Key, exact.
        key: Box<str>,
    },

    // --- predicates -----------------------------------------------------------------------------
    /// A Bool column that is true.
    IsTrue(Box<Expr>),
    /// Numbers, timestamps, texts or booleans compared. Decimals and integers compare exactly; where
    /// either side is Float64 both are compared as doubles. False where either side is null or NaN.
    Compare {
        /// Left side.
        left: Box<Expr>,
        /// Operator.
        op: CompareOp,
        /// Right side.
        right: Box<Expr>,
    },
    /// The text is one of these.
    In {
        /// Text value.
        value: Box<Expr>,
        /// Accepted texts; may be empty, then nothing matches.
        accepted: Vec<String>,
    },
    /// The text contains, starts or ends with `needle`. An empty needle matches every text.
    Text {
        /// Text value.
        value: Box<Expr>,
        /// Which part is looked at.
        op: TextOp,
        /// Text looked for; `%` and `_` are ordinary characters.
        needle: Box<str>,
        /// Whether case matters.
        case: CaseRule,
    },
    /// Every token is a whole token of the ASCII-lower-cased text. Tokens are runs of ASCII letters,
    /// ASCII digits and of code points from U+0080 on (ClickHouse's `splitByNonAlpha`).
    HasAllTokens {
        /// Text value.
        value: Box<Expr>,
        /// ASCII-lower-cased tokens.
        tokens: Vec<String>,
    },
    /// The list shares an element with these. False for an empty list of texts.
    HasAny {
        /// List of text.
        list: Box<Expr>,
        /// Texts looked for.
        texts: Vec<String>,
    },
    /// The list contains all of these. True for an empty list of texts.
    HasAll {
        /// List of text.
        list: Box<Expr>,
        /// Texts looked for.
        texts: Vec<String>,
    },
    /// The value is null.
    IsNull(Box<Expr>),
    /// All hold; true where there are none.
    And(Vec<Expr>),
    /// At least one holds; false where there are none.
    Or(Vec<Expr>),
    /// The complement.
    Not(Box<Expr>),
    /// The row has a score that passes the test.
    Score(ScoreTest),
    /// The row has, or lacks, such comments. Replaced by [`Expr::In`] before a source sees it.
    Comment(CommentTest),
    /// The event stands at this place among the live events of its trace.
    InTracePosition(TracePosition),
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// No value, of whatever type the place asks for.
    Null,
    /// Text.
    Text(String),
    /// Boolean.
    Bool(bool),
    /// Integer.
    Int(i64),
    /// `unscaled * 10^-scale`, exact.
    Decimal {
        /// Digits as an integer.
        unscaled: i128,
        /// Digits after the point, 0 to 38.
        scale: u8,
    },
    /// A number beyond 38 digits, or not finite.
    Float(f64),
    /// Instant.
    Timestamp(Micros),
}

/// Comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum CompareOp {
    Eq,
    NotEq,
    Less,
    LessEq,
    Greater,
    GreaterEq,
}

/// Which part of a text is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum TextOp {
    Contains,
    StartsWith,
    EndsWith,
}

/// Whether case matters in a text comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CaseRule {
    /// Byte by byte.
    Exact,
    /// Both sides folded code point by code point to lower case where that is one code point.
    Folded,
}

/// A test on the scores of an event: there is a score entry at the level that passes.
///
/// Entries are what promise 1 and spec §2.5 make of live scores: at observation level the scores
/// of one (observation, comment, name, data type, string value) are one entry with their average,
/// at trace level each score without observation is its own entry.
///
/// The row's trace and observation are what the table's [`OrderColumns`](crate::OrderColumns) name.
/// A row of a table grouped by trace has all entries of the trace at level [`ScoreLevel::Any`].
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreTest {
    /// Where the score hangs.
    pub level: ScoreLevel,
    /// Score name, exact.
    pub name: Box<str>,
    /// What the entry must satisfy.
    pub test: ScoreValueTest,
}

/// Where a score hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScoreLevel {
    /// On the observation, or on its trace without an observation.
    Any,
    /// On the trace, without an observation.
    Trace,
}

/// What a score entry must satisfy.
#[derive(Clone, Debug, PartialEq)]
pub enum ScoreValueTest {
    /// NUMERIC or BOOLEAN: the (averaged) value compares so.
    Number {
        /// Operator.
        op: CompareOp,
        /// Bound, compared as a double.
        value: f64,
    },
    /// CATEGORICAL or TEXT with a non-empty string value that is one of these.
    Category(Vec<String>),
    /// BOOLEAN whose lower-cased string value is `true` or `false`.
    Boolean(bool),
}

/// A test on the comments of an object. No test passes for an object without comments: a filter
/// that such objects pass (`commentCount = 0`) is compiled into the complement of its inverse.
#[derive(Clone, Debug, PartialEq)]
pub enum CommentTest {
    /// The number of comments compares so.
    Count {
        /// Operator.
        op: CompareOp,
        /// Bound.
        value: f64,
    },
    /// Any comment's text passes, ignoring case.
    Content {
        /// Which part is looked at; `None` means the whole text.
        op: Option<TextOp>,
        /// Text looked for.
        needle: Box<str>,
        /// Whether a comment that does *not* pass is looked for.
        negated: bool,
    },
}

/// The place of an event among the live events of its trace, ordered by start time, then span id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TracePosition {
    /// An event without parent, or marked as the application's root.
    Root,
    /// The n-th event, from 1.
    FromStart(u32),
    /// The n-th event from the end, from 1.
    FromEnd(u32),
}

impl Expr {
    /// The stored column of this name.
    pub fn column(name: impl Into<Box<str>>) -> Self {
        Self::Column(name.into())
    }

    /// A text constant.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Literal(Literal::Text(text.into()))
    }

    /// `left op right`.
    pub fn compare(left: Self, op: CompareOp, right: Self) -> Self {
        Self::Compare { left: Box::new(left), op, right: Box::new(right) }
    }

    /// The complement; a double complement is removed.
    pub fn negate(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// Both hold; flattens nested conjunctions.
    pub fn and(self, other: Self) -> Self {
        let mut parts = match self {
            Self::And(parts) => parts,
            single => vec![single],
        };
        match other {
            Self::And(more) => parts.extend(more),
            single => parts.push(single),
        }
        Self::And(parts)
    }

    /// The direct operands.
    pub fn children(&self) -> Vec<&Self> {
        match self {
            Self::Column(_) | Self::Literal(_) | Self::Score(_) | Self::Comment(_) | Self::InTracePosition(_) => vec![],
            Self::NullIfEmpty(inner)
            | Self::MapKeys(inner)
            | Self::Length(inner)
            | Self::IsTrue(inner)
            | Self::IsNull(inner)
            | Self::Not(inner)
            | Self::MapGet { map: inner, .. }
            | Self::MapSumWhereKeyContains { map: inner, .. }
            | Self::In { value: inner, .. }
            | Self::Text { value: inner, .. }
            | Self::HasAllTokens { value: inner, .. }
            | Self::HasAny { list: inner, .. }
            | Self::HasAll { list: inner, .. } => vec![inner],
            Self::Coalesce(parts) | Self::And(parts) | Self::Or(parts) => parts.iter().collect(),
            Self::If { when, then, otherwise } => vec![when, then, otherwise],
            Self::MillisBetween { from, to } => vec![from, to],
            Self::Divide { numerator, denominator } => vec![numerator, denominator],
            Self::ZipMap { names, values } | Self::ZipGet { names, values, .. } => vec![names, values],
            Self::Compare { left, right, .. } => vec![left, right],
        }
    }

    /// Whether `test` holds for this expression or any below it.
    pub fn any(&self, test: &dyn Fn(&Self) -> bool) -> bool {
        test(self) || self.children().into_iter().any(|child| child.any(test))
    }

    /// Calls `visit` with the name of every stored column that is read.
    pub fn for_each_column(&self, visit: &mut dyn FnMut(&str)) {
        if let Self::Column(name) = self {
            visit(name);
        }
        for child in self.children() {
            child.for_each_column(visit);
        }
    }
}
