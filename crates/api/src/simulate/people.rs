//! Who is there: the staff, the volunteers who join and leave, their team, households and grids.

use std::collections::HashMap;

use chrono::{Duration, NaiveDate};
use domain::ids::{HouseholdId, PersonId, PrincipalId, TeamId, UnitId};
use domain::member::{self, ConsentPurpose, MemberKind, Role};
use domain::unit::{self, UnitLevel};
use domain::{Instant, Personal, checkpoint, household, person, principal, team, zone_plan};

use super::community::{Community, Deed};
use super::rates::{self, Rate};

/// Grids of a community.
const GRIDS: usize = 3;
/// Security guards on paid duty; three of them walk where no volunteer does.
const GUARDS: usize = 14;

/// Somebody with a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) person: PersonId,
    pub(super) principal: PrincipalId,
}

/// Who is there.
#[derive(Debug, Default)]
pub(super) struct People {
    pub(super) captain: Option<Login>,
    pub(super) instructor: Option<Login>,
    pub(super) officer: Option<Login>,
    pub(super) clerk: Option<Login>,
    /// Whoever the owner of a hazard sends.
    pub(super) rectifier: Option<Login>,
    pub(super) guards: Vec<Login>,
    pub(super) volunteers: Vec<Login>,
    /// For the panel's offices: justice office, legal service.
    pub(super) offices: Vec<PersonId>,
    team: Option<TeamId>,
    grids: Vec<UnitId>,
    /// Until when somebody has something to do that they do not leave.
    busy: HashMap<PersonId, Instant>,
    joined: usize,
    /// Volunteers who live in no household yet.
    alone: Vec<PersonId>,
}

/// A step.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// The community is founded: units, staff, zones, checkpoints.
    Found,
    /// A volunteer joins.
    Join,
    /// A volunteer leaves.
    Leave,
    /// A volunteer was trained.
    Train,
    /// Two volunteers live together.
    Household,
    /// Some time later a third moves in (true), or one of the two out.
    Moves(HouseholdId, PersonId, bool),
    /// A grid gets another name.
    Rename,
}

impl People {
    /// True if somebody has nothing to do at an instant.
    pub(super) fn is_free(&self, person: PersonId, at: Instant) -> bool {
        self.busy.get(&person).is_none_or(|until| *until < at)
    }

    /// Keeps somebody busy.
    pub(super) fn keep_busy(&mut self, person: PersonId, until: Instant) {
        let busy = self.busy.entry(person).or_insert(until);
        *busy = (*busy).max(until);
    }
}

/// The first thing a community means to do.
pub(super) fn found(community: &mut Community) {
    let at = rates::begins_at() + Duration::hours(7);
    community.later(at, Deed::People(Step::Found));
}

/// What a day brings.
pub(super) fn day(c: &mut Community, day: NaiveDate) {
    let lived = (day - rates::first_day()).num_days();
    let wanted = rates::members_at(c.days_behind + lived.unsigned_abs());
    let there = c.people.volunteers.len();
    let joining = usize::try_from(wanted)
        .unwrap_or_default()
        .saturating_sub(there);
    for n in 0..joining {
        // Those of a community that has been there for long are entered over its first day.
        let minute = 8 * 60 + 10 + i64::try_from(n * 9 * 60 / joining.max(1)).unwrap_or_default();
        c.later(super::local(day, minute), Deed::People(Step::Join));
    }
    let often = |c: &Community, rate: Rate| c.dice.times(rate.today(there));
    for _ in 0..often(c, Rate::Leavers) {
        c.later(super::local(day, 7 * 60), Deed::People(Step::Leave));
    }
    for _ in 0..often(c, Rate::Trainings) {
        let minute = c.dice.between(9 * 60, 20 * 60);
        c.later(super::local(day, minute), Deed::People(Step::Train));
    }
    for _ in 0..often(c, Rate::Households) + usize::from(lived == 1) {
        let minute = c.dice.between(9 * 60, 17 * 60);
        c.later(super::local(day, minute), Deed::People(Step::Household));
    }
    // Once a year some grid is called otherwise.
    if lived % 365 == 20 {
        c.later(super::local(day, 10 * 60), Deed::People(Step::Rename));
    }
}

/// Does a step.
pub(super) fn run(c: &mut Community, step: Step) {
    match step {
        Step::Found => founding(c),
        Step::Join => join(c),
        Step::Leave => leave(c),
        Step::Train => train(c),
        Step::Household => form_household(c),
        Step::Moves(household, person, into) => moves(c, household, person, into),
        Step::Rename => rename(c),
    }
}

