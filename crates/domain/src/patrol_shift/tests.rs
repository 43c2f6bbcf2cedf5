//! Tests of the shift: the table of states and commands, and what must always hold.

mod anomalies;
mod dispute;
mod handover;
mod largest;
mod plan;
mod properties;
mod settle;
mod table;
mod walk;

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::claim::{self, Claim, Kind};
use crate::member::MemberKind;
use crate::person_day::PersonDay;
use crate::personal::Personal;
use crate::place::Place;
use crate::refusal::Refused;
use crate::testing::{History, at, by, by_system, community, id};
use crate::world::NewEvent;
use crate::{Trust, account, checkpoint, hazard, member, policy_set, zone_plan};

const SHIFT: u128 = 400;
const OTHER_SHIFT: u128 = 401;
const CAPTAIN: u128 = 2;
const OFFICER: u128 = 6;
const INSTRUCTOR: u128 = 8;
const OUTSIDER: u128 = 9;

fn place(lat: f64, lon: f64) -> Place {
    Place::from_degrees(lat, lon).expect("on earth")
}

/// A time on 1 July 2024 in UTC; the shift is planned from 12:00 to 14:00.
fn clock(time: &str) -> Instant {
    at(&format!("2024-07-01T{time}Z"))
}

fn square(zone: u128, west: f64) -> zone_plan::Zone {
    let corners = [
        (0.0, 0.0),
        (0.0, 0.01),
        (0.01, 0.01),
        (0.01, 0.0),
        (0.0, 0.0),
    ];
    let ring = corners.map(|(lat, lon)| place(32.0 + lat, west + lon));
    zone_plan::Zone {
        zone: id(zone),
        name: format!("zone {zone}"),
        rings: vec![ring.to_vec()],
    }
}

/// Where checkpoint `id(300 + n)` with the tag `T<n>` stands, about 111 m from the next.
fn stands(n: u128) -> Place {
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let north = n as f64 / 1_000.0;
    place(32.001 + north, 120.005)
}

fn adopt(version: u32, zones: Vec<zone_plan::Zone>, from: &str) -> zone_plan::Event {
    zone_plan::Event::ZonePlanAdopted {
        community: id(101),
        version,
        zones,
        effective_from: at(from),
        adopted_by: id(1),
    }
}

/// A community with captain 2, volunteers 3, 4 and 5, officer 6, security guard 7 and
/// instructor 8; zones 200
/// and 201, which change places on 15 July; checkpoints 300 to 304; hazard 500.
static TEAM: LazyLock<History> = LazyLock::new(|| {
    let start = at("2024-01-01T00:00:00Z");
    let (west, east) = (120.0, 120.01);
    let first = adopt(
        1,
        vec![square(200, west), square(201, east)],
        "2024-01-01T00:00:00Z",
    );
    let second = adopt(
        2,
        vec![square(200, east), square(201, west)],
        "2024-07-15T00:00:00Z",
    );
    let history = community()
        .and_member(
            id(CAPTAIN),
            MemberKind::CommunityWorker,
            Some(Role::Captain),
        )
        .and_member(id(3), MemberKind::Volunteer, None)
        .and_member(id(4), MemberKind::Volunteer, None)
        .and_member(id(5), MemberKind::Volunteer, None)
        .and_member(
            id(OFFICER),
            MemberKind::CommunityWorker,
            Some(Role::Officer),
        )
        .and_member(id(7), MemberKind::SecurityGuard, None)
        .and_member(
            id(INSTRUCTOR),
            MemberKind::CommunityWorker,
            Some(Role::Instructor),
        )
        .and::<zone_plan::ZonePlans>(id::<UnitId>(101), first, start)
        .and::<zone_plan::ZonePlans>(id::<UnitId>(101), second, start);
    let history = (0..5).fold(history, |history, n| install(history, n, 101));
    let report = hazard::Command::ReportHazard {
        hazard: id(500),
        unit: id(101),
        kind: "lamp".to_owned(),
        place: None,
        description: None,
        photos: Vec::new(),
        seen_at: None,
    };
    history.then(report, &by(id(1), start))
});

