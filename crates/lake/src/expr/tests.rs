//! Facts about compiled expressions that comparing rows with the memory source does not show.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray, UInt64Array,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use model::{CaseRule, ColumnType, CompareOp, Expr, Literal, TextOp};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{Program, Pruner};

fn lists(rows: &[&[&str]]) -> ArrayRef {
    let mut lists = ListBuilder::new(StringBuilder::new()).with_field(Field::new("item", DataType::Utf8, false));
    for row in rows {
        row.iter().for_each(|text| lists.values().append_value(text));
        lists.append(true);
    }
    Arc::new(lists.finish())
}

fn relation() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("text", DataType::Utf8, true),
        Field::new("count", DataType::UInt64, false),
        Field::new("amount", DataType::Int64, true),
        Field::new("cost", ColumnType::COST.to_arrow(), false),
        Field::new("share", DataType::Float64, false),
        Field::new("names", ColumnType::text_list().to_arrow(), false),
        Field::new("values", ColumnType::text_list().to_arrow(), false),
    ]))
}

fn rows() -> RecordBatch {
    let cost = Decimal128Array::from(vec![10_000_000_000, 10_000_000_001, 0]).with_precision_and_scale(18, 12).unwrap();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec![Some("Ärger ALPHA"), None, Some("")])),
        Arc::new(UInt64Array::from(vec![(1 << 53) + 1, 1 << 53, u64::MAX])),
        Arc::new(Int64Array::from(vec![Some(-1), None, Some(3)])),
        Arc::new(cost),
        Arc::new(Float64Array::from(vec![f64::NAN, -0.0, 1.5])),
        lists(&[&["a", "b"], &[], &["a"]]),
        lists(&[&["1", "2"], &[], &["3"]]),
    ];
    RecordBatch::try_new(relation(), columns).unwrap()
}

fn inputs(program: &Program) -> RecordBatch {
    let indices: Vec<usize> = program.input_names().map(|name| relation().index_of(name).unwrap()).collect();
    rows().project(&indices).unwrap()
}

fn holds(expr: &Expr) -> Vec<bool> {
    let program = Program::predicate(expr, &relation()).unwrap();
    let answers: BooleanArray = program.test(&inputs(&program)).unwrap();
    assert_eq!(answers.null_count(), 0, "{expr:?} is two-valued");
    answers.values().iter().collect()
}

fn compare(column: &str, op: CompareOp, literal: Literal) -> Vec<bool> {
    holds(&Expr::compare(Expr::column(column), op, Expr::Literal(literal)))
}

#[test]
fn plain_columns_and_zipped_maps_are_not_copied() {
    let zipped = Expr::ZipMap { names: Box::new(Expr::column("names")), values: Box::new(Expr::column("values")) };
    let text = Expr::column("text");
    let wanted = [(&text, DataType::Utf8), (&zipped, ColumnType::text_map().to_arrow())];
    let program = Program::values(&wanted, &relation()).unwrap();
    let inputs = inputs(&program);
    let outputs = program.evaluate(&inputs).unwrap();
    assert!(Arc::ptr_eq(&outputs[0], inputs.column(0)));
    let texts_of = |list: usize| inputs.column(list).as_list::<i32>().values().as_string::<i32>().values().as_ptr();
    let map = outputs[1].as_map();
    assert_eq!(map.keys().as_string::<i32>().values().as_ptr(), texts_of(1));
    assert_eq!(map.values().as_string::<i32>().values().as_ptr(), texts_of(2));
}

#[test]
fn numbers_compare_exactly_and_doubles_by_ieee_rules() {
    let decimal = |unscaled, scale| Literal::Decimal { unscaled, scale };
    assert_eq!(compare("count", CompareOp::Eq, Literal::Int((1 << 53) + 1)), [true, false, false]);
    assert_eq!(compare("count", CompareOp::Greater, Literal::Int(-1)), [true, true, true]);
    assert_eq!(compare("count", CompareOp::Less, decimal(15, 1)), [false, false, false]);
    assert_eq!(compare("cost", CompareOp::Eq, decimal(1, 2)), [true, false, false]);
    assert_eq!(compare("cost", CompareOp::Greater, decimal(100_000_000_005, 13)), [false, true, false]);
    assert_eq!(compare("cost", CompareOp::GreaterEq, decimal(1, 38)), [true, true, false]);
    assert_eq!(compare("amount", CompareOp::NotEq, Literal::Int(3)), [true, false, false], "null is not unequal");
    assert_eq!(compare("share", CompareOp::Eq, Literal::Int(0)), [false, true, false], "-0 is 0");
    assert_eq!(compare("share", CompareOp::NotEq, Literal::Float(1.5)), [false, true, false], "NaN is nothing");
}

