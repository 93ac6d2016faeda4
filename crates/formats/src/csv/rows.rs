//! Rows as lines of quoted cells.

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{FieldRef, Schema, SchemaRef};
use model::{Fault, FieldRole, FormatOptions, field};

use crate::text::{Cells, InCsv, Kind, Rows, TextRules, check_columns, write_csv_text};

/// Writes each row as a line.
pub(super) struct Lines {
    schema: SchemaRef,
    rules: TextRules,
    neutralise: bool,
}

impl Lines {
    /// Lines of this schema.
    pub(super) fn new(schema: &SchemaRef, options: &FormatOptions) -> Self {
        // A payload stays text, whose cell a parsed value would only repeat.
        let rules = TextRules { parse_payloads: false, ..TextRules::of(options) };
        Self { schema: SchemaRef::clone(schema), rules, neutralise: options.neutralise_formulas }
    }

    /// Cells of the columns, and whether they are written in lines.
    fn columns<'a>(&self, batch: &'a RecordBatch) -> Result<Vec<(Cells<'a>, bool)>, Fault> {
        check_columns(&self.schema, batch)?;
        let bind = |(field, array): (&FieldRef, &'a ArrayRef)| {
            let in_lines = field::role(field) == FieldRole::Comments;
            Ok((Cells::bind::<InCsv>(field, array, self.rules)?, in_lines))
        };
        self.schema.fields().iter().zip(batch.columns()).map(bind).collect()
    }
}

impl Rows for Lines {
    fn size_hint(&self, batch: &RecordBatch) -> Result<usize, Fault> {
        let rows = batch.num_rows();
        Ok(self.columns(batch)?.iter().map(|(cells, _)| cells.size_hint(0..rows) + 3 * rows).sum())
    }

    fn append(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut columns = self.columns(batch)?;
        for row in 0..batch.num_rows() {
            for (index, (cells, in_lines)) in columns.iter_mut().enumerate() {
                out.extend_from_slice(if index == 0 { b"\"" } else { b"\",\"" });
                match cells.kind(row) {
                    None => {}
                    Some(Kind::Text(texts)) => {
                        let range = texts.range(row);
                        if self.neutralise && is_neutralised(&texts.values[range.clone()], texts.decode) {
                            out.push(b'\'');
                        }
                        write_csv_text(texts.values, range, texts.decode, out);
                    }
                    Some(Kind::Timestamp(values, clock)) if !clock.is_json_in_csv() => clock.write(values[row], out),
                    Some(kind) if *in_lines => kind.write_records::<InCsv>(row, out),
                    Some(kind) => kind.write_json::<InCsv>(row, out),
                }
            }
            out.extend_from_slice(if columns.is_empty() { b"\n" } else { b"\"\n" });
        }
        Ok(())
    }
}

/// Writes the names of the columns, which users choose as freely as cells.
pub(super) fn write_header(schema: &Schema, neutralise: bool, out: &mut Vec<u8>) {
    for (index, field) in schema.fields().iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"\"" } else { b"\",\"" });
        let name = field.name().as_bytes();
        if neutralise && is_neutralised(name, false) {
            out.push(b'\'');
        }
        write_csv_text(name, 0..name.len(), false, out);
    }
    out.extend_from_slice(if schema.fields().is_empty() { b"\n" } else { b"\"\n" });
}

/// Whether `'` is put before the text: where a spreadsheet would run it as a formula, and where it could not be told
/// from one that was neutralised, so that every text can be read back.
fn is_neutralised(text: &[u8], decode: bool) -> bool {
    let quotes = text.iter().take_while(|byte| **byte == b'\'').count();
    is_formula(&text[quotes..], decode)
}

/// A neutralised cell as it was before.
pub(super) fn as_given(cell: &[u8]) -> &[u8] {
    match cell {
        [b'\'', text @ ..] if is_neutralised(text, false) => text,
        _ => cell,
    }
}

/// Whether a spreadsheet would run the text as a formula, by the list that OWASP keeps of how such texts
/// begin. Numbers of number columns are no text, so `-1` there stays a number.
///
/// Where `decode` is set the text is written with its `\uXXXX` decoded, which can make it begin with a
/// full-width sign.
fn is_formula(text: &[u8], decode: bool) -> bool {
    match text {
        [b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n', ..] => true,
        [b'\\', b'u', escaped @ ..] if decode => {
            let code =
                escaped.get(..4).map(|code| [code[0], code[1], code[2], code[3]].map(|b| b.to_ascii_lowercase()));
            matches!(code.as_ref(), Some(b"ff1d" | b"ff0b" | b"ff0d" | b"ff20"))
        }
        _ => ["\u{ff1d}", "\u{ff0b}", "\u{ff0d}", "\u{ff20}"].iter().any(|sign| text.starts_with(sign.as_bytes())),
    }
}
