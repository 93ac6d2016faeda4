//! People, projects, keys, and what is kept for them.

use model::{
    AuditLog, Comment, CommentLookup, CommentQuery, CommentScope, CommentStore, CommentToAdd, FaultKind, JobState,
    Micros, NewApiKey, NewAuditEntry, NewInvitation, NewUser, ObjectKind, PageRequest, PeopleStore, PresentedKey, Role,
    Secret, SecretName, SecretStore, SignIn, User,
};
use sea_orm::{EntityTrait, Set};

use super::*;
use crate::native::NewComment;
use crate::native::entities::secret;

pub(super) async fn user(store: &NativeStore, email: &str) -> User {
    let new = NewUser {
        email: email.to_owned(),
        name: "Somebody".to_owned(),
        password: Secret::new("correct horse"),
        admin: false,
    };
    store.create_user(new).await.unwrap()
}

async fn token(store: &NativeStore, email: &str, password: &str) -> Secret {
    match store.sign_in(email, &Secret::new(password), "10.0.0.1").await.unwrap() {
        SignIn::Done { token, .. } => token,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn signing_in_needs_the_password_and_is_limited(store: NativeStore) {
    assert!(!store.has_users().await.unwrap());
    let somebody = user(&store, "Me@Example.com ").await;
    assert_eq!(somebody.email, "me@example.com");
    assert!(store.has_users().await.unwrap());
    let again = NewUser {
        email: "ME@example.com".to_owned(),
        name: String::new(),
        password: Secret::new("correct horse"),
        admin: true,
    };
    assert_eq!(store.create_user(again).await.unwrap_err().kind(), FaultKind::Conflict);

    token(&store, "ME@example.com", "correct horse").await;
    let attempt =
        async |email: &str, password: &str| store.sign_in(email, &Secret::new(password), "10.0.0.2").await.unwrap();
    assert_eq!(attempt("nobody@example.com", "correct horse").await, SignIn::Refused);
    for _ in 0..5 {
        assert_eq!(attempt("me@example.com", "wrong").await, SignIn::Refused);
    }
    let SignIn::Locked { wait } = attempt("me@example.com", "correct horse").await else { panic!("it is not limited") };
    assert!(wait <= Duration::from_secs(15 * 60));
    store.set_clock_ahead(wait + Duration::from_secs(1));
    token(&store, "me@example.com", "correct horse").await;
}

pub(super) async fn sessions_end(store: NativeStore) {
    let somebody = user(&store, "me@example.com").await;
    let session = token(&store, "me@example.com", "correct horse").await;
    assert_eq!(store.session(&session).await.unwrap().unwrap().user, somebody);
    assert!(store.session(&Secret::new("made up")).await.unwrap().is_none());

    // Use prolongs it, up to four weeks.
    for _ in 0..4 {
        store.set_clock_ahead(Duration::from_secs(6 * 24 * 3_600));
        let there = store.session(&session).await.unwrap().is_some();
        assert!(there);
    }
    store.set_clock_ahead(Duration::from_secs(5 * 24 * 3_600));
    assert!(store.session(&session).await.unwrap().is_none());

    let session = token(&store, "me@example.com", "correct horse").await;
    store.sign_out(&session).await.unwrap();
    assert!(store.session(&session).await.unwrap().is_none());
    let session = token(&store, "me@example.com", "correct horse").await;
    store.set_password(&somebody.id, &Secret::new("another horse")).await.unwrap();
    assert!(store.session(&session).await.unwrap().is_none());
    token(&store, "me@example.com", "another horse").await;
}

pub(super) async fn an_invitation_works_once(store: NativeStore) {
    store.create_project(&project(), "P").await.unwrap();
    let invite =
        NewInvitation { member_of: Some((project(), Role::Member)), admin: false, valid: Duration::from_secs(3_600) };
    let link = store.invite(invite.clone()).await.unwrap();
    let new = |email: &str| NewUser {
        email: email.to_owned(),
        name: "New".to_owned(),
        password: Secret::new("correct horse"),
        admin: true,
    };
    let accepted = store.accept_invitation(&link, new("a@b")).await.unwrap();
    assert!(!accepted.admin, "the invitation decides");
    assert_eq!(store.role(&project(), &accepted.id).await.unwrap(), Some(Role::Member));
    assert_eq!(store.accept_invitation(&link, new("c@d")).await.unwrap_err().kind(), FaultKind::NotFound);
    let late = store.invite(invite).await.unwrap();
    store.set_clock_ahead(Duration::from_secs(3_601));
    assert_eq!(store.accept_invitation(&late, new("c@d")).await.unwrap_err().kind(), FaultKind::NotFound);
}

pub(super) async fn a_set_up_link_makes_the_first_account_only(store: NativeStore) {
    let set_up = NewInvitation { member_of: None, admin: true, valid: Duration::from_secs(3_600) };
    let (first, second) = (store.invite(set_up.clone()).await.unwrap(), store.invite(set_up).await.unwrap());
    let new = |email: &str| NewUser {
        email: email.to_owned(),
        name: String::new(),
        password: Secret::new("correct horse"),
        admin: false,
    };
    assert!(store.accept_invitation(&first, new("a@b")).await.unwrap().admin);
    assert_eq!(store.accept_invitation(&second, new("c@d")).await.unwrap_err().kind(), FaultKind::NotFound);
    assert!(store.user_by_email("c@d").await.unwrap().is_none());
}

pub(super) async fn a_project_keeps_an_owner(store: NativeStore) {
    let (one, other) = (user(&store, "a@b").await, user(&store, "c@d").await);
    let id = project();
    store.create_project(&id, "P").await.unwrap();
    assert_eq!(store.create_project(&id, "P").await.unwrap_err().kind(), FaultKind::Conflict);
    store.set_member(&id, &one.id, Role::Owner).await.unwrap();
    assert_eq!(store.set_member(&id, &one.id, Role::Viewer).await.unwrap_err().kind(), FaultKind::Conflict);
    assert_eq!(store.remove_member(&id, &one.id).await.unwrap_err().kind(), FaultKind::Conflict);
    store.set_member(&id, &other.id, Role::Owner).await.unwrap();
    store.set_member(&id, &one.id, Role::Viewer).await.unwrap();
    let members = store.members(&id).await.unwrap();
    let roles: Vec<_> = members.iter().map(|member| (member.user.email.as_str(), member.role)).collect();
    assert_eq!(roles, [("a@b", Role::Viewer), ("c@d", Role::Owner)]);
    store.create_project(&ProjectId::new("q"), "Q").await.unwrap();
    let theirs = store.projects(Some(&one.id), &PageRequest::first(9)).await.unwrap().items;
    assert_eq!(theirs.iter().map(|project| project.id.as_str()).collect::<Vec<_>>(), ["p"]);
    assert_eq!(store.projects(None, &PageRequest::first(9)).await.unwrap().items.len(), 2);
}

pub(super) async fn keys_authenticate_both_ways_until_they_are_deleted(store: NativeStore) {
    store.create_project(&project(), "P").await.unwrap();
    let now = store.clock.now(&store.database).await.unwrap();
    let new = NewApiKey {
        project: project(),
        role: Role::Member,
        note: "ci".to_owned(),
        expires_at: Some(Micros(now.0 + 3_600_000_000)),
    };
    let (key, secret) = store.create_api_key(new.clone()).await.unwrap();
    let (other, _) = store.create_api_key(NewApiKey { expires_at: None, ..new }).await.unwrap();
    assert!(secret.reveal().starts_with("sk-og-") && secret.reveal().ends_with(&key.secret_ends));
    let pair = |public: &str| PresentedKey::Pair { public: public.to_owned(), secret: secret.clone() };
    assert_eq!(store.authenticate(&pair(&key.public)).await.unwrap().unwrap().id, key.id);
    assert!(store.authenticate(&pair(&other.public)).await.unwrap().is_none());
    let bearer = PresentedKey::Secret(secret.clone());
    assert!(store.authenticate(&bearer).await.unwrap().unwrap().last_used_at.is_some());
    assert!(store.authenticate(&PresentedKey::Secret(Secret::new(key.public.as_str()))).await.unwrap().is_none());
    let elsewhere = ProjectId::new("q");
    assert_eq!(store.delete_api_key(&elsewhere, &key.id).await.unwrap_err().kind(), FaultKind::NotFound);
    store.set_clock_ahead(Duration::from_secs(3_601));
    assert!(store.authenticate(&bearer).await.unwrap().is_none());
    store.delete_api_key(&project(), &key.id).await.unwrap();
    assert_eq!(store.api_keys(&project()).await.unwrap(), [other]);
}

pub(super) async fn a_deleted_project_takes_its_work_with_it(store: NativeStore) {
    store.create_project(&project(), "P").await.unwrap();
    let running = queue(&store, &project()).await;
    let claimed = claim(&store, "w").await;
    let waiting = queue(&store, &project()).await;

    store.delete_project(&project()).await.unwrap();

    assert_eq!(store.job(&running).await.unwrap().unwrap().state, JobState::Cancelled);
    assert!(store.job(&waiting).await.unwrap().is_none());
    assert_eq!(store.export(&project(), &running).await.unwrap_err().kind(), FaultKind::NotFound);
    drop(claimed);
    assert_eq!(store.delete_project(&project()).await.unwrap_err().kind(), FaultKind::NotFound);
}

pub(super) async fn the_audit_log_is_paged_by_project(store: NativeStore) {
    let entry = |project: Option<ProjectId>, action: &str| NewAuditEntry {
        project,
        actor: Actor::System,
        action: action.to_owned(),
        object: "o".to_owned(),
        details: json!({"a": [1]}),
        client: Some("10.0.0.1".to_owned()),
    };
    for action in ["1", "2", "3"] {
        store.audit(entry(Some(project()), action)).await.unwrap();
    }
    store.audit(entry(None, "server")).await.unwrap();
    let page = store.audit_entries(Some(&project()), &PageRequest::first(2)).await.unwrap();
    let actions: Vec<_> = page.items.iter().map(|entry| entry.entry.action.as_str()).collect();
    assert_eq!(actions, ["3", "2"]);
    let rest = PageRequest { items_max: 2, after: page.next };
    let rest = store.audit_entries(Some(&project()), &rest).await.unwrap();
    assert_eq!((rest.items.len(), &rest.items[0].entry), (1, &entry(Some(project()), "1")));
    assert_eq!(store.audit_entries(None, &PageRequest::first(9)).await.unwrap().items.len(), 1);
}

pub(super) async fn comments_are_added_and_paged(store: NativeStore) {
    let new = |object: &str, kind| CommentToAdd {
        kind,
        object_id: object.to_owned(),
        content: "good".to_owned(),
        author_email: None,
    };
    let empty = CommentToAdd { content: " ".to_owned(), ..new("o1", ObjectKind::Trace) };
    assert_eq!(store.add_comment(&project(), empty).await.unwrap_err().kind(), FaultKind::BadRequest);
    for object in ["o1", "o2", "o1"] {
        store.add_comment(&project(), new(object, ObjectKind::Observation)).await.unwrap();
    }
    store.add_comment(&project(), new("o1", ObjectKind::Trace)).await.unwrap();
    let all = CommentQuery::default();
    let page = store.list_comments(&project(), &all, &PageRequest::first(3)).await.unwrap();
    assert_eq!(page.items[0].kind, ObjectKind::Trace);
    let rest = PageRequest { items_max: 3, after: page.next };
    assert_eq!(store.list_comments(&project(), &all, &rest).await.unwrap().items.len(), 1);
    let one = CommentQuery { kind: Some(ObjectKind::Observation), object_id: Some("o1".to_owned()) };
    assert_eq!(store.list_comments(&project(), &one, &PageRequest::first(9)).await.unwrap().items.len(), 2);
    let scope = |kind| CommentScope { project: project(), kind, as_of: Micros(i64::MAX) };
    let mut objects = store.objects(&scope(ObjectKind::Observation), 9).await.unwrap();
    objects.sort();
    assert_eq!(objects, ["o1", "o2"]);
    assert_eq!(store.objects(&scope(ObjectKind::Observation), 1).await.unwrap().len(), 1);
    assert!(store.objects(&scope(ObjectKind::Session), 9).await.unwrap().is_empty());
}

pub(super) async fn of_a_comment_that_comes_twice_the_last_one_stays(store: NativeStore) {
    let comment = |id: &str, content: &str| NewComment {
        kind: ObjectKind::Observation,
        comment: Comment {
            id: id.to_owned(),
            object_id: "o1".to_owned(),
            content: content.to_owned(),
            author_email: None,
            created_at: Micros(1),
        },
    };
    let (first, last) = (comment("a", "first"), comment("a", "last"));
    store.put_comments(&project(), &[first, comment("b", "other"), last.clone()]).await.unwrap();
    let found = store.comments(&project(), ObjectKind::Observation, &["o1"]).await.unwrap();
    assert_eq!(found, [last.comment, comment("b", "other").comment]);
}

pub(super) async fn secrets_are_sealed_and_bound_to_their_place(store: NativeStore) {
    let name = |id: &str| SecretName { of: "integration", id: id.to_owned(), field: "key".to_owned() };
    store.put_secret(&name("1"), &Secret::new("first")).await.unwrap();
    store.put_secret(&name("1"), &Secret::new("hunter2")).await.unwrap();
    assert_eq!(store.secret(&name("1")).await.unwrap(), Some(Secret::new("hunter2")));
    assert_eq!(store.secret(&name("2")).await.unwrap(), None);
    let row = secret::Entity::find().one(&store.database).await.unwrap().unwrap();
    assert!(!row.sealed.windows(7).any(|window| window == b"hunter2"));
    // Somebody who can write the table still cannot move a secret to a row of their own.
    let mut moved: secret::ActiveModel = row.into();
    moved.of_id = Set("2".to_owned());
    secret::Entity::insert(moved).exec_without_returning(&store.database).await.unwrap();
    assert_eq!(store.secret(&name("2")).await.unwrap_err().kind(), FaultKind::Configuration);
    assert_eq!(store.secret_fields("integration", "1").await.unwrap(), ["key"]);
    store.forget_secrets("integration", "1").await.unwrap();
    assert_eq!(store.secret(&name("1")).await.unwrap(), None);
}
