//! The services, one file each: parse, submit, answer.
//!
//! Owns how a command request becomes a command and how its receipt goes back. Never holds a
//! rule; who may call at all is decided before, by [`crate::gate`].

pub mod administration;
pub mod batch;
pub mod campaign;
pub mod checkpoint;
pub mod dispute;
pub mod hazard;
pub mod household;
pub mod import;
pub mod lead;
pub mod member;
pub mod patrol;
pub mod person;
pub mod points;
pub mod policy;
pub mod principal;
pub mod projection;
pub mod reaction;
pub mod redemption;
pub mod report;
pub mod reward;
pub mod team;
pub mod unit;
pub mod zone;

use std::sync::Arc;

use domain::account::Account;
use domain::{Aggregate as _, Command};
use eventlog::execute::Request as ExecuteRequest;
use tokio::sync::{Semaphore, watch};
use tonic::{Request, Response, Status};

use crate::backend::Backend;
use crate::gate::Caller;
use crate::parse::{self, Parsed};
use crate::{status, wire};

/// Every service, over one back end.
#[derive(Clone)]
pub struct Services {
    backend: Backend,
    /// Becomes true when the server ends, which ends what is watched.
    ending: watch::Receiver<bool>,
    /// Bounds what is watched at once.
    watches: Arc<Semaphore>,
    /// Bounds the comparisons of builds at once.
    comparisons: Arc<Semaphore>,
}

impl Services {
    /// The services over this back end, until `ending` becomes true.
    pub fn new(backend: Backend, ending: watch::Receiver<bool>) -> Self {
        Self {
            backend,
            ending,
            watches: Arc::new(Semaphore::new(projection::WATCHES_MAX)),
            comparisons: Arc::new(Semaphore::new(projection::COMPARISONS_MAX)),
        }
    }

    /// Parses a command request, submits it and answers with the receipt.
    async fn submit<R: CommandRequest>(
        &self,
        request: Request<R>,
    ) -> Result<Response<R::Response>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let command_id = request.command_id().to_owned();
        let command = request
            .into_command()
            .map_err(|why| status::invalid(&why))?;
        let receipt = self.execute(caller, &command_id, command).await?;
        Ok(Response::new(R::response(receipt)))
    }

    /// Submits a command that is parsed already.
    ///
    /// Of a lead the receipt names that alone: what else was written names who tipped.
    async fn execute(
        &self,
        caller: Caller,
        command_id: &str,
        command: Command,
    ) -> Result<wire::Receipt, Status> {
        let confided = matches!(command, Command::Lead(_)).then(|| command.primary());
        let request = asked(caller, command_id, command)?;
        match self.backend.executor.execute(request).await {
            Ok(mut receipt) => {
                // Nor does it count an account's postings: one more than are shown would tell of a
                // withheld one.
                receipt
                    .stream_versions
                    .retain(|(stream, _)| match &confided {
                        Some(lead) => stream == lead,
                        None => stream.category() != Account::CATEGORY,
                    });
                Ok(receipt.into())
            }
            Err(error) => Err(status::of_execute(&error)),
        }
    }

    /// The answer that a command has already, or would be refused with; `None` if it would be
    /// taken. For commands with effects beside the log.
    fn foresee(
        &self,
        caller: Caller,
        command_id: &str,
        command: Command,
    ) -> Result<Option<wire::Receipt>, Status> {
        let request = asked(caller, command_id, command)?;
        match self.backend.executor.foresee(&request) {
            Ok(receipt) => Ok(receipt.map(Into::into)),
            Err(error) => Err(status::of_execute(&error)),
        }
    }
}

/// A command with who asks, as the write path takes it.
fn asked(caller: Caller, command_id: &str, command: Command) -> Result<ExecuteRequest, Status> {
    let command_id = parse::id("command_id", command_id).map_err(|why| status::invalid(&why))?;
    Ok(ExecuteRequest::new(command, command_id, caller.principal).through(caller.channel))
}

/// A request that carries a command.
pub trait CommandRequest {
    /// What answers it.
    type Response;

    /// The id that the caller gave the command.
    fn command_id(&self) -> &str;

    /// The command, in the domain's types.
    ///
    /// # Errors
    /// The first field that is malformed.
    fn into_command(self) -> Parsed<Command>;

    /// The answer to a command that was taken.
    fn response(receipt: wire::Receipt) -> Self::Response;
}

/// Implements a service: a row for each command RPC, then whole functions for the others.
///
/// `rpc(r: Request) -> Response = command;` where `command` is an expression of the request `r`
/// that may use `?` on what [`crate::parse`] gives.
macro_rules! service {
    (
        impl $module:ident :: $service:ident;
        commands { $( $rpc:ident($r:ident: $request:ident) -> $response:ident = $command:expr; )* }
        others { $($others:tt)* }
    ) => {
        $(
            impl $crate::services::CommandRequest for $crate::wire::$request {
                type Response = $crate::wire::$response;

                fn command_id(&self) -> &str {
                    &self.command_id
                }

                fn into_command(self) -> $crate::parse::Parsed<domain::Command> {
                    let $r = self;
                    Ok(domain::Command::from($command))
                }

                fn response(receipt: $crate::wire::Receipt) -> Self::Response {
                    $crate::wire::$response { receipt: Some(receipt) }
                }
            }
        )*

        #[tonic::async_trait]
        impl $crate::wire::$module::$service for $crate::services::Services {
            $(
                async fn $rpc(
                    &self,
                    request: tonic::Request<$crate::wire::$request>,
                ) -> Result<tonic::Response<$crate::wire::$response>, tonic::Status> {
                    self.submit(request).await
                }
            )*

            $($others)*
        }
    };
}
pub(crate) use service;
