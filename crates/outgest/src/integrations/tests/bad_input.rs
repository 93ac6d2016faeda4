//! What cannot be an integration is refused with its field, and what changes in the middle of a run is honoured.

use std::collections::BTreeMap;
use std::sync::Arc;

use destinations::Guard;
use futures_util::TryStreamExt;
use model::{
    ByteCount, Cadence, CheckState, CheckStep, CheckedIntegration, Fault, FaultKind, Integration, IntegrationAsk,
    IntegrationDesk, IntegrationSettings, IntegrationStatus, IntegrationStore, IntegrationTable, Micros, PeopleStore,
    ProjectChange, ProjectId, RawSchedule, RunState, SchedulerStore, Secret,
};
use sources::lake::LakeSource;

use super::super::{GuardedPlaces, IntegrationsDesk};
use super::world::{EPOCH, World, minute, project, to_events};

async fn desk(world: &World, allowed: &[&str]) -> IntegrationsDesk {
    drop(rustls::crypto::ring::default_provider().install_default());
    let guard = Guard::new(allowed.iter().map(|network| network.parse().unwrap()).collect());
    let places = GuardedPlaces { guard: guard.clone(), secrets: Arc::new(world.store.clone()) };
    let source = Arc::new(LakeSource::new(world.lake.clone()));
    let store = Arc::new(world.store.clone());
    IntegrationsDesk::new(source, Arc::clone(&store) as _, store, Arc::new(places), guard)
}

pub(super) fn ask() -> IntegrationAsk {
    let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    IntegrationAsk {
        name: Some("lake".to_owned()),
        kind: Some("s3".to_owned()),
        options: Some(BTreeMap::from([
            text("bucket", "b"),
            text("region", "eu-central-1"),
            text("access_key_id", "AKIA"),
        ])),
        secrets: BTreeMap::from([("secret_access_key".to_owned(), Secret::new("hunter2"))]),
        ..IntegrationAsk::default()
    }
}

pub(super) async fn check(world: &World, ask: IntegrationAsk) -> Result<CheckedIntegration, Fault> {
    desk(world, &[]).await.check(&project(), &ask, None, EPOCH).await
}

#[tokio::test]
async fn the_usual_integration_exports_events_traces_and_scores_as_parquet() {
    let world = World::new().await;
    let checked = check(&world, ask()).await.unwrap();
    let tables: Vec<&str> = checked.settings.tables.iter().map(|table| table.table.as_str()).collect();
    assert_eq!(tables, ["events", "traces", "scores"]);
    assert_eq!((checked.settings.lag_seconds, checked.settings.cursor.as_str()), (300, "ingested"));
    let windows = desk(&world, &[]).await.next_windows(&project(), &checked.settings, None, EPOCH, 5).unwrap();
    assert_eq!(windows.len(), 5);
    let files: Vec<&str> = windows[0].files.iter().map(String::as_str).collect();
    assert_eq!(
        files,
        [
            "p/observations_v2/2026-08-01T01-00-00.parquet",
            "p/traces/2026-08-01T01-00-00.parquet",
            "p/scores/2026-08-01T01-00-00.parquet",
            "p/manifests/2026-08-01T01-00-00.json",
        ]
    );
}

