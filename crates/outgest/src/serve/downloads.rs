//! Finished files, handed out by the destination that keeps them.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use model::{Destination, Downloads, ExportFile, Fault};

/// Hands out files of one destination: by a link of its own where it can make one, else piece by piece.
pub struct DestinationDownloads(pub Arc<dyn Destination>);

#[async_trait]
impl Downloads for DestinationDownloads {
    async fn link(&self, file: &ExportFile, valid: Duration) -> Result<Option<String>, Fault> {
        self.0.link(&file.name, valid).await
    }

    async fn read(
        &self,
        file: &ExportFile,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, Fault>>, Fault> {
        self.0.read_range(&file.name, range).await
    }
}
