//! Campaign: a numbered, dated, joint wave of publicity, door to door.
//!
//! ```text
//! Planned ──Started (first attendance)──> Running ──CampaignEnded──> Ended
//! each person: joined → attended → verified / rejected
//! ```
//! Owns who took part, doors visited and leaflets. Per person and wave one participation, so one
//! award. Doors count once per wave; leaflets out = delivered + returned + lost.

use serde::{Deserialize, Serialize};

use crate::envelope::Instant;
use crate::ids::{CampaignId, PersonId, UnitId};

/// What happened at a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DoorResult {
    /// Somebody was at home and took a leaflet.
    Home,
    /// Nobody was there.
    Absent,
    /// They did not want to.
    Refused,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Command {
    /// Plan a wave.
    PlanCampaign {
        /// A random id, given by the caller.
        campaign: CampaignId,
        /// Where.
        community: UnitId,
        /// Its name, 1..=200 bytes.
        name: String,
        /// Which wave, from 1.
        wave: u32,
        /// Start.
        from: Instant,
        /// End, later.
        until: Instant,
    },
    /// Take part; an active member.
    JoinCampaign {
        /// Which.
        campaign: CampaignId,
        /// Who.
        person: PersonId,
    },
    /// Take leaflets out.
    IssueLeaflets {
        /// Which campaign.
        campaign: CampaignId,
        /// Who.
        person: PersonId,
        /// How many, 1..=10,000.
        count: u32,
    },
    /// Visit a door.
    VisitDoor {
        /// Which campaign.
        campaign: CampaignId,
        /// Who; must have joined.
        person: PersonId,
        /// The door's key (building, unit, number), 1..=100 bytes, no name in it.
        door: String,
        /// What happened.
        result: DoorResult,
        /// When; now if absent.
        visited_at: Option<Instant>,
    },
    /// Bring leaflets back.
    ReturnLeaflets {
        /// Which campaign.
        campaign: CampaignId,
        /// Who.
        person: PersonId,
        /// How many come back.
        returned: u32,
        /// How many are lost.
        lost: u32,
    },
    /// Confirm a person's part; by another person.
    VerifyParticipation {
        /// Which campaign.
        campaign: CampaignId,
        /// Whose part.
        person: PersonId,
        /// Minutes that count, 0..=1,440.
        minutes: u32,
    },
    /// Find that a person's part does not count; by another person.
    RejectParticipation {
        /// Which campaign.
        campaign: CampaignId,
        /// Whose part.
        person: PersonId,
        /// Why, 1..=500 bytes.
        reason: String,
    },
    /// End the wave.
    EndCampaign {
        /// Which.
        campaign: CampaignId,
    },
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A wave was planned.
    CampaignPlanned {
        /// Where.
        community: UnitId,
        /// Its name.
        name: String,
        /// Which wave.
        wave: u32,
        /// Start.
        from: Instant,
        /// End.
        until: Instant,
    },
    /// Somebody will take part.
    VolunteerJoined {
        /// Who.
        person: PersonId,
    },
    /// Leaflets went out.
    LeafletsIssued {
        /// With whom.
        person: PersonId,
        /// How many.
        count: u32,
    },
    /// A door was visited.
    DoorVisited {
        /// By whom.
        person: PersonId,
        /// Its key.
        door: String,
        /// What happened.
        result: DoorResult,
    },
    /// Leaflets came back.
    LeafletsReturned {
        /// From whom.
        person: PersonId,
        /// How many came back.
        returned: u32,
        /// How many are lost.
        lost: u32,
    },
    /// A person's part counts.
    ParticipationVerified {
        /// Whose.
        person: PersonId,
        /// Where.
        community: UnitId,
        /// Minutes that count.
        minutes: u32,
        /// Doors visited.
        doors: u32,
        /// Who says so.
        verified_by: PersonId,
    },
    /// A person's part does not count.
    ParticipationRejected {
        /// Whose.
        person: PersonId,
        /// Why.
        reason: String,
        /// Who says so.
        rejected_by: PersonId,
    },
    /// The wave is over.
    CampaignEnded {
        /// People who took part.
        volunteers: u32,
        /// Doors visited.
        doors: u32,
        /// Leaflets delivered.
        leaflets: u32,
    },
}

// STUB-BEGIN
/// State.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Campaign {}

impl crate::world::Aggregate for Campaign {
    const CATEGORY: &'static str = "campaign";
    type Command = Command;
    type Event = Event;
    fn primary(_: &Command) -> crate::stream::StreamName {
        Self::stream("stub")
    }
    fn decide(
        _: &Command,
        _: &crate::world::World,
        _: &crate::world::Context,
    ) -> Result<crate::world::Decision, crate::refusal::Stop> {
        Ok(crate::world::Decision::new())
    }
    fn evolve(&mut self, _: &Event, _: &crate::world::Stamp) {}
}
// STUB-END