#[tokio::test]
async fn every_problem_names_its_field() {
    let world = World::new().await;
    let cron = |expression: &str| RawSchedule::utc(Cadence::Cron { expression: expression.to_owned() });
    let option = |name: &str, value: &str| {
        let mut options = ask().options.unwrap();
        options.insert(name.to_owned(), value.to_owned());
        Some(options)
    };
    let named = |name: &str| IntegrationTable { table: name.to_owned(), ..IntegrationTable::default() };
    let table = |name: &str| Some(vec![named(name)]);
    let cases: Vec<(&str, IntegrationAsk)> = vec![
        ("kind", IntegrationAsk { kind: Some("s4".to_owned()), ..ask() }),
        ("kind", IntegrationAsk { kind: Some("file".to_owned()), ..ask() }),
        ("name", IntegrationAsk { name: Some(" ".to_owned()), ..ask() }),
        ("schedule.expression", IntegrationAsk { schedule: Some(cron("0 0 31 2 *")), ..ask() }),
        ("schedule.expression", IntegrationAsk { schedule: Some(cron("often")), ..ask() }),
        ("prefix", IntegrationAsk { prefix: Some("../".to_owned()), ..ask() }),
        ("prefix", IntegrationAsk { prefix: Some("a/../b/".to_owned()), ..ask() }),
        ("prefix", IntegrationAsk { prefix: Some("a?region=b".to_owned()), ..ask() }),
        ("files.template", IntegrationAsk { template: Some("{window}.{ext}".to_owned()), ..ask() }),
        ("lagSeconds", IntegrationAsk { lag_seconds: Some(604_801), ..ask() }),
        ("catchUpMax", IntegrationAsk { catch_up_max: Some(0), ..ask() }),
        ("tables[0].table", IntegrationAsk { tables: table("sessions"), ..ask() }),
        ("tables", IntegrationAsk { tables: Some(Vec::new()), ..ask() }),
        ("tables", IntegrationAsk { tables: Some(["events", "observations_v2"].map(named).to_vec()), ..ask() }),
        ("source", IntegrationAsk { source: Some("EVERYTHING".to_owned()), ..ask() }),
        ("tables[0].format", IntegrationAsk { format: Some("xml".to_owned()), ..ask() }),
        ("options.endpoint", IntegrationAsk { options: option("endpoint", "not an address"), ..ask() }),
        ("options.endpoint", IntegrationAsk { options: option("endpoint", "http://169.254.169.254/"), ..ask() }),
        ("options.secret_access_key", IntegrationAsk { options: option("secret_access_key", "hunter2"), ..ask() }),
        ("options.bucket", IntegrationAsk { options: option("bucket", "b/../c"), ..ask() }),
        ("region", IntegrationAsk { options: option("region", "no where"), ..ask() }),
        ("regoin", IntegrationAsk { options: option("regoin", "eu-central-1"), ..ask() }),
    ];
    for (field, wrong) in cases {
        let fault = check(&world, wrong).await.err().unwrap_or_else(|| panic!("{field} was accepted"));
        assert!(matches!(fault.kind(), FaultKind::BadRequest | FaultKind::Configuration), "{field}: {fault}");
        assert!(fault.public_message().contains(field), "{field}: {fault}");
        assert!(!format!("{fault:?}").contains("hunter2"), "{fault:?}");
    }
    let without = IntegrationAsk { secrets: BTreeMap::new(), ..ask() };
    assert!(check(&world, without).await.is_err());
    // A lag above the period only delays windows.
    let often = Some(RawSchedule::utc(Cadence::Minutes { minutes: 1 }));
    assert!(check(&world, IntegrationAsk { schedule: often, lag_seconds: Some(300), ..ask() }).await.is_ok());
}

#[tokio::test]
async fn the_size_of_files_stays_until_it_is_taken_away() {
    let world = World::new().await;
    let mut made = world.integration("out", |settings| *settings = ask_settings()).await;
    let desk = desk(&world, &[]).await;
    let checked = async |made: &Integration, roll_bytes| {
        let asked = IntegrationAsk { roll_bytes, secrets: ask().secrets, ..IntegrationAsk::default() };
        desk.check(&project(), &asked, Some(made), EPOCH).await.unwrap().settings
    };
    for (asked, expected) in
        [(Some(Some(ByteCount(7))), Some(ByteCount(7))), (None, Some(ByteCount(7))), (Some(None), None)]
    {
        made.settings = checked(&made, asked).await;
        assert_eq!(made.settings.files.as_ref().unwrap().roll_bytes, expected);
    }
}

/// Settings that the desk accepts.
pub(super) fn ask_settings() -> IntegrationSettings {
    let ask = ask();
    IntegrationSettings {
        kind: "s3".to_owned(),
        options: ask.options.unwrap(),
        tables: vec![IntegrationTable { table: "events".to_owned(), ..IntegrationTable::default() }],
        schedule: model::Schedule::new(RawSchedule::utc(Cadence::Hour)).unwrap(),
        cursor: model::Cursor::Ingested,
        lag_seconds: 300,
        start: model::Start::Now,
        deletions: model::Deletions::Count,
        catch_up_max: 4,
        files: Some(model::FileSettings::usual("jsonl")),
    }
}

