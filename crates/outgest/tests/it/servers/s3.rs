//! An S3 server inside the test process: checks signatures, keeps buckets as directories.

mod listing;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::Body;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::{Environment, free_address};
use listing::Listing;

/// Id of the key that the server accepts.
const KEY_ID: &str = "TESTKEY";
/// Its secret.
pub const SECRET: &str = "test-secret-hunter2";

/// Refuses one kind of request, as a bucket whose policy lacks a right, and tells what has become of
/// uploads, of which the server itself only says that it does not know them.
struct Guard {
    refused: &'static str,
    /// Pause before every piece that is taken, which makes uploads slow.
    pause: Duration,
    folder: PathBuf,
}

#[async_trait]
impl S3Access for Guard {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> s3s::S3Result<()> {
        // Who has no valid key is refused before this is asked.
        let right = context.s3_op().name();
        if right == self.refused {
            return Err(s3s::s3_error!(AccessDenied, "the policy of the bucket does not allow {right}"));
        }
        if right == "UploadPart" {
            tokio::time::sleep(self.pause).await;
        }
        let query = context.uri().query().unwrap_or_default();
        let upload = query.split('&').find_map(|pair| pair.strip_prefix("uploadId="));
        match upload {
            Some(id) if !self.folder.join(format!(".upload-{id}.json")).exists() => {
                Err(s3s::s3_error!(NoSuchUpload, "the upload has ended"))
            }
            _ => Ok(()),
        }
    }
}

/// A running server. It lives on a thread of its own, so that a test need not be asynchronous.
pub struct S3Server {
    folder: TempDir,
    address: SocketAddr,
    refused: &'static str,
    pause: Duration,
    running: Option<Running>,
}

/// The thread of a server, and how it is told to end.
struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl S3Server {
    /// Starts a server without buckets.
    pub fn start() -> Self {
        Self::start_without("")
    }

    /// Starts a server that allows every request but this kind.
    pub fn start_without(right: &'static str) -> Self {
        Self::start_as(right, Duration::ZERO)
    }

    /// Starts a server that waits before it takes a piece of a file.
    pub fn start_slow(pause: Duration) -> Self {
        Self::start_as("", pause)
    }

    fn start_as(refused: &'static str, pause: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Self { folder, address: free_address(), refused, pause, running: None };
        server.run();
        server
    }

    fn run(&mut self) {
        let mut service = S3ServiceBuilder::new(Listing::new(self.folder.path().to_owned()));
        service.set_auth(SimpleAuth::from_single(KEY_ID, SECRET));
        let folder = self.folder.path().to_owned();
        service.set_access(Guard { refused: self.refused, pause: self.pause, folder });
        let service = service.build();

        let listener = std::net::TcpListener::bind(self.address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (stop, mut stopped) = oneshot::channel();
        let serve = async move {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let socket = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap().0,
                    _ = &mut stopped => break,
                };
                let service = service.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let service = service.clone();
                    // What a client asked for is carried out even if the client is killed meanwhile, as by
                    // any server of the kind; this one would leave it half done.
                    let answer = tokio::spawn(async move { service.call(request.map(Body::from)).await });
                    async move {
                        match answer.await {
                            Ok(answer) => answer,
                            // The server has ended, and nobody gets an answer any more.
                            Err(error) if error.is_cancelled() => std::future::pending().await,
                            Err(error) => panic!("{error}"),
                        }
                    }
                });
                tokio::spawn(async move {
                    // A connection that its client cuts off is a part of the tests.
                    drop(Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await);
                });
            }
        };
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            runtime.unwrap().block_on(serve);
        });
        self.running = Some(Running { stop, thread });
    }

    fn end(&mut self) {
        if let Some(Running { stop, thread }) = self.running.take() {
            // Both fail only where the server has ended already.
            drop((stop.send(()), thread.join()));
        }
    }

    /// Ends at once, amid whatever it was asked for, and begins again after a while at the same address with what
    /// it kept.
    pub fn restart(&mut self, away: Duration) {
        self.end();
        std::thread::sleep(away);
        self.run();
    }

    /// Key and id of the uploads of a bucket that were neither completed nor aborted, as it lists them.
    pub fn uploads(&self, bucket: &str) -> Vec<(String, String)> {
        listing::uploads(self.folder.path(), bucket)
    }

    /// Keys of the objects in a bucket, sorted.
    pub fn objects(&self, bucket: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path().join(bucket)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        // What it was writing when it was ended is no object.
        let mut objects: Vec<_> = names.filter(|name| !name.starts_with(".tmp.")).collect();
        objects.sort();
        objects
    }

    /// Creates a bucket.
    pub fn create_bucket(&self, bucket: &str) {
        std::fs::create_dir(self.folder.path().join(bucket)).unwrap();
    }

    /// Names of the objects in a bucket, and of everything else that the server keeps of uploads.
    pub fn files(&self, bucket: &str) -> Vec<String> {
        let names = |folder: &std::path::Path| -> Vec<String> {
            let entries = std::fs::read_dir(folder).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        };
        let mut files = names(&self.folder.path().join(bucket));
        files.extend(names(self.folder.path()).into_iter().filter(|name| name != bucket));
        files.sort();
        files
    }

    /// The bytes of every object of a bucket, by key.
    pub fn contents(&self, bucket: &str) -> BTreeMap<String, Vec<u8>> {
        let root = self.folder.path().join(bucket);
        let (mut objects, mut folders) = (BTreeMap::new(), vec![root.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let key = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                    objects.insert(key, std::fs::read(&path).unwrap());
                }
            }
        }
        objects
    }

    /// Names of objects and of unfinished uploads, without what the server notes for itself.
    pub fn kept(&self, bucket: &str) -> Vec<String> {
        self.files(bucket)
            .into_iter()
            .filter(|name| !name.starts_with(".bucket-") && !name.starts_with(".tmp."))
            .collect()
    }

    /// The server's address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What an integration needs to write into a bucket: its options and its secrets.
    pub fn integration(&self, bucket: &str) -> (Value, Value) {
        let options = json!({
            "bucket": bucket, "endpoint": self.url(), "region": "us-east-1", "access_key_id": KEY_ID, "allow_http": "true",
        });
        (options, json!({"secret_access_key": SECRET}))
    }

    /// What a destination needs to write here.
    pub fn environment(&self) -> Environment {
        vec![
            ("AWS_ACCESS_KEY_ID", KEY_ID.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_ENDPOINT_URL", self.url()),
        ]
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.end();
    }
}
