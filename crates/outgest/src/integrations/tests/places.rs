//! A worker has few places: a window whose destination is away gives its own back soon, and goes on later.

use destinations::{Call, Trouble};
use model::{Fault, FaultKind, RunState};
use serde_json::json;

use super::ledger::SendTrouble;
use super::windows::event;
use super::world::{EPOCH, World, minute};

#[tokio::test]
async fn a_window_of_events_is_tried_again_by_the_queue_and_not_in_its_place() {
    let world = World::new().await;
    world.append("events", &[event("a", 10, 20, json!({"version": minute(20).0.to_string()}))], EPOCH);
    let (ledger, made) = world.receiver("https://ours.example").await;
    world.tick(minute(70)).await;
    ledger.trouble(SendTrouble::Away(30));
    let claim = world.claim().await.unwrap();
    let fault = world.carry_out(claim, None).await.unwrap_err();
    assert_eq!((fault.kind(), fault.step()), (FaultKind::Unavailable, Some("sending events")));
    assert_eq!(ledger.away_for(), 26, "a place was held for more than a few tries");
    world.work(minute(70)).await;
    assert_eq!(world.runs(&made).await[0].state, RunState::Completed);
    assert_eq!(ledger.arrived().len(), 1);
}

#[tokio::test]
async fn a_window_of_files_is_tried_again_by_the_queue_and_not_in_its_place() {
    fn away() -> Fault {
        Fault::new(FaultKind::Unavailable, "503")
    }
    let world = World::new().await;
    world.append("events", &[event("a", 10, 20, json!({}))], EPOCH);
    let made = world.integration("out", |_| {}).await;
    world.tick(minute(70)).await;
    // As often as a run on the command line waits for.
    world.shelf.trouble((1..=6).fold(Trouble::none(), |trouble, nth| trouble.fail(Call::Open, nth, away)));
    let claim = world.claim().await.unwrap();
    let fault = world.carry_out(claim, None).await.unwrap_err();
    assert_eq!((fault.kind(), fault.step()), (FaultKind::Unavailable, Some("opening a file")));
    world.work(minute(70)).await;
    assert_eq!(world.runs(&made).await[0].state, RunState::Completed);
}
