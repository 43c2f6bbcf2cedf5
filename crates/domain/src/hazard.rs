//! Hazard: the closed loop from report to close-out (隐患闭环).
//!
//! ```text
//! Reported ──Verified──> Verified ──Assigned──> Rectifying ──RectificationClaimed──> Rectified
//!    │ Rejected → Invalid              ▲  │ ExtensionGranted      ReinspectionFailed ┘   │
//!    └ LinkedAsDuplicate → Duplicate   └──┘                          ReinspectionPassed │
//!                                                                                       ▼
//! Recurred → (as Verified) <──HazardRecurred── ClosedOut <──HazardClosedOut── Reinspected
//! imported and open ──ClosedBySource──> ClosedBySource
//! ```
//! Owns the loop, its deadline and the breach of it. A deadline is met by the claim of
//! rectification that later passes re-inspection, or by the closing time an import states.
//! Levels and urgencies are policy: their hours come from the policy set.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::claim::{self, Claim, Kind};
use crate::envelope::{Envelope, Instant, Trust};
use crate::ids::{HazardId, PersonId, UnitId};
use crate::import_batch::ImportBatch;
use crate::personal::Personal;
use crate::place::Place;
use crate::policy_set::{self, PolicySets};
use crate::reaction::require_system;
use crate::refusal::{Stop, refusals};
use crate::stream::StreamName;
use crate::unit::{Imported, Unit};
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// Longest kind, in bytes.
pub const KIND_BYTES_MAX: usize = 100;
/// Longest reason, in bytes.
pub const REASON_BYTES_MAX: usize = 500;
/// Longest status of a source, in bytes.
pub const STATUS_BYTES_MAX: usize = 100;

/// How grave it is; duties follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HazardLevel {
    /// 一般
    General,
    /// 重大
    Major,
}

/// How soon it must be rectified; deadlines follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// Within hours.
    Red,
    /// Within a day.
    Yellow,
    /// Within days.
    Blue,
}

/// Where a hazard stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HazardState {
    /// There is none.
    #[default]
    Unknown,
    /// Somebody reported it.
    Reported,
    /// It is real, with level and urgency.
    Verified,
    /// An owner works on it.
    Rectifying,
    /// The owner says it is done.
    Rectified,
    /// Another person looked and agrees.
    Reinspected,
    /// Done.
    ClosedOut,
    /// It was none.
    Invalid,
    /// It is one that is known already.
    Duplicate,
    /// The source of the import says it is closed.
    ClosedBySource,
}

impl HazardState {
    /// True while somebody must still do something about it.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            Self::Reported
                | Self::Verified
                | Self::Rectifying
                | Self::Rectified
                | Self::Reinspected
        )
    }
}

/// A claim of rectification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedRectification {
    /// Who says it is done.
    pub by: PersonId,
    /// When it was done, as claimed.
    pub at: Instant,
    /// Position of the claim.
    pub position: u64,
}

/// State of a hazard: what its rules need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hazard {
    /// Where it stands.
    pub state: HazardState,
    /// The unit it lies in.
    pub unit: Option<UnitId>,
    /// Who reported it, or its recurrence, if a person of ours.
    pub reporter: Option<PersonId>,
    /// When it was reported, or its recurrence, as claimed.
    pub reported_at: Option<Instant>,
    /// Its level, once verified.
    pub level: Option<HazardLevel>,
    /// Its urgency, once verified.
    pub urgency: Option<Urgency>,
    /// The batch that brought it.
    pub batch: Option<crate::ids::BatchId>,
    /// An interim measure was taken.
    pub interim_measure: bool,
    /// It was reported upward.
    pub reported_up: bool,
    /// The latest claim that it is rectified.
    pub claimed: Option<ClaimedRectification>,
    /// When it must be rectified.
    pub deadline: Option<Instant>,
    /// Deadlines, this one and those before an extension, whose breach is recorded and stands.
    pub breaches: BTreeSet<Instant>,
    /// When it was closed, as claimed.
    pub closed_at: Option<Instant>,
}

