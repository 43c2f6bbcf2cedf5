//! Hazards: reported by patrols, residents' volunteers and the desk, through the whole closed loop
//! with late owners, extensions, failed re-inspections, duplicates, referrals and recurrence.

use chrono::{Duration, NaiveDate};
use domain::Personal;
use domain::hazard::{Command, HazardLevel, Urgency};
use domain::ids::HazardId;
use domain::place::Place;

use super::community::{Community, Deed};
use super::people::Login;
use super::rates::{self, Rate};

const KINDS: [&str; 8] = [
    "loose manhole cover",
    "blocked fire exit",
    "broken street light",
    "overloaded cable",
    "burst water pipe",
    "electric bicycle charging in the stairway",
    "loose facade tile",
    "gas smell in the basement",
];
const OWNERS: [&str; 4] = [
    "property company",
    "street works department",
    "power supply company",
    "housing office",
];
/// Of a thousand, so many are none.
const INVALID: usize = 70;
/// Of a thousand, so many are known already.
const DUPLICATE: usize = 50;
/// Of a thousand, so many are major.
const MAJOR: usize = 40;
/// Of a thousand, so many are given to another authority.
const REFERRED: usize = 25;
/// Of a thousand, it is unclear whose so many are.
const UNCLEAR: usize = 20;
/// Of a thousand, so many are rectified after the deadline.
const LATE: usize = 130;
/// Of a thousand, so many are given more time.
const EXTENDED: usize = 60;
/// Of a thousand re-inspections, so many fail.
const FAILED: usize = 120;
/// Of a thousand that were closed, so many are there again.
const RECURRED: usize = 40;
/// Open hazards that are remembered as masters of duplicates.
const OPEN_MAX: usize = 8;

/// A step of a hazard.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// Found by a volunteer or told at the desk.
    Report,
    Verify(HazardId),
    /// A council has ruled whose it is.
    Rule(HazardId, Urgency),
    Extend(HazardId, Urgency),
    Claim(HazardId),
    Reinspect(HazardId),
    CloseOut(HazardId),
    Recur(HazardId),
    /// The other authority gives it back.
    Return(HazardId, Urgency),
}

/// What a day brings, beside what patrols find.
pub(super) fn day(c: &mut Community, day: NaiveDate) {
    if day == rates::first_day() {
        return;
    }
    // A third is found by patrols on their way.
    let thousandths = Rate::Hazards.today(c.people.volunteers.len()) * 2 / 3;
    for _ in 0..c.dice.times(thousandths) {
        let minute = c.dice.between(7 * 60, 22 * 60);
        c.later(super::local(day, minute), Deed::Hazard(Step::Report));
    }
}

/// Does a step.
pub(super) fn run(c: &mut Community, step: Step) {
    match step {
        Step::Report => {
            let reporter = c.dice.pick(&c.people.volunteers).copied();
            if let Some(reporter) = reporter {
                let place = c.places.anywhere(&c.dice);
                report(c, reporter, place);
            }
        }
        Step::Verify(hazard) => verify(c, hazard),
        Step::Rule(hazard, urgency) => rule(c, hazard, urgency),
        Step::Extend(hazard, urgency) => extend(c, hazard, urgency),
        Step::Claim(hazard) => claim(c, hazard),
        Step::Reinspect(hazard) => reinspect(c, hazard),
        Step::CloseOut(hazard) => close_out(c, hazard),
        Step::Recur(hazard) => recur(c, hazard),
        Step::Return(hazard, urgency) => give_back(c, hazard, urgency),
    }
}

/// Reports one and means to follow it.
pub(super) fn report(c: &mut Community, by: Login, place: Option<Place>) -> HazardId {
    let hazard = HazardId(c.dice.uuid());
    let kind = c.dice.pick(&KINDS).copied().unwrap_or_default();
    let photos = (0..c.dice.below(3)).map(|_| c.dice.paper()).collect();
    let command = Command::ReportHazard {
        hazard,
        unit: c.id,
        kind: kind.to_owned(),
        place,
        description: Some(Personal::new(format!("{kind} beside the path"))),
        photos,
        seen_at: None,
    };
    c.send(by.principal, command);
    let minutes = c.dice.between(8, 300);
    c.after(minutes, Deed::Hazard(Step::Verify(hazard)));
    hazard
}

