use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use async_trait::async_trait;
use model::{
    ColumnType, Comment, CommentLookup, CommentScope, CommentTest, CompareOp, Enricher, Enrichment, Expr, Fault,
    Micros, ObjectKind, ProjectId, TextOp,
};

use super::{Comments, resolve_comments};
use crate::test_rows::{self, Row};

/// Comments on objects `0`, `3`, `6`, …, and a count of what was asked.
#[derive(Default)]
struct Given {
    comments: Vec<Comment>,
    asked: AtomicUsize,
    largest: Mutex<usize>,
    matches: usize,
}

#[async_trait]
impl CommentLookup for Given {
    async fn comments(&self, _: &ProjectId, kind: ObjectKind, ids: &[&str]) -> Result<Vec<Comment>, Fault> {
        assert_eq!(kind, ObjectKind::Observation);
        let wanted: HashSet<&str> = ids.iter().copied().collect();
        assert_eq!(wanted.len(), ids.len(), "an id is asked for twice");
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut largest = self.largest.lock().unwrap();
        *largest = (*largest).max(ids.len());
        Ok(self.comments.iter().filter(|comment| wanted.contains(&*comment.object_id)).cloned().collect())
    }

    async fn commented(&self, _: &CommentScope, test: &CommentTest, limit: usize) -> Result<Vec<String>, Fault> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let prefix = match test {
            CommentTest::Count { .. } => "counted",
            CommentTest::Content { .. } => "read",
        };
        Ok((0..self.matches.min(limit + 1)).map(|n| format!("{prefix}-{n}")).collect())
    }

    async fn objects(&self, _: &CommentScope, limit: usize) -> Result<Vec<String>, Fault> {
        let ids: HashSet<&String> = self.comments.iter().map(|comment| &comment.object_id).collect();
        Ok(ids.into_iter().take(limit).cloned().collect())
    }
}

fn comment(id: &str, object: &str, created_at: i64) -> Comment {
    Comment {
        id: id.into(),
        object_id: object.into(),
        content: format!("on {object}"),
        author_email: (id != "c2").then(|| "a@x.io".into()),
        created_at: Micros(created_at),
    }
}

async fn enriched(given: &Arc<Given>, columns: &[(&str, ColumnType)], batch: RecordBatch) -> RecordBatch {
    let request = test_rows::request(test_rows::table(columns), columns);
    let lookups = test_rows::lookups(vec![], Arc::clone(given) as Arc<dyn CommentLookup>);
    let enricher: Arc<dyn Enricher> = Comments.prepare(&request, &batch.schema(), &lookups).await.unwrap();
    let output = enricher.apply(batch).await.unwrap();
    assert_eq!(&output.schema(), enricher.schema());
    output
}

const COLUMNS: [(&str, ColumnType); 3] =
    [("id", ColumnType::Text), ("comments", ColumnType::Comments), ("name", ColumnType::Text)];

fn rows(count: usize) -> Vec<Row> {
    (0..count).map(|n| Row::new("t", &n.to_string())).collect()
}

#[tokio::test]
async fn comments_stand_in_their_column_oldest_first() {
    let comments = vec![comment("c3", "1", 30), comment("c2", "1", 10), comment("c1", "1", 10), comment("c4", "2", 5)];
    let given = Arc::new(Given { comments, ..Given::default() });
    // Whether the source left the column out or gave empty lists.
    for source_columns in [vec![COLUMNS[0].clone(), COLUMNS[2].clone()], COLUMNS.to_vec()] {
        let batch = test_rows::batch(&source_columns, &rows(3));
        let output = enriched(&given, &COLUMNS, batch).await;
        let names: Vec<&str> = output.schema_ref().fields().iter().take(3).map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["id", "comments", "name"]);
        let lists = output.column(1).as_list::<i32>();
        let ids = |row: usize| -> Vec<String> {
            let items = lists.value(row);
            let ids = items.as_struct().column(0).as_string::<i32>();
            ids.iter().flatten().map(String::from).collect()
        };
        assert_eq!(
            [ids(0), ids(1), ids(2)],
            [vec![], vec!["c1".to_owned(), "c2".into(), "c3".into()], vec!["c4".into()]]
        );
        let emails = Arc::clone(lists.value(1).as_struct().column(2));
        assert_eq!((0..3).map(|row| emails.is_null(row)).collect::<Vec<_>>(), [false, true, false]);
    }
}

#[tokio::test]
async fn at_most_a_thousand_ids_are_looked_up_at_once() {
    let given = Arc::new(Given { comments: vec![comment("c", "2499", 1)], ..Given::default() });
    let mut rows = rows(2_500);
    rows.extend((0..500).map(|n| Row::new("another trace", &n.to_string())));
    let output = enriched(&given, &COLUMNS, test_rows::batch(&COLUMNS, &rows)).await;
    assert_eq!((given.asked.load(Ordering::SeqCst), *given.largest.lock().unwrap()), (3, 1_000));
    assert_eq!(output.column(1).as_list::<i32>().value_length(2_499), 1);
}

