//! The queries of one reading that may still run on the server, and how they are ended.
//!
//! A query is noted before it is sent and struck out when its answer is complete or the server has ended
//! it. What is left — stopped, broken off, dropped — is ended with `KILL QUERY`, which any user may do
//! with queries of his own, and which returns when they have ended. Behind a balancer the statement may
//! reach another server; there the closed connection ends the query.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Ids of queries that may run.
#[derive(Clone, Debug, Default)]
pub(super) struct Running {
    ids: Arc<Mutex<BTreeSet<String>>>,
}

/// One of them. Dropping it changes nothing: only an answer that ended is known to have ended.
#[derive(Debug)]
pub(super) struct RunningQuery {
    pub(super) id: String,
    running: Running,
}

impl Running {
    /// Notes a query that is about to be sent.
    pub(super) fn begin(&self, id: String) -> RunningQuery {
        self.lock().insert(id.clone());
        RunningQuery { id, running: self.clone() }
    }

    /// The ids of all that may run.
    pub(super) fn ids(&self) -> Vec<String> {
        self.lock().iter().cloned().collect()
    }

    /// Strikes out queries that have ended.
    pub(super) fn ended(&self, ids: &[String]) {
        let mut running = self.lock();
        for id in ids {
            running.remove(id);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunningQuery {
    /// The query has ended on the server.
    pub(super) fn ended(self) {
        self.running.ended(std::slice::from_ref(&self.id));
    }
}

/// A list of ids in the text form of an array; ids are ours and hold nothing to escape.
pub(super) fn array_of(ids: &[String]) -> String {
    format!("['{}']", ids.join("','"))
}
