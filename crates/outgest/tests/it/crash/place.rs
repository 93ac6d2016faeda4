//! Where killed exports go, looked at as a reader of that place sees it.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use model::{Destination, Fault, FileName};
use tokio::runtime::Runtime;

use crate::destinations::connect;
use crate::servers::Environment;
use crate::servers::s3::S3Server;
use crate::support::Bench;

/// A place that exports are written to.
pub trait Place {
    /// Its name, for messages.
    fn name(&self) -> &'static str;
    /// Value of `--output` for a file of this name.
    fn output(&self, file: &str) -> String;
    /// What the binary needs to know to write here.
    fn environment(&self) -> Environment;
    /// Bytes of the file that a reader finds; `None` where there is none.
    fn size(&self, file: &str) -> Option<u64>;
    /// What a reader of the file gets.
    fn read(&self, file: &str) -> Vec<u8>;
}

/// The bench's own folder.
pub struct Disk<'a>(pub &'a Bench);

impl Place for Disk<'_> {
    fn name(&self) -> &'static str {
        "disk"
    }

    fn output(&self, file: &str) -> String {
        file.to_owned()
    }

    fn environment(&self) -> Environment {
        Vec::new()
    }

    fn size(&self, file: &str) -> Option<u64> {
        std::fs::metadata(self.0.file(file)).ok().map(|found| found.len())
    }

    fn read(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.0.file(file)).unwrap()
    }
}

/// A bucket of a server that outlives every killed export.
pub struct Bucket {
    server: S3Server,
    runtime: Runtime,
    reader: Arc<dyn Destination>,
}

impl Bucket {
    /// An empty bucket.
    pub fn new() -> Self {
        let server = S3Server::start();
        server.create_bucket("bucket");
        let reader = connect("s3://bucket/", &server.environment());
        Self { server, runtime: Runtime::new().unwrap(), reader }
    }
}

impl Place for Bucket {
    fn name(&self) -> &'static str {
        "S3"
    }

    fn output(&self, file: &str) -> String {
        format!("s3://bucket/{file}")
    }

    fn environment(&self) -> Environment {
        self.server.environment()
    }

    fn size(&self, file: &str) -> Option<u64> {
        let head = self.runtime.block_on(self.reader.head(&FileName::new(file).unwrap()));
        head.unwrap().map(|found| found.bytes.get())
    }

    fn read(&self, file: &str) -> Vec<u8> {
        let read = async {
            let chunks = self.reader.read(&FileName::new(file).unwrap()).await?;
            let chunks: Vec<Bytes> = chunks.try_collect().await?;
            Ok::<_, Fault>(chunks.concat())
        };
        self.runtime.block_on(read).unwrap()
    }
}
