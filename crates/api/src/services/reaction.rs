//! `ReactionService`: what the system does by itself.

use super::service;

service! {
    impl reaction_service_server::ReactionService;
    commands {
    }
    others {}
}
