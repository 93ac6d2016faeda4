//! The comments column: what people wrote about a row, oldest first.
//!
//! Comments hang on an id alone, so rows of different traces with one id show the same comments.
//! They are looked up for at most 1,000 ids at a time, and not at all where the project has none. Once many rows
//! came it is found out which objects have any, since mostly few do, and only these are looked up. What was
//! written after the run's "now" is left out, so that a run which is continued shows what it began with; of older
//! comments that are imported while it runs some rows show the first, and others none.

mod resolve;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, ListArray, RecordBatch, StringArray, StructArray, TimestampMicrosecondArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Fields, Schema, SchemaRef};
use async_trait::async_trait;
use model::{
    ColumnType, Comment, CommentLookup, CommentScope, Enricher, Enrichment, Fault, Lookups, ReadRequest, Reading,
    key_column,
};
use tokio::sync::OnceCell;

pub use resolve::resolve_comments;

/// Ids of one look-up: the contract of [`CommentLookup`].
const IDS_MAX: usize = 1_000;
/// Rows that are looked up before it is asked which objects have comments: a page or a small export is done by then.
const ROWS_LOOKED_UP: usize = 2_000;
/// Objects that are remembered to have comments: 5 MB.
const OBJECTS_MAX: usize = 50_000;

/// Fills the comments column, where it is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Comments;

#[async_trait]
impl Enrichment for Comments {
    async fn prepare(
        &self,
        request: &ReadRequest,
        input: &SchemaRef,
        lookups: &Lookups,
    ) -> Result<Arc<dyn Enricher>, Fault> {
        let asked = request.columns.iter().position(|column| column.kind == ColumnType::Comments);
        let Some(asked) = asked else { return Ok(Arc::new(Unchanged { schema: Arc::clone(input) })) };
        let table = &request.table;
        let kind = table.comments.ok_or_else(|| {
            Fault::bug(format!("table {} has a comments column, but its rows no comments", table.name))
        })?;
        let field = Arc::new(request.columns[asked].to_field());
        // A source may leave the column out, because it has nothing to say about it.
        let given = input.fields().get(asked).is_some_and(|given| given.data_type() == field.data_type());
        let mut fields = input.fields().to_vec();
        if given {
            fields[asked] = field;
        } else {
            fields.insert(asked, field);
        }
        let schema = Arc::new(Schema::new_with_metadata(fields, input.metadata().clone()));
        let scope = CommentScope { project: request.project.clone(), kind, as_of: request.as_of };
        let first = lookups.comments.objects(&scope, 1).await?;
        let lookup = (!first.is_empty()).then(|| Arc::clone(&lookups.comments));
        let (rows, commented) = (AtomicUsize::new(0), OnceCell::new());
        Ok(Arc::new(CommentColumn { scope, lookup, rows, commented, place: asked, given, schema }))
    }
}

/// Where no comments are asked for.
struct Unchanged {
    schema: SchemaRef,
}

#[async_trait]
impl Enricher for Unchanged {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    async fn apply(&self, batch: RecordBatch) -> Result<RecordBatch, Fault> {
        Ok(batch)
    }
}

struct CommentColumn {
    scope: CommentScope,
    /// `None` where the project has no comment on this kind of object.
    lookup: Option<Arc<dyn CommentLookup>>,
    /// Rows that have come.
    rows: AtomicUsize,
    /// The objects with comments, once that was asked; `None` where they are too many.
    commented: OnceCell<Option<HashSet<String>>>,
    /// Where the column stands.
    place: usize,
    /// Whether the input has it already.
    given: bool,
    schema: SchemaRef,
}

