//! Amazon S3 and what speaks its protocol: Cloudflare R2, MinIO, Garage, Ceph, Backblaze B2, …

use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use model::{Fault, FaultKind, Fields, KindDescriptor, Secret};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::{HttpClient, HttpConnector, HttpRequest, HttpRequestBody, HttpResponse};
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer};
use schemars::JsonSchema;
use url::Url;

use super::uploads::Query;
use super::vendor::{Client, Place, Vendor, expect_last_part, list_parts, without_retries};
use super::{ObjectDestination, options, uploads};
use crate::address::Address;
use crate::egress::Egress;
use crate::fields::DestinationFields;
use crate::{Connection, Kind};

const SCHEME: &str = "s3";
/// Validity of a request that is signed in its URL; it is sent at once, clocks may differ by minutes.
const SIGNED_FOR: Duration = Duration::from_secs(300);
const HINT: &str = "set access_key_id and secret_access_key, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
                    or run where a role is attached; the key needs s3:PutObject, s3:GetObject and \
                    s3:AbortMultipartUpload";
/// The address of the bucket itself.
static BUCKET: Path = Path::ROOT;

pub(crate) const KIND: Kind = Kind { describe, connect: connect_through, remote: true };

/// Options of an S3 bucket.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "the schema is what is used: fields are read by the names in it")]
struct S3Options {
    /// Region of the bucket, such as `eu-central-1`; `auto` for Cloudflare R2. Else `AWS_REGION` or
    /// `AWS_DEFAULT_REGION`, else `us-east-1`.
    region: Option<String>,
    /// Address of a compatible server, such as `https://minio.example.com:9000`. Else
    /// `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`, else Amazon's.
    endpoint: Option<String>,
    /// Id of an access key. Else `AWS_ACCESS_KEY_ID`; without one, the role of the machine, container or
    /// pod is used.
    access_key_id: Option<String>,
    /// Secret of the access key. Else `AWS_SECRET_ACCESS_KEY`.
    secret_access_key: Option<Secret>,
    /// Token of temporary credentials. Else `AWS_SESSION_TOKEN`.
    session_token: Option<Secret>,
    /// Whether an endpoint beyond this machine may be plain `http`. Else `AWS_ALLOW_HTTP`.
    allow_http: bool,
    /// Whether the bucket is a part of the host name, which is how Amazon's own endpoints are used.
    /// Servers behind `endpoint` get it in the path unless this is set.
    virtual_hosted: bool,
    /// Server-side encryption: `AES256`, `aws:kms` or `aws:kms:dsse`. Else the bucket's default.
    sse: Option<String>,
    /// Key for `aws:kms` and `aws:kms:dsse`: id, ARN or alias.
    kms_key_id: Option<String>,
    /// Whether the bucket's own key is used with `aws:kms`, which costs fewer requests to KMS.
    bucket_key: bool,
    /// Size of the first pieces of a file, 5 MiB to 4000 MiB, such as `16MiB`. Default 8 MiB.
    piece_bytes: Option<String>,
    /// Whether all pieces but the last are of that size, as Cloudflare R2 wants it. The largest file is
    /// then 10,000 pieces.
    equal_pieces: bool,
}

fn describe() -> KindDescriptor {
    KindDescriptor {
        name: SCHEME,
        title: "Amazon S3 and compatible",
        doc: "Uploads files to a bucket: s3://bucket/path?region=eu-central-1. A file becomes visible when it is \
              complete. Without keys the role of the machine, container or pod is used. Set a lifecycle rule that \
              removes incomplete uploads, for exports that are killed and never resumed.",
        schemes: &[SCHEME],
        options: schemars::schema_for!(S3Options).to_value(),
        secrets: &["secret_access_key", "session_token"],
    }
}

