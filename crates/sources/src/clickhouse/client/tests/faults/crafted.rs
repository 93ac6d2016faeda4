//! Answers that a server of another version, or something between, might give: exceptions in each form
//! and place, cut in pieces, with the transfer broken or ended as if all were well.

use super::*;

const TAG: &str = "abcdefghijklmnop";
const TEXT: &str = "Code: 241. DB::Exception: Memory limit (for query) exceeded: would use 9.31 GiB. \
                    (MEMORY_LIMIT_EXCEEDED) (version 24.8.1.1)\n";

/// The body of a whole answer of 30 rows in three blocks, as the engine writes it.
fn body(engine: &Engine) -> Vec<u8> {
    let text = "SELECT number, 'Code: 1. DB::Exception: of a row' AS t FROM numbers(30) FORMAT ArrowStream \
                SETTINGS max_block_size = 10, output_format_arrow_compression_method = 'none'";
    engine.run_bytes("default", text)
}

fn frame() -> Vec<u8> {
    format!("\r\n__exception__\r\n{TAG}\r\n{TEXT}{} {TAG}\r\n__exception__\r\n", TEXT.len()).into_bytes()
}

/// How the transfer ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// With the last chunk.
    Whole,
    /// Without it.
    Broken,
}

/// The head and the chunks of an answer as bytes on the wire, in pieces of `size`.
fn answer(tag: Option<&str>, body: &[u8], end: End, size: usize) -> Trouble {
    let mut wire =
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nX-ClickHouse-Format: ArrowStream\r\n"
            .to_vec();
    if let Some(tag) = tag {
        wire.extend(format!("X-ClickHouse-Exception-Tag: {tag}\r\n").into_bytes());
    }
    wire.extend(b"\r\n");
    for chunk in body.chunks(size) {
        wire.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        wire.extend(chunk);
        wire.extend(b"\r\n");
    }
    if end == End::Whole {
        wire.extend(b"0\r\n\r\n");
    }
    let pieces = wire.len().div_ceil(8);
    Trouble::Answer(wire.chunks(pieces).map(<[u8]>::to_vec).collect())
}

struct Crafted {
    proxy: Proxy,
    client: Client,
    body: Vec<u8>,
}

impl Crafted {
    fn new(engine: &Engine) -> Self {
        let proxy = Proxy::start(engine.address());
        Self { client: through(proxy.address(), ""), proxy, body: body(engine) }
    }

    /// What the stream ends with when this is answered.
    async fn end(&self, trouble: Trouble) -> Result<usize, Fault> {
        self.proxy.make(trouble, "crafted", 1);
        let batches: Vec<RecordBatch> =
            self.client.stream(query("SELECT 'crafted'"), Stop::new()).try_collect().await?;
        assert_eq!(self.proxy.left(), 0);
        Ok(batches.iter().map(RecordBatch::num_rows).sum())
    }
}

#[tokio::test]
async fn the_answer_that_the_others_are_made_of_is_whole() {
    let crafted = Crafted::new(need_engine!());
    for (tag, size) in [(None, 1_000_000), (Some(TAG), 100), (None, 7)] {
        assert_eq!(crafted.end(answer(tag, &crafted.body, End::Whole, size)).await.unwrap(), 30);
    }
}

