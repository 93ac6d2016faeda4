//! Google Cloud Storage, over its XML API.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use model::{Fault, FaultKind, Fields, KindDescriptor, Secret};
use object_store::client::{HttpClient, HttpConnector, HttpRequest, HttpRequestBody, HttpResponse};
use object_store::gcp::{GcpCredential, GoogleCloudStorage, GoogleCloudStorageBuilder};
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{HeaderValue, StaticCredentialProvider};
use schemars::JsonSchema;
use url::Url;

use super::uploads::Query;
use super::vendor::{Client, Place, Vendor, expect_last_part, host_of, list_parts, url_of, without_retries};
use super::{ObjectDestination, options, uploads};
use crate::address::Address;
use crate::egress::Egress;
use crate::fields::DestinationFields;
use crate::{Connection, Kind};

const SCHEME: &str = "gs";
const ENDPOINT: &str = "https://storage.googleapis.com";
const HINT: &str = "set service_account to the path of a key file, or GOOGLE_APPLICATION_CREDENTIALS, or run where a \
                    service account is attached; it needs the role Storage Object User";

pub(crate) const KIND: Kind = Kind { describe, connect: connect_through, remote: true };

/// Options of a Google Cloud Storage bucket.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "the schema is what is used: fields are read by the names in it")]
struct GcsOptions {
    /// Path of a service account's key file. Else `GOOGLE_SERVICE_ACCOUNT` or
    /// `GOOGLE_SERVICE_ACCOUNT_PATH`.
    service_account: Option<String>,
    /// The key file's content itself. Else `GOOGLE_SERVICE_ACCOUNT_KEY`.
    service_account_key: Option<Secret>,
    /// Path of application default credentials. Else `GOOGLE_APPLICATION_CREDENTIALS`, else those of
    /// `gcloud auth application-default login`, else the service account of the machine or pod.
    application_credentials: Option<String>,
    /// Address of another server with the same interface. Else `STORAGE_EMULATOR_HOST`, which also turns
    /// credentials off.
    endpoint: Option<String>,
    /// Whether an endpoint beyond this machine may be plain `http`.
    allow_http: bool,
    /// Whether requests carry no credentials, for emulators.
    anonymous: bool,
    /// Size of the first pieces of a file, 5 MiB to 4000 MiB, such as `16MiB`. Default 8 MiB.
    piece_bytes: Option<String>,
    /// Whether all pieces but the last are of that size. The largest file is then 10,000 pieces.
    equal_pieces: bool,
}

fn describe() -> KindDescriptor {
    KindDescriptor {
        name: "gcs",
        title: "Google Cloud Storage",
        doc: "Uploads files to a bucket: gs://bucket/path. A file becomes visible when it is complete. Without a key \
              file the service account of the machine or pod is used. Set a lifecycle rule that removes incomplete \
              uploads, for exports that are killed and never resumed.",
        schemes: &[SCHEME],
        options: schemars::schema_for!(GcsOptions).to_value(),
        secrets: &["service_account_key"],
    }
}

