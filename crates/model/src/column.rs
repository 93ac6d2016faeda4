//! Logical column types, their Arrow form, and what a field tells the encoders.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, TimeUnit};

/// The type of a stored or exported column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// UTF-8 text.
    Text,
    /// True or false.
    Bool,
    /// Signed 64-bit integer.
    Int64,
    /// Unsigned 64-bit integer.
    UInt64,
    /// IEEE double.
    Float64,
    /// Exact decimal with 128-bit unscaled value.
    Decimal {
        /// Digits in all.
        precision: u8,
        /// Digits after the point.
        scale: i8,
    },
    /// Microseconds, UTC.
    Timestamp,
    /// List of values that are never null.
    List(Box<ColumnType>),
    /// Text keys in stored order, duplicates kept; values are never null.
    Map(Box<ColumnType>),
    /// `List<Struct<id, content, author_email, created_at>>`, oldest comment first.
    Comments,
}

impl ColumnType {
    /// The decimal of every stored cost: `Decimal(18, 12)`.
    pub const COST: Self = Self::Decimal { precision: 18, scale: 12 };

    /// The decimal of every price of a model: as many digits after the point as are ever stored.
    pub const PRICE: Self = Self::Decimal { precision: 38, scale: 30 };

    /// List of text.
    pub fn text_list() -> Self {
        Self::List(Box::new(Self::Text))
    }

    /// Map from text to text.
    pub fn text_map() -> Self {
        Self::Map(Box::new(Self::Text))
    }

    /// The Arrow type. Lists have items named `item`, maps have entries `entries{keys, values}`, unsorted.
    pub fn to_arrow(&self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Bool => DataType::Boolean,
            Self::Int64 => DataType::Int64,
            Self::UInt64 => DataType::UInt64,
            Self::Float64 => DataType::Float64,
            Self::Decimal { precision, scale } => DataType::Decimal128(*precision, *scale),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::List(item) => DataType::List(Arc::new(Field::new("item", item.to_arrow(), false))),
            Self::Map(value) => DataType::Map(
                Arc::new(Field::new(
                    "entries",
                    DataType::Struct(Fields::from(vec![
                        Field::new("keys", DataType::Utf8, false),
                        Field::new("values", value.to_arrow(), false),
                    ])),
                    false,
                )),
                false,
            ),
            Self::Comments => DataType::List(Arc::new(Field::new(
                "item",
                DataType::Struct(Fields::from(vec![
                    Field::new("id", DataType::Utf8, false),
                    Field::new("content", DataType::Utf8, false),
                    Field::new("author_email", DataType::Utf8, true),
                    field::with_timestamp_style(
                        Field::new("created_at", Self::Timestamp.to_arrow(), false),
                        TimestampStyle::IsoMillis,
                    ),
                ])),
                false,
            ))),
        }
    }
}

/// How text encoders print a timestamp; Parquet keeps the typed value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampStyle {
    /// `2026-06-01 00:00:37.007001`
    #[default]
    SqlMicros,
    /// `2026-06-01 00:00:37.007`
    SqlMillis,
    /// `2026-06-01T00:00:37.007Z`; in CSV within JSON quotes, as Langfuse prints dates.
    IsoMillis,
}

/// What a column is to the encoders beyond its type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldRole {
    /// Nothing special.
    #[default]
    Plain,
    /// Text that users write freely (input, output): the "parsed JSON" option applies to it.
    Payload,
    /// Text, or list of texts, that *is* JSON and is printed raw by the text encoders.
    Json,
    /// The comments column: pretty-printed with two spaces in CSV, for parity.
    Comments,
    /// A score column, whose presence depends on the data.
    Score,
    /// A score column of mixed types: a list of JSON texts that text encoders print raw.
    JsonScore,
    /// The id of a model, as sources read it. The prices enrichment puts the model's price in its
    /// place, so no encoder meets it.
    Price(PriceOf),
    /// A property that an event does not have where it is null; files show it as any other column.
    IfKnown,
}

/// Which of a model's prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum PriceOf {
    Input,
    Output,
    Total,
}

/// Reading and writing of the field metadata that carries [`FieldRole`] and [`TimestampStyle`].
pub mod field {
    use arrow_schema::Field;

    use super::{FieldRole, PriceOf, TimestampStyle};

    const ROLE: &str = "outgest.role";
    const TIMESTAMP: &str = "outgest.timestamp";

    /// The field with its role noted.
    pub fn with_role(field: Field, role: FieldRole) -> Field {
        let text = match role {
            FieldRole::Plain => return field,
            FieldRole::Payload => "payload",
            FieldRole::Json => "json",
            FieldRole::Comments => "comments",
            FieldRole::Score => "score",
            FieldRole::JsonScore => "json-score",
            FieldRole::Price(PriceOf::Input) => "input-price",
            FieldRole::Price(PriceOf::Output) => "output-price",
            FieldRole::Price(PriceOf::Total) => "total-price",
            FieldRole::IfKnown => "if-known",
        };
        annotate(field, ROLE, text)
    }

    /// The field's role.
    pub fn role(field: &Field) -> FieldRole {
        match field.metadata().get(ROLE).map(String::as_str) {
            Some("payload") => FieldRole::Payload,
            Some("json") => FieldRole::Json,
            Some("comments") => FieldRole::Comments,
            Some("score") => FieldRole::Score,
            Some("json-score") => FieldRole::JsonScore,
            Some("input-price") => FieldRole::Price(PriceOf::Input),
            Some("output-price") => FieldRole::Price(PriceOf::Output),
            Some("total-price") => FieldRole::Price(PriceOf::Total),
            Some("if-known") => FieldRole::IfKnown,
            _ => FieldRole::Plain,
        }
    }

    /// The field with the printed form of its timestamps noted.
    pub fn with_timestamp_style(field: Field, style: TimestampStyle) -> Field {
        match style {
            TimestampStyle::SqlMicros => field,
            TimestampStyle::SqlMillis => annotate(field, TIMESTAMP, "sql-millis"),
            TimestampStyle::IsoMillis => annotate(field, TIMESTAMP, "iso-millis"),
        }
    }

    /// The printed form of the field's timestamps.
    pub fn timestamp_style(field: &Field) -> TimestampStyle {
        match field.metadata().get(TIMESTAMP).map(String::as_str) {
            Some("sql-millis") => TimestampStyle::SqlMillis,
            Some("iso-millis") => TimestampStyle::IsoMillis,
            _ => TimestampStyle::SqlMicros,
        }
    }

    fn annotate(field: Field, key: &str, value: &str) -> Field {
        let mut metadata = field.metadata().clone();
        metadata.insert(key.to_owned(), value.to_owned());
        field.with_metadata(metadata)
    }
}
