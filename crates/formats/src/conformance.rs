//! The promises of [`Format`] as functions over `&dyn Format`; every format runs all of them.

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use model::{Compression, Encoder, Format, FormatOptions, UnicodeRule};
use proptest::prelude::*;

use crate::all;
use crate::sample::{any_rows, batch, encode, payload_batch, schema};

/// Every combination of options.
fn every_options() -> Vec<FormatOptions> {
    let flags = |bit: u32| move |number: u32| number >> bit & 1 == 1;
    let mut every = Vec::new();
    for compression in Compression::ALL {
        for unicode in [UnicodeRule::Keep, UnicodeRule::Decode] {
            every.extend((0..16).map(|number| FormatOptions {
                compression,
                unicode,
                bom: flags(0)(number),
                csv_header_always: flags(1)(number),
                neutralise_formulas: flags(2)(number),
                parse_payloads: flags(3)(number),
            }));
        }
    }
    every
}

/// Options are honoured, or refused by the name of one that is set, by both halves alike.
fn every_option_works_or_is_refused_by_name(format: &dyn Format) {
    let rows = payload_batch(&["=\"\\u00e9\"", "{\"a\": [1, 2]}"]);
    let schema = rows.schema();
    for options in every_options() {
        match (format.block_encoder(&schema, &options), format.start(&schema, &options, None)) {
            (Ok(blocks), Ok(mut encoder)) => {
                let block = blocks.encode(std::slice::from_ref(&rows)).unwrap();
                assert_eq!(block.rows.get(), 2);
                assert!(!encoder.append(block).unwrap().is_empty());
                encoder.finish().unwrap();
            }
            (Err(blocks), Err(start)) => {
                assert_eq!(blocks.public_message(), start.public_message());
                assert!(start.public_hint().is_some());
                let asked = [
                    ("compression", options.compression != Compression::None),
                    ("bom", options.bom),
                    ("csv_header_always", options.csv_header_always),
                    ("neutralise_formulas", options.neutralise_formulas),
                    ("parse_payloads", options.parse_payloads),
                ];
                for name in start.public_message().split("; ").map(|problem| problem.split(':').next().unwrap()) {
                    assert!(asked.contains(&(name, true)), "{name} was not asked for: {options:?}");
                }
            }
            _ => panic!("{}: blocks and file disagree on {options:?}", format.descriptor().name),
        }
    }
}

/// Options the format honours, one per compression and rule for escapes.
fn honoured(format: &dyn Format) -> Vec<FormatOptions> {
    let schema = schema();
    let plain = |options: &FormatOptions| !options.bom && !options.csv_header_always && !options.neutralise_formulas;
    every_options()
        .into_iter()
        .filter(|options| plain(options) && format.block_encoder(&schema, options).is_ok())
        .collect()
}

/// The same rows in the same blocks give the same bytes, however the blocks are cut into batches.
fn bytes_do_not_depend_on_batches(format: &dyn Format, rows: &RecordBatch, cuts: &[usize]) {
    let mut batches = Vec::new();
    let mut start = 0;
    for cut in cuts.iter().copied().filter(|cut| *cut <= rows.num_rows()).chain([rows.num_rows()]) {
        batches.push(rows.slice(start, cut - start));
        start = cut;
    }
    for options in honoured(format) {
        let whole = encode(format, &options, &[std::slice::from_ref(rows)]);
        let cut = encode(format, &options, &[&batches]);
        assert!(whole == cut, "{}: bytes differ with {options:?}", format.descriptor().name);
    }
}

