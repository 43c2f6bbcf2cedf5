//! Campaign: a numbered, dated, joint wave of publicity, door to door.
//!
//! ```text
//! Planned ──Started (first attendance)──> Running ──CampaignEnded──> Ended
//! each person: joined → attended → verified / rejected
//! ```
//! Owns who took part, doors visited and leaflets. Per person and wave one participation, so one
//! award. Doors count once per wave; leaflets out = delivered + returned + lost.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::claim::{self, Claim, Kind};
use crate::envelope::{Envelope, Instant, Trust};
use crate::ids::{CampaignId, PersonId, UnitId};
use crate::member::{Member, Role};
use crate::open_item::{self, Item};
use crate::policy_set::PolicySets;
use crate::refusal::{Stop, refusals};
use crate::separation;
use crate::stream::StreamName;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

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
        /// When a device sent it, if one did: then `visited_at` is what its clock said. No part of
        /// the content: sent again it is still the same command.
        #[serde(skip)]
        sent_at: Option<Instant>,
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

/// Longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 200;
/// Longest door key, in bytes.
pub const DOOR_BYTES_MAX: usize = 100;
/// Longest reason, in bytes.
pub const REASON_BYTES_MAX: usize = 500;
/// Most leaflets issued, returned or lost in one go.
pub const LEAFLETS_MAX: u32 = 10_000;
/// Most minutes that count for one participation: a day.
pub const MINUTES_MAX: u32 = 1_440;
/// Most doors of a wave; a community has some thousands.
pub const DOORS_MAX: usize = 50_000;

/// Where a campaign stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CampaignState {
    /// There is none.
    #[default]
    Unknown,
    /// Nobody was at a door yet.
    Planned,
    /// Somebody was.
    Running,
    /// Over; participations may still be settled and leaflets come back.
    Ended,
}

/// A person's part in a campaign. Leaflets are counted wide, so that no sum overflows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Participation {
    /// Leaflets taken out.
    pub issued: u64,
    /// Leaflets left at doors.
    pub delivered: u64,
    /// Leaflets brought back.
    pub returned: u64,
    /// Leaflets lost.
    pub lost: u64,
    /// Doors visited.
    pub doors: u32,
    /// When the latest visit was, as claimed.
    pub last_visit: Option<Instant>,
    /// Verified or rejected; for good.
    pub settled: bool,
}

impl Participation {
    /// Leaflets that are neither delivered nor returned nor lost.
    fn leaflets_out(&self) -> u64 {
        let accounted = [self.delivered, self.returned, self.lost];
        accounted.into_iter().fold(self.issued, u64::saturating_sub)
    }
}

/// State of a campaign.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Campaign {
    /// Where it stands.
    pub state: CampaignState,
    /// Where it is.
    pub community: Option<UnitId>,
    /// Start.
    pub from: Option<Instant>,
    /// End.
    pub until: Option<Instant>,
    /// Who joined, and what each did.
    pub participations: BTreeMap<PersonId, Participation>,
    /// Doors visited, by anybody.
    pub doors: BTreeSet<String>,
}

refusals! {
    /// Why it is refused.
    CampaignAlreadyPlanned = AlreadyExists, "campaign_id", "A campaign with this id is planned already.";
    WaveAlreadyPlanned = AlreadyExists, "wave", "A campaign of this name and wave is planned in this community already.";
    CampaignNotFound = NotFound, "campaign_id", "There is no campaign with this id.";
    CampaignOver = WrongState, "campaign_id", "This campaign has ended.";
    NameNotAllowed = Invalid, "name", "A campaign's name is 1 to 200 bytes.";
    WaveNotAllowed = Invalid, "wave", "Waves are numbered from 1.";
    EndsBeforeItBegins = Invalid, "until", "A campaign must end later than it begins.";
    AlreadyJoined = AlreadyExists, "person_id", "This person takes part already.";
    NotJoined = WrongState, "person_id", "This person has not joined the campaign.";
    ParticipationSettled = WrongState, "person_id", "This person's part is verified or rejected already; there is one per wave.";
    CountNotAllowed = Invalid, "count", "Leaflets are counted from 1 to 10,000.";
    MoreThanIssued = WrongState, "person_id", "No more leaflets can be delivered, returned and lost than this person took out.";
    DoorNotAllowed = Invalid, "door", "A door's key is 1 to 100 bytes.";
    DoorAlreadyVisited = AlreadyExists, "door", "This door was visited in this wave already.";
    TooManyDoors = WrongState, "door", "A wave holds at most 50,000 doors.";
    TimeInTheFuture = Invalid, "visited_at", "What happened cannot have happened later than now.";
    OutsideOfTheCampaign = Invalid, "visited_at", "A visit must lie between the campaign's start and end.";
    BackDatedTooFar = NotAllowed, "visited_at", "It lies further back than the policy's window.";
    VerifierIsBeneficiary = NotAllowed, "person_id", "Nobody verifies or rejects their own part.";
    VerifierNotAllowed = NotAllowed, "", "This needs an administrator, or a captain, instructor or officer of the community.";
    NoVisit = WrongState, "person_id", "This person was at no door yet.";
    LeafletsNotBalanced = WrongState, "person_id", "Leaflets taken out must all be delivered, returned or lost.";
    MinutesNotAllowed = Invalid, "minutes", "Minutes that count are 0 to 1,440.";
    ReasonNotAllowed = Invalid, "reason", "A reason is 1 to 500 bytes.";
}

