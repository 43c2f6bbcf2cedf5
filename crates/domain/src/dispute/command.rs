//! What can be asked of a dispute.

use serde::Serialize;

use super::{
    CourtDecision, DisputeKind, Form, Obligation, Panel, Purpose, Remedy, SessionType, Source,
};
use crate::envelope::Instant;
use crate::ids::{AssessmentId, DisputeId, PersonId, UnitId};
use crate::personal::Personal;

/// A command and the dispute it is about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Command {
    /// Which dispute; at registration a random id, given by the caller.
    pub dispute: DisputeId,
    /// What is asked.
    pub ask: Ask,
}

/// SHA-256 of the paper that bears a party's own act, where somebody else enters it.
pub type Paper = Option<[u8; 32]>;

/// What can be asked. An act of a party comes from the party's own login, or from a mediator with
/// the [`Paper`] that bears the party's signature or mark.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Ask {
    /// Bring it to the team.
    RegisterDispute {
        /// The community it lies in.
        community: UnitId,
        /// How it came to be known.
        source: Source,
        /// What kind.
        kind: DisputeKind,
        /// Who is at odds: 2..=20 registered persons.
        parties: Vec<PersonId>,
        /// What it is about; not blank.
        subject: Personal,
        /// The settled dispute that broke out again.
        relapse_of: Option<DisputeId>,
        /// The applicant's paper, if it came by application and the applicant has no login.
        paper: Paper,
    },
    /// Take part.
    GiveConsent {
        /// Which party.
        party: PersonId,
        /// Its paper.
        paper: Paper,
    },
    /// Do not take part.
    RefuseConsent {
        /// Which party.
        party: PersonId,
        /// Its paper.
        paper: Paper,
    },
    /// Mediate it; every party has consented.
    AcceptDispute,
    /// Do not mediate it.
    DeclineDispute {
        /// Why, 1..=500 bytes.
        reason: String,
        /// Where the parties can turn, 1..=500 bytes.
        where_to_go: String,
    },
    /// Say who mediates.
    FormPanel {
        /// The panel.
        panel: Panel,
    },
    /// Do not want a mediator.
    ChallengeMediator {
        /// Whom.
        mediator: PersonId,
        /// Which party.
        party: PersonId,
        /// Why; not blank.
        reason: Personal,
        /// The party's paper.
        paper: Paper,
    },
    /// Seat another mediator.
    ReplaceMediator {
        /// Who sits there.
        mediator: PersonId,
        /// Who shall.
        replacement: PersonId,
    },
    /// Tell the parties their rights.
    NotifyRights,
    /// Ask an expert; goes on beside the sessions.
    RequestAssessment {
        /// A random id, given by the caller.
        assessment: AssessmentId,
        /// Whom: a registered person, no party.
        expert: PersonId,
        /// What; not blank.
        question: Personal,
    },
    /// Record the expert's answer.
    RecordAssessment {
        /// Which question.
        assessment: AssessmentId,
        /// What was found; not blank.
        finding: Personal,
        /// SHA-256 of the report.
        report: Paper,
    },
    /// Call the parties together.
    ScheduleSession {
        /// For when; not in the past.
        starts_at: Instant,
    },
    /// Record that they met.
    HoldSession {
        /// How.
        session_type: SessionType,
        /// Which parties were there: all, if jointly.
        parties: Vec<PersonId>,
        /// Which mediators of the panel were there, at least one.
        mediators: Vec<PersonId>,
        /// SHA-256 of the minutes.
        minutes: [u8; 32],
        /// When; now if absent.
        held_at: Option<Instant>,
    },
    /// Let mediation rest.
    AdjournMediation {
        /// Why, 1..=500 bytes.
        reason: String,
    },
    /// Say that it may turn violent.
    FlagEscalationRisk {
        /// Why; not blank.
        reason: Personal,
    },
    /// Show something.
    AddEvidence {
        /// SHA-256 of each item, 1..=20.
        items: Vec<[u8; 32]>,
    },
    /// Be willing to go on beyond the deadline; it moves when all parties are.
    ConsentToExtension {
        /// Which party.
        party: PersonId,
        /// Until when; later than the deadline and than now.
        until: Instant,
        /// Its paper.
        paper: Paper,
    },
    /// Record the terms.
    ReachAgreement {
        /// On paper or by word.
        form: Form,
        /// What was agreed; needed if by word.
        terms: Option<Personal>,
        /// SHA-256 of the paper; needed if written.
        terms_sha256: Option<[u8; 32]>,
        /// Who owes what, at most 50, numbered from 1.
        obligations: Vec<Obligation>,
        /// When; now if absent.
        reached_at: Option<Instant>,
    },
    /// Sign the agreement, or confirm it by word.
    SignAgreement {
        /// Which party.
        party: PersonId,
        /// Its paper.
        paper: Paper,
    },
    /// Sign the agreement as a mediator of the panel.
    SignAsMediator,
    /// Put the committee's seal on a written agreement that all have signed.
    SealAgreement,
    /// Record that an obligation was performed.
    RecordPerformance {
        /// Which.
        obligation: u32,
        /// When; now if absent.
        performed_at: Option<Instant>,
    },
    /// Record that an obligation is overdue; the timer does this.
    RecordOverdue {
        /// Which.
        obligation: u32,
    },
    /// Urge the debtors.
    UrgePerformance,
    /// Show the creditor the way to court.
    ReferToCourt {
        /// Which court, 1..=200 bytes.
        court: String,
    },
    /// Want the court to confirm the agreement.
    RequestConfirmation {
        /// Which party.
        party: PersonId,
        /// Its paper.
        paper: Paper,
    },
    /// Record the court's decision.
    RecordCourtDecision {
        /// How.
        decision: CourtDecision,
        /// SHA-256 of the court's paper.
        document: [u8; 32],
    },
    /// End it without an agreement.
    FailMediation {
        /// Why, 1..=500 bytes.
        reason: String,
        /// What else the parties can do; at least one.
        remedies: Vec<Remedy>,
    },
    /// Do not go on.
    WithdrawFromMediation {
        /// Which party.
        party: PersonId,
        /// Its paper.
        paper: Paper,
    },
    /// End it because it may not be mediated.
    TerminateDispute {
        /// Why, 1..=500 bytes.
        reason: String,
    },
    /// Record how it holds.
    RecordFollowUp {
        /// Whether the parties are content.
        satisfied: bool,
    },
    /// Find that a mediator helped and the peace held.
    VerifyHelp {
        /// Who helped: somebody of the panel.
        person: PersonId,
    },
    /// Close the record; a mediator, or the timer.
    ArchiveDispute,
    /// Take it up again.
    ReopenDispute {
        /// Why, 1..=500 bytes.
        reason: String,
    },
    /// Say that another dispute is this one again.
    LinkRelapse {
        /// Which.
        relapse: DisputeId,
    },
    /// Record that a deadline passed unmet; the timer does this.
    RecordBreach {
        /// What was to be done.
        purpose: Purpose,
        /// The deadline that passed.
        due_at: Instant,
    },
}
