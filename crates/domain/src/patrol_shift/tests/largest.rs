//! The largest shift by the named limits is settled again, and voided, in one commit.

use super::*;
use crate::person_day::{self, PersonDay};
use crate::world::Decision;

/// Most events of one commit, most bytes of its record and most streams that a decision reads: the
/// log's bounds, whose crate stands above this one (`limits.rs`, `execute.rs`).
const EVENTS_MAX: usize = 1_024;
const RECORD_BYTES_MAX: usize = 128 * 1024;
const STREAMS_MAX: usize = 512;
/// Most bytes that a record holds of its header, and of an event beside its names and payload.
const HEADER_BYTES: usize = 1_024;
const EVENT_BYTES: usize = 128;

/// Nobody of the crew has the id of the staff.
const FIRST: u128 = 5_000;

fn crew() -> impl Iterator<Item = u128> {
    (FIRST..).take(CREW_MAX)
}

/// A shift of a whole day over midnight, everybody there all the time, everything missed that can be
/// and shown by late scans, on and off the route; verified, then disputed. With `others`, so many
/// other shifts hold minutes of each person's days, so that what is left falls into pieces.
fn largest(others: usize) -> History {
    use crate::checkpoint::{self, Checkpoint};
    let (from, until) = (at("2024-07-01T04:00:00Z"), at("2024-07-02T04:00:00Z"));
    let start = at("2024-01-01T00:00:00Z");
    let route: Vec<CheckpointId> = (0..ROUTE_MAX as u128).map(|n| id(10_000 + n)).collect();
    let off = (0..OFF_ROUTE_MAX as u128).map(|n| id(20_000 + n));
    let all: Vec<CheckpointId> = route.iter().copied().chain(off).collect();
    let mut history = team();
    for checkpoint in &all {
        let installed = checkpoint::Event::CheckpointInstalled {
            community: id(101),
            name: "stop".to_owned(),
            tag: checkpoint.to_string(),
            place: stands(0),
            radius_m: 50,
        };
        history = history.and::<Checkpoint>(checkpoint, installed, start);
    }
    let plan = edited(plan_of(SHIFT, from, until), |command| {
        if let Command::PlanShift { route: stops, .. } = command {
            stops.clone_from(&route);
        }
    });
    let mut history = history.then(plan, &captain("02:00:00"));
    let shift = |history: History, event: Event, now: Instant| {
        history.and::<PatrolShift>(id::<ShiftId>(SHIFT), event, now)
    };
    let cut = chrono::Duration::minutes(1);
    for person in crew() {
        history = history.and_member(id(person), MemberKind::Volunteer, None);
        let person: PersonId = id(person);
        history = shift(history, Event::PatrollerSignedUp { person }, from);
        let came = Event::PatrollerCheckedIn {
            person,
            capture: capture(5, None, from),
            anomalies: Vec::new(),
        };
        history = shift(history, came, from);
        let zone = chrono_tz::Asia::Shanghai;
        for n in 0..others {
            let at = from + chrono::Duration::minutes(30 + 10 * i64::try_from(n).expect("few"));
            let (day, ..) = person_day::days(zone, at, at + cut)[0];
            let claimed = person_day::Event::MinutesClaimed {
                shift: id(90_000 + n as u128),
                from: at,
                until: at + cut,
            };
            history = history.and::<PersonDay>(PersonDay::key(person, day), claimed, until);
        }
    }
    history = shift(history, Event::ShiftStarted {}, from);
    for checkpoint in &route {
        let (checkpoint, zone) = (*checkpoint, Some(id(200)));
        history = shift(history, Event::CheckpointMissed { checkpoint, zone }, until);
    }
    for checkpoint in &all {
        let late = Event::LateScanRecorded {
            person: id(FIRST),
            checkpoint: *checkpoint,
            zone: Some(id(200)),
            tag: checkpoint.to_string(),
            capture: capture(5, None, until),
            anomalies: Vec::new(),
        };
        history = shift(history, late, until);
    }
    for person in crew() {
        history = shift(
            history,
            Event::PatrollerCheckedOut { person: id(person) },
            until,
        );
    }
    let completed = Event::ShiftCompleted {
        minutes: Vec::new(),
        hit: 0,
        skipped: 0,
        missed: 0,
    };
    history = shift(history, completed, until);
    let verifier = by(id(CAPTAIN), at("2024-07-02T06:00:00Z"));
    for person in crew() {
        history = history.then(verify(person), &verifier);
    }
    history.then(dispute(), &by(id(4), at("2024-07-02T07:00:00Z")))
}

