//! `PatrolShift`: a patrol from plan to verified participation.
//!
//! ```text
//! Planned ──first check-in──> InProgress ──last check-out──> Completed ──all settled──> Verified
//!    │ Cancelled, Missed (timer)              (timer checks out who forgot)
//! (nothing) ──LateShiftFiled──> Filed ──LateShiftApproved──> Completed / LateShiftRejected
//! ```
//! Owns crew, scans and each person's participation. Scans are marked, never rejected, for odd
//! time or place. Points are not its business: a reaction answers `ParticipationVerified`.
//!
//! A shift is judged by the policy set in force at its start, a scan by that in force at the scan.

mod anomalies;
mod command;
mod event;
mod plan;
mod settle;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::{BTreeMap, BTreeSet};

use chrono::Duration;
use serde::{Deserialize, Serialize};

pub use anomalies::{Anomaly, SAME_TAG_SECONDS, Scan};
pub use command::{Capture, Command, FiledPart, Method};
pub use event::{Event, PersonMinutes};

use crate::envelope::{Envelope, Instant};
use crate::genesis::{self, Genesis};
use crate::ids::{CheckpointId, HazardId, PersonId, ShiftId, UnitId, ZoneId};
use crate::member::{Member, Role};
use crate::policy_set::PolicySet;
use crate::refusal::{Stop, refusals};
use crate::stream::StreamName;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// Longest shift, in hours.
pub const SHIFT_HOURS_MAX: i64 = 24;
/// Hours before its start from which on a shift can be checked in to.
pub const CHECK_IN_HOURS_BEFORE: i64 = 2;
/// Most people on a shift.
pub const CREW_MAX: usize = 50;
/// Most checkpoints on a route.
pub const ROUTE_MAX: usize = 100;
/// Most scans of a shift, late ones included.
pub const SCANS_MAX: usize = 2_000;
/// Most findings of a shift.
pub const FINDINGS_MAX: usize = 100;
/// Most parts of a late filing.
pub const FILED_PARTS_MAX: usize = 20;
/// Longest reason, in bytes.
pub const REASON_BYTES_MAX: usize = 500;
/// Longest name of a device, in bytes.
pub const DEVICE_BYTES_MAX: usize = 100;

/// Roles that plan shifts and call them off.
const PLANNERS: &[Role] = &[Role::Captain, Role::Instructor];
/// Roles that settle participations and late filings.
const VERIFIERS: &[Role] = &[Role::Captain, Role::Instructor, Role::Officer];

/// Where a shift stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShiftState {
    /// There is none.
    #[default]
    Unknown,
    /// It is to be walked.
    Planned,
    /// Somebody is there.
    InProgress,
    /// Everybody has ended their part.
    Completed,
    /// Every part is settled.
    Verified,
    /// It was called off.
    Cancelled,
    /// Nobody came.
    Missed,
    /// It was filed late and waits for approval.
    Filed,
    /// The late filing was refused.
    FilingRejected,
}

/// What was planned, or filed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Where.
    pub community: UnitId,
    /// The zone it patrols.
    pub zone: ZoneId,
    /// Checkpoints to scan.
    pub route: Vec<CheckpointId>,
    /// Start.
    pub from: Instant,
    /// End.
    pub until: Instant,
}

impl Plan {
    /// From when on it can be checked in to; nothing of it happens earlier.
    pub fn opens(&self) -> Instant {
        later(self.from, Duration::hours(-CHECK_IN_HOURS_BEFORE))
    }
}

/// One person's part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// When they were there.
    pub checked_in: Option<Instant>,
    /// When they went.
    pub checked_out: Option<Instant>,
    /// Whether it counts, once settled.
    pub accepted: Option<bool>,
}

impl Part {
    fn is_open(&self) -> bool {
        self.checked_in.is_some() && self.checked_out.is_none()
    }

    /// What of it can count: nobody earns time outside the planned window.
    fn within(&self, plan: &Plan) -> Option<(Instant, Instant)> {
        let from = self.checked_in?.max(plan.from);
        Some((from, self.checked_out?.min(plan.until)))
    }
}

