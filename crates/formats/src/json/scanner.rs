//! Finds the objects of a JSON array without holding more than one of them.

use model::{Fault, ScannedRows};

use crate::text::{FindRows, found_object};

/// A JSON array that is being read.
pub(super) struct Elements {
    columns: Vec<String>,
    place: Place,
    /// The object that has begun.
    object: Vec<u8>,
    depth: usize,
    in_text: bool,
    escaped: bool,
}

/// Where the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    BeforeArray,
    /// An object or the end of the array.
    First,
    /// An object.
    Next,
    InObject,
    /// A comma or the end of the array.
    AfterObject,
    AfterArray,
}

impl Elements {
    pub(super) fn new(columns: &[&str]) -> Self {
        Self {
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            place: Place::BeforeArray,
            object: Vec::new(),
            depth: 0,
            in_text: false,
            escaped: false,
        }
    }

    /// Takes a byte of an object and says whether it was its last.
    fn ends_object(&mut self, byte: u8) -> bool {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.in_text => self.escaped = true,
            b'"' => self.in_text = !self.in_text,
            b'{' | b'[' if !self.in_text => self.depth += 1,
            b'}' | b']' if !self.in_text => self.depth -= 1,
            _ => {}
        }
        self.depth == 0
    }
}

impl FindRows for Elements {
    fn push(&mut self, text: &[u8], found: &mut ScannedRows) -> Result<(), Fault> {
        for byte in text.iter().copied() {
            self.place = match (self.place, byte) {
                (Place::BeforeArray, b'[') => Place::First,
                (Place::First | Place::AfterObject, b']') => Place::AfterArray,
                (Place::AfterObject, b',') => Place::Next,
                (Place::First | Place::Next, b'{') => {
                    self.depth = 1;
                    self.object.push(byte);
                    Place::InObject
                }
                (Place::InObject, _) => {
                    self.object.push(byte);
                    if self.ends_object(byte) {
                        found_object(&self.object, &self.columns, found)?;
                        self.object.clear();
                        Place::AfterObject
                    } else {
                        Place::InObject
                    }
                }
                (place, _) => {
                    let at = found.rows.get();
                    return Err(Fault::corrupt(format!("byte {byte:#04x} behind row {at} does not belong there"))
                        .because(format!("{place:?}")));
                }
            };
        }
        Ok(())
    }

    fn finish(self, _found: &mut ScannedRows) -> Result<(), Fault> {
        match self.place {
            Place::AfterArray => Ok(()),
            _ => Err(Fault::corrupt("the JSON array has no end")),
        }
    }
}
