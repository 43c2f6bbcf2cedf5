//! A real server on a log in memory, called by a real client.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use domain::genesis::{self, ClockKind};
use domain::ids::{PersonId, PrincipalId, derived};
use domain::{Channel, Instant, Personal};
use eventlog::execute::{Executor, Request};
use eventlog::{Entropy, EventLog, MemoryLog, SimulatedClock};
use projections::timers::Time;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::{Code, Status};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::backend::{Backend, Parts};
use crate::gate::Gate;
use crate::lookup::LookUpKey;
use crate::server::{self, ServeError};
use crate::services::Services;
use crate::session::{PRINCIPAL_KEY, Session, reason, timestamp};
use crate::wire;

mod rebuilding;
mod what_if;

const ADMIN: &str = "admin";

fn start() -> Instant {
    "2024-05-01T00:00:00Z".parse().unwrap()
}

fn id(name: &str) -> String {
    derived("test", &[&name]).to_string()
}

async fn backend() -> Backend {
    let clock = SimulatedClock::new(start());
    let shared = Arc::new(clock.clone());
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new(Uuid::nil(), shared.clone()));
    let zone = chrono_tz::Asia::Shanghai;
    let executor = Executor::new(Arc::clone(&log), shared, Entropy::seeded(1), zone);
    let birth = genesis::Command::BearLog {
        log_id: Uuid::nil(),
        origin: "test.example/log".to_owned(),
        zone,
        clock: ClockKind::Simulated,
        administrator: PersonId(derived("test", &[&"administrator"])),
        administrator_name: Personal::new("An administrator"),
        administrator_subject: ADMIN.to_owned(),
    };
    let birth = Request::new(birth, Uuid::nil(), PrincipalId::of_subject(ADMIN));
    executor
        .execute(birth.through(Channel::Genesis))
        .await
        .unwrap();
    let parts = Parts {
        log,
        time: Time::Simulated(clock),
        entropy: Entropy::seeded(2),
        zone,
        views: None,
        models: projections::engine::Options::default(),
        disk: None,
        look_up_key: Some(LookUpKey::new([7; 32])),
    };
    Backend::start(parts).await.unwrap()
}

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<Result<(), ServeError>>,
}

impl Running {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(server::run(listener, backend().await, async {
            stopped.await.ok();
        }));
        Self {
            address,
            stop,
            serving,
        }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn session(&self) -> Session {
        Session::connect(&self.url(), ADMIN).await.unwrap()
    }

    async fn end(self) {
        self.stop.send(()).unwrap();
        self.serving.await.unwrap().unwrap();
    }
}

#[track_caller]
fn check<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, name: &str) {
    let status = answer.expect_err(name);
    assert_eq!(
        (status.code(), reason(&status).as_deref()),
        (code, Some(name)),
        "{status:?}"
    );
}

fn register(command: &str, person: &str, number: &str) -> wire::RegisterPersonRequest {
    wire::RegisterPersonRequest {
        command_id: id(command),
        person_id: id(person),
        name: "A person".to_owned(),
        phone: String::new(),
        identity_number: number.to_owned(),
    }
}

