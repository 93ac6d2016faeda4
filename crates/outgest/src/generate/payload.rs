//! What goes into and comes out of spans: chat messages, tool calls, documents, vectors, as JSON text.

use std::fmt::Write as _;

use super::random::Random;
use super::words::{Spelling, escape, prose, title};

/// Tools that agents call: name and what it takes.
pub(super) const TOOLS: &[(&str, &str)] = &[
    ("search_orders", "customer"),
    ("lookup_policy", "topic"),
    ("create_ticket", "subject"),
    ("convert_currency", "amount"),
    ("send_message", "recipient"),
    ("query_table", "statement"),
];

/// The conversation of one agent or chat: it grows, and every call sends all of it again.
pub(super) struct Conversation {
    messages: String,
    spelling: Spelling,
    bytes_max: usize,
}

impl Conversation {
    /// Opens with a system message and a question; later turns drop it all once `bytes_max` is passed.
    pub(super) fn new(random: &mut Random, spelling: Spelling, first_bytes: usize, bytes_max: usize) -> Self {
        let mut conversation = Self { messages: String::with_capacity(first_bytes + 512), spelling, bytes_max };
        conversation.open(random, first_bytes);
        conversation
    }

    /// The messages as the model's input.
    pub(super) fn input(&self) -> String {
        format!("{{\"messages\":[{}]}}", self.messages)
    }

    /// Adds what the model said.
    pub(super) fn answer(&mut self, output: &str) {
        self.messages.push(',');
        self.messages.push_str(output);
    }

    /// Adds what a tool returned.
    pub(super) fn tool_result(&mut self, call_id: &str, result: &str) {
        self.messages.push_str(",{\"role\":\"tool\",\"tool_call_id\":\"");
        self.messages.push_str(call_id);
        self.messages.push_str("\",\"content\":");
        quote(result, &mut self.messages);
        self.messages.push('}');
    }

    /// Adds what the user said next.
    pub(super) fn ask(&mut self, random: &mut Random, bytes: usize) {
        if self.messages.len() > self.bytes_max {
            self.messages.clear();
            self.open(random, bytes);
            return;
        }
        self.messages.push(',');
        self.message(random, "user", bytes);
    }

    fn open(&mut self, random: &mut Random, bytes: usize) {
        self.message(random, "system", bytes / 3);
        self.messages.push(',');
        self.message(random, "user", bytes - bytes / 3);
    }

    fn message(&mut self, random: &mut Random, role: &str, bytes: usize) {
        let messages = &mut self.messages;
        write!(messages, "{{\"role\":\"{role}\",\"content\":\"").expect("a string takes everything");
        prose(random, self.spelling, bytes.max(20), "\\n\\n", messages);
        messages.push_str("\"}");
    }
}

/// What a model says.
pub(super) fn answer(random: &mut Random, spelling: Spelling, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 128);
    text.push_str("{\"role\":\"assistant\",\"content\":\"");
    if random.chance(150) {
        text.push_str("```json\\n{\\\"result\\\": \\\"");
        prose(random, spelling, bytes / 2, " ", &mut text);
        text.push_str("\\\"}\\n```\\n");
    }
    prose(random, spelling, bytes, "\\n- ", &mut text);
    text.push_str("\"}");
    text
}

/// A model's wish to call a tool: the output, the call on its own, and its id.
pub(super) fn tool_call(random: &mut Random, tool: (&str, &str)) -> (String, String, String) {
    let (name, argument) = tool;
    let id = format!("call_{}", random.hex(12));
    let value = escape(&title(random, 3));
    let arguments = format!("{{\\\"{argument}\\\":\\\"{value}\\\",\\\"limit\\\":{}}}", random.between(1, 50));
    let call = format!("{{\"id\":\"{id}\",\"name\":\"{name}\",\"arguments\":\"{arguments}\",\"type\":\"function\"}}");
    let output = format!("{{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{call}]}}");
    (output, call, id)
}

/// What a tool is, as it is told to a model.
pub(super) fn tool_definition(tool: (&str, &str)) -> String {
    let (name, argument) = tool;
    format!(
        "{{\"description\":\"{name}: finds what matches the {argument}\",\"parameters\":{{\"type\":\"object\",\
         \"properties\":{{\"{argument}\":{{\"type\":\"string\"}},\"limit\":{{\"type\":\"integer\"}}}},\
         \"required\":[\"{argument}\"]}}}}"
    )
}

/// What a tool returns: rows of records.
pub(super) fn records(random: &mut Random, spelling: Spelling, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 256);
    text.push('[');
    while text.len() < bytes {
        if text.len() > 1 {
            text.push(',');
        }
        let (id, cents) = (random.hex(8), random.between(100, 500_000));
        write!(text, "{{\"id\":\"{id}\",\"amount\":{}.{:02},\"note\":\"", cents / 100, cents % 100)
            .expect("a string takes everything");
        prose(random, spelling, 60, " ", &mut text);
        text.push_str("\"}");
    }
    text.push(']');
    text
}

/// What a retriever finds.
pub(super) fn documents(random: &mut Random, spelling: Spelling, bytes: usize) -> String {
    let count = random.between(2, 7) as usize;
    let mut text = String::with_capacity(bytes + 128 * count);
    text.push_str("{\"documents\":[");
    for rank in 0..count {
        if rank > 0 {
            text.push(',');
        }
        let (document, score) = (random.below(5_000), 990 - 90 * rank as u64 - random.below(80));
        write!(text, "{{\"source\":\"kb/{document}.md\",\"score\":0.{score:03},\"text\":\"")
            .expect("a string takes everything");
        prose(random, spelling, bytes / count, "\\n", &mut text);
        text.push_str("\"}");
    }
    text.push_str("]}");
    text
}

/// The first numbers of an embedding.
pub(super) fn vector(random: &mut Random) -> String {
    let mut text = String::from("{\"dimensions\":1536,\"head\":[");
    for index in 0..8 {
        let sign = if random.chance(500) { "-" } else { "" };
        let comma = if index == 0 { "" } else { "," };
        write!(text, "{comma}{sign}0.{:08}", random.below(100_000_000)).expect("a string takes everything");
    }
    text.push_str("]}");
    text
}

/// A short question in JSON.
pub(super) fn query(random: &mut Random, spelling: Spelling, bytes: usize) -> String {
    let mut text = String::from("{\"query\":\"");
    prose(random, spelling, bytes, " ", &mut text);
    text.push_str("\"}");
    text
}

/// JSON text as a JSON string inside other JSON. It holds no control characters.
fn quote(json: &str, out: &mut String) {
    out.push('"');
    for part in json.split_inclusive(['"', '\\']) {
        match part.as_bytes().last() {
            Some(last @ (b'"' | b'\\')) => {
                out.push_str(&part[..part.len() - 1]);
                out.push('\\');
                out.push(char::from(*last));
            }
            _ => out.push_str(part),
        }
    }
    out.push('"');
}
