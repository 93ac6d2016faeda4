//! Tables and formats as they describe themselves: what forms, filters and column pickers are made of.

use model::{ColumnType, FieldRole, FilterColumn, FilterKind, FormatDescriptor, TableSpec, UnicodeRule};
use serde::Serialize;
use utoipa::ToSchema;

use super::comments::ObjectType;
use super::export::Unicode;
use super::rows::SearchType;

/// What can be exported and how.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Catalog {
    /// Version of the product.
    version: String,
    /// Where rows come from, for people.
    source: String,
    /// Whether comments on the source's rows are known: comment filters need them.
    comments: bool,
    /// Whether rows can be imported.
    import: bool,
    /// Tables.
    tables: Vec<Table>,
    /// Formats, the usual one first.
    formats: Vec<Format>,
}

impl Catalog {
    pub(crate) fn new(version: &str, catalog: &crate::app::Catalog, import: bool) -> Self {
        Self {
            version: version.to_owned(),
            source: catalog.source.clone(),
            comments: catalog.comments,
            import,
            tables: catalog.tables.iter().map(|table| Table::new(table)).collect(),
            formats: catalog.formats.iter().map(Format::new).collect(),
        }
    }
}

/// A table.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Table {
    /// Name.
    name: String,
    /// What its rows are.
    doc: String,
    /// Columns in the order of exports.
    columns: Vec<Column>,
    /// Whether score columns are added to its rows.
    scores: bool,
    /// What comments on its rows hang on; null where there are none.
    #[schema(required)]
    comments: Option<ObjectType>,
    /// What can be filtered.
    filters: Vec<Filterable>,
    /// What a search can look at.
    search_types: Vec<SearchType>,
    /// Column of the time that orders its rows.
    #[schema(required)]
    time_column: Option<String>,
}

impl Table {
    fn new(table: &TableSpec) -> Self {
        let search = &table.search;
        let content = search.input.is_some() || search.output.is_some();
        let kinds = [
            (!search.id.is_empty(), SearchType::Id),
            (content, SearchType::Content),
            (search.input.is_some(), SearchType::Input),
            (search.output.is_some(), SearchType::Output),
        ];
        let is_time = |column: &&model::ColumnSpec| column.expr == model::Expr::column(table.order.time);
        Self {
            name: table.name.to_string(),
            doc: table.doc.to_owned(),
            columns: table.columns.iter().map(Column::new).collect(),
            scores: table.scores,
            comments: table.comments.map(Into::into),
            filters: table.filters.iter().map(Filterable::new).collect(),
            search_types: kinds.into_iter().filter_map(|(has, kind)| has.then_some(kind)).collect(),
            time_column: table.columns.iter().find(is_time).map(|column| column.name.clone()),
        }
    }
}

/// A column.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Column {
    /// Name.
    name: String,
    /// What its cells are.
    #[serde(rename = "type")]
    kind: ColumnKind,
    /// Whether cells may be null.
    nullable: bool,
    /// Group, for selections by group.
    group: String,
    /// Whether it is exported when no columns are named.
    default: bool,
    /// Whether users write it freely, so that it may be long: inputs and outputs.
    payload: bool,
    /// Whether its text is JSON.
    json: bool,
}

/// What cells are.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ColumnKind {
    Text,
    Boolean,
    Integer,
    Number,
    Timestamp,
    List,
    Map,
    Comments,
}

impl Column {
    fn new(column: &model::ColumnSpec) -> Self {
        let kind = match column.kind {
            ColumnType::Text => ColumnKind::Text,
            ColumnType::Bool => ColumnKind::Boolean,
            ColumnType::Int64 | ColumnType::UInt64 => ColumnKind::Integer,
            ColumnType::Float64 | ColumnType::Decimal { .. } => ColumnKind::Number,
            ColumnType::Timestamp => ColumnKind::Timestamp,
            ColumnType::List(_) => ColumnKind::List,
            ColumnType::Map(_) => ColumnKind::Map,
            ColumnType::Comments => ColumnKind::Comments,
        };
        Self {
            name: column.name.clone(),
            kind,
            nullable: column.nullable,
            group: column.group.to_owned(),
            default: column.default,
            payload: column.role == FieldRole::Payload,
            json: column.role == FieldRole::Json,
        }
    }
}

/// Something a filter can name.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FilterColumn)]
pub(crate) struct Filterable {
    /// `column` of a filter.
    id: String,
    /// Name for people.
    title: String,
    /// Filter types it takes, with their operators.
    types: Vec<FilterType>,
    /// Whether filters name a key within the column.
    keyed: bool,
    /// Whether `…/facets` can count its values.
    facets: bool,
    /// Whether it needs comments.
    comments: bool,
}

/// A filter type and its operators.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FilterType {
    /// `type` of a filter.
    #[serde(rename = "type")]
    name: String,
    /// `operator` of a filter.
    operators: Vec<String>,
}

impl Filterable {
    fn new(column: &FilterColumn) -> Self {
        let kind = &column.kind;
        let of_type = |name: &'static str| FilterType {
            name: name.to_owned(),
            operators: kind.operators(name).into_iter().map(str::to_owned).collect(),
        };
        Self {
            id: column.id.to_owned(),
            title: column.title.to_owned(),
            types: kind.accepted_types().into_iter().map(of_type).collect(),
            keyed: matches!(
                kind,
                FilterKind::TextPairs { .. }
                    | FilterKind::TextMap(_)
                    | FilterKind::Score { .. }
                    | FilterKind::TracePosition
            ),
            facets: kind.is_countable(),
            comments: matches!(kind, FilterKind::CommentCount | FilterKind::CommentContent),
        }
    }
}

/// A file format.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Format {
    /// Name.
    name: String,
    /// What it is, for people.
    doc: String,
    /// File name extension without dot.
    extension: String,
    /// Media type.
    content_type: String,
    /// Whether whole files may be compressed; formats that compress inside say no.
    compressible: bool,
    /// What becomes of `\uXXXX` unless told otherwise.
    unicode_default: Unicode,
}

impl Format {
    fn new(format: &FormatDescriptor) -> Self {
        Self {
            name: format.name.to_owned(),
            doc: format.doc.to_owned(),
            extension: format.extension.to_owned(),
            content_type: format.content_type.to_owned(),
            compressible: format.compressible,
            unicode_default: match format.unicode_default {
                UnicodeRule::Keep => Unicode::Keep,
                UnicodeRule::Decode => Unicode::Decode,
            },
        }
    }
}
