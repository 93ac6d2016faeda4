//! What Mixpanel checks of an event where it is told to be strict, and what it makes of one that it stores.

use serde_json::{Value, json};

/// Ids that mean nobody: neither a user nor an event can have one.
pub const DISALLOWED: [&str; 17] = [
    "00000000-0000-0000-0000-000000000000",
    "anon",
    "anonymous",
    "nil",
    "none",
    "null",
    "n/a",
    "na",
    "undefined",
    "unknown",
    "<nil>",
    "0",
    "-1",
    "true",
    "false",
    "[]",
    "{}",
];

/// An event is smaller, as JSON.
const EVENT_BYTES: usize = 1_000_000;

/// Properties of an event, keys of an object and items of a list are fewer.
const MEMBERS: usize = 255;

/// Objects and lists within a property.
const DEPTH_MAX: usize = 3;

const ID_BYTES_MAX: usize = 36;

/// 1971-01-01, in milliseconds.
const TIME_MIN: i64 = 31_536_000_000;

/// An event may be so many milliseconds ahead.
const AHEAD_MAX: i64 = 3_600_000;

/// What is wrong with an event, field and message; `None` where it is stored.
pub fn wrong(event: &Value) -> Option<(&'static str, String)> {
    let field = |field: &'static str, message: &str| Some((field, format!("'{field}' {message}")));
    if event.to_string().len() >= EVENT_BYTES {
        return field("event", "is too large: it must be smaller than 1MB");
    }
    if event["event"].as_str().is_none_or(str::is_empty) {
        return field("event", "must not be missing or empty");
    }
    if let Some(unknown) = event.as_object()?.keys().find(|name| !["event", "properties"].contains(&name.as_str())) {
        return field("event", &format!("has a field beside its properties: {unknown}"));
    }
    let Some(properties) = event["properties"].as_object() else {
        return field("properties", "must be an object");
    };
    if properties.len() >= MEMBERS {
        return field("properties", "has too many properties: there must be fewer than 255");
    }
    if properties.get("time").and_then(Value::as_i64).is_none_or(|time| time < TIME_MIN) {
        return field("properties.time", "is invalid: must be specified as seconds or milliseconds since 1971-01-01");
    }
    match properties.get("distinct_id").and_then(Value::as_str) {
        None => return field("properties.distinct_id", "must not be missing"),
        Some(id) if is_disallowed(id) => return field("properties.distinct_id", "is invalid: it means nobody"),
        Some(_) => {}
    }
    let is_id = |id: &str| {
        let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (1..=ID_BYTES_MAX).contains(&id.len()) && plain && !is_disallowed(id)
    };
    if !properties.get("$insert_id").and_then(Value::as_str).is_some_and(is_id) {
        return field("properties.$insert_id", "is invalid: must have 1 to 36 of the characters A-Z a-z 0-9 -");
    }
    let too_much =
        |(name, value)| nested(value, 1).map(|message| ("properties", format!("'properties.{name}' {message}")));
    properties.iter().find_map(too_much)
}

/// What is too much of a value within a property.
fn nested(value: &Value, depth: usize) -> Option<&'static str> {
    let below: Vec<&Value> = match value {
        Value::Array(items) if items.len() >= MEMBERS => return Some("is a list of 255 items or more"),
        Value::Object(members) if members.len() >= MEMBERS => return Some("is an object of 255 keys or more"),
        Value::Array(items) => items.iter().collect(),
        Value::Object(members) => members.values().collect(),
        _ => return None,
    };
    if depth > DEPTH_MAX {
        return Some("is nested more than 3 levels deep");
    }
    below.into_iter().find_map(|value| nested(value, depth + 1))
}

fn is_disallowed(id: &str) -> bool {
    DISALLOWED.contains(&id.trim().to_lowercase().as_str())
}

/// What becomes of an event that is stored: one that is too far ahead happens when it arrives.
pub fn arrive(event: &mut Value, now: i64) {
    if event["properties"]["time"].as_i64().is_some_and(|time| time > now + AHEAD_MAX) {
        event["properties"]["time"] = json!(now);
    }
}

#[test]
fn the_rules_are_those_that_mixpanel_documents() {
    let good = || json!({"event": "e", "properties": {"time": TIME_MIN, "distinct_id": "", "$insert_id": "a-1"}});
    assert_eq!(wrong(&good()), None);
    let keys = |count: usize| Value::Object((0..count).map(|key| (format!("k{key}"), json!(1))).collect());
    let refused = |property: &str, value: Value| {
        let mut event = good();
        event["properties"][property] = value;
        wrong(&event).map(|(field, _)| field)
    };
    for id in DISALLOWED {
        assert_eq!(refused("distinct_id", json!(id)), Some("properties.distinct_id"), "{id}");
        assert_eq!(refused("$insert_id", json!(id)), Some("properties.$insert_id"), "{id}");
    }
    for (id, is_wrong) in
        [("a".repeat(36), false), ("a".repeat(37), true), ("a_b".to_owned(), true), (String::new(), true)]
    {
        assert_eq!(refused("$insert_id", json!(id)).is_some(), is_wrong, "{id}");
    }
    for (value, is_wrong) in [
        (keys(254), false),
        (keys(255), true),
        (json!(vec![1; 254]), false),
        (json!(vec![1; 255]), true),
        (json!({"a": {"b": {"c": 1}}}), false),
        (json!({"a": {"b": {"c": {"d": 1}}}}), true),
        (json!("x".repeat(900_000)), false),
        (json!("x".repeat(1_000_000)), true),
    ] {
        assert_eq!(
            refused("p", value.clone()).is_some(),
            is_wrong,
            "{}",
            &value.to_string()[..40.min(value.to_string().len())]
        );
    }
    for (time, is_wrong) in
        [(json!(TIME_MIN - 1), true), (json!("2026-01-01"), true), (json!(4_102_444_800_000_i64), false)]
    {
        assert_eq!(refused("time", time).is_some(), is_wrong);
    }
    let many = json!({"event": "e", "properties": keys(255)});
    assert_eq!(wrong(&many).map(|(field, _)| field), Some("properties"));
    let mut ahead = good();
    ahead["properties"]["time"] = json!(TIME_MIN + AHEAD_MAX + 1);
    arrive(&mut ahead, TIME_MIN);
    assert_eq!(ahead, good());
}
