//! The server: every service behind the gate, on a listener given from outside.
//!
//! Owns the transport's bounds and the end of serving. Knows nothing of what a service does.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use eventlog::AppendError;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::backend::Backend;
use crate::gate::Gate;
use crate::services::Services;
use crate::wire;

/// Largest message taken or sent, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// Most requests in work on one connection.
pub const STREAMS_PER_CONNECTION_MAX: u32 = 256;
/// Largest set of headers of a request, in bytes.
pub const HEADERS_BYTES_MAX: u32 = 16 * 1024;
/// A connection without traffic is asked for a sign of life after this time.
pub const KEEPALIVE_EVERY: Duration = Duration::from_secs(30);
/// A connection that gives none is closed after this time.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// After the signal to end, requests in work have this time to finish.
pub const SHUTDOWN_TIME_MAX: Duration = Duration::from_secs(30);

/// Why the server did not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Without identity, only this machine may call.
    #[error(
        "{0} can be reached from other machines, and this version has no identity to tell callers \
         apart: listen on 127.0.0.1 or [::1]"
    )]
    NotLoopback(SocketAddr),
    /// The listener or a connection failed.
    #[error("the listener: {0}")]
    Listener(#[from] std::io::Error),
    /// The transport failed.
    #[error("the transport: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// The description of the protocol is not one.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Adds each service with its bounds and marks it as serving.
macro_rules! add {
    ($routes:ident, $health:ident, $services:ident: $($module:ident::$server:ident,)+) => { $(
        let server = wire::$module::$server::new($services.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip);
        $health.set_serving::<wire::$module::$server<Services>>().await;
        let $routes = $routes.add_service(server);
    )+ };
}

/// How often the health of the log is looked at.
pub const HEALTH_EVERY: Duration = Duration::from_millis(500);

/// Serves until `shutdown` resolves, then lets requests in work finish.
///
/// # Errors
/// See [`ServeError`].
pub async fn run(
    listener: TcpListener,
    backend: Backend,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback(address));
    }
    let (health, health_service) = tonic_health::server::health_reporter();
    let described = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(wire::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let (ends, ending_of_watches) = tokio::sync::watch::channel(false);
    let services = Services::new(backend.clone(), ending_of_watches);
    let routes = Routes::new(health_service)
        .add_service(described().build_v1()?)
        .add_service(described().build_v1alpha()?);
    add!(routes, health, services:
        administration_service_server::AdministrationServiceServer,
        campaign_service_server::CampaignServiceServer,
        checkpoint_service_server::CheckpointServiceServer,
        dispute_service_server::DisputeServiceServer,
        hazard_service_server::HazardServiceServer,
        household_service_server::HouseholdServiceServer,
        import_service_server::ImportServiceServer,
        lead_service_server::LeadServiceServer,
        member_service_server::MemberServiceServer,
        patrol_service_server::PatrolServiceServer,
        person_service_server::PersonServiceServer,
        points_service_server::PointsServiceServer,
        policy_service_server::PolicyServiceServer,
        principal_service_server::PrincipalServiceServer,
        projection_service_server::ProjectionServiceServer,
        reaction_service_server::ReactionServiceServer,
        redemption_service_server::RedemptionServiceServer,
        report_service_server::ReportServiceServer,
        reward_service_server::RewardServiceServer,
        team_service_server::TeamServiceServer,
        unit_service_server::UnitServiceServer,
        zone_service_server::ZoneServiceServer,
    );
    let watching = tokio::spawn(watch_log(backend.clone(), health));
    let (ending, ended) = tokio::sync::oneshot::channel();
    let serving = Server::builder()
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .http2_max_header_list_size(HEADERS_BYTES_MAX)
        .serve_with_incoming_shutdown(
            Gate::new(routes.prepare(), backend),
            TcpListenerStream::new(listener),
            async move {
                shutdown.await;
                // What is watched never ends by itself.
                ends.send_replace(true);
                // The receiver is gone only if serving has ended by itself.
                let _ = ending.send(());
            },
        );
    let overdue = async {
        if ended.await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(SHUTDOWN_TIME_MAX).await;
    };
    tokio::select! {
        served = serving => served?,
        () = overdue => tracing::warn!("requests in work did not finish in time; closing anyway"),
    }
    watching.abort();
    Ok(())
}

fn serving(is: bool) -> ServingStatus {
    if is {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    }
}

/// The name under which health says whether both copies of the log and its index are whole, as far as
/// the scrub knows: not serving means that something is left that it could not heal.
pub const COPIES_HEALTH: &str = "log.copies";

/// The name under which health says whether commands are taken; why not, `GetLog` says.
pub const COMMANDS_HEALTH: &str = "commands";

/// Says that the server as a whole is not serving once the log takes no more commits for good:
/// queries go on, and whoever watches health restarts the process. Where a restart does not help,
/// because the disk is nearly full, only [`COMMANDS_HEALTH`] is not serving. Says of
/// [`COPIES_HEALTH`] how they are.
async fn watch_log(backend: Backend, health: HealthReporter) {
    let (mut whole, mut taken, mut poisoned) = (None, None, false);
    loop {
        if let Some(scrub) = &backend.scrub {
            let now = scrub.is_whole();
            if whole.replace(now) != Some(now) {
                if !now {
                    tracing::error!("the log is not whole in both copies; see benniu log scrub");
                }
                let status = serving(now);
                health.set_service_status(COPIES_HEALTH, status).await;
            }
        }
        let refusal = backend.executor.log().refusal();
        let now = refusal.is_none();
        if taken.replace(now) != Some(now) {
            let status = serving(now);
            health.set_service_status(COMMANDS_HEALTH, status).await;
        }
        if !poisoned && let Some(AppendError::Poisoned(why)) = refusal {
            tracing::error!(%why, "the log takes no more commits; restart the process");
            poisoned = true;
            health
                .set_service_status("", ServingStatus::NotServing)
                .await;
        }
        tokio::time::sleep(HEALTH_EVERY).await;
    }
}
