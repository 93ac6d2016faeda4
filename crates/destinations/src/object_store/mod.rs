//! Object stores: S3 and compatible, Azure Blob Storage, Google Cloud Storage.
//!
//! A file is an upload in pieces whose id and part tags are recorded with the checkpoint; it becomes
//! visible when the upload is completed, whole. [`ObjectDestination`] is the same for all vendors; what
//! they differ in is behind [`vendor::Vendor`]. Requests are never repeated here.

mod azure;
mod fault;
mod gcs;
mod options;
mod pieces;
mod probe;
mod s3;
mod uploads;
mod vendor;
mod writer;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};
use model::{
    ByteCount, CheckStep, Connected, Destination, DestinationLimits, Fault, FaultKind, FileAttributes, FileName,
    FileWriter, ObjectHead, Published, Unrecorded, UploadState,
};
use object_store::path::Path;
use object_store::{GetOptions, ObjectStoreExt, PutOptions, PutPayload};
use serde::{Deserialize, Serialize};

use crate::check::{self, Parts};
use crate::egress::Refusal;
use crate::{publish, state};
use pieces::{PIECE_BYTES_MIN, PieceSizes};
use vendor::{Place, Vendor, attributes_of};
use writer::ObjectWriter;

pub(crate) use azure::KIND as AZURE;
pub(crate) use gcs::KIND as GCS;
pub(crate) use s3::KIND as S3;

/// Time for a request without a large body, and for each stretch of an answer.
const ANSWER_TIME: Duration = Duration::from_secs(60);
/// Time to complete an upload: S3 assembles large objects for minutes.
const COMPLETE_TIME: Duration = Duration::from_secs(600);
/// Time to get credentials; a machine's own service answers in milliseconds.
const CREDENTIALS_TIME: Duration = Duration::from_secs(30);
/// Slowest transfer of a piece that is waited for, in bytes a second.
const SLOWEST_BYTES_PER_SECOND: u64 = 64 << 10;

/// A bucket or container.
struct ObjectDestination {
    session: Arc<Session>,
    /// How files are cut.
    pieces: PieceSizes,
}

/// A connected store and its name; shared by the uploads under way.
struct Session {
    place: Place,
    vendor: Box<dyn Vendor>,
}

/// What is recorded of an upload.
#[derive(Clone, Serialize, Deserialize)]
struct Upload {
    /// Bucket or container.
    root: String,
    file: FileName,
    /// The store's id; Azure has none.
    id: String,
    pieces: PieceSizes,
    /// Bytes in the acknowledged pieces.
    bytes: u64,
    /// Tags of the acknowledged pieces in order, separated by newlines: one text is cheaper to copy with
    /// every checkpoint than thousands.
    tags: String,
}

impl ObjectDestination {
    fn connect(place: Place, pieces: PieceSizes, vendor: Box<dyn Vendor>, path: &str) -> Connected<dyn Destination> {
        let session = Arc::new(Session { place, vendor });
        Connected { to: Arc::new(Self { session, pieces }), path: path.to_owned() }
    }

    /// The same place, to which files go in the smallest pieces that every store takes.
    fn in_small_pieces(&self) -> Self {
        let pieces = PieceSizes { first: PIECE_BYTES_MIN, ..self.pieces };
        Self { session: Arc::clone(&self.session), pieces }
    }

    /// The recorded upload, if it is one of this place.
    fn recall(&self, state: &UploadState) -> Result<Upload, Fault> {
        let place = &self.session.place;
        let upload: Upload = state::recall(place.scheme, state)?;
        if upload.root != place.root {
            return Err(state::foreign(&format!("it is in {}://{}", place.scheme, upload.root)));
        }
        Ok(upload)
    }
}

impl Session {
    /// Does `work` with credentials at hand and within `limit`; failures are those of `doing` something.
    async fn request<T>(
        &self,
        doing: &str,
        limit: Duration,
        work: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, Fault> {
        self.authenticate().await?;
        match tokio::time::timeout(limit, work).await {
            Ok(result) => result.map_err(|error| self.place.fault(doing, error)),
            Err(_) => Err(self.place.timeout(doing, limit)),
        }
    }

    /// Gets credentials, from memory where they are still good.
    async fn authenticate(&self) -> Result<(), Fault> {
        match tokio::time::timeout(CREDENTIALS_TIME, self.vendor.authenticate()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.place.without_credentials(error)),
            Err(_) => Err(self.place.timeout("get credentials to write", CREDENTIALS_TIME)),
        }
    }

