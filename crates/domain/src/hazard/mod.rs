//! Hazard: the closed loop from report to close-out (隐患闭环).
//!
//! ```text
//! Reported ──Verified──> Verified ──Assigned──> Rectifying ──RectificationClaimed──> Rectified
//!    │ Rejected → Invalid   │  ▲       JointOwner ▲ │ ▲         ReinspectionFailed ┘   │
//!    └ Linked… → Duplicate  │  │            Ruled │ ▼ └ ExtensionGranted              │
//!        ReferralReturned   │  │        BoundaryUnclear            ReinspectionPassed │
//!                  Referred ┴──┘                                                      ▼
//! Reported <──HazardRecurred── ClosedOut <──────────HazardClosedOut────────── Reinspected
//! imported, and open or Referred ──ClosedBySource──> ClosedBySource
//! ```
//! Owns the loop, its deadlines and their breaches. The deadline to rectify is met by the claim
//! of rectification that later passes re-inspection, or by the closing time an import states; the
//! one to report a major hazard upward by that report; the one to look at it again, in working days
//! from when the claim was made, by the re-inspection. Their lengths come from the policy set. The
//! table of states and commands stands in `docs/state-machines/hazard.md`, written by the tests.

mod case;
mod command;
mod consequences;
mod event;
mod evolve;
mod gate;
mod import;
mod intake;
mod owner;
mod rectification;
mod refusal;
mod reinspection;
mod terms;
#[cfg(test)]
mod tests;
mod timer;
mod upward;

use std::collections::BTreeSet;

pub use command::Command;
pub use consequences::{Consequences, Rules, When};
pub use event::Event;
pub use refusal::Refusal;
pub use terms::{
    ClaimedRectification, Deadline, HazardLevel, HazardState, Purpose, SourceClosing, Urgency,
};
pub use timer::Due;

use case::Case;
use gate::gate;

use crate::envelope::Instant;
use crate::ids::{BatchId, HazardId, PersonId, UnitId};
use crate::member::Role;
use crate::refusal::Stop;
use crate::stream::StreamName;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// Longest kind, in bytes.
pub const KIND_BYTES_MAX: usize = 100;
/// Longest reason, in bytes.
pub const REASON_BYTES_MAX: usize = 500;
/// Longest status of a source, in bytes.
pub const STATUS_BYTES_MAX: usize = 100;
/// Longest name of an owner or authority, in bytes.
pub const OWNER_BYTES_MAX: usize = 200;
/// Most joint owners beside the lead, and most candidates where it is unclear whose it is.
pub const OWNERS_MAX: usize = 10;
/// Longest reference of a council meeting, in bytes.
pub const COUNCIL_MEETING_BYTES_MAX: usize = 100;
/// Longest id of a referral at the other authority, in bytes.
pub const REFERRAL_ID_BYTES_MAX: usize = 200;
/// Most duplicates of a hazard.
pub const DUPLICATES_MAX: usize = 100;
/// Most persons who reported a hazard that was known already.
pub const REPORTERS_MAX: usize = 500;

/// Roles that enter the ruling of a council.
const RULERS: &[Role] = &[Role::Captain, Role::Instructor];

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
    pub batch: Option<BatchId>,
    /// An interim measure was taken.
    pub interim_measure: bool,
    /// Who reported it again, as a duplicate.
    pub reporters: BTreeSet<PersonId>,
    /// Reports of it that were linked as duplicates.
    pub duplicates: BTreeSet<HazardId>,
    /// A council ruled who answers for it.
    pub jointly_owned: bool,
    /// When it was first reported upward, as claimed.
    pub reported_up_at: Option<Instant>,
    /// When a major hazard must be reported upward.
    pub report_up_due: Option<Instant>,
    /// The breach of that is recorded and stands.
    pub report_up_breached: bool,
    /// When it must be looked at again, by the latest claim.
    pub reinspection_due: Option<Instant>,
    /// That deadline, if its breach is recorded and stands.
    pub reinspection_breach: Option<Instant>,
    /// The latest claim that it is rectified.
    pub claimed: Option<ClaimedRectification>,
    /// When it must be rectified.
    pub deadline: Option<Instant>,
    /// Deadlines, this one and those before an extension, whose breach is recorded and stands.
    pub breaches: BTreeSet<Instant>,
    /// When it was closed, as claimed.
    pub closed_at: Option<Instant>,
}

impl Hazard {
    /// True if the person reported it, or reported it again as a duplicate.
    #[cfg(test)]
    fn was_reported_by(&self, person: PersonId) -> bool {
        self.reporter == Some(person) || self.reporters.contains(&person)
    }

    /// Everybody who reported it, each once.
    fn all_reporters(&self) -> impl Iterator<Item = PersonId> {
        let first = self
            .reporter
            .filter(|first| !self.reporters.contains(first));
        first.into_iter().chain(self.reporters.iter().copied())
    }
}

impl Aggregate for Hazard {
    const CATEGORY: &'static str = "hazard";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        Self::stream(command.hazard())
    }

    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        match command {
            Command::ReportHazard { .. } => return intake::report(command, world, cx),
            Command::ImportHazard { .. } => return import::import(command, world, cx),
            _ => {}
        }
        let id = command.hazard();
        let hazard = &*world.state::<Self>(id)?;
        let unit = hazard.unit.ok_or(Refusal::HazardNotFound)?;
        gate(hazard.state, command)?;
        let case = Case {
            id,
            hazard,
            unit,
            world,
            cx,
        };
        case.answer(command)
    }

    fn evolve(&mut self, event: &Event, stamp: &Stamp) {
        self.take(event, stamp);
    }
}