/// Minutes until a hazard of an urgency must be rectified, in the pilot's policy set.
fn deadline_minutes(urgency: Urgency) -> i64 {
    60 * match urgency {
        Urgency::Red => 2,
        Urgency::Yellow => 24,
        Urgency::Blue => 72,
    }
}

fn verify(c: &mut Community, hazard: HazardId) {
    let Some(officer) = c.people.officer else {
        return;
    };
    let by = officer.principal;
    if c.dice.chance(INVALID) {
        let reason = "nothing was found there".to_owned();
        return c.send(by, Command::RejectHazard { hazard, reason });
    }
    let master = c
        .open_hazards
        .iter()
        .rev()
        .find(|it| **it != hazard)
        .copied();
    if c.dice.chance(DUPLICATE)
        && let Some(master) = master
    {
        return c.send(by, Command::LinkDuplicate { hazard, master });
    }
    let urgency = match c.dice.below(100) {
        0..5 => Urgency::Red,
        5..40 => Urgency::Yellow,
        _ => Urgency::Blue,
    };
    let major = c.dice.chance(MAJOR);
    let level = if major {
        HazardLevel::Major
    } else {
        HazardLevel::General
    };
    let command = Command::VerifyHazard {
        hazard,
        level,
        urgency,
    };
    c.send(by, command);
    c.open_hazards.push_back(hazard);
    if c.open_hazards.len() > OPEN_MAX {
        c.open_hazards.pop_front();
    }
    if major {
        let measure = Personal::new("it is fenced off and a guard stands by");
        c.send(by, Command::TakeInterimMeasure { hazard, measure });
        let command = Command::ReportUp {
            hazard,
            to: None,
            authority: "fire brigade".to_owned(),
            reported_at: None,
        };
        c.send(by, command);
    }
    if c.dice.chance(UNCLEAR) {
        let command = Command::RaiseUnclearBoundary {
            hazard,
            candidates: OWNERS[..2].iter().map(|&owner| owner.to_owned()).collect(),
            reason: "it stands on the border of both".to_owned(),
        };
        c.send(by, command);
        let minutes = c.dice.between(24 * 60, 5 * 24 * 60);
        return c.after(minutes, Deed::Hazard(Step::Rule(hazard, urgency)));
    }
    if c.dice.chance(REFERRED) {
        let command = Command::ReferHazard {
            hazard,
            authority: "district housing bureau".to_owned(),
            external_id: None,
            reason: "it is the bureau's to decide".to_owned(),
        };
        c.send(by, command);
        let minutes = c.dice.between(24 * 60, 20 * 24 * 60);
        return c.after(minutes, Deed::Hazard(Step::Return(hazard, urgency)));
    }
    assign(c, hazard, urgency);
}

/// Gives it an owner and means to see it rectified.
fn assign(c: &mut Community, hazard: HazardId, urgency: Urgency) {
    let (Some(officer), Some(rectifier)) = (c.people.officer, c.people.rectifier) else {
        return;
    };
    let owner = c.dice.pick(&OWNERS).copied().unwrap_or_default().to_owned();
    c.send(officer.principal, Command::AssignOwner { hazard, owner });
    if urgency == Urgency::Blue && c.dice.chance(500) {
        let command = Command::PlanRectification {
            hazard,
            plan: Personal::new("a firm is asked to come"),
            finish_by: c.now() + Duration::hours(40),
        };
        c.send(rectifier.principal, command);
    }
    rectifying(c, hazard, urgency);
}

