//! Whose turn it is to send, where the user allows a number of events a second.
//!
//! A request is sent after a pause as long as its events take at that rate. The deliveries of a process to one
//! destination pause one after another, so that all of them together keep to it; whoever is stopped amid a pause leaves
//! it to the next one. Other processes know nothing of it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Semaphore, SemaphorePermit};

/// The turns of one destination. Clones share them.
#[derive(Clone, Debug)]
pub struct Pace(Arc<Semaphore>);

impl Default for Pace {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Pace {
    /// Waits for a turn, in the order of asking. It lasts until it is dropped.
    pub(super) async fn turn(&self) -> SemaphorePermit<'_> {
        self.0.acquire().await.expect("the semaphore is never closed")
    }
}

/// The paces of all destinations that a process delivers to. Clones share them.
#[derive(Clone, Debug)]
pub struct Paces<K>(Arc<Mutex<HashMap<K, Weak<Semaphore>>>>);

impl<K> Default for Paces<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Eq + Hash> Paces<K> {
    /// The pace of a destination: the same one as long as anybody has it.
    pub fn of(&self, destination: K) -> Pace {
        let mut paces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        paces.retain(|_, pace| pace.strong_count() > 0);
        if let Some(pace) = paces.get(&destination).and_then(Weak::upgrade) {
            return Pace(pace);
        }
        let pace = Pace::default();
        paces.insert(destination, Arc::downgrade(&pace.0));
        pace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn deliveries_to_one_destination_have_turns_and_others_have_their_own() {
        let paces = Paces::default();
        let (first, second, other) = (paces.of("a"), paces.of("a"), paces.of("b"));
        let turn = first.turn().await;
        assert!(second.0.try_acquire().is_err() && other.0.try_acquire().is_ok());
        drop(turn);
        assert!(second.0.try_acquire().is_ok());
        // Nobody is left who could keep to it.
        drop((first, second));
        let known = |paces: &Paces<&str>| paces.0.lock().unwrap().len();
        let again = paces.of("b");
        assert_eq!(known(&paces), 1);
        drop((again, other));
    }
}