/// Connects with clients of `egress`.
pub(super) fn connect_through(egress: &Egress, address: &Address, fields: &mut Fields<'_>) -> Connection {
    let bucket = options::root(fields, address, "bucket");
    let allow_http = fields.flag_or("allow_http", &[]);
    let is_emulator = fields.variable("STORAGE_EMULATOR_HOST").is_some();
    let endpoint = fields.endpoint("endpoint", &["STORAGE_EMULATOR_HOST"], allow_http);
    let anonymous = fields.flag_or("anonymous", &[]) || is_emulator;
    let pieces = options::piece_sizes(fields);
    let key = fields.secret_or("service_account_key", &["GOOGLE_SERVICE_ACCOUNT_KEY"]);
    let key_file = fields.text_or("service_account", &["GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH"]);
    let application = fields.text_or("application_credentials", &["GOOGLE_APPLICATION_CREDENTIALS"]);
    if key.is_some() && key_file.is_some() {
        fields.problem("service_account_key", "it is given beside service_account", "give one of them");
    }
    if egress.is_for_users() {
        for (name, file) in [("service_account", &key_file), ("application_credentials", &application)] {
            if file.is_some() {
                fields.problem(name, "files of the server cannot be named here", "give service_account_key instead");
            }
        }
    }
    fields.check()?;

    let base = endpoint.as_ref().map_or(ENDPOINT, |url| url.as_str().trim_end_matches('/')).to_owned();
    let place = Place {
        scheme: SCHEME,
        root: bucket,
        root_noun: "bucket",
        asks_machine: key.is_none() && key_file.is_none() && application.is_none(),
        host: host_of(&base),
        address: "endpoint",
        credentials_hint: HINT,
        secrets: key.iter().cloned().collect(),
    };
    // Without a key the client looks for one in the home directory, which is the server's.
    if egress.is_for_users() && key.is_none() && !anonymous {
        return Err(Fault::new(FaultKind::Credentials, format!("there are no credentials for {place}"))
            .hint("give service_account_key, the content of a key file"));
    }
    let client_options = Egress::options(base.starts_with("http:"));
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(&place.root)
        .with_base_url(&base)
        .with_retry(without_retries())
        .with_client_options(client_options.clone())
        .with_http_connector(egress.clone());
    if anonymous {
        // The client always sends a token, and some servers stumble over an empty one.
        let nobody = GcpCredential { bearer: "anonymous".to_owned() };
        builder = builder.with_credentials(Arc::new(StaticCredentialProvider::new(nobody)));
    } else if let Some(key) = &key {
        builder = builder.with_service_account_key(key.reveal());
    } else if let Some(path) = &key_file {
        builder = builder.with_service_account_path(path);
    } else if let Some(path) = &application {
        builder = builder.with_application_credentials(path);
    }
    // With bucket and endpoint checked, what can still be wrong is the key.
    let store = builder.build().map_err(|error| {
        let which = match (key_file.or(application), key) {
            (Some(path), _) => format!("the key file {path} cannot be used"),
            (None, Some(_)) => "service_account_key is not a service account's key".to_owned(),
            (None, None) => "the application default credentials cannot be used".to_owned(),
        };
        Fault::new(FaultKind::Credentials, format!("cannot set up {place}: {which}")).hint(HINT).because(error)
    })?;
    let http = egress
        .connect(&client_options)
        .map_err(|error| Fault::new(FaultKind::Configuration, format!("cannot set up {place}")).because(error))?;
    let url = Url::parse(&url_of(&base, &Path::from(place.root.as_str())))
        .map_err(|error| Fault::new(FaultKind::Configuration, format!("cannot set up {place}")).because(error))?;
    Ok(ObjectDestination::connect(place, pieces, Box::new(Gcs { store, http, url }), &address.path))
}

struct Gcs {
    store: GoogleCloudStorage,
    http: HttpClient,
    /// Of the bucket.
    url: Url,
}

#[async_trait]
impl Vendor for Gcs {
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
        let answer = self.get(url_of(self.url.as_str(), path), list_parts(id, tags).into()).await?;
        expect_last_part(answer, path, tags).await
    }

    async fn uploads(&self, path: &Path) -> object_store::Result<Option<Vec<String>>> {
        uploads::of_key(path, |query| self.get(self.url.to_string(), query).boxed()).await
    }
}

impl Gcs {
    /// Asks about an object, or about the bucket, what the client has no method for.
    async fn get(&self, url: String, query: Query) -> object_store::Result<HttpResponse> {
        let credential = self.store.credentials().get_credential().await?;
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.uri_mut() = format!("{url}?{query}").parse().expect("an encoded path and query make a URI");
        if let Ok(bearer) = HeaderValue::from_str(&format!("Bearer {}", credential.bearer)) {
            request.headers_mut().insert("authorization", bearer);
        }
        let sent = self.http.execute(request).await;
        sent.map_err(|error| object_store::Error::Generic { store: "GCS", source: Box::new(error) })
    }
}