/// Looks up rows a thousand at a time; how many of them had comments, and how often these were asked for.
async fn long_export(given: Given, rows: std::ops::Range<usize>) -> (usize, usize) {
    let given = Arc::new(given);
    let request = test_rows::request(test_rows::table(&COLUMNS), &COLUMNS);
    let lookups = test_rows::lookups(vec![], Arc::clone(&given) as Arc<dyn CommentLookup>);
    let schema = test_rows::batch(&COLUMNS, &[]).schema();
    let enricher: Arc<dyn Enricher> = Comments.prepare(&request, &schema, &lookups).await.unwrap();
    let mut commented = 0;
    for start in rows.clone().step_by(1_000) {
        let rows: Vec<Row> = (start..start + 1_000).map(|n| Row::new("t", &n.to_string())).collect();
        let output = enricher.apply(test_rows::batch(&COLUMNS, &rows)).await.unwrap();
        let lists = output.column(1).as_list::<i32>();
        commented += (0..lists.len()).filter(|row| lists.value_length(*row) > 0).count();
    }
    (commented, given.asked.load(Ordering::SeqCst))
}

#[tokio::test]
async fn of_many_rows_those_with_comments_alone_are_looked_up() {
    let comments = |objects: std::ops::Range<usize>| objects.map(|n| comment("c", &(7 * n).to_string(), 1)).collect();
    // Twice a thousand rows first, and then those of the three stretches behind them in which there are some.
    let few = Given { comments: comments(300..600), ..Given::default() };
    assert_eq!(long_export(few, 0..20_000).await, (300, 5));
    // More of them than are remembered: all rows are looked up.
    let many = Given { comments: comments(0..50_001), ..Given::default() };
    assert_eq!(long_export(many, 0..12_000).await, (12_000_usize.div_ceil(7), 12));
}

#[tokio::test]
async fn nothing_is_looked_up_where_nothing_can_be_found() {
    let given = Arc::new(Given::default());
    let output = enriched(&given, &COLUMNS, test_rows::batch(&COLUMNS[..1], &rows(5))).await;
    assert_eq!(output.column(1).as_list::<i32>().values().len(), 0);
    let given = Arc::new(Given { comments: vec![comment("c", "1", 1)], ..Given::default() });
    let plain = enriched(&given, &COLUMNS[..1], test_rows::batch(&COLUMNS[..1], &rows(5))).await;
    assert_eq!(plain, test_rows::batch(&COLUMNS[..1], &rows(5)));
    assert_eq!(given.asked.load(Ordering::SeqCst), 0);
}

fn count() -> Expr {
    Expr::Comment(CommentTest::Count { op: CompareOp::Greater, value: 1.0 })
}

fn content() -> Expr {
    Expr::Comment(CommentTest::Content { op: Some(TextOp::Contains), needle: "x".into(), negated: false })
}

async fn resolved(expr: Expr, matches: usize) -> (Result<Expr, Fault>, usize) {
    let given = Given { matches, ..Given::default() };
    let scope = CommentScope { project: ProjectId::new("p"), kind: ObjectKind::Observation, as_of: Micros(0) };
    let result = resolve_comments(expr, &scope, &given, "span_id").await;
    (result, given.asked.into_inner())
}

#[tokio::test]
async fn each_comment_test_becomes_its_ids_wherever_it_stands() {
    let ids = |prefix: &str| Expr::In {
        value: Box::new(Expr::column("span_id")),
        accepted: vec![format!("{prefix}-0"), format!("{prefix}-1")],
    };
    let other = Expr::IsNull(Box::new(Expr::column("note")));
    let tree = |count: Expr, content: Expr, again: Expr| {
        Expr::Or(vec![Expr::And(vec![other.clone(), count]), Expr::Not(Box::new(Expr::Or(vec![content, again])))])
    };
    let (result, asked) = resolved(tree(count(), content(), count()), 2).await;
    assert_eq!(result.unwrap(), tree(ids("counted"), ids("read"), ids("counted")));
    assert_eq!(asked, 2, "equal tests are looked up once");
}

#[tokio::test]
async fn a_filter_without_comment_tests_is_left_alone() {
    let plain = Expr::And(vec![]);
    assert!(matches!(resolved(plain.clone(), 2).await, (Ok(same), 0) if same == plain));
}

#[tokio::test]
async fn no_match_selects_nothing_and_its_complement_everything() {
    let (result, _) = resolved(Expr::Not(Box::new(count())), 0).await;
    let none = Expr::In { value: Box::new(Expr::column("span_id")), accepted: vec![] };
    assert_eq!(result.unwrap(), Expr::Not(Box::new(none)));
}

#[tokio::test]
async fn more_than_fifty_thousand_matches_are_refused() {
    assert!(resolved(count(), 50_000).await.0.is_ok());
    let fault = resolved(count(), 70_000).await.0.unwrap_err();
    assert_eq!(
        fault.public_message(),
        "Comment filter matches 50,001 observations (limit: 50,000). Please add additional filters to narrow your \
         search."
    );
}
