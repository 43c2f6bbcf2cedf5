//! Dispute: mediation from the first word to the archive (矛盾纠纷联调, "1+3+N").
//!
//! ```text
//! Registered ──> Accepted ──> Scheduled ──> InMediation ⇄ Adjourned
//!    │ NotAccepted                              │ AgreementReached
//!    │                                          ▼
//!    │   signed by all, sealed, effective    Agreed ──> Performing ──> Performed
//!    │                                                  │  ▲
//!    │                               ObligationOverdue  ▼  │ ObligationPerformed
//!    │                                       Breached ──> Urged ──> ReferredToCourt
//!    └─ before an agreement binds: Withdrawn, Failed;  at any time: Terminated;  by court: Void
//! whatever has ended ──cooling──> Archived ──DisputeReopened──> Registered
//! ```
//! Owns the whole life of a dispute and its dates. Taking part is voluntary: without each party's
//! own act there is neither mediation nor agreement, and until an agreement binds either party may
//! stop. The table of states and commands stands in `docs/state-machines/dispute.md`, written by
//! the tests. Points are not its business: a reaction answers `HelpVerified`.

mod agreement;
mod case;
mod command;
mod ending;
mod event;
mod evolve;
mod gate;
mod intake;
mod panel;
mod performance;
mod refusal;
mod sessions;
mod terms;
#[cfg(test)]
mod tests;
mod timer;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use command::{Ask, Command, Paper};
pub use event::Event;
pub use refusal::Refusal;
pub use terms::{
    CourtDecision, DisputeKind, DisputeState, Form, Obligation, Panel, Purpose, Remedy,
    SessionType, Source,
};
pub use timer::Due;

use case::{Case, check_reason, check_text, stands_twice};
use gate::gate;

use crate::envelope::Instant;
use crate::ids::{AssessmentId, DisputeId, PersonId, UnitId};
use crate::member::{Member, Role};
use crate::refusal::Stop;
use crate::stream::StreamName;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// Fewest parties.
pub const PARTIES_MIN: usize = 2;
/// Most parties.
pub const PARTIES_MAX: usize = 20;
/// Most members of a panel beside the lead and the three offices.
pub const MEMBERS_MAX: usize = 20;
/// Most sessions.
pub const SESSIONS_MAX: usize = 200;
/// Most questions to experts.
pub const ASSESSMENTS_MAX: usize = 20;
/// Most obligations of an agreement.
pub const OBLIGATIONS_MAX: usize = 50;
/// Most items of evidence given at once.
pub const EVIDENCE_MAX: usize = 20;
/// Most disputes linked as a relapse of one.
pub const RELAPSES_MAX: usize = 100;
/// Longest reason, or way shown, in bytes.
pub const REASON_BYTES_MAX: usize = 500;
/// Longest name of a court, in bytes.
pub const COURT_BYTES_MAX: usize = 200;

/// Roles that mediate, beside whoever sits on the panel.
const MEDIATORS: &[Role] = &[
    Role::Captain,
    Role::Instructor,
    Role::Officer,
    Role::Mediator,
];
/// Roles that keep the committee's seal.
const SEALERS: &[Role] = &[Role::Captain, Role::Instructor];
/// Roles that overturn a triage.
const STATION: &[Role] = &[Role::Captain, Role::Officer];
/// Roles that verify who helped.
const VERIFIERS: &[Role] = &[Role::Captain, Role::Instructor, Role::Officer];

/// Whether a party wants to take part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stance {
    /// It was asked.
    #[default]
    Asked,
    /// It does.
    Consented,
    /// It does not.
    Refused,
}

/// A party.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// Whether it wants to take part.
    pub stance: Stance,
    /// It signed the agreement.
    pub signed: bool,
    /// It wants the court to confirm it.
    pub wants_confirmation: bool,
}

/// An obligation as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// Who owes it.
    pub debtor: PersonId,
    /// To whom.
    pub creditor: PersonId,
    /// By when.
    pub due_at: Instant,
    /// It is performed.
    pub performed: bool,
    /// It is, or was, overdue, and that stands.
    pub overdue: bool,
}

