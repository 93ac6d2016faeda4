//! A wrapper that gives a destination trouble.
//!
//! [`flaky`] fails chosen calls, loses answers and cuts a connection after so many bytes, for tests of
//! whatever uses a destination; [`throttled`] slows writing, for users who share their network. With no
//! trouble planned the wrapper keeps every promise of what it wraps. It implements every method of the
//! contract, so that a new one cannot slip past it.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use model::{
    ByteCount, CheckStep, Destination, DestinationLimits, Durable, Fault, FileAttributes, FileName, FileWriter,
    ObjectHead, Published, Unrecorded, UploadState,
};

/// A method that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// [`Destination::check`].
    Check,
    /// [`Destination::head`].
    Head,
    /// [`Destination::read`] and [`Destination::read_range`].
    Read,
    /// [`Destination::link`].
    Link,
    /// [`Destination::open`].
    Open,
    /// [`Destination::discard`].
    Discard,
    /// [`Destination::discard_unrecorded`].
    DiscardUnrecorded,
    /// [`Destination::remove`].
    Remove,
    /// [`Destination::publish`].
    Publish,
    /// [`FileWriter::write`].
    Write,
    /// [`FileWriter::commit`].
    Commit,
    /// [`FileWriter::abort`].
    Abort,
}

/// When a planned failure strikes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// Before the call reaches the destination.
    Before,
    /// After the call took effect: only its answer is lost.
    After,
}

/// A failure and when it strikes.
type Failure = (Moment, fn() -> Fault);

/// What goes wrong, and when.
#[derive(Default)]
pub struct Trouble {
    planned: HashMap<(Call, usize), Failure>,
    cut: Option<(ByteCount, fn() -> Fault)>,
    bytes_per_second: Option<u64>,
}

impl Trouble {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// The `nth` call (from 1) of `call` over all files fails without reaching the destination.
    pub fn fail(mut self, call: Call, nth: usize, fault: fn() -> Fault) -> Self {
        self.planned.insert((call, nth), (Moment::Before, fault));
        self
    }

    /// The `nth` call (from 1) of `call` takes effect, but its caller sees a failure.
    pub fn lose_answer(mut self, call: Call, nth: usize, fault: fn() -> Fault) -> Self {
        self.planned.insert((call, nth), (Moment::After, fault));
        self
    }

    /// Once, after `bytes` over all files, the writer at work dies: it takes the bytes up to there and
    /// then fails whatever it is asked, until it is dropped or aborted.
    pub fn cut_after(mut self, bytes: ByteCount, fault: fn() -> Fault) -> Self {
        self.cut = Some((bytes, fault));
        self
    }
}

/// Wraps `inner` so that it fails as planned.
pub fn flaky(inner: Arc<dyn Destination>, trouble: Trouble) -> Arc<dyn Destination> {
    let progress = Progress { calls: Mutex::default(), bytes: AtomicU64::new(0) };
    Arc::new(Troubled { inner, plan: Arc::new(Plan { trouble, progress }) })
}

/// Wraps `inner` so that each of its writers takes at most `bytes_per_second`.
pub fn throttled(inner: Arc<dyn Destination>, bytes_per_second: ByteCount) -> Arc<dyn Destination> {
    flaky(inner, Trouble { bytes_per_second: Some(bytes_per_second.get().max(1)), ..Trouble::none() })
}

struct Troubled {
    inner: Arc<dyn Destination>,
    plan: Arc<Plan>,
}

struct Plan {
    trouble: Trouble,
    progress: Progress,
}

/// What happened so far, over all files.
struct Progress {
    calls: Mutex<HashMap<Call, usize>>,
    bytes: AtomicU64,
}

impl Plan {
    /// Counts a call; its planned failure, if any.
    fn count(&self, call: Call) -> Planned {
        let mut calls = self.progress.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let nth = calls.entry(call).or_default();
        *nth += 1;
        Planned(self.trouble.planned.get(&(call, *nth)).copied())
    }
}

/// The failure planned for one call.
struct Planned(Option<Failure>);