/// A deadline and the rule it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// When it must be rectified.
    pub due_at: Instant,
    /// The policy set, or the import's source, that says so.
    pub basis: String,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Command {
    /// Report a hazard.
    ReportHazard {
        /// A random id, given by the caller.
        hazard: HazardId,
        /// The unit it lies in.
        unit: UnitId,
        /// What kind, 1..=100 bytes.
        kind: String,
        /// Where it is.
        place: Option<Place>,
        /// What was seen, in words.
        description: Option<Personal>,
        /// SHA-256 of photos.
        photos: Vec<[u8; 32]>,
        /// When it was seen; now if absent.
        seen_at: Option<Instant>,
    },
    /// Confirm that it is one.
    VerifyHazard {
        /// Which hazard.
        hazard: HazardId,
        /// How grave.
        level: HazardLevel,
        /// How soon.
        urgency: Urgency,
    },
    /// Find that it is none.
    RejectHazard {
        /// Which hazard.
        hazard: HazardId,
        /// Why, 1..=500 bytes.
        reason: String,
    },
    /// Find that it is known already.
    LinkDuplicate {
        /// Which hazard.
        hazard: HazardId,
        /// The one that is kept.
        master: HazardId,
    },
    /// Make a unit answer for it.
    AssignOwner {
        /// Which hazard.
        hazard: HazardId,
        /// Who shall rectify it: a unit or department, 1..=200 bytes.
        owner: String,
    },
    /// Give it more time.
    GrantExtension {
        /// Which hazard.
        hazard: HazardId,
        /// The new deadline, later than the old one and than now.
        until: Instant,
        /// Why, 1..=500 bytes.
        reason: String,
    },
    /// Make it safe for the time being.
    TakeInterimMeasure {
        /// Which hazard.
        hazard: HazardId,
        /// What was done.
        measure: Personal,
    },
    /// Report a major hazard to the level above.
    ReportUp {
        /// Which hazard.
        hazard: HazardId,
        /// To whom, 1..=200 bytes.
        authority: String,
    },
    /// Say that it is rectified.
    ClaimRectification {
        /// Which hazard.
        hazard: HazardId,
        /// When it was done; now if absent.
        done_at: Option<Instant>,
        /// SHA-256 of photos.
        photos: Vec<[u8; 32]>,
    },
    /// Look again; neither reporter nor rectifier.
    Reinspect {
        /// Which hazard.
        hazard: HazardId,
        /// What was found.
        passed: bool,
        /// Why it failed, 1..=500 bytes; absent if passed.
        reason: Option<String>,
    },
    /// Close it.
    CloseOut {
        /// Which hazard.
        hazard: HazardId,
    },
    /// It is there again.
    RecordRecurrence {
        /// Which hazard.
        hazard: HazardId,
        /// When it was seen; now if absent.
        seen_at: Option<Instant>,
    },
    /// Record that the deadline passed unmet; the timer does this.
    RecordBreach {
        /// Which hazard.
        hazard: HazardId,
        /// The deadline that passed.
        due_at: Instant,
    },
    /// Take over the whole life of a hazard from elsewhere.
    ImportHazard {
        /// Follows from source and external id.
        hazard: HazardId,
        /// Batch, source and id there.
        imported: Imported,
        /// The unit it lies in.
        unit: UnitId,
        /// What kind, 1..=100 bytes.
        kind: String,
        /// Where it is.
        place: Option<Place>,
        /// When it was opened there.
        opened_at: Instant,
        /// Who answers for it there, 1..=200 bytes.
        owner: String,
        /// When it was due there, if it was.
        due_at: Option<Instant>,
        /// When it was closed there, if it was.
        closed: Option<SourceClosing>,
    },
    /// Take over that the source has closed an imported hazard.
    CloseBySource {
        /// Which hazard.
        hazard: HazardId,
        /// The batch that brings it.
        batch: crate::ids::BatchId,
        /// What the source says.
        closed: SourceClosing,
    },
}

