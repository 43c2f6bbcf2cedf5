use proptest::prelude::*;

use super::*;
use crate::hazard::{HazardLevel, Urgency};
use crate::member::{Command as Ask, MemberKind, Role};
use crate::state_table::{check, one_of_each, row};
use crate::testing::{History, any_history, at, by, id, team};
use crate::unit::{self, UnitLevel};

const FEBRUARY: &str = "2024-02-01T00:00:00Z";
const MARCH: &str = "2024-03-01T00:00:00Z";
const APRIL: &str = "2024-04-01T00:00:00Z";

fn admin(now: &str) -> Context {
    by(id(1), at(now))
}

fn give(hazard: u128, to: u128) -> Command {
    Command::ReassignOpenItem {
        item: Item::Hazard(id(hazard)),
        to: id(to),
    }
}

fn report(hazard: u128) -> crate::hazard::Command {
    crate::hazard::Command::ReportHazard {
        hazard: id(hazard),
        unit: id(101),
        kind: "blocked exit".to_owned(),
        place: None,
        description: None,
        photos: Vec::new(),
        seen_at: None,
    }
}

fn found(n: u128) -> unit::Command {
    unit::Command::FoundUnit {
        unit: id(n),
        level: UnitLevel::Community,
        name: format!("community {n}"),
        parent: Some(id(100)),
        zone: None,
        imported: None,
    }
}

fn split(n: u128, into: &[u128], from: &str) -> unit::Command {
    unit::Command::SplitUnit {
        unit: id(n),
        into: into.iter().map(|n| id(*n)).collect(),
        rest: id(into[0]),
        effective_from: Some(at(from)),
    }
}

/// Communities 102 to 105; hazard 500 is open in 101, hazard 501 was none.
fn before() -> History {
    let reject = crate::hazard::Command::RejectHazard {
        hazard: id(501),
        reason: "nothing there".to_owned(),
    };
    (102..=105)
        .fold(team(), |history, n| {
            history.then(found(n), &admin(FEBRUARY))
        })
        .then(report(500), &by(id(3), at(FEBRUARY)))
        .then(report(501), &by(id(3), at(FEBRUARY)))
        .then(reject, &by(id(2), at(FEBRUARY)))
}

/// The same; 101 is split into 102, which takes the rest, and 103, from March on.
fn decided() -> History {
    before().then(split(101, &[102, 103], MARCH), &admin(FEBRUARY))
}

fn answers(history: &History, hazard: u128, day: &str) -> UnitId {
    let item = Item::Hazard(id(hazard));
    owner(&history.world(), item, id(101), at(day)).expect("a whole world")
}

#[test]
fn the_table_of_giving_an_open_item_in_every_state_of_its_unit() {
    let cx = admin(MARCH);
    let given = decided().then(give(500, 103), &admin(FEBRUARY));
    let states = [before(), decided(), given];
    let place = |history: &History| {
        let owner = answers(history, 500, APRIL);
        let place = match owner {
            owner if owner == id(101) => "unit stands",
            owner if owner == id(102) => "with the rest",
            _ => "with the other successor",
        };
        place.to_owned()
    };
    #[rustfmt::skip]
    let rows = [
        row(give(500, 103), cx, ["UNIT_NOT_SPLIT", "OpenItemReassigned", "ITEM_IS_THERE"]),
        row(give(500, 102), cx, ["UNIT_NOT_SPLIT", "ITEM_IS_THERE", "OpenItemReassigned"]),
        row(give(500, 104), cx, ["UNIT_NOT_SPLIT", "NOT_A_SUCCESSOR", "NOT_A_SUCCESSOR"]),
        row(give(501, 103), cx, ["ITEM_NOT_OPEN", "ITEM_NOT_OPEN", "ITEM_NOT_OPEN"]),
        row(give(599, 103), cx, ["ITEM_NOT_FOUND", "ITEM_NOT_FOUND", "ITEM_NOT_FOUND"]),
    ];
    let given = "An administrator gives items filed in a community that is split from 1 March on into \
        two, on that day; the rows are: to the second successor, to the one that takes the rest, to \
        another community, an item that is closed, one that is none.";
    check(
        "Open item",
        given,
        include_str!("open_item.rs"),
        &states,
        &rows,
        place,
    );
}

#[test]
fn a_unit_splits_while_items_are_open_and_each_has_one_owner_as_of_each_date() {
    let history = decided()
        .then(report(502), &by(id(3), at(FEBRUARY)))
        .then(give(500, 103), &admin(FEBRUARY));
    // Before: the unit they were filed in. After: the successor they were given to, or the rest.
    let day_before = "2024-02-29T23:59:59Z";
    assert_eq!(
        (
            answers(&history, 500, day_before),
            answers(&history, 502, day_before)
        ),
        (id(101), id(101))
    );
    assert_eq!(
        (answers(&history, 500, MARCH), answers(&history, 502, MARCH)),
        (id(103), id(102))
    );
    // Given back in April: the months before stay as they were.
    let back = history.then(give(500, 102), &admin(APRIL));
    assert_eq!(answers(&back, 500, "2024-03-31T00:00:00Z"), id(103));
    assert_eq!(answers(&back, 500, APRIL), id(102));
    // The item itself was not touched, and goes on by the rules it was filed under.
    let verify = crate::hazard::Command::VerifyHazard {
        hazard: id(500),
        level: HazardLevel::General,
        urgency: Urgency::Blue,
    };
    assert_eq!(
        back.outcome(verify, &by(id(4), at(APRIL))),
        "HazardVerified + DeadlineSet"
    );
}

