//! Who has a place, who waits for one, and for whom one is kept.

use futures_util::FutureExt;

use super::*;

#[tokio::test]
async fn one_more_query_runs_when_one_has_ended() {
    let limiter = Arc::new(Limiter::new(2));
    let (first, _second) = (limiter.permit(Use::Rows).await, limiter.permit(Use::Rows).await);
    let mut third = Box::pin(limiter.permit(Use::Rows));
    assert!(third.as_mut().now_or_never().is_none());
    drop(first);
    third.await;
}

#[tokio::test]
async fn a_look_up_never_waits_for_rows() {
    let limiter = Arc::new(Limiter::new(1));
    let _rows = limiter.permit(Use::Rows).await;
    let look_up = limiter.permit(Use::LookUp).await;
    assert!(limiter.permit(Use::LookUp).now_or_never().is_none());
    drop(look_up);
    assert!(limiter.permit(Use::Rows).now_or_never().is_none());
    assert!(limiter.permit(Use::LookUp).now_or_never().is_some());
}

#[tokio::test]
async fn a_complaint_halves_the_queries_for_a_while() {
    let limiter = Arc::new(Limiter::new(4));
    limiter.lower_for(Duration::from_millis(100));
    limiter.lower_for(Duration::from_millis(100));
    let _one = limiter.permit(Use::Rows).await;
    assert!(limiter.permit(Use::Rows).now_or_never().is_none());
    let began = Instant::now();
    let _two = limiter.permit(Use::Rows).await;
    assert!(began.elapsed() >= Duration::from_millis(50));
    assert!(limiter.permit(Use::Rows).now_or_never().is_some());
}

#[tokio::test]
async fn where_one_query_is_left_a_complaint_makes_pauses_as_long_as_queries() {
    let long = Duration::from_millis(100);
    // The only one of a server, and the only one of a process.
    for (queries_max, processes) in [(1, 1), (4, 4)] {
        let limiter = Arc::new(Limiter::new(queries_max));
        limiter.share(processes);
        drop(limiter.permit(Use::Rows).await);
        assert!(limiter.permit(Use::Rows).now_or_never().is_some(), "nobody has complained");
        limiter.lower();
        for use_of in [Use::Rows, Use::LookUp] {
            let query = limiter.permit(Use::Rows).await;
            tokio::time::sleep(long).await;
            drop(query);
            let began = Instant::now();
            drop(limiter.permit(use_of).await);
            assert!(began.elapsed() >= long.mul_f64(0.9), "{use_of:?} after {:?}", began.elapsed());
        }
    }
}

#[tokio::test]
async fn no_pause_follows_a_query_that_ends_when_the_complaint_is_over() {
    let limiter = Arc::new(Limiter::new(1));
    limiter.lower_for(Duration::from_millis(50));
    let query = limiter.permit(Use::Rows).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(query);
    assert!(limiter.permit(Use::Rows).now_or_never().is_some());
}

#[tokio::test]
async fn processes_share_the_limits_and_each_has_one_query() {
    let limiter = Arc::new(Limiter::new(4));
    let free = || (0..9).map_while(|_| limiter.permit(Use::Rows).now_or_never()).collect::<Vec<_>>().len();
    let mut found = Vec::new();
    for processes in [1, 2, 3, 9, 1] {
        limiter.share(processes);
        found.push(free());
    }
    assert_eq!(found, [4, 2, 1, 1, 4]);
    let paid = Limiter::of("test of shares", 2, Some(ByteCount(1_000_000)));
    paid.share(2);
    let began = Instant::now();
    assert!((0.19..0.3).contains(&(paid.pay(100_000).unwrap() - began).as_secs_f64()));
}

#[tokio::test]
async fn rows_that_nobody_takes_leave_their_place_to_others_until_they_are_taken() {
    let long = Duration::from_millis(100);
    let limiter = Arc::new(Limiter { untaken_max: long, ..Limiter::new(1) });
    let first = limiter.permit(Use::Rows).await;
    tokio::time::sleep(long).await;
    assert!(limiter.permit(Use::Rows).now_or_never().is_none(), "they are on their way");
    let began = Instant::now();
    first.came();
    let second = limiter.permit(Use::Rows).await;
    assert!(began.elapsed() >= long, "{:?}", began.elapsed());
    assert!(first.asked_for().now_or_never().is_none(), "the place is the other one's");
    drop(second);
    first.asked_for().await;
    assert!(limiter.permit(Use::Rows).now_or_never().is_none(), "the place is its own again");
    // Whoever ends without a place frees none.
    first.came();
    let _third = limiter.permit(Use::Rows).await;
    drop(first);
    assert!(limiter.permit(Use::Rows).now_or_never().is_none());
}

