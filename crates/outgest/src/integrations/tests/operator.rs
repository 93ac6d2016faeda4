//! Faults of the source: those that only whoever runs the server can mend, and those of what an integration asks.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use model::{
    Fault, FaultKind, IntegrationSettings, IntegrationStatus, ProjectId, ReadRequest, Reading, RunState, Source,
    SourceCapabilities, TableSpec,
};
use serde_json::json;

use super::super::PatientSource;
use super::windows::event;
use super::world::{EPOCH, World, minute};

/// What a source refuses with.
type Refusal = fn() -> Fault;

/// A source that refuses whoever asks.
struct Refusing(Refusal);

impl fmt::Display for Refusing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a source that refuses")
    }
}

#[async_trait]
impl Source for Refusing {
    fn capabilities(&self) -> SourceCapabilities {
        SourceCapabilities { snapshots: false }
    }

    async fn prepare(&self, _request: ReadRequest) -> Result<Arc<dyn Reading>, Fault> {
        Err((self.0)())
    }

    async fn has_project(&self, _project: &ProjectId, _table: &TableSpec) -> Result<bool, Fault> {
        Err((self.0)())
    }
}

fn refusing(refusal: Refusal) -> Arc<PatientSource> {
    Arc::new(PatientSource::new(Arc::new(Refusing(refusal))))
}

#[tokio::test]
async fn what_only_the_operator_of_the_source_can_mend_is_waited_out_and_pauses_nobody() {
    let refusals: [Refusal; 3] = [
        || Fault::new(FaultKind::Credentials, "u: Authentication failed").hint("check user \"u\" and its password"),
        || Fault::new(FaultKind::Configuration, "Unknown table 'events'").hint("correct the database in the address"),
        || Fault::new(FaultKind::NotFound, "no table to read events from").hint("check the user's grants"),
    ];
    for refusal in refusals {
        for sends_events in [false, true] {
            let mut world = World::new().await;
            world.append("events", &[event("a", 10, 20, json!({"version": minute(20).0.to_string()}))], EPOCH);
            let made = match sends_events {
                true => world.receiver("https://ours.example").await.1,
                false => world.integration("out", |_| {}).await,
            };
            let source = std::mem::replace(&mut world.windows.source, refusing(refusal));
            world.tick(minute(70)).await;
            for _ in 0..3 {
                let claim = world.claim().await.unwrap();
                let fault = world.carry_out(claim, None).await.unwrap_err();
                assert_eq!(fault.kind(), FaultKind::Unavailable, "{fault}");
            }
            assert_eq!(world.shown(&made).await.status(), IntegrationStatus::Running);
            // People read what the source said, and what can be done about it.
            let failure = world.runs(&made).await.remove(0).failure.unwrap();
            let said = refusal();
            assert_eq!(
                (failure.message.as_str(), failure.hint.as_deref()),
                (said.public_message(), said.public_hint())
            );

            world.windows.source = source;
            world.work(minute(70)).await;

            let run = world.runs(&made).await.remove(0);
            assert_eq!((run.state, run.attempts), (RunState::Completed, 4));
            assert_eq!(world.shown(&made).await.cursor, Some(minute(60)));
        }
    }
}

#[tokio::test]
async fn what_an_integration_asks_in_vain_pauses_it() {
    let asks_nonsense = |settings: &mut IntegrationSettings| {
        settings.tables[0].wheres = vec!["nonsense = 1".to_owned()];
    };
    let no_column: Refusal = || Fault::bad_request("table events has no stored column \"nonsense\"");
    for refusal in [None, Some(no_column)] {
        let mut world = World::new().await;
        let made = match refusal {
            // The request cannot be made at all.
            None => world.integration("out", asks_nonsense).await,
            // The source cannot honour it.
            Some(refusal) => {
                world.windows.source = refusing(refusal);
                world.integration("out", |_| {}).await
            }
        };
        world.work(minute(70)).await;
        let failure = world.shown(&made).await.pause.unwrap().failure.unwrap();
        assert_eq!(failure.kind, "bad_request", "{failure:?}");
        assert!(failure.message.contains("nonsense"), "{failure:?}");
    }
}
