//! Random rows and random filters, out of small pools so that rows meet filters and versions meet versions.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::RecordBatchOptions;
use model::{
    CaseRule, ColumnType, CompareOp, Expr, Literal, Micros, ScoreLevel, ScoreTest, ScoreValueTest, StoredColumn,
    StoredTable, TableSpec, TextOp, TracePosition,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::fixture::EPOCH;
use crate::memory::columnar::to_array;
use crate::memory::stored_schema;
use crate::memory::value::Value;

/// Texts with tokens, wildcards, escapes, folding traps and nothing.
const TEXTS: [&str; 14] = [
    "",
    "a",
    "A b",
    "alpha beta-gamma",
    "ALPHA",
    "50%_x",
    "éCOLE",
    "École",
    "İstanbul",
    "日本語 token",
    "\\u65e5",
    "\0",
    "true",
    "region",
];

/// Keys of maps and of metadata.
const KEYS: [&str; 6] = ["input", "Output", "total", "region", "input_cached", ""];

/// Rows of a table in one to three batches, as several imports would store them.
pub(crate) fn arbitrary_rows(table: &Arc<StoredTable>) -> impl Strategy<Value = Vec<RecordBatch>> + use<> {
    let cells: Vec<BoxedStrategy<Value>> = table.columns.iter().map(|column| cell(table, column)).collect();
    let table = Arc::clone(table);
    vec(vec(cells, 0..24), 1..4).prop_map(move |batches| batches.into_iter().map(|rows| batch(&table, rows)).collect())
}

fn batch(table: &StoredTable, rows: Vec<Vec<Value>>) -> RecordBatch {
    let columns = table.columns.iter().enumerate().map(|(place, column)| {
        to_array(&column.kind, &rows.iter().map(|row| row[place].clone()).collect::<Vec<_>>()).unwrap()
    });
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(stored_schema(table), columns.collect(), &options).unwrap()
}

fn cell(table: &StoredTable, column: &StoredColumn) -> BoxedStrategy<Value> {
    let pool = |texts: &'static [&'static str]| select(texts).prop_map(|text| Value::Text(text.into())).boxed();
    let plain = match column.name {
        name if name == table.deleted => {
            let kind = column.kind.clone();
            let marked = move |mark: bool| match kind {
                ColumnType::Bool => Value::Bool(mark),
                ColumnType::Int64 => Value::Int(i64::from(mark)),
                _ => Value::UInt(u64::from(mark)),
            };
            prop::bool::weighted(0.15).prop_map(marked).boxed()
        }
        "project_id" => pool(&["p1", "p1", "p1", "p2"]),
        "trace_id" => pool(&["t0", "t1", "t2"]),
        "observation_id" | "span_id" => pool(&["s0", "s1", "s2", "s3"]),
        "parent_span_id" => pool(&["", "s0"]),
        "id" => pool(&["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"]),
        "data_type" => pool(&["NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT", "CORRECTION"]),
        "string_value" => pool(&["", "true", "False", "good"]),
        "name" if table.column("data_type").is_some() => pool(&["quality", "tone"]),
        _ => of_type(&column.kind),
    };
    if column.nullable {
        option::weighted(0.75, plain).prop_map(|cell| cell.unwrap_or(Value::Null)).boxed()
    } else {
        plain
    }
}

