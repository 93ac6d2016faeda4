//! Azure Blob Storage.
//!
//! A file is a block blob: pieces are blocks without an upload id, and the list of blocks commits them.
//! Blocks that are never committed cannot be removed; Azure forgets them after a week. The vendor's
//! client cannot set a content type on a list of blocks, so that one request is made here.

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use model::{Fault, FaultKind, Fields, FileAttributes, KindDescriptor, Secret};
use object_store::HeaderValue;
use object_store::azure::{AzureAuthorizer, MicrosoftAzure, MicrosoftAzureBuilder};
use object_store::client::{HttpClient, HttpConnector, HttpRequest, HttpRequestBody, HttpResponse};
use object_store::path::Path;
use object_store::signer::Signer;
use schemars::JsonSchema;
use url::Url;

use super::vendor::{Client, Place, Vendor, host_of, url_of, without_retries};
use super::{ObjectDestination, options};
use crate::address::Address;
use crate::egress::Egress;
use crate::fields::DestinationFields;
use crate::{Connection, Kind};

const SCHEME: &str = "az";
const HINT: &str = "set account_key, or AZURE_STORAGE_ACCOUNT_KEY, or a connection string, or run where an identity is \
                    attached; it needs the role Storage Blob Data Contributor";
/// For users of a server, who have neither its environment nor its identity.
const USERS_HINT: &str = "give account_key, sas_token or connection_string, or tenant_id, client_id and client_secret \
                          of an application";

pub(crate) const KIND: Kind = Kind { describe, connect: connect_through, remote: true };

/// Options of an Azure Blob Storage container.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "the schema is what is used: fields are read by the names in it")]
struct AzureOptions {
    /// Name of the storage account. Else `AZURE_STORAGE_ACCOUNT_NAME` or `AZURE_STORAGE_ACCOUNT`.
    account: Option<String>,
    /// Key of the storage account. Else `AZURE_STORAGE_ACCOUNT_KEY` or `AZURE_STORAGE_KEY`.
    account_key: Option<Secret>,
    /// Shared access signature with the rights to read, create, write and delete. Else
    /// `AZURE_STORAGE_SAS_TOKEN`.
    sas_token: Option<Secret>,
    /// Connection string as Azure's portal shows it; it stands for account, key or signature, and
    /// endpoint. Else `AZURE_STORAGE_CONNECTION_STRING`.
    connection_string: Option<Secret>,
    /// Address of another server with the same interface, with the account in its path where the server
    /// wants it there: `http://127.0.0.1:10000/devstoreaccount1`. Else `AZURE_STORAGE_ENDPOINT`.
    endpoint: Option<String>,
    /// Whether an endpoint beyond this machine may be plain `http`.
    allow_http: bool,
    /// Directory of an application. Else `AZURE_TENANT_ID`.
    tenant_id: Option<String>,
    /// Id of an application, or of a user-assigned identity. Else `AZURE_CLIENT_ID`. With
    /// `AZURE_FEDERATED_TOKEN_FILE` the workload identity of the pod is used.
    client_id: Option<String>,
    /// Secret of an application. Else `AZURE_CLIENT_SECRET`.
    client_secret: Option<Secret>,
    /// Size of the first pieces of a file, 5 MiB to 4000 MiB, such as `16MiB`. Default 8 MiB.
    piece_bytes: Option<String>,
    /// Whether all pieces but the last are of that size. The largest file is then 10,000 pieces.
    equal_pieces: bool,
}

fn describe() -> KindDescriptor {
    KindDescriptor {
        name: "azure",
        title: "Azure Blob Storage",
        doc: "Uploads files to a container: az://container/path?account=name. A file becomes visible when it is \
              complete. Without a key the identity of the machine or pod is used. Pieces of exports that are killed \
              and never resumed are invisible; Azure removes them after a week.",
        schemes: &[SCHEME],
        options: schemars::schema_for!(AzureOptions).to_value(),
        secrets: &["account_key", "client_secret", "connection_string", "sas_token"],
    }
}

/// Who asks, as the options, the connection string or the environment say.
#[derive(Default)]
struct Identity {
    account: Option<String>,
    account_key: Option<Secret>,
    sas_token: Option<Secret>,
    endpoint: Option<Url>,
    tenant_id: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    federated_token_file: Option<String>,
}