/// What a source says of the closing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceClosing {
    /// When.
    pub closed_at: Instant,
    /// The source's status, 1..=100 bytes.
    pub status: String,
    /// The source's reason, free text.
    pub reason: Option<Personal>,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// Somebody reported it.
    HazardReported {
        /// The unit it lies in.
        unit: UnitId,
        /// What kind.
        kind: String,
        /// Where.
        place: Option<Place>,
        /// What was seen.
        description: Option<Personal>,
        /// Who reported it, if a person of ours.
        reporter: Option<PersonId>,
        /// Where it was imported from.
        imported: Option<Imported>,
    },
    /// It is real.
    HazardVerified {
        /// How grave.
        level: HazardLevel,
        /// How soon.
        urgency: Urgency,
        /// Who says so.
        verified_by: PersonId,
    },
    /// It is none.
    HazardRejected {
        /// Why.
        reason: String,
        /// Who says so.
        rejected_by: PersonId,
    },
    /// It is known already.
    HazardLinkedAsDuplicate {
        /// The one that is kept.
        master: HazardId,
        /// Who says so.
        linked_by: PersonId,
    },
    /// Somebody answers for it.
    OwnerAssigned {
        /// A unit or department.
        owner: String,
    },
    /// It must be rectified by then.
    DeadlineSet {
        /// When and on what basis.
        deadline: Deadline,
    },
    /// It got more time.
    ExtensionGranted {
        /// The new deadline and its basis.
        deadline: Deadline,
        /// Why.
        reason: String,
        /// Who gave it.
        granted_by: PersonId,
    },
    /// It was made safe for the time being.
    InterimMeasureTaken {
        /// What was done.
        measure: Personal,
    },
    /// It was reported upward.
    MajorHazardReportedUp {
        /// To whom.
        authority: String,
    },
    /// The owner says it is done (at the envelope's `occurred_at`).
    RectificationClaimed {
        /// Who says so.
        rectified_by: PersonId,
    },
    /// Another person agrees.
    ReinspectionPassed {
        /// Who looked.
        reinspected_by: PersonId,
    },
    /// Another person does not.
    ReinspectionFailed {
        /// Who looked.
        reinspected_by: PersonId,
        /// Why.
        reason: String,
    },
    /// It is closed.
    HazardClosedOut {
        /// Who closed it.
        closed_by: PersonId,
    },
    /// It is there again.
    HazardRecurred {
        /// Who says so.
        reported_by: PersonId,
    },
    /// The deadline passed unmet.
    DeadlineBreached {
        /// Which deadline.
        due_at: Instant,
    },
    /// It had been met after all.
    BreachWithdrawn {
        /// Which deadline.
        due_at: Instant,
        /// Position of the fact that shows it; absent if the fact is in the same commit.
        fact: Option<u64>,
    },
    /// The source of an import closed it (at `closed_at`).
    ClosedBySource {
        /// What the source says.
        closed: SourceClosing,
    },
}

refusals! {
    /// Why it is refused.
    HazardAlreadyReported = AlreadyExists, "hazard_id", "A hazard with this id is reported already.";
    HazardAlreadyImported = AlreadyExists, "external_id", "A hazard with this id of this source is imported already.";
    HazardNotFound = NotFound, "hazard_id", "There is no hazard with this id.";
    KindNotAllowed = Invalid, "kind", "A kind is 1 to 100 bytes.";
    PlaceNotOnEarth = Invalid, "place", "Latitude must lie in -90..=90 and longitude in -180..=180 degrees.";
    ReasonNotAllowed = Invalid, "reason", "A reason is 1 to 500 bytes.";
    OwnerNotAllowed = Invalid, "owner", "An owner is 1 to 200 bytes.";
    TextTooLong = Invalid, "description", "A personal field holds at most 4,000 bytes.";
    TimeInTheFuture = Invalid, "occurred_at", "What happened cannot have happened later than now.";
    TimeBeforeReport = Invalid, "done_at", "It cannot be done before it was reported.";
    BackDatedTooFar = NotAllowed, "occurred_at", "It lies further back than the policy's window; only an approved import batch may carry it.";
    HazardNotReported = WrongState, "hazard_id", "This needs a hazard that is reported and not yet verified.";
    HazardNotVerified = WrongState, "hazard_id", "This needs a hazard that is verified and not yet assigned.";
    HazardNotRectifying = WrongState, "hazard_id", "This needs a hazard that an owner is rectifying.";
    HazardNotRectified = WrongState, "hazard_id", "This needs a hazard that is said to be rectified.";
    HazardNotReinspected = WrongState, "hazard_id", "A hazard is closed out only after a passed re-inspection.";
    HazardNotClosed = WrongState, "hazard_id", "Only a hazard that was closed out can recur.";
    HazardNotOpen = WrongState, "hazard_id", "This needs a hazard that is still open.";
    HazardNotImported = WrongState, "hazard_id", "Only an imported hazard can be closed by its source.";
    HazardNotMajor = WrongState, "hazard_id", "Only a major hazard is reported upward.";
    InterimMeasureMissing = WrongState, "hazard_id", "A major hazard must carry an interim measure before it is said to be rectified.";
    NotReportedUp = WrongState, "hazard_id", "A major hazard must be reported upward before it is said to be rectified.";
    VerifierIsReporter = NotAllowed, "hazard_id", "A hazard is verified by another person than its reporter.";
    ReinspectorIsReporter = NotAllowed, "hazard_id", "The re-inspector must not be the reporter.";
    ReinspectorIsRectifier = NotAllowed, "hazard_id", "The re-inspector must not be the person who rectified it.";
    MasterNotFound = NotFound, "master_id", "There is no hazard with this id to be the master.";
    MasterIsItself = Invalid, "master_id", "A hazard is no duplicate of itself.";
    MasterIsDuplicate = WrongState, "master_id", "The master must not be a duplicate itself.";
    ExtensionNotLater = Invalid, "until", "An extension must end later than the deadline and than now.";
    NoDeadline = WrongState, "hazard_id", "This hazard has no deadline.";
    DeadlineNotDue = WrongState, "due_at", "This deadline has not passed.";
    DeadlineReplaced = WrongState, "due_at", "This is not the hazard's deadline any more.";
    BreachAlreadyRecorded = AlreadyExists, "due_at", "The breach of this deadline is recorded already.";
    DeadlineMet = WrongState, "due_at", "It was rectified in time, as the re-inspection found.";
    RectificationAwaitsReinspection = WrongState, "due_at", "It is said to be rectified in time; the re-inspection decides.";
    ImportStillOpen = WrongState, "hazard_id", "Timers hold still until the import batch is applied or rejected.";
    ClosedBeforeOpened = Invalid, "closed_at", "It cannot be closed before it was opened.";
    StatusNotAllowed = Invalid, "status", "A source's status is 1 to 100 bytes.";
    ExternalIdNotAllowed = Invalid, "external_id", "A source is 1 to 100 of a-z, 0-9 and '-', and an id in it 1 to 200 bytes.";
    DueBeforeOpened = Invalid, "due_at", "It cannot be due before it was opened.";
}