/// A door's key as compared: blanks and case do not make another door.
fn same_door(door: &str) -> String {
    let letters = door.chars().filter(|letter| !letter.is_whitespace());
    letters.flat_map(char::to_lowercase).collect()
}

fn plan(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
    let Command::PlanCampaign {
        campaign,
        community,
        name,
        wave,
        from,
        until,
    } = command
    else {
        return Ok(Decision::new());
    };
    Member::require_community(world, *community, *until)?;
    Member::approver(world, *community, cx)?;
    if name.trim().is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(Refusal::NameNotAllowed.into());
    }
    if *wave == 0 {
        return Err(Refusal::WaveNotAllowed.into());
    }
    if until <= from {
        return Err(Refusal::EndsBeforeItBegins.into());
    }
    // One campaign a wave: else one wave planned under two ids would award twice.
    let key = Kind::CampaignWave.key(format_args!("{community}/{wave}/{}", name.trim()));
    if world.state::<Claim>(&key)?.holder.is_some() {
        return Err(Refusal::WaveAlreadyPlanned.into());
    }
    let mut envelope = Envelope::at(cx.now);
    envelope.unit = Some(community.0);
    let event = Event::CampaignPlanned {
        community: *community,
        name: name.clone(),
        wave: *wave,
        from: *from,
        until: *until,
    };
    let claimed = claim::Event::Claimed { holder: campaign.0 };
    Ok(Decision::new()
        .with::<Campaign>(campaign, event, envelope.clone())
        .with::<Claim>(&key, claimed, envelope))
}

impl Campaign {
    /// The part of a person who joined.
    fn part(&self, person: PersonId) -> Result<&Participation, Stop> {
        let part = self.participations.get(&person);
        part.ok_or_else(|| Refusal::NotJoined.into())
    }

    /// The part of a person who joined, which is not yet verified or rejected.
    fn open_part(&self, person: PersonId) -> Result<&Participation, Stop> {
        let part = self.part(person)?;
        if part.settled {
            return Err(Refusal::ParticipationSettled.into());
        }
        Ok(part)
    }

    /// When a visit was, if it can have been then.
    fn visited(
        &self,
        at: Option<Instant>,
        community: UnitId,
        world: &World,
        cx: &Context,
    ) -> Result<Instant, Stop> {
        let at = at.unwrap_or(cx.now);
        if at > cx.now {
            return Err(Refusal::TimeInTheFuture.into());
        }
        if self.from.is_some_and(|from| at < from) || self.until.is_some_and(|until| at > until) {
            return Err(Refusal::OutsideOfTheCampaign.into());
        }
        if at < cx.now && !PolicySets::within_back_date_window(world, community, at, cx)? {
            return Err(Refusal::BackDatedTooFar.into());
        }
        Ok(at)
    }

    /// The other person who settles somebody's part.
    fn verifier(
        &self,
        community: UnitId,
        beneficiary: PersonId,
        world: &World,
        cx: &Context,
    ) -> Result<PersonId, Stop> {
        let part = self.participations.get(&beneficiary);
        let done = part.and_then(|part| part.last_visit).unwrap_or(cx.now);
        let same = Refusal::VerifierIsBeneficiary;
        separation::apart(world, cx.person()?, beneficiary, done, same)?;
        let roles = [Role::Captain, Role::Instructor, Role::Officer];
        match Member::acting(world, community, &roles, cx)? {
            Some((verifier, _)) => Ok(verifier),
            None => Err(Refusal::VerifierNotAllowed.into()),
        }
    }

