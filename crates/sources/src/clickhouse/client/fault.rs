//! What went wrong with a query → a fault: the server's own number decides, then what the transport saw.
//!
//! Kinds are chosen for what happens next. `TooLarge` (memory, rows) and `Timeout` (time) tell a reader
//! that a smaller slice may pass; `Throttled` and `Unavailable` that the same one may pass later.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use model::{Fault, FaultKind, Secret};

use super::exception::ServerError;
use crate::clickhouse::options::ClickHouseOptions;

/// Characters of the server's words that are repeated: enough for two sentences.
const TEXT_CHARS_MAX: usize = 400;

/// A server as faults name it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    name: String,
    user: String,
    port: u16,
    tls: bool,
    password: Secret,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Place {
    pub(super) fn new(options: &ClickHouseOptions) -> Self {
        Self {
            name: options.to_string(),
            user: options.user.clone(),
            port: options.port,
            tls: options.tls,
            password: options.password.clone(),
        }
    }

    /// The fault for a query that the server ended.
    pub(super) fn server_fault(&self, purpose: &str, error: &ServerError) -> Fault {
        let kind = kind_of(error);
        let fault = Fault::new(kind, format!("cannot read {purpose} from {self}: {}", self.words(&error.text)));
        match self.hint(error, kind) {
            Some(hint) => fault.hint(hint),
            None => fault,
        }
    }

    fn hint(&self, error: &ServerError, kind: FaultKind) -> Option<String> {
        let hint = match error.code {
            192 | 193 | 194 | 516 => format!(
                "check user {:?} and its password, in the address or in CLICKHOUSE_USER and CLICKHOUSE_PASSWORD",
                self.user
            ),
            497 => format!("grant it to user {:?}; SELECT on the tables that are read is enough", self.user),
            81 => "correct the database in the address, or set CLICKHOUSE_DB".to_owned(),
            60 => "outgest doctor lists the tables it finds; correct the database in the address".to_owned(),
            394 => "somebody ended the query on the server, or the server is going down".to_owned(),
            241 if kind != FaultKind::Throttled => {
                "raise memory_bytes_max of the source, or narrow the export".to_owned()
            }
            159 | 160 => "raise seconds_max of the source, or narrow the export".to_owned(),
            202 | 252 | 745 => "lower queries_max of the source, or export at a quieter time".to_owned(),
            16 | 46 | 47 | 53 | 115 | 452 => "outgest doctor tells what differs on this server".to_owned(),
            164 => "the user may not change settings that are needed: see outgest doctor".to_owned(),
            _ => return None,
        };
        Some(hint)
    }

    /// The fault for an answer that is no answer of ClickHouse.
    pub(super) fn http_fault(&self, purpose: &str, status: u16, body: &str) -> Fault {
        let cannot = format!("cannot read {purpose} from {self}");
        let first = self.words(body.lines().next().unwrap_or_default());
        if body.starts_with("Port ") && body.contains("for clickhouse-client") {
            return Fault::new(FaultKind::Configuration, format!("{cannot}: {first}"))
                .hint("name the port of the HTTP interface, usually 8123, or 8443 with clickhouses://");
        }
        match status {
            401 | 403 => Fault::new(FaultKind::Credentials, format!("{cannot}: HTTP {status}: {first}"))
                .hint("something in front of the server refuses the user or this machine"),
            429 | 503 => Fault::new(FaultKind::Throttled, format!("{cannot}: HTTP {status}")),
            408 | 504 => Fault::new(FaultKind::Timeout, format!("{cannot}: HTTP {status}")),
            500.. => Fault::new(FaultKind::Unavailable, format!("{cannot}: HTTP {status}")),
            400 if self.looks_like_tls(body) => self.tls_expected(&cannot),
            _ => Fault::new(FaultKind::Configuration, format!("{cannot}: HTTP {status}, which no ClickHouse answers"))
                .hint("check host and port of the address; a ClickHouse server answers GET /ping with Ok."),
        }
    }

    /// The fault for a request that could not be sent or an answer that did not come.
    pub(super) fn transport_fault(&self, purpose: &str, error: reqwest::Error) -> Fault {
        let cannot = format!("cannot read {purpose} from {self}");
        let chain = chain(&error);
        let says = |part: &str| chain.iter().any(|text| text.contains(part));
        let fault = if says("invalid HTTP version") || says("invalid HTTP status-line") || says("HTTP/0.9") {
            self.tls_expected(&cannot)
        } else if self.tls && (says("InvalidMessage") || says("InvalidContentType") || says("corrupt message")) {
            Fault::new(
                FaultKind::Configuration,
                format!("{cannot}: the server does not speak TLS on port {}", self.port),
            )
            .hint("write clickhouse:// for this port, or name the TLS port, usually 8443")
        } else if self.tls && (says("certificate") || says("UnknownIssuer")) {
            let why = chain.last().map(String::as_str).unwrap_or_default();
            Fault::new(FaultKind::Configuration, format!("{cannot}: {}", self.words(why)))
                .hint("name a file with the authority's certificate as option ca, or correct the host")
        } else if error.is_timeout() {
            // A server that waits for the rest of a request is silent to those who greet it in TLS.
            Fault::new(FaultKind::Timeout, format!("{cannot}: no connection in time")).hint(match self.tls {
                true => "check host, port and firewalls; a port that does not speak TLS takes clickhouse://",
                false => "check host, port and firewalls",
            })
        } else if says("failed to lookup address") || says("dns error") {
            Fault::new(FaultKind::Unavailable, format!("{cannot}: the host has no address"))
                .hint("check the host's name")
        } else if error.is_connect() {
            let why = chain.last().map(String::as_str).unwrap_or("it cannot be reached");
            Fault::new(FaultKind::Unavailable, format!("{cannot}: {}", self.words(why)))
                .hint("check host and port, and whether the server runs")
        } else {
            Fault::new(FaultKind::Unavailable, format!("{cannot}: the connection broke before the server answered"))
        };
        fault.because(error.without_url())
    }

    /// The fault for an answer that ended early, without a word of the server.
    pub(super) fn broken_fault(&self, purpose: &str, how: &str) -> Fault {
        Fault::new(FaultKind::Unavailable, format!("cannot read {purpose} from {self}: {how}"))
    }

    /// The fault for rows that cannot be understood although the answer is complete.
    pub(super) fn corrupt_fault(&self, purpose: &str, why: &str) -> Fault {
        let fault = Fault::corrupt(format!("cannot read {purpose} from {self}: {}", self.words(why)));
        match why.contains("utf-8") {
            true => {
                fault.hint("a text of these rows was stored in another encoding; correct it, or leave its column out")
            }
            false => fault,
        }
    }

    /// The fault for a server that is silent and does not work on the query.
    pub(super) fn silent_fault(&self, purpose: &str, silence: Duration) -> Fault {
        Fault::new(
            FaultKind::Timeout,
            format!("cannot read {purpose} from {self}: no byte and no progress for {} s", silence.as_secs_f64()),
        )
        .hint("the connection or the server hangs; silence_seconds_max of the source sets how long that is watched")
    }

    /// The fault for a query of which nothing came, and of which whoever was asked knew nothing.
    pub(super) fn lost_fault(&self, purpose: &str, silence: Duration) -> Fault {
        Fault::new(
            FaultKind::Timeout,
            format!(
                "cannot read {purpose} from {self}: no byte for {} s, and the server that was asked does not run the \
                 query",
                silence.as_secs_f64()
            ),
        )
        .hint("name one server where several have the address; seconds_max of the source sets how long is waited")
    }

    fn tls_expected(&self, cannot: &str) -> Fault {
        Fault::new(FaultKind::Configuration, format!("{cannot}: port {} does not speak plain HTTP", self.port))
            .hint("write clickhouses:// if this is the TLS port, else name the HTTP port, usually 8123")
    }

    fn looks_like_tls(&self, body: &str) -> bool {
        !self.tls && (body.contains("HTTPS") || body.contains("TLS") || body.contains("SSL"))
    }

    /// What the server said, short, without secrets and without pieces of queries.
    fn words(&self, text: &str) -> String {
        let text = self.password.redact(text);
        let end = [": while executing", ": While ", " In scope ", ". In query", ": In query", "Stack trace", "\n"]
            .iter()
            .filter_map(|mark| text.find(mark))
            .min()
            .unwrap_or(text.len());
        let name = name_at_end(&text[end..]);
        let mut said = without_columns(text[..end].trim());
        if let Some(name) = name {
            said = format!("{} {name}", said.trim_end_matches('.'));
        }
        match said.char_indices().nth(TEXT_CHARS_MAX) {
            Some((end, _)) => format!("{}…", &said[..end]),
            None => said,
        }
    }
}

