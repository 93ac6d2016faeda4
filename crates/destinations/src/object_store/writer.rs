//! A file on its way to an object store.
//!
//! Bytes are cut into pieces without being copied; a bounded number of them is under way at a time.
//! Durable is what the store acknowledged without a gap. A piece that failed waits and is sent again by
//! the next call, under the same number.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use model::{ByteCount, Durable, Fault, FaultKind, FileAttributes, FileWriter, ObjectHead, UploadState};
use object_store::PutPayload;
use object_store::path::Path;
use tokio::task::JoinSet;

use super::pieces::{PIECES_MAX, PieceSizes};
use super::{COMPLETE_TIME, Session, Upload, transfer_time};
use crate::state;

/// Time that an abort leaves to pieces under way; whoever cancels an export waits for it.
const LAST_PIECES_TIME: Duration = Duration::from_secs(5);

/// Uploads one file. Dropping it ends what is under way and leaves the upload for a successor.
pub(super) struct ObjectWriter {
    session: Arc<Session>,
    path: Path,
    attributes: FileAttributes,
    /// What is durable, ready to be recorded.
    upload: Upload,
    /// Pieces acknowledged without a gap.
    durable_pieces: usize,
    /// Pieces acknowledged behind a gap: size and tag.
    ahead: BTreeMap<usize, (u64, String)>,
    /// Cut but not under way: not yet sent, or failed.
    waiting: BTreeMap<usize, PutPayload>,
    under_way: JoinSet<Sent>,
    /// Taken but not yet cut.
    rest: Vec<Bytes>,
    rest_bytes: u64,
    pieces_cut: usize,
    bytes_taken: u64,
}

/// What became of one piece.
struct Sent {
    index: usize,
    payload: PutPayload,
    result: Result<String, Fault>,
}

impl ObjectWriter {
    pub(super) fn new(session: Arc<Session>, path: Path, attributes: FileAttributes, upload: Upload) -> Self {
        let durable_pieces = upload.tags.lines().count();
        Self {
            session,
            path,
            attributes,
            durable_pieces,
            ahead: BTreeMap::new(),
            waiting: BTreeMap::new(),
            under_way: JoinSet::new(),
            rest: Vec::new(),
            rest_bytes: 0,
            pieces_cut: durable_pieces,
            bytes_taken: upload.bytes,
            upload,
        }
    }

    /// Cuts every whole piece off the bytes taken.
    fn cut_whole_pieces(&mut self) -> Result<(), Fault> {
        loop {
            let size = self.upload.pieces.of(self.pieces_cut);
            if self.rest_bytes < size {
                return Ok(());
            }
            self.cut(size)?;
        }
    }

    /// Cuts a piece of `size` bytes.
    fn cut(&mut self, size: u64) -> Result<(), Fault> {
        if self.pieces_cut == PIECES_MAX {
            let limit = self.upload.pieces.file_bytes_max();
            let message = format!("{} is larger than {} in pieces", self.upload.file, limit.human());
            return Err(Fault::new(FaultKind::TooLarge { limit: Some(limit) }, message)
                .hint("write several smaller files, or set a larger piece_bytes"));
        }
        let mut piece = Vec::new();
        let mut missing = size;
        let mut taken = std::mem::take(&mut self.rest).into_iter();
        for mut bytes in taken.by_ref() {
            if bytes.len() as u64 > missing {
                piece.push(bytes.split_to(missing as usize));
                self.rest.push(bytes);
                break;
            }
            missing -= bytes.len() as u64;
            piece.push(bytes);
            if missing == 0 {
                break;
            }
        }
        self.rest.extend(taken);
        self.rest_bytes -= size;
        self.waiting.insert(self.pieces_cut, PutPayload::from_iter(piece));
        self.pieces_cut += 1;
        Ok(())
    }

