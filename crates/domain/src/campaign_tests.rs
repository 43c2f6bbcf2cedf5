use proptest::prelude::*;

use super::*;
use crate::testing::{History, any_history, at, by, by_system, id, team};

/// The wave runs on 9 August from 19:00 to 21:00 in the community's zone.
const FROM: &str = "2024-08-09T11:00:00Z";
const UNTIL: &str = "2024-08-09T13:00:00Z";
/// While it runs.
const NOW: &str = "2024-08-09T12:00:00Z";

fn plan() -> Command {
    Command::PlanCampaign {
        campaign: id(60),
        community: id(101),
        name: "second wave".to_owned(),
        wave: 2,
        from: at(FROM),
        until: at(UNTIL),
    }
}

fn join(person: u128) -> Command {
    Command::JoinCampaign {
        campaign: id(60),
        person: id(person),
    }
}

fn issue(person: u128, count: u32) -> Command {
    Command::IssueLeaflets {
        campaign: id(60),
        person: id(person),
        count,
    }
}

fn visit(person: u128, door: &str, result: DoorResult) -> Command {
    visit_at(person, door, result, None)
}

fn visit_at(person: u128, door: &str, result: DoorResult, visited_at: Option<&str>) -> Command {
    Command::VisitDoor {
        campaign: id(60),
        person: id(person),
        door: door.to_owned(),
        result,
        visited_at: visited_at.map(at),
        sent_at: None,
    }
}

fn give_back(person: u128, returned: u32, lost: u32) -> Command {
    Command::ReturnLeaflets {
        campaign: id(60),
        person: id(person),
        returned,
        lost,
    }
}

fn verify(person: u128) -> Command {
    Command::VerifyParticipation {
        campaign: id(60),
        person: id(person),
        minutes: 60,
    }
}

fn reject(person: u128) -> Command {
    Command::RejectParticipation {
        campaign: id(60),
        person: id(person),
        reason: "was not there".to_owned(),
    }
}

fn end() -> Command {
    Command::EndCampaign { campaign: id(60) }
}

fn captain() -> Context {
    by(id(2), at(NOW))
}

fn own() -> Context {
    by(id(3), at(NOW))
}

fn planned() -> History {
    team().then(plan(), &captain())
}

/// Person 3 has joined.
fn joined() -> History {
    planned().then(join(3), &own())
}

/// Person 3 took ten leaflets out and delivered one.
fn running() -> History {
    joined()
        .then(issue(3, 10), &captain())
        .then(visit(3, "3-1-201", DoorResult::Home), &own())
}

/// Person 3 has returned what was left.
fn balanced() -> History {
    running().then(give_back(3, 8, 1), &own())
}

fn campaign(history: &History) -> std::sync::Arc<Campaign> {
    history.state(id::<CampaignId>(60))
}

#[test]
fn every_command_in_every_state_has_its_answer() {
    let states = [
        team(),
        joined(),
        balanced(),
        balanced().then(end(), &captain()),
        balanced().then(verify(3), &captain()),
    ];
    let again = || visit(3, "3-1-202", DoorResult::Absent);
    #[rustfmt::skip]
    let table = [
        (plan(),             ["CampaignPlanned + Claimed", "CAMPAIGN_ALREADY_PLANNED", "CAMPAIGN_ALREADY_PLANNED", "CAMPAIGN_ALREADY_PLANNED", "CAMPAIGN_ALREADY_PLANNED"]),
        (join(4),            ["CAMPAIGN_NOT_FOUND", "VolunteerJoined", "VolunteerJoined", "CAMPAIGN_OVER", "VolunteerJoined"]),
        (issue(3, 1),        ["CAMPAIGN_NOT_FOUND", "LeafletsIssued", "LeafletsIssued", "CAMPAIGN_OVER", "PARTICIPATION_SETTLED"]),
        (again(),            ["CAMPAIGN_NOT_FOUND", "DoorVisited", "DoorVisited", "CAMPAIGN_OVER", "PARTICIPATION_SETTLED"]),
        (give_back(3, 1, 0), ["CAMPAIGN_NOT_FOUND", "MORE_THAN_ISSUED", "MORE_THAN_ISSUED", "MORE_THAN_ISSUED", "MORE_THAN_ISSUED"]),
        (verify(3),          ["CAMPAIGN_NOT_FOUND", "NO_VISIT", "ParticipationVerified", "ParticipationVerified", "PARTICIPATION_SETTLED"]),
        (reject(3),          ["CAMPAIGN_NOT_FOUND", "ParticipationRejected", "ParticipationRejected", "ParticipationRejected", "PARTICIPATION_SETTLED"]),
        (end(),              ["CAMPAIGN_NOT_FOUND", "CampaignEnded", "CampaignEnded", "CAMPAIGN_OVER", "CampaignEnded"]),
    ];
    for (command, expected) in table {
        for (history, expected) in states.iter().zip(expected) {
            let state = campaign(history).state;
            let outcome = history.outcome(command.clone(), &captain());
            assert_eq!(outcome, expected, "{command:?} in {state:?}");
        }
    }
}

