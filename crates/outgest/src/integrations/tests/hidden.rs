//! Windows of files that do not hold the keys of their rows as they are stored, a day later.

use model::{IntegrationSettings, RowCount, RunCause, WindowRun};
use serde_json::{Value, json};

use super::windows::{event, manifest};
use super::world::{EPOCH, World, minute};

/// Changes the settings of an integration.
type Change = fn(&mut IntegrationSettings);

/// Every way in which files hide keys, or change how they look.
const EVERY_WAY: [(&str, Change); 3] =
    [("neutralised", neutralised), ("masked", masked), ("columns without the id", left_out)];

fn neutralised(settings: &mut IntegrationSettings) {
    let files = settings.files.as_mut().unwrap();
    files.format = "csv".to_owned();
    files.neutralise_formulas = true;
}

fn masked(settings: &mut IntegrationSettings) {
    settings.tables[0].masks = vec!["id:hash".to_owned()];
}

fn left_out(settings: &mut IntegrationSettings) {
    settings.tables[0].columns = vec!["trace_id".to_owned(), "name".to_owned()];
}

/// Exports a window of four rows, stores one more row and compares. The runs are the newest first.
async fn compared(what: &str, hide: Change, later: Value) -> (World, Vec<WindowRun>) {
    let world = World::new().await;
    world.append("events", &["-a", "=b", "'=c", "d"].map(|id| event(id, 10, 20, json!({}))), EPOCH);
    let made = world.integration("out", hide).await;
    world.work(minute(70)).await;
    world.append("events", &[later], EPOCH);
    assert_eq!(world.reconcile(minute(70)).await, 1, "{what}");
    let runs = world.runs(&made).await;
    (world, runs)
}

#[tokio::test]
async fn a_row_that_changed_since_makes_no_revision_where_files_hide_their_keys() {
    for (what, hide) in EVERY_WAY {
        let (_, runs) = compared(what, hide, event("-a", 10, 90, json!({}))).await;
        let found = runs[0].found_later.clone().unwrap();
        let told = (runs.len(), found.missing_rows, found.superseded_rows);
        assert_eq!(told, (1, RowCount(0), RowCount(1)), "{what}");
    }
}

#[tokio::test]
async fn a_missing_row_is_a_revision_where_files_hide_their_keys() {
    for (what, hide) in EVERY_WAY {
        let (world, runs) = compared(what, hide, event("=stuck", 12, 30, json!({}))).await;
        let found = runs[1].found_later.clone().unwrap();
        assert_eq!((found.missing_rows, found.superseded_rows), (RowCount(1), RowCount(0)), "{what}");
        assert_eq!((runs.len(), runs[0].cause), (2, RunCause::Reconcile), "{what}");
        let revision = manifest(&world, "out/p/manifests/2026-08-01T01-00-00.r2.json");
        // A mask holds in manifests, too: there the table is written whole, and no row is named.
        let is_masked = what == "masked";
        assert_eq!(revision.rows, RowCount(if is_masked { 5 } else { 1 }), "{what}");
        let text = serde_json::to_string(&revision).unwrap();
        assert_eq!(text.contains("stuck"), !is_masked, "{what}: {text}");
    }
}
