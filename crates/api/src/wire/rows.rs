//! Rows: which are meant, and how they are shown.

use model::{ByteCount, RowsAsk, ShownCells, ShownRow};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

pub(crate) use super::filter::Filter;
use crate::problem::{Answer, Problem};

/// Which rows are meant.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct RowsRequest {
    /// Filters that must all hold.
    #[schema(value_type = Vec<Filter>)]
    filter: Vec<Value>,
    /// Filters as text, which must hold too: `type = "GENERATION" and totalCost > 0.01`.
    #[serde(rename = "where")]
    wheres: Vec<String>,
    /// Text that rows must contain.
    search: Option<String>,
    /// What the search looks at; ids where not given.
    search_types: Vec<SearchType>,
    /// First instant: RFC 3339, a date, or a duration before now such as `-24h`.
    #[schema(example = "-24h")]
    since: Option<String>,
    /// First instant that is left out.
    until: Option<String>,
    /// Timestamp that `since` and `until` are held against; the start time where not given.
    timestamp: Option<Cursor>,
    /// Which rows come first; the newest where not given.
    order: Option<RowsOrder>,
    /// Columns by name, in order; `scores` stands for the score columns, `all` alone for everything. The table's
    /// usual columns where not given.
    columns: Vec<String>,
    /// Texts with more characters are cut there, and `cut` of the row says so.
    #[schema(minimum = 1)]
    characters_max: Option<u32>,
    /// At most so many rows.
    #[schema(minimum = 1, maximum = 200, default = 50)]
    pub(crate) limit: Option<u32>,
    /// The `next` or `previous` of another page of the same request.
    pub(crate) cursor: Option<String>,
}

impl RowsRequest {
    pub(crate) fn into_parts(self, table: String) -> (RowsAsk, ShownCells) {
        let ask = RowsAsk {
            table,
            filter: if self.filter.is_empty() { Value::Null } else { Value::Array(self.filter) },
            wheres: self.wheres,
            search: self.search,
            search_types: self.search_types.into_iter().map(|kind| kind.as_str().to_owned()).collect(),
            since: self.since,
            until: self.until,
            cursor: self.timestamp.map(Into::into),
        };
        let oldest_first = matches!(self.order, Some(RowsOrder::OldestFirst));
        (ask, ShownCells { columns: self.columns, characters_max: self.characters_max, oldest_first })
    }
}

/// The same in a query string, for links and simple programs.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct RowsQuery {
    /// Filters that must all hold, as a JSON array.
    filter: Option<String>,
    /// Filters as text: `type = "GENERATION" and totalCost > 0.01`.
    #[serde(rename = "where")]
    wheres: Option<String>,
    /// Text that rows must contain.
    search: Option<String>,
    /// What the search looks at, separated by commas: `id`, `content`, `input`, `output`.
    search_types: Option<String>,
    /// First instant: RFC 3339, a date, or a duration before now such as `-24h`.
    since: Option<String>,
    /// First instant that is left out.
    until: Option<String>,
    /// Timestamp that `since` and `until` are held against.
    #[param(inline)]
    timestamp: Option<Cursor>,
    /// Which rows come first; the newest where not given.
    #[param(inline)]
    order: Option<RowsOrder>,
    /// Columns, separated by commas.
    columns: Option<String>,
    /// Texts with more characters are cut there, and `cut` of the row says so.
    #[param(minimum = 1)]
    characters_max: Option<u32>,
    /// At most so many rows.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// The `next` or `previous` of another page of the same request.
    cursor: Option<String>,
}

impl RowsQuery {
    pub(crate) fn into_request(self) -> Answer<RowsRequest> {
        let list = |text: Option<String>| -> Vec<String> {
            text.iter().flat_map(|text| text.split(',')).map(|part| part.trim().to_owned()).collect()
        };
        let filter = match self.filter {
            None => Vec::new(),
            Some(text) => match serde_json::from_str(&text) {
                Ok(Value::Array(filters)) => filters,
                Ok(filter @ Value::Object(_)) => vec![filter],
                _ => return Err(Problem::of_field("filter", "this is not a JSON array of filters")),
            },
        };
        let kinds = list(self.search_types);
        let kinds = kinds.iter().map(|name| SearchType::of_name(name)).collect::<Answer<Vec<_>>>()?;
        Ok(RowsRequest {
            filter,
            wheres: self.wheres.into_iter().collect(),
            search: self.search,
            search_types: kinds,
            since: self.since,
            until: self.until,
            timestamp: self.timestamp,
            order: self.order,
            columns: list(self.columns),
            characters_max: self.characters_max,
            limit: self.limit,
            cursor: self.cursor,
        })
    }
}

