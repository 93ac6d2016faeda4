//! Errors of the file system as faults: what happened to which path, and what to change.

use std::io::{self, ErrorKind};
use std::path::Path;

use model::{Fault, FaultKind};

/// The fault for failing at `doing` something to `path`.
///
/// A full disk is a matter of configuration: waiting seconds does not help, somebody has to make room.
pub(super) fn classify(doing: &str, path: &Path, error: io::Error) -> Fault {
    let (kind, why, hint) = match error.kind() {
        ErrorKind::NotFound => (FaultKind::NotFound, "it does not exist", Some("check the path")),
        ErrorKind::PermissionDenied => {
            (FaultKind::Configuration, "permission denied", Some("make the directory writable for this user"))
        }
        ErrorKind::ReadOnlyFilesystem => {
            (FaultKind::Configuration, "the file system is read-only", Some("choose a directory that can be written"))
        }
        ErrorKind::StorageFull => {
            (FaultKind::Configuration, "the disk is full", Some("free space or choose another directory"))
        }
        ErrorKind::QuotaExceeded => {
            (FaultKind::Configuration, "the disk quota is used up", Some("free space or choose another directory"))
        }
        ErrorKind::FileTooLarge => (
            FaultKind::TooLarge { limit: None },
            "the file would be larger than is allowed here",
            Some("raise the limit that ulimit -f shows, or write several smaller files"),
        ),
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            (FaultKind::Configuration, "a part of the path is a file", Some("choose another directory"))
        }
        ErrorKind::IsADirectory => (FaultKind::Configuration, "it is a directory", Some("choose another name")),
        ErrorKind::InvalidFilename | ErrorKind::InvalidInput => {
            (FaultKind::Configuration, "the file system does not take this name", Some("choose another name"))
        }
        ErrorKind::TimedOut | ErrorKind::StaleNetworkFileHandle | ErrorKind::ResourceBusy => {
            (FaultKind::Unavailable, "the file system does not answer", None)
        }
        _ => (FaultKind::Rejected, "the file system reports an error", None),
    };
    let message = match kind {
        FaultKind::Rejected => format!("cannot {doing} {}: {error}", path.display()),
        _ => format!("cannot {doing} {}: {why}", path.display()),
    };
    let fault = Fault::new(kind, message).because(error);
    match hint {
        Some(hint) => fault.hint(hint),
        None => fault,
    }
}