fn install(history: History, n: u128, community: u128) -> History {
    let start = at("2024-01-01T00:00:00Z");
    let tag = format!("T{n}");
    let installed = checkpoint::Event::CheckpointInstalled {
        community: id(community),
        name: format!("checkpoint {n}"),
        tag: tag.clone(),
        place: stands(n),
        radius_m: 30,
    };
    let holder = id(300 + n);
    history
        .and::<checkpoint::Checkpoint>(id::<CheckpointId>(300 + n), installed, start)
        .and::<Claim>(Kind::Tag.key(tag), claim::Event::Claimed { holder }, start)
}

fn team() -> History {
    TEAM.clone()
}

fn plan_of(shift: u128, from: Instant, until: Instant) -> Command {
    Command::PlanShift {
        shift: id(shift),
        community: id(101),
        zone: id(200),
        route: vec![id(300), id(301), id(302)],
        from,
        until,
        crew_min: 2,
    }
}

fn plan() -> Command {
    plan_of(SHIFT, clock("12:00:00"), clock("14:00:00"))
}

fn sign_up(person: u128) -> Command {
    Command::SignUp {
        shift: id(SHIFT),
        person: id(person),
    }
}

/// A capture by the person's own device at an instant and place.
fn capture(person: u128, place: Option<Place>, device_at: Instant) -> Capture {
    Capture {
        method: Method::Nfc,
        place,
        device: Some(format!("device {person}")),
        device_at: Some(device_at),
        sent_at: Some(device_at),
    }
}

fn check_in_with(person: u128, capture: Capture) -> Command {
    Command::CheckIn {
        shift: id(SHIFT),
        person: id(person),
        capture,
    }
}

fn check_in(person: u128, time: &str) -> Command {
    check_in_with(person, capture(person, Some(stands(0)), clock(time)))
}

fn scan_with(person: u128, n: u128, capture: Capture) -> Command {
    Command::ScanCheckpoint {
        shift: id(SHIFT),
        person: id(person),
        tag: format!("T{n}"),
        capture,
    }
}

fn scan(person: u128, n: u128, time: &str) -> Command {
    scan_with(person, n, capture(person, Some(stands(n)), clock(time)))
}

fn check_out(person: u128, at: Option<Instant>) -> Command {
    Command::CheckOut {
        shift: id(SHIFT),
        person: id(person),
        at,
    }
}

fn verify(person: u128) -> Command {
    Command::VerifyParticipation {
        shift: id(SHIFT),
        person: id(person),
    }
}

fn reject(person: u128) -> Command {
    Command::RejectParticipation {
        shift: id(SHIFT),
        person: id(person),
        reason: "was seen elsewhere".to_owned(),
    }
}

fn skip(person: u128, n: u128) -> Command {
    Command::SkipCheckpoint {
        shift: id(SHIFT),
        person: id(person),
        checkpoint: id(300 + n),
        reason: "gate was locked".to_owned(),
    }
}

fn finding(person: u128) -> Command {
    Command::RaiseFinding {
        shift: id(SHIFT),
        person: id(person),
        hazard: id(500),
    }
}

fn cancel() -> Command {
    Command::CancelShift {
        shift: id(SHIFT),
        reason: "typhoon".to_owned(),
    }
}

fn missed() -> Command {
    Command::RecordMissedShift { shift: id(SHIFT) }
}

fn auto_check_out() -> Command {
    Command::AutoCheckOut { shift: id(SHIFT) }
}

/// Hazard 500 is what is open.
fn hand_over(from: u128, to: u128) -> Command {
    Command::HandOver {
        shift: id(SHIFT),
        from: id(from),
        to: id(to),
        open_items: vec![id(500)],
    }
}

fn accept_by(person: u128, time: &str) -> Command {
    Command::AcceptHandover {
        shift: id(SHIFT),
        capture: capture(person, Some(stands(0)), clock(time)),
    }
}

fn accept(time: &str) -> Command {
    accept_by(5, time)
}

