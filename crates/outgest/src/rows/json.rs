//! JSON values into columns, and JSON objects as they stand: keys in order, duplicates kept.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Cell, Filled, JsonText, Values};

/// A JSON object: keys and the untouched text of their values, in the order of the text.
///
/// Numbers stay text until a column says what they are, so none passes through a double.
pub struct Object<'a>(pub Vec<(Cow<'a, str>, &'a str)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
        let mut entries = Vec::with_capacity(64);
        while let Some(Key(key)) = map.next_key()? {
            let value: &'de RawValue = map.next_value()?;
            entries.push((key, value.get()));
        }
        Ok(Object(entries))
    }
}

/// A key, borrowed where it holds no escape.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(key)))
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(key.to_owned())))
    }
}

/// What is wrong with a JSON text, without serde's count of lines: a row is one.
pub fn syntax_problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.rfind(" at line ").map_or(text.as_str(), |cut| &text[..cut]);
    format!("{what} (at byte {})", error.column())
}

/// Appends one JSON value to a column.
pub(super) fn push(values: &mut Values, raw: &str, json: JsonText) -> Result<Filled, String> {
    let raw = raw.trim_matches([' ', '\t', '\n', '\r']);
    let first = raw.bytes().next().unwrap_or(b' ');
    match (&mut *values, first) {
        (_, b'n') if raw == "null" => return Ok(Filled::Null),
        (Values::Text(_), b'"') => push_string(values, raw)?,
        (Values::Text(texts), _) if json == JsonText::Kept => texts.push(raw),
        (Values::List { items, .. }, b'[') => {
            let list: Vec<&RawValue> = serde_json::from_str(raw).map_err(|error| syntax_problem(&error))?;
            for (index, item) in list.into_iter().enumerate() {
                let at = |why: String| format!("element {}: {why}", index + 1);
                if push(items, item.get(), json).map_err(at)? == Filled::Null {
                    return Err(at(format!("expected {}, found null", items.expected())));
                }
            }
            values.close();
        }
        (Values::Map { keys, values: entries, .. }, b'{') => {
            let Object(object) = serde_json::from_str(raw).map_err(|error| syntax_problem(&error))?;
            for (key, value) in object {
                let at = |why: String| format!("key {:?}: {why}", clip(&key));
                if push(entries, value, json).map_err(at)? == Filled::Null {
                    return Err(at(format!("expected {}, found null", entries.expected())));
                }
                keys.push(&key);
            }
            values.close();
        }
        (Values::Text(_) | Values::List { .. } | Values::Map { .. }, _) => {
            return Err(format!("expected {}, found {}", values.expected(), found(first)));
        }
        (_, b'"') => {
            let text: Cow<'_, str> = serde_json::from_str(raw).map_err(|error| syntax_problem(&error))?;
            return values.push(Cell::Text(&text), json);
        }
        (_, b't') if raw == "true" => return values.push(Cell::Bool(true), json),
        (_, b'f') if raw == "false" => return values.push(Cell::Bool(false), json),
        (Values::Time(_), _) | (_, b'{' | b'[') => {
            return Err(format!("expected {}, found {}", values.expected(), found(first)));
        }
        _ => return values.push(Cell::Text(raw), json),
    }
    Ok(Filled::Value)
}

fn push_string(values: &mut Values, raw: &str) -> Result<(), String> {
    let Values::Text(texts) = values else { panic!("only text columns take strings") };
    let inner = raw.get(1..raw.len() - 1).filter(|_| raw.len() >= 2 && raw.ends_with('"'));
    if let Some(inner) = inner
        && memchr::memchr2(b'\\', b'"', inner.as_bytes()).is_none()
    {
        texts.push(inner);
        return Ok(());
    }
    let text: String = serde_json::from_str(raw).map_err(|error| syntax_problem(&error))?;
    texts.push(&text);
    Ok(())
}

fn found(first: u8) -> &'static str {
    match first {
        b'"' => "text",
        b'{' => "an object",
        b'[' => "a list",
        b't' | b'f' => "a boolean",
        b'n' => "null",
        b'-' | b'0'..=b'9' => "a number",
        _ => "no JSON value",
    }
}

/// Enough of a key to recognise it.
fn clip(key: &str) -> &str {
    key.char_indices().nth(40).map_or(key, |(cut, _)| &key[..cut])
}