fn of_type(kind: &ColumnType) -> BoxedStrategy<Value> {
    match kind {
        ColumnType::Text => text().prop_map(Value::Text).boxed(),
        ColumnType::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        ColumnType::Int64 => select(&[0, 1, -1, 7, i64::MIN, i64::MAX][..]).prop_map(Value::Int).boxed(),
        ColumnType::UInt64 => select(&[0, 1, 7, (1 << 53) + 1, u64::MAX][..]).prop_map(Value::UInt).boxed(),
        ColumnType::Float64 => select(&[0.0, -0.0, 0.5, 7.0, -1e300][..]).prop_map(Value::Float).boxed(),
        ColumnType::Decimal { precision, scale } => {
            let largest = 10_i128.pow(u32::from(*precision)) - 1;
            let scale = u8::try_from(*scale).unwrap();
            let pool = vec![0, 1, -1, 10_i128.pow(u32::from(scale)), 157_500_000, largest, -largest];
            select(pool).prop_map(move |unscaled| Value::Decimal { unscaled, scale }).boxed()
        }
        ColumnType::Timestamp => instant().prop_map(Value::Timestamp).boxed(),
        ColumnType::List(item) => vec(of_type(item), 0..4).prop_map(Value::List).boxed(),
        ColumnType::Map(value) => {
            vec((select(&KEYS[..]).prop_map(String::from), of_type(value)), 0..4).prop_map(Value::Map).boxed()
        }
        ColumnType::Comments => unreachable!("comments are no stored column"),
    }
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![8 => select(&TEXTS[..]).prop_map(String::from), 1 => ".{0,6}"].boxed()
}

/// Few instants, some a microsecond apart, so that versions and start times tie.
fn instant() -> BoxedStrategy<Micros> {
    select(&[0, 1, 999, 1_000, 1_500_000, 60_000_000, 3_600_000_000][..])
        .prop_map(|after| Micros(EPOCH.0 + after))
        .boxed()
}

/// A predicate over the rows of a table, of every kind that its columns allow.
pub(crate) fn arbitrary_expr(table: &TableSpec) -> BoxedStrategy<Expr> {
    let values = Values::of(table);
    leaf(&values, table)
        .prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Expr::And),
                vec(inner.clone(), 0..4).prop_map(Expr::Or),
                inner.prop_map(|inner| Expr::Not(Box::new(inner))),
            ]
        })
        .boxed()
}

/// Value expressions over a table's columns, by type.
struct Values {
    texts: BoxedStrategy<Expr>,
    numbers: BoxedStrategy<Expr>,
    instants: BoxedStrategy<Expr>,
    lists: BoxedStrategy<Expr>,
    booleans: BoxedStrategy<Expr>,
    nullable: BoxedStrategy<Expr>,
}

impl Values {
    fn of(table: &TableSpec) -> Self {
        let stored = table.stored();
        let attached: Vec<_> = table.attached.iter().flat_map(|attached| &attached.groups.columns).collect();
        let columns = |wanted: &dyn Fn(&ColumnType) -> bool| {
            let own = stored.columns.iter().filter(|column| wanted(&column.kind)).map(|column| column.name);
            let others = attached.iter().filter(|column| wanted(&column.kind)).map(|column| column.name);
            select(own.chain(others).collect::<Vec<_>>()).prop_map(Expr::column)
        };
        let is_number_map = |kind: &ColumnType| matches!(kind, ColumnType::Map(value) if **value != ColumnType::Text);
        let text_columns = columns(&|kind| *kind == ColumnType::Text).boxed();
        let text_lists = columns(&|kind| *kind == ColumnType::text_list()).boxed();
        let text_maps = columns(&|kind| *kind == ColumnType::text_map()).boxed();
        let number_maps = columns(&is_number_map).boxed();
        let instant_columns = columns(&|kind| *kind == ColumnType::Timestamp).boxed();
        let number_columns =
            columns(&|kind| matches!(kind, ColumnType::Int64 | ColumnType::UInt64 | ColumnType::Float64)).boxed();
        let booleans = columns(&|kind| *kind == ColumnType::Bool).boxed();
        let nullable = stored.columns.iter().filter(|column| column.nullable).map(|column| column.name);
        let nullable = nullable.chain(attached.iter().map(|column| column.name));
        let nullable = select(nullable.collect::<Vec<_>>()).prop_map(Expr::column).boxed();

        let zipped = (text_lists.clone(), text_lists.clone())
            .prop_map(|(names, values)| Expr::ZipMap { names: Box::new(names), values: Box::new(values) })
            .boxed();
        let text_maps = prop_oneof![text_maps, zipped].boxed();
        let texts = text_values(&text_columns, &text_lists, &text_maps, &booleans);
        let lists =
            prop_oneof![text_lists.clone(), text_maps.clone().prop_map(|map| Expr::MapKeys(Box::new(map)))].boxed();
        let instants = prop_oneof![
            3 => instant_columns.clone(),
            1 => vec(instant_columns.clone(), 1..3).prop_map(Expr::Coalesce),
        ]
        .boxed();
        let maps = prop_oneof![text_maps, number_maps.clone()].boxed();
        let numbers = number_values(&number_columns, &number_maps, &instants, &lists, &maps);
        Self { texts, numbers, instants, lists, booleans, nullable }
    }
}