#[tokio::test]
async fn integrations_that_would_write_to_the_same_keys_have_the_same_keys() {
    let world = World::new().await;
    let place = async |project: &str, prefix: &str, template: &str| {
        let (prefix, template) = (Some(prefix.to_owned()), Some(template.to_owned()));
        let asked = IntegrationAsk { prefix, template, ..ask() };
        let checked = desk(&world, &[]).await.check(&ProjectId::new(project), &asked, None, EPOCH).await.unwrap();
        (checked.target, checked.keys)
    };
    let usual = place("p", "a/b/", "langfuse").await;
    // Manifests lie at one place for all templates.
    let hive = place("p", "a/b/", "hive").await;
    assert!(usual.0 == hive.0 && usual.1 != hive.1);
    // Prefix and template together, and templates without a prefix.
    let split = place("p", "a/", "{prefix}b/{projectId}/{table}/{window}.{ext}").await;
    assert!(usual.0 != split.0 && usual.1 == split.1);
    let fixed = "x/{projectId}/{table}/{window}.{ext}";
    let (first, second) = (place("p", "a/", fixed).await, place("p", "b/", fixed).await);
    assert!(first.0 != second.0 && first.1 == second.1 && first.1.is_some());
    // Projects whose ids are the same in keys.
    assert_eq!(place("a/b", "", "langfuse").await, place("a-b", "", "langfuse").await);
    // The integration's own id tells keys apart.
    assert_eq!(place("p", "", "x/{integrationId}/{projectId}/{table}/{window}.{ext}").await.1, None);
}

#[tokio::test]
async fn an_endpoint_that_is_written_otherwise_is_the_same_place() {
    let world = World::new().await;
    let place = async |endpoint: &str| {
        let mut asked = ask();
        asked.options.as_mut().unwrap().insert("endpoint".to_owned(), endpoint.to_owned());
        let desk = desk(&world, &[]).await;
        let checked = desk.check_for_test(&project(), &asked, None, EPOCH).await.unwrap();
        (checked.target, checked.keys)
    };
    let there = place("https://storage.example.com:9000").await;
    for alike in
        ["https://storage.example.com:9000/", "HTTPS://Storage.Example.com:9000", " https://storage.example.com:9000 "]
    {
        assert_eq!(place(alike).await, there, "{alike}");
    }
    assert_eq!(place("https://storage.example.com:443/").await, place("https://storage.example.com").await);
    for another in
        ["https://storage.example.com:9001", "https://storage.example.com:9000/b", "https://other.example.com:9000"]
    {
        assert_ne!(place(another).await, there, "{another}");
    }
    // Amazon's own need not be written: the bucket alone says where it is.
    let own = place("").await;
    for endpoint in [
        "https://s3.eu-central-1.amazonaws.com",
        "https://s3.amazonaws.com/",
        "https://s3.dualstack.eu-central-1.amazonaws.com",
    ] {
        assert_eq!(place(endpoint).await, own, "{endpoint}");
    }
    for another in ["https://notamazonaws.com", "https://s3.amazonaws.com.example.com"] {
        assert_ne!(place(another).await, own, "{another}");
    }
}

/// The steps of a test with another option, and what the last one said.
async fn tested(world: &World, option: (&str, &str)) -> (Vec<&'static str>, String) {
    let mut asked = ask();
    asked.options.as_mut().unwrap().insert(option.0.to_owned(), option.1.to_owned());
    let desk = desk(world, &["127.0.0.0/8"]).await;
    let checked = desk.check_for_test(&project(), &asked, None, EPOCH).await.unwrap();
    let (mut begun, mut ended) = (Vec::new(), Vec::new());
    let report = &mut |step: CheckStep| match step.state {
        CheckState::Begun => begun.push(step.name),
        state => ended.push((step.name, state)),
    };
    desk.test(&project(), &checked, None, EPOCH, report).await;
    let (last, before) = ended.split_last().unwrap();
    assert!(before.iter().all(|(_, state)| *state == CheckState::Passed), "{ended:?}");
    assert_eq!(begun, ended.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    let CheckState::Failed(said) = &last.1 else { panic!("{ended:?}") };
    assert!(!said.contains("hunter2"), "{said}");
    (begun, said.clone())
}

#[tokio::test]
async fn a_network_that_may_not_be_reached_fails_the_first_step_of_a_test() {
    let world = World::new().await;
    for endpoint in ["https://169.254.169.254/", "https://10.1.2.3:9000"] {
        let (steps, said) = tested(&world, ("endpoint", endpoint)).await;
        assert_eq!(steps, ["address policy"]);
        assert!(said.contains("options.endpoint") && said.contains("may not be reached"), "{said}");
    }
}

#[tokio::test]
async fn a_test_says_which_step_failed() {
    let world = World::new().await;
    let (steps, said) = tested(&world, ("endpoint", "http://127.0.0.1:9")).await;
    assert_eq!(steps, ["address policy", "dns", "connection"]);
    assert_eq!(said, "cannot ask for a connection in s3://b: the server cannot be reached");
    let (steps, said) = tested(&world, ("endpoint", "https://no-such-host.invalid")).await;
    assert_eq!(steps, ["address policy", "dns"]);
    assert!(said.contains("no-such-host.invalid"), "{said}");
    // Somebody is there, who does not speak TLS.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            drop(tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
        }
    });
    let (steps, said) = tested(&world, ("endpoint", &endpoint)).await;
    server.abort();
    assert_eq!(steps, ["address policy", "dns", "tls"]);
    assert!(said.contains("s3://b"), "{said}");
}