fn founding(c: &mut Community) {
    let community = c.id;
    let name = format!("community {}", c.number + 1);
    unit(c, community, UnitLevel::Community, name, c.station);
    for grid in 1..=GRIDS {
        let id = UnitId(c.dice.uuid());
        unit(c, id, UnitLevel::Grid, format!("grid {grid}"), community);
        c.people.grids.push(id);
    }
    let worker = MemberKind::CommunityWorker;
    c.people.captain = Some(staff(c, "captain", worker, Some(Role::Captain)));
    c.people.instructor = Some(staff(c, "instructor", worker, Some(Role::Instructor)));
    c.people.officer = Some(staff(c, "officer", worker, Some(Role::Officer)));
    c.people.clerk = Some(staff(c, "clerk", worker, Some(Role::Clerk)));
    c.people.rectifier = Some(staff(c, "rectifier", MemberKind::PropertyStaff, None));
    for guard in 1..=GUARDS {
        let name = format!("guard {guard}");
        let guard = staff(c, &name, MemberKind::SecurityGuard, None);
        c.people.guards.push(guard);
    }
    for office in ["justice office", "legal service"] {
        let person = register(c, format!("mediator of the {office}"));
        c.people.offices.push(person);
    }
    let Some(captain) = c.people.captain else {
        return;
    };
    let team = TeamId(c.dice.uuid());
    let name = format!("volunteers of community {}", c.number + 1);
    c.send(
        captain.principal,
        team::Command::FormTeam {
            team,
            community,
            name,
        },
    );
    c.people.team = Some(team);
    for leader in [c.people.captain, c.people.instructor]
        .into_iter()
        .flatten()
    {
        let person = leader.person;
        c.send_as_admin(team::Command::JoinTeam { team, person });
    }
    let person = captain.person;
    c.send_as_admin(team::Command::AppointCaptain { team, person });
    if let Some(Login { person, .. }) = c.people.instructor {
        c.send_as_admin(team::Command::AppointInstructor { team, person });
    }
    c.send(
        captain.principal,
        zone_plan::Command::AdoptZonePlan {
            community,
            geojson: c.places.geojson(),
            effective_from: None,
        },
    );
    let stops = c.places.zones.iter().flat_map(|zone| {
        let named = zone.stops.iter().zip(1..);
        named.map(|(stop, n)| (format!("{} checkpoint {n}", zone.name), stop.clone()))
    });
    for (name, stop) in stops.collect::<Vec<_>>() {
        let install = checkpoint::Command::InstallCheckpoint {
            checkpoint: stop.id,
            community,
            name,
            tag: stop.tag,
            place: stop.place,
            radius_m: 50,
        };
        c.send(captain.principal, install);
    }
}

fn unit(c: &mut Community, id: UnitId, level: UnitLevel, name: String, parent: UnitId) {
    c.send_as_admin(unit::Command::FoundUnit {
        unit: id,
        level,
        name,
        parent: Some(parent),
        zone: None,
        imported: None,
    });
}

/// Registers a person without a login.
pub(super) fn register(c: &mut Community, name: String) -> PersonId {
    let person = PersonId(c.dice.uuid());
    c.send_as_admin(person::Command::RegisterPerson {
        person,
        name: Personal::new(name),
        phone: None,
        identity_claim: None,
    });
    person
}

/// Registers a person with a login.
fn login(c: &mut Community, name: String) -> Login {
    let subject = format!("community-{}/{}", c.number + 1, name.replace(' ', "-"));
    let principal = PrincipalId::of_subject(&subject);
    let person = register(c, name);
    c.send_as_admin(principal::Command::RegisterPrincipal {
        subject,
        system: false,
    });
    c.send_as_admin(principal::Command::LinkPrincipal { principal, person });
    Login { person, principal }
}

fn staff(c: &mut Community, name: &str, kind: MemberKind, role: Option<Role>) -> Login {
    let login = login(c, name.to_owned());
    let (community, person) = (c.id, login.person);
    c.send_as_admin(application(community, person, kind));
    c.send_as_admin(member::Command::ApproveMember { community, person });
    if let Some(role) = role {
        c.send_as_admin(member::Command::GrantRole {
            community,
            person,
            role,
            from: c.now(),
            until: None,
            appointment: Some(format!("appointment of the {name}")),
        });
    }
    login
}