/// The agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// Position of its record.
    pub position: u64,
    /// On paper or by word.
    pub form: Form,
    /// When it was found.
    pub reached_at: Instant,
    /// By number.
    pub obligations: BTreeMap<u32, Owed>,
    /// Mediators who signed it.
    pub mediators: BTreeSet<PersonId>,
    /// Since when it binds.
    pub effective_at: Option<Instant>,
}

impl Agreement {
    fn all_performed(&self) -> bool {
        self.obligations.values().all(|owed| owed.performed)
    }
}

/// Where the court's confirmation stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confirmation {
    /// Not applied for.
    #[default]
    None,
    /// Applied for by all parties.
    Applied,
    /// Decided.
    Decided(CourtDecision),
}

/// State of a dispute: what its rules need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// Where it stands.
    pub state: DisputeState,
    /// The community it lies in.
    pub community: Option<UnitId>,
    /// Position of its registration.
    pub registration: u64,
    /// When it was registered, as claimed.
    pub registered_at: Option<Instant>,
    /// Who is at odds.
    pub parties: BTreeMap<PersonId, Party>,
    /// Who mediates.
    pub panel: Option<Panel>,
    /// Mediators whom a party does not want and who still sit there.
    pub challenged: BTreeSet<PersonId>,
    /// The parties know their rights.
    pub rights_notified: bool,
    /// Questions to experts, and whether they are answered.
    pub assessments: BTreeMap<AssessmentId, (PersonId, bool)>,
    /// Positions of the records of sessions.
    pub sessions: Vec<u64>,
    /// Mediators who were at a session.
    pub helpers: BTreeSet<PersonId>,
    /// Dates by what they are for.
    pub dates: BTreeMap<Purpose, Instant>,
    /// Breaches that are recorded and stand.
    pub breaches: BTreeSet<(Purpose, Instant)>,
    /// The deadline that some parties are willing to move to.
    pub extension: Option<(Instant, BTreeSet<PersonId>)>,
    /// What was agreed.
    pub agreement: Option<Agreement>,
    /// Where the court's confirmation stands.
    pub confirmation: Confirmation,
    /// Who was found to have helped.
    pub verified_helpers: BTreeSet<PersonId>,
    /// Disputes in which it broke out again, and when they were linked.
    pub relapses: BTreeMap<DisputeId, Instant>,
}

impl Dispute {
    fn everybody_signed(&self) -> bool {
        self.parties.values().all(|party| party.signed)
    }

    /// Whether a person may see who is at odds and why: a party, the panel, and whoever mediates
    /// in the community by role. `member` is the person's record there.
    pub fn is_known_to(&self, person: PersonId, member: &Member, at: Instant) -> bool {
        self.parties.contains_key(&person)
            || self.panel.as_ref().is_some_and(|panel| panel.seats(person))
            || MEDIATORS.iter().any(|role| member.holds(*role, at))
    }

    /// Whether an agreement was performed to its end and no court found it void.
    fn was_kept(&self) -> bool {
        let performed = self
            .agreement
            .as_ref()
            .is_some_and(Agreement::all_performed);
        performed && self.confirmation != Confirmation::Decided(CourtDecision::Void)
    }

    /// Since when an agreement binds, if one does or did.
    fn effective_at(&self) -> Option<Instant> {
        self.agreement.as_ref()?.effective_at
    }
}

impl Aggregate for Dispute {
    const CATEGORY: &'static str = "dispute";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        Self::stream(command.dispute)
    }

    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        let id = command.dispute;
        let dispute = &*world.state::<Self>(id)?;
        gate(dispute.state, &command.ask)?;
        let community = match (dispute.community, &command.ask) {
            (None, Ask::RegisterDispute { community, .. }) => *community,
            (None, _) => return Err(Refusal::DisputeNotFound.into()),
            (Some(community), _) => community,
        };
        let case = Case {
            id,
            dispute,
            community,
            world,
            cx,
        };
        case.answer(&command.ask)
    }

    fn evolve(&mut self, event: &Event, stamp: &Stamp) {
        self.take(event, stamp);
    }
}