/// State of a shift: what its rules need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PatrolShift {
    /// Where it stands.
    pub state: ShiftState,
    /// What was planned or filed.
    pub plan: Option<Plan>,
    /// Who signed up, and their part.
    pub crew: BTreeMap<PersonId, Part>,
    /// Who filed it late.
    pub filed_by: Option<PersonId>,
    /// Checkpoints scanned in time.
    pub hit: BTreeSet<CheckpointId>,
    /// Checkpoints left out with a reason.
    pub skipped: BTreeSet<CheckpointId>,
    /// Hazards found.
    pub findings: BTreeSet<HazardId>,
    /// Which device was used by whom.
    pub devices: BTreeSet<(String, PersonId)>,
    /// Scans, late ones included.
    pub scans: Vec<Scan>,
}

/// What a timer does to a shift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShiftTimer {
    /// [`Command::RecordMissedShift`].
    Missed,
    /// [`Command::AutoCheckOut`].
    AutoCheckOut,
}

refusals! {
    /// Why it is refused.
    ShiftAlreadyPlanned = AlreadyExists, "shift_id", "A shift with this id is planned or filed already.";
    ShiftNotFound = NotFound, "shift_id", "There is no shift with this id.";
    ShiftNotPlanned = WrongState, "shift_id", "This needs a shift that is planned and not yet begun.";
    ShiftNotOpen = WrongState, "shift_id", "This needs a shift that is planned or in progress.";
    ShiftNotInProgress = WrongState, "shift_id", "This needs a shift that is in progress.";
    ShiftNotCompleted = WrongState, "shift_id", "Parts are settled after the shift is completed.";
    ShiftNotFiled = WrongState, "shift_id", "This needs a late filing that nobody has decided on.";
    PlannerNotAllowed = NotAllowed, "", "Shifts are planned and called off by an administrator, or by the captain or instructor of the community.";
    WindowNotAllowed = Invalid, "until", "A shift ends after its start, within 24 hours.";
    ShiftAlreadyOver = Invalid, "until", "A shift is planned before its end; one that was walked already is filed late.";
    CrewMinNotAllowed = Invalid, "crew_min", "A shift needs at least 1 to 50 people.";
    RouteNotAllowed = Invalid, "route", "A route has at most 100 checkpoints and none of them twice.";
    CheckpointNotInstalled = Invalid, "route", "Every checkpoint of a route must be installed in the community.";
    NoZonePlan = WrongState, "zone_id", "No zone plan is in force in this community at the start.";
    ZoneNotInPlan = NotFound, "zone_id", "The zone plan in force at the start has no zone with this id.";
    AlreadySignedUp = AlreadyExists, "person_id", "This person has signed up already.";
    CrewFull = WrongState, "shift_id", "At most 50 people take part in a shift.";
    ShiftAlreadyEnded = WrongState, "shift_id", "The planned end of this shift has passed.";
    PersonNotSignedUp = WrongState, "person_id", "This person has not signed up for this shift.";
    AlreadyCheckedIn = AlreadyExists, "person_id", "This person has checked in already; everybody has one part in a shift.";
    CheckInTooEarly = WrongState, "shift_id", "A shift is checked in to from 2 hours before its start.";
    PersonHasOpenShift = WrongState, "person_id", "This person is checked in to another shift.";
    PersonNotCheckedIn = WrongState, "person_id", "This person has not checked in to this shift.";
    CaptureNotAllowed = Invalid, "capture", "A device is named by 1 to 100 bytes, and a place lies on the earth.";
    TagUnknown = NotFound, "tag", "No checkpoint has this tag.";
    TooManyScans = WrongState, "shift_id", "A shift holds at most 2,000 scans.";
    CheckpointNotOnRoute = NotFound, "checkpoint_id", "This checkpoint is not on the route of this shift.";
    CheckpointAlreadyScanned = WrongState, "checkpoint_id", "This checkpoint is scanned; it cannot be left out any more.";
    CheckpointAlreadySkipped = AlreadyExists, "checkpoint_id", "This checkpoint is left out already.";
    ReasonNotAllowed = Invalid, "reason", "A reason is 1 to 500 bytes.";
    FindingAlreadyRaised = AlreadyExists, "hazard_id", "This hazard stands among the findings of this shift already.";
    TooManyFindings = WrongState, "shift_id", "A shift holds at most 100 findings.";
    AlreadyCheckedOut = WrongState, "person_id", "This person has ended their part already.";
    TimeInTheFuture = Invalid, "at", "Nobody can have gone later than now.";
    CheckOutBeforeCheckIn = Invalid, "at", "Nobody goes before they came.";
    BackDatedTooFar = NotAllowed, "at", "It lies further back than the policy's window; the shift must be filed late.";
    ShiftNotMissedYet = WrongState, "shift_id", "A shift is missed only when the time of grace has passed without anybody.";
    CheckOutNotOverdue = WrongState, "shift_id", "The time to check out has not passed.";
    PersonNotOnShift = NotFound, "person_id", "This person took no part in this shift.";
    ParticipationAlreadySettled = WrongState, "person_id", "This part is verified or rejected already.";
    VerifierIsBeneficiary = NotAllowed, "person_id", "Nobody settles their own part.";
    VerifierWasOnShift = NotAllowed, "shift_id", "A part is settled by somebody who was not on the crew of the shift.";
    VerifierNotAllowed = NotAllowed, "", "Parts are settled by an administrator, or by a captain, instructor or officer of the community.";
    PartsNotAllowed = Invalid, "parts", "A late filing has 1 to 20 parts, each of another person.";
    PartTimesNotAllowed = Invalid, "parts", "A part ends after its start and not later than now, and all lie within 24 hours.";
    ApproverWasOnShift = NotAllowed, "shift_id", "A late filing is decided on by somebody who was not on the shift.";
    ApproverFiledIt = NotAllowed, "shift_id", "A late filing is decided on by somebody other than who filed it.";
    ApproverNotAllowed = NotAllowed, "", "Late filings are decided on by an administrator, or by a captain, instructor or officer of the community.";
}

