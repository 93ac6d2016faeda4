//! The file system's S3 with the one call that it lacks: the list of uploads.

use std::path::PathBuf;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};
use s3s_fs::FileSystem;

/// Passes calls on to the file system, and lists uploads.
pub(super) struct Listing {
    inner: FileSystem,
    folder: PathBuf,
}

/// Hands calls on as they are.
macro_rules! passed_on {
    ($($call:ident: $input:ident => $output:ident),* $(,)?) => {
        #[async_trait]
        impl S3 for Listing {
            $(
                async fn $call(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                    self.inner.$call(request).await
                }
            )*

            /// All uploads whose key begins with the prefix, in the order of their keys.
            async fn list_multipart_uploads(
                &self,
                request: S3Request<ListMultipartUploadsInput>,
            ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
                let ListMultipartUploadsInput { bucket, prefix, .. } = request.input;
                let mut uploads = uploads(&self.folder, &bucket);
                uploads.retain(|(key, _)| key.starts_with(prefix.as_deref().unwrap_or_default()));
                let upload = |(key, id)| MultipartUpload { key: Some(key), upload_id: Some(id), ..Default::default() };
                let uploads = uploads.into_iter().map(upload).collect();
                let output = ListMultipartUploadsOutput {
                    bucket: Some(bucket),
                    is_truncated: Some(false),
                    uploads: Some(uploads),
                    ..Default::default()
                };
                Ok(S3Response::new(output))
            }
        }
    };
}

passed_on! {
    put_object: PutObjectInput => PutObjectOutput,
    get_object: GetObjectInput => GetObjectOutput,
    head_object: HeadObjectInput => HeadObjectOutput,
    delete_object: DeleteObjectInput => DeleteObjectOutput,
    delete_objects: DeleteObjectsInput => DeleteObjectsOutput,
    create_multipart_upload: CreateMultipartUploadInput => CreateMultipartUploadOutput,
    upload_part: UploadPartInput => UploadPartOutput,
    list_parts: ListPartsInput => ListPartsOutput,
    complete_multipart_upload: CompleteMultipartUploadInput => CompleteMultipartUploadOutput,
    abort_multipart_upload: AbortMultipartUploadInput => AbortMultipartUploadOutput,
}

impl Listing {
    /// The buckets in this folder.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { inner: FileSystem::new(&folder).unwrap(), folder }
    }
}

/// Key and id of the uploads under way in a bucket, sorted: the file system keeps a file for each upload, and one
/// with its attributes, whose name holds bucket and key.
pub(super) fn uploads(folder: &std::path::Path, bucket: &str) -> Vec<(String, String)> {
    let start = format!(".bucket-{}.object-", BASE64_URL_SAFE_NO_PAD.encode(bucket));
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut found: Vec<_> = names
        .filter_map(|name| {
            let name = name.strip_prefix(&start)?.strip_suffix(".metadata.json")?;
            let (key, id) = name.split_once(".upload-")?;
            let key = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(key).ok()?).ok()?;
            folder.join(format!(".upload-{id}.json")).exists().then(|| (key, id.to_owned()))
        })
        .collect();
    found.sort();
    found
}
