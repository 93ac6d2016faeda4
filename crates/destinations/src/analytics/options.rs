//! Options that bound what is sent at once, the same for every receiver.

use model::{ByteCount, Fields, RequestLimits};

/// What a receiver takes, and what is sent to it unless the user says otherwise.
pub(crate) struct Bounds {
    pub(crate) events_default: u32,
    pub(crate) events_max: u32,
    pub(crate) bytes_default: ByteCount,
    pub(crate) bytes_max: ByteCount,
    pub(crate) event_bytes_max: ByteCount,
    pub(crate) in_flight_default: u32,
}

impl Bounds {
    /// Reads `request_events`, `request_bytes`, `requests_in_flight` and `events_per_second`.
    pub(crate) fn read(&self, fields: &mut Fields<'_>) -> RequestLimits {
        let events = fields.number("request_events", 1..=self.events_max).unwrap_or(self.events_default);
        let bytes = fields.bytes("request_bytes").unwrap_or(self.bytes_default);
        if bytes < ByteCount(1024) || bytes > self.bytes_max {
            let message = format!("{bytes} bytes are not between 1024 and {}", self.bytes_max);
            fields.problem("request_bytes", message, "leave it out");
        }
        RequestLimits {
            events_max: events as usize,
            bytes_max: bytes,
            event_bytes_max: self.event_bytes_max,
            in_flight_max: fields.number("requests_in_flight", 1..=16).unwrap_or(self.in_flight_default) as usize,
            events_per_second_max: fields.number("events_per_second", 1..=1_000_000),
        }
    }
}