impl Identity {
    fn read(fields: &mut Fields<'_>) -> Self {
        let allow_http = fields.flag_or("allow_http", &[]);
        let connection = fields.secret_or("connection_string", &["AZURE_STORAGE_CONNECTION_STRING"]);
        let part = |name: &str| {
            let parts = connection.as_ref()?.reveal().split(';').filter_map(|part| part.split_once('='));
            parts
                .filter(|(key, _)| key.trim().eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim().to_owned())
                .next()
        };
        let account = fields.text("account").or_else(|| part("AccountName"));
        let account =
            account.or_else(|| fields.text_or("account", &["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"]));
        let account_key = fields.secret_or("account_key", &[]).or_else(|| part("AccountKey").map(Secret::new));
        let sas_token = fields.secret_or("sas_token", &[]).or_else(|| part("SharedAccessSignature").map(Secret::new));
        let is_given = account_key.is_some() || sas_token.is_some();
        let (account_key, sas_token) = if is_given {
            (account_key, sas_token)
        } else {
            let key = fields.secret_or("account_key", &["AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_KEY"]);
            (key, fields.secret_or("sas_token", &["AZURE_STORAGE_SAS_TOKEN"]))
        };
        let endpoint = match (fields.endpoint("endpoint", &[], allow_http), part("BlobEndpoint")) {
            (Some(endpoint), _) => Some(endpoint),
            (None, Some(text)) => Url::parse(&text).ok(),
            (None, None) => fields.endpoint("endpoint", &["AZURE_STORAGE_ENDPOINT"], allow_http),
        };
        if let Some(key) = &account_key
            && BASE64_STANDARD.decode(key.reveal()).is_err()
        {
            fields.problem("account_key", "it is not an account's key", "copy it from the account's access keys");
        }
        Self {
            account,
            account_key,
            sas_token,
            endpoint,
            tenant_id: fields.text_or("tenant_id", &["AZURE_TENANT_ID"]),
            client_id: fields.text_or("client_id", &["AZURE_CLIENT_ID"]),
            client_secret: fields.secret_or("client_secret", &["AZURE_CLIENT_SECRET"]),
            federated_token_file: fields.variable("AZURE_FEDERATED_TOKEN_FILE"),
        }
    }

    /// Whether the client asks the machine who it is. It does so as well where an application is named in part.
    fn asks_machine(&self) -> bool {
        let has_key = self.account_key.is_some() || self.sas_token.is_some();
        let has_token = self.client_secret.is_some() || self.federated_token_file.is_some();
        let has_application = has_token && self.client_id.is_some() && self.tenant_id.is_some();
        !has_key && !has_application
    }

    fn apply(&self, mut builder: MicrosoftAzureBuilder) -> object_store::Result<MicrosoftAzureBuilder> {
        if let Some(key) = &self.account_key {
            builder = builder.with_access_key(key.reveal());
        } else if let Some(sas) = &self.sas_token {
            builder = builder.with_sas_authorization(object_store::azure::split_sas(sas.reveal())?);
        }
        if let Some(tenant) = &self.tenant_id {
            builder = builder.with_tenant_id(tenant);
        }
        if let Some(client) = &self.client_id {
            builder = builder.with_client_id(client);
        }
        if let Some(secret) = &self.client_secret {
            builder = builder.with_client_secret(secret.reveal());
        }
        if let Some(file) = &self.federated_token_file {
            builder = builder.with_federated_token_file(file);
        }
        Ok(builder)
    }
}

/// Connects with clients of `egress`.
pub(super) fn connect_through(egress: &Egress, address: &Address, fields: &mut Fields<'_>) -> Connection {
    let container = options::root(fields, address, "container");
    let identity = Identity::read(fields);
    let pieces = options::piece_sizes(fields);
    if identity.account.is_none() {
        fields.problem("account", "the storage account is not named", "add ?account=name to the address");
    }
    let (authority, msi) = (fields.variable("AZURE_AUTHORITY_HOST"), fields.variable("IDENTITY_ENDPOINT"));
    fields.check()?;

    let account = identity.account.clone().unwrap_or_default();
    let base = match &identity.endpoint {
        Some(url) => url.as_str().trim_end_matches('/').to_owned(),
        None => format!("https://{account}.blob.core.windows.net"),
    };
    let place = Place {
        scheme: SCHEME,
        root: container,
        root_noun: "container",
        asks_machine: identity.asks_machine(),
        host: host_of(&base),
        address: "account and endpoint",
        credentials_hint: HINT,
        secrets: [&identity.account_key, &identity.sas_token, &identity.client_secret]
            .into_iter()
            .flatten()
            .cloned()
            .collect(),
    };
    // The identity of the machine is the server's.
    if egress.is_for_users() && place.asks_machine {
        let message = format!("there are no credentials for {place}");
        return Err(Fault::new(FaultKind::Credentials, message).hint(USERS_HINT));
    }
    let client_options = Egress::options(base.starts_with("http:"));
    let mut builder = MicrosoftAzureBuilder::new()
        .with_account(&account)
        .with_container_name(&place.root)
        .with_endpoint(base.clone())
        .with_retry(without_retries())
        .with_client_options(client_options.clone())
        .with_http_connector(egress.clone());
    if let Some(authority) = authority {
        builder = builder.with_authority_host(authority);
    }
    if let Some(endpoint) = msi {
        builder = builder.with_msi_endpoint(endpoint);
    }
    let built = identity.apply(builder).and_then(|builder| Ok((builder.build()?, egress.connect(&client_options)?)));
    let (store, http) = built.map_err(|error| {
        let message = format!("cannot set up {place}: the credentials are not of the right form");
        Fault::new(FaultKind::Credentials, message).hint(HINT).because(error)
    })?;
    let url = url_of(&base, &Path::from(place.root.as_str()));
    let url = Url::parse(&url).map_err(|error| {
        Fault::new(FaultKind::Configuration, format!("cannot set up {place}: account and endpoint make no address"))
            .because(error)
    })?;
    let azure = Azure { store, http, account, url };
    Ok(ObjectDestination::connect(place, pieces, Box::new(azure), &address.path))
}