fn key() -> impl Strategy<Value = Box<str>> {
    select(&KEYS[..]).prop_map(Box::from)
}

fn text_values(
    columns: &BoxedStrategy<Expr>,
    lists: &BoxedStrategy<Expr>,
    maps: &BoxedStrategy<Expr>,
    booleans: &BoxedStrategy<Expr>,
) -> BoxedStrategy<Expr> {
    let null_if_empty = columns.clone().prop_map(|text| Expr::NullIfEmpty(Box::new(text)));
    let either = (booleans.clone(), columns.clone(), null_if_empty.clone()).prop_map(|(when, then, otherwise)| {
        Expr::If { when: Box::new(Expr::IsTrue(Box::new(when))), then: Box::new(then), otherwise: Box::new(otherwise) }
    });
    let got = (maps.clone(), key()).prop_map(|(map, key)| Expr::MapGet { map: Box::new(map), key });
    let beside = (lists.clone(), lists.clone(), key()).prop_map(|(names, values, key)| Expr::ZipGet {
        names: Box::new(names),
        values: Box::new(values),
        key,
    });
    let single = prop_oneof![4 => columns.clone(), 1 => null_if_empty, 1 => either, 1 => got, 1 => beside].boxed();
    prop_oneof![
        5 => single.clone(),
        1 => (vec(single, 0..3), text()).prop_map(|(mut parts, last)| {
            parts.push(Expr::text(last));
            Expr::Coalesce(parts)
        }),
    ]
    .boxed()
}

fn number_values(
    columns: &BoxedStrategy<Expr>,
    maps: &BoxedStrategy<Expr>,
    instants: &BoxedStrategy<Expr>,
    lists: &BoxedStrategy<Expr>,
    any_maps: &BoxedStrategy<Expr>,
) -> BoxedStrategy<Expr> {
    let millis = (instants.clone(), instants.clone())
        .prop_map(|(from, to)| Expr::MillisBetween { from: Box::new(from), to: Box::new(to) })
        .boxed();
    let got = (maps.clone(), key()).prop_map(|(map, key)| Expr::MapGet { map: Box::new(map), key });
    let summed = (maps.clone(), select(&["input", "put", "total", "none"][..]))
        .prop_map(|(map, needle)| Expr::MapSumWhereKeyContains { map: Box::new(map), needle: needle.into() })
        .boxed();
    let length = prop_oneof![lists.clone(), any_maps.clone()].prop_map(|inner| Expr::Length(Box::new(inner)));
    let quotient =
        (prop_oneof![summed.clone(), columns.clone()], millis.clone()).prop_map(|(numerator, denominator)| {
            Expr::Divide { numerator: Box::new(numerator), denominator: Box::new(denominator) }
        });
    prop_oneof![columns.clone(), millis, got, summed, length, quotient].boxed()
}

fn number_literal() -> BoxedStrategy<Expr> {
    prop_oneof![
        select(&[0, 1, -1, 7, 1_500, i64::MAX][..]).prop_map(Literal::Int),
        (
            select(&[0, 1, 5, -15, 157_500_000, 1_000_000_000_000_000_000_000_000_000_000_i128][..]),
            select(&[0_u8, 1, 7, 12, 20][..])
        )
            .prop_map(|(unscaled, scale)| Literal::Decimal { unscaled, scale }),
        select(&[0.5, -0.0, 1e300, f64::INFINITY, f64::NAN][..]).prop_map(Literal::Float),
    ]
    .prop_map(Expr::Literal)
    .boxed()
}

