//! `PrincipalService`: logins.

use super::service;
use crate::parse;
use domain::principal::Command;

service! {
    impl principal_service_server::PrincipalService;
    commands {
        register_principal(r: RegisterPrincipalRequest) -> RegisterPrincipalResponse =
            Command::RegisterPrincipal {
                subject: parse::text("subject", r.subject)?,
                system: r.system,
            };
        link_principal(r: LinkPrincipalRequest) -> LinkPrincipalResponse =
            Command::LinkPrincipal {
                principal: parse::id("principal_id", &r.principal_id)?,
                person: parse::id("person_id", &r.person_id)?,
            };
        suspend_principal(r: SuspendPrincipalRequest) -> SuspendPrincipalResponse =
            Command::SuspendPrincipal {
                principal: parse::id("principal_id", &r.principal_id)?,
            };
        reinstate_principal(r: ReinstatePrincipalRequest) -> ReinstatePrincipalResponse =
            Command::ReinstatePrincipal {
                principal: parse::id("principal_id", &r.principal_id)?,
            };
    }
    others {}
}
