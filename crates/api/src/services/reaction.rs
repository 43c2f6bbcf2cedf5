//! `ReactionService`: what the system does by itself.

use tonic::{Request, Response, Status};

use super::service;
use crate::wire;

service! {
    impl reaction_service_server::ReactionService;
    commands {
    }
    others {
        async fn list_reactions(
            &self,
            _: Request<wire::ListReactionsRequest>,
        ) -> Result<Response<wire::ListReactionsResponse>, Status> {
            let build = self.backend.engine.models().reaction_work.read();
            let reactions = domain::reactions::ALL.iter().map(|reaction| {
                let work = build.partitions.get(reaction.name).cloned().unwrap_or_default();
                let stuck = work.stuck.iter().map(|((cause, number), stuck)| wire::StuckReaction {
                    name: reaction.name.to_owned(),
                    cause: *cause,
                    number: *number,
                    refusal: stuck.refusal.clone(),
                    message: stuck.message.clone(),
                });
                wire::Reaction {
                    name: reaction.name.to_owned(),
                    enabled_from: work.from.unwrap_or(0),
                    handled_position: 0,
                    resolved: work.resolved,
                    stuck: stuck.collect(),
                }
            });
            Ok(Response::new(wire::ListReactionsResponse { reactions: reactions.collect() }))
        }

        async fn retry_stuck(
            &self,
            _: Request<wire::RetryStuckRequest>,
        ) -> Result<Response<wire::RetryStuckResponse>, Status> {
            Err(crate::status::status(
                tonic::Code::Unimplemented,
                "RETRY_NOT_READY",
                "This version cannot retry the work of reactions.",
            ))
        }
    }
}