    /// True while it runs, or somebody's part in it is not settled.
    pub fn is_open(&self) -> bool {
        let mut parts = self.participations.values();
        self.state != CampaignState::Ended || parts.any(|part| !part.settled)
    }

    fn ended(&self) -> Event {
        let took_part = || self.participations.values().filter(|part| part.doors > 0);
        let delivered = took_part().map(|part| part.delivered).sum::<u64>();
        Event::CampaignEnded {
            volunteers: u32::try_from(took_part().count()).unwrap_or(u32::MAX),
            doors: u32::try_from(self.doors.len()).unwrap_or(u32::MAX),
            leaflets: u32::try_from(delivered).unwrap_or(u32::MAX),
        }
    }
}

impl Command {
    fn campaign(&self) -> CampaignId {
        match self {
            Self::PlanCampaign { campaign, .. }
            | Self::JoinCampaign { campaign, .. }
            | Self::IssueLeaflets { campaign, .. }
            | Self::VisitDoor { campaign, .. }
            | Self::ReturnLeaflets { campaign, .. }
            | Self::VerifyParticipation { campaign, .. }
            | Self::RejectParticipation { campaign, .. }
            | Self::EndCampaign { campaign } => *campaign,
        }
    }
}

impl Aggregate for Campaign {
    const CATEGORY: &'static str = "campaign";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        Self::stream(command.campaign())
    }

    #[expect(clippy::too_many_lines, reason = "a table reads best in one piece")]
    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        use CampaignState as S;
        let key = command.campaign();
        let campaign = world.state::<Self>(key)?;
        let community = match (campaign.community, command) {
            (None, Command::PlanCampaign { .. }) => return plan(command, world, cx),
            (Some(_), Command::PlanCampaign { .. }) => {
                return Err(Refusal::CampaignAlreadyPlanned.into());
            }
            (None, _) => return Err(Refusal::CampaignNotFound.into()),
            (Some(community), _) => community,
        };
        let owner = open_item::owner(world, Item::Campaign(key), community, cx.now)?;
        let mut envelope = Envelope::at(cx.now);
        envelope.unit = Some(community.0);
        let event = match (campaign.state, command) {
            // After the end a person's part can still be settled, and leaflets brought back so
            // that it balances; nothing that the totals count can be added.
            (
                S::Ended,
                Command::JoinCampaign { .. }
                | Command::IssueLeaflets { .. }
                | Command::VisitDoor { .. }
                | Command::EndCampaign { .. },
            ) => return Err(Refusal::CampaignOver.into()),
            (_, Command::JoinCampaign { person, .. }) => {
                Member::active(world, owner, *person)?;
                if campaign.participations.contains_key(person) {
                    return Err(Refusal::AlreadyJoined.into());
                }
                Event::VolunteerJoined { person: *person }
            }
            (_, Command::IssueLeaflets { person, count, .. }) => {
                campaign.open_part(*person)?;
                if !(1..=LEAFLETS_MAX).contains(count) {
                    return Err(Refusal::CountNotAllowed.into());
                }
                Event::LeafletsIssued {
                    person: *person,
                    count: *count,
                }
            }
            (
                _,
                Command::VisitDoor {
                    person,
                    door,
                    result,
                    visited_at,
                    sent_at,
                    ..
                },
            ) => {
                let part = campaign.open_part(*person)?;
                if door.trim().is_empty() || door.len() > DOOR_BYTES_MAX {
                    return Err(Refusal::DoorNotAllowed.into());
                }
                envelope.occurred_at = campaign.visited(*visited_at, community, world, cx)?;
                envelope.device_at = visited_at.filter(|_| sent_at.is_some());
                envelope.sent_at = *sent_at;
                if campaign.doors.contains(&same_door(door)) {
                    return Err(Refusal::DoorAlreadyVisited.into());
                }
                if campaign.doors.len() >= DOORS_MAX {
                    return Err(Refusal::TooManyDoors.into());
                }
                if *result == DoorResult::Home && part.leaflets_out() == 0 {
                    return Err(Refusal::MoreThanIssued.into());
                }
                Event::DoorVisited {
                    person: *person,
                    door: door.clone(),
                    result: *result,
                }
            }
            // Leaflets come back also from somebody whose part was rejected.
            (
                _,
                Command::ReturnLeaflets {
                    person,
                    returned,
                    lost,
                    ..
                },
            ) => {
                let part = campaign.part(*person)?;
                let count = u64::from(*returned) + u64::from(*lost);
                if !(1..=u64::from(LEAFLETS_MAX)).contains(&count) {
                    return Err(Refusal::CountNotAllowed.into());
                }
                if count > part.leaflets_out() {
                    return Err(Refusal::MoreThanIssued.into());
                }
                Event::LeafletsReturned {
                    person: *person,
                    returned: *returned,
                    lost: *lost,
                }
            }
            (
                _,
                Command::VerifyParticipation {
                    person, minutes, ..
                },
            ) => {
                let part = campaign.open_part(*person)?;
                let verified_by = campaign.verifier(owner, *person, world, cx)?;
                if *minutes > MINUTES_MAX {
                    return Err(Refusal::MinutesNotAllowed.into());
                }
                // The rules of the day of the deed, not of the day of its confirmation.
                envelope.occurred_at = part.last_visit.ok_or(Refusal::NoVisit)?;
                envelope.trust = Trust::Witnessed;
                if part.leaflets_out() > 0 {
                    return Err(Refusal::LeafletsNotBalanced.into());
                }
                Event::ParticipationVerified {
                    person: *person,
                    community,
                    minutes: *minutes,
                    doors: part.doors,
                    verified_by,
                }
            }
            // Who joined and never came can be rejected too.
            (_, Command::RejectParticipation { person, reason, .. }) => {
                let part = campaign.open_part(*person)?;
                let rejected_by = campaign.verifier(owner, *person, world, cx)?;
                if reason.trim().is_empty() || reason.len() > REASON_BYTES_MAX {
                    return Err(Refusal::ReasonNotAllowed.into());
                }
                envelope.occurred_at = part.last_visit.unwrap_or(cx.now);
                envelope.trust = Trust::Witnessed;
                Event::ParticipationRejected {
                    person: *person,
                    reason: reason.clone(),
                    rejected_by,
                }
            }
            (_, Command::EndCampaign { .. }) => {
                Member::approver(world, owner, cx)?;
                campaign.ended()
            }
            (_, Command::PlanCampaign { .. }) => return Ok(Decision::new()),
        };
        Ok(Decision::new().with::<Self>(key, event, envelope))
    }

    fn evolve(&mut self, event: &Event, stamp: &Stamp) {
        match event {
            Event::CampaignPlanned {
                community,
                from,
                until,
                ..
            } => {
                self.state = CampaignState::Planned;
                self.community = Some(*community);
                self.from = Some(*from);
                self.until = Some(*until);
            }
            Event::VolunteerJoined { person } => {
                self.participations.entry(*person).or_default();
            }
            Event::LeafletsIssued { person, count } => {
                let part = self.participations.entry(*person).or_default();
                part.issued = part.issued.saturating_add((*count).into());
            }
            Event::DoorVisited {
                person,
                door,
                result,
            } => {
                // The first visit is the first attendance.
                if self.state == CampaignState::Planned {
                    self.state = CampaignState::Running;
                }
                self.doors.insert(same_door(door));
                let part = self.participations.entry(*person).or_default();
                part.doors = part.doors.saturating_add(1);
                part.last_visit = part.last_visit.max(Some(stamp.occurred_at));
                if *result == DoorResult::Home {
                    part.delivered = part.delivered.saturating_add(1);
                }
            }
            Event::LeafletsReturned {
                person,
                returned,
                lost,
            } => {
                let part = self.participations.entry(*person).or_default();
                part.returned = part.returned.saturating_add((*returned).into());
                part.lost = part.lost.saturating_add((*lost).into());
            }
            Event::ParticipationVerified { person, .. }
            | Event::ParticipationRejected { person, .. } => {
                self.participations.entry(*person).or_default().settled = true;
            }
            Event::CampaignEnded { .. } => self.state = CampaignState::Ended,
        }
    }
}

#[cfg(test)]
#[path = "campaign_tests.rs"]
mod tests;
