//! Claim: a key that at most one holder has at a time.
//!
//! ```text
//! free ──Claimed──> held ──Released──> free
//! ```
//! Its stream is named by kind and key (`claim/tag/04A1`), so uniqueness across streams is the
//! expected version of that stream. It has no commands: other aggregates' decisions write it.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::refusal::Stop;
use crate::stream::StreamName;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// What a key is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The open shift of a person: person id → shift id.
    OpenShift,
    /// The checkpoint of a tag: tag id → checkpoint id.
    Tag,
    /// The person of an identity number: keyed hash → person id.
    Identity,
    /// The unit an import made for a name: source and name → unit id.
    ImportedUnit,
    /// The campaign of a wave: community, name and number → campaign id.
    CampaignWave,
    /// The lead that was submitted first of the valid ones about a matter: matter id → lead id.
    LeadMatter,
    /// The hazard an import made for a record: source and external id → hazard id.
    ImportedHazard,
}

impl Kind {
    /// The key of the claim's stream.
    pub fn key(self, key: impl fmt::Display) -> String {
        let kind = match self {
            Self::OpenShift => "open_shift",
            Self::Tag => "tag",
            Self::Identity => "identity",
            Self::ImportedUnit => "imported_unit",
            Self::CampaignWave => "campaign_wave",
            Self::LeadMatter => "lead_matter",
            Self::ImportedHazard => "imported_hazard",
        };
        format!("{kind}/{key}")
    }
}

/// State of a claim.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// Who holds the key, if anybody.
    pub holder: Option<Uuid>,
}

/// A claim has no commands of its own.
#[derive(Debug, Clone, Serialize)]
pub enum Command {}

/// What happens to a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The key got a holder.
    Claimed {
        /// Who holds it now.
        holder: Uuid,
    },
    /// The key is free again.
    Released {
        /// Who held it.
        holder: Uuid,
    },
}

impl Aggregate for Claim {
    const CATEGORY: &'static str = "claim";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        match *command {}
    }

    fn decide(command: &Command, _: &World, _: &Context) -> Result<Decision, Stop> {
        match *command {}
    }

    fn evolve(&mut self, event: &Event, _: &Stamp) {
        self.holder = match event {
            Event::Claimed { holder } => Some(*holder),
            Event::Released { .. } => None,
        };
    }
}