/// The name of the error that stands at the end of what is cut off: `(ACCESS_DENIED)`.
fn name_at_end(text: &str) -> Option<&str> {
    let name = &text[text.rfind('(')?..];
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    name.strip_prefix('(')?.strip_suffix(')').filter(|name| !name.is_empty() && is_name(name)).map(|_| name)
}

/// A right that is missing is told with its table, not with each of its columns.
fn without_columns(text: &str) -> String {
    let Some((before, rest)) = text.split_once("SELECT(") else { return text.to_owned() };
    match rest.split_once(')') {
        Some((_, after)) => format!("{before}SELECT{after}"),
        None => text.to_owned(),
    }
}

/// The messages of an error and of what caused it, outermost first.
fn chain(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut texts = Vec::new();
    let mut link = Some(error);
    while let Some(error) = link {
        texts.push(error.to_string());
        // rustls names some of its errors only here.
        texts.push(format!("{error:?}"));
        link = error.source();
    }
    // The last message for people stands in front of its own debug form.
    let last = texts.len().saturating_sub(2);
    let people = texts.get(last).cloned();
    texts.extend(people);
    texts
}

/// Numbers of the server's `ErrorCodes.cpp`.
pub(super) fn kind_of(error: &ServerError) -> FaultKind {
    match error.code {
        // Users and passwords; missing grants.
        192 | 193 | 194 | 516 | 497 | 291 => FaultKind::Credentials,
        // Names that do not exist, settings that may not be set, SQL that this server does not know.
        16 | 36 | 46 | 47 | 53 | 60 | 62 | 63 | 81 | 115 | 164 | 452 | 701 => FaultKind::Configuration,
        // Memory: of this query, or of the server and user as a whole, which passes.
        241 if is_shared_memory(&error.text) => FaultKind::Throttled,
        241 => FaultKind::TooLarge { limit: None },
        // Rows or bytes beyond what the user's profile allows one query, or a set in it.
        158 | 191 | 307 | 396 => FaultKind::TooLarge { limit: None },
        // Time, real or estimated.
        159 | 160 => FaultKind::Timeout,
        // Too many queries or parts, quota, overload, no memory left on the machine.
        173 | 201 | 202 | 252 | 439 | 745 => FaultKind::Throttled,
        // Stored bytes that contradict themselves.
        33 | 40 | 228 | 246 | 271 => FaultKind::Corrupt,
        // Killed by somebody; shutting down; networks, replicas and keepers in trouble; unknown inside.
        3
        | 32
        | 74
        | 95
        | 96
        | 102
        | 198
        | 203
        | 209
        | 210
        | 218
        | 225
        | 236
        | 242
        | 243
        | 279
        | 319
        | 394
        | 410
        | 415
        | 425
        | 499
        | 519
        | 667
        | 733
        | 735
        | 999..=1002 => FaultKind::Unavailable,
        _ => FaultKind::Rejected,
    }
}