    /// Sends waiting pieces while there is room for them.
    fn send_waiting(&mut self) {
        while let Some((index, payload)) = self.waiting.pop_first() {
            let size = payload.content_length() as u64;
            if self.under_way.len() >= PieceSizes::in_flight(size) {
                self.waiting.insert(index, payload);
                return;
            }
            let (session, path, id) = (Arc::clone(&self.session), self.path.clone(), self.upload.id.clone());
            let doing = format!("write piece {} of {}", index + 1, self.upload.file);
            self.under_way.spawn(async move {
                let put = session.vendor.client().put_part(&path, &id, index, payload.clone());
                let result = session.request(&doing, transfer_time(size), put).await.map(|part| part.content_id);
                Sent { index, payload, result }
            });
        }
    }

    /// Takes note of one piece that is no longer under way.
    fn note(&mut self, joined: Result<Sent, tokio::task::JoinError>) -> Result<(), Fault> {
        let sent = joined.map_err(|panic| Fault::bug("sending a piece panicked").because(panic))?;
        match sent.result {
            Ok(tag) => {
                self.ahead.insert(sent.index, (sent.payload.content_length() as u64, tag));
            }
            Err(fault) => {
                self.waiting.insert(sent.index, sent.payload);
                return Err(fault);
            }
        }
        while let Some((size, tag)) = self.ahead.remove(&self.durable_pieces) {
            self.durable_pieces += 1;
            self.upload.bytes += size;
            self.upload.tags.push_str(&tag);
            self.upload.tags.push('\n');
        }
        Ok(())
    }

    /// Waits until every piece is under way.
    async fn send_all(&mut self) -> Result<(), Fault> {
        self.send_waiting();
        while !self.waiting.is_empty() {
            if let Some(joined) = self.under_way.join_next().await {
                self.note(joined)?;
            }
            self.send_waiting();
        }
        Ok(())
    }

    fn tags(&self) -> Vec<String> {
        self.upload.tags.lines().map(str::to_owned).collect()
    }
}

#[async_trait]
impl FileWriter for ObjectWriter {
    fn upload(&self) -> UploadState {
        state::record(self.session.place.scheme, &self.upload)
    }

    async fn write(&mut self, bytes: Bytes) -> Result<Durable, Fault> {
        self.bytes_taken += bytes.len() as u64;
        self.rest_bytes += bytes.len() as u64;
        if !bytes.is_empty() {
            self.rest.push(bytes);
        }
        self.cut_whole_pieces()?;
        self.send_all().await?;
        while let Some(joined) = self.under_way.try_join_next() {
            self.note(joined)?;
        }
        Ok(Durable { bytes: ByteCount(self.upload.bytes), state: self.upload() })
    }

    async fn commit(mut self: Box<Self>) -> Result<ObjectHead, Fault> {
        let (session, file) = (Arc::clone(&self.session), self.upload.file.clone());
        if self.bytes_taken == 0 {
            // Stores do not agree on uploads without parts; an empty object is one plain request.
            session.put(&file, &self.attributes, Bytes::new()).await?;
            session.abort(&file, &self.upload.id).await?;
        } else {
            if self.rest_bytes > 0 {
                self.cut(self.rest_bytes)?;
            }
            self.send_all().await?;
            while let Some(joined) = self.under_way.join_next().await {
                self.note(joined)?;
            }
            let tags = self.tags();
            let complete = session.vendor.complete(&self.path, &self.upload.id, &tags, &self.attributes);
            session.request(&format!("complete {file}"), COMPLETE_TIME, complete).await?;
        }
        let head = session.head(&file).await?;
        match head {
            Some(head) if head.bytes.get() == self.bytes_taken => Ok(head),
            found => {
                let found = found.map_or("is not there".to_owned(), |head| format!("has {} bytes", head.bytes));
                let message = format!("{file} in {} {found}, {} were sent", session.place, self.bytes_taken);
                Err(Fault::new(FaultKind::Corrupt, message))
            }
        }
    }

    async fn abort(mut self: Box<Self>) -> Result<(), Fault> {
        // A piece that arrives after the abort would stay: what is under way may end first, if it is quick.
        let quiet = async { while self.under_way.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_PIECES_TIME, quiet).await.is_err() {
            self.under_way.shutdown().await;
        }
        self.session.abort(&self.upload.file, &self.upload.id).await
    }
}
