use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, RecordBatch};
use model::{ColumnType, Enricher, Enrichment, FieldRole, Micros, ObjectKind, ReadRequest, Reading, ScoreRow, field};
use serde_json::{Value, json};

use super::Scores;
use crate::test_rows::{self, NoComments, Row};

const COLUMNS: [(&str, ColumnType); 1] = [("id", ColumnType::Text)];

fn score(id: &str, observation: Option<&str>, name: &str, value: f64) -> ScoreRow {
    ScoreRow {
        id: id.into(),
        trace_id: "t".into(),
        observation_id: observation.map(Into::into),
        name: name.into(),
        data_type: "NUMERIC".into(),
        value,
        string_value: None,
        comment: None,
        timestamp: Micros(0),
    }
}

fn text(score: ScoreRow, text: &str) -> ScoreRow {
    ScoreRow { data_type: "CATEGORICAL".into(), string_value: Some(text.into()), ..score }
}

fn request() -> ReadRequest {
    test_rows::request(test_rows::table(&COLUMNS), &COLUMNS)
}

pub(super) async fn enriched(request: &ReadRequest, scores: Vec<ScoreRow>, rows: &[Row]) -> RecordBatch {
    let batch = test_rows::batch(&COLUMNS, rows);
    let lookups = test_rows::lookups(scores, Arc::new(NoComments));
    let enricher: Arc<dyn Enricher> = Scores.prepare(request, &batch.schema(), &lookups).await.unwrap();
    let output = enricher.apply(batch.clone()).await.unwrap();
    assert_eq!(&output.schema(), enricher.schema());
    let keys = <dyn Reading>::KEY_COLUMNS;
    assert_eq!(output.columns()[output.num_columns() - keys..], batch.columns()[batch.num_columns() - keys..]);
    output
}

/// The score cells of every row by column name, as JSON; null where there is none.
pub(super) fn cells(output: &RecordBatch) -> Vec<BTreeMap<String, Value>> {
    let mut rows = vec![BTreeMap::new(); output.num_rows()];
    for (field, column) in output.schema().fields().iter().zip(output.columns()) {
        let role = field::role(field);
        if !matches!(role, FieldRole::Score | FieldRole::JsonScore) {
            continue;
        }
        let lists = column.as_list::<i32>();
        for (row, cells) in rows.iter_mut().enumerate() {
            let cell = if lists.is_null(row) {
                Value::Null
            } else {
                let items = lists.value(row);
                match (items.as_primitive_opt::<Float64Type>(), role) {
                    (Some(numbers), _) => numbers.values().iter().copied().collect(),
                    (None, FieldRole::JsonScore) => items
                        .as_string::<i32>()
                        .iter()
                        .map(|text| serde_json::from_str::<Value>(text.unwrap()).unwrap())
                        .collect(),
                    (None, _) => items.as_string::<i32>().iter().flatten().map(Value::from).collect(),
                }
            };
            cells.insert(field.name().clone(), cell);
        }
    }
    rows
}

fn row(id: &str) -> Row {
    Row::new("t", id)
}

#[tokio::test]
async fn like_scores_of_an_observation_are_averaged_and_others_stand_apart() {
    let scores = vec![
        score("1", Some("a"), "q", 0.1),
        score("2", Some("a"), "q", 0.2),
        ScoreRow { comment: Some("why".into()), ..score("3", Some("a"), "q", 1.0) },
        ScoreRow { comment: Some("".into()), ..score("4", Some("a"), "q", 2.0) },
        score("5", None, "q", 5.0),
        score("6", None, "q", 7.0),
        score("7", Some("b"), "q", 9.0),
    ];
    let output = enriched(&request(), scores, &[row("a"), row("b"), row("c"), Row::new("u", "a")]).await;
    let expected =
        [json!([(0.1 + 0.2) / 2.0, 1.0, 2.0, 5.0, 7.0]), json!([9.0, 5.0, 7.0]), json!([5.0, 7.0]), Value::Null];
    assert_eq!(cells(&output), expected.map(|cell| BTreeMap::from([("q".to_owned(), cell)])));
}