/// What a search looks at.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SearchType {
    /// Ids and names.
    Id,
    /// Input or output.
    Content,
    /// Input.
    Input,
    /// Output.
    Output,
}

impl SearchType {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Content => "content",
            Self::Input => "input",
            Self::Output => "output",
        }
    }

    fn of_name(name: &str) -> Answer<Self> {
        let all = [Self::Id, Self::Content, Self::Input, Self::Output];
        all.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| {
            Problem::of_field("searchTypes", format!("{name:?} is not one of id, content, input, output"))
        })
    }
}

/// Which way round rows come: by their start, then trace and id.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RowsOrder {
    /// The order of exports.
    NewestFirst,
    /// Its reverse.
    OldestFirst,
}

/// A timestamp that windows are measured on.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cursor {
    /// When the newest version of the row was stored.
    Ingested,
    /// When the row started.
    StartTime,
}

impl From<Cursor> for model::Cursor {
    fn from(cursor: Cursor) -> Self {
        match cursor {
            Cursor::Ingested => Self::Ingested,
            Cursor::StartTime => Self::StartTime,
        }
    }
}

impl From<model::Cursor> for Cursor {
    fn from(cursor: model::Cursor) -> Self {
        match cursor {
            model::Cursor::Ingested => Self::Ingested,
            model::Cursor::StartTime => Self::StartTime,
        }
    }
}

/// Rows, newest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RowPage {
    /// Columns in order, score columns included.
    columns: Vec<String>,
    /// Rows.
    rows: Vec<Row>,
    /// The `cursor` of older rows; null at the end.
    #[schema(required)]
    next: Option<String>,
    /// The `cursor` of newer rows; null at the beginning.
    #[schema(required)]
    previous: Option<String>,
    /// The bound that ended the search before the page was full; the search goes on at the cursor.
    #[schema(required)]
    stopped: Option<Bound>,
}

/// A row.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    /// Names the row in `GET …/rows/{key}`.
    key: String,
    /// Its cells by column, as a JSONL export would have them.
    #[schema(value_type = Object)]
    cells: Box<RawValue>,
    /// Columns whose texts were cut.
    cut: Vec<CutCell>,
}

/// A text that was cut.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CutCell {
    /// Its column.
    column: String,
    /// Its whole size.
    bytes: u64,
}

/// A bound of a call.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Bound {
    Time,
    Bytes,
}

impl From<model::Bound> for Bound {
    fn from(bound: model::Bound) -> Self {
        match bound {
            model::Bound::Time => Self::Time,
            model::Bound::Bytes => Self::Bytes,
        }
    }
}

impl Row {
    pub(crate) fn new(row: ShownRow) -> Answer<Self> {
        let cells = RawValue::from_string(row.cells)
            .map_err(|error| model::Fault::bug("a row has no JSON form").because(error))?;
        let cut = |(column, ByteCount(bytes))| CutCell { column, bytes };
        Ok(Self { key: row.key.0, cells, cut: row.cut.into_iter().map(cut).collect() })
    }
}

impl RowPage {
    pub(crate) fn new(page: model::RowPage) -> Answer<Self> {
        Ok(Self {
            columns: page.columns,
            rows: page.rows.into_iter().map(Row::new).collect::<Answer<_>>()?,
            next: page.next.map(|token| token.0),
            previous: page.previous.map(|token| token.0),
            stopped: page.stopped.map(Into::into),
        })
    }
}

impl RowsRequest {
    /// The rows where they are counted and not shown.
    pub(super) fn into_counted(self, table: String) -> Answer<RowsAsk> {
        let useless = [
            ("order", self.order.is_some()),
            ("columns", !self.columns.is_empty()),
            ("charactersMax", self.characters_max.is_some()),
            ("limit", self.limit.is_some()),
            ("cursor", self.cursor.is_some()),
        ];
        match useless.into_iter().find(|(_, given)| *given) {
            Some((field, _)) => Err(Problem::of_field(format!("rows.{field}"), "rows are counted here, not shown")),
            None => Ok(self.into_parts(table).0),
        }
    }
}
