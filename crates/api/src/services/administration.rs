//! `AdministrationService`: the log as a whole and who administers it.

use domain::genesis::{ClockKind, Command};
use tonic::{Request, Response, Status};

use super::service;
use crate::gate::Caller;
use crate::parse::{self, Choice as _};
use crate::{answer, status, wire};

service! {
    impl administration_service_server::AdministrationService;
    commands {
        appoint_administrator(r: AppointAdministratorRequest) -> AppointAdministratorResponse =
            Command::AppointAdministrator {
                person: parse::id("person_id", &r.person_id)?,
            };
        relieve_administrator(r: RelieveAdministratorRequest) -> RelieveAdministratorResponse =
            Command::RelieveAdministrator {
                person: parse::id("person_id", &r.person_id)?,
            };
    }
    others {
        async fn advance_clock(
            &self,
            request: Request<wire::AdvanceClockRequest>,
        ) -> Result<Response<wire::AdvanceClockResponse>, Status> {
            let caller = Caller::of(&request)?;
            let request = request.into_inner();
            let to = parse::instant("to", request.to).map_err(|why| status::invalid(&why))?;
            let command = domain::clock::Command::AdvanceClock { to };
            let not_before = self.backend.simulated_clock.is_some().then_some(to);
            let receipt =
                self.execute(caller, &request.command_id, command.into(), not_before).await?;
            if let Some(clock) = &self.backend.simulated_clock {
                clock.advance_to(to);
            }
            Ok(Response::new(wire::AdvanceClockResponse { receipt: Some(receipt) }))
        }

        async fn get_log(
            &self,
            request: Request<wire::GetLogRequest>,
        ) -> Result<Response<wire::GetLogResponse>, Status> {
            let waited = self.backend.wait(request.into_inner().consistency).await?;
            let genesis = self.backend.genesis().map_err(|error| status::of_execute(&error))?;
            let executor = &self.backend.executor;
            let head = executor.log().head();
            let clock = genesis.clock.unwrap_or(ClockKind::Real);
            Ok(Response::new(wire::GetLogResponse {
                log_id: executor.log().log_id().to_string(),
                origin: genesis.origin.clone(),
                epoch: head.epoch,
                position: head.position,
                commit_count: head.commits,
                root: head.root.to_vec(),
                clock: wire::ClockKind::of(clock).into(),
                now: Some(answer::instant(executor.now())),
                time_zone: genesis.zone.map_or_else(String::new, |zone| zone.name().to_owned()),
                sealed: false,
                read_point: Some(waited.at(head.position, "log".to_owned())),
            }))
        }
    }
}
