//! `PatrolShift`: a patrol from plan to verified participation.
//!
//! ```text
//! Planned ──first check-in──> InProgress ──last check-out──> Completed ──all settled──> Verified
//!    │ Cancelled, Missed (timer)   ▲ │ ShiftHandedOver                   ShiftVerified ▲ │
//!    HandoverAccepted or Declined  │ ▼                                     (again)     │ ▼ ShiftDisputed
//!                                HandedOver                          Voided <───────── Disputed
//! (nothing) ──LateShiftFiled──> Filed ──LateShiftApproved──> Completed / LateShiftRejected
//! ```
//! Owns crew, scans and each person's participation. Scans are marked, never rejected, for odd
//! time or place. Points are not its business: a reaction answers what is verified, verified again
//! or voided. The table of states and commands stands in `docs/state-machines/patrol_shift.md`,
//! written by the tests.
//!
//! A shift is judged by the policy set in force at its start, a scan by that in force at the scan.
//! It keeps the zone it was planned for; a scan lies in the zone of the plan in force when it was
//! made, also where zones are redrawn in between.

mod anomalies;
mod command;
mod dispute;
mod event;
mod evolve;
mod gate;
mod handover;
mod plan;
mod refusal;
mod settle;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::{BTreeMap, BTreeSet};

use chrono::Duration;
use serde::{Deserialize, Serialize};

pub use anomalies::{Anomaly, SAME_TAG_SECONDS, Scan};
pub use command::{Capture, Command, FiledPart, Method, Reverified};
pub use event::{CountedScan, Event, MissedCheckpoint, PersonMinutes, VoidedPart};
pub use refusal::Refusal;

use gate::gate;

use crate::envelope::{Envelope, Instant};
use crate::genesis::{self, Genesis};
use crate::ids::{CheckpointId, HazardId, PersonId, ShiftId, UnitId, ZoneId};
use crate::member::{Member, Role};
use crate::open_item::{self, Item};
use crate::policy_set::PolicySet;
use crate::refusal::Stop;
use crate::stream::StreamName;
use crate::unit::Unit;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// Longest shift, in hours.
pub const SHIFT_HOURS_MAX: i64 = 24;
/// Hours before its start from which on a shift can be checked in to.
pub const CHECK_IN_HOURS_BEFORE: i64 = 2;
/// Most people on a shift.
pub const CREW_MAX: usize = 30;
/// Most checkpoints on a route.
pub const ROUTE_MAX: usize = 100;
/// Most scans of a shift, late ones included.
pub const SCANS_MAX: usize = 2_000;
/// Most checkpoints off its route that scans of a shift show, late ones included.
pub const OFF_ROUTE_MAX: usize = 20;
/// Most findings of a shift.
pub const FINDINGS_MAX: usize = 100;
/// Most times that a shift is handed over.
pub const HANDOVERS_MAX: u32 = 50;
/// Most times that a shift is disputed.
pub const DISPUTES_MAX: u32 = 3;
/// Most bytes of the reasons of all parts that are settled again together.
pub const REVERIFIED_REASONS_BYTES_MAX: usize = 8_000;
/// Most pieces into which a part may fall beside minutes that other shifts hold, and at midnight.
pub const PART_PIECES_MAX: usize = 4;
/// Most such pieces of all parts that are settled again together. This and the bounds above keep the
/// largest shift within one commit; `tests/largest.rs` reckons it.
pub const REVERIFIED_PIECES_MAX: usize = 90;
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
    /// Somebody who is there has named a successor, who has not accepted yet.
    HandedOver,
    /// Everybody has ended their part.
    Completed,
    /// Every part is settled.
    Verified,
    /// Somebody disputes how it was settled.
    Disputed,
    /// It was found not to count at all.
    Voided,
    /// It was called off.
    Cancelled,
    /// Nobody came.
    Missed,
    /// It was filed late and waits for approval.
    Filed,
    /// The late filing was refused.
    FilingRejected,
}

impl ShiftState {
    /// True while somebody is out.
    pub const fn is_walked(self) -> bool {
        matches!(self, Self::InProgress | Self::HandedOver)
    }

    /// True once everybody has gone, as long as what was found can still change.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Verified | Self::Disputed)
    }
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
    /// The times that count, once settled.
    pub counted: Vec<(Instant, Instant)>,
}

