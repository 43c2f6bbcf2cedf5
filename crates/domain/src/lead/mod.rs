//! Lead: what somebody tells the police in confidence (线索): a rental, floating population, a case.
//!
//! ```text
//! Submitted ──> UnderReview ──> Valid ──────> Used ──┐
//!                  │    │ ├───> Invalid ─────────────┤
//!                  │    │ └───> Duplicate ───────────┼──> Archived
//!                  │    └─────> Transferred ─> Used ─┘
//!                  └ the police's answer may still make it Valid, Invalid or Duplicate
//! Valid, Used ──> Duplicate, when one told before it is found to tell the same
//! ```
//! Owns the whole life of a lead and who may know it. Whoever tipped is known to the officer who
//! reviews it and to nobody else: every event is withheld, header and all; whoever may not know a
//! lead is answered as if there were none; the body is read by a command of its own, which is
//! recorded. An award names a random contribution instead of the lead, so that no way leads from an
//! account to a lead. Of the valid leads about a matter the one that was *submitted* first wins,
//! though officers look into them in any order: only validating names the matter, so an earlier lead
//! that is still open holds nobody up, and takes the matter over when it is found to tell the same;
//! the award of the later one is revised to nothing (`docs/decisions/0010-first-lead-wins.md`).
//! The table of states and commands stands in `docs/state-machines/lead.md`,
//! written by the tests. Points are not its business: a reaction answers `LeadValidated` and `LeadOvertaken`.

mod command;
mod event;
mod gate;
mod intake;
mod refusal;
mod review;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use command::{Ask, Command, Source};
pub use event::{Event, Reward};
pub use refusal::Refusal;

use crate::envelope::{Envelope, Instant, Visibility};
use crate::ids::{MatterId, PersonId, UnitId};
use crate::member::{Member, Role};
use crate::policy_set::{Leads, PolicySets};
use crate::refusal::Stop;
use crate::stream::StreamName;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// Most times that one reviewer reads a lead's body.
pub const ACCESSES_MAX: u32 = 1_000;

/// Most times that a lead is taken under review, but for those whose reviewer serves no more.
pub const TRIAGES_MAX: u32 = 100;

/// Roles that review leads: police officers. A captain is one, too.
const OFFICERS: &[Role] = &[Role::Captain, Role::Officer];

/// What a lead is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeadKind {
    /// 出租房, a dwelling that is let.
    Rental,
    /// 流动人口, somebody who moved in and is not registered.
    FloatingPopulation,
    /// 案件, a case.
    Case,
}

/// Where a lead stands.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum LeadState {
    /// There is none.
    #[default]
    Unknown,
    /// Nobody has looked at it yet.
    Submitted,
    /// An officer looks into it.
    UnderReview,
    /// It was true and told first.
    Valid,
    /// It was not true.
    Invalid,
    /// Another lead told the same before.
    Duplicate,
    /// The police took it over as a case.
    Transferred,
    /// What came of it is recorded.
    Used,
    /// The record is closed.
    Archived,
}

impl LeadState {
    /// Every state, in the order of a lead's life.
    pub const ALL: [Self; 9] = [
        Self::Unknown,
        Self::Submitted,
        Self::UnderReview,
        Self::Valid,
        Self::Invalid,
        Self::Duplicate,
        Self::Transferred,
        Self::Used,
        Self::Archived,
    ];

    /// True while an officer must still look into it.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Submitted | Self::UnderReview)
    }

    /// True where it is known what the lead was worth.
    pub fn is_closed(self) -> bool {
        !matches!(self, Self::Unknown) && !self.is_open()
    }
}

/// State of a lead: what its rules need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lead {
    /// Where it stands.
    pub state: LeadState,
    /// The community it lies in.
    pub community: Option<UnitId>,
    /// Who tipped, if that is a person.
    pub source: Option<PersonId>,
    /// The officer who entered what somebody else told.
    pub entered_by: Option<PersonId>,
    /// The officer who reviews or reviewed it.
    pub officer: Option<PersonId>,
    /// Position at which it was submitted: the order in which leads about one matter count.
    pub submitted: u64,
    /// What it was first to tell, while it holds that.
    pub matter: Option<MatterId>,
    /// What it earned, while it holds its matter.
    pub reward: Option<Reward>,
    /// When it was closed last.
    pub closed_at: Option<Instant>,
    /// How often its reviewer has read its body.
    pub accesses: u32,
    /// How often it was taken under review.
    pub triages: u32,
}

impl Lead {
    /// Whether an officer may know that there is this lead: everybody while it is open, so that it
    /// finds a reviewer; after that its reviewer. If that one `serves` no more as an officer of the
    /// community, everybody again until it is archived, so that it finds another.
    pub fn is_known_to(
        state: LeadState,
        reviewer: Option<PersonId>,
        serves: bool,
        officer: PersonId,
    ) -> bool {
        let is_free = !serves && state != LeadState::Archived;
        state.is_open() || (state.is_closed() && (reviewer == Some(officer) || is_free))
    }

