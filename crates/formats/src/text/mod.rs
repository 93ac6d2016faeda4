//! What CSV, JSON and JSONL share: cells as text, rows as blocks, blocks as a file.
//!
//! The hot path of the product. A batch's columns are taken apart once ([`Cells::bind`]); then
//! rows are written one after the other into one buffer, and every string is copied a block at a
//! time up to the next byte that needs an escape (`scan`). Nothing is allocated per cell.

mod cells;
mod file;
mod number;
mod object;
mod raw;
mod scan;
mod scanner;
mod strings;
mod time;
mod unicode;

pub(crate) use cells::{Cells, Kind, TextRules};
pub(crate) use file::{Frame, Rows, TextBlocks, check_columns};
pub(crate) use object::ObjectFormat;
pub(crate) use scanner::{FindRows, TextScanner, found_object, text_of};
pub(crate) use strings::{Bare, InCsv, write_csv_text};
pub(crate) use unicode::decode;
