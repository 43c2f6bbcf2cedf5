//! `AdministrationService`: the log as a whole and who administers it.

use domain::clock::Refusal;
use domain::genesis::{ClockKind, Command};
use eventlog::AppendError;
use projections::timers::TimerError;
use tonic::{Request, Response, Status};

use super::service;
use crate::gate::Caller;
use crate::parse::{self, Choice as _};
use crate::{answer, reading, scrub, status, wire};

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
            // A repeat or a refusal must not move anything.
            let foreseen = self.foresee(caller, &request.command_id, command.clone().into())?;
            if foreseen.is_some() {
                return Ok(Response::new(wire::AdvanceClockResponse { receipt: foreseen }));
            }
            if self.backend.simulated_clock {
                // What falls due on the way happens before the clock stands there.
                let moved = self.backend.timers.advance_to(to).await;
                moved.map_err(|error| not_moved(&error))?;
            }
            let receipt = self.execute(caller, &request.command_id, command.into()).await?;
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
                origin: genesis.checkpoint_origin(),
                epoch: head.epoch,
                position: head.position,
                commit_count: head.commits,
                root: head.root.to_vec(),
                clock: wire::ClockKind::of(clock).into(),
                now: Some(answer::instant(executor.now())),
                time_zone: genesis.zone.map_or_else(String::new, |zone| zone.name().to_owned()),
                sealed: false,
                read_point: Some(waited.at(head.position, "log".to_owned())),
                commands_refused: executor.log().refusal().map_or_else(String::new, |why| refused_because(&why)),
            }))
        }

        async fn start_scrub(
            &self,
            _request: Request<wire::StartScrubRequest>,
        ) -> Result<Response<wire::StartScrubResponse>, Status> {
            let number = scrub::of(&self.backend)?.start();
            Ok(Response::new(wire::StartScrubResponse { number }))
        }

        async fn get_scrub(
            &self,
            _request: Request<wire::GetScrubRequest>,
        ) -> Result<Response<wire::GetScrubResponse>, Status> {
            let position = self.backend.executor.log().head().position;
            let answer = scrub::answer(scrub::of(&self.backend)?, position);
            Ok(Response::new(answer))
        }
    }
}

/// Why no commands are taken, as any caller may know it: what the system said of its files stays in
/// the service's own log.
fn refused_because(why: &AppendError) -> String {
    match why {
        AppendError::LowSpace { .. } => why.to_string(),
        _ => status::of_append(why).message().to_owned(),
    }
}

/// Why the clock did not get there; a repeat under the same id goes on.
fn not_moved(error: &TimerError) -> Status {
    match error {
        TimerError::Read(error) => status::of_read(error),
        TimerError::NotFollowed(error) => reading::not_followed(error),
        TimerError::Over(_) => status::of_append(&AppendError::Closed),
        TimerError::ClockIsReal => status::refused(&Refusal::ClockIsReal.refused()),
        TimerError::Unreadable(_) => status::fault(error),
    }
}