#[test]
fn the_first_visit_starts_the_wave() {
    assert_eq!(campaign(&joined()).state, CampaignState::Planned);
    assert_eq!(campaign(&running()).state, CampaignState::Running);
}

#[test]
fn everything_lies_in_the_community() {
    for (history, command) in [
        (team(), plan()),
        (planned(), join(3)),
        (running(), visit(3, "3-1-202", DoorResult::Absent)),
        (balanced(), verify(3)),
        (balanced(), end()),
    ] {
        let decision = Campaign::decide(&command, &history.world(), &captain());
        let community: UnitId = id(101);
        let events = decision.expect("allowed").events;
        assert_eq!(events[0].envelope.unit, Some(community.0), "{command:?}");
    }
}

#[test]
fn a_plan_has_a_name_a_number_and_a_time() {
    for (name, wave, until, expected) in [
        ("wave", 1, UNTIL, "CampaignPlanned + Claimed"),
        (" ", 1, UNTIL, "NAME_NOT_ALLOWED"),
        (&*"x".repeat(201), 1, UNTIL, "NAME_NOT_ALLOWED"),
        ("wave", 0, UNTIL, "WAVE_NOT_ALLOWED"),
        ("wave", 1, FROM, "ENDS_BEFORE_IT_BEGINS"),
    ] {
        let command = Command::PlanCampaign {
            campaign: id(60),
            community: id(101),
            name: name.to_owned(),
            wave,
            from: at(FROM),
            until: at(until),
        };
        assert_eq!(team().outcome(command, &captain()), expected, "{name}");
    }
}

#[test]
fn only_an_administrator_a_captain_or_an_instructor_plans_and_ends() {
    let refusal = crate::member::Refusal::ActorIsNoApprover;
    team().refuses(plan(), &own(), refusal);
    running().refuses(end(), &own(), refusal);
    let admin = by(id(1), at(NOW));
    assert_eq!(team().outcome(plan(), &admin), "CampaignPlanned + Claimed");
    assert_eq!(running().outcome(end(), &admin), "CampaignEnded");
}

#[test]
fn a_wave_of_a_name_is_planned_once_in_a_community() {
    let planned = team().then(plan(), &captain());
    let other = |name: &str, wave| Command::PlanCampaign {
        campaign: id(61),
        community: id(101),
        name: name.to_owned(),
        wave,
        from: at(FROM),
        until: at(UNTIL),
    };
    let again = other(" second wave ", 2);
    planned.refuses(again, &captain(), Refusal::WaveAlreadyPlanned);
    for next in [other("second wave", 3), other("winter", 2)] {
        assert!(planned.when(next, &captain()).is_ok());
    }
}

#[test]
fn only_active_members_join_and_only_once() {
    let refusal = crate::member::Refusal::MemberNotActive;
    planned().refuses(join(5), &captain(), refusal);
    joined().refuses(join(3), &own(), Refusal::AlreadyJoined);
    let rejected = joined().then(reject(3), &captain());
    rejected.refuses(join(3), &own(), Refusal::AlreadyJoined);
}

#[test]
fn only_who_joined_takes_part() {
    let commands = [
        issue(4, 1),
        visit(4, "3-1-202", DoorResult::Absent),
        give_back(4, 1, 0),
        verify(4),
        reject(4),
    ];
    for command in commands {
        running().refuses(command, &captain(), Refusal::NotJoined);
    }
}

#[test]
fn a_door_counts_once_in_a_wave_whoever_comes() {
    let history = running().then(join(4), &captain());
    for door in ["3-1-201", " 3 -1-201"] {
        for person in [3, 4] {
            let again = visit(person, door, DoorResult::Absent);
            history.refuses(again, &captain(), Refusal::DoorAlreadyVisited);
        }
    }
    let lettered = history.then(visit(4, "B-1", DoorResult::Refused), &captain());
    let small = visit(3, "b-1", DoorResult::Absent);
    lettered.refuses(small, &captain(), Refusal::DoorAlreadyVisited);
}

