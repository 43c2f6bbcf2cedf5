//! `PolicyService`: policy sets.

use super::service;
use crate::parse;
use domain::policy_set::Command;

service! {
    impl policy_service_server::PolicyService;
    commands {
        adopt_policy_set(r: AdoptPolicySetRequest) -> AdoptPolicySetResponse =
            Command::AdoptPolicySet {
                unit: parse::id("unit_id", &r.unit_id)?,
                text: parse::document("text", r.text)?,
                effective_from: parse::optional_instant("effective_from", r.effective_from)?,
            };
    }
    others {}
}
