//! Secrets: the one that is stored now is sent, and without one nothing is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use destinations::Guard;
use model::{FaultKind, Integration, IntegrationSettings, Secret, SecretStore};
use store::{NativeStore, Place, SealingKey, SealingKeys, StoreOptions};

use super::super::{GuardedPlaces, Places};
use super::bad_input::{ask, ask_settings, check};
use super::world::{World, project};

/// A store that seals with this key.
async fn open(folder: &Path, key: [u8; 32]) -> NativeStore {
    let keys = SealingKeys { current: SealingKey::new(format!("{}", key[0]), key), older: Vec::new() };
    let options = StoreOptions { sealing: Some(keys), ..StoreOptions::default() };
    NativeStore::open_at(&Place::Directory(folder.to_owned()), options).await.unwrap()
}

/// What one request says of who sends it.
async fn authorization(listener: tokio::net::TcpListener) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        assert!(tokio::io::AsyncReadExt::read_buf(&mut stream, &mut request).await.unwrap() > 0);
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let header = request.lines().find_map(|line| line.strip_prefix("authorization: "));
    header.expect("the request names its sender").to_owned()
}

#[tokio::test]
async fn a_changed_secret_is_what_the_next_attempt_sends() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), [1; 32]).await;
    let id = model::IntegrationId::new("i");
    let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap()]);
    let places = GuardedPlaces { guard, secrets: Arc::new(store.clone()) };
    let stream = model::EventStream {
        project: project(),
        kind: model::EventKind::Observation,
        dialect: model::Dialect::Event,
        historical: false,
    };
    for secret in ["phc_first", "phc_changed"] {
        store.put_secret(&Integration::secret(&id, "api_key"), &Secret::new(secret)).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("http://{}", listener.local_addr().unwrap());
        let options = [("host".to_owned(), host), ("api".to_owned(), "v1".to_owned())];
        let settings =
            IntegrationSettings { kind: "posthog".to_owned(), options: options.into(), files: None, ..ask_settings() };
        let model::Delivery::Events(to) = places.connect(&settings, &BTreeMap::new(), Some(&id)).await.unwrap() else {
            panic!("PostHog takes events")
        };
        let (said, answer) = tokio::join!(authorization(listener), to.send(&stream, &[]));
        // Nobody answered.
        assert!(answer.is_err());
        assert_eq!(said, format!("Bearer {secret}"));
    }
}

#[tokio::test]
async fn a_secret_that_is_missing_or_whose_key_is_lost_pauses() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), [1; 32]).await;
    let id = model::IntegrationId::new("i");
    let name = Integration::secret(&id, "secret_access_key");
    let guard = Guard::new(Vec::new());
    let world = World::new().await;
    let settings = check(&world, ask()).await.unwrap().settings;
    let places = |store: &NativeStore| GuardedPlaces { guard: guard.clone(), secrets: Arc::new(store.clone()) };
    // Without the secret there are no credentials.
    let missing = places(&store).connect(&settings, &BTreeMap::new(), Some(&id)).await.err().unwrap();
    assert!(missing.public_message().contains("secret_access_key"), "{missing}");
    store.put_secret(&name, &Secret::new("hunter2")).await.unwrap();
    assert!(places(&store).connect(&settings, &BTreeMap::new(), Some(&id)).await.is_ok());
    store.put_secret(&name, &Secret::new("changed")).await.unwrap();
    // A server with another key cannot open it, and says so instead of going on without.
    let other = open(folder.path(), [2; 32]).await;
    let fault = places(&other).connect(&settings, &BTreeMap::new(), Some(&id)).await.err().unwrap();
    assert_eq!(fault.kind(), FaultKind::Configuration);
    assert!(!format!("{fault:?}").contains("hunter2") && !format!("{fault:?}").contains("changed"));
}
