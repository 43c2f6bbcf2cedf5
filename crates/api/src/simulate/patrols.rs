//! Patrol shifts: planned at noon, walked in the evening, settled the next morning; with missed and
//! skipped checkpoints, phones that are off, shifts that nobody comes to, hand-overs, forgotten
//! check-outs, disputes and late filings.

use chrono::{Duration, NaiveDate};
use domain::ids::{CheckpointId, PersonId, ShiftId, ZoneId};
use domain::patrol_shift::{Capture, Command, FiledPart, Method, Reverified};
use domain::place::Place;
use domain::{Instant, Personal};

use super::community::{Community, Deed};
use super::hazards;
use super::people::Login;
use super::places::{self, Stop};
use super::rates::{self, Rate};

/// Minutes that a shift lasts.
const MINUTES: i64 = 120;
/// Of a thousand shifts, nobody comes to so many.
const MISSED: usize = 10;
/// Of a thousand people, so many forget to check out.
const FORGET: usize = 15;
/// Of a thousand checkpoints, so many are left out without a word, and with one.
const OMITTED: (usize, usize) = (50, 25);
/// Of a thousand scans, so many find a hazard: a third of all hazards.
const FINDS: usize = 14;
/// Of a thousand shifts, so many are handed over in the middle.
const HANDED_OVER: usize = 15;
/// Of a thousand parts, so many are rejected.
const REJECTED: usize = 15;
/// Of a thousand shifts, so many are disputed.
const DISPUTED: usize = 6;
/// Of a thousand shifts, so many are filed late.
const LATE: usize = 8;

/// Most days ago that such a shift was walked.
const LATE_DAYS: i64 = 5;

/// A step of a shift.
pub(super) enum Step {
    Plan,
    CheckIn(ShiftId, Login),
    /// Somebody comes to a checkpoint.
    Stop(ShiftId, Login, Box<Stop>),
    HandOver(ShiftId, Login, Login),
    CheckOut(ShiftId, Login),
    /// The officer settles each part; disputed or not.
    Settle(ShiftId, Vec<PersonId>),
    /// The instructor settles a disputed shift again.
    Reverify(ShiftId, Vec<PersonId>),
    FileLate,
    ApproveLate(ShiftId, Vec<PersonId>),
}

/// What a day brings.
pub(super) fn day(c: &mut Community, day: NaiveDate) {
    if day == rates::first_day() {
        return;
    }
    let there = c.people.volunteers.len();
    for _ in 0..c.dice.times(Rate::Shifts.today(there)) {
        let minute = c.dice.between(12 * 60, 13 * 60);
        c.later(super::local(day, minute), Deed::Patrol(Step::Plan));
        // There was no zone plan before the first day.
        let filed = (day - rates::first_day()).num_days() > LATE_DAYS;
        if filed && c.dice.chance(LATE) {
            c.later(super::local(day, 10 * 60), Deed::Patrol(Step::FileLate));
        }
    }
}

/// Does a step.
pub(super) fn run(c: &mut Community, step: Step) {
    match step {
        Step::Plan => plan(c),
        Step::CheckIn(shift, login) => {
            let place = c.places.anywhere(&c.dice);
            let capture = capture(c, login, place);
            let person = login.person;
            c.send(
                login.principal,
                Command::CheckIn {
                    shift,
                    person,
                    capture,
                },
            );
        }
        Step::Stop(shift, login, place) => come_by(c, shift, login, *place),
        Step::HandOver(shift, from, to) => hand_over(c, shift, from, to),
        Step::CheckOut(shift, login) => {
            let (person, at) = (login.person, None);
            c.send(login.principal, Command::CheckOut { shift, person, at });
        }
        Step::Settle(shift, parts) => settle(c, shift, parts),
        Step::Reverify(shift, parts) => reverify(c, shift, parts),
        Step::FileLate => file_late(c),
        Step::ApproveLate(shift, parts) => approve_late(c, shift, parts),
    }
}

/// Somebody who has nothing else to do until then.
fn free(c: &Community, of: &[Login], from: Instant) -> Option<Login> {
    let free: Vec<_> = of
        .iter()
        .filter(|login| c.people.is_free(login.person, from))
        .copied()
        .collect();
    c.dice.pick(&free).copied()
}

fn crew(c: &mut Community, from: Instant, until: Instant) -> Vec<Login> {
    let volunteers = c.dice.times(rates::VOLUNTEERS_ON_SHIFT);
    let mut crew = Vec::with_capacity(rates::CREW);
    for n in 0..rates::CREW {
        let of = if n < volunteers {
            &c.people.volunteers
        } else {
            &c.people.guards
        };
        if let Some(login) = free(c, of, from) {
            c.people.keep_busy(login.person, until);
            crew.push(login);
        }
    }
    crew
}