impl Hazard {
    /// When a hazard of this urgency, verified at `from`, must be rectified. Pure, so that a
    /// what-if can ask it with another policy set.
    pub fn deadline(policy: &policy_set::PolicySet, urgency: Urgency, from: Instant) -> Deadline {
        let hours = match urgency {
            Urgency::Red => policy.timers.hazard_red_hours,
            Urgency::Yellow => policy.timers.hazard_yellow_hours,
            Urgency::Blue => policy.timers.hazard_blue_hours,
        };
        Deadline {
            due_at: from + chrono::Duration::hours(i64::from(hours)),
            basis: policy.reference(),
        }
    }

    /// The deadline that may still be breached, for timers: none once it is met, breached or the
    /// hazard is closed, and none while a claim made in time waits for its re-inspection, which
    /// records the breach itself if the claim fails.
    pub fn deadline_running(&self) -> Option<Instant> {
        let runs = self.state.is_open() && !self.breached() && self.claimed_in_time().is_none();
        self.deadline.filter(|_| runs)
    }

    /// True if the breach of the present deadline is recorded and stands.
    pub fn breached(&self) -> bool {
        self.deadline
            .is_some_and(|due| self.breaches.contains(&due))
    }

    /// The breach of the present deadline, unless it is recorded already or the deadline lies
    /// later than `at`.
    fn breach_before(&self, at: Instant) -> Option<Event> {
        let due_at = self.deadline.filter(|due_at| *due_at < at)?;
        (!self.breached()).then_some(Event::DeadlineBreached { due_at })
    }

    /// The withdrawal of every breach of a deadline that was met, for it was done at `at`.
    fn withdrawals(&self, at: Instant, fact: Option<u64>) -> impl Iterator<Item = Event> {
        let met = self.breaches.range(at..);
        met.map(move |due_at| Event::BreachWithdrawn {
            due_at: *due_at,
            fact,
        })
    }

    /// A claim made in time that no re-inspection has failed.
    fn claimed_in_time(&self) -> Option<&ClaimedRectification> {
        let due = self.deadline?;
        self.claimed.as_ref().filter(|claimed| claimed.at <= due)
    }
}

fn occurred(
    world: &World,
    unit: UnitId,
    at: Option<Instant>,
    cx: &Context,
) -> Result<Instant, Stop> {
    let at = at.unwrap_or(cx.now);
    if at > cx.now {
        return Err(Refusal::TimeInTheFuture.into());
    }
    if at < cx.now && !PolicySets::within_back_date_window(world, unit, at, cx)? {
        return Err(Refusal::BackDatedTooFar.into());
    }
    Ok(at)
}

fn report(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
    let Command::ReportHazard {
        hazard,
        unit,
        kind,
        place,
        description,
        photos,
        seen_at,
    } = command
    else {
        return Ok(Decision::new());
    };
    if world.state::<Hazard>(hazard)?.state != HazardState::Unknown {
        return Err(Refusal::HazardAlreadyReported.into());
    }
    Unit::existing(world, *unit)?;
    check_kind_and_place(kind, *place)?;
    if description.as_ref().is_some_and(Personal::is_too_long) {
        return Err(Refusal::TextTooLong.into());
    }
    let mut envelope = Envelope::at(occurred(world, *unit, *seen_at, cx)?);
    envelope.unit = Some(unit.0);
    envelope.evidence.clone_from(photos);
    let event = Event::HazardReported {
        unit: *unit,
        kind: kind.clone(),
        place: *place,
        description: description.clone(),
        reporter: cx.actor.person,
        imported: None,
    };
    Ok(Decision::new().with::<Hazard>(hazard, event, envelope))
}