fn compare_op() -> impl Strategy<Value = CompareOp> {
    use CompareOp::{Eq, Greater, GreaterEq, Less, LessEq, NotEq};
    select(&[Eq, NotEq, Less, LessEq, Greater, GreaterEq][..])
}

fn comparison(left: &BoxedStrategy<Expr>, right: BoxedStrategy<Expr>) -> BoxedStrategy<Expr> {
    (left.clone(), compare_op(), right).prop_map(|(left, op, right)| Expr::compare(left, op, right)).boxed()
}

fn leaf(values: &Values, table: &TableSpec) -> BoxedStrategy<Expr> {
    let texts = || vec(text(), 0..3);
    let instant_literal = instant().prop_map(|instant| Expr::Literal(Literal::Timestamp(instant))).boxed();
    let contains = (
        values.texts.clone(),
        select(&[TextOp::Contains, TextOp::StartsWith, TextOp::EndsWith][..]),
        text(),
        select(&[CaseRule::Exact, CaseRule::Folded][..]),
    )
        .prop_map(|(value, op, needle, case)| Expr::Text {
            value: Box::new(value),
            op,
            needle: needle.into(),
            case,
        });
    let tokens = (values.texts.clone(), vec(select(&["alpha", "beta", "日本語", "50", "x", "alp"][..]), 0..3))
        .prop_map(|(value, tokens)| Expr::HasAllTokens {
            value: Box::new(value),
            tokens: tokens.into_iter().map(String::from).collect(),
        });
    let mut leaves = vec![
        comparison(&values.texts, prop_oneof![text().prop_map(Expr::text), values.texts.clone()].boxed()),
        comparison(&values.numbers, prop_oneof![3 => number_literal(), 1 => values.numbers.clone()].boxed()),
        comparison(&values.instants, prop_oneof![instant_literal, values.instants.clone()].boxed()),
        values.booleans.clone().prop_map(|column| Expr::IsTrue(Box::new(column))).boxed(),
        (values.texts.clone(), texts())
            .prop_map(|(value, accepted)| Expr::In { value: Box::new(value), accepted })
            .boxed(),
        contains.boxed(),
        tokens.boxed(),
        (values.lists.clone(), texts()).prop_map(|(list, texts)| Expr::HasAny { list: Box::new(list), texts }).boxed(),
        (values.lists.clone(), texts()).prop_map(|(list, texts)| Expr::HasAll { list: Box::new(list), texts }).boxed(),
        prop_oneof![values.nullable.clone(), values.texts.clone(), values.numbers.clone()]
            .prop_map(|value| Expr::IsNull(Box::new(value)))
            .boxed(),
    ];
    if table.scores {
        leaves.push(score_test().prop_map(Expr::Score).boxed());
        leaves.push(
            prop_oneof![
                Just(TracePosition::Root),
                (1..4_u32).prop_map(TracePosition::FromStart),
                (1..4_u32).prop_map(TracePosition::FromEnd),
            ]
            .prop_map(Expr::InTracePosition)
            .boxed(),
        );
    }
    proptest::strategy::Union::new(leaves).boxed()
}

fn score_test() -> impl Strategy<Value = ScoreTest> {
    let test = prop_oneof![
        (compare_op(), select(&[0.0, 0.5, 7.0, f64::NAN][..]))
            .prop_map(|(op, value)| ScoreValueTest::Number { op, value }),
        vec(select(&["good", "", "true"][..]).prop_map(String::from), 0..3).prop_map(ScoreValueTest::Category),
        any::<bool>().prop_map(ScoreValueTest::Boolean),
    ];
    (select(&[ScoreLevel::Any, ScoreLevel::Trace][..]), select(&["quality", "tone", "missing"][..]), test)
        .prop_map(|(level, name, test)| ScoreTest { level, name: name.into(), test })
}
