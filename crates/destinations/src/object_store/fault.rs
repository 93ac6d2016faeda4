//! Errors of object stores as faults: the receiver's own code decides, then the HTTP status.

use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

use model::{Fault, FaultKind};
use object_store::client::{HttpError, HttpErrorKind};

use super::vendor::Place;
use crate::certificate;
use crate::egress::{Refusal, Unreached};
use crate::guard::{self, Refused};

/// Characters of a receiver's message that are repeated: enough for a sentence.
const MESSAGE_CHARS_MAX: usize = 300;

impl Place {
    /// The fault for an error while `doing` something, such as `read a.csv`.
    pub(super) fn fault(&self, doing: &str, error: object_store::Error) -> Fault {
        let fault = match (Refusal::of(&error), transport(&error)) {
            _ if Refused::caused(&error) => {
                let message = format!("cannot {doing} in {self}: the host is in a network that may not be reached");
                Fault::new(FaultKind::Configuration, message).hint(guard::HINT)
            }
            (Some(refusal), _) => self.refused(doing, refusal),
            (None, Some(kind)) => self.unreachable(doing, kind, &error),
            (None, None) => match &error {
                object_store::Error::NotFound { .. } => {
                    Fault::new(FaultKind::NotFound, format!("cannot {doing} in {self}: it does not exist"))
                }
                // The answer was not of the form that the protocol asks for; a proxy's page, for instance.
                _ => Fault::new(FaultKind::Unavailable, format!("cannot {doing} in {self}: the answer makes no sense")),
            },
        };
        fault.because(error)
    }

    /// The fault for credentials that could not be had.
    pub(super) fn without_credentials(&self, error: object_store::Error) -> Fault {
        let recoverable = match (Refusal::of(&error), transport(&error)) {
            (Some(refusal), _) => matches!(kind_of(refusal), FaultKind::Throttled | FaultKind::Unavailable),
            // Where credentials come from the machine itself, nobody answering means that it has none.
            (None, Some(_)) => !self.asks_machine,
            (None, None) => false,
        };
        if recoverable {
            return self.fault("get credentials to write", error);
        }
        let mut message = format!("there are no credentials for {self}");
        if let Some(refusal) = Refusal::of(&error) {
            message = format!("{message}: {}", self.words(refusal));
        }
        Fault::new(FaultKind::Credentials, message).hint(self.credentials_hint).because(error)
    }

    /// The fault for an answer that did not come within `limit`.
    pub(super) fn timeout(&self, doing: &str, limit: Duration) -> Fault {
        Fault::new(FaultKind::Timeout, format!("cannot {doing} in {self}: no answer within {} s", limit.as_secs()))
    }

    fn refused(&self, doing: &str, refusal: &Refusal) -> Fault {
        let kind = kind_of(refusal);
        let words = self.words(refusal);
        let mut fault = match kind {
            FaultKind::Configuration if is_missing_root(refusal) => {
                Fault::new(kind, format!("cannot {doing}: there is no {} {self}: {words}", self.root_noun))
                    .hint(format!("create the {} or correct its name, region or endpoint", self.root_noun))
            }
            _ => Fault::new(kind, format!("cannot {doing} in {self}: {words}")),
        };
        fault = match (kind, refusal.code.as_str(), &refusal.region) {
            (FaultKind::Configuration, _, Some(region)) => fault.hint(format!("set region={region}")),
            (FaultKind::Configuration, "RequestTimeTooSkewed", _) => fault.hint("set this machine's clock"),
            (FaultKind::Configuration, "", None) if (300..400).contains(&refusal.status) => {
                fault.hint(format!("correct the {}'s region or endpoint", self.root_noun))
            }
            (FaultKind::Credentials, ..) => fault.hint(self.credentials_hint),
            _ => fault,
        };
        match refusal.retry_after {
            Some(wait) => fault.retry_after(wait),
            None => fault,
        }
    }

    /// What the receiver said, short and without our secrets.
    fn words(&self, refusal: &Refusal) -> String {
        let said = refusal.to_string();
        let clean = self.secrets.iter().fold(Cow::Borrowed(said.as_str()), |said, secret| secret.redact(said));
        match clean.char_indices().nth(MESSAGE_CHARS_MAX) {
            Some((end, _)) => format!("{}…", &clean[..end]),
            None => clean.into_owned(),
        }
    }