fn check_kind_and_place(kind: &str, place: Option<Place>) -> Result<(), Stop> {
    if kind.trim().is_empty() || kind.len() > KIND_BYTES_MAX {
        return Err(Refusal::KindNotAllowed.into());
    }
    if place.is_some_and(|place| !place.is_on_earth()) {
        return Err(Refusal::PlaceNotOnEarth.into());
    }
    Ok(())
}

fn check_closing(closed: &SourceClosing, cx: &Context) -> Result<(), Stop> {
    if !(1..=STATUS_BYTES_MAX).contains(&closed.status.len()) {
        return Err(Refusal::StatusNotAllowed.into());
    }
    if closed.reason.as_ref().is_some_and(Personal::is_too_long) {
        return Err(Refusal::TextTooLong.into());
    }
    if closed.closed_at > cx.now {
        return Err(Refusal::TimeInTheFuture.into());
    }
    Ok(())
}

fn import(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
    let Command::ImportHazard {
        hazard,
        imported,
        unit,
        kind,
        place,
        opened_at,
        owner,
        due_at,
        closed,
    } = command
    else {
        return Ok(Decision::new());
    };
    ImportBatch::approved(world, imported.batch)?;
    if !imported.is_well_formed() {
        return Err(Refusal::ExternalIdNotAllowed.into());
    }
    let claim = Kind::ImportedHazard.key(imported.key());
    if world.state::<Claim>(&claim)?.holder.is_some() {
        return Err(Refusal::HazardAlreadyImported.into());
    }
    if world.state::<Hazard>(hazard)?.state != HazardState::Unknown {
        return Err(Refusal::HazardAlreadyReported.into());
    }
    Unit::existing(world, *unit)?;
    check_kind_and_place(kind, *place)?;
    if owner.trim().is_empty() || owner.len() > 200 {
        return Err(Refusal::OwnerNotAllowed.into());
    }
    if *opened_at > cx.now {
        return Err(Refusal::TimeInTheFuture.into());
    }
    if let Some(closed) = closed {
        check_closing(closed, cx)?;
    }
    let closed_at = closed.as_ref().map(|closed| closed.closed_at);
    if closed_at.is_some_and(|at| at < *opened_at) {
        return Err(Refusal::ClosedBeforeOpened.into());
    }
    if due_at.is_some_and(|at| at < *opened_at) {
        return Err(Refusal::DueBeforeOpened.into());
    }
    let at = |occurred_at: Instant| {
        let mut envelope = Envelope::at(occurred_at);
        envelope.unit = Some(unit.0);
        envelope.trust = Trust::Paper;
        envelope
    };
    let mut decision = Decision::new()
        .with::<Hazard>(
            hazard,
            Event::HazardReported {
                unit: *unit,
                kind: kind.clone(),
                place: *place,
                description: None,
                reporter: None,
                imported: Some(imported.clone()),
            },
            at(*opened_at),
        )
        .with::<Claim>(
            &claim,
            claim::Event::Claimed { holder: hazard.0 },
            at(*opened_at),
        )
        .with::<Hazard>(
            hazard,
            Event::OwnerAssigned {
                owner: owner.clone(),
            },
            at(*opened_at),
        );
    if let Some(due_at) = *due_at {
        let deadline = Deadline {
            due_at,
            basis: imported.source.clone(),
        };
        decision.push::<Hazard>(hazard, Event::DeadlineSet { deadline }, at(*opened_at));
        if closed_at.unwrap_or(cx.now) > due_at {
            let mut envelope = at(due_at);
            envelope.trust = Trust::System;
            decision.push::<Hazard>(hazard, Event::DeadlineBreached { due_at }, envelope);
        }
    }
    if let Some(closed) = closed {
        let event = Event::ClosedBySource {
            closed: closed.clone(),
        };
        decision.push::<Hazard>(hazard, event, at(closed.closed_at));
    }
    Ok(decision)
}