impl Planned {
    fn before(&self) -> Result<(), Fault> {
        self.at(Moment::Before)
    }

    fn after<T>(&self, result: Result<T, Fault>) -> Result<T, Fault> {
        let value = result?;
        self.at(Moment::After)?;
        Ok(value)
    }

    fn at(&self, moment: Moment) -> Result<(), Fault> {
        match self.0 {
            Some((planned, fault)) if planned == moment => Err(fault()),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Troubled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Destination for Troubled {
    fn limits(&self) -> DestinationLimits {
        self.inner.limits()
    }

    async fn check(&self, file: &FileName, report: &mut (dyn FnMut(CheckStep) + Send)) -> Result<(), Fault> {
        let planned = self.plan.count(Call::Check);
        planned.before()?;
        planned.after(self.inner.check(file, report).await)
    }

    async fn head(&self, file: &FileName) -> Result<Option<ObjectHead>, Fault> {
        let planned = self.plan.count(Call::Head);
        planned.before()?;
        planned.after(self.inner.head(file).await)
    }

    async fn read(&self, file: &FileName) -> Result<BoxStream<'static, Result<Bytes, Fault>>, Fault> {
        let planned = self.plan.count(Call::Read);
        planned.before()?;
        planned.after(self.inner.read(file).await)
    }

    async fn read_range(
        &self,
        file: &FileName,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, Fault>>, Fault> {
        let planned = self.plan.count(Call::Read);
        planned.before()?;
        planned.after(self.inner.read_range(file, range).await)
    }

    async fn link(&self, file: &FileName, valid: Duration) -> Result<Option<String>, Fault> {
        let planned = self.plan.count(Call::Link);
        planned.before()?;
        planned.after(self.inner.link(file, valid).await)
    }

    async fn open(
        &self,
        file: &FileName,
        attributes: &FileAttributes,
        resume: Option<&UploadState>,
    ) -> Result<Box<dyn FileWriter>, Fault> {
        let planned = self.plan.count(Call::Open);
        planned.before()?;
        let inner = planned.after(self.inner.open(file, attributes, resume).await)?;
        Ok(Box::new(TroubledWriter { inner, plan: Arc::clone(&self.plan), held: Vec::new(), dead: None }))
    }

    async fn discard(&self, upload: &UploadState) -> Result<(), Fault> {
        let planned = self.plan.count(Call::Discard);
        planned.before()?;
        planned.after(self.inner.discard(upload).await)
    }

    async fn discard_unrecorded(&self, file: &FileName, recorded: Option<&UploadState>) -> Result<Unrecorded, Fault> {
        let planned = self.plan.count(Call::DiscardUnrecorded);
        planned.before()?;
        planned.after(self.inner.discard_unrecorded(file, recorded).await)
    }

    async fn remove(&self, file: &FileName) -> Result<bool, Fault> {
        let planned = self.plan.count(Call::Remove);
        planned.before()?;
        planned.after(self.inner.remove(file).await)
    }

    async fn publish(&self, manifest: &Published, name: &FileName) -> Result<(), Fault> {
        let planned = self.plan.count(Call::Publish);
        planned.before()?;
        planned.after(self.inner.publish(manifest, name).await)
    }
}

struct TroubledWriter {
    inner: Box<dyn FileWriter>,
    plan: Arc<Plan>,
    /// Bytes that a failed write took; the next one sends them first.
    held: Vec<u8>,
    dead: Option<fn() -> Fault>,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl FileWriter for TroubledWriter {
    fn upload(&self) -> UploadState {
        self.inner.upload()
    }

    async fn write(&mut self, bytes: Bytes) -> Result<Durable, Fault> {
        if let Some(fault) = self.dead {
            return Err(fault());
        }
        let planned = self.plan.count(Call::Write);
        self.held.extend_from_slice(&bytes);
        planned.before()?;
        let mut bytes = Bytes::from(std::mem::take(&mut self.held));
        let length = bytes.len() as u64;
        let before = self.plan.progress.bytes.fetch_add(length, Ordering::SeqCst);
        if let Some((cut, fault)) = self.plan.trouble.cut
            && before < cut.get()
            && before + length >= cut.get()
        {
            self.dead = Some(fault);
            bytes.truncate((cut.get() - before) as usize);
            self.inner.write(bytes).await?;
            return Err(fault());
        }
        let durable = planned.after(self.inner.write(bytes).await)?;
        if let Some(rate) = self.plan.trouble.bytes_per_second {
            tokio::time::sleep(Duration::from_secs_f64(length as f64 / rate as f64)).await;
        }
        Ok(durable)
    }

    async fn commit(mut self: Box<Self>) -> Result<ObjectHead, Fault> {
        if let Some(fault) = self.dead {
            return Err(fault());
        }
        let planned = self.plan.count(Call::Commit);
        planned.before()?;
        if !self.held.is_empty() {
            let held = Bytes::from(std::mem::take(&mut self.held));
            self.inner.write(held).await?;
        }
        planned.after(self.inner.commit().await)
    }

    async fn abort(self: Box<Self>) -> Result<(), Fault> {
        let planned = self.plan.count(Call::Abort);
        planned.before()?;
        planned.after(self.inner.abort().await)
    }
}

#[cfg(test)]
mod tests {
    use model::FaultKind;

    use super::*;
    use crate::conformance::{self, Ability};
    use crate::memory::MemoryDestination;

    fn unavailable() -> Fault {
        Fault::new(FaultKind::Unavailable, "planned")
    }

    async fn open(destination: &Arc<dyn Destination>) -> Box<dyn FileWriter> {
        destination.open(&FileName::new("a").unwrap(), &FileAttributes::default(), None).await.unwrap()
    }

    #[tokio::test]
    async fn a_wrapper_without_trouble_keeps_every_promise() {
        let memory = || Arc::new(MemoryDestination::with_piece_bytes(5000));
        conformance::run(&*flaky(memory(), Trouble::none()), &Ability::small()).await;
        conformance::run(&*throttled(memory(), ByteCount::mebibytes(1 << 20)), &Ability::small()).await;
    }

    #[tokio::test]
    async fn a_failed_write_keeps_its_bytes_for_the_next() {
        let memory = MemoryDestination::new();
        let destination = flaky(Arc::new(memory.clone()), Trouble::none().fail(Call::Write, 2, unavailable));

        let mut writer = open(&destination).await;
        writer.write(Bytes::from_static(b"one,")).await.unwrap();
        assert!(writer.write(Bytes::from_static(b"two,")).await.is_err());
        writer.write(Bytes::new()).await.unwrap();
        writer.write(Bytes::from_static(b"three")).await.unwrap();
        writer.commit().await.unwrap();

        assert_eq!(memory.bytes("a").unwrap(), "one,two,three");
    }

    #[tokio::test]
    async fn a_cut_keeps_the_bytes_before_it_and_kills_one_writer() {
        let memory = MemoryDestination::new();
        let destination = flaky(Arc::new(memory.clone()), Trouble::none().cut_after(ByteCount(6), unavailable));

        let mut writer = open(&destination).await;
        let before = writer.write(Bytes::from_static(b"abcd")).await.unwrap();
        assert!(writer.write(Bytes::from_static(b"efgh")).await.is_err());
        assert!(writer.write(Bytes::from_static(b"x")).await.is_err());
        assert_eq!(writer.upload().0["upload"]["bytes"], 6);
        drop(writer);

        let file = FileName::new("a").unwrap();
        let mut writer = destination.open(&file, &FileAttributes::default(), Some(&before.state)).await.unwrap();
        writer.write(Bytes::from_static(b"EFGH")).await.unwrap();
        writer.commit().await.unwrap();
        assert_eq!(memory.bytes("a").unwrap(), "abcdEFGH");
    }

    #[tokio::test]
    async fn a_lost_answer_took_effect() {
        let memory = MemoryDestination::new();
        let destination = flaky(Arc::new(memory.clone()), Trouble::none().lose_answer(Call::Commit, 1, unavailable));

        assert!(open(&destination).await.commit().await.is_err());

        assert_eq!(memory.bytes("a").unwrap(), "");
    }
}
