//! `AdministrationService`: the log as a whole and who administers it.

use super::service;
use crate::parse;
use domain::genesis::Command;

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
    others {}
}
