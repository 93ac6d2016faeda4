//! What object stores promise, against scripted answers: faults, retries by number, and bounds.
//!
//! The common promises run against real servers in the integration tests.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use model::{CheckState, Fields, KindDescriptor, RawOptions, Retry};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};

use super::*;
use crate::address::Address;
use crate::egress::Egress;
use crate::{Connection, Kind};

/// Status, headers and body of a scripted answer.
struct Answer(u16, &'static [(&'static str, &'static str)], String);

type Script = dyn Fn(&str, &str) -> Answer + Send + Sync;

/// A server that answers each method and path by a script, and notes what it was asked.
#[derive(Clone)]
struct Scripted {
    script: Arc<Script>,
    asked: Arc<Mutex<Vec<String>>>,
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Scripted {
    fn new(script: impl Fn(&str, &str) -> Answer + Send + Sync + 'static) -> Self {
        Self { script: Arc::new(script), asked: Arc::default(), now: Arc::default(), most: Arc::default() }
    }

    fn asked(&self, method_and_part: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|request| request.contains(method_and_part)).count()
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("scripted")
    }
}

#[async_trait]
impl HttpService for Scripted {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (method, uri) = (request.method().to_string(), request.uri().to_string());
        self.asked.lock().unwrap().push(format!("{method} {uri}"));
        self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        self.now.fetch_sub(1, Ordering::SeqCst);
        let Answer(status, headers, body) = (self.script)(&method, &uri);
        let mut response = HttpResponse::new(body.into());
        *response.status_mut() = status.try_into().unwrap();
        for (name, value) in headers {
            response.headers_mut().insert(*name, value.parse().unwrap());
        }
        Ok(response)
    }
}

