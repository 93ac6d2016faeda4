//! Secrets: the one that is stored now is sent, and without one nothing is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use destinations::Guard;
use model::{
    Actor, ChangedIntegration, CheckedIntegration, FaultKind, Integration, IntegrationSettings, IntegrationStore,
    NewIntegration, Secret, SecretStore,
};
use store::{NativeStore, Place, SealingKey, SealingKeys, StoreOptions};

use super::super::{GuardedPlaces, Places};
use super::bad_input::{ask, ask_settings, check};
use super::world::{EPOCH, World, project};

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

/// Secrets by field.
fn secrets(pairs: &[(&str, &str)]) -> BTreeMap<String, Secret> {
    pairs.iter().map(|(field, text)| ((*field).to_owned(), Secret::new(*text))).collect()
}

/// From temporary keys to permanent ones.
#[tokio::test]
async fn a_secret_that_is_taken_away_is_stored_no_more_and_the_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), [1; 32]).await;
    let world = World::new().await;
    let given = secrets(&[("secret_access_key", "hunter2"), ("session_token", "temporary")]);
    let checked = CheckedIntegration { secrets: given, ..check(&world, ask()).await.unwrap() };
    let new = NewIntegration { project: project(), checked: checked.clone(), by: Actor::System, paused: true };
    let made = store.create_integration(new, EPOCH).await.unwrap();
    let change = async |version, given: BTreeMap<String, Secret>| {
        let checked = CheckedIntegration { secrets: given, ..checked.clone() };
        let change = ChangedIntegration { version, checked };
        store.change_integration(&project(), &made.id, change).await.unwrap().secrets
    };
    assert_eq!(made.secrets, ["secret_access_key", "session_token"]);
    assert_eq!(change(1, secrets(&[])).await, made.secrets);
    assert_eq!(change(2, secrets(&[("session_token", "")])).await, ["secret_access_key"]);
    assert_eq!(store.secret(&Integration::secret(&made.id, "session_token")).await.unwrap(), None);
    let kept = store.secret(&Integration::secret(&made.id, "secret_access_key")).await.unwrap();
    assert_eq!(kept, Some(Secret::new("hunter2")));
}

#[tokio::test]
async fn a_token_gives_way_to_a_service_account_once_it_is_taken_away() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), [1; 32]).await;
    let id = model::IntegrationId::new("i");
    store.put_secret(&Integration::secret(&id, "project_token"), &Secret::new("token")).await.unwrap();
    let places = GuardedPlaces { guard: Guard::new(Vec::new()), secrets: Arc::new(store) };
    let options = [("service_account", "robot"), ("project_id", "12")];
    let options = options.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings =
        IntegrationSettings { kind: "mixpanel".to_owned(), options: options.into(), files: None, ..ask_settings() };
    let beside = places.connect(&settings, &secrets(&[("service_account_secret", "s")]), Some(&id)).await;
    assert!(beside.err().unwrap().public_message().contains("project_token"));
    let instead = secrets(&[("service_account_secret", "s"), ("project_token", "")]);
    assert!(places.connect(&settings, &instead, Some(&id)).await.is_ok());
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
