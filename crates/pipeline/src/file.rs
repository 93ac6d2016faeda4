//! One file under way: framing, hash, upload, and the marks that a later attempt can start from.

use std::collections::VecDeque;

use bytes::Bytes;
use model::{
    ByteCount, Encoder, EncoderState, Fault, FaultKind, FileName, HashState, ObjectHead, OpenFile, OrderKey, RowCount,
};

use crate::encode::BlockToWrite;
use crate::hash::Hash;
use crate::key::KeySummary;
use crate::upload::{Upload, upload_is_gone};

/// A file that is being written.
pub(crate) struct FileUnderWay {
    name: FileName,
    bytes_max: ByteCount,
    /// `None` once the last bytes are encoded.
    encoder: Option<Box<dyn Encoder>>,
    upload: Upload,
    hash: Hash,
    /// Up to the last block that was handed over.
    now: Mark,
    /// Up to the last block that is durable.
    settled: Mark,
    /// The blocks between the two. Empty where the format cannot continue a file.
    unsettled: VecDeque<Mark>,
    /// Hash up to the end of a block that an earlier attempt uploaded in part, until it came out again.
    ahead: Option<HashState>,
}

/// Everything up to the end of a block.
#[derive(Clone, Default)]
struct Mark {
    end: ByteCount,
    encoder: Option<EncoderState>,
    sha256: HashState,
    rows: RowCount,
    keys: KeySummary,
    after: Option<OrderKey>,
}

/// A file that is visible.
pub(crate) struct FinishedFile {
    pub(crate) name: FileName,
    pub(crate) head: ObjectHead,
    pub(crate) rows: RowCount,
    pub(crate) sha256: String,
    pub(crate) keys: KeySummary,
    pub(crate) after: Option<OrderKey>,
}

impl FileUnderWay {
    /// A file without bytes.
    pub(crate) fn new(name: FileName, encoder: Box<dyn Encoder>, upload: Upload, bytes_max: ByteCount) -> Self {
        let start = Mark { encoder: encoder.state(), sha256: Hash::default().state(), ..Mark::default() };
        Self {
            name,
            bytes_max,
            encoder: Some(encoder),
            upload,
            hash: Hash::default(),
            now: start.clone(),
            settled: start,
            unsettled: VecDeque::new(),
            ahead: None,
        }
    }

    /// A file that an earlier attempt began; `encoder` and `upload` continue it.
    pub(crate) fn resume(
        open: &OpenFile,
        encoder: Box<dyn Encoder>,
        upload: Upload,
        bytes_max: ByteCount,
    ) -> Result<Self, Fault> {
        let mark = Mark {
            end: open.block_end,
            encoder: open.encoder.clone(),
            sha256: open.sha256.clone(),
            rows: open.rows,
            keys: KeySummary { digest: open.digest.clone(), cursor_min: open.cursor_min, cursor_max: open.cursor_max },
            after: open.after.clone(),
        };
        Ok(Self {
            hash: Hash::resume(&open.sha256)?,
            now: mark.clone(),
            settled: mark,
            ahead: open.ahead_sha256.clone(),
            ..Self::new(open.name.clone(), encoder, upload, bytes_max)
        })
    }

    pub(crate) fn name(&self) -> &FileName {
        &self.name
    }

    /// Bytes up to the last block that was handed over.
    pub(crate) fn bytes(&self) -> ByteCount {
        self.now.end
    }

    /// Rows up to there.
    pub(crate) fn rows(&self) -> RowCount {
        self.now.rows
    }

    /// The last row up to there.
    pub(crate) fn after(&self) -> Option<&OrderKey> {
        self.now.after.as_ref()
    }

    /// Bytes up to the last durable block.
    pub(crate) fn bytes_settled(&self) -> ByteCount {
        self.settled.end
    }

