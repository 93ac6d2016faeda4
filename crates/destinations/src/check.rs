//! The check that every kind runs: what a run will do, with a small file, in named steps.

use bytes::Bytes;
use futures_util::TryStreamExt;
use model::{CheckStep, Destination, Fault, FaultKind, FileAttributes, FileName};

const CONTENT: &[u8] = b"written by a destination check; may be deleted\n";

/// Writes, commits, reads back and removes `file`.
///
/// The file is removed once it may be visible, whatever the steps in between said.
pub(crate) async fn write_and_remove(
    destination: &dyn Destination,
    file: &FileName,
    report: &mut (dyn FnMut(CheckStep) + Send),
) -> Result<(), Fault> {
    let attributes = FileAttributes { content_type: "text/plain".to_owned(), content_disposition: None };
    let mut writer = step("open", report, destination.open(file, &attributes, None)).await?;
    if let Err(fault) = step("write", report, writer.write(Bytes::from_static(CONTENT))).await {
        // The write's own fault says more than a failing abort would.
        drop(writer.abort().await);
        return Err(fault);
    }
    step("commit", report, writer.commit()).await?;
    let read = step("read back", report, read_back(destination, file)).await;
    let removed = step("delete", report, destination.remove(file)).await;
    read.and(removed.map(drop))
}

/// Takes a step and reports how it ended.
pub(crate) async fn step<T>(
    name: &'static str,
    report: &mut (dyn FnMut(CheckStep) + Send),
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    report_step(name, report, work.await)
}

/// Reports how a step ended.
pub(crate) fn report_step<T>(
    name: &'static str,
    report: &mut (dyn FnMut(CheckStep) + Send),
    result: Result<T, Fault>,
) -> Result<T, Fault> {
    report(CheckStep { name, failure: result.as_ref().err().map(|fault| fault.public_message().to_owned()) });
    result
}

async fn read_back(destination: &dyn Destination, file: &FileName) -> Result<(), Fault> {
    let found: Vec<Bytes> = destination.read(file).await?.try_collect().await?;
    if found.concat() == CONTENT {
        Ok(())
    } else {
        Err(Fault::new(FaultKind::Corrupt, format!("{file} in {destination} does not read as it was written")))
    }
}