#[tokio::test]
async fn a_region_that_does_not_exist_is_named_by_the_test() {
    let world = World::new().await;
    let (steps, said) = tested(&world, ("region", "nowhere-1.invalid")).await;
    assert_eq!(steps, ["address policy", "dns"]);
    assert!(said.contains("b.s3.nowhere-1.invalid.amazonaws.com"), "{said}");
}

#[tokio::test]
async fn a_lag_that_is_longer_than_the_period_only_delays_windows() {
    let world = World::new().await;
    let made = world
        .integration("out", |settings| {
            settings.schedule = model::Schedule::new(RawSchedule::utc(Cadence::Minutes { minutes: 1 })).unwrap();
            settings.lag_seconds = 600;
        })
        .await;
    assert_eq!(world.work(minute(10)).await, 0);
    for now in 11..=20 {
        world.work(minute(now)).await;
    }
    let mut spans: Vec<_> = world.runs(&made).await.into_iter().map(|run| run.name.span).collect();
    spans.reverse();
    let expected: Vec<_> = (0..10).map(|from| model::Span { from: minute(from), to: minute(from + 1) }).collect();
    assert_eq!(spans, expected);
    assert_eq!(world.shown(&made).await.cursor, Some(minute(10)));
}

#[tokio::test]
async fn a_project_that_is_renamed_or_deleted_in_the_middle_of_a_run() {
    let world = World::new().await;
    world.store.create_project(&project(), "before").await.unwrap();
    let made = world.integration("out", |_| {}).await;
    world.tick(minute(70)).await;
    let claim = world.claim().await.unwrap();
    let change = ProjectChange { name: Some("after".to_owned()), ..ProjectChange::default() };
    world.store.change_project(&project(), change).await.unwrap();
    world.carry_out(claim, None).await.unwrap();
    assert_eq!(world.runs(&made).await[0].state, RunState::Completed);

    world.tick(minute(130)).await;
    let claim = world.claim().await.unwrap();
    world.store.delete_project(&project()).await.unwrap();
    drop(world.carry_out(claim, None).await);
    world.work(minute(200)).await;
    assert!(world.store.integration(&project(), &made.id).await.is_err());
    let states: Vec<RunState> = world.runs(&made).await.into_iter().map(|run| run.state).collect();
    assert_eq!(states, [RunState::Cancelled, RunState::Completed]);
}

#[tokio::test]
async fn a_project_that_is_deleted_amid_a_window_of_events_sends_no_more_and_leaves_no_keys() {
    let world = World::new().await;
    world.store.create_project(&project(), "p").await.unwrap();
    let rows: Vec<_> = (0..200)
        .map(|number| {
            serde_json::json!({
                "project_id": project(), "trace_id": "t", "span_id": format!("s{number:03}"), "name": "chat", "type": "SPAN",
                "start_time": minute(10), "updated_at": minute(20), "created_at": minute(20), "event_ts": minute(20),
                "is_deleted": false, "version": minute(20).0.to_string(),
            })
        })
        .collect();
    world.append("events", &rows, EPOCH);
    let (ledger, made) = world.receiver("https://ours.example").await;
    world.tick(minute(70)).await;
    // The worker dies after its third checkpoint, and the project is deleted before another one takes over.
    world.carry_out(world.claim().await.unwrap(), Some(3)).await.unwrap();
    let run = world.runs(&made).await.remove(0);
    let sent = ledger.arrived().len();
    assert!(sent > 0 && sent < 200, "{sent}");
    world.store.delete_project(&project()).await.unwrap();
    world.work(minute(200)).await;
    assert_eq!(ledger.arrived().len(), sent);
    assert_eq!(world.runs(&made).await[0].state, RunState::Cancelled);
    assert!(world.store.sent_keys(&run.id, "events").try_next().await.unwrap().is_none());
}

