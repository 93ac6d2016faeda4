//! Destinations against real servers: the common promises, and what only a server can refuse.

mod azure;
mod gcs;
mod s3;

use std::sync::Arc;

use bytes::Bytes;
use model::{Destination, Fault, FileAttributes, FileName, RawOptions};

use crate::servers::Environment;

/// Connects to `address` with `environment` instead of the process's own.
pub fn connect(address: &str, environment: &Environment) -> Arc<dyn Destination> {
    // A second installation fails, and the first one stands.
    drop(rustls::crypto::ring::default_provider().install_default());
    let lookup = |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    destinations::connect(address, &RawOptions::default(), &lookup).unwrap().to
}

/// The environment with one variable replaced.
fn replaced(environment: Environment, name: &str, value: &str) -> Environment {
    environment.into_iter().map(|(known, kept)| (known, if known == name { value.to_owned() } else { kept })).collect()
}

/// The fault of writing a small file, and everything that people would see of it.
async fn refused(destination: &dyn Destination) -> (Fault, String) {
    let fault = try_write(destination, "refused.csv").await.expect_err("the write is refused");
    let shown = format!("{fault}\n{:?}", fault.public_hint());
    (fault, shown)
}

async fn try_write(destination: &dyn Destination, file: &str) -> Result<(), Fault> {
    let attributes = FileAttributes {
        content_type: "text/csv".to_owned(),
        content_disposition: Some("attachment; filename=\"a.csv\"".to_owned()),
    };
    let mut writer = destination.open(&FileName::new(file)?, &attributes, None).await?;
    writer.write(Bytes::from_static(b"id\n1\n")).await?;
    writer.commit().await.map(drop)
}
