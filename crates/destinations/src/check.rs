//! The check that every kind runs: what a run will do, with a small file, in named steps.

use bytes::Bytes;
use futures_util::TryStreamExt;
use model::{ByteCount, CheckStep, Destination, Fault, FaultKind, FileAttributes, FileName, UploadState};

const CONTENT: &[u8] = b"written by a destination check; may be deleted\n";

/// How a destination takes files that are larger than a part.
pub(crate) struct Parts<'a> {
    /// The destination itself, with parts as small as they may be.
    pub(crate) to: &'a dyn Destination,
    /// Size of such a part.
    pub(crate) bytes: ByteCount,
}

/// Writes, commits, reads back and removes `file`. Where the destination takes parts, the file is written anew in two
/// of them before it is read: what is large meets limits of servers and proxies that a small file does not.
///
/// The file is removed once it may be visible, whatever the steps in between said.
pub(crate) async fn write_and_remove(
    destination: &dyn Destination,
    parts: Option<Parts<'_>>,
    file: &FileName,
    report: &mut (dyn FnMut(CheckStep) + Send),
) -> Result<(), Fault> {
    let mut writer = step("open", report, destination.open(file, &attributes(), None)).await?;
    let upload = writer.upload();
    let written = async {
        step("write", report, writer.write(Bytes::from_static(CONTENT))).await?;
        step("commit", report, writer.commit()).await
    };
    undone(destination, upload, written.await).await?;
    let kept = written_and_read(destination, parts, file, report).await;
    let removed = step("delete", report, destination.remove(file)).await;
    kept.and(removed.map(drop))
}

fn attributes() -> FileAttributes {
    FileAttributes { content_type: "text/plain".to_owned(), content_disposition: None }
}

/// The steps while the file is there.
async fn written_and_read(
    destination: &dyn Destination,
    parts: Option<Parts<'_>>,
    file: &FileName,
    report: &mut (dyn FnMut(CheckStep) + Send),
) -> Result<(), Fault> {
    let content = match parts {
        Some(parts) => step("multipart", report, write_in_parts(parts, file)).await?,
        None => Bytes::from_static(CONTENT),
    };
    step("read back", report, read_back(destination, file, &content)).await
}

/// Writes the file anew in two parts, as large files are written; committing compares its size. Returns its content.
async fn write_in_parts(Parts { to, bytes }: Parts<'_>, file: &FileName) -> Result<Bytes, Fault> {
    let mut content = vec![b'\n'; bytes.get() as usize];
    content.extend_from_slice(CONTENT);
    let content = Bytes::from(content);
    let mut writer = to.open(file, &attributes(), None).await?;
    let upload = writer.upload();
    let written = async {
        writer.write(content.clone()).await?;
        writer.commit().await
    };
    undone(to, upload, written.await).await?;
    Ok(content)
}

/// Discards the upload where writing failed. What failed says more than a discard that fails as well.
async fn undone<T>(destination: &dyn Destination, upload: UploadState, written: Result<T, Fault>) -> Result<T, Fault> {
    if written.is_err() {
        drop(destination.discard(&upload).await);
    }
    written
}

/// Takes a step and reports that it begins and how it ended.
pub(crate) async fn step<T>(
    name: &'static str,
    report: &mut (dyn FnMut(CheckStep) + Send),
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    report(CheckStep::begun(name));
    let result = work.await;
    report(CheckStep::ended(name, &result));
    result
}

async fn read_back(destination: &dyn Destination, file: &FileName, content: &[u8]) -> Result<(), Fault> {
    let found: Vec<Bytes> = destination.read(file).await?.try_collect().await?;
    if found.concat() == content {
        Ok(())
    } else {
        Err(Fault::new(FaultKind::Corrupt, format!("{file} in {destination} does not read as it was written")))
    }
}