impl HttpConnector for Scripted {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

type ConnectThrough = fn(&Egress, &Address, &mut Fields<'_>) -> Connection;

fn connect_kind(
    kind: &Kind,
    connect_through: ConnectThrough,
    server: &Scripted,
    text: &str,
    environment: &[(&str, &str)],
) -> Arc<dyn Destination> {
    let environment: BTreeMap<String, String> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let address = Address::parse(text).unwrap();
    let descriptor: KindDescriptor = (kind.describe)();
    let lookup = |name: &str| environment.get(name).cloned();
    let mut fields = Fields::new(&descriptor, &address.query, &RawOptions::default(), &lookup);
    connect_through(&Egress::through(server.clone()), &address, &mut fields).unwrap().to
}

fn s3(server: &Scripted) -> Arc<dyn Destination> {
    let keys = [("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "hunter2")];
    connect_kind(&S3, s3::connect_through, server, "s3://bucket/x?piece_bytes=5MiB", &keys)
}

fn ok(body: &str) -> Answer {
    Answer(200, &[("etag", "\"tag\""), ("content-length", "0")], body.to_owned())
}

const BEGUN: &str = "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>id-1</UploadId>\
                     </InitiateMultipartUploadResult>";

fn name() -> FileName {
    FileName::new("a.csv").unwrap()
}

fn attributes() -> FileAttributes {
    FileAttributes { content_type: "text/csv".to_owned(), content_disposition: None }
}

fn error(status: u16, headers: &'static [(&'static str, &'static str)], code: &str) -> Answer {
    Answer(status, headers, format!("<Error><Code>{code}</Code><Message>no, hunter2</Message></Error>"))
}

#[tokio::test]
async fn refusals_become_the_faults_that_decide_what_happens_next() {
    let cases: &[(u16, &str, FaultKind)] = &[
        (403, "AccessDenied", FaultKind::Credentials),
        (403, "SignatureDoesNotMatch", FaultKind::Credentials),
        (401, "", FaultKind::Credentials),
        (404, "NoSuchBucket", FaultKind::Configuration),
        (404, "ContainerNotFound", FaultKind::Configuration),
        (404, "NoSuchUpload", FaultKind::NotFound),
        (301, "PermanentRedirect", FaultKind::Configuration),
        (400, "AuthorizationHeaderMalformed", FaultKind::Configuration),
        (409, "OperationAborted", FaultKind::Conflict),
        (412, "PreconditionFailed", FaultKind::Conflict),
        (413, "", FaultKind::TooLarge { limit: None }),
        (400, "EntityTooLarge", FaultKind::TooLarge { limit: None }),
        (429, "", FaultKind::Throttled),
        (503, "SlowDown", FaultKind::Throttled),
        (500, "InternalError", FaultKind::Unavailable),
        (502, "", FaultKind::Unavailable),
        (400, "RequestTimeout", FaultKind::Timeout),
        (504, "", FaultKind::Timeout),
        (400, "BadDigest", FaultKind::Unavailable),
        (400, "InvalidArgument", FaultKind::Rejected),
    ];
    for (status, code, kind) in cases {
        let server = Scripted::new(move |_, _| error(*status, &[], code));
        let fault = s3(&server).open(&name(), &attributes(), None).await.err().unwrap();
        assert_eq!(fault.kind(), *kind, "{status} {code}: {fault}");
        assert!(fault.public_message().contains(code), "{fault}");
        assert!(fault.public_message().contains("s3://bucket"), "{fault}");
        assert!(!fault.public_message().contains("hunter2"), "{fault}");
        assert_eq!(server.asked("POST"), 1, "{status} {code} was repeated");
    }
}

/// A network in which nobody is reached, and why.
#[derive(Clone, Debug)]
struct Nowhere(HttpErrorKind, fn() -> io::Error);

#[async_trait]
impl HttpService for Nowhere {
    async fn call(&self, _: HttpRequest) -> Result<HttpResponse, HttpError> {
        Err(HttpError::new(self.0, (self.1)()))
    }
}

impl HttpConnector for Nowhere {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

fn nowhere(kind: &Kind, connect_through: ConnectThrough, text: &str, why: Nowhere) -> Arc<dyn Destination> {
    let address = Address::parse(text).unwrap();
    let descriptor: KindDescriptor = (kind.describe)();
    let mut fields = Fields::new(&descriptor, &address.query, &RawOptions::default(), &|_| None);
    connect_through(&Egress::through(why), &address, &mut fields).unwrap().to
}

#[tokio::test]
async fn a_host_that_cannot_be_reached_is_named_with_the_options_that_say_where_it_is() {
    let cases: [(&Kind, ConnectThrough, &str, &str, &str); 3] = [
        (
            &S3,
            s3::connect_through,
            "s3://b/x?region=eu-nowhere-1&access_key_id=a&secret_access_key=b",
            "region and endpoint",
            "b.s3.eu-nowhere-1.amazonaws.com",
        ),
        (
            &AZURE,
            azure::connect_through,
            "az://c/x?account=nobodys&account_key=a2V5",
            "account and endpoint",
            "nobodys.blob.core.windows.net",
        ),
        (
            &GCS,
            gcs::connect_through,
            "gs://b/x?endpoint=https://nowhere.example&anonymous=true",
            "endpoint",
            "nowhere.example",
        ),
    ];
    for (kind, connect_through, text, options, host) in cases {
        let head = |why| {
            let destination = nowhere(kind, connect_through, text, Nowhere(why, || io::Error::other("hunter2")));
            async move { destination.head(&name()).await.unwrap_err() }
        };
        let fault = head(HttpErrorKind::Connect).await;
        assert_eq!((fault.kind(), fault.retry()), (FaultKind::Unavailable, Retry::Backoff), "{fault}");
        let hint =
            format!("check {options} and this machine's network, if this lasts: no connection to {host:?} can be made");
        assert_eq!(fault.public_hint(), Some(hint.as_str()));
        // Where somebody was reached, the address is right.
        assert_eq!(head(HttpErrorKind::Interrupted).await.public_hint(), None);
    }
}

#[tokio::test]
async fn the_options_of_a_place_are_not_blamed_for_a_host_that_gives_credentials() {
    let text = "az://c/x?account=nobodys&tenant_id=t&client_id=i&client_secret=hunter2";
    let why = Nowhere(HttpErrorKind::Connect, || io::Error::other("refused"));
    let fault = nowhere(&AZURE, azure::connect_through, text, why).head(&name()).await.unwrap_err();
    let hint =
        "check this machine's network, if this lasts: no connection to \"login.microsoftonline.com\" can be made";
    assert_eq!((fault.kind(), fault.public_hint()), (FaultKind::Unavailable, Some(hint)), "{fault}");
}

#[tokio::test]
async fn a_certificate_that_is_not_accepted_is_named() {
    let why = Nowhere(HttpErrorKind::Connect, || {
        let expired = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        io::Error::other(io::Error::new(io::ErrorKind::InvalidData, expired))
    });
    let text = "gs://b/x?endpoint=https://old.example&anonymous=true";
    let fault = nowhere(&GCS, gcs::connect_through, text, why).head(&name()).await.unwrap_err();
    assert_eq!((fault.kind(), fault.retry()), (FaultKind::Unavailable, Retry::Backoff), "{fault}");
    assert!(fault.public_message().ends_with("the certificate of the server has expired"), "{fault}");
    assert!(fault.public_hint().is_some_and(|hint| hint.contains("\"old.example\"")), "{fault:?}");
}

#[tokio::test]
async fn the_receivers_wait_is_obeyed() {
    let server = Scripted::new(|_, _| error(503, &[("retry-after", "7")], "SlowDown"));
    let fault = s3(&server).open(&name(), &attributes(), None).await.err().unwrap();
    assert_eq!(fault.retry(), Retry::After(Duration::from_secs(7)));
}

#[tokio::test]
async fn a_failure_inside_a_confirmation_is_a_failure() {
    let server = Scripted::new(|method, uri| match method {
        "POST" if uri.contains("uploads") => ok(BEGUN),
        "POST" => error(200, &[], "InternalError"),
        _ => ok(""),
    });
    let mut writer = s3(&server).open(&name(), &attributes(), None).await.unwrap();
    writer.write(Bytes::from_static(b"x")).await.unwrap();
    let fault = writer.commit().await.err().unwrap();
    assert_eq!(fault.kind(), FaultKind::Unavailable, "{fault}");
}

#[tokio::test]
async fn a_piece_that_failed_is_sent_again_under_its_number_by_the_next_write() {
    let failures = AtomicUsize::new(1);
    let server = Scripted::new(move |method, uri| match method {
        "POST" if uri.contains("uploads") => ok(BEGUN),
        "PUT" if uri.contains("partNumber=2&") && failures.swap(0, Ordering::SeqCst) == 1 => {
            error(503, &[], "SlowDown")
        }
        _ => ok(""),
    });
    let mut writer = s3(&server).open(&name(), &attributes(), None).await.unwrap();

    let mut fault = writer.write(Bytes::from(vec![7; 15 << 20])).await.err();
    while fault.is_none() {
        fault = writer.write(Bytes::new()).await.err();
        tokio::task::yield_now().await;
    }
    assert_eq!(fault.unwrap().kind(), FaultKind::Throttled);
    let mut durable = writer.write(Bytes::new()).await.unwrap();
    while durable.bytes < ByteCount::mebibytes(15) {
        tokio::task::yield_now().await;
        durable = writer.write(Bytes::new()).await.unwrap();
    }

    assert_eq!(server.asked("partNumber=1&"), 1);
    assert_eq!(server.asked("partNumber=2&"), 2);
    assert_eq!(server.asked("partNumber=3&"), 1);
}

#[tokio::test]
async fn durable_ends_at_the_first_gap() {
    let server = Scripted::new(|method, uri| match method {
        "POST" => ok(BEGUN),
        "PUT" if uri.contains("partNumber=2&") => error(500, &[], "InternalError"),
        _ => ok(""),
    });
    let mut writer = s3(&server).open(&name(), &attributes(), None).await.unwrap();
    drop(writer.write(Bytes::from(vec![7; 20 << 20])).await);
    for _ in 0..200 {
        drop(writer.write(Bytes::new()).await);
        tokio::task::yield_now().await;
    }
    assert_eq!(server.asked("partNumber=4&"), 1);
    assert_eq!(writer.upload().0["upload"]["bytes"], 5 << 20);
}

#[tokio::test]
async fn few_pieces_are_under_way_at_a_time() {
    let server = Scripted::new(|method, _| if method == "POST" { ok(BEGUN) } else { ok("") });
    let mut writer = s3(&server).open(&name(), &attributes(), None).await.unwrap();
    for _ in 0..4 {
        writer.write(Bytes::from(vec![7; 25 << 20])).await.unwrap();
    }
    assert_eq!(server.most.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn the_upload_is_known_before_the_first_byte_and_holds_no_secret() {
    let server = Scripted::new(|_, _| ok(BEGUN));
    let writer = s3(&server).open(&name(), &attributes(), None).await.unwrap();
    let state = writer.upload().0;
    assert_eq!(state["upload"]["id"], "id-1");
    assert_eq!(server.asked("PUT"), 0);
    assert!(!state.to_string().contains("hunter2"));
}

#[tokio::test]
async fn an_upload_of_another_bucket_is_refused() {
    let server = Scripted::new(|_, _| ok(BEGUN));
    let mut state = s3(&server).open(&name(), &attributes(), None).await.unwrap().upload();
    state.0["upload"]["root"] = "elsewhere".into();
    let fault = s3(&server).open(&name(), &attributes(), Some(&state)).await.err().unwrap();
    assert!(fault.public_message().contains("s3://elsewhere"), "{fault}");
}

#[tokio::test]
async fn attributes_that_no_header_can_carry_are_refused_before_anything_is_sent() {
    let server = Scripted::new(|_, _| ok(BEGUN));
    let attributes = FileAttributes {
        content_type: "text/csv".to_owned(),
        content_disposition: Some("attachment; filename=\"ä.csv\"".to_owned()),
    };
    let fault = s3(&server).open(&name(), &attributes, None).await.err().unwrap();
    assert_eq!(fault.kind(), FaultKind::BadRequest);
    assert_eq!(server.asked(""), 0);
}

#[tokio::test]
async fn encryption_with_a_key_is_asked_for_when_the_upload_begins() {
    let keys = [("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "hunter2")];
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let server = Scripted::new(|_, _| ok(BEGUN));
    let spy = Spy { inner: server.clone(), seen: Arc::clone(&seen) };
    let address = Address::parse("s3://bucket/x?sse=aws:kms&kms_key_id=key-1&bucket_key=true").unwrap();
    let lookup = |name: &str| keys.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let descriptor = (S3.describe)();
    let mut fields = Fields::new(&descriptor, &address.query, &RawOptions::default(), &lookup);
    let destination = s3::connect_through(&Egress::through(spy), &address, &mut fields).unwrap().to;

    destination.open(&name(), &attributes(), None).await.unwrap();

    let headers = seen.lock().unwrap().join("\n");
    for header in [
        "x-amz-server-side-encryption: aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id: key-1",
        "x-amz-server-side-encryption-bucket-key-enabled: true",
        "content-type: text/csv",
    ] {
        assert!(headers.contains(header), "{header} in {headers}");
    }
}

/// Notes the headers of every request.
#[derive(Clone, Debug)]
struct Spy {
    inner: Scripted,
    seen: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl HttpService for Spy {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let headers = request.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or("")));
        self.seen.lock().unwrap().extend(headers);
        self.inner.call(request).await
    }
}

impl HttpConnector for Spy {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[tokio::test]
async fn azure_says_what_a_blob_is_when_its_blocks_are_committed() {
    let server = Scripted::new(|method, _| match method {
        "HEAD" => Answer(
            200,
            &[("etag", "\"t\""), ("content-length", "3"), ("last-modified", "Mon, 02 Jan 2023 00:00:00 GMT")],
            String::new(),
        ),
        _ => Answer(201, &[("etag", "\"t\"")], String::new()),
    });
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let spy = Spy { inner: server.clone(), seen: Arc::clone(&seen) };
    let address = Address::parse("az://container/x?account=acc&account_key=a2V5").unwrap();
    let descriptor = (AZURE.describe)();
    let mut fields = Fields::new(&descriptor, &address.query, &RawOptions::default(), &|_| None);
    let destination = azure::connect_through(&Egress::through(spy), &address, &mut fields).unwrap().to;

    let mut writer = destination.open(&name(), &attributes(), None).await.unwrap();
    writer.write(Bytes::from_static(b"abc")).await.unwrap();
    let head = writer.commit().await.unwrap();

    assert_eq!(head, ObjectHead { bytes: ByteCount(3), tag: Some("\"t\"".to_owned()) });
    assert_eq!(server.asked("PUT https://acc.blob.core.windows.net/container/a.csv?comp=blocklist"), 1);
    assert!(seen.lock().unwrap().iter().any(|header| header == "x-ms-blob-content-type: text/csv"));
}

#[tokio::test]
async fn a_machine_without_a_role_has_no_credentials() {
    let server = Scripted::new(|_, _| Answer(404, &[], String::new()));
    let destination = connect_kind(&S3, s3::connect_through, &server, "s3://bucket/x", &[]);
    let fault = destination.open(&name(), &attributes(), None).await.err().unwrap();
    assert_eq!(fault.kind(), FaultKind::Credentials, "{fault}");
    assert!(fault.public_message().starts_with("there are no credentials for s3://bucket"), "{fault}");
    assert_eq!(server.asked("bucket"), 0, "nothing was sent to the bucket");
}

#[tokio::test]
async fn a_store_that_takes_small_files_alone_fails_the_step_of_a_check_that_tries_parts() {
    let server = Scripted::new(|method, uri| match method {
        "POST" if uri.contains("delete") => ok("<DeleteResult><Deleted><Key>a.csv</Key></Deleted></DeleteResult>"),
        "POST" if uri.contains("uploads") => ok(BEGUN),
        "POST" => ok("<CompleteMultipartUploadResult><ETag>t</ETag></CompleteMultipartUploadResult>"),
        "PUT" if uri.contains("partNumber=2&") => error(403, &[], "PartsDenied"),
        "HEAD" => Answer(
            200,
            &[("etag", "\"t\""), ("content-length", "47"), ("last-modified", "Mon, 02 Jan 2023 00:00:00 GMT")],
            String::new(),
        ),
        "GET" => error(404, &[], "NoSuchKey"),
        _ => ok(""),
    });
    let mut steps = Vec::new();
    let fault = s3(&server).check(&name(), &mut |step| steps.push(step)).await.err().unwrap();
    assert!(fault.public_message().contains("PartsDenied"), "{fault}");
    let failed = |step: &&CheckStep| matches!(&step.state, CheckState::Failed(said) if said.contains("PartsDenied"));
    let failed: Vec<_> = steps.iter().filter(failed).map(|step| step.name).collect();
    assert_eq!((failed, steps.last()), (vec!["multipart"], Some(&CheckStep::ended("delete", &Ok(())))), "{steps:?}");
    assert_eq!(server.asked("DELETE"), 1, "the upload in parts is given up");
}
