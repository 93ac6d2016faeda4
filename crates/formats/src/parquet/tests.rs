//! What is particular to Parquet.

use std::collections::HashMap;

use ::parquet::basic::{Compression as Codec, Encoding};
use ::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader};
use model::FormatOptions;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::*;
use crate::sample::{any_row, batch, encode, payload_batch, schema, text_batch};

fn metadata(file: Vec<u8>) -> ParquetMetaData {
    ParquetMetaDataReader::new().parse_and_finish(&Bytes::from(file)).unwrap()
}

#[test]
fn a_file_without_rows_holds_the_schema() {
    let file = Parquet.start(&schema(), &FormatOptions::default(), None).unwrap().finish().unwrap();

    let metadata = metadata(file.to_vec());

    assert_eq!(metadata.num_row_groups(), 0);
    assert_eq!(metadata.file_metadata().schema_descr().root_schema().get_fields().len(), schema().fields().len());
}

#[test]
fn nested_names_are_those_of_the_specification() {
    let metadata = metadata(encode(&Parquet, &FormatOptions::default(), &[&[batch(&[])]]));
    let paths: Vec<String> =
        metadata.file_metadata().schema_descr().columns().iter().map(|column| column.path().string()).collect();

    for path in
        ["tags.list.element", "metadata.key_value.key", "usage.key_value.value", "comments.list.element.content"]
    {
        assert!(paths.iter().any(|found| found == path), "{path} is not in {paths:?}");
    }
}

#[test]
fn our_notes_on_columns_stay_with_us() {
    let file = encode(&Parquet, &FormatOptions::default(), &[&[payload_batch(&["x"])]]);

    assert!(memchr::memmem::find(&file, b"outgest").is_none());
    let metadata = metadata(file);
    let keys: HashMap<_, _> = metadata
        .file_metadata()
        .key_value_metadata()
        .into_iter()
        .flatten()
        .map(|pair| (&pair.key, &pair.value))
        .collect();
    assert_eq!(keys.len(), 1, "{keys:?}");
}

#[test]
fn payloads_have_no_dictionary_and_no_statistics() {
    let text = "a long answer ".repeat(40);
    let payload = metadata(encode(&Parquet, &FormatOptions::default(), &[&[payload_batch(&[&text, &text])]]));
    let plain = metadata(encode(&Parquet, &FormatOptions::default(), &[&[text_batch(&[("input", &[&text, &text])])]]));
    let column = |metadata: &ParquetMetaData| metadata.row_group(0).column(0).clone();

    assert!(column(&payload).dictionary_page_offset().is_none() && column(&payload).statistics().is_none());
    assert!(column(&plain).encodings().any(|encoding| encoding == Encoding::RLE_DICTIONARY));
    assert!(matches!(column(&plain).compression(), Codec::ZSTD(_)));
    // Cut, not left out.
    let least = column(&plain).statistics().unwrap().min_bytes_opt().unwrap().len();
    assert_eq!(least, 64);
}

#[test]
fn a_file_cannot_be_continued_in_the_middle() {
    let mut encoder = Parquet.start(&schema(), &FormatOptions::default(), None).unwrap();
    let blocks = Parquet.block_encoder(&schema(), &FormatOptions::default()).unwrap();
    encoder.append(blocks.encode(&[batch(&[])]).unwrap()).unwrap();

    assert!(encoder.state().is_none());
}

#[test]
fn pieces_count_rows_across_batches() {
    let rows = text_batch(&[("a", &["x"; 700])]);
    let pieces = rows::pieces(&[rows.clone(), rows.slice(0, 0), rows.clone(), rows]);

    let lengths: Vec<_> = pieces.iter().map(|piece| piece.column(0).unwrap().len()).collect();
    assert_eq!(lengths, [1_024, 1_024, 52]);
}

/// Over several packs and a rest, the footer is the one that the library writes when it keeps everything.
#[test]
fn a_packed_footer_is_the_footer() {
    let layout = Layout::of(&schema()).unwrap();
    let blocks = Parquet.block_encoder(&schema(), &FormatOptions::default()).unwrap();
    let mut ours = Parquet.start(&schema(), &FormatOptions::default(), None).unwrap();
    let mut theirs = layout.file().unwrap();
    let mut file = Vec::new();
    let mut runner = TestRunner::deterministic();
    for _ in 0..150 {
        let rows = [batch(&[any_row().new_tree(&mut runner).unwrap().current()])];
        file.extend_from_slice(&ours.append(blocks.encode(&rows).unwrap()).unwrap());
        let payload: Box<dyn Any> = blocks.encode(&rows).unwrap().payload;
        let RowGroup { columns } = *payload.downcast().unwrap();
        let mut group = theirs.next_row_group().unwrap();
        for column in columns {
            column.append_to_row_group(&mut group).unwrap();
        }
        group.close().unwrap();
    }
    file.extend_from_slice(&ours.finish().unwrap());

    let theirs = theirs.into_inner().unwrap();

    let read = |file: Vec<u8>| {
        let everything = ParquetMetaDataOptions::new().with_encoding_stats_as_mask(false);
        let reader = ParquetMetaDataReader::new().with_metadata_options(Some(everything));
        let metadata = reader.parse_and_finish(&Bytes::from(file)).unwrap();
        (metadata.file_metadata().clone(), metadata.row_groups().to_vec())
    };
    assert_eq!(read(file), read(theirs));
}
