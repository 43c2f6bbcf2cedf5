//! What can be asked of a lead.

use serde::Serialize;

use super::LeadKind;
use crate::ids::{ContributionId, LeadId, MatterId, PersonId, UnitId};
use crate::personal::Personal;

/// Something asked of a lead.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Command {
    /// Which lead.
    pub lead: LeadId,
    /// What.
    pub ask: Ask,
}

/// Whom a lead comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Source {
    /// The person who submits it.
    Oneself,
    /// Another person, for whom an officer enters it.
    Person(PersonId),
    /// Nobody who is named; an officer enters it. It brings no award.
    Nobody,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Ask {
    /// Tell something in confidence.
    SubmitLead {
        /// The community it lies in.
        community: UnitId,
        /// What it is about.
        kind: LeadKind,
        /// What is told.
        body: Personal,
        /// Whom it comes from.
        source: Source,
        /// How the source can be reached, or who it is if no registered person.
        contact: Option<Personal>,
    },
    /// Take it under review, also over from another officer.
    TriageLead,
    /// Read what is told and by whom; recorded.
    AccessLead {
        /// What for.
        purpose: Personal,
    },
    /// Find it true. Of the valid leads about a matter the one submitted first wins, whichever was
    /// looked at first; any other becomes its duplicate.
    ValidateLead {
        /// What it tells of, by the id in the station's registers.
        matter: MatterId,
        /// What it led to.
        effect: Personal,
        /// What stands for the lead on an account: a fresh random id, made where the command comes
        /// in. No part of the content: a repeat brings another one and is still the same command.
        #[serde(skip)]
        contribution: ContributionId,
    },
    /// Find it not true.
    RejectLead {
        /// Why.
        reason: Personal,
    },
    /// Hand it over to the police as a case.
    TransferLead {
        /// Reference of the police's case.
        police_case: Personal,
    },
    /// Say what came of it.
    RecordLeadOutcome {
        /// What.
        outcome: Personal,
    },
    /// Close the record; what it told can be told anew.
    ArchiveLead,
}
