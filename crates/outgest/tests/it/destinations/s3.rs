//! S3: against a server that checks signatures, and one that lists uploads.

use destinations::conformance::{self, Ability};
use model::{FaultKind, Retry};

use super::{connect, refused, replaced, try_write};
use crate::servers::moto::Moto;
use crate::servers::s3::{S3Server, SECRET};

#[tokio::test]
async fn s3_keeps_every_promise() {
    let server = S3Server::start();
    server.create_bucket("bucket");
    let destination = connect("s3://bucket/out/", &server.environment());
    conformance::run(&*destination, &Ability::large()).await;
}

#[tokio::test]
async fn s3_keeps_every_promise_on_another_server_and_leaves_no_upload() {
    let Some(server) = Moto::start() else { return eprintln!("left out: needs the stack of `cargo xtask test`") };
    server.create_bucket("bucket");
    let destination = connect("s3://bucket/out/", &server.s3_environment());

    conformance::run(&*destination, &Ability::large()).await;

    assert_eq!(server.uploads_left("bucket"), 0);
    try_write(&*destination, "described.csv").await.unwrap();
    let headers = server.headers("bucket", "described.csv");
    assert!(headers.contains("content-type: text/csv"), "{headers}");
    assert!(headers.contains("content-disposition: attachment; filename=\"a.csv\""), "{headers}");
}

#[tokio::test]
async fn a_wrong_secret_is_a_credentials_fault_that_does_not_repeat_it() {
    let server = S3Server::start();
    server.create_bucket("bucket");
    let environment = replaced(server.environment(), "AWS_SECRET_ACCESS_KEY", "wrong-hunter3");

    let (fault, shown) = refused(&*connect("s3://bucket", &environment)).await;

    assert_eq!(fault.kind(), FaultKind::Credentials);
    assert_eq!(fault.retry(), Retry::Never);
    assert!(shown.contains("SignatureDoesNotMatch") && shown.contains("s3://bucket"), "{shown}");
    assert!(!shown.contains("hunter3") && !shown.contains(SECRET), "{shown}");
}

#[tokio::test]
async fn a_missing_bucket_is_named() {
    let Some(server) = Moto::start() else { return eprintln!("left out: needs the stack of `cargo xtask test`") };
    let (fault, shown) = refused(&*connect("s3://no-such-bucket", &server.s3_environment())).await;
    assert_eq!(fault.kind(), FaultKind::Configuration, "{shown}");
    assert!(shown.contains("there is no bucket s3://no-such-bucket"), "{shown}");
}

#[tokio::test]
async fn a_server_that_is_not_there_may_come_back() {
    let server = S3Server::start();
    let environment = server.environment();
    drop(server);
    let (fault, shown) = refused(&*connect("s3://bucket", &environment)).await;
    assert_eq!(fault.kind(), FaultKind::Unavailable);
    assert_eq!(fault.retry(), Retry::Backoff);
    assert!(shown.contains("the server cannot be reached"), "{shown}");
}
