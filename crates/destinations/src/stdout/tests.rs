//! What standard output promises, on a stream in memory.

use std::sync::mpsc;

use super::*;

/// A stream that can be looked into.
struct Tap(mpsc::Sender<Vec<u8>>);

impl Write for Tap {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(|_| io::Error::from(ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn name() -> FileName {
    FileName::new("-").unwrap()
}

#[tokio::test]
async fn bytes_leave_in_order_and_are_counted() {
    let (sender, receiver) = mpsc::channel();
    let stdout = StdoutDestination::to(Tap(sender));

    let mut writer = stdout.open(&name(), &FileAttributes::default(), None).await.unwrap();
    let durable = writer.write(Bytes::from_static(b"one,")).await.unwrap();
    writer.write(Bytes::from_static(b"two")).await.unwrap();
    let head = writer.commit().await.unwrap();

    assert_eq!(durable.bytes, ByteCount::ZERO);
    assert_eq!(head, ObjectHead { bytes: ByteCount(7), tag: None });
    assert_eq!(receiver.try_iter().flatten().collect::<Vec<u8>>(), b"one,two");
}

#[tokio::test]
async fn a_reader_that_leaves_is_a_fault_that_is_not_retried() {
    let (sender, receiver) = mpsc::channel();
    let stdout = StdoutDestination::to(Tap(sender));
    drop(receiver);

    let mut writer = stdout.open(&name(), &FileAttributes::default(), None).await.unwrap();
    let fault = writer.write(Bytes::from_static(b"x")).await.unwrap_err();

    assert_eq!(fault.public_message(), "standard output was closed by its reader");
    assert_eq!(fault.retry(), model::Retry::Never);
}

#[tokio::test]
async fn nothing_can_be_read_resumed_or_found() {
    let stdout = StdoutDestination::to(io::sink());
    let state = stdout.open(&name(), &FileAttributes::default(), None).await.unwrap().upload();

    assert!(stdout.head(&name()).await.unwrap().is_none());
    assert!(stdout.read(&name()).await.is_err());
    assert!(stdout.open(&name(), &FileAttributes::default(), Some(&state)).await.is_err());
    assert!(stdout.discard(&state).await.is_ok());
}
