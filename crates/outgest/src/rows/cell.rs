//! One value on its way into a column, and which values fit which types.

use model::Micros;

use super::{Filled, Values, json, number};

/// A value as some input has it.
#[derive(Clone, Copy, Debug)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// Text; parsed where the column is not text.
    Text(&'a str),
    /// Boolean.
    Bool(bool),
    /// Signed integer.
    Int(i64),
    /// Unsigned integer.
    UInt(u64),
    /// Double.
    Float(f64),
    /// `units * 10^-scale`.
    Decimal {
        /// Digits as an integer.
        units: i128,
        /// Digits after the point.
        scale: i8,
    },
    /// Instant.
    Time(Micros),
    /// One JSON value, as it stands in the file.
    Json(&'a str),
}

/// What becomes of a JSON value other than a string where the column is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonText {
    /// It does not fit.
    Refused,
    /// Its own text is the value: exported files may carry stored JSON as JSON.
    Kept,
}

/// A time that can be written down and read again, in files, manifests and checkpoints alike.
fn writable(time: Micros) -> Result<Micros, String> {
    match time.has_text() {
        true => Ok(time),
        false => Err("expected a time from year 0 to year 9999".to_owned()),
    }
}

impl Values {
    /// Appends the value of `cell`, unless it is null. On failure an unfinished value may be left,
    /// which [`Values::truncate`] removes.
    pub fn push(&mut self, cell: Cell<'_>, json: JsonText) -> Result<Filled, String> {
        let misfit = |values: &Self, found: &str| Err(format!("expected {}, found {found}", values.expected()));
        match (&mut *self, cell) {
            (_, Cell::Null) => return Ok(Filled::Null),
            (_, Cell::Json(raw)) => return json::push(self, raw, json),
            (Self::Text(texts), Cell::Text(text)) => texts.push(text),
            (Self::Text(_), _) => return misfit(self, cell.found()),
            (Self::List { .. } | Self::Map { .. }, _) => return misfit(self, cell.found()),
            (Self::Time(times), Cell::Time(time)) => times.push(writable(time)?.0),
            (Self::Time(times), Cell::Text(text)) => match number::timestamp(text) {
                Some(time) => times.push(writable(time)?.0),
                None => return Err("expected a time such as 2026-08-01 12:00:00.000000".to_owned()),
            },
            (_, Cell::Time(_)) | (Self::Time(_), _) => return misfit(self, cell.found()),
            (Self::Bool(flags), Cell::Bool(flag)) => flags.push(flag),
            (_, Cell::Bool(_)) => return misfit(self, cell.found()),
            (Self::Bool(flags), Cell::Int(0) | Cell::UInt(0) | Cell::Text("0" | "false")) => flags.push(false),
            (Self::Bool(flags), Cell::Int(1) | Cell::UInt(1) | Cell::Text("1" | "true")) => flags.push(true),
            (Self::Bool(_), _) => return Err("expected true, false, 1 or 0".to_owned()),
            (Self::Float(floats), _) => floats.push(double(cell)?),
            (Self::Int(integers), _) => {
                let integer = scaled(cell, 0)?;
                integers.push(i64::try_from(integer).map_err(|_| "beyond a signed 64-bit integer")?);
            }
            (Self::UInt(integers), _) => {
                let integer = scaled(cell, 0)?;
                integers.push(u64::try_from(integer).map_err(|_| "beyond an unsigned 64-bit integer")?);
            }
            (Self::Decimal { units, precision, scale }, _) => {
                let value = scaled(cell, *scale)?;
                if value.unsigned_abs() >= 10_u128.pow(u32::from(*precision)) {
                    return Err(format!("beyond a decimal of {precision} digits, {scale} of them after the point"));
                }
                units.push(value);
            }
        }
        Ok(Filled::Value)
    }

    /// What fits, for people.
    pub fn expected(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "a whole number",
            Self::UInt(_) => "a whole number from 0",
            Self::Float(_) => "a number",
            Self::Decimal { .. } => "a decimal number",
            Self::Time(_) => "a time",
            Self::List { .. } => "a list",
            Self::Map { .. } => "a map",
        }
    }
}

impl Cell<'_> {
    fn found(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Text(_) => "text",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::UInt(_) | Self::Float(_) | Self::Decimal { .. } => "a number",
            Self::Time(_) => "a time",
            Self::Json(_) => "JSON",
        }
    }
}

/// The number times ten to the power of `scale`, exact.
fn scaled(cell: Cell<'_>, scale: i8) -> Result<i128, String> {
    match cell {
        Cell::Text(text) => number::decimal(text, scale),
        Cell::Int(integer) => number::rescale(integer.into(), 0, scale),
        Cell::UInt(integer) => number::rescale(integer.into(), 0, scale),
        Cell::Decimal { units, scale: own } => number::rescale(units, own, scale),
        // The shortest text that parses back to the double is the decimal that was meant.
        Cell::Float(double) if double.is_finite() => number::decimal(&double.to_string(), scale),
        _ => Err(format!("expected a number, found {}", cell.found())),
    }
}

fn double(cell: Cell<'_>) -> Result<f64, String> {
    match cell {
        Cell::Text(text) => number::double(text),
        Cell::Int(integer) => Ok(integer as f64),
        Cell::UInt(integer) => Ok(integer as f64),
        Cell::Float(double) => Ok(double),
        Cell::Decimal { units, scale } => number::double(&number::decimal_text(units, scale)),
        _ => Err(format!("expected a number, found {}", cell.found())),
    }
}