    /// What a later attempt needs to continue.
    pub(crate) fn checkpoint(&self) -> OpenFile {
        let mark = &self.settled;
        let upload = self.upload.durable();
        // Behind the last block there is only what ends the file.
        let next = self.ahead.as_ref().or(self.unsettled.front().map(|next| &next.sha256));
        let next = next.cloned().unwrap_or_else(|| self.hash.state());
        OpenFile {
            name: self.name.clone(),
            after: mark.after.clone(),
            block_end: mark.end,
            encoder: mark.encoder.clone(),
            upload: upload.state.clone(),
            upload_bytes: upload.bytes,
            ahead_sha256: (upload.bytes > mark.end).then_some(next),
            sha256: mark.sha256.clone(),
            rows: mark.rows,
            digest: mark.keys.digest.clone(),
            cursor_min: mark.keys.cursor_min,
            cursor_max: mark.keys.cursor_max,
        }
    }

    /// Whether `fault` says that the upload of an earlier attempt cannot be continued after all.
    pub(crate) fn upload_is_lost(&self, fault: &Fault) -> bool {
        self.upload.unproven() && upload_is_gone(fault)
    }

    /// Writes a block.
    pub(crate) async fn append(&mut self, block: BlockToWrite) -> Result<(), Fault> {
        let rows = block.block.rows;
        let encoder = self.encoder.as_mut().ok_or_else(|| Fault::bug("a finished file got another block"))?;
        let bytes = encoder.append(block.block)?;
        let state = encoder.state();
        let end = self.now.end + ByteCount::from(bytes.len());
        self.write(bytes, end).await?;
        self.now.end = end;
        self.now.encoder = state;
        self.now.sha256 = self.hash.state();
        self.now.rows += rows;
        self.now.keys.merge(&block.keys);
        self.now.after = Some(block.last);
        if self.now.encoder.is_some() {
            self.unsettled.push_back(self.now.clone());
        }
        self.settle();
        Ok(())
    }

    /// Writes what ends the file and makes it visible.
    pub(crate) async fn finish(&mut self) -> Result<FinishedFile, Fault> {
        if let Some(encoder) = self.encoder.take() {
            let bytes = encoder.finish()?;
            let end = self.now.end + ByteCount::from(bytes.len());
            self.write(bytes, end).await?;
            self.now.end = end;
        }
        let sha256 = self.hash.clone().finish();
        let head = self.upload.commit(&sha256).await?;
        if head.bytes != self.now.end {
            return Err(Fault::corrupt(format!(
                "file {} has {} bytes at the destination, {} were sent",
                self.name, head.bytes, self.now.end
            )));
        }
        Ok(FinishedFile {
            name: self.name.clone(),
            head,
            rows: self.now.rows,
            sha256,
            keys: self.now.keys.clone(),
            after: self.now.after.clone(),
        })
    }

    /// Removes every trace of the file.
    pub(crate) async fn abort(self) -> Result<(), Fault> {
        self.upload.abort().await
    }

    async fn write(&mut self, bytes: Bytes, end: ByteCount) -> Result<(), Fault> {
        if end > self.bytes_max {
            let message = format!("file {} would be larger than the {} bytes allowed", self.name, self.bytes_max);
            let fault = Fault::new(FaultKind::TooLarge { limit: Some(self.bytes_max) }, message);
            return Err(fault.hint("roll files at a smaller size"));
        }
        let hash = self.hash.clone().updated(bytes.clone());
        // The block that an earlier attempt uploaded in part must come out again: where the source has
        // changed in between it does not, and the file would be torn.
        if let Some(expected) = self.ahead.take() {
            self.hash = hash.await?;
            if self.hash.state() != expected {
                return Err(Fault::corrupt(format!(
                    "file {} cannot be continued: its rows have changed since they were uploaded",
                    self.name
                )));
            }
            return self.upload.write(bytes).await;
        }
        let (hash, written) = futures_util::join!(hash, self.upload.write(bytes));
        self.hash = hash?;
        written
    }

    /// Moves the last durable mark.
    fn settle(&mut self) {
        let durable = self.upload.durable().bytes;
        while let Some(mark) = self.unsettled.pop_front_if(|mark| mark.end <= durable) {
            self.settled = mark;
        }
    }
}
