//! Member: one person's record in one community.
//!
//! ```text
//! (nothing) ──Applied──> Applied ──Approved──> Active ⇄ Suspended
//!     ▲                                          │          │
//!     └──────Applied────── Left <────Left────────┴──────────┘
//! any of them ──MembersMerged──> Merged
//! ```
//! Owns membership and roles with dates, trainings, consents, and the correction of the record.
//! Points are the account's, identity the person's: who moves to another community takes both along.

mod command;
mod event;
mod record;

pub use command::Command;
pub use event::Event;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::envelope::{Envelope, Instant};
use crate::genesis::{self, Genesis};
use crate::ids::{CorrectionId, PersonId, UnitId};
use crate::person::Person;
use crate::policy_set::PolicySets;
use crate::refusal::{Stop, refusals};
use crate::separation;
use crate::stream::StreamName;
use crate::unit::{SUCCESSIONS_MAX, Unit, UnitLevel};
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// What sort of member somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberKind {
    /// 物业人员
    PropertyStaff,
    /// 保安员
    SecurityGuard,
    /// 社区工作者
    CommunityWorker,
    /// 楼道长
    BuildingHead,
    /// "犇牛"志愿者
    Volunteer,
}

/// A role in the team, held from a date to a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// 队长, the community police officer.
    Captain,
    /// 指导员, the community secretary.
    Instructor,
    /// A police officer.
    Officer,
    /// 调解员
    Mediator,
    /// 网格员, who may mediate among the N.
    GridWorker,
    /// 退休老党员, who may mediate among the N.
    VeteranPartyMember,
    /// Hands rewards over at the station.
    Clerk,
}

/// A use of somebody's data that they may agree to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentPurpose {
    /// That the record is kept at all.
    MemberRecord,
    /// That their name or alias stands on a public board.
    PublicBoard,
    /// That photos of them are used.
    Photos,
}

/// Longest appointment reference, in bytes.
pub const APPOINTMENT_BYTES_MAX: usize = 200;
/// Most role grants that one member's record keeps.
pub const ROLES_MAX: usize = 200;
/// Longest name of a course, in bytes.
pub const COURSE_BYTES_MAX: usize = 200;
/// Most trainings that one member's record keeps.
pub const TRAININGS_MAX: usize = 500;
/// Most requests for correction that wait at a time.
pub const CORRECTIONS_MAX: usize = 20;

/// Where a membership stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberState {
    /// There is none.
    #[default]
    Unknown,
    /// Asked for.
    Applied,
    /// May take part.
    Active,
    /// Kept from taking part.
    Suspended,
    /// Was a member; may ask again.
    Left,
    /// The record of a duplicate, closed for ever.
    Merged,
}

/// A role with its dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldRole {
    /// Which.
    pub role: Role,
    /// From when on.
    pub from: Instant,
    /// Until when (exclusive); open if absent.
    pub until: Option<Instant>,
}

impl HeldRole {
    fn runs(&self, at: Instant) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }

    fn overlaps(&self, from: Instant, until: Option<Instant>) -> bool {
        self.until.is_none_or(|end| from < end) && until.is_none_or(|end| self.from < end)
    }
}

/// State of a member: what its rules, and those of others, need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Member {
    /// Where the membership stands.
    pub state: MemberState,
    /// As what, since the latest application.
    pub kind: Option<MemberKind>,
    /// Roles with their dates, none of them empty, those of one role never overlapping.
    pub roles: Vec<HeldRole>,
    /// When the person left last.
    pub left_at: Option<Instant>,
    /// Under 14 years of age at the latest application.
    pub under_14: bool,
    /// What the person agrees to.
    pub consents: BTreeSet<ConsentPurpose>,
    /// How many trainings are recorded.
    pub trainings: usize,
    /// Requests to correct the record that nobody has answered.
    pub corrections: BTreeSet<CorrectionId>,
}

