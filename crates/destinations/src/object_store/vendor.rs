//! What the stores differ in, behind one contract: how they are reached, authenticate and complete.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use model::{FileAttributes, Secret};
use object_store::client::{HttpClient, HttpResponse};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{Attribute, Attributes, ObjectStore, PutMultipartOptions, RetryConfig};
use url::Url;

/// A bucket or container, as messages name it.
#[derive(Debug)]
pub(super) struct Place {
    /// The scheme: `s3`.
    pub(super) scheme: &'static str,
    /// Name of the bucket or container.
    pub(super) root: String,
    /// What the vendor calls it: `bucket`.
    pub(super) root_noun: &'static str,
    /// Whether credentials come from the machine the process runs on.
    pub(super) asks_machine: bool,
    /// The host that has it. Credentials may come from others.
    pub(super) host: String,
    /// The options that say where it is: `region and endpoint`.
    pub(super) address: &'static str,
    /// What to do about missing or wrong credentials.
    pub(super) credentials_hint: &'static str,
    /// What no message may repeat.
    pub(super) secrets: Vec<Secret>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.root)
    }
}

/// Whole objects, and uploads in parts, whose ids and tags are kept by us.
pub(super) trait Client: ObjectStore + MultipartStore {}

impl<C: ObjectStore + MultipartStore> Client for C {}

/// A connected store. Its clients are built without retries of their own.
#[async_trait]
pub(super) trait Vendor: Send + Sync {
    /// The client.
    fn client(&self) -> &dyn Client;

    /// The address of the bucket, the container, or the server that has them.
    fn url(&self) -> &Url;

    /// The client for requests of our own.
    fn http(&self) -> &HttpClient;

    /// Gets credentials, from memory where they are still good.
    fn authenticate(&self) -> BoxFuture<'_, object_store::Result<()>>;

    /// A link to an object that anybody can follow for `valid`.
    async fn sign(&self, path: &Path, valid: Duration) -> object_store::Result<String>;

    /// Starts an upload; its id.
    async fn begin(&self, path: &Path, attributes: &FileAttributes) -> object_store::Result<String> {
        let options = PutMultipartOptions { attributes: attributes_of(attributes), ..Default::default() };
        self.client().create_multipart_opts(path, options).await
    }

    /// Asks after an upload; an error where it no longer takes parts.
    async fn look_up(&self, path: &Path, id: &str, tags: &[String]) -> object_store::Result<()>;

    /// Ids of the uploads of a key that take parts, none where parts belong to no upload; `None` where they are not
    /// listed, or not to us.
    async fn uploads(&self, path: &Path) -> object_store::Result<Option<Vec<String>>>;

    /// Makes the object of the parts visible.
    async fn complete(
        &self,
        path: &Path,
        id: &str,
        tags: &[String],
        _attributes: &FileAttributes,
    ) -> object_store::Result<()> {
        let parts = tags.iter().map(|tag| PartId { content_id: tag.clone() }).collect();
        self.client().complete_multipart(path, &id.to_owned(), parts).await.map(drop)
    }
}

/// The attributes that an object is created with.
pub(super) fn attributes_of(attributes: &FileAttributes) -> Attributes {
    let mut set = Attributes::new();
    if !attributes.content_type.is_empty() {
        set.insert(Attribute::ContentType, attributes.content_type.clone().into());
    }
    if let Some(disposition) = &attributes.content_disposition {
        set.insert(Attribute::ContentDisposition, disposition.clone().into());
    }
    set
}

/// No retries: waiting is the pipeline's, so that a cancelled run ends any wait.
pub(super) fn without_retries() -> RetryConfig {
    RetryConfig { max_retries: 0, ..Default::default() }
}

/// `path` below `base` as a URL, each segment percent-encoded strictly, as request signatures need it.
pub(super) fn url_of(base: &str, path: &Path) -> String {
    let mut url = base.trim_end_matches('/').to_owned();
    for segment in path.as_ref().split('/') {
        url.push('/');
        for byte in segment.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                url.push(char::from(byte));
            } else {
                url.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    url
}

/// The host of a URL; empty where it is none.
pub(super) fn host_of(base: &str) -> String {
    let url = Url::parse(base).ok();
    url.as_ref().and_then(Url::host_str).unwrap_or_default().to_owned()
}

/// The query that lists the last of the parts `tags`, in the protocol that S3 and Google share.
pub(super) fn list_parts(id: &str, tags: &[String]) -> [(&'static str, String); 3] {
    let before_last = tags.len().saturating_sub(1);
    [("max-parts", "1".to_owned()), ("part-number-marker", before_last.to_string()), ("uploadId", id.to_owned())]
}

/// Fails unless the answer to [`list_parts`] holds the last part: not every server says of an upload
/// that has ended that it does not exist.
pub(super) async fn expect_last_part(answer: HttpResponse, path: &Path, tags: &[String]) -> object_store::Result<()> {
    let text = answer.into_body().bytes().await;
    let text =
        text.map_err(|error| object_store::Error::Generic { store: "list of parts", source: Box::new(error) })?;
    let last = format!("<PartNumber>{}</PartNumber>", tags.len());
    if tags.is_empty() || String::from_utf8_lossy(&text).contains(&last) {
        return Ok(());
    }
    let source = "the parts of the upload are no longer there".into();
    Err(object_store::Error::NotFound { path: path.to_string(), source })
}
