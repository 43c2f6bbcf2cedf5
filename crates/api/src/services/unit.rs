//! `UnitService`: units of jurisdiction.

use super::service;
use crate::{parse, wire};
use domain::unit::Command;

service! {
    impl unit_service_server::UnitService;
    commands {
        found_unit(r: FoundUnitRequest) -> FoundUnitResponse =
            Command::FoundUnit {
                unit: parse::id("unit_id", &r.unit_id)?,
                level: parse::choice::<wire::UnitLevel>("level", r.level)?,
                name: parse::text("name", r.name)?,
                parent: parse::optional_id("parent_id", &r.parent_id)?,
                zone: parse::optional_zone("time_zone", &r.time_zone)?,
                imported: parse::optional_imported("imported", r.imported)?,
            };
    }
    others {}
}
