//! Google Cloud Storage's XML interface, against a server that speaks the form it shares with S3.
//!
//! Google's own emulators have no XML interface. Credentials are not checked here.

use destinations::conformance::{self, Ability};
use model::FaultKind;

use super::{connect, refused, try_write};
use crate::servers::moto::Moto;

#[tokio::test]
async fn gcs_keeps_every_promise_and_leaves_no_upload() {
    let Some(server) = Moto::start() else { return eprintln!("left out: needs the stack of `cargo xtask test`") };
    server.create_bucket("bucket");
    let destination = connect("gs://bucket/out/", &server.gcs_environment());

    conformance::run(&*destination, &Ability::large()).await;

    assert_eq!(server.uploads_left("bucket"), 0);
    try_write(&*destination, "described.csv").await.unwrap();
    assert!(server.headers("bucket", "described.csv").contains("content-type: text/csv"));
}

#[tokio::test]
async fn a_missing_bucket_is_named() {
    let Some(server) = Moto::start() else { return eprintln!("left out: needs the stack of `cargo xtask test`") };
    let (fault, shown) = refused(&*connect("gs://no-such-bucket", &server.gcs_environment())).await;
    assert_eq!(fault.kind(), FaultKind::Configuration, "{shown}");
    assert!(shown.contains("there is no bucket gs://no-such-bucket"), "{shown}");
}