fn plan(c: &mut Community) {
    let Some(captain) = c.people.captain else {
        return;
    };
    let evening = c.dice.chance(500);
    let minute = if evening { 19 * 60 } else { 21 * 60 };
    let today = c
        .now()
        .with_timezone(&chrono_tz::Asia::Shanghai)
        .date_naive();
    let from = super::local(today, minute + 15 * c.dice.between(0, 3));
    let until = from + Duration::minutes(MINUTES);
    let crew = crew(c, from - Duration::hours(1), until + Duration::hours(1));
    let first = c.dice.below(c.places.zones.len());
    let Some(zone) = c.places.zones.get(first) else {
        return;
    };
    let zone_id = zone.id;
    let next = &c.places.zones[(first + 1) % c.places.zones.len()];
    let stops = zone.stops.iter().chain(&next.stops).take(rates::STOPS);
    let route: Vec<Stop> = stops.cloned().collect();
    let shift = ShiftId(c.dice.uuid());
    let plan = plan_command(c, shift, zone_id, &route, (from, until));
    c.send(captain.principal, plan);
    for login in &crew {
        let person = login.person;
        c.send(login.principal, Command::SignUp { shift, person });
    }
    if crew.is_empty() || c.dice.chance(MISSED) {
        // Nobody comes, and the timer records it.
        return;
    }
    walk(c, shift, &crew, route, from);
}

fn plan_command(
    c: &Community,
    shift: ShiftId,
    zone: ZoneId,
    route: &[Stop],
    (from, until): (Instant, Instant),
) -> Command {
    let route: Vec<CheckpointId> = route.iter().map(|stop| stop.id).collect();
    Command::PlanShift {
        shift,
        community: c.id,
        zone,
        route,
        from,
        until,
        crew_min: 2,
    }
}

/// Means to walk a shift.
fn walk(c: &mut Community, shift: ShiftId, crew: &[Login], route: Vec<Stop>, from: Instant) {
    let at = |c: &Community, minutes: i64| {
        from + Duration::minutes(minutes) + Duration::seconds(c.dice.between(0, 59))
    };
    for login in crew {
        let when = at(c, c.dice.between(-8, 6));
        c.later(when, Deed::Patrol(Step::CheckIn(shift, *login)));
    }
    let gap = (MINUTES - 20) / i64::try_from(route.len().max(1)).unwrap_or(1);
    for (stop, n) in route.into_iter().zip(0..) {
        let Some(login) = crew.get(usize::try_from(n).unwrap_or_default() % crew.len()) else {
            continue;
        };
        let when = at(c, 10 + gap * n + c.dice.between(0, 3));
        c.later(
            when,
            Deed::Patrol(Step::Stop(shift, *login, Box::new(stop))),
        );
    }
    let mut parts: Vec<PersonId> = crew.iter().map(|login| login.person).collect();
    let mut leaving = crew.to_vec();
    if c.dice.chance(HANDED_OVER)
        && let Some(to) = free(c, &c.people.guards, from)
    {
        c.people
            .keep_busy(to.person, from + Duration::minutes(MINUTES + 60));
        let when = at(c, MINUTES - 5);
        c.later(when, Deed::Patrol(Step::HandOver(shift, crew[0], to)));
        leaving[0] = to;
        parts.push(to.person);
    }
    for login in leaving {
        if !c.dice.chance(FORGET) {
            let when = at(c, MINUTES + c.dice.between(1, 12));
            c.later(when, Deed::Patrol(Step::CheckOut(shift, login)));
        }
    }
    // The timer has checked out whoever forgot by the next morning.
    let morning = from + Duration::hours(13) + Duration::minutes(c.dice.between(0, 120));
    for person in &parts {
        c.people
            .keep_busy(*person, from + Duration::minutes(MINUTES + 60));
    }
    c.later(morning, Deed::Patrol(Step::Settle(shift, parts)));
}

/// What a phone sends: now and then it is far off, has no fix, or its clock is wrong.
fn capture(c: &Community, login: Login, place: Option<Place>) -> Capture {
    let odd = c.dice.below(60);
    let metres = if odd == 0 { 300 } else { c.dice.between(0, 20) };
    let skew = if odd == 1 { 20 } else { 0 };
    Capture {
        method: if odd < 6 { Method::Qr } else { Method::Nfc },
        place: place
            .filter(|_| odd != 2)
            .map(|place| places::moved(place, metres)),
        device: Some(format!("phone-{}", &login.person.to_string()[..8])),
        device_at: Some(c.now() - Duration::minutes(skew)),
        sent_at: Some(c.now()),
    }
}

