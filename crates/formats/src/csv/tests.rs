//! What is particular to CSV.

use arrow_schema::{DataType, Field, Schema};
use model::{Compression, FormatOptions, ScannedRows};

use super::*;
use crate::sample::{encode, text_batch};

#[test]
fn formulas_are_neutralised_on_request_only() {
    let batch = text_batch(&[("=cmd()", &["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "1=1", ""])]);
    let plain = encode(&Csv, &FormatOptions::default(), &[std::slice::from_ref(&batch)]);
    let safe = encode(&Csv, &FormatOptions { neutralise_formulas: true, ..FormatOptions::default() }, &[&[batch]]);

    assert_eq!(plain, b"\"=cmd()\"\n\"=1+1\"\n\"+1\"\n\"-1\"\n\"@SUM(A1)\"\n\"\t=1\"\n\"\r=1\"\n\"1=1\"\n\"\"\n");
    assert_eq!(safe, b"\"'=cmd()\"\n\"'=1+1\"\n\"'+1\"\n\"'-1\"\n\"'@SUM(A1)\"\n\"'\t=1\"\n\"'\r=1\"\n\"1=1\"\n\"\"\n");
}

#[test]
fn every_beginning_that_a_spreadsheet_runs_is_neutralised() {
    let safe = |text: &str, unicode| {
        let options = FormatOptions { neutralise_formulas: true, unicode, ..FormatOptions::default() };
        let file = encode(&Csv, &options, &[&[text_batch(&[("a", &[text])])]]);
        String::from_utf8(file).unwrap().strip_prefix("\"a\"\n\"").unwrap().starts_with('\'')
    };
    for beginning in ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"] {
        for text in [beginning.to_owned(), format!("{beginning}1+1")] {
            assert!(safe(&text, UnicodeRule::Keep) && safe(&text, UnicodeRule::Decode), "{text:?}");
        }
    }
    for escape in ["\\uff1d", "\\uFF0B", "\\uFf0d", "\\uff20"] {
        assert!(safe(&format!("{escape}1"), UnicodeRule::Decode), "{escape}");
        assert!(!safe(&format!("{escape}1"), UnicodeRule::Keep), "{escape}");
    }
    // An ASCII escape stays one, and an escape that is cut off is none.
    for text in ["1=1", " =1", "a", "", "é", "\\u003d1", "\\uff1", "\\\\uff1d", "｝"] {
        assert!(!safe(text, UnicodeRule::Decode), "{text:?}");
    }
}

#[test]
fn neutralised_cells_are_read_back_as_they_were() {
    let texts = ["=1+1", "'=1+1", "''=1", "-", "\t", "＝1", "'＝1", "'", "''", "'a", "it's", "1=1", "a"];
    let batch = text_batch(&[("'=a", &texts), ("b", &texts)]);
    for neutralise_formulas in [true, false] {
        let options = FormatOptions { neutralise_formulas, ..FormatOptions::default() };
        let file = encode(&Csv, &options, &[std::slice::from_ref(&batch)]);
        let mut scanner = Csv.scanner(&options, &["b", "'=a"]).unwrap();
        let mut found = ScannedRows::default();
        scanner.push(&file, &mut found).unwrap();
        scanner.finish(&mut found).unwrap();
        let expected = texts.map(|text| vec![Some(text.to_owned()); 2]);
        assert_eq!(found.texts, expected, "{neutralise_formulas}");
    }
}

#[test]
fn a_byte_order_mark_belongs_to_the_header() {
    let options = FormatOptions { bom: true, ..FormatOptions::default() };
    let batch = text_batch(&[("a", &["x"])]);

    assert_eq!(encode(&Csv, &options, &[&[batch]]), "\u{feff}\"a\"\n\"x\"\n".as_bytes());
    assert_eq!(encode(&Csv, &options, &[&[text_batch(&[("a", &[])])]]), b"");
}

#[test]
fn a_file_without_rows_has_its_header_on_request_only() {
    let schema = Arc::new(Schema::new(vec![Field::new("a\"b", DataType::Utf8, true)]));
    let file = |options: &FormatOptions| Csv.start(&schema, options, None).unwrap().finish().unwrap();

    assert_eq!(&file(&FormatOptions::default())[..], b"");
    assert_eq!(&file(&FormatOptions { csv_header_always: true, ..FormatOptions::default() })[..], b"\"a\"\"b\"\n");
    // Zero bytes are not a gzip file.
    assert_ne!(&file(&FormatOptions { compression: Compression::Gzip, ..FormatOptions::default() })[..], b"");
}

#[test]
fn payloads_stay_text_when_they_are_parsed_elsewhere() {
    let batch = crate::sample::payload_batch(&["{\"a\": 1}"]);
    let options = FormatOptions { parse_payloads: true, ..FormatOptions::default() };

    assert_eq!(encode(&Csv, &options, &[&[batch]]), b"\"input\"\n\"{\"\"a\"\": 1}\"\n");
}
