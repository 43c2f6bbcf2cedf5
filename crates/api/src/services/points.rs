//! `PointsService`: balances and what they come from.

use super::service;
use crate::{parse, wire};
use domain::account::Command;

service! {
    impl points_service_server::PointsService;
    commands {
        reverse_award(r: ReverseAwardRequest) -> ReverseAwardResponse =
            Command::ReverseAward {
                person: parse::id("person_id", &r.person_id)?,
                award: parse::id("award_id", &r.award_id)?,
                reason: parse::personal("reason", r.reason)?,
                mode: parse::choice::<wire::ReversalMode>("mode", r.mode)?,
            };
    }
    others {}
}
