//! A client of the API in one person's or system's name.
//!
//! Owns how a call is made: the path of a request's RPC, the principal's metadata, the waiting time.
//! Used by the command line, the demo and the end-to-end tests; holds no rule.

use std::time::Duration;

use tonic::Status;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};

use crate::gate::CHANNEL_KEY;

/// The metadata key that carries the principal's subject.
pub const PRINCIPAL_KEY: &str = "benniu-principal";
/// Longest wait for an answer.
pub const ANSWER_WAIT_MAX: Duration = Duration::from_mins(1);
/// Longest wait for a connection.
pub const CONNECT_WAIT_MAX: Duration = Duration::from_secs(10);

/// A request that belongs to exactly one RPC; implemented for all of them by the build.
pub trait Rpc: prost::Message + 'static {
    /// What it is answered with.
    type Response: prost::Message + Default + 'static;
    /// `/package.Service/Method`.
    const PATH: &'static str;
}

/// A request that belongs to exactly one RPC that answers with a stream.
pub trait StreamingRpc: prost::Message + 'static {
    /// What the stream is made of.
    type Response: prost::Message + Default + 'static;
    /// `/package.Service/Method`.
    const PATH: &'static str;
}

include!(concat!(env!("OUT_DIR"), "/rpcs.rs"));

/// A connection in one principal's name; cheap to clone.
#[derive(Debug, Clone)]
pub struct Session {
    channel: Channel,
    subject: MetadataValue<Ascii>,
    /// The door the calls come through; the app if absent.
    door: Option<&'static str>,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum NoSession {
    /// The URL or the subject is of another form.
    #[error("'{0}' cannot be used: {1}")]
    Malformed(String, String),
    /// Nobody answers there.
    #[error("no connection to {0}: {1}")]
    Unreachable(String, String),
}

impl Session {
    /// Connects to `http://host:port` in the name of a principal.
    ///
    /// # Errors
    /// [`NoSession`] if the URL or subject is malformed or nobody answers.
    pub async fn connect(url: &str, subject: &str) -> Result<Self, NoSession> {
        let endpoint = Endpoint::from_shared(url.to_owned())
            .map_err(|error| NoSession::Malformed(url.to_owned(), error.to_string()))?
            .connect_timeout(CONNECT_WAIT_MAX)
            .timeout(ANSWER_WAIT_MAX);
        let channel = endpoint
            .connect()
            .await
            .map_err(|error| NoSession::Unreachable(url.to_owned(), error.to_string()))?;
        Ok(Self {
            channel,
            subject: metadata(subject)?,
            door: None,
        })
    }

    /// The same connection in another principal's name.
    ///
    /// # Errors
    /// [`NoSession::Malformed`] if the subject cannot stand in metadata.
    pub fn in_the_name_of(&self, subject: &str) -> Result<Self, NoSession> {
        Ok(Self {
            channel: self.channel.clone(),
            subject: metadata(subject)?,
            door: self.door,
        })
    }

    /// The same connection through another door: `app`, `desk`, `110`, `12345` or `import`.
    #[must_use]
    pub fn through(mut self, door: &'static str) -> Self {
        self.door = Some(door);
        self
    }

    /// Calls the RPC that the request belongs to.
    ///
    /// # Errors
    /// The status the server answers with, or `UNAVAILABLE` if it does not.
    pub async fn call<R: Rpc>(&self, request: R) -> Result<R::Response, Status> {
        let (mut grpc, request) = self.prepare(request).await?;
        let codec = tonic_prost::ProstCodec::<R, R::Response>::default();
        let path = tonic::codegen::http::uri::PathAndQuery::from_static(R::PATH);
        grpc.unary(request, path, codec)
            .await
            .map(tonic::Response::into_inner)
    }

    /// Calls the RPC that the request belongs to, and gives the stream that answers it.
    ///
    /// # Errors
    /// The status the server answers with, or `UNAVAILABLE` if it does not.
    pub async fn watch<R: StreamingRpc>(
        &self,
        request: R,
    ) -> Result<tonic::Streaming<R::Response>, Status> {
        let (mut grpc, request) = self.prepare(request).await?;
        let codec = tonic_prost::ProstCodec::<R, R::Response>::default();
        let path = tonic::codegen::http::uri::PathAndQuery::from_static(R::PATH);
        grpc.server_streaming(request, path, codec)
            .await
            .map(tonic::Response::into_inner)
    }

    /// Puts the principal and the door before a request, and waits for the connection.
    async fn prepare<R>(
        &self,
        request: R,
    ) -> Result<(tonic::client::Grpc<Channel>, tonic::Request<R>), Status> {
        let mut request = tonic::Request::new(request);
        request
            .metadata_mut()
            .insert(PRINCIPAL_KEY, self.subject.clone());
        if let Some(door) = self.door {
            let door = MetadataValue::from_static(door);
            request.metadata_mut().insert(CHANNEL_KEY, door);
        }
        let mut grpc = tonic::client::Grpc::new(self.channel.clone());
        grpc.ready()
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        Ok((grpc, request))
    }
}

fn metadata(subject: &str) -> Result<MetadataValue<Ascii>, NoSession> {
    subject
        .parse()
        .map_err(|_| NoSession::Malformed(subject.to_owned(), "not printable ASCII".to_owned()))
}

/// The stable name of the refusal in a status (`ErrorInfo.reason`), if it carries one.
pub fn reason(status: &Status) -> Option<String> {
    use tonic_types::StatusExt as _;
    status.get_details_error_info().map(|info| info.reason)
}

/// An instant as the protocol writes it.
pub fn timestamp(instant: domain::Instant) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: instant.timestamp(),
        // Below 10^9 but in a leap second, which the log's clocks do not have.
        nanos: i32::try_from(instant.timestamp_subsec_nanos()).unwrap_or(999_999_999),
    }
}
