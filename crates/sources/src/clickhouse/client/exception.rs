//! The server's own words about a failure: in the body of a refusal, or in the middle of an answer.
//!
//! A query may fail after its first rows were sent under status 200. Servers from 25.11 on then append
//! a frame that carries a tag from the answer's head, others append the bare text, and all of them
//! break the transfer. Nothing here decides *whether* an answer failed: that is decided by what is
//! missing of it. This finds out why.

use bytes::Bytes;

/// An exception ends with its text and a line of a few dozen bytes; texts are cut by the server at 16 KiB.
pub(super) const TAIL_BYTES: usize = 32 << 10;

/// What the server said when it ended a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerError {
    /// Its number, such as 241.
    pub(super) code: u32,
    /// Its text without number and version.
    pub(super) text: String,
}

impl ServerError {
    /// Reads `Code: 60. DB::Exception: … (UNKNOWN_TABLE) (version 26.9.2.1)`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let rest = text.trim_start().strip_prefix("Code: ")?;
        let (code, rest) = rest.split_once(['.', ','])?;
        let code = code.parse().ok()?;
        let text = rest.trim_start();
        let text = text.split_once("Exception: ").map_or(text, |(_, text)| text);
        let end = text.find(" (version ").or_else(|| text.find("Stack trace:")).unwrap_or(text.len());
        Some(Self { code, text: text[..end].trim().trim_end_matches(". ").to_owned() })
    }

    /// Finds the exception in the last bytes of an answer. With the tag of the answer's head only the
    /// frame is believed, since rows may hold any text; bare text only where nothing but it follows.
    pub(super) fn find(tail: &[u8], tag: Option<&str>) -> Option<Self> {
        let text = String::from_utf8_lossy(tail);
        let begin = match tag {
            Some(tag) => {
                text.rfind(&format!("__exception__\r\n{tag}\r\n"))? + "__exception__\r\n\r\n".len() + tag.len()
            }
            None => text.rmatch_indices("Code: ").map(|(at, _)| at).find(|at| is_exception(&text[*at..]))?,
        };
        let text = &text[begin..];
        let end = tag.and_then(|tag| text.find(&format!(" {tag}\r\n__exception__"))).unwrap_or(text.len());
        // In front of the tag stands the length of the text, on a line of its own.
        let text = &text[..end];
        let text = if end > 0 && tag.is_some() { text.rsplit_once('\n').map_or(text, |(text, _)| text) } else { text };
        Self::parse(text)
    }
}

/// Whether this is the text of an exception up to its end: rows are followed by other bytes than text.
fn is_exception(text: &str) -> bool {
    let number = text["Code: ".len()..].trim_start_matches(|c: char| c.is_ascii_digit());
    let is_text = |c: char| c != char::REPLACEMENT_CHARACTER && (!c.is_control() || c == '\n');
    // A comma stands there in servers before 21.
    (number.starts_with(". DB::") || number.starts_with(", e.displayText() = DB::"))
        && text.contains("(version ")
        && text.chars().all(is_text)
}

/// The last bytes of an answer, kept without copying them.
#[derive(Debug, Default)]
pub(super) struct Tail {
    chunks: std::collections::VecDeque<Bytes>,
    bytes: usize,
}

impl Tail {
    /// Adds what came next and lets go of what is too far back.
    pub(super) fn push(&mut self, chunk: &Bytes) {
        // A long chunk is cut so that nothing but the tail is counted; the buffer behind it is shared.
        let kept = chunk.slice(chunk.len().saturating_sub(TAIL_BYTES)..);
        self.bytes += kept.len();
        self.chunks.push_back(kept);
        while let Some(first) = self.chunks.front()
            && self.bytes - first.len() >= TAIL_BYTES
        {
            self.bytes -= first.len();
            self.chunks.pop_front();
        }
    }

    /// The bytes in a row.
    pub(super) fn joined(&self) -> Vec<u8> {
        self.chunks.iter().flat_map(|chunk| chunk.iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Code: 395. DB::Exception: Value passed to 'throwIf' function is non-zero: while executing \
                        'FUNCTION throwIf(…)'. (FUNCTION_THROW_IF_VALUE_IS_NON_ZERO) (version 26.9.2.1)";

    fn framed(tag: &str) -> Vec<u8> {
        format!("rows\r\n__exception__\r\n{tag}\r\n{TEXT}\n{} {tag}\r\n__exception__\r\n", TEXT.len()).into_bytes()
    }

    #[test]
    fn refusals_are_read() {
        let error = ServerError::parse(
            "Code: 81. DB::Exception: Database nope does not exist. (UNKNOWN_DATABASE) (version 26.9.2.1)\n",
        );
        let expected = "Database nope does not exist. (UNKNOWN_DATABASE)";
        assert_eq!(error, Some(ServerError { code: 81, text: expected.to_owned() }));
        assert_eq!(ServerError::parse("<html>502 Bad Gateway</html>"), None);
    }

    #[test]
    fn a_tagged_frame_is_found_and_an_imitation_in_a_row_is_not() {
        let error = ServerError::find(&framed("abcdefghijklmnop"), Some("abcdefghijklmnop")).unwrap();
        assert_eq!(error.code, 395);
        assert!(error.text.ends_with("(FUNCTION_THROW_IF_VALUE_IS_NON_ZERO)"), "{}", error.text);
        assert_eq!(ServerError::find(&framed("zzzzzzzzzzzzzzzz"), Some("abcdefghijklmnop")), None);
        assert_eq!(ServerError::find(TEXT.as_bytes(), Some("abcdefghijklmnop")), None);
    }

    #[test]
    fn a_frame_that_was_cut_off_still_tells_what_it_holds() {
        let whole = framed("abcdefghijklmnop");
        let error = ServerError::find(&whole[..whole.len() - 60], Some("abcdefghijklmnop")).unwrap();
        assert_eq!(error.code, 395);
    }

    #[test]
    fn bare_text_is_found_behind_rows_that_mention_one() {
        let tail = format!("a user wrote Code: 1. DB::Exception: not this\0\0\u{1}{TEXT}\n");
        assert_eq!(ServerError::find(tail.as_bytes(), None).map(|error| error.code), Some(395));
        assert_eq!(ServerError::find(b"Code: of conduct", None), None);
        let row = format!("{TEXT}\0\0\u{1}");
        assert_eq!(ServerError::find(row.as_bytes(), None), None, "a row that holds one is none");
        let old = b"\0Code: 241, e.displayText() = DB::Exception: Memory limit (total) exceeded (version 20.8.1)";
        assert_eq!(ServerError::find(old, None).unwrap().text, "Memory limit (total) exceeded");
    }

    #[test]
    fn the_tail_is_the_end_of_the_answer() {
        let mut tail = Tail::default();
        let all: Vec<u8> = (0..200_000_u32).map(|i| i as u8).collect();
        for chunk in all.chunks(1_000) {
            tail.push(&Bytes::copy_from_slice(chunk));
        }
        let kept = tail.joined();
        assert!((TAIL_BYTES..TAIL_BYTES + 1_000).contains(&kept.len()));
        assert!(all.ends_with(&kept));
        tail.push(&Bytes::from(all.clone()));
        assert_eq!(tail.joined(), all[all.len() - TAIL_BYTES..]);
    }
}
