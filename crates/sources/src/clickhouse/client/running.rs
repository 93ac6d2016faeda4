//! The queries of one reading that may still run on the server, and how they are ended.
//!
//! A query is noted before it is sent and struck out when its answer is complete or the server has ended
//! it. What is left — stopped, broken off, dropped — is ended with `KILL QUERY`, which returns when it has
//! ended. Any user may end queries of its own, but the server looks for them in `system.processes` with its
//! rights. Where these do not suffice, and behind a balancer where the statement may reach another server,
//! the closed connection ends the query: at once where the server may be told to watch it, else when it
//! has rows to send.

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

    /// Strikes out a query that has ended.
    pub(super) fn ended(&self, id: &str) {
        self.lock().remove(id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunningQuery {
    /// The query has ended on the server.
    pub(super) fn ended(self) {
        self.running.ended(&self.id);
    }
}