/// The events of a re-inspection, with what they mean for the deadline.
fn reinspect(
    hazard: &Hazard,
    passed: bool,
    reason: Option<&str>,
    cx: &Context,
) -> Result<Vec<Event>, Stop> {
    let person = cx.person()?;
    if hazard.reporter == Some(person) {
        return Err(Refusal::ReinspectorIsReporter.into());
    }
    if hazard
        .claimed
        .as_ref()
        .is_some_and(|claimed| claimed.by == person)
    {
        return Err(Refusal::ReinspectorIsRectifier.into());
    }
    if passed {
        let passed = Event::ReinspectionPassed {
            reinspected_by: person,
        };
        let Some(claimed) = &hazard.claimed else {
            return Ok(vec![passed]);
        };
        // A claim made too late is a breach, whether or not the timer came by before the close-out.
        let mut events: Vec<_> = hazard.breach_before(claimed.at).into_iter().collect();
        events.push(passed);
        // A breach recorded before the claim was known is withdrawn: the claim shows it was met.
        events.extend(hazard.withdrawals(claimed.at, Some(claimed.position)));
        return Ok(events);
    }
    let reason = reason.filter(|text| (1..=REASON_BYTES_MAX).contains(&text.len()));
    let reason = reason.ok_or(Refusal::ReasonNotAllowed)?.to_owned();
    let mut events = vec![Event::ReinspectionFailed {
        reinspected_by: person,
        reason,
    }];
    // The claim that held the breach back is void now.
    events.extend(hazard.breach_before(cx.now));
    Ok(events)
}

fn breach(hazard: &Hazard, due_at: Instant, world: &World, cx: &Context) -> Result<Event, Stop> {
    require_system(cx)?;
    if !hazard.state.is_open() {
        return Err(Refusal::HazardNotOpen.into());
    }
    if let Some(batch) = hazard.batch
        && world.state::<ImportBatch>(batch)?.is_open()
    {
        return Err(Refusal::ImportStillOpen.into());
    }
    match hazard.deadline {
        None => Err(Refusal::NoDeadline.into()),
        Some(at) if at != due_at => Err(Refusal::DeadlineReplaced.into()),
        Some(_) if hazard.breached() => Err(Refusal::BreachAlreadyRecorded.into()),
        Some(at) if at >= cx.now => Err(Refusal::DeadlineNotDue.into()),
        Some(_) if hazard.claimed_in_time().is_some() => {
            if hazard.state == HazardState::Reinspected {
                return Err(Refusal::DeadlineMet.into());
            }
            Err(Refusal::RectificationAwaitsReinspection.into())
        }
        Some(due_at) => Ok(Event::DeadlineBreached { due_at }),
    }
}