fn application(community: UnitId, person: PersonId, kind: MemberKind) -> member::Command {
    member::Command::ApplyForMembership {
        community,
        person,
        kind,
        under_14: false,
        guardian_consent: None,
        applied_at: None,
    }
}

fn join(c: &mut Community) {
    let (Some(captain), Some(instructor)) = (c.people.captain, c.people.instructor) else {
        return;
    };
    c.people.joined += 1;
    let name = format!("resident {}", c.people.joined);
    let login = login(c, name);
    let (community, person) = (c.id, login.person);
    let building_head = c.dice.chance(60);
    let kind = if building_head {
        MemberKind::BuildingHead
    } else {
        MemberKind::Volunteer
    };
    c.send(login.principal, application(community, person, kind));
    let approver = if c.dice.chance(500) {
        captain
    } else {
        instructor
    };
    c.send(
        approver.principal,
        member::Command::ApproveMember { community, person },
    );
    if let Some(team) = c.people.team {
        c.send(approver.principal, team::Command::JoinTeam { team, person });
    }
    if c.dice.chance(400) {
        let consent = member::Command::GiveMemberConsent {
            community,
            person,
            purpose: ConsentPurpose::PublicBoard,
            paper: None,
        };
        c.send(login.principal, consent);
    }
    c.people.volunteers.push(login);
    c.people.alone.push(person);
}

fn leave(c: &mut Community) {
    let (now, there) = (c.now(), c.people.volunteers.len());
    // The pilot's first never left.
    if there <= usize::try_from(rates::MEMBERS_FIRST).unwrap_or_default() {
        return;
    }
    let index = c.dice.below(there);
    let Login { person, principal } = c.people.volunteers[index];
    if !c.people.is_free(person, now - Duration::days(3)) {
        return;
    }
    c.people.volunteers.remove(index);
    c.people.alone.retain(|alone| *alone != person);
    if let Some(team) = c.people.team {
        c.send(principal, team::Command::LeaveTeam { team, person });
    }
    let community = c.id;
    c.send(
        principal,
        member::Command::LeaveMembership { community, person },
    );
}

fn train(c: &mut Community) {
    let volunteer = c.dice.pick(&c.people.volunteers).copied();
    let (Some(volunteer), Some(instructor)) = (volunteer, c.people.instructor) else {
        return;
    };
    let courses = [
        "first aid",
        "patrol signs",
        "fraud by telephone",
        "fire exits",
    ];
    let course = c
        .dice
        .pick(&courses)
        .copied()
        .unwrap_or_default()
        .to_owned();
    let certificate = c.dice.chance(300).then(|| c.dice.paper());
    c.send(
        instructor.principal,
        member::Command::RecordTraining {
            community: c.id,
            person: volunteer.person,
            course,
            trained_at: c.now(),
            certificate,
        },
    );
}

fn form_household(c: &mut Community) {
    if c.people.alone.len() < 3 {
        return;
    }
    let mut draw = || {
        let index = c.dice.below(c.people.alone.len());
        c.people.alone.remove(index)
    };
    let (persons, third) = (vec![draw(), draw()], draw());
    let Some(instructor) = c.people.instructor else {
        return;
    };
    let household = HouseholdId(c.dice.uuid());
    c.send(
        instructor.principal,
        household::Command::FormHousehold {
            household,
            community: c.id,
            persons: persons.clone(),
            from: None,
        },
    );
    let into = c.dice.chance(500);
    let moving = if into { third } else { persons[1] };
    if !into {
        c.people.alone.push(third);
    }
    let minutes = c.dice.between(2, 200) * 24 * 60;
    c.after(minutes, Deed::People(Step::Moves(household, moving, into)));
}

fn moves(c: &mut Community, household: HouseholdId, person: PersonId, into: bool) {
    let Some(instructor) = c.people.instructor else {
        return;
    };
    let command = if into {
        household::Command::JoinHousehold {
            household,
            person,
            from: None,
        }
    } else {
        household::Command::LeaveHousehold {
            household,
            person,
            at: None,
        }
    };
    c.send(instructor.principal, command);
}

fn rename(c: &mut Community) {
    let Some(grid) = c.dice.pick(&c.people.grids).copied() else {
        return;
    };
    let name = format!("grid of building {}", c.dice.between(1, 60));
    c.send_as_admin(unit::Command::RenameUnit {
        unit: grid,
        name,
        effective_from: None,
    });
}