    fn unreachable(&self, doing: &str, kind: HttpErrorKind, error: &object_store::Error) -> Fault {
        let complaint = certificate::complaint(error);
        let (kind, why) = match (kind, &complaint) {
            (_, Some(complaint)) => (FaultKind::Unavailable, format!("the certificate of the server {complaint}")),
            (HttpErrorKind::Connect, None) => (FaultKind::Unavailable, "the server cannot be reached".to_owned()),
            (HttpErrorKind::Timeout, None) => (FaultKind::Timeout, "the server does not answer in time".to_owned()),
            (_, None) => (FaultKind::Unavailable, "the connection broke".to_owned()),
        };
        let fault = Fault::new(kind, format!("cannot {doing} in {self}: {why}"));
        let Some(Unreached { host, .. }) = Unreached::of(error) else { return fault };
        if complaint.is_some() {
            return fault.hint(certificate::hint(host));
        }
        // A host that is away comes back, one that was misspelt does not: only who wrote it can tell them apart. The
        // options say nothing of hosts that give credentials.
        let is_own = host.eq_ignore_ascii_case(&self.host);
        let options = if is_own { format!("{} and ", self.address) } else { String::new() };
        fault.hint(format!(
            "check {options}this machine's network, if this lasts: no connection to {host:?} can be made"
        ))
    }
}

/// How the transport failed, where it did.
fn transport(error: &(dyn Error + 'static)) -> Option<HttpErrorKind> {
    let mut link = Some(error);
    while let Some(error) = link {
        if let Some(http) = error.downcast_ref::<HttpError>() {
            return Some(http.kind());
        }
        link = error.source();
    }
    None
}

/// Whether the bucket or container itself is missing.
fn is_missing_root(refusal: &Refusal) -> bool {
    matches!(refusal.code.as_str(), "NoSuchBucket" | "ContainerNotFound" | "NotFoundBucket")
}

/// Whether the thing asked for is missing, rather than its bucket.
pub(super) fn is_missing(refusal: &Refusal) -> bool {
    kind_of(refusal) == FaultKind::NotFound
}

/// Whether a store that is asked for its uploads will not list them: it cannot, or we lack the right.
pub(super) fn cannot_list(refusal: &Refusal) -> bool {
    let is_unknown = matches!(refusal.code.as_str(), "NotImplemented" | "MethodNotAllowed");
    is_unknown || matches!(kind_of(refusal), FaultKind::Credentials | FaultKind::NotFound | FaultKind::Rejected)
}

fn kind_of(refusal: &Refusal) -> FaultKind {
    match refusal.code.as_str() {
        _ if is_missing_root(refusal) => FaultKind::Configuration,
        "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "AccessDenied"
        | "ExpiredToken"
        | "InvalidToken"
        | "TokenRefreshRequired"
        | "AuthenticationFailed"
        | "AuthorizationFailure"
        | "NoAuthenticationInformation"
        | "AuthorizationPermissionMismatch"
        | "invalid_grant"
        | "invalid_client"
        | "unauthorized_client" => FaultKind::Credentials,
        "SlowDown"
        | "ServerBusy"
        | "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "TooManyRequests" => FaultKind::Throttled,
        "RequestTimeout" | "OperationTimedOut" => FaultKind::Timeout,
        "InternalError" | "ServiceUnavailable" => FaultKind::Unavailable,
        // The bytes were damaged on the way: sending them again is right.
        "BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch" | "Md5Mismatch" | "IncompleteBody" => {
            FaultKind::Unavailable
        }
        "EntityTooLarge" | "RequestBodyTooLarge" => FaultKind::TooLarge { limit: None },
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException"
        | "RequestTimeTooSkewed"
        | "InvalidBucketName"
        | "AllAccessDisabled"
        | "AccountIsDisabled"
        | "InvalidResourceName" => FaultKind::Configuration,
        code if code.starts_with("KMS.") => FaultKind::Configuration,
        "NoSuchUpload" | "NoSuchKey" | "BlobNotFound" => FaultKind::NotFound,
        _ => match refusal.status {
            200..=299 => FaultKind::Unavailable,
            300..=399 => FaultKind::Configuration,
            401 | 403 => FaultKind::Credentials,
            404 | 410 => FaultKind::NotFound,
            408 | 504 => FaultKind::Timeout,
            409 | 412 => FaultKind::Conflict,
            413 => FaultKind::TooLarge { limit: None },
            429 | 503 => FaultKind::Throttled,
            500.. => FaultKind::Unavailable,
            _ => FaultKind::Rejected,
        },
    }
}