fn decline() -> Command {
    Command::DeclineHandover {
        shift: id(SHIFT),
        reason: Personal::new("is ill"),
    }
}

fn dispute() -> Command {
    Command::DisputeShift {
        shift: id(SHIFT),
        reason: Personal::new("was at home at 13:00"),
    }
}

fn counts(person: u128) -> Reverified {
    Reverified {
        person: id(person),
        accepted: true,
        from: None,
        until: None,
        reason: None,
    }
}

fn counts_not(person: u128) -> Reverified {
    Reverified {
        accepted: false,
        reason: Some(Personal::new("was seen elsewhere")),
        ..counts(person)
    }
}

fn reverify(parts: Vec<Reverified>) -> Command {
    Command::ReverifyShift {
        shift: id(SHIFT),
        parts,
    }
}

fn void() -> Command {
    Command::VoidShift {
        shift: id(SHIFT),
        reason: Personal::new("nobody was there"),
    }
}

fn part(person: u128, from: Instant, until: Instant) -> FiledPart {
    FiledPart {
        person: id(person),
        from,
        until,
    }
}

fn file(parts: Vec<FiledPart>) -> Command {
    Command::FileLateShift {
        shift: id(SHIFT),
        community: id(101),
        zone: id(200),
        parts,
        reason: "network was down".to_owned(),
    }
}

fn file_one() -> Command {
    file(vec![part(3, clock("12:00:00"), clock("13:00:00"))])
}

fn approve() -> Command {
    Command::ApproveLateShift { shift: id(SHIFT) }
}

fn reject_filing() -> Command {
    Command::RejectLateShift {
        shift: id(SHIFT),
        reason: "nobody saw them".to_owned(),
    }
}

fn person(n: u128, time: &str) -> Context {
    by(id(n), clock(time))
}

fn captain(time: &str) -> Context {
    person(CAPTAIN, time)
}

/// Planned by the captain, persons 3 and 4 signed up.
fn planned() -> History {
    team()
        .then(plan(), &captain("08:00:00"))
        .then(sign_up(3), &person(3, "08:00:00"))
        .then(sign_up(4), &person(4, "08:00:00"))
}

/// Person 3 has checked in at 12:00.
fn in_progress() -> History {
    planned().then(check_in(3, "12:00:00"), &person(3, "12:00:00"))
}

fn completed() -> History {
    in_progress().then(check_out(3, None), &person(3, "13:30:00"))
}

fn in_state(state: ShiftState) -> History {
    match state {
        ShiftState::Unknown => team(),
        ShiftState::Planned => planned(),
        ShiftState::InProgress => in_progress(),
        ShiftState::Completed => completed(),
        ShiftState::Verified => completed().then(verify(3), &captain("15:00:00")),
        ShiftState::HandedOver => in_progress().then(hand_over(3, 5), &person(3, "12:40:00")),
        // A scan came after everybody had gone.
        ShiftState::Disputed => completed()
            .then(scan(3, 0, "12:30:00"), &person(3, "14:00:00"))
            .then(verify(3), &captain("15:00:00"))
            .then(dispute(), &person(4, "16:00:00")),
        ShiftState::Voided => {
            in_state(ShiftState::Disputed).then(void(), &person(OFFICER, "17:00:00"))
        }
        ShiftState::Cancelled => planned().then(cancel(), &captain("09:00:00")),
        ShiftState::Missed => planned().then(missed(), &by_system(clock("12:30:00"))),
        ShiftState::Filed => team().then(file_one(), &person(5, "16:00:00")),
        ShiftState::FilingRejected => {
            in_state(ShiftState::Filed).then(reject_filing(), &captain("17:00:00"))
        }
    }
}

const STATES: [ShiftState; 12] = [
    ShiftState::Unknown,
    ShiftState::Planned,
    ShiftState::InProgress,
    ShiftState::HandedOver,
    ShiftState::Completed,
    ShiftState::Verified,
    ShiftState::Disputed,
    ShiftState::Voided,
    ShiftState::Cancelled,
    ShiftState::Missed,
    ShiftState::Filed,
    ShiftState::FilingRejected,
];