/// Whether the memory that ran out is not the query's own.
fn is_shared_memory(text: &str) -> bool {
    ["(total)", "(for user)", "User memory limit", "Total memory limit", "OvercommitTracker"]
        .iter()
        .any(|mark| text.contains(mark))
        && !text.starts_with("Query memory limit")
}

#[cfg(test)]
mod tests {
    use model::{RawOptions, Retry};

    use super::*;

    fn place() -> Place {
        let options = ClickHouseOptions::read("clickhouse://u:hunter2@h/d", &RawOptions::default(), &|_| None);
        Place::new(&options.unwrap())
    }

    fn fault(text: &str) -> Fault {
        place().server_fault("rows", &ServerError::parse(text).unwrap())
    }

    #[test]
    fn the_servers_words_are_told_without_queries_and_secrets() {
        let told = fault(
            "Code: 60. DB::Exception: Unknown table expression identifier 'nope'. Maybe you meant system.one? In scope \
             SELECT * FROM nope WHERE x = 'hunter2'. (UNKNOWN_TABLE) (version 26.9.2.1)",
        );
        assert_eq!(
            told.public_message(),
            "cannot read rows from clickhouse://h:8123/d: Unknown table expression identifier 'nope'. Maybe you meant \
             system.one? (UNKNOWN_TABLE)"
        );
        let told = fault(
            "Code: 497. DB::Exception: u: Not enough privileges. To execute this query, it's necessary to have the grant \
             SELECT(id, name, value) ON langfuse.scores. (ACCESS_DENIED) (version 26.9.2.1)",
        );
        assert!(told.public_message().contains("the grant SELECT ON langfuse.scores. (ACCESS_DENIED)"), "{told}");
        assert_eq!(told.kind(), FaultKind::Credentials);
        let told = fault("Code: 516. DB::Exception: u: Authentication failed: hunter2. (AUTHENTICATION_FAILED)");
        assert!(!told.to_string().contains("hunter2"));
        assert_eq!((told.kind(), told.retry()), (FaultKind::Credentials, Retry::Never));
    }