/// Means to see it rectified: in time, late, or after an extension.
fn rectifying(c: &mut Community, hazard: HazardId, urgency: Urgency) {
    let given = deadline_minutes(urgency);
    let chance = c.dice.below(1_000);
    let minutes = if chance < LATE {
        given + c.dice.between(30, 4 * given)
    } else if chance < LATE + EXTENDED && urgency != Urgency::Red {
        c.after(given / 2, Deed::Hazard(Step::Extend(hazard, urgency)));
        given + c.dice.between(30, given / 2)
    } else {
        c.dice.between(given / 10, given * 9 / 10)
    };
    c.after(minutes, Deed::Hazard(Step::Claim(hazard)));
}

fn rule(c: &mut Community, hazard: HazardId, urgency: Urgency) {
    let Some(instructor) = c.people.instructor else {
        return;
    };
    let command = Command::RuleJointOwner {
        hazard,
        lead: OWNERS[0].to_owned(),
        joint: vec![OWNERS[1].to_owned()],
        council_meeting: format!("council {}", c.dice.between(1, 200)),
        minutes: Some(c.dice.paper()),
    };
    c.send(instructor.principal, command);
    rectifying(c, hazard, urgency);
}

fn give_back(c: &mut Community, hazard: HazardId, urgency: Urgency) {
    let Some(officer) = c.people.officer else {
        return;
    };
    // Half of them stay where they are.
    if c.dice.chance(500) {
        return;
    }
    let reason = "the bureau finds that it is the community's".to_owned();
    c.send(
        officer.principal,
        Command::ReturnReferral { hazard, reason },
    );
    assign(c, hazard, urgency);
}

fn extend(c: &mut Community, hazard: HazardId, urgency: Urgency) {
    let Some(captain) = c.people.captain else {
        return;
    };
    let command = Command::GrantExtension {
        hazard,
        until: c.now() + Duration::minutes(deadline_minutes(urgency) * 3 / 2),
        reason: "a part has to be ordered".to_owned(),
    };
    c.send(captain.principal, command);
}

fn claim(c: &mut Community, hazard: HazardId) {
    let Some(rectifier) = c.people.rectifier else {
        return;
    };
    // Sometimes told some time after it was done, so that a breach is withdrawn again.
    let late = Duration::minutes(c.dice.between(60, 240));
    let done_at = c.dice.chance(60).then(|| c.now() - late);
    let photos = vec![c.dice.paper()];
    let command = Command::ClaimRectification {
        hazard,
        done_at,
        photos,
    };
    c.send(rectifier.principal, command);
    let minutes = c.dice.between(60, 40 * 60);
    c.after(minutes, Deed::Hazard(Step::Reinspect(hazard)));
}

fn reinspect(c: &mut Community, hazard: HazardId) {
    let Some(captain) = c.people.captain else {
        return;
    };
    let passed = !c.dice.chance(FAILED);
    let reason = (!passed).then(|| "it still drips".to_owned());
    let command = Command::Reinspect {
        hazard,
        passed,
        reason,
        inspected_at: None,
    };
    c.send(captain.principal, command);
    let (minutes, step) = if passed {
        (c.dice.between(1, 90), Step::CloseOut(hazard))
    } else {
        (c.dice.between(120, 30 * 60), Step::Claim(hazard))
    };
    c.after(minutes, Deed::Hazard(step));
}

fn close_out(c: &mut Community, hazard: HazardId) {
    let Some(captain) = c.people.captain else {
        return;
    };
    c.send(captain.principal, Command::CloseOut { hazard });
    c.open_hazards.retain(|open| *open != hazard);
    if c.dice.chance(RECURRED) {
        let minutes = c.dice.between(5, 60) * 24 * 60;
        c.after(minutes, Deed::Hazard(Step::Recur(hazard)));
    }
}

fn recur(c: &mut Community, hazard: HazardId) {
    let seen_by = c.dice.pick(&c.people.volunteers).copied();
    let Some(seen_by) = seen_by else { return };
    let seen_at = None;
    c.send(
        seen_by.principal,
        Command::RecordRecurrence { hazard, seen_at },
    );
    let minutes = c.dice.between(8, 300);
    c.after(minutes, Deed::Hazard(Step::Verify(hazard)));
}
