//! Same rows, same request, same bytes (promise 3).

use std::sync::Arc;

use arrow_array::builder::{Float64Builder, ListBuilder, MapBuilder, StringBuilder};
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow_schema::{Field, Schema};
use model::{ByteCount, Reading};
use proptest::prelude::*;

use super::doubles::{Bench, ListSource, Shout, batch_of, row};
use crate::Budget;
use crate::canonical::{Block, CanonicalRule, Cutter, cell_bytes};
use crate::enrich::MeasuredRows;
use crate::slice::BatchPermit;

fn measured(start: usize, texts: &[Option<String>]) -> MeasuredRows {
    let text: ArrayRef = Arc::new(StringArray::from_iter(texts.iter().map(Option::as_deref)));
    let rows = RecordBatch::try_from_iter_with_nullable([("text", text, true)]).unwrap();
    let schema = Arc::new(Schema::new(<dyn Reading>::key_fields().to_vec()));
    let keys = batch_of(&schema, &(start..start + texts.len()).map(row).collect::<Vec<_>>());
    MeasuredRows { cell_bytes: cell_bytes(&rows).unwrap(), rows, keys, _permit: BatchPermit::for_tests() }
}

/// The texts of each block.
fn blocks_of(
    texts: &[Option<String>],
    cuts: &[usize],
    rule: CanonicalRule,
    per_block: usize,
) -> Vec<Vec<Option<String>>> {
    let mut cutter = Cutter::new(rule, per_block);
    let mut blocks = Vec::new();
    let mut start = 0;
    for end in cuts.iter().copied().chain([texts.len()]) {
        if end > start {
            blocks.extend(cutter.push(&measured(start, &texts[start..end])));
            start = end;
        }
    }
    blocks.extend(cutter.finish());
    let texts_of = |block: &Block| -> Vec<Option<String>> {
        let columns = block.rows.iter().map(|rows| rows.column(0).as_any().downcast_ref::<StringArray>().unwrap());
        columns.flat_map(|texts| texts.iter().map(|text| text.map(str::to_owned))).collect()
    };
    blocks.iter().map(texts_of).collect()
}

