//! What every format promises of reading its files back for verification.

use model::{Compression, Fault, Format, FormatOptions, RowScanner, ScannedRows};
use proptest::prelude::*;

use crate::all;
use crate::sample::{Row, any_rows, batch, encode};

fn scan(
    format: &dyn Format,
    compression: Compression,
    columns: &[&str],
    file: &[u8],
    piece: usize,
) -> Result<ScannedRows, Fault> {
    let mut scanner = format.scanner(&FormatOptions { compression, ..FormatOptions::default() }, columns)?;
    let mut found = ScannedRows::default();
    let mut push = |scanner: &mut Box<dyn RowScanner>, bytes: &[u8]| {
        bytes.chunks(piece).try_for_each(|piece| scanner.push(piece, &mut found))
    };
    if columns.is_empty() {
        push(&mut scanner, file)?;
    } else {
        let mut pushed = 0;
        while let Some(stretch) = scanner.next_stretch(file.len() as u64, pushed)? {
            pushed += stretch.end - stretch.start;
            push(&mut scanner, &file[stretch.start as usize..stretch.end as usize])?;
        }
    }
    scanner.finish(&mut found)?;
    Ok(found)
}

/// Every format with every compression that it honours.
fn every_file_of(rows: &[&[Row]]) -> Vec<(&'static dyn Format, Compression, Vec<u8>)> {
    let batches: Vec<_> = rows.iter().map(|rows| [batch(rows)]).collect();
    let blocks: Vec<_> = batches.iter().map(|batches| batches.as_slice()).collect();
    let mut files = Vec::new();
    for format in all().iter().copied() {
        for compression in Compression::ALL {
            let options = FormatOptions { compression, ..FormatOptions::default() };
            if format.block_encoder(&blocks[0][0].schema(), &options).is_ok() {
                files.push((format, compression, encode(format, &options, &blocks)));
            }
        }
    }
    files
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_row_is_found_whatever_the_pieces(
        rows in any_rows(12),
        cut in 0..12_usize,
        piece in prop_oneof![Just(1_usize), Just(7), Just(1 << 20)],
    ) {
        let (first, second) = rows.split_at(cut.min(rows.len()));
        for (format, compression, file) in every_file_of(&[first, second]) {
            let name = format.descriptor().name;
            let found = scan(format, compression, &[], &file, piece);
            prop_assert_eq!(found.unwrap().rows.get(), rows.len() as u64, "{} {:?}", name, compression);
            let found = scan(format, compression, &["text", "flag"], &file, piece).unwrap();
            let texts = rows.iter().map(|row| {
                // CSV has one empty cell for null and for no text.
                let text = row.text.clone().filter(|text| name != "csv" || !text.is_empty());
                vec![text, row.flag.map(|flag| flag.to_string())]
            });
            prop_assert_eq!(found.texts, texts.collect::<Vec<_>>(), "{} {:?}", name, compression);
        }
    }

    #[test]
    fn a_file_that_lost_its_end_or_grew_is_refused(rows in any_rows(3), lost in 1..4_usize) {
        prop_assume!(!rows.is_empty());
        for (format, compression, file) in every_file_of(&[&rows]) {
            let what = format!("{} {compression:?}", format.descriptor().name);
            let shorter = &file[..file.len() - lost];
            prop_assert!(scan(format, compression, &[], shorter, 64).is_err(), "{}", what);
            let longer = [&file[..], b"{"].concat();
            prop_assert!(scan(format, compression, &[], &longer, 64).is_err(), "{}", what);
            for file in [shorter, &longer] {
                prop_assert!(scan(format, compression, &["text"], file, 64).is_err(), "{}", what);
            }
        }
    }
}

#[test]
fn of_a_parquet_file_the_asked_columns_alone_are_read() {
    // Of words that differ, so that compression does not make them short.
    let words = (0..20_000_u64).map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_string());
    let long = Row { text: Some(words.collect()), ..Row::default() };
    let parquet = crate::find("parquet").unwrap();
    let file = encode(parquet, &FormatOptions::default(), &[&[batch(&[long])]]);
    let mut scanner = parquet.scanner(&FormatOptions::default(), &["flag"]).unwrap();
    let (mut found, mut pushed) = (ScannedRows::default(), 0);

    while let Some(stretch) = scanner.next_stretch(file.len() as u64, pushed).unwrap() {
        pushed += stretch.end - stretch.start;
        scanner.push(&file[stretch.start as usize..stretch.end as usize], &mut found).unwrap();
    }

    let footer = 8 + u64::from(u32::from_le_bytes(file[file.len() - 8..][..4].try_into().unwrap()));
    assert!(pushed < footer + 100, "{pushed} bytes, of which {footer} are the footer");
    assert_eq!(found.texts.len(), 1);
}
