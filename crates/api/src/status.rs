//! From refusals and faults to what a caller sees: the one mapping to gRPC status codes.
//!
//! Owns the codes, the stable reasons (`ErrorInfo.reason`) and the retry hints. Never shows
//! internal text: what a fault says goes to the log of the process, the caller gets its name.

use std::collections::HashMap;
use std::time::Duration;

use domain::{RefusalKind, Refused};
use eventlog::execute::ExecuteError;
use eventlog::{AppendError, ReadError};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::parse::Violation;

/// The domain of every reason.
pub const DOMAIN: &str = "benniu";
/// When a caller may try again after it was refused because the disk is nearly full.
pub const SPACE_RETRY_AFTER: Duration = Duration::from_secs(30);
/// When a caller may try again after it was refused for overload.
pub const OVERLOAD_RETRY_AFTER: Duration = Duration::from_millis(500);

fn details(reason: &str) -> ErrorDetails {
    ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new())
}

/// A status with a stable reason and a sentence for people.
pub fn status(code: Code, reason: &str, message: &str) -> Status {
    Status::with_error_details(code, message, details(reason))
}

/// A field of the request does not have the form it needs.
pub fn invalid(violation: &Violation) -> Status {
    let mut details = details("FIELD_MALFORMED");
    details.add_bad_request_violation(&violation.field, &violation.description);
    let message = format!("{}: {}", violation.field, violation.description);
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// Too much at once; the caller may try again soon.
pub fn overloaded(reason: &str, message: &str) -> Status {
    exhausted(reason, message, OVERLOAD_RETRY_AFTER)
}

/// Something is used up; the caller may try again after a time.
fn exhausted(reason: &str, message: &str, after: Duration) -> Status {
    let mut details = details(reason);
    details.set_retry_info(Some(after));
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// Something went wrong inside; `what` is for the process's log only.
pub fn fault(what: &dyn std::fmt::Display) -> Status {
    tracing::error!(fault = %what, "a request failed inside");
    status(
        Code::Internal,
        "FAULT",
        "The server failed inside; its log says how.",
    )
}

/// The code of a kind of refusal.
pub const fn code(kind: RefusalKind) -> Code {
    match kind {
        RefusalKind::Invalid => Code::InvalidArgument,
        RefusalKind::NotFound => Code::NotFound,
        RefusalKind::AlreadyExists => Code::AlreadyExists,
        RefusalKind::WrongState => Code::FailedPrecondition,
        RefusalKind::NotAllowed => Code::PermissionDenied,
    }
}

/// A rule refuses.
pub fn refused(refused: &Refused) -> Status {
    let mut details = details(&refused.name);
    if refused.kind == RefusalKind::Invalid && !refused.field.is_empty() {
        details.add_bad_request_violation(refused.field.as_ref(), refused.message.as_ref());
    }
    Status::with_error_details(code(refused.kind), refused.message.as_ref(), details)
}

/// The caller's login is not registered.
pub fn principal_not_registered() -> Status {
    let message = "Nobody has registered this principal; an administrator can.";
    status(Code::Unauthenticated, "PRINCIPAL_NOT_REGISTERED", message)
}

/// The caller's login is suspended.
pub fn principal_suspended() -> Status {
    let message = "This principal is suspended; an administrator can reinstate it.";
    status(Code::PermissionDenied, "PRINCIPAL_SUSPENDED", message)
}

/// Why a command has no receipt.
pub fn of_execute(error: &ExecuteError) -> Status {
    match error {
        ExecuteError::Refused(why) => refused(why),
        ExecuteError::OtherContent => status(
            Code::FailedPrecondition,
            "COMMAND_ID_REUSED",
            "This command id was used before with other content; a new command needs a new id.",
        ),
        ExecuteError::Conflict => status(
            Code::Aborted,
            "CONFLICT",
            "Others kept changing what this command reads; send it again under the same id.",
        ),
        ExecuteError::PrincipalNotRegistered => principal_not_registered(),
        ExecuteError::PrincipalSuspended => principal_suspended(),
        ExecuteError::ActingForNotAllowed => status(
            Code::PermissionDenied,
            "ACTING_FOR_NOT_ALLOWED",
            "This principal may not act for another person.",
        ),
        ExecuteError::TooManyStreams => status(
            Code::InvalidArgument,
            "COMMAND_TOO_WIDE",
            "The command concerns more things at once than one commit may; split it.",
        ),
        ExecuteError::Log(error) => of_append(error),
        ExecuteError::Read(error) => of_read(error),
        ExecuteError::Fault(what) => fault(what),
    }
}

/// Why the log did not take a commit.
pub fn of_append(error: &AppendError) -> Status {
    match error {
        AppendError::Conflict { .. } => of_execute(&ExecuteError::Conflict),
        AppendError::Overloaded => overloaded(
            "OVERLOADED",
            "Too many commands wait for the log; try again soon.",
        ),
        AppendError::LowSpace { .. } => {
            tracing::warn!(%error, "a command was refused");
            exhausted(
                "LOG_SPACE_LOW",
                "The server's disk is nearly full, so it takes no commands until there is room \
                 again; queries are answered.",
                SPACE_RETRY_AFTER,
            )
        }
        AppendError::TooLarge { .. } => status(
            Code::InvalidArgument,
            "COMMAND_TOO_LARGE",
            "What the command would record is larger than one commit may be; split it.",
        ),
        AppendError::ClockJumped { .. } => {
            tracing::error!(%error, "the clock jumped");
            status(
                Code::Unavailable,
                "CLOCK_JUMPED",
                "The server's clock is not where it should be; nothing is recorded by it.",
            )
        }
        AppendError::Poisoned(_) => {
            tracing::error!(%error, "the log is poisoned");
            status(
                Code::Unavailable,
                "LOG_POISONED",
                "The log takes nothing until it is restarted; whether it took this command, a \
                 repeat under the same id will tell then.",
            )
        }
        AppendError::ReadOnly => status(
            Code::FailedPrecondition,
            "LOG_READ_ONLY",
            "The log is open for reading only.",
        ),
        AppendError::Closed => status(
            Code::Unavailable,
            "LOG_CLOSED",
            "The server is shutting down; send the command again under the same id.",
        ),
        AppendError::Unreadable(_) => {
            tracing::error!(%error, "the log cannot be read");
            unreadable()
        }
        other => fault(other),
    }
}

/// Why stored commits cannot be read.
pub fn of_read(error: &ReadError) -> Status {
    tracing::error!(%error, "the log cannot be read");
    match error {
        ReadError::Damaged { .. } => status(
            Code::DataLoss,
            "LOG_DAMAGED",
            "Stored records are damaged; `benniu verify` says where.",
        ),
        _ => unreadable(),
    }
}

fn unreadable() -> Status {
    let message = "The log cannot be read now; the server's log says why.";
    status(Code::Unavailable, "LOG_UNREADABLE", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(error: impl Into<ExecuteError>, code: Code, reason: &str) {
        let status = of_execute(&error.into());
        assert_eq!(status.code(), code, "{reason}");
        let info = status.get_details_error_info().expect("error info");
        assert_eq!(
            (info.reason.as_str(), info.domain.as_str()),
            (reason, "benniu")
        );
        assert!(!status.message().contains("secret"), "{}", status.message());
    }

    fn a_refusal(kind: RefusalKind) -> ExecuteError {
        ExecuteError::Refused(Box::new(Refused {
            name: "SHIFT_ALREADY_OPEN".to_owned(),
            kind,
            field: "shift_id".into(),
            message: "This shift is open already.".into(),
        }))
    }

    #[test]
    fn every_error_has_its_code_and_reason() {
        use ExecuteError as E;
        let refusals = [
            (RefusalKind::Invalid, Code::InvalidArgument),
            (RefusalKind::NotFound, Code::NotFound),
            (RefusalKind::AlreadyExists, Code::AlreadyExists),
            (RefusalKind::WrongState, Code::FailedPrecondition),
            (RefusalKind::NotAllowed, Code::PermissionDenied),
        ];
        for (kind, code) in refusals {
            check(a_refusal(kind), code, "SHIFT_ALREADY_OPEN");
        }
        let secret = || "secret".to_owned();
        check(
            E::OtherContent,
            Code::FailedPrecondition,
            "COMMAND_ID_REUSED",
        );
        check(E::Conflict, Code::Aborted, "CONFLICT");
        check(
            E::PrincipalNotRegistered,
            Code::Unauthenticated,
            "PRINCIPAL_NOT_REGISTERED",
        );
        check(
            E::PrincipalSuspended,
            Code::PermissionDenied,
            "PRINCIPAL_SUSPENDED",
        );
        check(
            E::ActingForNotAllowed,
            Code::PermissionDenied,
            "ACTING_FOR_NOT_ALLOWED",
        );
        check(E::TooManyStreams, Code::InvalidArgument, "COMMAND_TOO_WIDE");
        check(E::Fault(secret()), Code::Internal, "FAULT");
        check(
            AppendError::Overloaded,
            Code::ResourceExhausted,
            "OVERLOADED",
        );
        let low = AppendError::LowSpace { free: 1, wanted: 2 };
        check(low, Code::ResourceExhausted, "LOG_SPACE_LOW");
        check(AppendError::Malformed("secret"), Code::Internal, "FAULT");
        check(
            AppendError::Poisoned(secret()),
            Code::Unavailable,
            "LOG_POISONED",
        );
        check(
            AppendError::Unreadable(secret()),
            Code::Unavailable,
            "LOG_UNREADABLE",
        );
        check(
            AppendError::ReadOnly,
            Code::FailedPrecondition,
            "LOG_READ_ONLY",
        );
        check(AppendError::Closed, Code::Unavailable, "LOG_CLOSED");
        check(
            AppendError::ClockJumped { seconds: 1 },
            Code::Unavailable,
            "CLOCK_JUMPED",
        );
        let too_large = AppendError::TooLarge {
            what: "secret",
            actual: 2,
            max: 1,
        };
        check(too_large, Code::InvalidArgument, "COMMAND_TOO_LARGE");
        let damaged = ReadError::Damaged {
            position: 1,
            what: secret(),
        };
        check(damaged, Code::DataLoss, "LOG_DAMAGED");
        let io = ReadError::Io {
            what: secret(),
            error: secret(),
        };
        check(io, Code::Unavailable, "LOG_UNREADABLE");
    }

    #[test]
    fn an_invalid_field_is_named_in_the_details() {
        for status in [
            invalid(&Violation::new("shift_id", "A UUID is needed.")),
            of_execute(&a_refusal(RefusalKind::Invalid)),
        ] {
            let request = status.get_details_bad_request().expect("bad request");
            assert_eq!(request.field_violations[0].field, "shift_id");
        }
    }

    #[test]
    fn overload_says_when_to_try_again() {
        let status = of_append(&AppendError::Overloaded);
        let retry = status.get_details_retry_info().expect("retry info");
        assert_eq!(retry.retry_delay, Some(OVERLOAD_RETRY_AFTER));
    }
}