#[test]
fn huge_rows_make_blocks_of_fewer_stretches() {
    let rule = CanonicalRule { rows_max: 100, cell_bytes_max: ByteCount(10) };
    let texts = vec![Some("x".repeat(25)); 5];

    let blocks = blocks_of(&texts, &[], rule, 4);

    // Two rows of 25 bytes pass 4 x 10 bytes, although they are but two stretches.
    assert_eq!(blocks.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
}

proptest! {
    #[test]
    fn blocks_do_not_depend_on_how_rows_were_batched(
        texts in prop::collection::vec(prop::option::of("[a-z]{0,30}"), 0..60),
        mut cuts in prop::collection::vec(0..60_usize, 0..12),
        rows_max in 1..6_usize,
        bytes_max in 1..80_u64,
        per_block in 1..4_usize,
    ) {
        cuts.retain(|cut| *cut <= texts.len());
        cuts.sort_unstable();
        let rule = CanonicalRule { rows_max, cell_bytes_max: ByteCount(bytes_max) };
        let whole = blocks_of(&texts, &[], rule, per_block);
        prop_assert_eq!(&blocks_of(&texts, &cuts, rule, per_block), &whole);
        prop_assert_eq!(whole.concat(), texts.clone());

        // A later attempt starts behind a block and must cut as if nothing had happened.
        let mut behind = 0;
        for (index, block) in whole.iter().enumerate() {
            behind += block.len();
            prop_assert_eq!(&blocks_of(&texts[behind..], &[], rule, per_block)[..], &whole[index + 1..]);
        }
        for block in &whole {
            let bytes: usize = block.iter().flatten().map(String::len).sum();
            prop_assert!(block.len() <= rows_max * per_block);
            let huge = block.iter().flatten().any(|text| text.len() as u64 > bytes_max);
            prop_assert!(huge || bytes as u64 <= bytes_max * per_block as u64);
        }
    }
}

#[test]
fn cell_bytes_are_those_of_values_whatever_the_layout() {
    let mut numbers = ListBuilder::new(Float64Builder::new());
    let mut pairs = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for row in 0..3 {
        for number in 0..row {
            numbers.values().append_value(f64::from(number));
            pairs.keys().append_value("key");
            pairs.values().append_value("v");
        }
        numbers.append(row != 1);
        pairs.append(true).unwrap();
    }
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("text", Arc::new(StringArray::from(vec![Some("ä"), None, Some("")]))),
        ("flag", Arc::new(BooleanArray::from(vec![None, Some(false), Some(true)]))),
        ("numbers", Arc::new(numbers.finish())),
        ("pairs", Arc::new(pairs.finish())),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    // Row 0: two bytes of text. Row 1: a flag and one pair, its list is null. Row 2: a flag, two numbers, two pairs.
    assert_eq!(cell_bytes(&batch).unwrap(), [2, 8 + (8 + 4), 8 + 2 * (8 + 8) + 2 * (8 + 4)]);
    for row in 0..3 {
        assert_eq!(cell_bytes(&batch.slice(row, 1)).unwrap(), [cell_bytes(&batch).unwrap()[row]]);
    }
}

#[test]
fn a_type_without_cell_size_is_refused() {
    let column: ArrayRef = Arc::new(arrow_array::Int8Array::from(vec![1]));
    let batch = RecordBatch::try_new(
        Arc::new(Schema::new(vec![Field::new("n", column.data_type().clone(), false)])),
        vec![column],
    );
    assert!(cell_bytes(&batch.unwrap()).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_do_not_depend_on_slices_batches_cores_or_prefetch() {
    let mut first = Bench::new(97).rolled(300);
    first.spec.enrichments = vec![Arc::new(Shout)];
    first.run().await.unwrap();
    let expected = first.files();
    assert!(expected.len() > 4, "several files and a manifest: {:?}", expected.keys());
    assert!(String::from_utf8_lossy(&expected["out-part-00001.txt"]).contains("XX"), "the enrichment was applied");

    for (slice_rows, batch_rows, threads, reads_max, memory) in
        [(1, 1, 1, 1, 1), (2, 5, 8, 2, 1), (97, 97, 1, 4, 1 << 20), (13, 4, 3, 8, 4096), (50, 1, 2, 3, 1)]
    {
        let mut bench = Bench::new(97).rolled(300);
        bench.spec.enrichments = vec![Arc::new(Shout)];
        let source = Arc::get_mut(&mut bench.source).unwrap();
        (source.slice_rows, source.batch_rows) = (slice_rows, batch_rows);
        bench.spec.budget = Budget {
            threads,
            reads_max,
            prefetch_bytes: ByteCount(memory),
            batch_bytes: ByteCount(memory.min(1024)),
            block_bytes: ByteCount(memory),
            ..bench.spec.budget
        };
        bench.run().await.unwrap();
        assert_eq!(bench.files(), expected, "slices of {slice_rows}, batches of {batch_rows}, {threads} threads");
        let peak = bench.source.reads_peak.load(std::sync::atomic::Ordering::SeqCst);
        assert!(peak <= reads_max + 1, "{peak} reads at once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slices_are_read_at_once_within_the_budget() {
    let peak = |source: &ListSource| source.reads_peak.load(std::sync::atomic::Ordering::SeqCst);
    let mut bench = Bench::new(200);
    Arc::get_mut(&mut bench.source).unwrap().reads_awaited = bench.spec.budget.reads_max;
    let run = tokio::time::timeout(std::time::Duration::from_secs(20), bench.run());
    run.await.expect("slices are read at once").unwrap();

    let mut small = Bench::new(200);
    small.spec.budget.prefetch_bytes = ByteCount(1);
    small.run().await.unwrap();
    assert_eq!(peak(&small.source), 1, "a budget for one slice was used for more");
}
