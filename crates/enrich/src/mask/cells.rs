//! Masked arrays: the same rows, types and lists with other texts in them.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::builder::{BooleanBufferBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BooleanArray, ListArray, MapArray, StringArray, StructArray, new_empty_array, new_null_array,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;
use arrow_select::filter::filter;
use model::Fault;
use sha2::{Digest, Sha256};

use super::rule::{Action, Rule};

/// What a redacted text becomes.
const REDACTED: &str = "[REDACTED]";

/// Hexadecimal digits of a hash that are written: enough to tell values apart.
const HASH_DIGITS: usize = 16;

/// The column with the rule applied.
pub(super) fn masked(array: &ArrayRef, rule: &Rule, nullable: bool, is_json: bool) -> Result<ArrayRef, Fault> {
    match (array.data_type(), &rule.action, &rule.key) {
        (DataType::Map(..), Action::Drop, Some(key)) => without_key(array.as_map(), key),
        (DataType::Map(..) | DataType::List(_), Action::Drop, None) => Ok(emptied(array)),
        (DataType::Map(field, ordered), action, key) => {
            let map = array.as_map();
            let keys = map.keys().as_string::<i32>();
            let chosen = |entry: usize| key.as_ref().is_none_or(|key| keys.value(entry) == key);
            let values = texts(map.values().as_string(), action, is_json, &chosen)?;
            let DataType::Struct(fields) = field.data_type().clone() else {
                return Err(Fault::bug("the entries of a map are no struct"));
            };
            let entries = StructArray::new(fields, vec![Arc::clone(map.keys()), Arc::new(values)], None);
            let (field, offsets, nulls) = (Arc::clone(field), map.offsets().clone(), map.nulls().cloned());
            Ok(Arc::new(MapArray::new(field, offsets, entries, nulls, *ordered)))
        }
        (DataType::List(item), action, _) => {
            let list = array.as_list::<i32>();
            let values = texts(list.values().as_string(), action, is_json, &|_| true)?;
            let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
            Ok(Arc::new(ListArray::new(Arc::clone(item), offsets, Arc::new(values), nulls)))
        }
        (kind, Action::Drop, _) if nullable => Ok(new_null_array(kind, array.len())),
        (DataType::Utf8, Action::Drop, _) => {
            let nothing = if is_json { "null" } else { "" };
            Ok(Arc::new(StringArray::from_iter_values((0..array.len()).map(|_| nothing))))
        }
        (DataType::Utf8, action, _) => Ok(Arc::new(texts(array.as_string(), action, is_json, &|_| true)?)),
        (kind, ..) => Err(Fault::bug(format!("a column of {kind} cannot be masked"))),
    }
}

/// The texts with the action applied where `chosen`; absent and empty ones stay.
fn texts(
    texts: &StringArray,
    action: &Action,
    is_json: bool,
    chosen: &dyn Fn(usize) -> bool,
) -> Result<StringArray, Fault> {
    let mut masked = StringBuilder::with_capacity(texts.len(), texts.value_data().len());
    let mut scratch = String::new();
    for (place, text) in texts.iter().enumerate() {
        match text {
            None => masked.append_null(),
            Some(text) if text.is_empty() || !chosen(place) => masked.append_value(text),
            Some(text) => {
                scratch.clear();
                mask(text, action, is_json, &mut scratch)?;
                masked.append_value(&scratch);
            }
        }
    }
    Ok(masked.finish())
}

/// Appends the masked text. In a JSON column it is a JSON string.
fn mask(text: &str, action: &Action, is_json: bool, output: &mut String) -> Result<(), Fault> {
    let quote = if is_json { "\"" } else { "" };
    match action {
        Action::Replace(pattern) => return pattern.replace_into(text, output),
        Action::Drop => {}
        Action::Redact => output.extend([quote, REDACTED, quote]),
        Action::Hash => {
            output.push_str(quote);
            for byte in &Sha256::digest(text.as_bytes())[..HASH_DIGITS / 2] {
                write!(output, "{byte:02x}").map_err(|error| Fault::bug("a text cannot be written").because(error))?;
            }
            output.push_str(quote);
        }
    }
    Ok(())
}

/// Lists or maps of the same type, all empty.
fn emptied(array: &ArrayRef) -> ArrayRef {
    let offsets = OffsetBuffer::new_zeroed(array.len());
    match array.data_type() {
        DataType::List(item) => {
            let none = new_empty_array(item.data_type());
            Arc::new(ListArray::new(Arc::clone(item), offsets, none, None))
        }
        DataType::Map(entries, ordered) => {
            let none = new_empty_array(entries.data_type()).as_struct().clone();
            Arc::new(MapArray::new(Arc::clone(entries), offsets, none, None, *ordered))
        }
        _ => Arc::clone(array),
    }
}

/// The maps without any entry of this key.
fn without_key(map: &MapArray, key: &str) -> Result<ArrayRef, Fault> {
    let DataType::Map(field, ordered) = map.data_type().clone() else {
        return Err(Fault::bug("a map is no map in Arrow"));
    };
    let keys = map.keys().as_string::<i32>();
    let mut kept = BooleanBufferBuilder::new(map.entries().len());
    let mut lengths = Vec::with_capacity(map.len());
    // Entries outside the rows belong to other slices of the same buffers.
    kept.append_n(map.offsets()[0] as usize, false);
    for range in map.offsets().windows(2) {
        let mut length = 0;
        for entry in range[0] as usize..range[1] as usize {
            let stays = keys.value(entry) != key;
            kept.append(stays);
            length += usize::from(stays);
        }
        lengths.push(length);
    }
    kept.append_n(map.entries().len() - kept.len(), false);
    let entries = filter(map.entries(), &BooleanArray::new(kept.finish(), None))
        .map_err(|error| Fault::bug("a map cannot be filtered").because(error))?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(MapArray::new(field, offsets, entries.as_struct().clone(), map.nulls().cloned(), ordered)))
}
