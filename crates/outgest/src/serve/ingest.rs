//! Rows that come in over HTTP, stored as `outgest import` stores those of files.
//!
//! The body is read by the import's own thread while it arrives. A body that breaks off is an error for that
//! thread and never its end, so that half a body is never stored.

use std::io::{self, Read};

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use lake::Lake;
use model::{Fault, Ingest, IngestIgnored, Ingested, ProjectId};
use store::NativeStore;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use crate::config;
use crate::import::command::{StoreSink, importable};
use crate::import::{self, Advice, Input, Options, Report};

/// Imports at the same time; further callers wait. Each sorts up to two buffers of 64 MiB.
const IMPORTS_AT_ONCE: usize = 2;

/// Pieces of a body between the network and the parser; each is at most what was read from a socket at once.
const PIECES_WAITING: usize = 4;

/// Callers have no options of a command line.
const ADVICE: Advice = Advice {
    bad_row: "correct the row and send everything again",
    other_project: "leave the project out of rows, or import them into their own project",
    no_table: "add ?table=events, scores, comments or models to learn which column is missing",
};

/// Stores rows in the embedded store, comments and prices in the metadata store.
pub struct LakeIngest {
    lake: Lake,
    store: NativeStore,
    places: Semaphore,
}

impl LakeIngest {
    /// Takes rows into these stores.
    pub fn new(lake: Lake, store: NativeStore) -> Self {
        Self { lake, store, places: Semaphore::new(IMPORTS_AT_ONCE) }
    }
}

#[async_trait]
impl Ingest for LakeIngest {
    async fn ingest(
        &self,
        project: &ProjectId,
        table: Option<&str>,
        body: BoxStream<'static, Result<Bytes, Fault>>,
    ) -> Result<Ingested, Fault> {
        let place = self.places.acquire().await;
        let _place = place.map_err(|closed| Fault::bug("the places of imports are gone").because(closed))?;
        let now = config::now();
        let mut options = Options::at(now);
        options.project = Some(project.clone());
        options.table = table.map(str::to_owned);
        options.advice = ADVICE;

        let (send, receive) = mpsc::channel(PIECES_WAITING);
        let input = Input::Stream { name: "the body".to_owned(), reader: Box::new(Arriving::new(receive)) };
        let mut sink = StoreSink::new(self.lake.clone(), self.store.clone(), Handle::current(), now);
        let import = move || import::import(vec![input], &importable(), &options, &mut sink);
        let importing = tokio::task::spawn_blocking(import);
        let arrived = pass_on(body, send).await;
        let imported = importing.await.map_err(|panic| Fault::bug("an import panicked").because(panic))?;
        // Where the body broke off, the import failed for that reason, in words that say less.
        arrived?;
        imported.map(told)
    }
}

/// What arrives of a body.
enum Piece {
    Bytes(Bytes),
    /// It is complete.
    End,
}

/// Hands the body to the import until one of them ends.
async fn pass_on(mut body: BoxStream<'static, Result<Bytes, Fault>>, to: mpsc::Sender<Piece>) -> Result<(), Fault> {
    loop {
        let next = tokio::select! {
            next = body.next() => next.transpose()?,
            // The import has failed and says why; the rest of the body is of no use.
            () = to.closed() => return Ok(()),
        };
        let (piece, is_last) = next.map_or((Piece::End, true), |bytes| (Piece::Bytes(bytes), false));
        if to.send(piece).await.is_err() || is_last {
            return Ok(());
        }
    }
}

/// The reading side, for a thread that may block.
struct Arriving {
    pieces: mpsc::Receiver<Piece>,
    at_hand: Bytes,
    ended: bool,
}

impl Arriving {
    fn new(pieces: mpsc::Receiver<Piece>) -> Self {
        Self { pieces, at_hand: Bytes::new(), ended: false }
    }
}

impl Read for Arriving {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at_hand.is_empty() && !self.ended {
            match self.pieces.blocking_recv() {
                Some(Piece::Bytes(bytes)) => self.at_hand = bytes,
                Some(Piece::End) => self.ended = true,
                None => return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the caller has left")),
            }
        }
        let count = self.at_hand.len().min(into.len());
        self.at_hand.copy_to_slice(&mut into[..count]);
        Ok(count)
    }
}

fn told(report: Report) -> Ingested {
    let ignored = report.ignored.into_iter().map(|column| IngestIgnored {
        column: column.name,
        why: column.why.words(),
        values: column.values,
    });
    Ingested { read: report.read, stored: report.stored.into_iter().collect(), ignored: ignored.collect() }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use model::FaultKind;

    use super::*;

    const ROW: &str = r#"{"id":"s1","traceId":"t1","startTime":"2026-01-01T00:00:00Z"}"#;

    async fn service() -> (tempfile::TempDir, LakeIngest) {
        let folder = tempfile::tempdir().unwrap();
        let lake = crate::data::create_lake(folder.path(), config::now()).unwrap();
        let store = NativeStore::open(folder.path()).await.unwrap();
        (folder, LakeIngest::new(lake, store))
    }

    async fn ingest(to: &LakeIngest, pieces: Vec<Result<Bytes, Fault>>) -> Result<Ingested, Fault> {
        to.ingest(&ProjectId::new("p"), Some("events"), stream::iter(pieces).boxed()).await
    }

    fn stored(to: &LakeIngest) -> u64 {
        to.lake.snapshot("events").unwrap().files.iter().map(|file| file.rows).sum()
    }

    #[tokio::test]
    async fn a_body_is_stored_whole_wherever_it_is_cut() {
        let (_folder, to) = service().await;
        let pieces = ROW.as_bytes().chunks(7).map(|piece| Ok(Bytes::copy_from_slice(piece)));
        let ingested = ingest(&to, pieces.collect()).await.unwrap();
        assert_eq!((ingested.read.get(), stored(&to)), (1, 1));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_after_a_whole_row_stores_nothing() {
        let (_folder, to) = service().await;
        let broken = Fault::new(FaultKind::TooLarge { limit: None }, "the body is too large");
        let pieces = vec![Ok(Bytes::from(format!("{ROW}\n"))), Err(broken)];
        assert_eq!(ingest(&to, pieces).await.unwrap_err().public_message(), "the body is too large");
        assert_eq!(stored(&to), 0);
    }

    #[tokio::test]
    async fn a_bad_row_is_named_and_ends_the_reading() {
        let (_folder, to) = service().await;
        let endless = stream::repeat_with(|| Ok(Bytes::from(format!("{ROW}\n{{}}\n"))));
        let project = ProjectId::new("p");
        let fault = to.ingest(&project, Some("events"), endless.boxed());
        let fault = tokio::time::timeout(std::time::Duration::from_secs(20), fault).await.unwrap().unwrap_err();
        assert!(fault.public_message().contains("line 2"), "{fault}");
        assert_eq!(stored(&to), 0);
    }
}