impl Part {
    /// What of it can count: nobody earns time outside the planned window.
    fn within(&self, plan: &Plan) -> Option<(Instant, Instant)> {
        let from = self.checked_in?.max(plan.from);
        Some((from, self.checked_out?.min(plan.until)))
    }
}

/// A checkpoint that was scanned, by its first scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// The zone it lay in, of the plan in force then; none if outside every zone.
    pub zone: Option<ZoneId>,
    /// When.
    pub at: Instant,
}

/// A scan that came after everybody had gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LateScan {
    /// Who.
    pub person: PersonId,
    /// Which.
    pub checkpoint: CheckpointId,
    /// The zone it lay in, and when it was made.
    pub hit: Hit,
}

/// A hand-over that is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handover {
    /// Who goes.
    pub from: PersonId,
    /// Who shall take over.
    pub to: PersonId,
    /// Hazards that are still open.
    pub open_items: BTreeSet<HazardId>,
    /// When it was offered.
    pub at: Instant,
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
    /// Checkpoints that count as scanned.
    pub hit: BTreeMap<CheckpointId, Hit>,
    /// Scans that came after the shift was completed, in the order in which they came; at most
    /// [`SCANS_MAX`].
    pub late: Vec<LateScan>,
    /// Checkpoints of the route that count as missed, and the zone they lay in.
    pub missed: BTreeMap<CheckpointId, Option<ZoneId>>,
    /// Checkpoints left out with a reason.
    pub skipped: BTreeSet<CheckpointId>,
    /// Hazards found.
    pub findings: BTreeSet<HazardId>,
    /// Which device was used by whom.
    pub devices: BTreeSet<(String, PersonId)>,
    /// Scans, late ones included.
    pub scans: Vec<Scan>,
    /// Hazards that were to be handed over and that nobody took over: the shift's, also once it is
    /// completed, until somebody does; at most [`FINDINGS_MAX`] with those of the hand-over that waits.
    pub open_items: BTreeSet<HazardId>,
    /// The hand-over that waits for the successor.
    pub handover: Option<Handover>,
    /// How often it was handed over.
    pub handovers: u32,
    /// When its last part was settled, the last time.
    pub verified_at: Option<Instant>,
    /// Who settled a part, ever.
    pub settled_by: BTreeSet<PersonId>,
    /// Who disputed it, ever; at most [`DISPUTES_MAX`].
    pub disputed_by: BTreeSet<PersonId>,
    /// How often it was disputed.
    pub disputes: u32,
}

/// What a timer does to a shift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShiftTimer {
    /// [`Command::RecordMissedShift`].
    Missed,
    /// [`Command::AutoCheckOut`].
    AutoCheckOut,
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
    let unit = Unit::responsible(world, unit, at)?;
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
    /// Hazards that somebody of the shift has not taken over: left open, or offered now.
    pub fn items_not_taken_over(&self) -> BTreeSet<HazardId> {
        let offered = self.handover.iter().flat_map(|pending| &pending.open_items);
        self.open_items.iter().chain(offered).copied().collect()
    }
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
            ShiftState::InProgress | ShiftState::HandedOver => Some((
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
    /// The unit that answers for the shift now.
    fn owner(&self) -> Result<UnitId, Stop> {
        let item = Item::Shift(self.id);
        open_item::owner(self.world, item, self.plan.community, self.cx.now)
    }

    /// Refuses who is no member of the unit that answers for the shift, nor of one whose place that
    /// took.
    fn member(&self, person: PersonId) -> Result<(), Stop> {
        Member::counted(self.world, self.owner()?, person, self.cx.now)?;
        Ok(())
    }

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
        let id = command.shift();
        let shift = &*world.state::<Self>(id)?;
        gate(shift.state, command)?;
        match command {
            Command::PlanShift { .. } => return plan::plan(command, world, cx),
            Command::FileLateShift { .. } => return settle::file_late(command, world, cx),
            _ => {}
        }
        let plan = shift.plan.as_ref().ok_or(Refusal::ShiftNotFound)?;
        let case = Case {
            id,
            shift,
            plan,
            world,
            cx,
        };
        case.answer(command)
    }

    fn evolve(&mut self, event: &Event, stamp: &Stamp) {
        self.take(event, stamp);
    }
}