#[tokio::test]
async fn exceptions_of_every_form_at_every_place_are_told() {
    let crafted = Crafted::new(need_engine!());
    let length = crafted.body.len();
    // Behind the head, inside blocks, in front of the end marker, and behind it.
    for place in [0, 5, length / 3, length / 2, length - 8, length] {
        for (tag, exception) in [(Some(TAG), frame()), (None, TEXT.as_bytes().to_vec())] {
            let body = [&crafted.body[..place], &exception].concat();
            for (end, size) in [(End::Broken, 1_000_000), (End::Whole, 1_000_000), (End::Broken, 11), (End::Whole, 50)]
            {
                let case = format!("{exception:?} at {place} of {length}, {end:?}, chunks of {size}", exception = tag);
                let fault = crafted.end(answer(tag, &body, end, size)).await.expect_err(&case);
                assert!(fault.to_string().contains("Memory limit (for query) exceeded"), "{case}: {fault}");
                assert_eq!(fault.kind(), FaultKind::TooLarge { limit: None }, "{case}: {fault}");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_without_its_end_is_a_fault_even_where_the_transfer_is_whole() {
    let crafted = Crafted::new(need_engine!());
    let length = crafted.body.len();
    for cut in [0, 1, 7, 8, length / 3, length / 2, length - 9, length - 8, length - 7, length - 1] {
        for end in [End::Whole, End::Broken] {
            let fault = crafted.end(answer(Some(TAG), &crafted.body[..cut], end, 1_000)).await.expect_err("short");
            assert_eq!((fault.kind(), fault.retry()), (FaultKind::Unavailable, Retry::Backoff), "{cut}: {fault}");
        }
    }
}

#[tokio::test]
async fn a_compressed_answer_without_its_end_is_a_fault() {
    let crafted = Crafted::new(need_engine!());
    let packed = zstd::encode_all(&crafted.body[..], 3).unwrap();
    let head = |bytes: usize| {
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: zstd\r\nContent-Length: {bytes}\r\n\r\n")
    };
    let answer = |bytes: &[u8]| Trouble::Answer(vec![head(bytes.len()).into_bytes(), bytes.to_vec()]);
    assert_eq!(crafted.end(answer(&packed)).await.unwrap(), 30);
    for cut in [0, 1, 4, packed.len() / 3, packed.len() / 2, packed.len() - 30] {
        let fault = crafted.end(answer(&packed[..cut])).await.expect_err("short");
        assert_eq!((fault.kind(), fault.retry()), (FaultKind::Unavailable, Retry::Backoff), "{cut}: {fault}");
    }
    let mut damaged = packed.clone();
    damaged[packed.len() / 2..].fill(0xff);
    assert!(crafted.end(answer(&damaged)).await.is_err());
}

#[tokio::test]
async fn bytes_behind_the_end_and_a_missing_last_chunk_are_faults() {
    let crafted = Crafted::new(need_engine!());
    let longer = [&crafted.body[..], b"more"].concat();
    for trouble in [
        answer(Some(TAG), &longer, End::Whole, 1_000),
        answer(Some(TAG), &crafted.body, End::Broken, 1_000),
        answer(None, &[&crafted.body[..], &crafted.body].concat(), End::Whole, 1_000),
    ] {
        assert_eq!(crafted.end(trouble).await.expect_err("not as it should be").kind(), FaultKind::Unavailable);
    }
}

#[tokio::test]
async fn fewer_rows_than_the_server_counted_are_a_fault() {
    let crafted = Crafted::new(need_engine!());
    let head = |rows| {
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nX-ClickHouse-Summary: {{\"result_rows\":\"{rows}\"}}\r\nContent-Length: {}\r\n\r\n",
            crafted.body.len()).into_bytes()
    };
    assert_eq!(crafted.end(Trouble::Answer(vec![head(30), crafted.body.clone()])).await.unwrap(), 30);
    let fault = crafted.end(Trouble::Answer(vec![head(31), crafted.body.clone()])).await.unwrap_err();
    assert!(fault.to_string().contains("the server counted 31 rows, 30 came"), "{fault}");
}

#[tokio::test]
async fn answers_of_other_programs_are_not_taken_for_rows() {
    let crafted = Crafted::new(need_engine!());
    for (status, body, kind) in [
        ("200 OK", "<html>Welcome</html>", FaultKind::Unavailable),
        ("302 Found", "", FaultKind::Configuration),
        ("404 Not Found", "<html>", FaultKind::Configuration),
        ("502 Bad Gateway", "<html>", FaultKind::Unavailable),
        ("503 Service Unavailable", "busy", FaultKind::Throttled),
        ("504 Gateway Timeout", "", FaultKind::Timeout),
        ("403 Forbidden", "who are you", FaultKind::Credentials),
    ] {
        let wire = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let fault = crafted.end(Trouble::Answer(vec![wire.into_bytes()])).await.unwrap_err();
        assert_eq!(fault.kind(), kind, "{status}: {fault}");
    }
}