#[test]
fn a_door_has_a_bounded_key_and_a_wave_bounded_doors() {
    for bad in [" ", &"x".repeat(101)] {
        let command = visit(3, bad, DoorResult::Absent);
        running().refuses(command, &own(), Refusal::DoorNotAllowed);
    }
    let mut full = (*campaign(&joined())).clone();
    let stamp = Stamp {
        position: 1,
        version: 1,
        occurred_at: at(NOW),
        recorded_at: at(NOW),
    };
    for n in 0..DOORS_MAX {
        let event = Event::DoorVisited {
            person: id(3),
            door: n.to_string(),
            result: DoorResult::Absent,
        };
        full.evolve(&event, &stamp);
    }
    let mut world = joined().world();
    world.put(
        Campaign::stream(id::<CampaignId>(60)),
        std::sync::Arc::new(full),
    );
    let one_more = visit(3, "one more", DoorResult::Absent);
    let decision = Campaign::decide(&one_more, &world, &own());
    assert_eq!(decision, Err(Refusal::TooManyDoors.into()));
}

#[test]
fn a_visit_lies_within_the_wave_and_the_window_and_not_in_the_future() {
    for (now, visited_at, expected) in [
        (NOW, Some("2024-08-09T12:00:01Z"), "TIME_IN_THE_FUTURE"),
        (NOW, Some("2024-08-09T10:59:59Z"), "OUTSIDE_OF_THE_CAMPAIGN"),
        (NOW, Some(FROM), "DoorVisited"),
        (UNTIL, None, "DoorVisited"),
        ("2024-08-09T13:00:01Z", None, "OUTSIDE_OF_THE_CAMPAIGN"),
        ("2024-08-16T12:00:00Z", Some(NOW), "DoorVisited"),
        ("2024-08-16T12:00:01Z", Some(NOW), "BACK_DATED_TOO_FAR"),
    ] {
        let command = visit_at(3, "3-1-202", DoorResult::Absent, visited_at);
        let outcome = joined().outcome(command, &by(id(3), at(now)));
        assert_eq!(outcome, expected, "{visited_at:?} at {now}");
    }
}

#[test]
fn no_more_leaflets_go_anywhere_than_went_out() {
    let home = |door: &str| visit(3, door, DoorResult::Home);
    joined().refuses(home("1"), &own(), Refusal::MoreThanIssued);
    let away = visit(3, "1", DoorResult::Absent);
    assert_eq!(joined().outcome(away, &own()), "DoorVisited");
    let history = joined()
        .then(issue(3, 3), &captain())
        .then(home("1"), &own())
        .then(give_back(3, 1, 0), &own());
    history.refuses(give_back(3, 1, 1), &own(), Refusal::MoreThanIssued);
    history.refuses(give_back(3, 2, 0), &own(), Refusal::MoreThanIssued);
    let history = history.then(give_back(3, 0, 1), &own());
    history.refuses(home("2"), &own(), Refusal::MoreThanIssued);
    history.refuses(give_back(3, 1, 0), &own(), Refusal::MoreThanIssued);
    let more = history.then(issue(3, 1), &captain());
    assert_eq!(more.outcome(home("2"), &own()), "DoorVisited");
}

#[test]
fn each_answers_for_their_own_leaflets() {
    let history = running().then(join(4), &captain());
    let home = visit(4, "3-1-202", DoorResult::Home);
    history.refuses(home, &captain(), Refusal::MoreThanIssued);
}

#[test]
fn leaflets_are_counted_from_1_to_10_000() {
    for (command, expected) in [
        (issue(3, 0), "COUNT_NOT_ALLOWED"),
        (issue(3, 10_000), "LeafletsIssued"),
        (issue(3, 10_001), "COUNT_NOT_ALLOWED"),
        (give_back(3, 0, 0), "COUNT_NOT_ALLOWED"),
        (give_back(3, u32::MAX, u32::MAX), "COUNT_NOT_ALLOWED"),
    ] {
        let outcome = running().outcome(command.clone(), &captain());
        assert_eq!(outcome, expected, "{command:?}");
    }
}

