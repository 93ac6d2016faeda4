//! A valid request as the pipeline is told it; the same for the command line and for a worker.

use std::sync::Arc;

use enrich::{Comments, Prices, Scores, resolve_comments};
use model::{
    ByteCount, CommentLookup, CommentScope, CompareOp, Cursor, DeletedRows, Enrichment, Expr, Fault, FieldRole,
    KeyRange, Literal, Micros, ReadRequest, Relation, RunId, VersionScope,
};
use pipeline::{Budget, Earlier, FileLayout, RunSpec};
use sha2::{Digest, Sha256};

use super::request::{Layout, Request};

/// Scores may be older than the rows they belong to by this much: two days and one hour (promise 3).
const SCORE_LOOKBACK_SECONDS: i64 = 49 * 3_600;

/// A row with more stored bytes fails the run (promise 12).
const ROW_BYTES_MAX: ByteCount = ByteCount::mebibytes(100);

/// The run of a request that writes all its rows to these files.
pub async fn run_spec(
    request: &Request,
    run: &RunId,
    as_of: Micros,
    comments: &dyn CommentLookup,
    files: FileLayout,
    budget: Budget,
) -> Result<RunSpec, Fault> {
    let mut read = read_request(request, run, as_of, comments).await?;
    read.batch_bytes_max = budget.batch_bytes;
    Ok(RunSpec {
        request: read,
        output_columns: request.selection.columns.iter().map(|column| column.name.clone()).collect(),
        enrichments: enrichments(request),
        range: KeyRange::ALL,
        limit: request.limit,
        format: request.format,
        format_options: request.format_options.clone(),
        files,
        earlier: Earlier::Nothing,
        begun_before: false,
        query_fingerprint: hex(&Sha256::digest(request.query.to_string())),
        query: request.query.clone(),
        product_version: env!("CARGO_PKG_VERSION").to_owned(),
        warnings: Vec::new(),
        budget,
    })
}

/// What is read for a request: its columns, and its filter with comment tests replaced by the ids
/// that pass them as of now.
pub async fn read_request(
    request: &Request,
    run: &RunId,
    as_of: Micros,
    comments: &dyn CommentLookup,
) -> Result<ReadRequest, Fault> {
    let filter = match (request.filter.clone(), request.table.comments) {
        (Some(filter), Some(kind)) => {
            let scope = CommentScope { project: request.project.clone(), kind, as_of };
            Some(resolve_comments(filter, &scope, comments, request.table.order.id).await?)
        }
        (filter, _) => filter,
    };
    let starts_from = starts_from(filter.as_ref(), request.table.order.time);
    // A window of ingestion times holds rows of any age, and scores are as old as their rows.
    let window_from = request.window.from.filter(|_| request.cursor == Cursor::StartTime);
    let since = [window_from, starts_from].into_iter().flatten().max();
    Ok(ReadRequest {
        run: run.clone(),
        project: request.project.clone(),
        table: Arc::clone(&request.table),
        columns: request.selection.columns.clone(),
        filter,
        window: request.window,
        cursor: request.cursor,
        as_of,
        snapshot: None,
        scores_since: since.map(|since| since.minus_seconds(SCORE_LOOKBACK_SECONDS)),
        batch_bytes_max: Budget::default().batch_bytes,
        versions: VersionScope::default(),
        deleted: match request.layout {
            Layout::WithDeletions if matches!(request.table.relation, Relation::Stored(_)) => DeletedRows::Included,
            _ => DeletedRows::LeftOut,
        },
        row_bytes_max: ROW_BYTES_MAX,
    })
}

/// What is added to rows; masks come last, so that nothing is added behind them.
fn enrichments(request: &Request) -> Vec<Arc<dyn Enrichment>> {
    let comments = request.selection.columns.iter().any(|column| column.role == FieldRole::Comments);
    let mut enrichments: Vec<Arc<dyn Enrichment>> = Vec::new();
    if comments {
        enrichments.push(Arc::new(Comments));
    }
    if request.selection.columns.iter().any(|column| matches!(column.role, FieldRole::Price(_))) {
        enrichments.push(Arc::new(Prices));
    }
    if request.selection.scores {
        enrichments.push(Arc::new(Scores));
    }
    if let Some(mask) = &request.mask {
        enrichments.push(Arc::new(mask.clone()));
    }
    enrichments
}

/// The latest lower bound on the start time that every row must pass, for the look-back of scores:
/// the table UI sends its time range as filters.
fn starts_from(filter: Option<&Expr>, time: &str) -> Option<Micros> {
    match filter? {
        Expr::And(parts) => parts.iter().filter_map(|part| starts_from(Some(part), time)).max(),
        Expr::Compare { left, op: CompareOp::Greater | CompareOp::GreaterEq, right } => match (&**left, &**right) {
            (Expr::Column(column), Expr::Literal(Literal::Timestamp(bound))) if &**column == time => Some(*bound),
            _ => None,
        },
        _ => None,
    }
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to memory cannot fail");
        text
    })
}