impl CommentColumn {
    /// The comments on these objects, oldest first.
    async fn by_object(&self, ids: &StringArray) -> Result<HashMap<String, Vec<Comment>>, Fault> {
        let mut by_object: HashMap<String, Vec<Comment>> = HashMap::new();
        let Some(lookup) = &self.lookup else { return Ok(by_object) };
        let mut wanted: Vec<&str> = ids.iter().flatten().collect();
        if let Some(commented) = self.commented(&**lookup, wanted.len()).await? {
            wanted.retain(|id| commented.contains(*id));
        }
        wanted.sort_unstable();
        wanted.dedup();
        for ids in wanted.chunks(IDS_MAX) {
            let found = lookup.comments(&self.scope.project, self.scope.kind, ids).await?;
            for comment in found.into_iter().filter(|comment| comment.created_at <= self.scope.as_of) {
                by_object.entry(comment.object_id.clone()).or_default().push(comment);
            }
        }
        // Comments of one instant would otherwise come in whatever order the store has them.
        for comments in by_object.values_mut() {
            comments.sort_by(|a, b| a.created_at.cmp(&b.created_at).then_with(|| a.id.cmp(&b.id)));
        }
        Ok(by_object)
    }

    /// The objects with comments, where so many rows came before these that it was worth to ask, and where they are
    /// not too many.
    async fn commented(&self, lookup: &dyn CommentLookup, rows: usize) -> Result<Option<&HashSet<String>>, Fault> {
        if self.rows.fetch_add(rows, Ordering::Relaxed) < ROWS_LOOKED_UP {
            return Ok(None);
        }
        let ask = || async {
            let objects = lookup.objects(&self.scope, OBJECTS_MAX + 1).await?;
            Ok((objects.len() <= OBJECTS_MAX).then(|| objects.into_iter().collect()))
        };
        Ok(self.commented.get_or_try_init(ask).await?.as_ref())
    }
}

#[async_trait]
impl Enricher for CommentColumn {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    async fn apply(&self, batch: RecordBatch) -> Result<RecordBatch, Fault> {
        let ids = key_ids(&batch)?.clone();
        let by_object = self.by_object(&ids).await?;
        let column = comment_lists(&ids, &by_object)?;
        let (_, mut arrays, _) = batch.into_parts();
        if self.given {
            arrays[self.place] = column;
        } else {
            arrays.insert(self.place, column);
        }
        RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            .map_err(|error| Fault::bug("the comments column does not fit its schema").because(error))
    }
}

fn key_ids(batch: &RecordBatch) -> Result<&StringArray, Fault> {
    let schema = batch.schema_ref();
    (batch.num_columns().saturating_sub(<dyn Reading>::KEY_COLUMNS)..batch.num_columns())
        .find(|&column| schema.field(column).name() == key_column::ID)
        .and_then(|column| batch.column(column).as_string_opt())
        .ok_or_else(|| Fault::bug("a batch does not end with the key columns"))
}

/// One list of comments per id.
fn comment_lists(ids: &StringArray, by_object: &HashMap<String, Vec<Comment>>) -> Result<ArrayRef, Fault> {
    let (item, fields) = comment_item()?;
    let of_row: Vec<&[Comment]> =
        ids.iter().map(|id| id.and_then(|id| by_object.get(id)).map_or(&[][..], Vec::as_slice)).collect();
    let offsets = OffsetBuffer::from_lengths(of_row.iter().map(|comments| comments.len()));
    let comments: Vec<&Comment> = of_row.iter().copied().flatten().collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(comments.iter().map(|comment| &comment.id))),
        Arc::new(StringArray::from_iter_values(comments.iter().map(|comment| &comment.content))),
        Arc::new(comments.iter().map(|comment| comment.author_email.as_ref()).collect::<StringArray>()),
        Arc::new(
            TimestampMicrosecondArray::from_iter_values(comments.iter().map(|comment| comment.created_at.0))
                .with_timezone("UTC"),
        ),
    ];
    let items = StructArray::try_new(fields, columns, None)
        .map_err(|error| Fault::bug("comments do not fit their type").because(error))?;
    Ok(Arc::new(ListArray::new(item, offsets, Arc::new(items), None)))
}

fn comment_item() -> Result<(arrow_schema::FieldRef, Fields), Fault> {
    if let DataType::List(item) = ColumnType::Comments.to_arrow()
        && let DataType::Struct(fields) = item.data_type()
    {
        return Ok((Arc::clone(&item), fields.clone()));
    }
    Err(Fault::bug("comments are no list of structs"))
}
