//! A column, taken apart once per batch and ready to print any of its rows.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType, UInt64Type};
use arrow_array::{Array, BooleanArray, StringArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, TimeUnit};
use model::{Fault, FieldRole, FormatOptions, UnicodeRule, field};

use super::number::{write_decimal, write_f64, write_i64, write_u64};
use super::raw::write_raw;
use super::scan::prefetch;
use super::strings::{Quoting, write_json_string};
use super::time::Clock;

/// Bytes behind a cell that are fetched while it is written. A row is gathered from more columns than a processor
/// follows by itself: it would wait at each for the next cells. What is nearer is read with the end of the cell.
const TEXT_AHEAD: [usize; 2] = [128, 192];
/// The same for numbers that tell where cells are: two lines ahead.
const ROWS_AHEAD: usize = 32;

/// How text is treated on its way out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TextRules {
    /// Whether `\uXXXX` is decoded.
    pub(crate) decode: bool,
    /// Whether payloads are written as JSON values.
    pub(crate) parse_payloads: bool,
}

impl TextRules {
    /// The rules that the user chose.
    pub(crate) fn of(options: &FormatOptions) -> Self {
        Self { decode: options.unicode == UnicodeRule::Decode, parse_payloads: options.parse_payloads }
    }
}

/// The cells of one column.
pub(crate) struct Cells<'a> {
    nulls: Option<&'a NullBuffer>,
    kind: Kind<'a>,
}