    async fn head(&self, file: &FileName) -> Result<Option<ObjectHead>, Fault> {
        let path = path_of(file)?;
        let head = async {
            match self.vendor.client().head(&path).await {
                Ok(found) => Ok(Some(ObjectHead { bytes: ByteCount(found.size), tag: found.e_tag })),
                Err(error) if Refusal::of(&error).is_some_and(fault::is_missing) => Ok(None),
                Err(error) => Err(error),
            }
        };
        self.request(&format!("look at {file}"), ANSWER_TIME, head).await
    }

    async fn read(
        self: &Arc<Self>,
        file: &FileName,
        options: GetOptions,
    ) -> Result<BoxStream<'static, Result<Bytes, Fault>>, Fault> {
        let path = path_of(file)?;
        let doing = format!("read {file}");
        let get = self.vendor.client().get_opts(&path, options);
        let chunks = self.request(&doing, ANSWER_TIME, get).await?.into_stream();
        let chunks = stream::try_unfold((chunks, Arc::clone(self)), move |(mut chunks, session)| {
            let doing = doing.clone();
            async move {
                match tokio::time::timeout(ANSWER_TIME, chunks.next()).await {
                    Ok(Some(Ok(chunk))) => Ok(Some((chunk, (chunks, session)))),
                    Ok(Some(Err(error))) => Err(session.place.fault(&doing, error)),
                    Ok(None) => Ok(None),
                    Err(_) => Err(session.place.timeout(&doing, ANSWER_TIME)),
                }
            }
        });
        Ok(chunks.boxed())
    }

    /// Writes an object with one request.
    async fn put(&self, file: &FileName, attributes: &FileAttributes, bytes: Bytes) -> Result<(), Fault> {
        let path = path_of(file)?;
        let options = PutOptions { attributes: attributes_of(attributes), ..Default::default() };
        let limit = transfer_time(bytes.len() as u64);
        let put = self.vendor.client().put_opts(&path, PutPayload::from_bytes(bytes), options);
        self.request(&format!("write {file}"), limit, put).await.map(drop)
    }

    /// Removes an upload; one that is gone already is fine.
    async fn abort(&self, file: &FileName, id: &str) -> Result<(), Fault> {
        let (path, id) = (path_of(file)?, id.to_owned());
        let abort = self.vendor.client().abort_multipart(&path, &id);
        match self.request(&format!("abort the upload of {file}"), ANSWER_TIME, abort).await {
            Err(fault) if fault.kind() == FaultKind::NotFound => Ok(()),
            result => result,
        }
    }
}

impl fmt::Display for ObjectDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.session.place.fmt(f)
    }
}

#[async_trait]
impl Destination for ObjectDestination {
    fn limits(&self) -> DestinationLimits {
        let file_bytes_max = self.pieces.file_bytes_max();
        DestinationLimits { file_bytes_max, resumable: true, manifests: true }
    }

    async fn check(&self, file: &FileName, report: &mut (dyn FnMut(CheckStep) + Send)) -> Result<(), Fault> {
        probe::probe(&self.session, file, report).await?;
        let parts = Parts { to: &self.in_small_pieces(), bytes: PIECE_BYTES_MIN };
        check::write_and_remove(self, Some(parts), file, report).await
    }

    async fn head(&self, file: &FileName) -> Result<Option<ObjectHead>, Fault> {
        self.session.head(file).await
    }