refusals! {
    /// Why it is refused.
    CommunityNotFound = NotFound, "community_id", "There is no community with this id.";
    PersonNotFound = NotFound, "person_id", "There is no person with this id.";
    MemberNotFound = NotFound, "person_id", "This person never applied for membership in this community.";
    AlreadyApplied = AlreadyExists, "person_id", "This person has applied already.";
    AlreadyMember = AlreadyExists, "person_id", "This person is a member of this community already.";
    MemberNotApplied = WrongState, "person_id", "This needs an application that is not yet decided.";
    MemberNotActive = WrongState, "person_id", "This needs an active member of the community.";
    MemberNotSuspended = WrongState, "person_id", "This needs a suspended member of the community.";
    NotAMember = WrongState, "person_id", "This needs a member who is active or suspended.";
    GuardianConsentMissing = Invalid, "guardian_consent", "Under 14 years of age a guardian must consent.";
    TimeInTheFuture = Invalid, "applied_at", "What happened cannot have happened later than now.";
    BackDatedTooFar = NotAllowed, "applied_at", "It lies further back than the policy's window.";
    AppliedBeforeLeaving = Invalid, "applied_at", "Who has left can apply again only after that.";
    ActorIsNoApprover = NotAllowed, "", "This needs an administrator, or a captain or instructor of the community.";
    ApproverIsThePerson = NotAllowed, "person_id", "Nobody decides about their own membership and roles.";
    RoleEndsBeforeItBegins = Invalid, "until", "A role must end later than it begins.";
    RolesOverlap = WrongState, "from", "The member holds this role at that time already.";
    TooManyRoles = WrongState, "person_id", "A member's record keeps at most 200 role grants.";
    AppointmentMissing = Invalid, "appointment", "Captains, officers and mediators need the reference of their appointment.";
    AppointmentNotAllowed = Invalid, "appointment", "An appointment reference is 1 to 200 bytes.";
    RoleNotHeld = WrongState, "role", "The member does not hold this role now.";
    ReasonNotAllowed = Invalid, "reason", "A reason is 1 to 4,000 bytes.";
    MemberMerged = WrongState, "person_id", "This record was merged into that of the same person under another id.";
    CommunityUnchanged = Invalid, "to_community_id", "A member moves to another community.";
    CourseNotAllowed = Invalid, "course", "A course is 1 to 200 bytes.";
    TrainedInTheFuture = Invalid, "trained_at", "Nobody was trained later than now.";
    TooManyTrainings = WrongState, "person_id", "A member's record keeps at most 500 trainings.";
    ConsentAlreadyGiven = AlreadyExists, "purpose", "This person agrees to it already.";
    ConsentNotGiven = WrongState, "purpose", "This person does not agree to it.";
    ConsentPaperMissing = NotAllowed, "paper", "Whoever records another person's consent, or that of somebody under 14, needs its paper.";
    CorrectionAlreadyRequested = AlreadyExists, "correction_id", "This correction is asked for already.";
    CorrectionNotFound = NotFound, "correction_id", "Nobody waits for a correction with this id.";
    CorrectionNotOwn = NotAllowed, "person_id", "Everybody asks for the correction of their own record only.";
    TooManyCorrections = WrongState, "person_id", "At most 20 corrections can be waited for at a time.";
    KindUnchanged = Invalid, "kind", "This is the kind that stands in the record.";
    FindingNotAllowed = Invalid, "finding", "A finding or request is 1 to 4,000 bytes.";
    PersonsNotMerged = WrongState, "duplicate_id", "The records of the person are merged before those of the member.";
    DuplicateNotMember = WrongState, "duplicate_id", "The duplicate has no record in this community, or it is merged already.";
}

impl Member {
    /// Key of the stream of a person's record in a community.
    pub fn key(community: UnitId, person: PersonId) -> String {
        format!("{community}/{person}")
    }

    /// The record of a person who is an active member. A record whose person is known by another id
    /// takes no part in anything, whether or not it was closed in this community.
    ///
    /// # Errors
    /// `MEMBER_NOT_ACTIVE` if the person is none, `MEMBER_MERGED` if the id was merged into another.
    pub fn active(world: &World, community: UnitId, person: PersonId) -> Result<Arc<Self>, Stop> {
        let member = world.state::<Self>(Self::key(community, person))?;
        if member.state != MemberState::Active {
            return Err(Refusal::MemberNotActive.into());
        }
        stands(world, person)?;
        Ok(member)
    }

    /// The active record of a person in a unit, or in one whose place that had taken by an instant:
    /// who did not move yet counts with every unit that theirs was split or merged into. Roles do
    /// not go along.
    ///
    /// # Errors
    /// As of [`Self::active`].
    pub fn counted(
        world: &World,
        community: UnitId,
        person: PersonId,
        at: Instant,
    ) -> Result<Arc<Self>, Stop> {
        let mut records = Self::records(world, community, person, at)?.into_iter();
        let member = records
            .find(|member| member.state == MemberState::Active)
            .ok_or(Refusal::MemberNotActive)?;
        stands(world, person)?;
        Ok(member)
    }