    /// Whether a member is an officer who reviews leads of the community at an instant.
    pub fn is_reviewed_by(member: &Member, at: Instant) -> bool {
        OFFICERS.iter().any(|role| member.holds(*role, at))
    }
}

/// True if the person is an officer of the community now. Administrators are none: who runs the
/// system has no business with leads.
fn is_officer(
    world: &World,
    community: UnitId,
    person: PersonId,
    at: Instant,
) -> Result<bool, Stop> {
    let member = world.state::<Member>(Member::key(community, person))?;
    Ok(Lead::is_reviewed_by(&member, at))
}

/// The rules for leads in force, and the set they stand in; none without either.
fn rules(world: &World, community: UnitId, at: Instant) -> Result<Option<(Leads, String)>, Stop> {
    match PolicySets::in_force(world, community, at) {
        Ok(set) => Ok(set.leads.map(|rules| (rules, set.reference()))),
        Err(Stop::Refused(_)) => Ok(None),
        Err(need) => Err(need),
    }
}

/// The envelope of everything about a lead: withheld.
fn withheld(community: UnitId, at: Instant) -> Envelope {
    let mut envelope = Envelope::at(at);
    envelope.unit = Some(community.0);
    envelope.visibility = Visibility::Withheld;
    envelope
}

/// A decision whose header is withheld, too: it names who acts.
fn confidential() -> Decision {
    let mut decision = Decision::new();
    decision.visibility = Visibility::Withheld;
    decision
}

impl Aggregate for Lead {
    const CATEGORY: &'static str = "lead";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        Self::stream(command.lead)
    }

    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        let id = command.lead;
        let lead = &*world.state::<Self>(id)?;
        let actor = cx.person()?;
        let community = match (lead.community, &command.ask) {
            (None, Ask::SubmitLead { .. }) => return intake::submit(command, actor, world, cx),
            (Some(_), Ask::SubmitLead { .. }) => return Err(Refusal::LeadAlreadySubmitted.into()),
            (None, _) => return Err(Refusal::LeadNotFound.into()),
            (Some(community), _) => community,
        };
        // Who may not know the lead is not told that there is one, whatever they ask.
        if !is_officer(world, community, actor, cx.now)? {
            return Err(Refusal::LeadNotFound.into());
        }
        let serves = match lead.officer {
            Some(reviewer) => is_officer(world, community, reviewer, cx.now)?,
            None => false,
        };
        if !Self::is_known_to(lead.state, lead.officer, serves, actor) {
            return Err(Refusal::LeadNotFound.into());
        }
        gate::gate(lead, &command.ask, actor, serves)?;
        let review = review::Review {
            id,
            lead,
            community,
            officer: actor,
            world,
            cx,
        };
        review.answer(&command.ask)
    }

    fn evolve(&mut self, event: &Event, stamp: &Stamp) {
        let closed = |state| (state, Some(stamp.occurred_at));
        match event {
            Event::LeadSubmitted {
                community,
                source,
                entered_by,
                ..
            } => {
                self.state = LeadState::Submitted;
                self.submitted = stamp.position;
                self.community = Some(*community);
                self.source = *source;
                self.entered_by = *entered_by;
            }
            Event::LeadTriaged { officer } => {
                // A closed lead gets another reviewer and stays what it is.
                if !self.state.is_closed() {
                    self.state = LeadState::UnderReview;
                }
                if self.officer != Some(*officer) {
                    self.accesses = 0;
                }
                self.officer = Some(*officer);
                self.triages = self.triages.saturating_add(1);
            }
            Event::LeadAccessed { .. } => self.accesses = self.accesses.saturating_add(1),
            Event::LeadValidated { matter, reward, .. } => {
                (self.state, self.closed_at) = closed(LeadState::Valid);
                (self.matter, self.reward) = (Some(*matter), *reward);
            }
            // It stays closed since when it was.
            Event::LeadOvertaken { .. } => {
                self.state = LeadState::Duplicate;
                (self.matter, self.reward) = (None, None);
            }
            Event::LeadRejected { .. } => {
                (self.state, self.closed_at) = closed(LeadState::Invalid);
            }
            Event::LeadLinkedAsDuplicate { .. } => {
                (self.state, self.closed_at) = closed(LeadState::Duplicate);
            }
            Event::LeadTransferred { .. } => {
                (self.state, self.closed_at) = closed(LeadState::Transferred);
            }
            Event::LeadOutcomeRecorded { .. } => self.state = LeadState::Used,
            Event::LeadArchived { .. } => {
                self.state = LeadState::Archived;
                (self.matter, self.reward) = (None, None);
            }
        }
    }
}