impl Aggregate for Hazard {
    const CATEGORY: &'static str = "hazard";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        match command {
            Command::ReportHazard { hazard, .. }
            | Command::VerifyHazard { hazard, .. }
            | Command::RejectHazard { hazard, .. }
            | Command::LinkDuplicate { hazard, .. }
            | Command::AssignOwner { hazard, .. }
            | Command::GrantExtension { hazard, .. }
            | Command::TakeInterimMeasure { hazard, .. }
            | Command::ReportUp { hazard, .. }
            | Command::ClaimRectification { hazard, .. }
            | Command::Reinspect { hazard, .. }
            | Command::CloseOut { hazard }
            | Command::RecordRecurrence { hazard, .. }
            | Command::RecordBreach { hazard, .. }
            | Command::ImportHazard { hazard, .. }
            | Command::CloseBySource { hazard, .. } => Self::stream(hazard),
        }
    }

    #[expect(clippy::too_many_lines, reason = "a table reads best in one piece")]
    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        use HazardState as S;
        if let Command::ReportHazard { .. } = command {
            return report(command, world, cx);
        }
        if let Command::ImportHazard { .. } = command {
            return import(command, world, cx);
        }
        let primary = Self::primary(command);
        let key = primary.key();
        let hazard = world.state::<Self>(key)?;
        let Some(unit) = hazard.unit else {
            return Err(Refusal::HazardNotFound.into());
        };
        let mut envelope = Envelope::at(cx.now);
        envelope.unit = Some(unit.0);
        let mut decision = Decision::new();
        let reason_ok = |text: &String| (1..=REASON_BYTES_MAX).contains(&text.len());
        let events = match (hazard.state, command) {
            (S::Unknown, _) => return Err(Refusal::HazardNotFound.into()),
            (S::Reported, Command::VerifyHazard { level, urgency, .. }) => {
                let verified_by = cx.person()?;
                if hazard.reporter == Some(verified_by) {
                    return Err(Refusal::VerifierIsReporter.into());
                }
                let policy = PolicySets::in_force(world, unit, cx.now)?;
                decision.used(&policy.reference());
                let deadline = Self::deadline(&policy, *urgency, cx.now);
                vec![
                    Event::HazardVerified {
                        level: *level,
                        urgency: *urgency,
                        verified_by,
                    },
                    Event::DeadlineSet { deadline },
                ]
            }
            (_, Command::VerifyHazard { .. }) => return Err(Refusal::HazardNotReported.into()),
            (S::Reported | S::Verified, Command::RejectHazard { reason, .. }) => {
                if !reason_ok(reason) {
                    return Err(Refusal::ReasonNotAllowed.into());
                }
                vec![Event::HazardRejected {
                    reason: reason.clone(),
                    rejected_by: cx.person()?,
                }]
            }
            (_, Command::RejectHazard { .. }) => return Err(Refusal::HazardNotReported.into()),
            (S::Reported | S::Verified, Command::LinkDuplicate { hazard: id, master }) => {
                if id == master {
                    return Err(Refusal::MasterIsItself.into());
                }
                match world.state::<Self>(master)?.state {
                    S::Unknown => return Err(Refusal::MasterNotFound.into()),
                    S::Duplicate => return Err(Refusal::MasterIsDuplicate.into()),
                    _ => {}
                }
                vec![Event::HazardLinkedAsDuplicate {
                    master: *master,
                    linked_by: cx.person()?,
                }]
            }
            (_, Command::LinkDuplicate { .. }) => return Err(Refusal::HazardNotReported.into()),
            (S::Verified | S::Rectifying, Command::AssignOwner { owner, .. }) => {
                if owner.trim().is_empty() || owner.len() > 200 {
                    return Err(Refusal::OwnerNotAllowed.into());
                }
                vec![Event::OwnerAssigned {
                    owner: owner.clone(),
                }]
            }
            (_, Command::AssignOwner { .. }) => return Err(Refusal::HazardNotVerified.into()),
            (S::Rectifying, Command::GrantExtension { until, reason, .. }) => {
                if !reason_ok(reason) {
                    return Err(Refusal::ReasonNotAllowed.into());
                }
                let old = hazard.deadline.ok_or(Refusal::NoDeadline)?;
                if *until <= old || *until <= cx.now {
                    return Err(Refusal::ExtensionNotLater.into());
                }
                let deadline = Deadline {
                    due_at: *until,
                    basis: "extension".to_owned(),
                };
                let granted_by = cx.person()?;
                vec![Event::ExtensionGranted {
                    deadline,
                    reason: reason.clone(),
                    granted_by,
                }]
            }
            (_, Command::GrantExtension { .. }) => return Err(Refusal::HazardNotRectifying.into()),
            (state, Command::TakeInterimMeasure { measure, .. }) if state.is_open() => {
                if measure.is_too_long() || measure.is_blank() {
                    return Err(Refusal::TextTooLong.into());
                }
                vec![Event::InterimMeasureTaken {
                    measure: measure.clone(),
                }]
            }
            (state, Command::ReportUp { authority, .. }) if state.is_open() => {
                if hazard.level != Some(HazardLevel::Major) {
                    return Err(Refusal::HazardNotMajor.into());
                }
                if authority.trim().is_empty() || authority.len() > 200 {
                    return Err(Refusal::OwnerNotAllowed.into());
                }
                vec![Event::MajorHazardReportedUp {
                    authority: authority.clone(),
                }]
            }
            (_, Command::TakeInterimMeasure { .. } | Command::ReportUp { .. }) => {
                return Err(Refusal::HazardNotOpen.into());
            }
            (
                S::Rectifying,
                Command::ClaimRectification {
                    done_at, photos, ..
                },
            ) => {
                if hazard.level == Some(HazardLevel::Major) {
                    if !hazard.interim_measure {
                        return Err(Refusal::InterimMeasureMissing.into());
                    }
                    if !hazard.reported_up {
                        return Err(Refusal::NotReportedUp.into());
                    }
                }
                envelope.occurred_at = occurred(world, unit, *done_at, cx)?;
                if hazard.reported_at > Some(envelope.occurred_at) {
                    return Err(Refusal::TimeBeforeReport.into());
                }
                envelope.evidence.clone_from(photos);
                vec![Event::RectificationClaimed {
                    rectified_by: cx.person()?,
                }]
            }
            (_, Command::ClaimRectification { .. }) => {
                return Err(Refusal::HazardNotRectifying.into());
            }
            (S::Rectified, Command::Reinspect { passed, reason, .. }) => {
                reinspect(&hazard, *passed, reason.as_deref(), cx)?
            }
            (_, Command::Reinspect { .. }) => return Err(Refusal::HazardNotRectified.into()),
            (S::Reinspected, Command::CloseOut { .. }) => {
                vec![Event::HazardClosedOut {
                    closed_by: cx.person()?,
                }]
            }
            (_, Command::CloseOut { .. }) => return Err(Refusal::HazardNotReinspected.into()),
            (S::ClosedOut | S::ClosedBySource, Command::RecordRecurrence { seen_at, .. }) => {
                envelope.occurred_at = occurred(world, unit, *seen_at, cx)?;
                vec![Event::HazardRecurred {
                    reported_by: cx.person()?,
                }]
            }
            (_, Command::RecordRecurrence { .. }) => return Err(Refusal::HazardNotClosed.into()),
            (_, Command::RecordBreach { due_at, .. }) => {
                vec![breach(&hazard, *due_at, world, cx)?]
            }
            (state, Command::CloseBySource { batch, closed, .. }) => {
                ImportBatch::approved(world, *batch)?;
                if hazard.batch.is_none() {
                    return Err(Refusal::HazardNotImported.into());
                }
                if !state.is_open() {
                    return Err(Refusal::HazardNotOpen.into());
                }
                check_closing(closed, cx)?;
                if hazard.reported_at > Some(closed.closed_at) {
                    return Err(Refusal::ClosedBeforeOpened.into());
                }
                envelope.occurred_at = closed.closed_at;
                envelope.trust = Trust::Paper;
                // A passed re-inspection has met the deadline already.
                let met = state == S::Reinspected && hazard.claimed_in_time().is_some();
                let breach = hazard.breach_before(closed.closed_at).filter(|_| !met);
                let mut events: Vec<_> = breach.into_iter().collect();
                events.push(Event::ClosedBySource {
                    closed: closed.clone(),
                });
                events.extend(hazard.withdrawals(closed.closed_at, None));
                events
            }
            (_, Command::ReportHazard { .. } | Command::ImportHazard { .. }) => Vec::new(),
        };
        for event in events {
            let mut envelope = envelope.clone();
            // A breach happens when the deadline passes, whoever finds it and when.
            if let Event::DeadlineBreached { due_at } = &event {
                envelope.occurred_at = *due_at;
                envelope.trust = Trust::System;
                envelope.evidence.clear();
            }
            decision.push::<Self>(key, event, envelope);
        }
        Ok(decision)
    }

    fn evolve(&mut self, event: &Event, stamp: &Stamp) {
        match event {
            Event::HazardReported {
                unit,
                reporter,
                imported,
                ..
            } => {
                self.state = HazardState::Reported;
                self.unit = Some(*unit);
                self.reporter = *reporter;
                self.reported_at = Some(stamp.occurred_at);
                self.batch = imported.as_ref().map(|imported| imported.batch);
            }
            Event::HazardVerified { level, urgency, .. } => {
                self.state = HazardState::Verified;
                self.level = Some(*level);
                self.urgency = Some(*urgency);
            }
            Event::HazardRejected { .. } => self.state = HazardState::Invalid,
            Event::HazardLinkedAsDuplicate { .. } => self.state = HazardState::Duplicate,
            Event::OwnerAssigned { .. } => self.state = HazardState::Rectifying,
            Event::DeadlineSet { deadline } | Event::ExtensionGranted { deadline, .. } => {
                self.deadline = Some(deadline.due_at);
            }
            Event::InterimMeasureTaken { .. } => self.interim_measure = true,
            Event::MajorHazardReportedUp { .. } => self.reported_up = true,
            Event::RectificationClaimed { rectified_by } => {
                self.state = HazardState::Rectified;
                self.claimed = Some(ClaimedRectification {
                    by: *rectified_by,
                    at: stamp.occurred_at,
                    position: stamp.position,
                });
            }
            Event::ReinspectionPassed { .. } => self.state = HazardState::Reinspected,
            Event::ReinspectionFailed { .. } => {
                self.state = HazardState::Rectifying;
                self.claimed = None;
            }
            Event::HazardClosedOut { .. } => {
                self.state = HazardState::ClosedOut;
                self.closed_at = Some(stamp.occurred_at);
            }
            Event::HazardRecurred { reported_by } => {
                self.state = HazardState::Reported;
                self.reporter = Some(*reported_by);
                self.reported_at = Some(stamp.occurred_at);
                self.level = None;
                self.urgency = None;
                self.interim_measure = false;
                self.reported_up = false;
                self.claimed = None;
                self.deadline = None;
                self.breaches.clear();
                self.closed_at = None;
            }
            Event::DeadlineBreached { due_at } => {
                self.breaches.insert(*due_at);
            }
            Event::BreachWithdrawn { due_at, .. } => {
                self.breaches.remove(due_at);
            }
            Event::ClosedBySource { closed } => {
                self.state = HazardState::ClosedBySource;
                self.closed_at = Some(closed.closed_at);
            }
        }
    }
}

#[cfg(test)]
#[path = "hazard_tests.rs"]
mod tests;