    /// What is known of a person in a unit; where nothing is, in those whose place it had taken by
    /// an instant, and so on, at most [`SUCCESSIONS_MAX`] units.
    pub(crate) fn records(
        world: &World,
        community: UnitId,
        person: PersonId,
        at: Instant,
    ) -> Result<Vec<Arc<Self>>, Stop> {
        let mut units = vec![community];
        let mut records = Vec::new();
        let mut next = 0;
        while let Some(unit) = units.get(next).copied() {
            next += 1;
            let member = world.state::<Self>(Self::key(unit, person))?;
            if member.state != MemberState::Unknown {
                records.push(member);
                continue;
            }
            for before in world.state::<Unit>(unit)?.predecessors(at) {
                if units.len() < SUCCESSIONS_MAX && !units.contains(&before) {
                    units.push(before);
                }
            }
        }
        Ok(records)
    }

    /// True if the member has the role at an instant and may act on it: a suspended or departed
    /// captain commands nobody.
    pub fn holds(&self, role: Role, at: Instant) -> bool {
        self.state == MemberState::Active && self.runs(role, at)
    }

    /// Who leads: an administrator, or somebody who holds captain or instructor in the community
    /// now. The flag says that it is the only administrator, so nobody else could be asked.
    ///
    /// # Errors
    /// `ACTOR_IS_NO_APPROVER` for everybody else.
    pub fn approver(
        world: &World,
        community: UnitId,
        cx: &Context,
    ) -> Result<(PersonId, bool), Stop> {
        Self::acting(world, community, &[Role::Captain, Role::Instructor], cx)?
            .ok_or_else(|| Refusal::ActorIsNoApprover.into())
    }

    /// The person who acts, if an administrator or a holder of one of the roles now; in the
    /// successor of a community that was split or merged.
    pub(crate) fn acting(
        world: &World,
        community: UnitId,
        roles: &[Role],
        cx: &Context,
    ) -> Result<Option<(PersonId, bool)>, Stop> {
        let person = cx.person()?;
        let administrators = &world.state::<Genesis>(genesis::KEY)?.administrators;
        if administrators.contains(&person) {
            return Ok(Some((person, administrators.len() == 1)));
        }
        let community = Unit::responsible(world, community, cx.now)?;
        let own = world.state::<Self>(Self::key(community, person))?;
        let holds = roles.iter().any(|role| own.holds(*role, cx.now));
        Ok(holds.then_some((person, false)))
    }

    /// Refuses unless the unit is a community that takes what is new at an instant.
    pub(crate) fn require_community(
        world: &World,
        community: UnitId,
        at: Instant,
    ) -> Result<(), Stop> {
        if world.state::<Unit>(community)?.level != Some(UnitLevel::Community) {
            return Err(Refusal::CommunityNotFound.into());
        }
        Unit::taking(world, community, at).map(|_| ())
    }

    fn runs(&self, role: Role, at: Instant) -> bool {
        let mut roles = self.roles.iter();
        roles.any(|held| held.role == role && held.runs(at))
    }

    /// Ends the roles that run at an instant, or that would begin only later.
    fn end_roles(&mut self, at: Instant, ends: impl Fn(&HeldRole) -> bool) {
        for held in self.roles.iter_mut().filter(|held| ends(held)) {
            held.until = Some(held.until.map_or(at, |until| until.min(at)));
        }
        // What is taken back as it begins was never held.
        self.roles
            .retain(|held| held.until.is_none_or(|until| held.from < until));
    }
}

/// An approver other than the person concerned; the only administrator may decide alone.
fn other_approver(
    world: &World,
    community: UnitId,
    person: PersonId,
    cx: &Context,
) -> Result<(PersonId, bool), Stop> {
    let (approver, alone) = Member::approver(world, community, cx)?;
    if !alone {
        separation::not_same(world, approver, person, Refusal::ApproverIsThePerson)?;
    }
    Ok((approver, alone))
}

/// Refuses an id that was merged into another one of the same person.
fn stands(world: &World, person: PersonId) -> Result<(), Stop> {
    if world.state::<Person>(person)?.merged_into.is_some() {
        return Err(Refusal::MemberMerged.into());
    }
    Ok(())
}

