//! How failures reach people and scripts: one line, a hint, an exit code.

use model::{Fault, FaultKind, FieldProblem};

use crate::cli::exit_code;

/// Prints a fault to stderr: what failed, what to change. The cause goes to the log.
pub fn print_fault(fault: &Fault) {
    eprintln!("error: {fault}");
    if let Some(hint) = fault.public_hint() {
        eprintln!("hint: {hint}");
    }
    let mut cause = std::error::Error::source(fault);
    while let Some(error) = cause {
        tracing::info!(cause = %error, "the failure above was caused by this");
        cause = error.source();
    }
}

/// Prints problems to stderr, each with what to write instead.
pub fn print_problems(problems: &[FieldProblem]) {
    for problem in problems {
        eprintln!("error: {problem}");
        if let Some(hint) = &problem.hint {
            eprintln!("hint: {hint}");
        }
    }
}

/// The exit code of a fault.
pub fn exit_code_of(fault: &Fault) -> u8 {
    match fault.kind() {
        FaultKind::BadRequest | FaultKind::Configuration | FaultKind::Conflict | FaultKind::NotFound => {
            exit_code::BAD_REQUEST
        }
        FaultKind::Cancelled => exit_code::INTERRUPTED,
        FaultKind::Credentials
        | FaultKind::Rejected
        | FaultKind::TooLarge { .. }
        | FaultKind::Throttled
        | FaultKind::Unavailable
        | FaultKind::Timeout
        | FaultKind::Corrupt
        | FaultKind::Bug => exit_code::FAILED,
    }
}