#[tokio::test]
async fn as_many_places_are_lent_as_are_waited_for() {
    let untaken_max = Duration::from_millis(50);
    let limiter = Arc::new(Limiter { untaken_max, ..Limiter::new(3) });
    let lent = || limiter.lock().lent.len();
    let mut rows = Vec::new();
    for _ in 0..3 {
        rows.push(limiter.permit(Use::Rows).await);
    }
    rows.iter().for_each(Permit::came);
    tokio::time::sleep(2 * untaken_max).await;
    let _first = limiter.permit(Use::Rows).now_or_never().expect("a place of rows that nobody takes");
    assert_eq!(lent(), 1);
    rows[0].asked_for().now_or_never().expect("the place of the next ones");
    assert_eq!(lent(), 1);
    let _second = limiter.permit(Use::Rows).now_or_never().expect("the place of the last ones");
    assert_eq!(lent(), 2);
    assert!(limiter.permit(Use::Rows).now_or_never().is_none(), "all others are in use");
    assert_eq!(lent(), 2);
}

#[tokio::test]
async fn rows_that_are_taken_again_have_a_place_before_new_queries() {
    let limiter = Arc::new(Limiter { untaken_max: Duration::from_millis(100), ..Limiter::new(2) });
    let first = limiter.permit(Use::Rows).await;
    first.came();
    let (second, third) = (limiter.permit(Use::Rows).await, limiter.permit(Use::Rows).await);
    let mut again = Box::pin(first.asked_for());
    assert!(again.as_mut().now_or_never().is_none(), "the places are the other ones'");
    drop(second);
    assert!(limiter.permit(Use::Rows).now_or_never().is_none(), "one is left, which is kept for it");
    let look_up = limiter.permit(Use::LookUp).await;
    drop(third);
    assert!(limiter.permit(Use::LookUp).now_or_never().is_none(), "nor does a second look-up take it");
    drop(look_up);
    let fourth = limiter.permit(Use::Rows).await;
    assert!(limiter.permit(Use::Rows).now_or_never().is_none(), "one of two was not kept");
    again.await;
    assert!(limiter.permit(Use::Rows).now_or_never().is_none(), "it is in flight again");
    drop(fourth);
    assert!(limiter.permit(Use::Rows).now_or_never().is_some(), "nothing is kept any more");
}

#[tokio::test]
async fn a_new_query_does_not_wait_for_ever_behind_rows_that_are_taken_again() {
    let untaken_max = Duration::from_millis(50);
    let limiter = Arc::new(Limiter { untaken_max, ..Limiter::new(1) });
    let first = limiter.permit(Use::Rows).await;
    first.came();
    let second = limiter.permit(Use::Rows).await;
    // Two slow streams: one of them always waits for the place of the other.
    let slow = async {
        loop {
            second.came();
            first.asked_for().await;
            first.came();
            second.asked_for().await;
        }
    };
    let began = Instant::now();
    tokio::select! {
        () = slow => {}
        third = limiter.permit(Use::Rows) => drop(third),
    }
    assert!(began.elapsed() >= UNTAKEN_TIMES_WAITED * untaken_max, "{:?}", began.elapsed());
}

#[tokio::test]
async fn nothing_is_kept_for_rows_that_are_not_waited_for_any_more() {
    let limiter = Arc::new(Limiter { untaken_max: Duration::from_millis(100), ..Limiter::new(1) });
    let first = limiter.permit(Use::Rows).await;
    first.came();
    let second = limiter.permit(Use::Rows).await;
    let mut again = Box::pin(first.asked_for());
    assert!(again.as_mut().now_or_never().is_none());
    let mut third = Box::pin(limiter.permit(Use::Rows));
    drop(second);
    assert!(third.as_mut().now_or_never().is_none());
    drop(again);
    let third = third.now_or_never().expect("it waits no more");
    // Others leave their places to it as they would to a new query.
    third.came();
    first.asked_for().await;
    assert!(third.asked_for().now_or_never().is_none(), "its place is the first one's");
}

#[tokio::test]
async fn rows_that_are_taken_in_time_keep_their_place() {
    let limiter = Arc::new(Limiter { untaken_max: Duration::from_secs(60), ..Limiter::new(1) });
    let first = limiter.permit(Use::Rows).await;
    first.came();
    assert!(limiter.permit(Use::Rows).now_or_never().is_none());
    assert!(first.asked_for().now_or_never().is_some());
    let look_up = limiter.permit(Use::LookUp).await;
    look_up.came();
    assert!(limiter.lock().untaken.is_empty(), "whoever looks something up takes it");
}

#[tokio::test]
async fn bytes_are_paid_for_by_all_who_share_a_server() {
    let limiter = Limiter::of("test of bytes", 2, Some(ByteCount(1_000_000)));
    let began = Instant::now();
    limiter.pay(300_000);
    let other = Limiter::of("test of bytes", 2, Some(ByteCount(1_000_000)));
    let until = other.pay(200_000).unwrap();
    assert!((0.45..0.6).contains(&(until - began).as_secs_f64()));
    assert!(Limiter::of("another", 2, None).pay(1 << 40).is_none());
}
