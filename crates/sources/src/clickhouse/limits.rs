//! Limits of a server that a query may meet, and how often what it looks at is divided before that is a fault.

use model::{Fault, FaultKind};

/// How often something is halved, and its halves again, without a row in between, before its fault stands. Time also
/// runs out where the connection hangs, which nothing smaller cures.
const HALVINGS_FOR_TIME: u32 = 3;
const HALVINGS_FOR_MEMORY: u32 = 64;

/// How often what met this fault is halved; not at all where less of it would fail alike.
pub(super) fn halvings(fault: &Fault) -> u32 {
    match fault.kind() {
        FaultKind::TooLarge { .. } => HALVINGS_FOR_MEMORY,
        FaultKind::Timeout => HALVINGS_FOR_TIME,
        _ => 0,
    }
}

/// Whether a smaller query may pass where this one met its limit.
pub(super) fn is_limit(fault: &Fault) -> bool {
    halvings(fault) > 0
}

/// What `ask` answers about all of these, in their order; half of them are asked about at a time where the server meets
/// a limit. `question` names it in the log.
pub(super) async fn in_halves<'a, T, A, F>(
    all: &'a [T],
    question: &str,
    ask: impl Fn(&'a [T]) -> F,
) -> Result<Vec<A>, Fault>
where
    F: Future<Output = Result<A, Fault>>,
{
    let mut answers = Vec::new();
    let mut left = vec![(all, 0)];
    while let Some((some, halved)) = left.pop() {
        match ask(some).await {
            Ok(answer) => answers.push(answer),
            Err(fault) if some.len() > 1 && halved < halvings(&fault) => {
                tracing::debug!(fault = %fault, "{question} is halved");
                let (first, second) = some.split_at(some.len() / 2);
                left.extend([(second, halved + 1), (first, halved + 1)]);
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn halves_that_meet_a_limit_are_halved_and_answers_keep_their_order() {
        let all: Vec<u32> = (0..10).collect();
        let few = |some: &[u32]| {
            let answer = match some.len() {
                0..=3 => Ok(some.to_vec()),
                _ => Err(Fault::new(FaultKind::TooLarge { limit: None }, "too much")),
            };
            async move { answer }
        };
        let answers = in_halves(&all, "a question", few).await.unwrap();
        assert_eq!(answers, [vec![0, 1], vec![2, 3, 4], vec![5, 6], vec![7, 8, 9]]);
    }

    #[tokio::test]
    async fn what_meets_a_limit_of_time_is_halved_three_times() {
        let asked = std::sync::Mutex::new(Vec::new());
        let ask = |some: &[u32]| {
            asked.lock().unwrap().push(some.len());
            async { Err::<(), _>(Fault::new(FaultKind::Timeout, "too long")) }
        };
        let fault = in_halves(&[0; 32], "a question", ask).await.unwrap_err();
        assert_eq!((fault.kind(), asked.into_inner().unwrap()), (FaultKind::Timeout, vec![32, 16, 8, 4]));
    }

    #[tokio::test]
    async fn one_that_meets_a_limit_and_any_other_fault_end_the_question() {
        for kind in [FaultKind::TooLarge { limit: None }, FaultKind::Rejected] {
            let asked = std::sync::Mutex::new(Vec::new());
            let ask = |some: &[u32]| {
                asked.lock().unwrap().push(some.to_vec());
                let fault = Fault::new(kind, "no");
                async move { Err::<(), _>(fault) }
            };
            let fault = in_halves(&[1, 2, 3], "a question", ask).await.unwrap_err();
            let asked = asked.into_inner().unwrap();
            match fault.kind() {
                FaultKind::TooLarge { .. } => assert_eq!(asked, [vec![1, 2, 3], vec![1]]),
                _ => assert_eq!(asked, [[1, 2, 3]]),
            }
        }
    }
}
