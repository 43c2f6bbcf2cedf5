//! What happens to a lead. Every event is withheld, with the header of its commit.

use serde::{Deserialize, Serialize};

use super::LeadKind;
use crate::ids::{ContributionId, LeadId, MatterId, PersonId, UnitId};
use crate::personal::Personal;

/// What a valid lead earns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reward {
    /// Who tipped.
    pub person: PersonId,
    /// What stands for the lead on the account; random, and nowhere else.
    pub contribution: ContributionId,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// Somebody told something in confidence.
    LeadSubmitted {
        /// The community it lies in.
        community: UnitId,
        /// What it is about.
        kind: LeadKind,
        /// What is told.
        body: Personal,
        /// Who tipped, if a registered person.
        source: Option<PersonId>,
        /// How the source can be reached.
        contact: Option<Personal>,
        /// The officer who entered it for somebody else.
        entered_by: Option<PersonId>,
    },
    /// An officer took it under review.
    LeadTriaged {
        /// Who.
        officer: PersonId,
    },
    /// Its body and its source were read.
    LeadAccessed {
        /// By whom.
        officer: PersonId,
        /// What for.
        purpose: Personal,
    },
    /// It was true, and told first.
    LeadValidated {
        /// The community it lies in.
        community: UnitId,
        /// Who found so.
        officer: PersonId,
        /// What it tells of.
        matter: MatterId,
        /// What it led to.
        effect: Personal,
        /// What it earns, if its source is a registered person.
        reward: Option<Reward>,
    },
    /// Another lead, told before this valid one, was found to tell the same: it is the first now.
    LeadOvertaken {
        /// The community this one lies in.
        community: UnitId,
        /// Who found the other one valid.
        officer: PersonId,
        /// What both tell of.
        matter: MatterId,
        /// The one that was told before.
        first: LeadId,
        /// What this one had earned and earns no more.
        reward: Option<Reward>,
    },
    /// It was not true.
    LeadRejected {
        /// Who found so.
        officer: PersonId,
        /// Why.
        reason: Personal,
    },
    /// Another lead told the same before.
    LeadLinkedAsDuplicate {
        /// Who found so.
        officer: PersonId,
        /// What both tell of.
        matter: MatterId,
        /// The one that was first.
        first: LeadId,
        /// What it led to.
        effect: Personal,
    },
    /// The police took it over as a case.
    LeadTransferred {
        /// Who handed it over.
        officer: PersonId,
        /// Reference of the police's case.
        police_case: Personal,
    },
    /// What came of it is known.
    LeadOutcomeRecorded {
        /// Who says so.
        officer: PersonId,
        /// What.
        outcome: Personal,
    },
    /// The record is closed.
    LeadArchived {
        /// By whom.
        officer: PersonId,
    },
}
