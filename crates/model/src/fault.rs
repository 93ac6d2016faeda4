//! Failures that are classified where their cause is known and obeyed everywhere else.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::ByteCount;

/// A classified failure: what kind, what to tell the user, what to change, and the cause for us.
///
/// The message never holds a secret, a query or a stack; the source chain may hold more and is
/// for logs only.
#[derive(Debug)]
pub struct Fault {
    kind: FaultKind,
    message: Box<str>,
    hint: Option<Box<str>>,
    step: Option<&'static str>,
    problems: Box<[FieldProblem]>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What went wrong, in the only terms that decide what happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The request itself cannot be honoured: unknown column, empty window, bad option.
    BadRequest,
    /// A setting of the source or destination is wrong and stays wrong until somebody changes it.
    Configuration,
    /// The receiver does not accept our credentials, or they lack a right.
    Credentials,
    /// What was asked for does not exist.
    NotFound,
    /// What would be written exists already, or changed since it was read.
    Conflict,
    /// The receiver understood and refused the data.
    Rejected,
    /// Larger than the receiver or a limit of ours allows.
    TooLarge {
        /// The limit, where known.
        limit: Option<ByteCount>,
    },
    /// The receiver asks us to slow down.
    Throttled,
    /// The other side cannot be reached or has failed; it may recover.
    Unavailable,
    /// No answer in time.
    Timeout,
    /// Stored or received bytes contradict themselves.
    Corrupt,
    /// Stopped because it was asked to.
    Cancelled,
    /// A promise of ours does not hold.
    Bug,
}

/// When a failed step may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Not before somebody changes something.
    Never,
    /// After a growing, jittered wait.
    Backoff,
    /// After the time the receiver named.
    After(Duration),
}

impl FaultKind {
    /// The stable name in receipts, logs and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Configuration => "configuration",
            Self::Credentials => "credentials",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Rejected => "rejected",
            Self::TooLarge { .. } => "too_large",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Corrupt => "corrupt",
            Self::Cancelled => "cancelled",
            Self::Bug => "bug",
        }
    }
}

impl Fault {
    /// A failure of `kind` with a message of one lower-case sentence without full stop.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into().into(),
            hint: None,
            step: None,
            problems: Box::default(),
            retry_after: None,
            source: None,
        }
    }

    /// The request cannot be honoured.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(FaultKind::BadRequest, message)
    }

    /// One field of the request is wrong.
    pub fn of_field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of_problems(vec![FieldProblem::new(field, message)])
    }

    /// Stored or received bytes contradict themselves.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Corrupt, message)
    }

    /// A promise of ours does not hold.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Bug, message)
    }

    /// Joins the problems of one request; the first one's hint is kept.
    pub fn of_problems(problems: Vec<FieldProblem>) -> Self {
        let hint = problems.iter().find_map(|problem| problem.hint.as_deref().map(Into::into));
        let message = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        Self { hint, problems: problems.into(), ..Self::bad_request(message) }
    }

    /// The same with another message.
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into().into_boxed_str();
        self
    }

    /// The same of another kind, for those who read on behalf of somebody who cannot change what was wrong.
    pub fn with_kind(mut self, kind: FaultKind) -> Self {
        self.kind = kind;
        self
    }

    /// Adds what the user can change.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into().into());
        self
    }

    /// Says what was being done, such as `preparing the read`. The step that is named first, nearest to
    /// the cause, stays.
    pub fn during(mut self, step: &'static str) -> Self {
        self.step.get_or_insert(step);
        self
    }

    /// Adds the cause, for logs.
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds the wait that the receiver asked for.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    /// When the failed step may be tried again.
    pub fn retry(&self) -> Retry {
        match (self.kind, self.retry_after) {
            (FaultKind::Throttled | FaultKind::Unavailable | FaultKind::Timeout, Some(wait)) => Retry::After(wait),
            (FaultKind::Throttled | FaultKind::Unavailable | FaultKind::Timeout, None) => Retry::Backoff,
            _ => Retry::Never,
        }
    }

    /// The message for the user.
    pub fn public_message(&self) -> &str {
        &self.message
    }

    /// What was being done, where known.
    pub fn step(&self) -> Option<&'static str> {
        self.step
    }

    /// The fields of the request that are wrong, one by one, where the message joins several.
    pub fn problems(&self) -> &[FieldProblem] {
        &self.problems
    }

    /// What the user can change, where we know.
    pub fn public_hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

/// One thing wrong with a request: where, what, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// Path of the field as the user wrote it: `filter[2].column`, `--columns`.
    pub field: String,
    /// What is wrong, naming the value.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl FieldProblem {
    /// A problem without a suggestion.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into(), hint: None }
    }

    /// Adds what to write instead.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// The candidate that looks most like `name`, for "did you mean"; `None` where none is close.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&folded, &candidate.to_lowercase()), candidate))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