#[tokio::test]
async fn an_integration_that_begins_in_the_future_waits() {
    let world = World::new().await;
    let made = world.integration("out", |settings| settings.start = model::Start::Date { at: minute(600) }).await;
    assert_eq!(world.work(minute(70)).await, 0);
    assert_eq!(world.shown(&made).await.status(), IntegrationStatus::Waiting);
    let other = ProjectId::new("other");
    assert!(world.store.integration(&other, &made.id).await.is_err());
    world.work(Micros(minute(665).0)).await;
    assert_eq!(world.shown(&made).await.cursor, Some(minute(660)));
}

fn ask_events(kind: &str, options: &[(&str, &str)], secrets: &[&str]) -> IntegrationAsk {
    let text = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    IntegrationAsk {
        name: Some("analytics".to_owned()),
        kind: Some(kind.to_owned()),
        options: Some(options.iter().map(text).collect()),
        secrets: secrets.iter().map(|name| ((*name).to_owned(), Secret::new("hunter2"))).collect(),
        ..IntegrationAsk::default()
    }
}

const POSTHOG: [(&str, &str); 1] = [("host", "https://93.184.215.14")];

#[tokio::test]
async fn a_destination_of_events_is_asked_for_nothing_of_files() {
    let world = World::new().await;
    let asked = IntegrationAsk {
        source: Some("TRACES_OBSERVATIONS".to_owned()),
        ..ask_events("posthog", &POSTHOG, &["api_key"])
    };
    let checked = check(&world, asked).await.unwrap();
    assert_eq!((checked.settings.files, checked.target), (None, None));
    let tables: Vec<&str> = checked.settings.tables.iter().map(|table| table.table.as_str()).collect();
    assert_eq!(tables, ["scores", "traces", "generations"]);
    for options in [vec![("region", "eu")], vec![("region", "in"), ("service_account", "robot"), ("project_id", "12")]]
    {
        let secret = if options.len() == 1 { "project_token" } else { "service_account_secret" };
        let checked = check(&world, ask_events("mixpanel", &options, &[secret])).await.unwrap();
        let windows = desk(&world, &[]).await.next_windows(&project(), &checked.settings, None, EPOCH, 2).unwrap();
        assert!(windows.len() == 2 && windows.iter().all(|window| window.files.is_empty()));
    }
}

#[tokio::test]
async fn events_keep_the_name_that_their_project_has_when_their_integration_is_made() {
    let world = World::new().await;
    world.store.create_project(&project(), "Shop").await.unwrap();
    let named = |checked: CheckedIntegration| checked.settings.options.get("project_name").cloned();
    let asked = |options: &[(&str, &str)]| ask_events("posthog", options, &["api_key"]);
    let checked = check(&world, asked(&POSTHOG)).await.unwrap();
    assert_eq!(named(checked).as_deref(), Some("Shop"));
    // What is said of it counts, and so does that there is to be none.
    let said =
        [(("project_name", "Store"), Some("Store")), (("project_name", ""), Some("")), (("dialect", "event"), None)];
    for (option, expected) in said {
        let checked = check(&world, asked(&[POSTHOG[0], option])).await.unwrap();
        assert_eq!(named(checked).as_deref(), expected, "{option:?}");
    }
    assert_eq!(named(check(&world, ask()).await.unwrap()), None, "files have no such option");
    // One that is there already keeps what it has, whatever its project is called by then.
    let made = world.integration("events", |settings| to_events(settings, POSTHOG[0].1)).await;
    let change = IntegrationAsk { options: None, kind: None, ..asked(&[]) };
    let checked = desk(&world, &[]).await.check(&project(), &change, Some(&made), EPOCH).await.unwrap();
    assert_eq!(checked.settings.options, made.settings.options);
}

