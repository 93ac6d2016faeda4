//! How results and failures reach people and scripts: text on stdout; one line, a hint, an exit code.

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use model::{Fault, FaultKind, FieldProblem, RowCount};

use crate::cli::exit_code;

/// Prints what a command found or did to stdout.
///
/// A reader that has left wants no more, which is no failure: so `outgest data info | head -3` ends well.
pub fn print(text: &str) -> Result<(), Fault> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Fault::new(FaultKind::Configuration, format!("cannot write to standard output: {error}"))
                .hint("what was asked for is done; only its report could not be printed"))
        }
        _ => Ok(()),
    }
}

/// A count with its noun: `1 file`, `1,024 files`.
pub fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", RowCount(count).human(), if count == 1 { "" } else { "s" })
}

/// Prints a fault to stderr: what failed, what to change. The cause goes to the log.
pub fn print_fault(fault: &Fault) {
    tell(fault, fault.public_hint().or_else(|| general_hint(fault)));
    log_causes(fault);
}

/// Tells the log what caused a fault that was shown otherwise.
pub fn log_causes(fault: &Fault) {
    let mut cause = std::error::Error::source(fault);
    while let Some(error) = cause {
        tracing::info!(cause = %error, "the failure above was caused by this");
        cause = error.source();
    }
}

/// Prints problems of the settings to stderr, each with what to write instead.
pub fn print_problems(problems: &[FieldProblem]) {
    for problem in problems {
        tell(problem, problem.hint.as_deref().or(Some("outgest config reference lists every setting")));
    }
}

fn tell(error: impl Display, hint: Option<&str>) {
    let hint = hint.map_or_else(String::new, |hint| format!("hint: {hint}\n"));
    // Where stderr is closed only the exit code can tell.
    std::io::stderr().write_all(format!("error: {error}\n{hint}").as_bytes()).ok();
}

/// What can be done about a failure that nobody could say more about.
fn general_hint(fault: &Fault) -> Option<&'static str> {
    match fault.kind() {
        FaultKind::BadRequest => Some("the same command with --help shows what can be given"),
        FaultKind::Bug => Some("this is a mistake of outgest: please report it with what --log debug prints"),
        FaultKind::Unavailable | FaultKind::Timeout | FaultKind::Throttled => {
            Some("it may work later; --log info shows the cause")
        }
        _ => std::error::Error::source(fault).map(|_| "--log info shows the cause"),
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