fn come_by(c: &mut Community, shift: ShiftId, login: Login, stop: Stop) {
    let person = login.person;
    let (omitted, skipped) = OMITTED;
    let chance = c.dice.below(1_000);
    if chance < omitted {
        return;
    }
    if chance < omitted + skipped {
        let skip = Command::SkipCheckpoint {
            shift,
            person,
            checkpoint: stop.id,
            reason: "the gate was locked".to_owned(),
        };
        c.send(login.principal, skip);
        return;
    }
    let capture = capture(c, login, Some(stop.place));
    let scan = Command::ScanCheckpoint {
        shift,
        person,
        tag: stop.tag,
        capture,
    };
    c.send(login.principal, scan);
    if c.dice.chance(FINDS) {
        let hazard = hazards::report(c, login, Some(stop.place));
        let finding = Command::RaiseFinding {
            shift,
            person,
            hazard,
        };
        c.send(login.principal, finding);
    }
}

fn hand_over(c: &mut Community, shift: ShiftId, from: Login, to: Login) {
    let command = Command::HandOver {
        shift,
        from: from.person,
        to: to.person,
        open_items: Vec::new(),
    };
    c.send(from.principal, command);
    let place = c.places.anywhere(&c.dice);
    let capture = capture(c, to, place);
    c.send(to.principal, Command::AcceptHandover { shift, capture });
}

fn settle(c: &mut Community, shift: ShiftId, parts: Vec<PersonId>) {
    let (Some(officer), Some(captain)) = (c.people.officer, c.people.captain) else {
        return;
    };
    for person in parts.iter().copied() {
        let command = if c.dice.chance(REJECTED) {
            Command::RejectParticipation {
                shift,
                person,
                reason: "seen elsewhere during the shift".to_owned(),
            }
        } else {
            Command::VerifyParticipation { shift, person }
        };
        c.send(officer.principal, command);
    }
    if c.dice.chance(DISPUTED) {
        let reason = Personal::new("the minutes of one part are not right");
        c.send(captain.principal, Command::DisputeShift { shift, reason });
        let minutes = c.dice.between(1, 3) * 24 * 60;
        c.after(minutes, Deed::Patrol(Step::Reverify(shift, parts)));
    }
}

fn reverify(c: &mut Community, shift: ShiftId, parts: Vec<PersonId>) {
    let Some(instructor) = c.people.instructor else {
        return;
    };
    let command = if c.dice.chance(150) {
        Command::VoidShift {
            shift,
            reason: Personal::new("nobody was seen by the gate"),
        }
    } else {
        let parts = parts.into_iter().map(|person| {
            let accepted = !c.dice.chance(200);
            Reverified {
                person,
                accepted,
                from: None,
                until: None,
                reason: (!accepted).then(|| Personal::new("went home early")),
            }
        });
        Command::ReverifyShift {
            shift,
            parts: parts.collect(),
        }
    };
    c.send(instructor.principal, command);
}

/// A shift of some days ago that the app did not take.
fn file_late(c: &mut Community) {
    let Some(captain) = c.people.captain else {
        return;
    };
    let Some(zone) = c.dice.pick(&c.places.zones).map(|zone| zone.id) else {
        return;
    };
    let walked = c.dice.pick(&c.people.volunteers).copied();
    let Some(walked) = walked else { return };
    // In the morning, when no shift is walked.
    let from = c.now() - Duration::days(c.dice.between(2, LATE_DAYS)) - Duration::hours(1);
    let part = FiledPart {
        person: walked.person,
        from,
        until: from + Duration::minutes(90),
    };
    let shift = ShiftId(c.dice.uuid());
    let command = Command::FileLateShift {
        shift,
        community: c.id,
        zone,
        parts: vec![part],
        reason: "the app was down; noted in the station's book".to_owned(),
    };
    c.send(captain.principal, command);
    c.people
        .keep_busy(walked.person, c.now() + Duration::days(2));
    let minutes = c.dice.between(60, 20 * 60);
    let parts = vec![walked.person];
    c.after(minutes, Deed::Patrol(Step::ApproveLate(shift, parts)));
}

fn approve_late(c: &mut Community, shift: ShiftId, parts: Vec<PersonId>) {
    let (Some(instructor), Some(officer)) = (c.people.instructor, c.people.officer) else {
        return;
    };
    if c.dice.chance(100) {
        let reason = "nothing stands in the station's book".to_owned();
        c.send(
            instructor.principal,
            Command::RejectLateShift { shift, reason },
        );
        return;
    }
    c.send(instructor.principal, Command::ApproveLateShift { shift });
    for person in parts {
        c.send(
            officer.principal,
            Command::VerifyParticipation { shift, person },
        );
    }
}
