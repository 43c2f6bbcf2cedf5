//! One evening through the real deciders: a patrol that is walked and forgotten to be ended, one
//! that nobody comes to, what the timers and the reaction `award_points` make of them, and what
//! the read models say in the end.

use std::sync::Arc;
use std::time::Duration;

use domain::ids::{PersonId, ShiftId, UnitId, ZoneId};
use domain::member::MemberKind;
use domain::patrol_shift::{Capture, Command as Shift, Method};
use domain::place::Place;
use domain::unit::UnitLevel;
use domain::{Personal, checkpoint, member, person, unit, zone_plan};

use super::town::Town;
use crate::Models;
use crate::consequences::Consequences;
use crate::engine::{Engine, Options};
use crate::fixture::{COMMUNITY, SHIFT, STATION, ZONE, at, id};
use crate::reactions::Reactions;
use crate::submit::Submit;
use crate::timers::{Fired, Time, Timers};

const SOON: Duration = Duration::from_secs(20);
pub(super) const VOLUNTEER: u128 = 11;
const MISSED: u128 = 302;

pub(super) fn square() -> String {
    let zone: ZoneId = id(ZONE);
    format!(
        r#"{{"type":"FeatureCollection","features":[{{"type":"Feature",
        "properties":{{"zone":"{zone}","name":"gate"}},
        "geometry":{{"type":"Polygon","coordinates":
        [[[120.0,32.0],[120.1,32.0],[120.1,32.1],[120.0,32.1],[120.0,32.0]]]}}}}]}}"#
    )
}

pub(super) fn capture(device_at: &str) -> Capture {
    Capture {
        method: Method::Nfc,
        place: Place::from_degrees(32.05, 120.05),
        device: Some("device 11".to_owned()),
        device_at: Some(at(device_at)),
        sent_at: Some(at(device_at)),
    }
}

pub(super) async fn settle(town: &Town) {
    let community: UnitId = id(COMMUNITY);
    let founded = unit::Command::FoundUnit {
        unit: community,
        level: UnitLevel::Community,
        name: "community".to_owned(),
        parent: Some(id(STATION)),
        zone: None,
        imported: None,
    };
    town.run("admin", founded).await;
    let person: PersonId = id(VOLUNTEER);
    let registered = person::Command::RegisterPerson {
        person,
        name: Personal::new("volunteer"),
        phone: None,
        identity_claim: None,
    };
    town.run("admin", registered).await;
    let applied = member::Command::ApplyForMembership {
        community,
        person,
        kind: MemberKind::Volunteer,
        under_14: false,
        guardian_consent: None,
        applied_at: None,
    };
    town.run("admin", applied).await;
    town.run(
        "admin",
        member::Command::ApproveMember { community, person },
    )
    .await;
    let plan = zone_plan::Command::AdoptZonePlan {
        community,
        geojson: square(),
        effective_from: None,
    };
    town.run("admin", plan).await;
    for n in [601, 602] {
        let installed = checkpoint::Command::InstallCheckpoint {
            checkpoint: id(n),
            community,
            name: format!("gate {n}"),
            tag: format!("tag {n}"),
            place: Place::from_degrees(32.05, 120.05).expect("on earth"),
            radius_m: 50,
        };
        town.run("admin", installed).await;
    }
    for shift in [SHIFT, MISSED] {
        let planned = Shift::PlanShift {
            shift: id(shift),
            community,
            zone: id(ZONE),
            route: vec![id(601), id(602)],
            from: at("2024-01-02T12:00:00Z"),
            until: at("2024-01-02T14:00:00Z"),
            crew_min: 1,
        };
        town.run("admin", planned).await;
    }
}

/// `hour planned done verified hit missed` of the community's cells.
fn coverage(models: &Models) -> Vec<[u64; 6]> {
    let build = models.patrol_coverage.read();
    let coverage = &build.partitions[&id::<UnitId>(COMMUNITY)];
    assert!(
        coverage
            .cells
            .keys()
            .all(|slot| slot.day.to_string() == "2024-01-02")
    );
    let cells = coverage.cells.iter().map(|(slot, cell)| {
        [
            u64::from(slot.hour),
            cell.planned_minutes(),
            cell.done_minutes(),
            cell.verified_minutes(),
            u64::from(cell.checkpoints_hit),
            u64::from(cell.checkpoints_missed),
        ]
    });
    cells.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evening_from_plan_to_points() {
    let town = Town::born().await;
    town.enable("award_points").await;
    settle(&town).await;
    let engine = Engine::start(town.log(), Options::default())
        .await
        .expect("started");
    let submit: Arc<dyn Submit> = Arc::new(town.executor.clone());
    let reactions = Reactions::start(town.log(), &submit, None);
    let consequences = Consequences::new(reactions.clone(), Some(engine.clone()));
    let time = Time::Simulated(town.clock.clone());
    let timers = Timers::start(town.log(), submit, time, Some(consequences.clone()));

    let (shift, person): (ShiftId, PersonId) = (id(SHIFT), id(VOLUNTEER));
    town.run("admin", Shift::SignUp { shift, person }).await;
    timers
        .advance_to(at("2024-01-02T12:05:00Z"))
        .await
        .expect("no timer");
    let checked_in = Shift::CheckIn {
        shift,
        person,
        capture: capture("2024-01-02T12:05:00Z"),
    };
    town.run("admin", checked_in).await;
    timers
        .advance_to(at("2024-01-02T12:10:00Z"))
        .await
        .expect("no timer");
    let scanned = Shift::ScanCheckpoint {
        shift,
        person,
        tag: "tag 601".to_owned(),
        capture: capture("2024-01-02T12:10:00Z"),
    };
    town.run("admin", scanned).await;

    let fired = timers
        .advance_to(at("2024-01-03T00:00:00Z"))
        .await
        .expect("fired");
    assert_eq!(
        fired,
        Fired {
            taken: 2,
            refused: 0
        },
        "one is missed, one is ended"
    );
    let verified = Shift::VerifyParticipation { shift, person };
    let position = town.run("admin", verified).await;
    let followed = consequences.wait(position, SOON).await.expect("followed");
    assert!(followed.stuck.is_empty() && followed.position > position);

    let expected = [[20, 120, 55, 55, 1, 0], [21, 120, 60, 60, 0, 1]];
    assert_eq!(coverage(engine.models()), expected);
    {
        let balances = engine.models().balances.read();
        let account = balances.partitions.get(&person).expect("an account");
        let balance = account.balance(at("2024-01-03T00:00:00Z"), None);
        assert_eq!((balance.granted, balance.pending), (50, 50));
        let named = engine
            .models()
            .activity(account.lots[0].activity.id)
            .expect("named");
        assert_eq!(named.zone_name.as_deref(), Some("gate"));
    }
    let folded = crate::Models::fold(town.log().read(1, u64::MAX)).expect("readable");
    for (model, folded) in engine.models().all().into_iter().zip(folded.all()) {
        let (live, folded) = (model.live().checksum(), folded.live().checksum());
        assert_eq!(live, folded, "{}", model.name());
        assert_eq!(model.live().standing().fault, None);
    }
    timers.stop().await;
    reactions.stop().await;
    engine.stop().await;
}