fn found(name: &str) -> wire::FoundUnitRequest {
    wire::FoundUnitRequest {
        command_id: id(&format!("found {name}")),
        unit_id: id(name),
        level: wire::UnitLevel::Community.into(),
        name: name.to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_command_is_taken_once_and_its_repeat_gets_the_first_receipt() {
    let server = Running::start().await;
    let session = server.session().await;
    let first = session.call(found("here")).await.unwrap().receipt.unwrap();
    assert_eq!((first.replayed, first.commit_hash.len()), (false, 32));
    let again = session.call(found("here")).await.unwrap().receipt.unwrap();
    assert_eq!(
        again,
        wire::Receipt {
            replayed: true,
            ..first.clone()
        }
    );
    let other = wire::FoundUnitRequest {
        name: "there".to_owned(),
        ..found("here")
    };
    check(
        session.call(other).await,
        Code::FailedPrecondition,
        "COMMAND_ID_REUSED",
    );

    let request = wire::ListUnitsRequest {
        consistency: Some(wire::ReadConsistency {
            at_least: Some(wire::LogPosition {
                epoch: first.epoch,
                position: first.position,
            }),
            with_consequences: false,
        }),
        ..Default::default()
    };
    let answer = session.call(request).await.unwrap();
    assert_eq!(answer.units[0].name, "here");
    let point = answer.read_point.unwrap();
    assert!(
        point.position >= first.position && point.simulated_clock,
        "{point:?}"
    );
    server.end().await;
}

#[tokio::test]
async fn refusals_and_malformed_fields_have_names() {
    let server = Running::start().await;
    let session = server.session().await;
    let nobody = session.in_the_name_of("nobody").unwrap();
    check(
        nobody.call(found("a")).await,
        Code::Unauthenticated,
        "PRINCIPAL_NOT_REGISTERED",
    );
    let system = session.in_the_name_of("system:timer").unwrap();
    check(
        system.call(found("a")).await,
        Code::PermissionDenied,
        "PRINCIPAL_IS_THE_SYSTEM",
    );
    let malformed = wire::FoundUnitRequest {
        unit_id: "x".to_owned(),
        ..found("a")
    };
    let status = session.call(malformed).await.unwrap_err();
    let details = status.get_details_bad_request().unwrap();
    assert_eq!(details.field_violations[0].field, "unit_id");
    check(
        Err::<(), _>(status),
        Code::InvalidArgument,
        "FIELD_MALFORMED",
    );
    let no_id = wire::FoundUnitRequest {
        command_id: String::new(),
        ..found("a")
    };
    check(
        session.call(no_id).await,
        Code::InvalidArgument,
        "FIELD_MALFORMED",
    );

    session
        .call(register("one", "p", "11010519491231002X"))
        .await
        .unwrap();
    let twin = register("two", "q", " 11010519491231002x ");
    check(
        session.call(twin).await,
        Code::AlreadyExists,
        "IDENTITY_ALREADY_REGISTERED",
    );

    let worker = wire::RegisterPrincipalRequest {
        command_id: id("register"),
        subject: "worker".to_owned(),
        system: false,
    };
    session.call(worker.clone()).await.unwrap();
    let as_worker = session.in_the_name_of("worker").unwrap();
    let again = wire::RegisterPrincipalRequest {
        subject: "other".to_owned(),
        ..worker
    };
    check(
        as_worker.call(again).await,
        Code::PermissionDenied,
        "ACTOR_IS_NO_ADMINISTRATOR",
    );
    let suspend = wire::SuspendPrincipalRequest {
        command_id: id("suspend"),
        principal_id: PrincipalId::of_subject("worker").to_string(),
    };
    session.call(suspend).await.unwrap();
    let ask = wire::GetLogRequest::default();
    check(
        as_worker.call(ask).await,
        Code::PermissionDenied,
        "PRINCIPAL_SUSPENDED",
    );
    server.end().await;
}

#[tokio::test]
async fn a_position_of_another_epoch_or_far_ahead_is_refused_by_name() {
    let server = Running::start().await;
    let session = server.session().await;
    let ask = |epoch, position| wire::GetHazardTotalsRequest {
        consistency: Some(wire::ReadConsistency {
            at_least: Some(wire::LogPosition { epoch, position }),
            with_consequences: false,
        }),
        ..Default::default()
    };
    check(
        session.call(ask(99, 1)).await,
        Code::FailedPrecondition,
        "EPOCH_IS_ANOTHER",
    );
    let elsewhere = wire::GetHazardTotalsRequest {
        unit_id: id("none"),
        ..Default::default()
    };
    check(
        session.call(elsewhere).await,
        Code::NotFound,
        "UNIT_NOT_FOUND",
    );
    let token = wire::ListHazardsRequest {
        page_token: "00".to_owned(),
        ..Default::default()
    };
    check(
        session.call(token).await,
        Code::InvalidArgument,
        "FIELD_MALFORMED",
    );
    server.end().await;
}

/// Services that never answer.
#[derive(Clone)]
struct Silent;

impl Service<http::Request<Body>> for Silent {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = std::future::Pending<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        std::future::pending()
    }
}

#[tokio::test]
async fn a_deadline_that_expires_is_said_to() {
    // Not through a client: it watches its deadline too, and which of both is first is chance.
    let mut gate = Gate::new(Silent, backend().await);
    let request = http::Request::builder()
        .uri("/benniu.v1.AdministrationService/GetLog")
        .header(PRINCIPAL_KEY, ADMIN)
        .header("grpc-timeout", "50m");
    let answer = gate.call(request.body(Body::empty()).unwrap()).await;
    let status = Status::from_header_map(answer.unwrap().headers()).unwrap();
    check(
        Err::<(), _>(status),
        Code::DeadlineExceeded,
        "DEADLINE_EXCEEDED",
    );
}

#[tokio::test]
async fn a_simulated_clock_moves_by_command() {
    let server = Running::start().await;
    let session = server.session().await;
    let to = start() + Duration::from_hours(24);
    let advance = |command: &str, to| wire::AdvanceClockRequest {
        command_id: id(command),
        to: Some(timestamp(to)),
    };
    session.call(advance("on", to)).await.unwrap();
    let log = session.call(wire::GetLogRequest::default()).await.unwrap();
    assert_eq!(log.now, Some(timestamp(to)));
    let origin = format!("test.example/log/{}/1", log.log_id);
    assert_eq!(log.origin, origin);
    check(
        session.call(advance("back", start())).await,
        Code::InvalidArgument,
        "CLOCK_NEVER_GOES_BACK",
    );
    server.end().await;
}

#[tokio::test]
async fn health_and_reflection_are_open_and_the_rest_is_closed() {
    let server = Running::start().await;
    let channel = tonic::transport::Endpoint::from_shared(server.url())
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel.clone());
    let service = "benniu.v1.HazardService".to_owned();
    let request = tonic_health::pb::HealthCheckRequest { service };
    let answer = health.check(request).await.unwrap().into_inner();
    assert_eq!(
        answer.status(),
        tonic_health::pb::health_check_response::ServingStatus::Serving
    );

    let mut reflection =
        tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient::new(
            channel.clone(),
        );
    let request = tonic_reflection::pb::v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = reflection
        .server_reflection_info(tokio_stream::iter([request]))
        .await
        .unwrap()
        .into_inner();
    let answer = format!("{:?}", answers.message().await.unwrap());
    assert!(answer.contains("benniu.v1.PatrolService"), "{answer}");
    let mut reflection =
        tonic_reflection::pb::v1alpha::server_reflection_client::ServerReflectionClient::new(
            channel.clone(),
        );
    let request = tonic_reflection::pb::v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            tonic_reflection::pb::v1alpha::server_reflection_request::MessageRequest::ListServices(
                String::new(),
            ),
        ),
    };
    let mut answers = reflection
        .server_reflection_info(tokio_stream::iter([request]))
        .await
        .unwrap()
        .into_inner();
    let answer = format!("{:?}", answers.message().await.unwrap());
    assert!(answer.contains("benniu.v1.PatrolService"), "{answer}");

    let mut grpc = tonic::client::Grpc::new(channel);
    for (path, code, name) in [
        (
            "/benniu.v1.HazardService/Unheard",
            Code::Unimplemented,
            "METHOD_UNKNOWN",
        ),
        (
            "/benniu.v1.HazardService/GetHazardTotals",
            Code::Unauthenticated,
            "PRINCIPAL_MISSING",
        ),
    ] {
        grpc.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<_, wire::GetHazardTotalsResponse>::default();
        let path = tonic::codegen::http::uri::PathAndQuery::from_static(path);
        let request = tonic::Request::new(wire::GetHazardTotalsRequest::default());
        check(grpc.unary(request, path, codec).await, code, name);
    }
    server.end().await;
}