/// `at` moved by `by`; stays where it is if that is no instant any more.
fn later(at: Instant, by: Duration) -> Instant {
    at.checked_add_signed(by).unwrap_or(at)
}

/// True if the person is an administrator, or an active member of the unit with one of the roles.
pub(crate) fn answers_for(
    world: &World,
    unit: UnitId,
    person: PersonId,
    roles: &[Role],
    at: Instant,
) -> Result<bool, Stop> {
    if world
        .state::<Genesis>(genesis::KEY)?
        .administrators
        .contains(&person)
    {
        return Ok(true);
    }
    match Member::active(world, unit, person) {
        Ok(member) => Ok(roles.iter().any(|role| member.holds(*role, at))),
        Err(Stop::Refused(_)) => Ok(false),
        Err(need) => Err(need),
    }
}

fn check_reason(reason: &str) -> Result<(), Stop> {
    if reason.trim().is_empty() || reason.len() > REASON_BYTES_MAX {
        return Err(Refusal::ReasonNotAllowed.into());
    }
    Ok(())
}

impl PatrolShift {
    /// The timer that runs, and when it is due, by the policy set in force at the shift's start:
    /// none once nobody can miss or forget anything any more.
    pub fn deadline_running(&self, policy: &PolicySet) -> Option<(Instant, ShiftTimer)> {
        let plan = self.plan.as_ref()?;
        let after = |at, minutes: u32| later(at, Duration::minutes(i64::from(minutes)));
        let timers = &policy.timers;
        match self.state {
            ShiftState::Planned => Some((
                after(plan.from, timers.shift_missed_minutes),
                ShiftTimer::Missed,
            )),
            ShiftState::InProgress => Some((
                after(plan.until, timers.check_out_overdue_minutes),
                ShiftTimer::AutoCheckOut,
            )),
            _ => None,
        }
    }
}