#[test]
fn a_part_is_verified_once_visits_are_made_and_leaflets_balance() {
    joined().refuses(verify(3), &captain(), Refusal::NoVisit);
    running().refuses(verify(3), &captain(), Refusal::LeafletsNotBalanced);
    let verified = Event::ParticipationVerified {
        person: id(3),
        community: id(101),
        minutes: 60,
        doors: 1,
        verified_by: id(2),
    };
    let events = balanced().when(verify(3), &captain());
    assert_eq!(events, Ok(vec![verified.into()]));
    let after_the_end = running()
        .then(end(), &captain())
        .then(give_back(3, 9, 0), &own());
    let outcome = after_the_end.outcome(verify(3), &captain());
    assert_eq!(outcome, "ParticipationVerified");
}

#[test]
fn a_part_is_settled_once() {
    for settle in [verify(3), reject(3)] {
        let settled = balanced().then(settle, &captain());
        for again in [verify(3), reject(3)] {
            settled.refuses(again, &captain(), Refusal::ParticipationSettled);
        }
    }
}

#[test]
fn a_part_is_settled_by_another_person_with_the_role() {
    use crate::member::Command::{ApplyForMembership, ApproveMember, GrantRole};
    let admin = by(id(1), at(NOW));
    let role = |role| GrantRole {
        community: id(101),
        person: id(4),
        role,
        from: at(NOW),
        until: None,
        appointment: Some("appointment 2".to_owned()),
    };
    // The administrator and the captain take part too.
    let mut history = balanced()
        .then(
            ApplyForMembership {
                community: id(101),
                person: id(1),
                kind: crate::member::MemberKind::Volunteer,
                under_14: false,
                guardian_consent: None,
                applied_at: None,
            },
            &admin,
        )
        .then(
            ApproveMember {
                community: id(101),
                person: id(1),
            },
            &captain(),
        );
    for person in [1, 2] {
        let door = format!("door of {person}");
        history = history
            .then(join(person), &captain())
            .then(visit(person, &door, DoorResult::Absent), &captain());
    }
    let officer = history.clone().then(role(Role::Officer), &captain());
    let mediator = history.clone().then(role(Role::Mediator), &captain());
    #[rustfmt::skip]
    let table = [
        ("the captain",            &history,  captain(),           3, None),
        ("the administrator",      &history,  admin,               3, None),
        ("an officer",             &officer,  by(id(4), at(NOW)),  3, None),
        ("a mediator",             &mediator, by(id(4), at(NOW)),  3, Some("VERIFIER_NOT_ALLOWED")),
        ("another volunteer",      &history,  by(id(4), at(NOW)),  3, Some("VERIFIER_NOT_ALLOWED")),
        ("a stranger",             &history,  by(id(5), at(NOW)),  3, Some("VERIFIER_NOT_ALLOWED")),
        ("the person",             &history,  own(),               3, Some("VERIFIER_IS_BENEFICIARY")),
        ("the captain, their own", &history,  captain(),           2, Some("VERIFIER_IS_BENEFICIARY")),
        ("the only administrator", &history,  admin,               1, Some("VERIFIER_IS_BENEFICIARY")),
        ("the system",             &history,  by_system(at(NOW)),  3, Some("ACTOR_IS_NO_PERSON")),
    ];
    for (who, history, cx, person, refusal) in table {
        for (command, event) in [
            (verify(person), "ParticipationVerified"),
            (reject(person), "ParticipationRejected"),
        ] {
            let outcome = history.outcome(command, &cx);
            assert_eq!(outcome, refusal.unwrap_or(event), "{who}");
        }
    }
}

#[test]
fn minutes_and_reason_are_bounded() {
    for (minutes, expected) in [
        (0, "ParticipationVerified"),
        (1_440, "ParticipationVerified"),
        (1_441, "MINUTES_NOT_ALLOWED"),
    ] {
        let command = Command::VerifyParticipation {
            campaign: id(60),
            person: id(3),
            minutes,
        };
        assert_eq!(balanced().outcome(command, &captain()), expected);
    }
    for reason in [" ".to_owned(), "x".repeat(501)] {
        let command = Command::RejectParticipation {
            campaign: id(60),
            person: id(3),
            reason,
        };
        balanced().refuses(command, &captain(), Refusal::ReasonNotAllowed);
    }
}

