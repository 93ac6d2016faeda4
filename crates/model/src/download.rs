//! Finished files on their way to people.

use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;

use crate::{ExportFile, Fault};

/// Hands out the files of completed exports.
#[async_trait]
pub trait Downloads: Send + Sync {
    /// A link that anybody can follow for `valid` and that saves the file under its name; `None` where
    /// the place of the files cannot make one and [`Downloads::read`] has to do.
    async fn link(&self, file: &ExportFile, valid: Duration) -> Result<Option<String>, Fault>;

    /// Bytes of a file. The range lies within the file.
    async fn read(
        &self,
        file: &ExportFile,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, Fault>>, Fault>;
}
