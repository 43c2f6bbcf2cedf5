//! The gate: what every request passes before a service sees it.
//!
//! Owns who calls ([`Caller`]), the check against the access table, the bound on requests in
//! work and the deadline. Decides nothing that a rule decides.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use domain::Channel;
use domain::ids::PrincipalId;
use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::{Code, Request, Status};

use crate::access::{self, Requirement};
use crate::backend::{Backend, Standing};
use crate::status;

/// Metadata key of the caller's login subject.
pub const PRINCIPAL_KEY: &str = "benniu-principal";
/// Metadata key of the door that a command came through; `app` if absent.
pub const CHANNEL_KEY: &str = "benniu-channel";
/// Longest login subject, in bytes.
pub const SUBJECT_BYTES_MAX: usize = 256;
/// Most requests in work at once; more are refused at once with a retry hint.
pub const REQUESTS_MAX: usize = 1_024;
/// Longest that a request may take, whatever deadline its caller gives.
pub const REQUEST_TIME_MAX: Duration = Duration::from_mins(1);
/// How much earlier than the caller's deadline the server gives up, so that the answer arrives.
pub const DEADLINE_MARGIN: Duration = Duration::from_millis(5);

/// Who calls, and through which door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The login.
    pub principal: PrincipalId,
    /// The door.
    pub channel: Channel,
}

impl Caller {
    /// Who makes a request that passed the gate.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` if it did not.
    pub fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        request
            .extensions()
            .get::<Self>()
            .copied()
            .ok_or_else(principal_missing)
    }

    fn read(headers: &http::HeaderMap) -> Result<Self, Status> {
        let value = |key: &str| headers.get(key).map(http::HeaderValue::to_str);
        let subject = match value(PRINCIPAL_KEY) {
            Some(Ok(subject)) if (1..=SUBJECT_BYTES_MAX).contains(&subject.len()) => subject,
            _ => return Err(principal_missing()),
        };
        if domain::genesis::SYSTEM_SUBJECTS.contains(&subject) {
            return Err(status::status(
                Code::PermissionDenied,
                "PRINCIPAL_IS_THE_SYSTEM",
                "The system's own principals do not call from outside.",
            ));
        }
        let channel = match value(CHANNEL_KEY) {
            None | Some(Ok("app")) => Channel::App,
            Some(Ok("desk")) => Channel::Desk,
            Some(Ok("110")) => Channel::Line110,
            Some(Ok("12345")) => Channel::Line12345,
            Some(Ok("import")) => Channel::Import,
            Some(_) => {
                return Err(status::status(
                    Code::InvalidArgument,
                    "CHANNEL_UNKNOWN",
                    "The metadata key benniu-channel is app, desk, 110, 12345 or import.",
                ));
            }
        };
        Ok(Self {
            principal: PrincipalId::of_subject(subject),
            channel,
        })
    }
}

fn principal_missing() -> Status {
    status::status(
        Code::Unauthenticated,
        "PRINCIPAL_MISSING",
        "The metadata key benniu-principal must name the caller's login subject.",
    )
}

/// Checks a request against the access table.
fn admit(
    backend: &Backend,
    requirement: Requirement,
    headers: &http::HeaderMap,
) -> Result<Caller, Status> {
    let caller = Caller::read(headers)?;
    let standing = backend.standing(caller.principal);
    match standing.map_err(|error| status::of_execute(&error))? {
        Standing::Unregistered => Err(status::principal_not_registered()),
        Standing::Suspended => Err(status::principal_suspended()),
        Standing::Registered {
            administrator: false,
        } if requirement == Requirement::Administrator => Err(status::status(
            Code::PermissionDenied,
            "ACTOR_IS_NO_ADMINISTRATOR",
            "Only a person who holds the administrator role may do this.",
        )),
        Standing::Registered { .. } => Ok(caller),
    }
}

/// How long the caller waits (`grpc-timeout`), within [`REQUEST_TIME_MAX`].
///
/// # Errors
/// `INVALID_ARGUMENT` if it cannot be read.
fn time_left(headers: &http::HeaderMap) -> Result<Duration, Status> {
    let Some(header) = headers.get("grpc-timeout") else {
        return Ok(REQUEST_TIME_MAX);
    };
    let parsed = header.to_str().ok().and_then(|text| {
        let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let whole = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        let amount: u64 = digits.parse().ok().filter(|_| whole)?;
        Some(match unit {
            "H" => Duration::from_secs(amount * 3_600),
            "M" => Duration::from_secs(amount * 60),
            "S" => Duration::from_secs(amount),
            "m" => Duration::from_millis(amount),
            "u" => Duration::from_micros(amount),
            "n" => Duration::from_nanos(amount),
            _ => return None,
        })
    });
    match parsed {
        Some(time) => Ok(time.saturating_sub(DEADLINE_MARGIN).min(REQUEST_TIME_MAX)),
        None => Err(status::status(
            Code::InvalidArgument,
            "DEADLINE_MALFORMED",
            "The header grpc-timeout is 1 to 8 digits and a unit (H, M, S, m, u, n).",
        )),
    }
}