/// Connects with clients of `egress`.
pub(super) fn connect_through(egress: &Egress, address: &Address, fields: &mut Fields<'_>) -> Connection {
    let bucket = options::root(fields, address, "bucket");
    let region = fields.text_or("region", &["AWS_REGION", "AWS_DEFAULT_REGION"]);
    let allow_http = fields.flag_or("allow_http", &["AWS_ALLOW_HTTP"]);
    let endpoint = fields.endpoint("endpoint", &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"], allow_http);
    let virtual_hosted = fields.flag_or("virtual_hosted", &[]);
    let pieces = options::piece_sizes(fields);

    let region = region.unwrap_or_else(|| "us-east-1".to_owned());
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&bucket)
        .with_region(&region)
        .with_retry(without_retries())
        .with_http_connector(egress.clone());
    let (url, is_hosted) = match endpoint {
        Some(url) => {
            let (url, is_hosted) = with_bucket(url, &bucket, virtual_hosted);
            builder = builder
                .with_client_options(Egress::options(url.scheme() == "http"))
                .with_endpoint(url.as_str().trim_end_matches('/'));
            (Some(url), is_hosted)
        }
        None => {
            builder = builder.with_client_options(Egress::options(false));
            // A dot in the bucket's name would not match the certificate of the host that it is a part of.
            let hosted = amazon(&region).map(|url| with_bucket(url, &bucket, !bucket.contains('.')));
            if hosted.is_none() {
                fields.problem("region", format!("{region:?} is no region"), "write one such as eu-central-1");
            }
            hosted.map_or((None, false), |(url, is_hosted)| (Some(url), is_hosted))
        }
    };
    builder = builder.with_virtual_hosted_style_request(is_hosted);
    builder = encrypted(builder, fields);
    let (builder, credentials) = with_credentials(builder, fields);
    fields.check()?;

    let url = url.expect("its problem was reported");
    let place = Place {
        scheme: SCHEME,
        root: bucket,
        root_noun: "bucket",
        asks_machine: matches!(credentials, Credentials::Machine),
        host: url.host_str().unwrap_or_default().to_owned(),
        address: "region and endpoint",
        credentials_hint: HINT,
        secrets: match credentials {
            Credentials::Keys(secrets) => secrets,
            Credentials::Role | Credentials::Machine => Vec::new(),
            Credentials::None => {
                let message = format!("there are no credentials for s3://{}", address.root);
                return Err(Fault::new(FaultKind::Credentials, message).hint(HINT));
            }
        },
    };
    let built = builder.build().and_then(|store| Ok((store, egress.connect(&Egress::options(true))?)));
    let (store, http) =
        built.map_err(|error| Fault::new(FaultKind::Configuration, format!("cannot set up {place}")).because(error))?;
    Ok(ObjectDestination::connect(place, pieces, Box::new(S3 { store, http, url }), &address.path))
}

/// Amazon's own endpoint in a region; `None` where that makes no address.
fn amazon(region: &str) -> Option<Url> {
    Url::parse(&format!("https://s3.{region}.amazonaws.com")).ok().filter(|url| url.path() == "/")
}

/// The address of an endpoint, and whether the bucket is a part of its host.
fn with_bucket(mut url: Url, bucket: &str, virtual_hosted: bool) -> (Url, bool) {
    let host = url.host_str().unwrap_or_default().to_owned();
    // A host that cannot have a bucket in front of it is an IP address: those take the bucket in the path.
    let is_hosted = virtual_hosted && url.set_host(Some(&format!("{bucket}.{host}"))).is_ok();
    (url, is_hosted)
}

fn encrypted(builder: AmazonS3Builder, fields: &mut Fields<'_>) -> AmazonS3Builder {
    let sse = fields.text("sse");
    let key = fields.text("kms_key_id");
    let bucket_key = fields.flag_or("bucket_key", &[]);
    let builder = match (sse.as_deref(), key) {
        (None, None) => builder,
        (None, Some(_)) => {
            fields.problem("kms_key_id", "it has no effect without sse", "set sse=aws:kms");
            builder
        }
        (Some("AES256"), None) => set(builder, "aws_server_side_encryption", "AES256"),
        (Some("AES256"), Some(_)) => {
            fields.problem("kms_key_id", "it has no effect with sse=AES256", "set sse=aws:kms, or leave it out");
            builder
        }
        (Some(kms @ ("aws:kms" | "aws:kms:dsse")), key) => {
            let builder = set(builder, "aws_server_side_encryption", kms);
            match key {
                Some(key) => set(builder, "aws_sse_kms_key_id", key),
                None => builder,
            }
        }
        (Some(_), _) => {
            fields.problem("sse", "it is not a kind of encryption", "use AES256, aws:kms or aws:kms:dsse");
            builder
        }
    };
    if bucket_key { builder.with_bucket_key(true) } else { builder }
}

enum Credentials {
    /// Static keys: what must not be shown of them.
    Keys(Vec<Secret>),
    /// A role that the environment describes.
    Role,
    /// Whatever the machine's own service hands out.
    Machine,
    None,
}