#[tokio::test]
async fn every_problem_of_a_destination_of_events_names_its_field() {
    let world = World::new().await;
    let posthog = || ask_events("posthog", &POSTHOG, &["api_key"]);
    let with =
        |name: &'static str, value: &'static str| ask_events("posthog", &[POSTHOG[0], (name, value)], &["api_key"]);
    let table = |table: IntegrationTable| IntegrationAsk { tables: Some(vec![table]), ..posthog() };
    let events = || IntegrationTable { table: "events".to_owned(), ..IntegrationTable::default() };
    let texts = |text: &str| vec![text.to_owned()];
    let cases: Vec<(&str, IntegrationAsk)> = vec![
        ("format", IntegrationAsk { format: Some("csv".to_owned()), ..posthog() }),
        ("prefix", IntegrationAsk { prefix: Some("a/".to_owned()), ..posthog() }),
        ("eventTs", IntegrationAsk { event_ts: Some(true), ..posthog() }),
        ("deletions", IntegrationAsk { deletions: Some(model::Deletions::Include), ..posthog() }),
        ("options.dialect", with("dialect", "events")),
        ("options.base_url", with("base_url", "tracing.example.com")),
        ("request_events", with("request_events", "0")),
        ("request_bytes", with("request_bytes", "1GB")),
        ("hots", with("hots", "https://eu.i.posthog.com")),
        ("options.host", ask_events("posthog", &[("host", "https://169.254.169.254")], &["api_key"])),
        ("options.host", ask_events("posthog", &[("host", "https://10.1.2.3")], &["api_key"])),
        ("options.host", ask_events("posthog", &[("host", "no address")], &["api_key"])),
        ("options.api_key", with("api_key", "hunter2")),
        ("secrets.secret", ask_events("posthog", &POSTHOG, &["secret"])),
        ("region", ask_events("mixpanel", &[("region", "mars")], &["project_token"])),
        ("project_id", ask_events("mixpanel", &[("service_account", "robot")], &["service_account_secret"])),
        ("tables[0].table", table(IntegrationTable { table: "observations".to_owned(), ..events() })),
        ("tables[0].groups", table(IntegrationTable { groups: texts("io"), ..events() })),
        ("tables[0].columns", table(IntegrationTable { columns: texts("id"), ..events() })),
        ("tables[0].masks", table(IntegrationTable { masks: texts("langfuse_id:hash"), ..events() })),
        ("tables[0].masks", table(IntegrationTable { masks: texts("input"), ..events() })),
        ("tables[0].where[0]", table(IntegrationTable { wheres: texts("nonsense = 1"), ..events() })),
    ];
    for (field, wrong) in cases {
        let fault = check(&world, wrong).await.err().unwrap_or_else(|| panic!("{field} was accepted"));
        assert!(matches!(fault.kind(), FaultKind::BadRequest | FaultKind::Configuration), "{field}: {fault}");
        assert!(fault.public_message().contains(field), "{field}: {fault}");
        assert!(!format!("{fault:?}").contains("hunter2"), "{fault:?}");
    }
    let without = check(&world, ask_events("posthog", &POSTHOG, &[])).await.err().unwrap();
    assert_eq!(without.kind(), FaultKind::BadRequest);
    assert!(without.public_message().starts_with("secrets: "), "{without}");
}

/// Comments that a source has none of.
#[tokio::test]
async fn a_filter_on_comments_is_refused_where_the_source_has_none() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let world = World::new().await;
    let guard = Guard::new(Vec::new());
    let places = GuardedPlaces { guard: guard.clone(), secrets: Arc::new(world.store.clone()) };
    let lookups = crate::data::RowLookups::of(world.store.clone(), crate::export::CommentsHere::Unknown);
    let source = Arc::new(LakeSource::new(world.lake.clone()));
    let people = Arc::new(world.store.clone());
    let desk = IntegrationsDesk::new(source, lookups.comments, people, Arc::new(places), guard);
    let filter = serde_json::json!([{"type": "number", "column": "commentCount", "operator": ">", "value": 0}]);
    let table = IntegrationTable { table: "events".to_owned(), filter, ..IntegrationTable::default() };
    for asked in [ask(), ask_events("posthog", &POSTHOG, &["api_key"])] {
        let asked = IntegrationAsk { tables: Some(vec![table.clone()]), ..asked };
        let fault = desk.check(&project(), &asked, None, EPOCH).await.err().unwrap();
        assert!(fault.public_message().contains("tables[0].filter"), "{fault}");
        assert!(fault.public_hint().is_some_and(|hint| hint.contains("source.comments")), "{fault}");
        assert!(check(&world, asked).await.is_ok(), "with comments it holds");
    }
}