fn shift(history: &History) -> std::sync::Arc<PatrolShift> {
    history.state(id::<ShiftId>(SHIFT))
}

/// Names of the events, or the name of the refusal.
fn outcome(history: &History, command: &Command, cx: &Context) -> String {
    match history.when(command.clone(), cx) {
        Ok(events) => {
            let names: Vec<_> = events.iter().map(|event| event.encode().0).collect();
            names.join(" + ")
        }
        Err(refused) => refused.name,
    }
}

fn edited(mut command: Command, edit: impl FnOnce(&mut Command)) -> Command {
    edit(&mut command);
    command
}

fn decided(history: &History, command: Command, cx: &Context) -> Vec<NewEvent> {
    let command: crate::Command = command.into();
    command
        .decide(&history.world(), cx)
        .expect("goes through")
        .events
}

fn stamp(position: u64, occurred_at: Instant) -> Stamp {
    Stamp {
        position,
        version: position,
        occurred_at,
        recorded_at: occurred_at,
    }
}

/// Every command once, by whoever may do it.
fn commands() -> Vec<(Command, Context)> {
    vec![
        (plan(), captain("08:00:00")),
        (sign_up(5), person(5, "12:30:00")),
        (check_in(4, "12:05:00"), person(4, "12:05:00")),
        (scan(3, 0, "12:30:00"), person(3, "12:30:00")),
        (skip(3, 1), person(3, "12:30:00")),
        (finding(3), person(3, "12:30:00")),
        (check_out(3, None), person(3, "13:30:00")),
        (cancel(), captain("09:00:00")),
        (missed(), by_system(clock("12:30:00"))),
        (auto_check_out(), by_system(clock("14:30:00"))),
        (hand_over(3, 5), person(3, "12:40:00")),
        (accept("13:00:00"), person(5, "13:00:00")),
        (decline(), person(5, "13:00:00")),
        (dispute(), person(4, "16:00:00")),
        (reverify(vec![counts(3)]), person(OFFICER, "17:00:00")),
        (reverify(vec![counts_not(3)]), person(OFFICER, "17:00:00")),
        (void(), person(OFFICER, "17:00:00")),
        (verify(3), captain("15:00:00")),
        (reject(3), captain("15:00:00")),
        (file_one(), person(5, "16:00:00")),
        (approve(), captain("17:00:00")),
        (reject_filing(), captain("17:00:00")),
    ]
}

/// Every event that the commands bring about in some state.
static EVENTS: LazyLock<Vec<Event>> = LazyLock::new(|| {
    let mut events = Vec::new();
    for state in STATES {
        let history = in_state(state);
        for (command, cx) in commands() {
            for event in history.when(command, &cx).unwrap_or_default() {
                if let crate::Event::PatrolShift(event) = event
                    && !events.contains(&event)
                {
                    events.push(event);
                }
            }
        }
    }
    events
});

#[test]
fn the_commands_bring_about_every_event_there_is() {
    let names: BTreeSet<_> = EVENTS
        .iter()
        .map(|event| crate::encoding::encode(event).0)
        .collect();
    assert_eq!(names.len(), 27, "{names:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn reordered_and_foreign_histories_make_neither_evolve_nor_decide_panic(
        history in proptest::collection::vec((any::<prop::sample::Index>(), any::<u32>()), 0..24),
    ) {
        let mut shift = PatrolShift::default();
        for (position, (index, seconds)) in (1..).zip(history) {
            let at = Instant::UNIX_EPOCH + Duration::seconds(i64::from(seconds));
            shift.evolve(index.get(&EVENTS), &stamp(position, at));
        }
        let mut world = team().world();
        world.put(PatrolShift::stream(id::<ShiftId>(SHIFT)), std::sync::Arc::new(shift));
        for (command, cx) in commands() {
            let decided = PatrolShift::decide(&command, &world, &cx);
            prop_assert!(!matches!(decided, Err(Stop::Need(_))));
        }
    }
}
