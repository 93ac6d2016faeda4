//! Keeps the store small and fast: merges files, removes what is old, copies it.
//!
//! One process at a time does any of this; readers and appenders go on meanwhile.

mod backup;
mod check;
mod compact;
mod expire;
mod info;
mod merge;
mod plan;
mod vacuum;

pub use check::Checked;
pub use compact::Compacted;
pub use expire::Expired;
pub use info::{ProjectInfo, StoreInfo, TableInfo};

use std::fs::{File, TryLockError};

use model::{Fault, FaultKind};

use crate::{Lake, disk};

/// The right to maintain a store, as long as it lives.
#[derive(Debug)]
struct Ownership {
    _lock: File,
}

impl Lake {
    /// Claims the right to maintain; `None` where another process has it.
    fn try_own(&self) -> Result<Option<Ownership>, Fault> {
        let path = self.directory().join("maintenance.lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|cause| disk::fault("open", &path, cause))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Ownership { _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(cause)) => Err(disk::fault("lock", &path, cause)),
        }
    }

    fn own(&self) -> Result<Ownership, Fault> {
        self.try_own()?.ok_or_else(|| {
            Fault::new(
                FaultKind::Conflict,
                format!("the store in {} is being maintained by another process", self.directory().display()),
            )
            .hint("wait until it has finished, then try again")
        })
    }
}

#[cfg(test)]
mod tests;