#[test]
fn the_complement_selects_exactly_the_other_rows() {
    let text = || Box::new(Expr::column("text"));
    let tests = [
        Expr::compare(Expr::column("text"), CompareOp::Eq, Expr::text("")),
        Expr::In { value: text(), accepted: vec!["".into(), "x".into()] },
        Expr::In { value: text(), accepted: Vec::new() },
        Expr::Text { value: text(), op: TextOp::Contains, needle: "ärger a".into(), case: CaseRule::Folded },
        Expr::HasAllTokens { value: text(), tokens: vec!["alpha".into()] },
        Expr::compare(Expr::column("text"), CompareOp::Eq, Expr::Literal(Literal::Null)),
        Expr::IsNull(text()),
    ];
    for test in tests {
        let (these, others) = (holds(&test), holds(&Expr::Not(Box::new(test.clone()))));
        assert!(these.iter().zip(&others).all(|(a, b)| a != b), "{test:?}");
    }
}

#[test]
fn unresolved_tests_and_unknown_columns_are_faults() {
    let unknown = Expr::IsNull(Box::new(Expr::column("no_such_column")));
    let fault = Program::predicate(&unknown, &relation()).unwrap_err();
    assert!(fault.public_message().contains("no_such_column"));
    let position = Expr::InTracePosition(model::TracePosition::FromStart(1));
    assert_eq!(Program::predicate(&position, &relation()).unwrap_err().kind(), model::FaultKind::Bug);
}

/// Two row groups, with texts `a`–`c` and `x`–`z`, and amounts 1–3 and null.
fn two_row_groups() -> ParquetRecordBatchReaderBuilder<Bytes> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("text", DataType::Utf8, true),
        Field::new("amount", DataType::Int64, true),
    ]));
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, Arc::clone(&schema), None).unwrap();
    for (texts, amounts) in [(["a", "b", "c"], [Some(1), Some(2), Some(3)]), (["x", "y", "z"], [None; 3])] {
        let columns: Vec<ArrayRef> =
            vec![Arc::new(StringArray::from(texts.to_vec())), Arc::new(Int64Array::from(amounts.to_vec()))];
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()).unwrap();
        writer.flush().unwrap();
    }
    writer.close().unwrap();
    ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).unwrap()
}

#[test]
fn row_groups_are_skipped_only_where_no_row_can_pass() {
    let file = two_row_groups();
    let groups: Vec<_> = file.metadata().row_groups().iter().collect();
    let may_pass = |filter: &Expr| {
        let program = Program::predicate(filter, file.schema()).unwrap();
        let pruner = Pruner::of(&program)?;
        Some(pruner.may_pass(&groups, file.schema(), file.parquet_schema()))
    };
    let text_is = |text: &str| Expr::compare(Expr::column("text"), CompareOp::Eq, Expr::text(text));
    let below_two = || Expr::compare(Expr::column("amount"), CompareOp::Less, Expr::Literal(Literal::Int(2)));
    assert_eq!(may_pass(&text_is("b")), Some(vec![true, false]));
    assert_eq!(may_pass(&Expr::Or(vec![text_is("b"), text_is("y")])), Some(vec![true, true]));
    let among = Expr::In { value: Box::new(Expr::column("text")), accepted: vec!["m".into(), "y".into()] };
    assert_eq!(may_pass(&Expr::And(vec![among, below_two()])), Some(vec![false, false]));
    assert_eq!(may_pass(&below_two()), Some(vec![true, false]));
    // The complement holds for nulls, so the group of nulls stays.
    let others = may_pass(&Expr::Not(Box::new(below_two())));
    assert!(others.is_none_or(|groups| groups[1]));
    let contains = Expr::Text {
        value: Box::new(Expr::column("text")),
        op: TextOp::Contains,
        needle: "q".into(),
        case: CaseRule::Exact,
    };
    assert!(may_pass(&contains).is_none_or(|groups| groups == [true, true]), "a search has no bounds");
}