    async fn read(&self, file: &FileName) -> Result<BoxStream<'static, Result<Bytes, Fault>>, Fault> {
        self.session.read(file, GetOptions::default()).await
    }

    async fn read_range(
        &self,
        file: &FileName,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, Fault>>, Fault> {
        self.session.read(file, GetOptions { range: Some(range.into()), ..GetOptions::default() }).await
    }

    async fn link(&self, file: &FileName, valid: Duration) -> Result<Option<String>, Fault> {
        // Credentials that read need not be able to sign; what they cannot do is no failure.
        Ok(self.session.vendor.sign(&path_of(file)?, valid).await.ok())
    }

    async fn open(
        &self,
        file: &FileName,
        attributes: &FileAttributes,
        resume: Option<&UploadState>,
    ) -> Result<Box<dyn FileWriter>, Fault> {
        let (path, session) = (path_of(file)?, &self.session);
        refuse_unsendable(attributes)?;
        let upload = match resume {
            Some(state) => {
                let upload = self.recall(state)?;
                if upload.file != *file {
                    return Err(state::foreign(&format!("it is an upload of {}", upload.file)));
                }
                let tags: Vec<String> = upload.tags.lines().map(str::to_owned).collect();
                let found = session.vendor.look_up(&path, &upload.id, &tags);
                session.request(&format!("continue the upload of {file}"), ANSWER_TIME, found).await?;
                upload
            }
            None => {
                let begun = session.vendor.begin(&path, attributes);
                let id = session.request(&format!("write {file}"), ANSWER_TIME, begun).await?;
                let (root, pieces) = (session.place.root.clone(), self.pieces);
                Upload { root, file: file.clone(), id, pieces, bytes: 0, tags: String::new() }
            }
        };
        Ok(Box::new(ObjectWriter::new(Arc::clone(session), path, attributes.clone(), upload)))
    }

    async fn discard(&self, upload: &UploadState) -> Result<(), Fault> {
        let upload = self.recall(upload)?;
        self.session.abort(&upload.file, &upload.id).await
    }

    async fn discard_unrecorded(&self, file: &FileName, recorded: Option<&UploadState>) -> Result<Unrecorded, Fault> {
        let recorded = recorded.map(|state| self.recall(state)).transpose()?.map(|upload| upload.id);
        let path = path_of(file)?;
        let listed = self.session.vendor.uploads(&path);
        let doing = format!("list uploads of {file}");
        let Some(ids) = self.session.request(&doing, ANSWER_TIME, listed).await? else {
            return Ok(Unrecorded::NotListed);
        };
        let others: Vec<String> = ids.into_iter().filter(|id| Some(id) != recorded.as_ref()).collect();
        for id in &others {
            self.session.abort(file, id).await?;
        }
        Ok(Unrecorded::Discarded(others.len()))
    }

    async fn remove(&self, file: &FileName) -> Result<bool, Fault> {
        let path = path_of(file)?;
        let delete = self.session.vendor.client().delete(&path);
        match self.session.request(&format!("remove {file}"), ANSWER_TIME, delete).await {
            Err(fault) if fault.kind() == FaultKind::NotFound => Ok(true),
            result => result.map(|()| true),
        }
    }

    async fn publish(&self, manifest: &Published, name: &FileName) -> Result<(), Fault> {
        publish::verify_files(self, manifest).await?;
        let attributes = FileAttributes { content_type: "application/json".to_owned(), content_disposition: None };
        self.session.put(name, &attributes, manifest.text.clone()).await
    }
}

/// The key of a file. It is taken literally; a file name has no segment that a key cannot have.
fn path_of(file: &FileName) -> Result<Path, Fault> {
    Path::parse(file.as_str()).map_err(|error| {
        Fault::bad_request(format!("cannot use {:?} as the key of an object", file.as_str())).because(error)
    })
}

/// Attributes travel as headers, which hold visible ASCII only.
fn refuse_unsendable(attributes: &FileAttributes) -> Result<(), Fault> {
    let texts = [Some(&attributes.content_type), attributes.content_disposition.as_ref()];
    match texts.into_iter().flatten().find(|text| text.chars().any(|c| c != ' ' && !c.is_ascii_graphic())) {
        Some(text) => Err(Fault::bad_request(format!("cannot send {text:?} as an attribute of a file"))
            .hint("encode other characters as RFC 6266 says: filename*=UTF-8''…")),
        None => Ok(()),
    }
}

/// How long sending `bytes` may take.
fn transfer_time(bytes: u64) -> Duration {
    ANSWER_TIME + Duration::from_secs(bytes / SLOWEST_BYTES_PER_SECOND)
}

#[cfg(test)]
mod tests;
