//! `ReactionService`: what the system does by itself.

use domain::reaction::Refusal;
use eventlog::AppendError;
use projections::reactions::RetryError;
use projections::submit::SubmitError;
use tonic::{Code, Request, Response, Status};

use super::service;
use crate::backend::Standing;
use crate::gate::Caller;
use crate::reading::stuck_reaction;
use crate::{answer, status, wire};

/// Most commands that one call retries.
pub const RETRIES_MAX: usize = 1_000;
/// Most stuck work of a reaction that the list shows.
pub const STUCK_SHOWN_MAX: usize = 1_000;

service! {
    impl reaction_service_server::ReactionService;
    commands {
    }
    others {
        async fn list_reactions(
            &self,
            request: Request<wire::ListReactionsRequest>,
        ) -> Result<Response<wire::ListReactionsResponse>, Status> {
            let standing = self.backend.standing(Caller::of(&request)?.principal);
            let standing = standing.map_err(|error| status::of_execute(&error))?;
            let all = matches!(standing, Standing::Registered { administrator: true });
            let waited = self.backend.wait(request.into_inner().consistency).await?;
            let build = waited.read(&self.backend.engine.models().reaction_work)?;
            let reactions = self.backend.reactions.health().into_iter().map(|health| {
                let work = build.partitions.get(health.name).cloned().unwrap_or_default();
                let stuck = work.stuck.iter().take(STUCK_SHOWN_MAX).map(|((cause, number), stuck)| {
                    stuck_reaction(health.name, *cause, *number, stuck)
                });
                wire::Reaction {
                    name: health.name.to_owned(),
                    enabled_from: work.from.unwrap_or(0),
                    handled_position: health.handled.position,
                    resolved: work.resolved,
                    stuck: stuck.collect(),
                }
            });
            let timers = self.backend.timers.health().stuck.into_iter();
            let stuck_timers = timers.map(|it| wire::StuckTimer {
                stream: if all { it.stream.to_string() } else { it.stream.category().to_owned() },
                timer: it.timer.to_owned(),
                due_at: Some(answer::instant(it.due_at)),
                cause: it.cause,
                refusal: it.refusal,
            });
            Ok(Response::new(wire::ListReactionsResponse {
                reactions: reactions.collect(),
                stuck_timers: stuck_timers.collect(),
                read_point: Some(waited.point(&build)?),
            }))
        }

        async fn retry_stuck(
            &self,
            request: Request<wire::RetryStuckRequest>,
        ) -> Result<Response<wire::RetryStuckResponse>, Status> {
            let wire::RetryStuckRequest { name, cause } = request.into_inner();
            let health = self.backend.reactions.health();
            let Some(health) = health.into_iter().find(|health| health.name == name) else {
                return Err(of_retry(&RetryError::NoSuchReaction(name)));
            };
            let mut stuck = health.stuck;
            {
                // Withheld work is not found by its cause: only with all the rest.
                let build = crate::reading::ready(&self.backend.engine.models().reaction_work)?;
                let work = build.partitions.get(health.name);
                let is_withheld = |place: &(u64, u32)| {
                    work.and_then(|work| work.stuck.get(place))
                        .is_none_or(|stuck| stuck.is_withheld)
                };
                stuck.retain(|place| cause == 0 || (place.0 == cause && !is_withheld(place)));
            }
            if stuck.is_empty() && cause != 0 {
                return Err(of_retry(&RetryError::NotStuck));
            }
            let mut answer = wire::RetryStuckResponse::default();
            for (cause, number) in stuck.into_iter().take(RETRIES_MAX) {
                match self.backend.reactions.retry(health.name, cause, number).await {
                    Ok(_) => answer.resolved += 1,
                    // Somebody else has retried it in the meantime.
                    Err(RetryError::NotStuck) => {}
                    Err(RetryError::Refused(_)) => answer.stuck += 1,
                    Err(error) => return Err(of_retry(&error)),
                }
            }
            Ok(Response::new(answer))
        }
    }
}

/// Why a retry changed nothing.
fn of_retry(error: &RetryError) -> Status {
    match error {
        RetryError::NoSuchReaction(_) => {
            let message = "There is no reaction of this name.";
            status::status(Code::NotFound, "REACTION_NOT_FOUND", message)
        }
        RetryError::NotStuck => status::refused(&Refusal::WorkNotStuck.refused()),
        RetryError::Refused(refused) => status::refused(refused),
        RetryError::Submit(SubmitError::Busy(_)) => status::overloaded(
            "OVERLOADED",
            "The log cannot take the work now; try again soon.",
        ),
        RetryError::Submit(SubmitError::Over(_)) => status::of_append(&AppendError::Closed),
        RetryError::Submit(error) => status::fault(error),
        RetryError::Read(error) => status::of_read(error),
        RetryError::Unreadable(_) => status::fault(error),
    }
}
