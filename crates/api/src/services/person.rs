//! `PersonService`: people.

use domain::person::Command;
use tonic::{Request, Response, Status};

use super::service;
use crate::gate::Caller;
use crate::parse::{self, Parsed};
use crate::{status, wire};

service! {
    impl person_service_server::PersonService;
    commands {
        merge_persons(r: MergePersonsRequest) -> MergePersonsResponse =
            Command::MergePersons {
                person: parse::id("person_id", &r.person_id)?,
                duplicate: parse::id("duplicate_id", &r.duplicate_id)?,
            };
    }
    others {
        async fn register_person(
            &self,
            request: Request<wire::RegisterPersonRequest>,
        ) -> Result<Response<wire::RegisterPersonResponse>, Status> {
            let caller = Caller::of(&request)?;
            let request = request.into_inner();
            let command_id = request.command_id.clone();
            let identity_claim = self.backend.identity_claim(request.identity_number.trim())?;
            let command = command(request, identity_claim).map_err(|why| status::invalid(&why))?;
            let receipt = self.execute(caller, &command_id, command.into()).await?;
            Ok(Response::new(wire::RegisterPersonResponse { receipt: Some(receipt) }))
        }

        async fn correct_person(
            &self,
            request: Request<wire::CorrectPersonRequest>,
        ) -> Result<Response<wire::CorrectPersonResponse>, Status> {
            let caller = Caller::of(&request)?;
            let request = request.into_inner();
            let command_id = request.command_id.clone();
            let identity_claim = self.backend.identity_claim(request.identity_number.trim())?;
            let command =
                correction(request, identity_claim).map_err(|why| status::invalid(&why))?;
            let receipt = self.execute(caller, &command_id, command.into()).await?;
            Ok(Response::new(wire::CorrectPersonResponse { receipt: Some(receipt) }))
        }
    }
}

/// The command; of the identity number it knows the keyed hash alone.
fn command(
    request: wire::RegisterPersonRequest,
    identity_claim: Option<String>,
) -> Parsed<Command> {
    parse::text("identity_number", request.identity_number)?;
    Ok(Command::RegisterPerson {
        person: parse::id("person_id", &request.person_id)?,
        name: parse::personal("name", request.name)?,
        phone: parse::optional_personal("phone", request.phone)?,
        identity_claim,
    })
}

/// The same for a correction.
fn correction(
    request: wire::CorrectPersonRequest,
    identity_claim: Option<String>,
) -> Parsed<Command> {
    parse::text("identity_number", request.identity_number)?;
    Ok(Command::CorrectPerson {
        person: parse::id("person_id", &request.person_id)?,
        name: parse::optional_personal("name", request.name)?,
        phone: parse::optional_personal("phone", request.phone)?,
        identity_claim,
        clear_identity: request.clear_identity_number,
    })
}