fn arbiter() -> Context {
    by(id(OFFICER), at("2024-07-02T08:00:00Z"))
}

/// Everybody counts, and is told why as far as all reasons together may go.
fn all_count() -> Command {
    let words = "y".repeat(REVERIFIED_REASONS_BYTES_MAX / CREW_MAX);
    let part = |person| Reverified {
        reason: Some(Personal::new(words.clone())),
        ..counts(person)
    };
    reverify(crew().map(part).collect())
}

fn bytes(decision: &Decision) -> usize {
    let events = decision.events.iter().map(|event| {
        let (name, payload) = event.event.encode();
        EVENT_BYTES + name.len() + payload.len() + event.stream.to_string().len()
    });
    HEADER_BYTES + events.sum::<usize>()
}

#[track_caller]
fn fits(history: &History, command: Command) {
    let (decision, read) = history.by_asking(command, &arbiter());
    let found = (decision.events.len(), bytes(&decision), read.len());
    let bounds = (EVENTS_MAX, RECORD_BYTES_MAX, STREAMS_MAX);
    assert!(
        found.0 <= bounds.0 && found.1 <= bounds.1 && found.2 <= bounds.2,
        "events, bytes, streams: {found:?} of {bounds:?}"
    );
}

#[test]
fn the_largest_shift_is_settled_again_and_voided_within_the_bounds_of_one_commit() {
    let history = largest(0);
    fits(&history, all_count());
    fits(&history, void());
    // Beside another shift every part falls into three pieces: as many as there may be.
    assert_eq!(CREW_MAX * 3, REVERIFIED_PIECES_MAX);
    let history = largest(1);
    fits(&history, all_count());
    fits(&history, void());
}

#[test]
fn what_falls_into_too_many_pieces_is_refused_and_what_may_stand_beside_it_fits() {
    let history = largest(2);
    history.refuses(all_count(), &arbiter(), Refusal::TooManyPieces);
    // Some count in four pieces each, the others did so before.
    let words = "y".repeat(REVERIFIED_REASONS_BYTES_MAX / CREW_MAX);
    let some = crew().zip(0..).map(|(person, n)| Reverified {
        accepted: n < REVERIFIED_PIECES_MAX / PART_PIECES_MAX,
        reason: Some(Personal::new(words.clone())),
        ..counts(person)
    });
    fits(&history, reverify(some.collect()));
    fits(&history, void());
}

#[test]
fn a_part_in_more_pieces_than_one_may_have_is_only_rejected() {
    let (from, zone) = (clock("12:00:00"), chrono_tz::Asia::Shanghai);
    let pieces = |others: i64| {
        (0..others).fold(completed(), |history, n| {
            let at = from + chrono::Duration::minutes(10 + 10 * n);
            let until = at + chrono::Duration::minutes(1);
            let (day, ..) = person_day::days(zone, at, until)[0];
            let claimed = person_day::Event::MinutesClaimed {
                shift: id(90_000),
                from: at,
                until,
            };
            let key = PersonDay::key(id(3), day);
            history.and::<PersonDay>(key, claimed, until)
        })
    };
    let cx = captain("15:00:00");
    pieces(3).then(verify(3), &cx);
    pieces(4).refuses(verify(3), &cx, Refusal::PartInTooManyPieces);
    pieces(4).then(reject(3), &cx);
}