    #[test]
    fn memory_of_the_query_asks_for_a_smaller_one_and_memory_of_the_server_for_patience() {
        let own = "Code: 241. DB::Exception: Query memory limit exceeded: would use 1.12 MiB, maximum: 976.56 KiB: While \
                   executing AggregatingTransform. (MEMORY_LIMIT_EXCEEDED) (version 26.9.2.1)";
        assert_eq!(fault(own).kind(), FaultKind::TooLarge { limit: None });
        assert!(fault(own).to_string().ends_with("maximum: 976.56 KiB (MEMORY_LIMIT_EXCEEDED)"), "{}", fault(own));
        let older = "Code: 241. DB::Exception: Memory limit (for query) exceeded: would use 1 GiB (version 23.8)";
        assert_eq!(fault(older).kind(), FaultKind::TooLarge { limit: None });
        for shared in ["Memory limit (total) exceeded: would use 9 GiB", "User memory limit exceeded: would use 9 GiB"]
        {
            let fault = fault(&format!("Code: 241. DB::Exception: {shared}. (MEMORY_LIMIT_EXCEEDED)"));
            assert_eq!((fault.kind(), fault.retry()), (FaultKind::Throttled, Retry::Backoff));
        }
    }

    #[test]
    fn a_server_of_several_that_is_away_is_waited_for() {
        let kind = |code: u32| fault(&format!("Code: {code}. DB::Exception: words (version 26.9.2.1)")).kind();
        // A shard that ends in the middle, that does not answer, and a query that its shard was not told of.
        assert_eq!([32, 95, 96, 102, 203, 209, 210, 279, 735].map(kind), [FaultKind::Unavailable; 9]);
        assert_eq!([173, 202, 252].map(kind), [FaultKind::Throttled; 3]);
        assert_eq!([158, 191, 307, 396].map(kind), [FaultKind::TooLarge { limit: None }; 4]);
        assert_eq!(kind(43), FaultKind::Rejected);
    }

    #[test]
    fn answers_of_other_programs_say_what_to_check() {
        let native =
            place().http_fault("rows", 400, "Port 9000 is for clickhouse-client program\nYou must use port 8123");
        assert_eq!(native.kind(), FaultKind::Configuration);
        assert!(native.public_hint().is_some_and(|hint| hint.contains("8123")));
        assert_eq!(place().http_fault("rows", 502, "<html>").retry(), Retry::Backoff);
        assert_eq!(place().http_fault("rows", 404, "<html>").kind(), FaultKind::Configuration);
    }
}