#[test]
fn a_part_counts_by_the_time_of_the_last_visit() {
    // The last by time is not the last to be recorded.
    let history = joined()
        .then(
            visit_at(3, "1", DoorResult::Absent, Some("2024-08-09T11:50:00Z")),
            &own(),
        )
        .then(
            visit_at(3, "2", DoorResult::Absent, Some("2024-08-09T11:10:00Z")),
            &own(),
        );
    let later = by(id(2), at("2024-08-20T00:00:00Z"));
    for command in [verify(3), reject(3)] {
        let decision = Campaign::decide(&command, &history.world(), &later);
        let envelope = &decision.expect("allowed").events[0].envelope;
        assert_eq!(envelope.occurred_at, at("2024-08-09T11:50:00Z"));
        assert_eq!(envelope.trust, Trust::Witnessed);
    }
}

#[test]
fn the_end_states_the_totals() {
    let history = running()
        .then(visit(3, "3-1-202", DoorResult::Absent), &own())
        .then(join(4), &captain())
        .then(issue(4, 5), &captain())
        .then(join(2), &captain())
        .then(visit(2, "3-1-203", DoorResult::Refused), &captain());
    // Person 4 joined and never came.
    let ended = Event::CampaignEnded {
        volunteers: 2,
        doors: 3,
        leaflets: 1,
    };
    assert_eq!(history.when(end(), &captain()), Ok(vec![ended.into()]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_order_of_events_is_borne(history in any_history(vec![
        Event::CampaignPlanned {
            community: id(101),
            name: String::new(),
            wave: 0,
            from: at(UNTIL),
            until: at(FROM),
        },
        Event::VolunteerJoined { person: id(3) },
        Event::LeafletsIssued { person: id(3), count: u32::MAX },
        Event::DoorVisited { person: id(3), door: String::new(), result: DoorResult::Home },
        Event::LeafletsReturned { person: id(3), returned: u32::MAX, lost: u32::MAX },
        Event::ParticipationVerified {
            person: id(3),
            community: id(101),
            minutes: u32::MAX,
            doors: u32::MAX,
            verified_by: id(3),
        },
        Event::ParticipationRejected {
            person: id(4),
            reason: String::new(),
            rejected_by: id(4),
        },
        Event::CampaignEnded { volunteers: u32::MAX, doors: 0, leaflets: 0 },
    ])) {
        let mut campaign = Campaign::default();
        for (event, stamp) in &history {
            campaign.evolve(event, stamp);
        }
        campaign.ended();
        for part in campaign.participations.values() {
            prop_assert!(part.leaflets_out() <= part.issued);
        }
    }

    #[test]
    fn leaflets_are_conserved_whatever_is_asked(
        asked in proptest::collection::vec((0..3_u8, 0..6_u32, 0..4_u32), 0..40),
    ) {
        let mut history = joined();
        for (n, (what, a, b)) in asked.into_iter().enumerate() {
            let command = match what {
                0 => issue(3, a),
                1 => visit(3, &n.to_string(), DoorResult::Home),
                _ => give_back(3, a, b),
            };
            if history.when(command.clone(), &captain()).is_ok() {
                history = history.then(command, &captain());
            }
        }
        let campaign = campaign(&history);
        let part = &campaign.participations[&id::<PersonId>(3)];
        prop_assert!(part.delivered + part.returned + part.lost <= part.issued);
        let verified = history.outcome(verify(3), &captain());
        let balanced = part.delivered + part.returned + part.lost == part.issued;
        prop_assert_eq!(verified == "ParticipationVerified", balanced && part.doors > 0);
    }
}

#[test]
fn a_visit_sent_by_a_device_keeps_what_its_clock_said_and_when_it_was_sent() {
    let history = joined();
    let noon = NOW;
    let told = |sent_at: Option<&str>| {
        let mut command = visit_at(3, "1-1-1", DoorResult::Absent, Some(noon));
        if let Command::VisitDoor { sent_at: place, .. } = &mut command {
            *place = sent_at.map(at);
        }
        let cx = by(id(3), at("2024-08-09T12:45:00Z"));
        let decision = Campaign::decide(&command, &history.world(), &cx).expect("allowed");
        let envelope = decision.events[0].envelope.clone();
        (envelope.occurred_at, envelope.device_at, envelope.sent_at)
    };
    let sent = Some("2024-08-09T12:30:00Z");
    assert_eq!(told(sent), (at(noon), Some(at(noon)), sent.map(at)));
    // What somebody types in is no device's word.
    assert_eq!(told(None), (at(noon), None, None));
}
