//! Who is told that an integration has stopped.

use std::sync::Arc;

use model::{
    Actor, ApiKeyId, Channel, JobKind, NewUser, NoticeStore, Outcome, PeopleStore, Role, Secret, StoppedIntegration,
    Told, UserId,
};

use super::integrations::{NOW, failure, make_by, tick};
use super::people::user;
use super::*;

/// The store of a server that has both channels.
fn telling(store: NativeStore) -> NativeStore {
    let notices = vec![Channel::Mail, Channel::Webhook];
    NativeStore { options: Arc::new(StoreOptions { notices, ..options() }), ..store }
}

/// What is told by a channel once the first window of an integration that somebody made has failed for good.
async fn told(store: &NativeStore, name: &str, by: Actor) -> (Vec<UserId>, Vec<StoppedIntegration>) {
    make_by(store, name, "2026-08-01 10:00", by).await;
    tick(store, NOW).await;
    let window = claim(store, "w").await;
    assert_eq!(window.job.kind, JobKind::Window);
    store.settle(window.lease, Outcome::Failed(failure("credentials"))).await.unwrap();
    let mut mails = Vec::new();
    while let Some(notice) = store.claim_notice(Channel::Mail, LEASE).await.unwrap() {
        mails.push(notice.about.addressee().expect("a mail goes to a person").clone());
        store.forget_notice(&notice.id).await.unwrap();
    }
    let mut requests = Vec::new();
    while let Some(notice) = store.claim_notice(Channel::Webhook, LEASE).await.unwrap() {
        let Told::Integration(stopped) = notice.about else { panic!("it is about an export") };
        requests.push(*stopped);
        store.forget_notice(&notice.id).await.unwrap();
    }
    (mails, requests)
}

pub(super) async fn a_pause_is_told_to_who_made_the_integration_or_to_the_owners(store: NativeStore) {
    let store = telling(store);
    store.create_project(&project(), "P").await.unwrap();
    let [ann, bob, maker] = [user(&store, "a@b").await, user(&store, "b@b").await, user(&store, "c@b").await];
    for (member, role) in [(&ann, Role::Owner), (&bob, Role::Owner), (&maker, Role::Member)] {
        store.set_member(&project(), &member.id, role).await.unwrap();
    }

    let (mut mails, requests) = told(&store, "of a program", Actor::ApiKey(ApiKeyId::new("k"))).await;
    let (to_maker, _) = told(&store, "of a person", Actor::User(maker.id.clone())).await;

    let mut owners = [ann.id, bob.id];
    owners.sort();
    mails.sort();
    assert_eq!(mails, owners);
    assert_eq!((requests.len(), &requests[0].addressee), (1, &None));
    assert_eq!(to_maker, [maker.id]);
}

pub(super) async fn the_owners_are_told_of_a_pause_where_who_made_the_integration_has_left(store: NativeStore) {
    let store = telling(store);
    store.create_project(&project(), "P").await.unwrap();
    let [owner, maker] = [user(&store, "a@b").await, user(&store, "b@b").await];
    for (member, role) in [(&owner, Role::Owner), (&maker, Role::Member)] {
        store.set_member(&project(), &member.id, role).await.unwrap();
    }
    let by = Actor::User(maker.id.clone());

    store.remove_member(&project(), &maker.id).await.unwrap();
    let (without_member, requests) = told(&store, "of somebody outside", by.clone()).await;
    store.delete_user(&maker.id).await.unwrap();
    let (without_account, _) = told(&store, "of nobody", by.clone()).await;

    assert_eq!([without_member, without_account], [[owner.id.clone()], [owner.id]]);
    assert_eq!((&requests[0].created_by, &requests[0].addressee), (&by, &None));
}

pub(super) async fn administrators_are_told_where_a_project_has_no_owner(store: NativeStore) {
    let store = telling(store);
    user(&store, "a@b").await;
    let new = NewUser {
        email: "admin@b".to_owned(),
        name: String::new(),
        password: Secret::new("correct horse"),
        admin: true,
    };
    let admin = store.create_user(new).await.unwrap();

    assert_eq!(told(&store, "a", Actor::System).await.0, [admin.id]);
}
