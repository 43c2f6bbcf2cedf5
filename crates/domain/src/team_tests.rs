use proptest::prelude::*;

use super::*;
use crate::state_table::{check, one_of_each, row};
use crate::testing::{History, any_history, at, by, id, team as community_team};

const NOW: &str = "2024-02-01T00:00:00Z";

fn captain() -> Context {
    by(id(2), at(NOW))
}

fn form() -> Command {
    Command::FormTeam {
        team: id(900),
        community: id(101),
        name: "community policing team".to_owned(),
    }
}

fn join(person: u128) -> Command {
    Command::JoinTeam {
        team: id(900),
        person: id(person),
    }
}

fn leave(person: u128) -> Command {
    Command::LeaveTeam {
        team: id(900),
        person: id(person),
    }
}

fn appoint(person: u128) -> Command {
    Command::AppointCaptain {
        team: id(900),
        person: id(person),
    }
}

fn instruct(person: u128) -> Command {
    Command::AppointInstructor {
        team: id(900),
        person: id(person),
    }
}

/// The people of the community; volunteer 4 is its secretary.
fn people() -> History {
    let grant = crate::member::Command::GrantRole {
        community: id(101),
        person: id(4),
        role: Role::Instructor,
        from: at(NOW),
        until: None,
        appointment: None,
    };
    community_team().then(grant, &by(id(1), at(NOW)))
}

fn state(history: &History) -> std::sync::Arc<Team> {
    history.state::<Team>(id::<TeamId>(900))
}

#[test]
fn the_table_of_every_command_in_every_state() {
    let formed = people().then(form(), &captain());
    let joined = [2, 3, 4].into_iter().fold(formed.clone(), |history, n| {
        history.then(join(n), &captain())
    });
    let led = joined
        .clone()
        .then(appoint(2), &captain())
        .then(instruct(4), &captain());
    let place = |history: &History| {
        let team = state(history);
        let place = match (
            team.community,
            team.members.len(),
            team.captain,
            team.instructor,
        ) {
            (None, ..) => "unknown",
            (Some(_), 0, ..) => "formed",
            (Some(_), _, Some(_), Some(_)) => "led",
            (Some(_), _, Some(_), None) => "with a captain",
            (Some(_), _, None, Some(_)) => "with an instructor",
            (Some(_), _, None, None) => "with members",
        };
        place.to_owned()
    };
    let (none, out) = ("TEAM_NOT_FOUND", "NOT_IN_TEAM");
    #[rustfmt::skip]
    let rows = [
        row(form(), captain(), ["TeamFormed", "TEAM_ALREADY_FORMED", "TEAM_ALREADY_FORMED", "TEAM_ALREADY_FORMED"]),
        row(join(3), captain(), [none, "MemberJoinedTeam", "ALREADY_IN_TEAM", "ALREADY_IN_TEAM"]),
        row(leave(2), captain(), [none, out, "MemberLeftTeam", "MemberLeftTeam"]),
        row(appoint(2), captain(), [none, out, "CaptainAppointed", "ALREADY_APPOINTED"]),
        row(instruct(4), captain(), [none, out, "InstructorAppointed", "ALREADY_APPOINTED"]),
    ];
    let given = "Each command is given by the captain of the community, who is person 2; person 4 is \
        its instructor. `led` has both as captain and instructor of the team.";
    let states = [people(), formed, joined, led];
    check(
        "Team",
        given,
        include_str!("team.rs"),
        &states,
        &rows,
        place,
    );
}

#[test]
fn the_captain_is_a_police_officer_and_the_instructor_the_secretary() {
    let history = [2, 3, 4]
        .into_iter()
        .fold(people().then(form(), &captain()), |history, n| {
            history.then(join(n), &captain())
        });
    history.refuses(appoint(3), &captain(), Refusal::CaptainIsNoOfficer);
    history.refuses(appoint(4), &captain(), Refusal::CaptainIsNoOfficer);
    history.refuses(instruct(2), &captain(), Refusal::InstructorIsNotSecretary);
    // Not any more once the role is taken back.
    let revoke = crate::member::Command::RevokeRole {
        community: id(101),
        person: id(4),
        role: Role::Instructor,
    };
    let revoked = history.then(revoke, &captain());
    revoked.refuses(instruct(4), &captain(), Refusal::InstructorIsNotSecretary);
}

#[test]
fn a_captain_who_leaves_leads_no_more() {
    let history = people()
        .then(form(), &captain())
        .then(join(2), &captain())
        .then(appoint(2), &captain())
        .then(leave(2), &captain());
    assert_eq!(
        (state(&history).captain, state(&history).members.len()),
        (None, 0)
    );
}

#[test]
fn only_members_join_and_only_who_leads_takes_them_in() {
    let history = people().then(form(), &captain());
    history.refuses(join(5), &captain(), crate::member::Refusal::MemberNotActive);
    let refusal = crate::member::Refusal::ActorIsNoApprover;
    history.refuses(join(3), &by(id(3), at(NOW)), refusal);
    let joined = history.then(join(3), &captain());
    joined.refuses(leave(3), &by(id(5), at(NOW)), refusal);
    assert_eq!(
        joined.outcome(leave(3), &by(id(3), at(NOW))),
        "MemberLeftTeam"
    );
    let mut nameless = form();
    if let Command::FormTeam { name, .. } = &mut nameless {
        name.clear();
    }
    people().refuses(nameless, &captain(), Refusal::TeamNameNotAllowed);
}

#[test]
fn every_kind_of_member_can_be_in_a_team() {
    use MemberKind::{BuildingHead, CommunityWorker, PropertyStaff, SecurityGuard, Volunteer};
    let kinds = [
        PropertyStaff,
        SecurityGuard,
        CommunityWorker,
        BuildingHead,
        Volunteer,
    ];
    let mut history = people().then(form(), &captain());
    for (n, kind) in (20..).zip(kinds) {
        history = history.and_member(id(n), kind, None);
        let events = history.when(join(n), &captain()).expect("a member");
        let expected = Event::MemberJoinedTeam {
            person: id(n),
            kind,
            taken_in_by: id(2),
        };
        assert_eq!(events, [expected.into()]);
    }
}

proptest! {
    #[test]
    fn any_order_of_events_is_borne(history in any_history(one_of_each::<Event>("team"))) {
        let mut team = Team::default();
        for (event, stamp) in &history {
            team.evolve(event, stamp);
        }
    }
}