#[tokio::test]
async fn an_address_that_others_can_reach_is_refused() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let served = server::run(listener, backend().await, async {}).await;
    assert!(
        matches!(served, Err(ServeError::NotLoopback(_))),
        "{served:?}"
    );
}

#[tokio::test]
async fn more_requests_than_the_bound_are_refused_with_a_hint() {
    use tonic::codegen::{Service as _, http};
    let (_serving, ending) = tokio::sync::watch::channel(false);
    let services = Services::new(backend().await, ending);
    let inner = wire::hazard_service_server::HazardServiceServer::new(services);
    let mut gate = Gate::bounded(inner, backend().await, 0);
    let request = http::Request::builder()
        .uri("/benniu.v1.HazardService/GetHazardTotals")
        .body(tonic::body::Body::empty())
        .unwrap();
    let answer = gate.call(request).await.unwrap();
    let status = Status::from_header_map(answer.headers()).unwrap();
    let retry = status.get_details_retry_info().unwrap();
    assert_eq!(retry.retry_delay, Some(crate::status::OVERLOAD_RETRY_AFTER));
    check(
        Err::<(), _>(status),
        Code::ResourceExhausted,
        "TOO_MANY_REQUESTS",
    );
}

#[tokio::test]
async fn a_message_beyond_the_bound_is_refused() {
    let server = Running::start().await;
    let session = server.session().await;
    let name = "x".repeat(server::MESSAGE_BYTES_MAX + 1);
    let huge = wire::RegisterPersonRequest {
        name,
        ..register("huge", "p", "")
    };
    assert_eq!(
        session.call(huge).await.unwrap_err().code(),
        Code::ResourceExhausted
    );
    server.end().await;
}

#[tokio::test]
async fn what_follows_from_a_write_is_waited_for() {
    let server = Running::start().await;
    let session = server.session().await;
    let receipt = session.call(found("here")).await.unwrap().receipt.unwrap();
    let ask = wire::ListUnitsRequest {
        consistency: Some(wire::ReadConsistency {
            at_least: None,
            with_consequences: true,
        }),
        ..Default::default()
    };
    let answer = session.call(ask).await.unwrap();
    assert!(answer.read_point.unwrap().position >= receipt.position);
    let reactions = session
        .call(wire::ListReactionsRequest::default())
        .await
        .unwrap()
        .reactions;
    assert_eq!(reactions[0].name, "award_points");
    let retry = wire::RetryStuckRequest {
        name: "award_points".to_owned(),
        cause: 1,
    };
    check(
        session.call(retry).await,
        Code::FailedPrecondition,
        "WORK_NOT_STUCK",
    );
    let retry = wire::RetryStuckRequest {
        name: "unheard".to_owned(),
        cause: 0,
    };
    check(
        session.call(retry).await,
        Code::NotFound,
        "REACTION_NOT_FOUND",
    );
    server.end().await;
}
