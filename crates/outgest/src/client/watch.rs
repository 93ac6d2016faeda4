//! Following an export through the server's events.

use std::time::Duration;

use model::Fault;
use pipeline::{Progress, ProgressState};
use reqwest::Method;
use reqwest::header::ACCEPT;
use serde_json::Value;

use super::export::ShownExport;
use super::server::{Server, broken, problem, send};
use crate::cli::ProgressArg;
use crate::export::watcher;

/// Between two attempts to connect again.
const RECONNECT: Duration = Duration::from_secs(2);

/// A server that was restarted is back within this many attempts.
const RECONNECTS_MAX: u32 = 30;

/// Largest event: an export with thousands of files.
const EVENT_BYTES_MAX: usize = 8 << 20;

/// Shows an export until it has ended, and returns it as the server shows it then.
///
/// A connection that breaks is made again for about a minute: the export goes on meanwhile.
pub async fn until_ended(server: &Server, id: &str, form: ProgressArg) -> Result<(Value, ShownExport), Fault> {
    let bar = watcher(form);
    let mut broken_in_a_row = 0;
    loop {
        let mut heard = false;
        let ended = follow(server, id, &mut |export| {
            heard = true;
            show(bar.as_ref(), export);
        })
        .await;
        if heard {
            broken_in_a_row = 0;
        }
        match ended {
            Ok(Some(ended)) => return Ok(ended),
            Err(fault) if fault.retry() == model::Retry::Never => return Err(fault),
            Err(fault) if broken_in_a_row == RECONNECTS_MAX => return Err(fault),
            Ok(None) | Err(_) => broken_in_a_row += 1,
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

/// Follows one stream of events: the export once it has ended, or nothing where the stream ended before.
async fn follow(
    server: &Server,
    id: &str,
    show: &mut dyn FnMut(&ShownExport),
) -> Result<Option<(Value, ShownExport)>, Fault> {
    let request = server.request(Method::GET, &["exports", id, "events"]).header(ACCEPT, "text/event-stream");
    let mut answer = send(request).await?;
    let mut events = Events::default();
    while let Some(piece) = answer.chunk().await.map_err(broken)? {
        for event in events.take(&piece)? {
            if event.name == "problem" {
                return Err(problem(&event.data));
            }
            let export = ShownExport::read(&event.data)?;
            show(&export);
            if export.is_final() {
                return Ok(Some((event.data, export)));
            }
        }
    }
    Ok(None)
}

fn show(bar: &dyn Progress, export: &ShownExport) {
    bar.update(&ProgressState {
        share: export.progress.share,
        rows: export.progress.rows,
        bytes_written: export.progress.bytes,
        files_done: export.files.len(),
        file: None,
    });
}

/// One event.
#[derive(Debug, PartialEq)]
struct Event {
    name: String,
    data: Value,
}

/// Cuts a stream of server-sent events.
#[derive(Default)]
struct Events {
    rest: Vec<u8>,
    name: String,
    data: String,
}

impl Events {
    fn take(&mut self, piece: &[u8]) -> Result<Vec<Event>, Fault> {
        self.rest.extend_from_slice(piece);
        if self.rest.len() + self.data.len() > EVENT_BYTES_MAX {
            return Err(Fault::corrupt("the server sent an event without end"));
        }
        let mut events = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            let field = |name| line.strip_prefix(name).map(|value: &str| value.strip_prefix(' ').unwrap_or(value));
            if let Some(name) = field("event:") {
                name.clone_into(&mut self.name);
            } else if let Some(data) = field("data:") {
                self.data.push_str(data);
            } else if line.is_empty() {
                let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
                if !data.is_empty() {
                    let data = serde_json::from_str(&data)
                        .map_err(|error| Fault::corrupt("the server sent an event that is not JSON").because(error))?;
                    events.push(Event { name, data });
                }
            }
        }
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_are_cut_wherever_the_network_cuts() {
        let stream = ": keep alive\n\nevent: export\r\ndata: {\"a\":1}\r\n\r\ndata:{\"b\":\n\
                      data: \"ä\"}\n\nid: 3\n\n";
        let mut events = Events::default();
        let mut found = Vec::new();
        for byte in stream.as_bytes() {
            found.extend(events.take(&[*byte]).unwrap());
        }
        let expected = [("export", json!({"a": 1})), ("", json!({"b": "ä"}))];
        assert_eq!(found, expected.map(|(name, data)| Event { name: name.to_owned(), data }));
        assert_eq!(Events::default().take(stream.as_bytes()).unwrap(), found);
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut events = Events::default();
        let line = [b"data: ".as_slice(), &vec![b'x'; 1 << 20], b"\n"].concat();
        let refused = (0..10).find_map(|_| events.take(&line).err());
        assert!(refused.is_some());
    }
}