struct Azure {
    store: MicrosoftAzure,
    http: HttpClient,
    account: String,
    /// Of the container.
    url: Url,
}

impl Azure {
    /// Sends a request of our own about a blob, authorised like the client's.
    async fn send(
        &self,
        method: &str,
        path: &Path,
        query: &str,
        attributes: &FileAttributes,
        body: String,
    ) -> object_store::Result<HttpResponse> {
        let credential = self.store.credentials().get_credential().await?;
        let length = body.len();
        let mut request = HttpRequest::new(HttpRequestBody::from(body));
        *request.method_mut() = method.parse().expect("methods are given as literals");
        let url = format!("{}?{query}", url_of(self.url.as_str(), path));
        *request.uri_mut() = url.parse().expect("an encoded path and query make a URI");
        let headers = request.headers_mut();
        headers.insert("content-length", HeaderValue::from(length));
        let described = [
            ("x-ms-blob-content-type", Some(&attributes.content_type).filter(|text| !text.is_empty())),
            ("x-ms-blob-content-disposition", attributes.content_disposition.as_ref()),
        ];
        for (name, value) in described {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
                headers.insert(name, value);
            }
        }
        AzureAuthorizer::new(&credential, &self.account).try_authorize(&mut request)?;
        let sent = self.http.execute(request).await;
        sent.map_err(|error| object_store::Error::Generic { store: "Azure", source: Box::new(error) })
    }
}

#[async_trait]
impl Vendor for Azure {
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

    /// Blocks have no upload to start: what the blob is called is said when they are committed.
    async fn begin(&self, _: &Path, _: &FileAttributes) -> object_store::Result<String> {
        Ok(String::new())
    }

    /// Asks for the uncommitted blocks; the upload goes on where all of ours are among them.
    async fn look_up(&self, path: &Path, _: &str, tags: &[String]) -> object_store::Result<()> {
        if tags.is_empty() {
            return Ok(());
        }
        let query = "comp=blocklist&blocklisttype=uncommitted";
        let answer = self.send("GET", path, query, &FileAttributes::default(), String::new()).await?;
        let text = answer.into_body().bytes().await;
        let text = text.map_err(|error| object_store::Error::Generic { store: "Azure", source: Box::new(error) })?;
        let text = String::from_utf8_lossy(&text);
        match tags.iter().find(|tag| !text.contains(&block_id(tag))) {
            None => Ok(()),
            Some(_) => {
                let source = "a block of the upload is no longer there".into();
                Err(object_store::Error::NotFound { path: path.to_string(), source })
            }
        }
    }

    /// Blocks belong to their blob: what a list does not name goes when it is committed, else after a week.
    async fn uploads(&self, _: &Path) -> object_store::Result<Option<Vec<String>>> {
        Ok(Some(Vec::new()))
    }

    async fn complete(
        &self,
        path: &Path,
        _: &str,
        tags: &[String],
        attributes: &FileAttributes,
    ) -> object_store::Result<()> {
        let mut list = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
        for tag in tags {
            list.push_str(&format!("<Uncommitted>{}</Uncommitted>", block_id(tag)));
        }
        list.push_str("</BlockList>");
        self.send("PUT", path, "comp=blocklist", attributes, list).await.map(drop)
    }
}

/// The id of a block as it travels: the client makes ids of letters and digits and sends them in Base64.
fn block_id(tag: &str) -> String {
    BASE64_STANDARD.encode(tag)
}