/// A shift that exists and what a decision about it is given.
struct Case<'a> {
    id: ShiftId,
    shift: &'a PatrolShift,
    plan: &'a Plan,
    world: &'a World,
    cx: &'a Context,
}

impl Case<'_> {
    fn envelope(&self, occurred_at: Instant) -> Envelope {
        let mut envelope = Envelope::at(occurred_at);
        envelope.unit = Some(self.plan.community.0);
        envelope
    }

    /// A decision with one event of the shift, happening now.
    fn now(&self, event: Event) -> Decision {
        Decision::new().with::<PatrolShift>(self.id, event, self.envelope(self.cx.now))
    }

    /// The person's part, which must have begun.
    fn begun(&self, person: PersonId) -> Result<&Part, Stop> {
        let part = self.shift.crew.get(&person);
        part.filter(|part| part.checked_in.is_some())
            .ok_or_else(|| Refusal::PersonNotCheckedIn.into())
    }
}

impl Aggregate for PatrolShift {
    const CATEGORY: &'static str = "patrol_shift";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        Self::stream(command.shift())
    }

    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        use Command as C;
        use ShiftState as S;
        let id = command.shift();
        let shift = world.state::<Self>(id)?;
        match command {
            C::PlanShift { .. } | C::FileLateShift { .. } if shift.state != S::Unknown => {
                return Err(Refusal::ShiftAlreadyPlanned.into());
            }
            C::PlanShift { .. } => return plan::plan(command, world, cx),
            C::FileLateShift { .. } => return settle::file_late(command, world, cx),
            _ => {}
        }
        let Some(plan) = &shift.plan else {
            return Err(Refusal::ShiftNotFound.into());
        };
        let case = Case {
            id,
            shift: &shift,
            plan,
            world,
            cx,
        };
        let ended = matches!(shift.state, S::Completed | S::Verified);
        match (shift.state, command) {
            (S::Planned | S::InProgress, C::SignUp { person, .. }) => case.sign_up(*person),
            (_, C::SignUp { .. }) => Err(Refusal::ShiftNotOpen.into()),

            (
                S::Planned | S::InProgress,
                C::CheckIn {
                    person, capture, ..
                },
            ) => case.check_in(*person, capture),
            (_, C::CheckIn { .. }) => Err(Refusal::ShiftNotOpen.into()),

            (
                S::InProgress | S::Completed | S::Verified,
                C::ScanCheckpoint {
                    person,
                    tag,
                    capture,
                    ..
                },
            ) => case.scan(*person, tag, capture, ended),
            (_, C::ScanCheckpoint { .. }) => Err(Refusal::ShiftNotInProgress.into()),

            (
                S::InProgress,
                C::SkipCheckpoint {
                    person,
                    checkpoint,
                    reason,
                    ..
                },
            ) => case.skip(*person, *checkpoint, reason),
            (S::InProgress, C::RaiseFinding { person, hazard, .. }) => {
                case.raise_finding(*person, *hazard)
            }
            (S::InProgress, C::CheckOut { person, at, .. }) => case.check_out(*person, *at),
            (S::InProgress, C::AutoCheckOut { .. }) => case.auto_check_out(),
            (
                _,
                C::SkipCheckpoint { .. }
                | C::RaiseFinding { .. }
                | C::CheckOut { .. }
                | C::AutoCheckOut { .. },
            ) => Err(Refusal::ShiftNotInProgress.into()),

            (S::Planned, C::CancelShift { reason, .. }) => case.cancel(reason),
            (S::Planned, C::RecordMissedShift { .. }) => case.record_missed(),
            (_, C::CancelShift { .. } | C::RecordMissedShift { .. }) => {
                Err(Refusal::ShiftNotPlanned.into())
            }

            (S::Completed | S::Verified, C::VerifyParticipation { person, .. }) => {
                case.verify(*person)
            }
            (S::Completed | S::Verified, C::RejectParticipation { person, reason, .. }) => {
                case.reject(*person, reason)
            }
            (_, C::VerifyParticipation { .. } | C::RejectParticipation { .. }) => {
                Err(Refusal::ShiftNotCompleted.into())
            }

            (S::Filed, C::ApproveLateShift { .. }) => case.approve_late(),
            (S::Filed, C::RejectLateShift { reason, .. }) => case.reject_late(reason),
            (_, C::ApproveLateShift { .. } | C::RejectLateShift { .. }) => {
                Err(Refusal::ShiftNotFiled.into())
            }

            (_, C::PlanShift { .. } | C::FileLateShift { .. }) => {
                Err(Refusal::ShiftAlreadyPlanned.into())
            }
        }
    }

    fn evolve(&mut self, event: &Event, stamp: &Stamp) {
        use ShiftState as S;
        match event {
            Event::ShiftPlanned {
                community,
                zone,
                route,
                from,
                until,
                ..
            } => {
                self.state = S::Planned;
                self.plan = Some(Plan {
                    community: *community,
                    zone: *zone,
                    route: route.clone(),
                    from: *from,
                    until: *until,
                });
            }
            Event::PatrollerSignedUp { person } => {
                self.crew.entry(*person).or_default();
            }
            Event::PatrollerCheckedIn {
                person, capture, ..
            } => {
                self.crew.entry(*person).or_default().checked_in = Some(stamp.occurred_at);
                self.note_device(*person, capture);
            }
            Event::ShiftStarted {} => self.state = S::InProgress,
            Event::CheckpointScanned {
                person,
                checkpoint,
                tag,
                capture,
                ..
            } => {
                self.hit.insert(*checkpoint);
                self.note_scan(*person, tag, capture, stamp.occurred_at);
            }
            Event::LateScanRecorded {
                person,
                tag,
                capture,
                ..
            } => self.note_scan(*person, tag, capture, stamp.occurred_at),
            Event::CheckpointSkipped { checkpoint, .. } => {
                self.skipped.insert(*checkpoint);
            }
            Event::FindingRaised { hazard, .. } => {
                self.findings.insert(*hazard);
            }
            Event::PatrollerCheckedOut { person } | Event::AutoCheckedOut { person } => {
                self.crew.entry(*person).or_default().checked_out = Some(stamp.occurred_at);
            }
            Event::ShiftCompleted { .. } => self.state = S::Completed,
            Event::ShiftCancelled { .. } => self.state = S::Cancelled,
            Event::ShiftMissed {} => self.state = S::Missed,
            Event::ParticipationVerified { person, .. } => {
                self.crew.entry(*person).or_default().accepted = Some(true);
            }
            Event::ParticipationRejected { person, .. } => {
                self.crew.entry(*person).or_default().accepted = Some(false);
            }
            Event::ShiftVerified { .. } => self.state = S::Verified,
            Event::LateShiftFiled {
                community,
                zone,
                parts,
                filed_by,
                ..
            } => {
                self.state = S::Filed;
                self.filed_by = Some(*filed_by);
                self.plan = Some(Plan {
                    community: *community,
                    zone: *zone,
                    route: Vec::new(),
                    from: parts.iter().map(|part| part.from).min().unwrap_or_default(),
                    until: parts
                        .iter()
                        .map(|part| part.until)
                        .max()
                        .unwrap_or_default(),
                });
                for part in parts {
                    let filed = self.crew.entry(part.person).or_default();
                    filed.checked_in = Some(part.from);
                    filed.checked_out = Some(part.until);
                }
            }
            // `ShiftCompleted` stands in the same commit.
            Event::LateShiftApproved { .. } | Event::CheckpointMissed { .. } => {}
            Event::LateShiftRejected { .. } => self.state = S::FilingRejected,
        }
    }
}

impl PatrolShift {
    fn note_device(&mut self, person: PersonId, capture: &Capture) {
        if let Some(device) = &capture.device {
            self.devices.insert((device.clone(), person));
        }
    }

    fn note_scan(&mut self, person: PersonId, tag: &str, capture: &Capture, at: Instant) {
        self.note_device(person, capture);
        self.scans.push(Scan {
            person,
            tag: tag.to_owned(),
            at,
            place: capture.place,
            device: capture.device.clone(),
        });
    }
}
