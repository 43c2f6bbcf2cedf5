//! `CampaignService`: waves of publicity, door to door.

use tonic::{Request, Response, Status};

use super::service;
use crate::gate::Caller;
use crate::{parse, wire};
use domain::campaign::Command;

service! {
    impl campaign_service_server::CampaignService;
    commands {
        plan_campaign(r: PlanCampaignRequest) -> PlanCampaignResponse =
            Command::PlanCampaign {
                campaign: parse::id("campaign_id", &r.campaign_id)?,
                community: parse::id("community_id", &r.community_id)?,
                name: parse::text("name", r.name)?,
                wave: r.wave,
                from: parse::instant("from", r.from)?,
                until: parse::instant("until", r.until)?,
            };
        join_campaign(r: JoinCampaignRequest) -> JoinCampaignResponse =
            Command::JoinCampaign {
                campaign: parse::id("campaign_id", &r.campaign_id)?,
                person: parse::id("person_id", &r.person_id)?,
            };
        issue_leaflets(r: IssueLeafletsRequest) -> IssueLeafletsResponse =
            Command::IssueLeaflets {
                campaign: parse::id("campaign_id", &r.campaign_id)?,
                person: parse::id("person_id", &r.person_id)?,
                count: r.count,
            };
        visit_door(r: VisitDoorRequest) -> VisitDoorResponse =
            Command::VisitDoor {
                campaign: parse::id("campaign_id", &r.campaign_id)?,
                person: parse::id("person_id", &r.person_id)?,
                door: parse::text("door", r.door)?,
                result: parse::choice::<wire::DoorResult>("result", r.result)?,
                visited_at: parse::optional_instant("visited_at", r.visited_at)?,
                sent_at: parse::optional_instant("sent_at", r.sent_at)?,
            };
        return_leaflets(r: ReturnLeafletsRequest) -> ReturnLeafletsResponse =
            Command::ReturnLeaflets {
                campaign: parse::id("campaign_id", &r.campaign_id)?,
                person: parse::id("person_id", &r.person_id)?,
                returned: r.returned,
                lost: r.lost,
            };
        verify_participation(r: CampaignServiceVerifyParticipationRequest) -> CampaignServiceVerifyParticipationResponse =
            Command::VerifyParticipation {
                campaign: parse::id("campaign_id", &r.campaign_id)?,
                person: parse::id("person_id", &r.person_id)?,
                minutes: r.minutes,
            };
        reject_participation(r: CampaignServiceRejectParticipationRequest) -> CampaignServiceRejectParticipationResponse =
            Command::RejectParticipation {
                campaign: parse::id("campaign_id", &r.campaign_id)?,
                person: parse::id("person_id", &r.person_id)?,
                reason: parse::text("reason", r.reason)?,
            };
        end_campaign(r: EndCampaignRequest) -> EndCampaignResponse =
            Command::EndCampaign {
                campaign: parse::id("campaign_id", &r.campaign_id)?,
            };
    }
    others {
        async fn upload_door_visits(
            &self,
            request: Request<wire::UploadDoorVisitsRequest>,
        ) -> Result<Response<wire::UploadDoorVisitsResponse>, Status> {
            let caller = Caller::of(&request)?;
            let visits = request.into_inner().visits;
            let answers = self.upload(caller, "visits", visits).await?;
            Ok(Response::new(wire::UploadDoorVisitsResponse { answers }))
        }
    }
}