#[tokio::test]
async fn values_stand_observation_first_then_numbers_then_by_time_and_id() {
    let at = |instant, score| ScoreRow { timestamp: Micros(instant), ..score };
    let scores = vec![
        text(score("1", Some("a"), "m", 0.0), "late"),
        at(9, score("2", Some("a"), "m", 9.0)),
        ScoreRow { comment: Some("x".into()), ..at(3, score("3", Some("a"), "m", 3.5)) },
        at(1, text(score("4", None, "m", 0.0), "text of the trace")),
        at(2, score("6", None, "m", 26.0)),
        at(2, score("5", None, "m", 25.0)),
    ];
    let output = enriched(&request(), scores, &[row("a")]).await;
    let expected = json!([3.5, 9, "late", 25, 26, "text of the trace"]);
    assert_eq!(cells(&output)[0]["m"], expected);
    assert_eq!(field::role(output.schema().field(1)), FieldRole::JsonScore);
}

#[tokio::test]
async fn averages_do_not_depend_on_the_order_scores_arrive_in() {
    let mut scores: Vec<ScoreRow> = (0..30)
        .map(|n| score(&format!("{n:02}"), Some("a"), "q", if n % 3 == 0 { 1e16 } else { -0.1 * f64::from(n) }))
        .collect();
    let forwards = enriched(&request(), scores.clone(), &[row("a")]).await;
    scores.reverse();
    assert_eq!(enriched(&request(), scores, &[row("a")]).await, forwards);
}

#[tokio::test]
async fn there_is_a_column_per_name_whether_or_not_a_row_has_a_value() {
    let scores = vec![
        ScoreRow { trace_id: "elsewhere".into(), ..score("1", None, "unseen", 1.0) },
        text(score("2", Some("a"), "tone", 0.0), "fine"),
        text(score("3", Some("a"), "empty", 0.0), ""),
        ScoreRow { data_type: "BOOLEAN".into(), string_value: Some("True".into()), ..score("4", None, "ok", 1.0) },
        score("5", Some("a"), "id", 4.0),
        score("6", Some("a"), "outgest.id", 6.0),
    ];
    let output = enriched(&request(), scores, &[row("a")]).await;
    let names: Vec<String> = output.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names[..7], ["id", "empty", "score:id", "ok", "score:outgest.id", "tone", "unseen"]);
    assert_eq!(
        cells(&output)[0],
        BTreeMap::from([
            ("empty".to_owned(), Value::Null),
            ("score:id".to_owned(), json!([4.0])),
            ("ok".to_owned(), json!([1.0])),
            ("score:outgest.id".to_owned(), json!([6.0])),
            ("tone".to_owned(), json!(["fine"])),
            ("unseen".to_owned(), Value::Null),
        ])
    );
}

#[tokio::test]
async fn a_trace_has_the_scores_of_all_its_levels() {
    let mut request = request();
    let mut table = (*request.table).clone();
    table.comments = Some(ObjectKind::Trace);
    request.table = Arc::new(table);
    let scores = vec![
        score("1", None, "q", 1.0),
        score("2", Some("b"), "q", 2.0),
        score("3", Some("b"), "q", 3.0),
        ScoreRow { timestamp: Micros(-1), ..score("4", Some("c"), "q", 4.0) },
    ];
    let output = enriched(&request, scores, &[Row::new("", "t"), Row::new("", "u")]).await;
    assert_eq!(cells(&output)[0]["q"], json!([4.0, 2.5, 1.0]));
    assert_eq!(cells(&output)[1]["q"], Value::Null);
}

#[tokio::test]
async fn tables_without_scores_are_left_alone() {
    let mut request = request();
    let mut table = (*request.table).clone();
    table.scores = false;
    request.table = Arc::new(table);
    let output = enriched(&request, vec![score("1", Some("a"), "q", 1.0)], &[row("a")]).await;
    assert_eq!(output, test_rows::batch(&COLUMNS, &[row("a")]));
}

#[tokio::test]
async fn an_empty_batch_gets_its_columns_too() {
    let output = enriched(&request(), vec![score("1", Some("a"), "q", 1.0)], &[]).await;
    assert_eq!((output.num_rows(), output.schema().field(1).name().as_str()), (0, "q"));
}
