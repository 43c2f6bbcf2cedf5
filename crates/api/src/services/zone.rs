//! `ZoneService`: patrol zones.

use super::service;
use crate::parse;
use domain::zone_plan::Command;

service! {
    impl zone_service_server::ZoneService;
    commands {
        adopt_zone_plan(r: AdoptZonePlanRequest) -> AdoptZonePlanResponse =
            Command::AdoptZonePlan {
                community: parse::id("community_id", &r.community_id)?,
                geojson: parse::document("geojson", r.geojson)?,
                effective_from: parse::optional_instant("effective_from", r.effective_from)?,
            };
    }
    others {}
}