/// The services behind the gate.
#[derive(Clone)]
pub struct Gate<S> {
    inner: S,
    backend: Backend,
    slots: Arc<Semaphore>,
}

impl<S> Gate<S> {
    /// Puts a gate before the services.
    pub fn new(inner: S, backend: Backend) -> Self {
        Self::bounded(inner, backend, REQUESTS_MAX)
    }

    /// The same with another bound on requests in work.
    pub(crate) fn bounded(inner: S, backend: Backend, requests_max: usize) -> Self {
        Self {
            inner,
            backend,
            slots: Arc::new(Semaphore::new(requests_max)),
        }
    }
}

impl<S> Service<http::Request<Body>> for Gate<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        // The one that was polled ready serves this request; a fresh clone waits for the next.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let refuse = |status: Status| -> Self::Future {
            Box::pin(std::future::ready(Ok(status.into_http())))
        };
        let Some(requirement) = access::requirement(request.uri().path()) else {
            return refuse(status::status(
                Code::Unimplemented,
                "METHOD_UNKNOWN",
                "There is no such method.",
            ));
        };
        if requirement == Requirement::Open {
            return Box::pin(inner.call(request));
        }
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            return refuse(status::overloaded(
                "TOO_MANY_REQUESTS",
                "Too many requests are in work; try again soon.",
            ));
        };
        let admitted = time_left(request.headers())
            .and_then(|time| Ok((time, admit(&self.backend, requirement, request.headers())?)));
        let (time, caller) = match admitted {
            Ok(admitted) => admitted,
            Err(status) => return refuse(status),
        };
        if time.is_zero() {
            return refuse(over());
        }
        request.extensions_mut().insert(caller);
        Box::pin(async move {
            let _slot = slot;
            match tokio::time::timeout(time, inner.call(request)).await {
                Ok(answer) => answer.map(named),
                Err(_) => Ok(over().into_http()),
            }
        })
    }
}

/// The time of a request is over.
fn over() -> Status {
    status::status(
        Code::DeadlineExceeded,
        "DEADLINE_EXCEEDED",
        "The time for this request is over; whether a command was taken, a repeat under the same \
         id tells.",
    )
}

/// Gives a refusal of the transport below the services (too large, not readable) a stable name:
/// those of the services carry one already.
fn named(answer: http::Response<Body>) -> http::Response<Body> {
    let Some(refused) = Status::from_header_map(answer.headers()) else {
        return answer;
    };
    if refused.code() == Code::Ok || !refused.details().is_empty() {
        return answer;
    }
    let status = match refused.code() {
        Code::OutOfRange | Code::ResourceExhausted => status::status(
            Code::ResourceExhausted,
            "MESSAGE_TOO_LARGE",
            "A message is at most 1 MiB (1,048,576 bytes).",
        ),
        Code::Internal => status::status(
            Code::InvalidArgument,
            "MESSAGE_MALFORMED",
            "The request is no message of this method.",
        ),
        code => status::status(
            code,
            "REQUEST_NOT_TAKEN",
            "The request is not of the form that gRPC and this server take.",
        ),
    };
    status.into_http()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(rows: &[(&'static str, &'static str)]) -> http::HeaderMap {
        let rows = rows.iter().map(|(key, value)| {
            (
                http::HeaderName::from_static(key),
                http::HeaderValue::from_static(value),
            )
        });
        rows.collect()
    }

    #[test]
    fn a_caller_names_a_principal_and_perhaps_a_channel() {
        let read = |rows: &[_]| Caller::read(&headers(rows)).map_err(|status| status.code());
        assert_eq!(read(&[]), Err(Code::Unauthenticated));
        assert_eq!(read(&[(PRINCIPAL_KEY, "")]), Err(Code::Unauthenticated));
        let system = [(PRINCIPAL_KEY, "system:timer")];
        assert_eq!(read(&system), Err(Code::PermissionDenied));
        let odd = [(PRINCIPAL_KEY, "desk-1"), (CHANNEL_KEY, "timer")];
        assert_eq!(read(&odd), Err(Code::InvalidArgument));
        let desk = [(PRINCIPAL_KEY, "desk-1"), (CHANNEL_KEY, "110")];
        let caller = Caller {
            principal: PrincipalId::of_subject("desk-1"),
            channel: Channel::Line110,
        };
        assert_eq!(read(&desk), Ok(caller));
    }

    #[test]
    fn a_deadline_is_read_with_its_unit_and_bounded() {
        let read =
            |text| time_left(&headers(&[("grpc-timeout", text)])).map_err(|status| status.code());
        assert_eq!(time_left(&headers(&[])).unwrap(), REQUEST_TIME_MAX);
        assert_eq!(read("100m"), Ok(Duration::from_millis(95)));
        assert_eq!(read("3S"), Ok(Duration::from_millis(2_995)));
        assert_eq!(read("1n"), Ok(Duration::ZERO));
        assert_eq!(read("99999999H"), Ok(REQUEST_TIME_MAX));
        for text in ["", "S", "1", "1x", "123456789S", "-1S", "+1S"] {
            assert_eq!(read(text), Err(Code::InvalidArgument), "{text}");
        }
    }
}