fn apply(
    command: &Command,
    member: &Member,
    world: &World,
    cx: &Context,
) -> Result<Decision, Stop> {
    let Command::ApplyForMembership {
        community,
        person,
        kind,
        under_14,
        guardian_consent,
        applied_at,
    } = command
    else {
        return Ok(Decision::new());
    };
    Member::require_community(world, *community, cx.now)?;
    if !world.state::<Person>(person)?.is_active() {
        return Err(Refusal::PersonNotFound.into());
    }
    if *under_14 && guardian_consent.is_none() {
        return Err(Refusal::GuardianConsentMissing.into());
    }
    let at = applied_at.unwrap_or(cx.now);
    if at > cx.now {
        return Err(Refusal::TimeInTheFuture.into());
    }
    if member.left_at.is_some_and(|left_at| at < left_at) {
        return Err(Refusal::AppliedBeforeLeaving.into());
    }
    if at < cx.now && !PolicySets::within_back_date_window(world, *community, at, cx)? {
        return Err(Refusal::BackDatedTooFar.into());
    }
    let mut envelope = Envelope::at(at);
    envelope.unit = Some(community.0);
    let key = Member::key(*community, *person);
    let applied = Event::MemberApplied {
        community: *community,
        person: *person,
        kind: *kind,
        under_14: *under_14,
    };
    let mut decision = Decision::new().with::<Member>(&key, applied, envelope.clone());
    if let Some(consent) = guardian_consent {
        envelope.evidence.push(*consent);
        decision.push::<Member>(&key, Event::GuardianConsentGiven {}, envelope);
    }
    Ok(decision)
}

fn grant(command: &Command, member: &Member, world: &World, cx: &Context) -> Result<Event, Stop> {
    let Command::GrantRole {
        community,
        person,
        role,
        from,
        until,
        appointment,
    } = command
    else {
        return Err(Refusal::RoleNotHeld.into());
    };
    Unit::taking(world, *community, (*from).max(cx.now))?;
    let (granted_by, bootstrap) = other_approver(world, *community, *person, cx)?;
    if until.is_some_and(|until| until <= *from) {
        return Err(Refusal::RoleEndsBeforeItBegins.into());
    }
    match appointment {
        None if matches!(role, Role::Captain | Role::Officer | Role::Mediator) => {
            return Err(Refusal::AppointmentMissing.into());
        }
        Some(text) if text.trim().is_empty() || text.len() > APPOINTMENT_BYTES_MAX => {
            return Err(Refusal::AppointmentNotAllowed.into());
        }
        _ => {}
    }
    let mut held = member.roles.iter();
    if held.any(|held| held.role == *role && held.overlaps(*from, *until)) {
        return Err(Refusal::RolesOverlap.into());
    }
    if member.roles.len() >= ROLES_MAX {
        return Err(Refusal::TooManyRoles.into());
    }
    Ok(Event::RoleGranted {
        role: *role,
        from: *from,
        until: *until,
        appointment: appointment.clone(),
        granted_by,
        bootstrap,
    })
}

