//! One process at a time carries out a run.

use model::{Checkpoint, Micros, RowCount, RunId, RunLog};

use super::*;
use crate::native::{HeldRun, RunHolder};

fn elsewhere(held: HeldRun) -> RunHolder {
    match held {
        HeldRun::Elsewhere(holder) => holder,
        HeldRun::Here(_) => panic!("it could be held twice"),
    }
}

pub(super) async fn a_run_is_held_once_until_its_holder_is_gone(store: NativeStore) {
    let (run, other) = (RunId::new("r"), RunId::new("other"));
    let HeldRun::Here(hold) = store.hold_run(&run).await.unwrap() else { panic!("nobody holds it") };

    assert_eq!(elsewhere(store.hold_run(&run).await.unwrap()).since, None);
    let log = store.begin_run(&run, &json!({}), Micros(7)).await.unwrap();
    log.record(&Checkpoint::default()).await.unwrap();
    let holder = elsewhere(store.hold_run(&run).await.unwrap());
    assert_eq!((holder.since, holder.rows), (Some(Micros(7)), RowCount(0)));
    assert!(matches!(store.hold_run(&other).await.unwrap(), HeldRun::Here(_)));

    drop(hold);
    let mut again = store.hold_run(&run).await.unwrap();
    // A server notices a moment later that a connection is gone.
    for _ in 0..200 {
        if matches!(again, HeldRun::Here(_)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        again = store.hold_run(&run).await.unwrap();
    }
    panic!("it stays held: {again:?}");
}
