//! Azure Blob Storage, against Azure's own emulator.

use destinations::conformance::{self, Ability};
use model::FaultKind;

use super::{connect, refused, replaced};
use crate::servers::azurite::{Azurite, KEY};

#[tokio::test]
async fn azure_keeps_every_promise_but_forgetting_at_once() {
    let Some(server) = Azurite::start() else { return eprintln!("left out: needs the stack of `cargo xtask test`") };
    server.create_container("container");
    let destination = connect("az://container/out/", &server.environment());
    let ability = Ability { forgets_at_once: false, ..Ability::large() };
    conformance::run(&*destination, &ability).await;
}

#[tokio::test]
async fn a_wrong_key_is_a_credentials_fault_and_a_missing_container_is_named() {
    let Some(server) = Azurite::start() else { return eprintln!("left out: needs the stack of `cargo xtask test`") };
    server.create_container("container");

    let wrong = KEY.replace('E', "F");
    let environment = replaced(server.environment(), "AZURE_STORAGE_ACCOUNT_KEY", &wrong);
    let (fault, shown) = refused(&*connect("az://container", &environment)).await;
    assert_eq!(fault.kind(), FaultKind::Credentials, "{shown}");
    assert!(!shown.contains(&wrong), "{shown}");

    let (fault, shown) = refused(&*connect("az://no-such-container", &server.environment())).await;
    assert_eq!(fault.kind(), FaultKind::Configuration, "{shown}");
    assert!(shown.contains("there is no container az://no-such-container"), "{shown}");
}