impl Aggregate for Member {
    const CATEGORY: &'static str = "member";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        let (community, person) = command.subject();
        Self::stream(Self::key(community, person))
    }

    #[expect(clippy::too_many_lines, reason = "a table reads best in one piece")]
    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        use Command as C;
        use MemberState as S;
        let (community, person) = command.subject();
        let key = Self::key(community, person);
        let member = &*world.state::<Self>(&key)?;
        let case = record::Case {
            community,
            person,
            member,
            world,
            cx,
        };
        let event = match (member.state, command) {
            (S::Merged, _) => return Err(Refusal::MemberMerged.into()),
            (_, C::MergeMembers { duplicate, .. }) => return case.merge(*duplicate),
            (S::Unknown | S::Left, C::ApplyForMembership { .. }) => {
                return apply(command, member, world, cx);
            }
            (S::Applied, C::ApplyForMembership { .. }) => {
                return Err(Refusal::AlreadyApplied.into());
            }
            (_, C::ApplyForMembership { .. }) => return Err(Refusal::AlreadyMember.into()),
            (S::Unknown, _) => return Err(Refusal::MemberNotFound.into()),
            (S::Applied, C::ApproveMember { .. }) => {
                stands(world, person)?;
                Unit::taking(world, community, cx.now)?;
                let (approved_by, bootstrap) = other_approver(world, community, person, cx)?;
                Event::MemberApproved {
                    approved_by,
                    bootstrap,
                }
            }
            (_, C::ApproveMember { .. }) => return Err(Refusal::MemberNotApplied.into()),
            (S::Active, C::GrantRole { .. }) => {
                stands(world, person)?;
                grant(command, member, world, cx)?
            }
            (S::Active | S::Suspended, C::RevokeRole { role, .. }) => {
                let (revoked_by, _) = Self::approver(world, community, cx)?;
                if !member.runs(*role, cx.now) {
                    return Err(Refusal::RoleNotHeld.into());
                }
                Event::RoleRevoked {
                    role: *role,
                    until: cx.now,
                    revoked_by,
                }
            }
            (S::Active, C::SuspendMember { reason, .. }) => {
                // The event has no word for a lone administrator, so there is no exception.
                case.other_than_the_person()?;
                if reason.is_blank() || reason.is_too_long() {
                    return Err(Refusal::ReasonNotAllowed.into());
                }
                Event::MemberSuspended {
                    reason: reason.clone(),
                }
            }
            (S::Active, C::MoveMember { to, .. }) => {
                stands(world, person)?;
                return case.go(*to);
            }
            (S::Active, C::RecordTraining { .. }) => return case.train(command),
            (
                _,
                C::GrantRole { .. }
                | C::SuspendMember { .. }
                | C::MoveMember { .. }
                | C::RecordTraining { .. },
            ) => {
                return Err(Refusal::MemberNotActive.into());
            }
            (S::Suspended, C::ReinstateMember { .. }) => {
                stands(world, person)?;
                case.other_than_the_person()?;
                Event::MemberReinstated {}
            }
            (_, C::ReinstateMember { .. }) => {
                return Err(Refusal::MemberNotSuspended.into());
            }
            (S::Active | S::Suspended, C::LeaveMembership { .. }) => {
                if cx.person()? != person {
                    Self::approver(world, community, cx)?;
                }
                Event::MemberLeft {}
            }
            (_, C::RevokeRole { .. } | C::LeaveMembership { .. }) => {
                return Err(Refusal::NotAMember.into());
            }
            // Also who has left: the record is kept, so it must be right, and may be agreed to.
            (_, C::GiveMemberConsent { purpose, paper, .. }) => {
                return case.consent(*purpose, *paper, true);
            }
            (_, C::WithdrawMemberConsent { purpose, paper, .. }) => {
                return case.consent(*purpose, *paper, false);
            }
            (
                _,
                C::RequestCorrection {
                    correction, what, ..
                },
            ) => case.request_correction(*correction, what)?,
            (
                _,
                C::CorrectRecord {
                    correction,
                    kind,
                    finding,
                    ..
                },
            ) => case.correct(*correction, *kind, finding)?,
        };
        Ok(Decision::new().with::<Self>(key, event, case.now()))
    }

    fn evolve(&mut self, event: &Event, stamp: &Stamp) {
        match event {
            Event::MemberApplied { kind, under_14, .. } => {
                self.state = MemberState::Applied;
                self.kind = Some(*kind);
                self.under_14 = *under_14;
            }
            Event::GuardianConsentGiven {} => {}
            Event::MemberApproved { .. } | Event::MemberReinstated {} => {
                self.state = MemberState::Active;
            }
            Event::RoleGranted {
                role, from, until, ..
            } => self.roles.push(HeldRole {
                role: *role,
                from: *from,
                until: *until,
            }),
            Event::RoleRevoked { role, until, .. } => {
                self.end_roles(*until, |held| held.role == *role && held.runs(*until));
            }
            Event::MemberSuspended { .. } => self.state = MemberState::Suspended,
            Event::MemberLeft {} => {
                self.state = MemberState::Left;
                self.left_at = Some(stamp.occurred_at);
                self.end_roles(stamp.occurred_at, |_| true);
            }
            Event::TrainingRecorded { .. } => self.trainings += 1,
            Event::ConsentGiven { purpose } => {
                self.consents.insert(*purpose);
            }
            Event::ConsentWithdrawn { purpose } => {
                self.consents.remove(purpose);
            }
            Event::RecordCorrectionRequested { correction, .. } => {
                self.corrections.insert(*correction);
            }
            Event::RecordCorrected {
                correction, kind, ..
            } => {
                if let Some(correction) = correction {
                    self.corrections.remove(correction);
                }
                self.kind = kind.or(self.kind);
            }
            Event::MembersMerged { .. } => {
                self.state = MemberState::Merged;
                self.end_roles(stamp.occurred_at, |_| true);
            }
            Event::MemberTakenOver {
                member_as,
                under_14,
                suspended,
                ..
            } => {
                if let Some(kind) = member_as {
                    self.state = MemberState::Active;
                    self.kind = Some(*kind);
                }
                if *suspended {
                    self.state = MemberState::Suspended;
                }
                self.under_14 |= *under_14;
            }
        }
    }
}

#[cfg(test)]
mod tests;
