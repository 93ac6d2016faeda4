//! An answer while it is received: bytes → messages → batches, and proof that it is complete.
//!
//! Complete means that the stream's end marker has come, that nothing follows it, and that the transfer
//! ended as HTTP says it must. Anything else is a fault with the server's words, if it left any: never a
//! short result.

use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};
use bytes::Bytes;
use model::Fault;
use tokio::time::Instant;

use super::decode::Decoder;
use super::exception::{ServerError, Tail};
use super::messages::{Message, Messages, NotArrow};
use super::server::{Head, Server};
use super::unpack::Unpack;

/// What may follow a break is the server's text about it, which is shorter.
const REST_BYTES_MAX: usize = 1 << 20;
/// The text about a break comes at once or not at all.
const REST_WAIT: Duration = Duration::from_secs(2);
/// A batch this large takes longer to check than async threads should be kept: about half a millisecond.
const INLINE_BYTES_MAX: usize = 1 << 20;

/// What goes wrong while an answer is received.
#[derive(Debug)]
pub(super) enum Break {
    /// No byte came for so long, this call and those before it that ended so.
    Silent(Duration),
    /// The answer is broken, and this is known about it.
    Failed(Failure),
}

/// Why an answer failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) fault: Fault,
    /// Whether the server has told that it ended the query.
    pub(super) ended: bool,
}

/// An answer, being received.
#[derive(Debug)]
pub(super) struct Answer {
    head: Head,
    purpose: &'static str,
    unpack: Unpack,
    chunk: Bytes,
    messages: Messages,
    decoder: Option<Decoder>,
    tail: Tail,
    rows: u64,
    /// How long the next byte was waited for.
    silent_for: Duration,
    body_ended: bool,
}

impl Answer {
    pub(super) fn new(server: &Server, purpose: &'static str, head: Head) -> Result<Self, Fault> {
        let unpack = Unpack::new(head.encoding.as_deref()).ok_or_else(|| {
            server.place.broken_fault(purpose, "the answer is compressed in a way that was not asked for")
        })?;
        Ok(Self {
            head,
            purpose,
            unpack,
            chunk: Bytes::new(),
            messages: Messages::new(),
            decoder: Some(Decoder::new()),
            tail: Tail::default(),
            rows: 0,
            silent_for: Duration::ZERO,
            body_ended: false,
        })
    }

    /// The schema, once it has come.
    pub(super) fn schema(&self) -> Option<&SchemaRef> {
        self.decoder.as_ref()?.schema()
    }

    /// The next batch with rows; `None` when the answer is complete. It is an error not to have received a
    /// byte within `silence_max`, after which the call may be repeated.
    pub(super) async fn next(&mut self, server: &Server, silence_max: Duration) -> Result<Option<RecordBatch>, Break> {
        loop {
            match self.messages.next(&mut self.chunk) {
                Ok(Some(message)) => match self.decode(message).await {
                    Ok(Some(batch)) => {
                        self.rows += batch.num_rows() as u64;
                        return Ok(Some(batch));
                    }
                    Ok(None) => {}
                    Err(error) => return Err(self.failed(server, Cause::Undecodable(error)).await),
                },
                Ok(None) if self.body_ended => return self.complete(server).await,
                Ok(None) => self.receive(server, silence_max).await?,
                Err(not_arrow) => return Err(self.failed(server, Cause::NotArrow(not_arrow)).await),
            }
        }
    }

    /// Receives the next chunk.
    async fn receive(&mut self, server: &Server, silence_max: Duration) -> Result<(), Break> {
        let received = match tokio::time::timeout(silence_max, self.head.response.chunk()).await {
            Err(_) => {
                self.silent_for += silence_max;
                return Err(Break::Silent(self.silent_for));
            }
            Ok(received) => received,
        };
        self.silent_for = Duration::ZERO;
        match received {
            Ok(Some(packed)) => {
                if let Some(until) = server.limiter.pay(packed.len()) {
                    tokio::time::sleep_until(until).await;
                }
                match self.unpack.unpack(packed) {
                    Ok(chunk) => {
                        self.tail.push(&chunk);
                        self.chunk = chunk;
                        Ok(())
                    }
                    Err(_) => Err(self.failed(server, Cause::Broken("its compression is broken")).await),
                }
            }
            Ok(None) => {
                self.body_ended = true;
                Ok(())
            }
            Err(_) => Err(self.failed(server, Cause::Broken("the connection broke in the middle of the answer")).await),
        }
    }

    async fn decode(&mut self, message: Message) -> Result<Option<RecordBatch>, ArrowError> {
        let mut decoder = self.decoder.take().expect("a decoder that failed is not used again");
        if message.body.len() <= INLINE_BYTES_MAX {
            let decoded = decoder.decode(message);
            self.decoder = Some(decoder);
            return decoded;
        }
        let work = move || {
            let decoded = decoder.decode(message);
            (decoder, decoded)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok((decoder, decoded)) => {
                self.decoder = Some(decoder);
                decoded
            }
            Err(error) => Err(ArrowError::ExternalError(Box::new(error))),
        }
    }

    /// The body has ended: is it all there?
    async fn complete(&mut self, server: &Server) -> Result<Option<RecordBatch>, Break> {
        if !self.messages.ended() {
            return Err(self.failed(server, Cause::Broken("the answer ends in the middle")).await);
        }
        let decoder = self.decoder.as_mut().expect("a decoder that failed is not used again");
        if let Err(error) = decoder.finish() {
            return Err(self.failed(server, Cause::Undecodable(error)).await);
        }
        match self.head.rows_promised {
            Some(promised) if promised != self.rows => {
                let why = format!("the server counted {promised} rows, {} came", self.rows);
                Err(Break::Failed(Failure { fault: server.place.broken_fault(self.purpose, &why), ended: true }))
            }
            _ => Ok(None),
        }
    }

    /// Looks for the server's words in the end of the answer.
    async fn failed(&mut self, server: &Server, cause: Cause) -> Break {
        self.receive_rest().await;
        if let Some(error) = ServerError::find(&self.tail.joined(), self.head.exception_tag.as_deref()) {
            server.note(&error);
            return Break::Failed(Failure { fault: server.place.server_fault(self.purpose, &error), ended: true });
        }
        let fault = match cause {
            Cause::Broken(how) => server.place.broken_fault(self.purpose, how),
            Cause::NotArrow(NotArrow(why)) => server.place.broken_fault(self.purpose, why),
            Cause::Undecodable(error) => server.place.corrupt_fault(self.purpose, &error.to_string()).because(error),
        };
        Break::Failed(Failure { fault, ended: false })
    }

    /// What still comes of a broken answer.
    async fn receive_rest(&mut self) {
        let until = Instant::now() + REST_WAIT;
        let mut bytes = 0;
        while bytes < REST_BYTES_MAX {
            let Ok(Ok(Some(packed))) = tokio::time::timeout_at(until, self.head.response.chunk()).await else { return };
            bytes += packed.len();
            let Ok(chunk) = self.unpack.unpack(packed) else { return };
            self.tail.push(&chunk);
        }
    }
}

enum Cause {
    Broken(&'static str),
    NotArrow(NotArrow),
    Undecodable(ArrowError),
}