/// Keys from the options come first, then keys from the environment, then roles. Key and secret come
/// from the same place, so that half an override is found out.
fn with_credentials(builder: AmazonS3Builder, fields: &mut Fields<'_>) -> (AmazonS3Builder, Credentials) {
    let (id, secret) = (fields.text("access_key_id"), fields.secret_or("secret_access_key", &[]));
    let token = fields.secret_or("session_token", &[]);
    let from_options = id.is_some() || secret.is_some();
    let (id, secret, token) = if from_options {
        (id, secret, token)
    } else {
        let secret = fields.variable("AWS_SECRET_ACCESS_KEY").map(Secret::new);
        let token = token.or_else(|| fields.variable("AWS_SESSION_TOKEN").map(Secret::new));
        (fields.variable("AWS_ACCESS_KEY_ID"), secret, token)
    };
    match (id, secret) {
        (Some(id), Some(secret)) => {
            let builder = builder.with_access_key_id(id).with_secret_access_key(secret.reveal());
            let builder = match &token {
                Some(token) => builder.with_token(token.reveal()),
                None => builder,
            };
            (builder, Credentials::Keys([secret].into_iter().chain(token).collect()))
        }
        (None, None) => with_role(builder, fields),
        (id, _) => {
            let (present, missing) = match (id.is_some(), from_options) {
                (true, true) => ("access_key_id", "secret_access_key"),
                (false, true) => ("secret_access_key", "access_key_id"),
                (true, false) => ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
                (false, false) => ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
            };
            fields.problem(missing, format!("it is missing beside {present}"), "give both or none");
            (builder, Credentials::Keys(Vec::new()))
        }
    }
}

fn with_role(mut builder: AmazonS3Builder, fields: &Fields<'_>) -> (AmazonS3Builder, Credentials) {
    let both = |one: &str, other: &str| fields.variable(one).is_some() && fields.variable(other).is_some();
    let is_role = both("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN")
        || fields.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").is_some()
        || both("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    for (key, variable) in [
        ("aws_web_identity_token_file", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        ("aws_role_arn", "AWS_ROLE_ARN"),
        ("aws_role_session_name", "AWS_ROLE_SESSION_NAME"),
        ("aws_endpoint_url_sts", "AWS_ENDPOINT_URL_STS"),
        ("aws_container_credentials_relative_uri", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
        ("aws_container_credentials_full_uri", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        ("aws_container_authorization_token_file", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
        ("aws_metadata_endpoint", "AWS_EC2_METADATA_SERVICE_ENDPOINT"),
    ] {
        if let Some(value) = fields.variable(variable) {
            builder = set(builder, key, value);
        }
    }
    let is_disabled = fields.variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value == "true");
    let credentials = match (is_role, is_disabled) {
        (true, _) => Credentials::Role,
        (false, true) => Credentials::None,
        (false, false) => Credentials::Machine,
    };
    (builder, credentials)
}

fn set(builder: AmazonS3Builder, key: &str, value: impl Into<String>) -> AmazonS3Builder {
    let key: AmazonS3ConfigKey = key.parse().expect("only keys that the builder knows are set");
    builder.with_config(key, value)
}

struct S3 {
    store: AmazonS3,
    http: HttpClient,
    /// Of the endpoint.
    url: Url,
}

#[async_trait]
impl Vendor for S3 {
    fn client(&self) -> &dyn Client {
        &self.store
    }

    fn url(&self) -> &Url {
        &self.url
    }

    fn http(&self) -> &HttpClient {
        &self.http
    }

    fn authenticate(&self) -> BoxFuture<'_, object_store::Result<()>> {
        self.store.credentials().get_credential().map(|found| found.map(drop)).boxed()
    }

    async fn sign(&self, path: &Path, valid: Duration) -> object_store::Result<String> {
        let get = "GET".parse().expect("GET is a method");
        self.store.signed_url(get, path, valid).await.map(String::from)
    }

    async fn look_up(&self, path: &Path, id: &str, tags: &[String]) -> object_store::Result<()> {
        let answer = self.get(path, list_parts(id, tags).into()).await?;
        expect_last_part(answer, path, tags).await
    }

    async fn uploads(&self, path: &Path) -> object_store::Result<Option<Vec<String>>> {
        uploads::of_key(path, |query| self.get(&BUCKET, query).boxed()).await
    }
}

impl S3 {
    /// Asks about an object, or about the bucket, what the client has no method for.
    async fn get(&self, path: &Path, query: Query) -> object_store::Result<HttpResponse> {
        let options = SignedUrlOptions::new().with_query(query);
        let get = "GET".parse().expect("GET is a method");
        let url = self.store.signed_url_opts(get, path, SIGNED_FOR, &options).await?;
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.uri_mut() = url.as_str().parse().expect("a signed URL is a URI");
        let sent = self.http.execute(request).await;
        sent.map_err(|error| object_store::Error::Generic { store: "S3", source: Box::new(error) })
    }
}