/// A file that is continued by a fresh encoder after every block has the same bytes.
fn resuming_after_every_block_changes_nothing(format: &dyn Format, blocks: &[RecordBatch]) {
    for options in honoured(format) {
        let lists: Vec<_> = blocks.iter().map(std::slice::from_ref).collect();
        let undisturbed = encode(format, &options, &lists);
        let encode = format.block_encoder(&schema(), &options).unwrap();
        let start = |resume: Option<&_>| format.start(&schema(), &options, resume);

        let mut encoder: Box<dyn Encoder> = start(None).unwrap();
        let mut file = Vec::new();
        for block in lists {
            file.extend_from_slice(&encoder.append(encode.encode(block).unwrap()).unwrap());
            // As a checkpoint stores it.
            let Some(state) = encoder.state() else { return };
            let stored = serde_json::to_string(&state).unwrap();
            encoder = start(Some(&serde_json::from_str(&stored).unwrap())).unwrap();
        }
        file.extend_from_slice(&encoder.finish().unwrap());

        assert!(file == undisturbed, "{}: bytes differ with {options:?}", format.descriptor().name);
    }
}

/// A file without blocks, and one whose blocks have no rows, are the same valid file.
fn a_file_without_rows_is_always_the_same(format: &dyn Format) {
    let empty = batch(&[]);
    for options in honoured(format) {
        let no_blocks = format.start(&schema(), &options, None).unwrap().finish().unwrap();
        let no_batches = encode(format, &options, &[std::slice::from_ref(&empty), &[empty.clone(), empty.clone()]]);
        assert_eq!(no_blocks, no_batches);
    }
}

/// A recorded state that no encoder of ours made is a fault, never a guess.
fn a_foreign_state_is_refused(format: &dyn Format) {
    let foreign = serde_json::from_str(r#"{"offset":12}"#).unwrap();
    assert!(format.start(&schema(), &FormatOptions::default(), Some(&foreign)).is_err());
}

/// Blocks of another format, and batches of another schema, are faults.
fn what_does_not_belong_is_refused(format: &dyn Format) {
    let options = FormatOptions::default();
    for other in all().iter().filter(|other| other.descriptor().extension != format.descriptor().extension) {
        let text = |format: &dyn Format| format.descriptor().compressible;
        if text(format) == text(*other) {
            continue;
        }
        let rows = payload_batch(&["x"]);
        let block = other.block_encoder(&rows.schema(), &options).unwrap().encode(std::slice::from_ref(&rows)).unwrap();
        assert!(format.start(&rows.schema(), &options, None).unwrap().append(block).is_err());
    }
    let encode = format.block_encoder(&schema(), &options).unwrap();
    assert!(encode.encode(&[payload_batch(&["x"])]).is_err());
    let numbers: SchemaRef = Arc::new(Schema::new(vec![Field::new("input", DataType::Int64, true)]));
    let numbers = RecordBatch::try_new(numbers, vec![Arc::new(Int64Array::from(vec![1]))]).unwrap();
    let texts = format.block_encoder(&payload_batch(&[]).schema(), &options).unwrap();
    assert!(texts.encode(&[numbers]).is_err());
}

#[test]
fn options_work_or_are_refused_by_name() {
    all().iter().for_each(|format| every_option_works_or_is_refused_by_name(*format));
}

#[test]
fn files_without_rows_are_always_the_same() {
    all().iter().for_each(|format| a_file_without_rows_is_always_the_same(*format));
}

#[test]
fn foreign_states_blocks_and_batches_are_refused() {
    for format in all() {
        a_foreign_state_is_refused(*format);
        what_does_not_belong_is_refused(*format);
    }
}

proptest! {
    // Each case encodes with every format and option.
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn bytes_depend_on_rows_and_options_alone(
        rows in any_rows(12),
        repeat in prop_oneof![Just(1_usize), 100..300_usize],
        mut cuts in proptest::collection::vec(0..1500_usize, 0..6),
    ) {
        // Many rows, so that Parquet writes more than one page.
        let rows: Vec<_> = std::iter::repeat_n(rows, repeat).flatten().collect();
        cuts.sort_unstable();
        for format in all() {
            bytes_do_not_depend_on_batches(*format, &batch(&rows), &cuts);
        }
    }

    #[test]
    fn a_resumed_file_has_the_same_bytes(blocks in proptest::collection::vec(any_rows(4), 0..4)) {
        let mut blocks: Vec<_> = blocks.iter().map(|rows| batch(rows)).collect();
        blocks.push(batch(&[]));
        for format in all() {
            resuming_after_every_block_changes_nothing(*format, &blocks);
        }
    }
}