#[test]
fn succession_goes_on_through_later_splits_and_mergers() {
    let merge = unit::Command::MergeUnits {
        units: vec![id(103)],
        into: id(105),
        effective_from: Some(at(APRIL)),
    };
    let history = decided()
        .then(give(500, 103), &admin(FEBRUARY))
        .then(split(102, &[104, 105], APRIL), &admin(MARCH))
        .then(merge, &admin(MARCH))
        .then(report_in(503, 102), &admin(MARCH));
    assert_eq!(answers(&history, 500, APRIL), id(105));
    // An item filed in the first successor can be given to either of its successors.
    let history = history.then(give(503, 105), &admin(APRIL));
    let item = Item::Hazard(id(503));
    let owner = owner(&history.world(), item, id(102), at(APRIL)).expect("whole");
    assert_eq!(owner, id(105));
}

fn report_in(hazard: u128, unit_id: u128) -> crate::hazard::Command {
    let mut command = report(hazard);
    if let crate::hazard::Command::ReportHazard { unit, .. } = &mut command {
        *unit = id(unit_id);
    }
    command
}

/// Person 6 leads the community 103.
fn led() -> History {
    let (community, person) = (id(103), id(6));
    let apply = Ask::ApplyForMembership {
        community,
        person,
        kind: MemberKind::CommunityWorker,
        under_14: false,
        guardian_consent: None,
        applied_at: None,
    };
    let grant = Ask::GrantRole {
        community,
        person,
        role: Role::Captain,
        from: at(FEBRUARY),
        until: None,
        appointment: Some("appointment 6".to_owned()),
    };
    decided()
        .then(apply, &by(person, at(FEBRUARY)))
        .then(Ask::ApproveMember { community, person }, &admin(FEBRUARY))
        .then(grant, &admin(FEBRUARY))
}

#[test]
fn who_leads_the_unit_that_answers_gives_its_items_away() {
    let history = led();
    let captain = |now| by(id(2), at(now));
    assert_eq!(
        history.outcome(give(500, 103), &captain(FEBRUARY)),
        "OpenItemReassigned"
    );
    // From March on nobody leads 101 any more.
    let refusal = crate::member::Refusal::ActorIsNoApprover;
    history.refuses(give(500, 103), &captain(MARCH), refusal);
    let given = history.then(give(500, 103), &admin(FEBRUARY));
    assert_eq!(
        given.outcome(give(500, 102), &by(id(6), at(MARCH))),
        "OpenItemReassigned"
    );
}

#[test]
fn whoever_leads_the_owner_decides_about_a_shift_and_a_campaign_of_a_unit_that_ended() {
    let campaign = crate::campaign::Command::PlanCampaign {
        campaign: id(700),
        community: id(101),
        name: "summer nights".to_owned(),
        wave: 1,
        from: at("2024-02-02T00:00:00Z"),
        until: at("2024-02-20T00:00:00Z"),
    };
    let give = Command::ReassignOpenItem {
        item: Item::Campaign(id(700)),
        to: id(103),
    };
    let end = crate::campaign::Command::EndCampaign { campaign: id(700) };
    let history = led().then(campaign, &admin(FEBRUARY));
    let refusal = crate::member::Refusal::ActorIsNoApprover;
    history.refuses(end.clone(), &by(id(6), at(MARCH)), refusal);
    let given = history.then(give, &admin(FEBRUARY));
    assert_eq!(
        given.outcome(end.clone(), &by(id(6), at(MARCH))),
        "CampaignEnded"
    );
    given.refuses(end, &by(id(2), at(MARCH)), refusal);
}

/// Steps that end units and give items away.
fn any_step() -> impl Strategy<Value = crate::Command> {
    let months = || (2..8_u32).prop_map(|month| format!("2024-{month:02}-10T00:00:00Z"));
    prop_oneof![
        (101..105_u128, 101..106_u128, 101..106_u128, months())
            .prop_map(|(unit, one, other, month)| split(unit, &[one, other], &month).into()),
        (500..503_u128, 101..106_u128).prop_map(|(hazard, to)| give(hazard, to).into()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_open_item_has_exactly_one_owner_that_stands(
        steps in proptest::collection::vec((any_step(), 0..20_i64), 0..30)
    ) {
        let mut history = before().then(report(502), &by(id(3), at(FEBRUARY)));
        let mut now = at(FEBRUARY);
        for (step, days) in steps {
            now += chrono::Duration::days(days);
            let cx = by(id(1), now);
            if history.when(step.clone(), &cx).is_ok() {
                history = history.then(step, &cx);
            }
        }
        let world = history.world();
        for month in 1..=12 {
            let day = at(&format!("2024-{month:02}-15T00:00:00Z"));
            for hazard in [500, 502] {
                let owner = owner(&world, Item::Hazard(id(hazard)), id(101), day).expect("whole");
                prop_assert!(world.state::<Unit>(owner).expect("whole").ended(day).is_none());
            }
        }
    }

    #[test]
    fn any_order_of_events_is_borne(history in any_history(one_of_each::<Event>("open_item"))) {
        let mut item = OpenItem::default();
        for (event, stamp) in &history {
            item.evolve(event, stamp);
            let _ = item.successor(id(101), stamp.occurred_at);
        }
    }
}
