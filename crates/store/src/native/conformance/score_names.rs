//! Names of scores: what the runs of an integration had is kept once, and each is told as new once.

use model::{IntegrationStore, Outcome, SchedulerStore, SchemaChange, ScoreNames, WindowResult};

use super::integrations::{NOW, at, make, runs, tick};
use super::*;

/// Names of the scores in one table.
pub(super) fn names_of(table: &str, names: &[&str]) -> ScoreNames {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    ScoreNames { table: table.to_owned(), names, more: false }
}

/// The result of a window whose scores have names that were not kept when it looked, and told these as new.
pub(super) fn with_names(names: &[ScoreNames], new: &[&str]) -> Outcome {
    let new = new.iter().map(|name| (*name).to_owned()).collect();
    let change = SchemaChange { table: "scores".to_owned(), score_names: new, ..SchemaChange::default() };
    let schema_changed = if change.is_none() { vec![] } else { vec![change] };
    let result = WindowResult { score_names: names.to_vec(), schema_changed, ..WindowResult::default() };
    Outcome::Completed(serde_json::to_value(result).unwrap())
}

pub(super) async fn names_of_scores_are_kept_once_for_all_windows(store: NativeStore) {
    let made = make(&store, "a", "2026-08-01 09:00").await;
    assert!(store.score_names(&made.id).await.unwrap().is_empty());
    // The first two windows side by side: they end at the same time, and neither knew of the other.
    tick(&store, NOW).await;
    let (one, other) = (claim(&store, "one").await, claim(&store, "other").await);
    let both = tokio::join!(
        store.settle(one.lease, with_names(&[names_of("scores", &["a", "b"]), names_of("other", &[])], &[])),
        store.settle(other.lease, with_names(&[names_of("other", &["x"]), names_of("scores", &["b", "c"])], &[])),
    );
    both.0.unwrap();
    both.1.unwrap();
    let kept = store.score_names(&made.id).await.unwrap();
    assert_eq!(kept, [names_of("other", &["x"]), names_of("scores", &["a", "b", "c"])]);

    // Of two that tell the same name as new the one that ends last does not.
    tick(&store, at("2026-08-01 13:10")).await;
    let (one, other) = (claim(&store, "one").await, claim(&store, "other").await);
    let ids = [one.job.id.clone(), other.job.id.clone()];
    store.settle(one.lease, with_names(&[names_of("scores", &["d"])], &["d"])).await.unwrap();
    store.settle(other.lease, with_names(&[names_of("scores", &["d", "e"])], &["d", "e"])).await.unwrap();
    let all = runs(&store, &made.id).await;
    let told = ids.map(|id| {
        let result = all.iter().find(|run| run.id == id).unwrap().result.clone().unwrap();
        // The run itself keeps none.
        assert!(result.score_names.is_empty());
        result.schema_changed.into_iter().flat_map(|change| change.score_names).collect::<Vec<_>>()
    });
    assert_eq!(told, [vec!["d".to_owned()], vec!["e".to_owned()]]);
    assert_eq!(store.score_names(&made.id).await.unwrap()[1], names_of("scores", &["a", "b", "c", "d", "e"]));
    tick(&store, at("2026-08-01 14:10")).await;
    let same = claim(&store, "w").await;
    store.settle(same.lease, with_names(&[names_of("scores", &["d"])], &["d"])).await.unwrap();
    assert!(runs(&store, &made.id).await[0].result.as_ref().unwrap().schema_changed.is_empty());

    // Nothing of it is another one's, and it goes with its integration.
    let other = make(&store, "b", "2026-08-01 11:00").await;
    assert!(store.score_names(&other.id).await.unwrap().is_empty());
    store.delete_integration(&project(), &made.id).await.unwrap();
    assert!(store.score_names(&made.id).await.unwrap().is_empty());
}

pub(super) async fn no_more_names_of_scores_are_kept_than_are_read(store: NativeStore) {
    let made = make(&store, "a", "2026-08-01 09:00").await;
    tick(&store, NOW).await;
    let numbered =
        |from: usize, to: usize| -> Vec<String> { (from..to).map(|number| format!("{number:05}")).collect() };
    // Each of two windows side by side has room for its names, both together have not.
    for names in [numbered(0, 700), numbered(600, 1_300)] {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let claim = claim(&store, "w").await;
        store.settle(claim.lease, with_names(&[names_of("scores", &names)], &[])).await.unwrap();
    }
    let kept = store.score_names(&made.id).await.unwrap().remove(0);
    assert_eq!((kept.names.len(), kept.names.last().map(String::as_str)), (ScoreNames::MAX, Some("00999")));
    assert!(kept.more);
    // That there are more is kept even of a window that adds none.
    let made = make(&store, "b", "2026-08-01 10:00").await;
    tick(&store, NOW).await;
    let claim = claim(&store, "w").await;
    let long = ScoreNames { more: true, ..names_of("scores", &[]) };
    store.settle(claim.lease, with_names(std::slice::from_ref(&long), &[])).await.unwrap();
    assert_eq!(store.score_names(&made.id).await.unwrap(), [long]);
}