/// What the cells are.
pub(crate) enum Kind<'a> {
    /// Text, written as a string.
    Text(Texts<'a>),
    /// Text that is JSON, written as a value.
    Raw(Texts<'a>),
    Bool(&'a BooleanArray),
    Int64(&'a [i64]),
    UInt64(&'a [u64]),
    Float64(&'a [f64]),
    Decimal(&'a [i128], i8),
    Timestamp(&'a [i64], Clock),
    List(&'a [i32], Box<Cells<'a>>),
    /// Keys, then values.
    Map(&'a [i32], Texts<'a>, Box<Cells<'a>>),
    /// Quoted name and cells of each member.
    Struct(Vec<(Vec<u8>, Cells<'a>)>),
}

/// Adjacent texts in one buffer.
#[derive(Clone, Copy)]
pub(crate) struct Texts<'a> {
    /// The buffer.
    pub(crate) values: &'a [u8],
    offsets: &'a [i32],
    array: &'a StringArray,
    /// Whether `\uXXXX` is decoded.
    pub(crate) decode: bool,
}

impl<'a> Texts<'a> {
    fn of(array: &'a StringArray, decode: bool) -> Self {
        Self { values: array.value_data(), offsets: array.value_offsets(), array, decode }
    }

    /// Where in the buffer a row's text lies. That of the next row follows it and is wanted soon.
    #[inline]
    pub(crate) fn range(&self, row: usize) -> Range<usize> {
        let range = range(self.offsets, row);
        for ahead in TEXT_AHEAD {
            prefetch(self.values, range.end + ahead);
        }
        range
    }
}

#[inline]
fn range(offsets: &[i32], row: usize) -> Range<usize> {
    prefetch(offsets, row + ROWS_AHEAD);
    offsets[row] as usize..offsets[row + 1] as usize
}

impl<'a> Cells<'a> {
    /// Takes a column apart, whose array has the field's type ([`super::check_columns`]). A type that
    /// text formats do not know is a fault that names the column.
    pub(crate) fn bind<Q: Quoting>(field: &Field, array: &'a dyn Array, rules: TextRules) -> Result<Self, Fault> {
        let raw = match field::role(field) {
            FieldRole::Json | FieldRole::JsonScore => true,
            FieldRole::Payload => rules.parse_payloads,
            FieldRole::Plain | FieldRole::Comments | FieldRole::Score | FieldRole::Price(_) | FieldRole::IfKnown => {
                false
            }
        };
        Self::bind_nested::<Q>(field, array, raw, rules.decode)
    }

    fn bind_nested<Q: Quoting>(field: &Field, array: &'a dyn Array, raw: bool, decode: bool) -> Result<Self, Fault> {
        // Names and styles within lists and records come from the schema, which a batch need not repeat.
        let kind = match field.data_type() {
            DataType::Utf8 if raw => Kind::Raw(Texts::of(array.as_string(), decode)),
            DataType::Utf8 => Kind::Text(Texts::of(array.as_string(), decode)),
            DataType::Boolean => Kind::Bool(array.as_boolean()),
            DataType::Int64 => Kind::Int64(array.as_primitive::<Int64Type>().values()),
            DataType::UInt64 => Kind::UInt64(array.as_primitive::<UInt64Type>().values()),
            DataType::Float64 => Kind::Float64(array.as_primitive::<Float64Type>().values()),
            DataType::Decimal128(_, scale) => Kind::Decimal(array.as_primitive::<Decimal128Type>().values(), *scale),
            DataType::Timestamp(TimeUnit::Microsecond, _) => Kind::Timestamp(
                array.as_primitive::<TimestampMicrosecondType>().values(),
                Clock::new(field::timestamp_style(field)),
            ),
            DataType::List(item) => {
                let list = array.as_list::<i32>();
                let items = Self::bind_nested::<Q>(item, list.values(), raw, decode)?;
                Kind::List(list.value_offsets(), Box::new(items))
            }
            DataType::Map(entries, _) => {
                let map = array.as_map();
                let DataType::Struct(members) = entries.data_type() else { return Err(unknown(field)) };
                let (Some(keys), [_, value]) = (map.keys().as_string_opt(), &members[..]) else {
                    return Err(unknown(field));
                };
                let values = Self::bind_nested::<Q>(value, map.values(), false, decode)?;
                // Keys name things: they are written as stored.
                Kind::Map(map.value_offsets(), Texts::of(keys, false), Box::new(values))
            }
            DataType::Struct(fields) => {
                let members = fields.iter().zip(array.as_struct().columns()).map(|(member, column)| {
                    Ok((quoted::<Q>(member.name()), Self::bind_nested::<Q>(member, column, false, decode)?))
                });
                Kind::Struct(members.collect::<Result<_, Fault>>()?)
            }
            _ => return Err(unknown(field)),
        };
        Ok(Self { nulls: array.nulls(), kind })
    }

    /// What the cells are, and whether this row's is null.
    #[inline]
    pub(crate) fn kind(&mut self, row: usize) -> Option<&mut Kind<'a>> {
        if self.is_null(row) { None } else { Some(&mut self.kind) }
    }

    #[inline]
    fn is_null(&self, row: usize) -> bool {
        self.nulls.is_some_and(|nulls| nulls.is_null(row))
    }

    /// About as many bytes as `rows` take when written, escapes included.
    pub(crate) fn size_hint(&self, rows: Range<usize>) -> usize {
        let between = |offsets: &[i32]| offsets[rows.start] as usize..offsets[rows.end] as usize;
        let count = rows.len();
        match &self.kind {
            Kind::Text(texts) | Kind::Raw(texts) => {
                let bytes = between(texts.offsets).len();
                bytes + bytes / 8 + 4 * count
            }
            Kind::Bool(_) => 8 * count,
            Kind::Int64(_) | Kind::UInt64(_) | Kind::Float64(_) | Kind::Decimal(..) => 16 * count,
            Kind::Timestamp(..) => 32 * count,
            Kind::List(offsets, items) => items.size_hint(between(offsets)) + 4 * count,
            Kind::Map(offsets, keys, values) => {
                let entries = between(offsets);
                let names = between_offsets(keys.offsets, &entries);
                names + values.size_hint(entries.clone()) + 8 * entries.len() + 4 * count
            }
            Kind::Struct(members) => {
                members.iter().map(|(name, cells)| name.len() * count + cells.size_hint(rows.clone())).sum()
            }
        }
    }

    /// Writes a row's cell as compact JSON.
    #[inline]
    pub(crate) fn write_json<Q: Quoting>(&mut self, row: usize, out: &mut Vec<u8>) {
        if self.is_null(row) {
            return out.extend_from_slice(b"null");
        }
        self.kind.write_json::<Q>(row, out);
    }
}

impl Kind<'_> {
    /// Writes a row's cell, which is not null, as compact JSON.
    #[inline]
    pub(crate) fn write_json<Q: Quoting>(&mut self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Text(texts) => write_json_string::<Q>(texts.values, texts.range(row), texts.decode, out),
            Self::Raw(texts) => write_raw::<Q>(texts.array.value(row), texts.decode, out),
            Self::Bool(values) => out.extend_from_slice(if values.value(row) { b"true" } else { b"false" }),
            Self::Int64(values) => write_i64(values[row], out),
            Self::UInt64(values) => write_u64(values[row], out),
            Self::Float64(values) => write_f64(values[row], out),
            Self::Decimal(values, scale) => write_decimal(values[row], *scale, out),
            Self::Timestamp(values, clock) => {
                out.extend_from_slice(Q::QUOTE);
                clock.write(values[row], out);
                out.extend_from_slice(Q::QUOTE);
            }
            Self::List(offsets, items) => {
                out.push(b'[');
                for (index, item) in range(offsets, row).enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    items.write_json::<Q>(item, out);
                }
                out.push(b']');
            }
            Self::Map(offsets, keys, values) => {
                out.push(b'{');
                for (index, entry) in range(offsets, row).enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write_json_string::<Q>(keys.values, keys.range(entry), keys.decode, out);
                    out.push(b':');
                    values.write_json::<Q>(entry, out);
                }
                out.push(b'}');
            }
            Self::Struct(members) => {
                out.push(b'{');
                for (index, (name, cells)) in members.iter_mut().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(name);
                    out.push(b':');
                    cells.write_json::<Q>(row, out);
                }
                out.push(b'}');
            }
        }
    }

    /// Writes a list of records, which is not null, as `JSON.stringify(list, null, 2)` does. Values
    /// of a record are written in one line. Anything else is written compact.
    pub(crate) fn write_records<Q: Quoting>(&mut self, row: usize, out: &mut Vec<u8>) {
        let Self::List(offsets, items) = self else { return self.write_json::<Q>(row, out) };
        let Cells { kind: Self::Struct(members), .. } = items.as_mut() else {
            return self.write_json::<Q>(row, out);
        };
        let records = range(offsets, row);
        if records.is_empty() {
            return out.extend_from_slice(b"[]");
        }
        let last = records.end - 1;
        out.push(b'[');
        for record in records {
            let mut before: &[u8] = b"\n  {\n    ";
            for (name, cells) in members.iter_mut() {
                out.extend_from_slice(before);
                out.extend_from_slice(name);
                out.extend_from_slice(b": ");
                cells.write_json::<Q>(record, out);
                before = b",\n    ";
            }
            out.extend_from_slice(if record < last { b"\n  }," } else { b"\n  }\n]" });
        }
    }
}

fn between_offsets(offsets: &[i32], rows: &Range<usize>) -> usize {
    (offsets[rows.end] - offsets[rows.start]) as usize
}

/// A name as a JSON string.
pub(crate) fn quoted<Q: Quoting>(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write_json_string::<Q>(name.as_bytes(), 0..name.len(), false, &mut out);
    out
}

fn unknown(field: &Field) -> Fault {
    Fault::bug(format!("cannot write column {:?} as text: its type is {}", field.name(), field.data_type()))
}
