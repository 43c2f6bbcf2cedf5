//! What happens to a dispute, as stored.

use serde::{Deserialize, Serialize};

use super::{
    CourtDecision, DisputeKind, Form, Obligation, Panel, Purpose, Remedy, SessionType, Source,
};
use crate::envelope::Instant;
use crate::ids::{AssessmentId, DisputeId, PersonId, UnitId};
use crate::personal::Personal;

/// What happens. When it happened, and how far the claim can be trusted, stands in the envelope:
/// a party's own act through its own login is `self_stated`, one on paper is `witnessed` and the
/// paper's hash is in the envelope's evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// Somebody brought it to the team.
    DisputeRegistered {
        /// The community it lies in.
        community: UnitId,
        /// How it came to be known.
        source: Source,
        /// What kind.
        kind: DisputeKind,
        /// Who is at odds.
        parties: Vec<PersonId>,
        /// What it is about.
        subject: Personal,
        /// The settled dispute that broke out again.
        relapse_of: Option<DisputeId>,
        /// Who registered it.
        registered_by: PersonId,
    },
    /// A party asked for mediation; that is its consent, too.
    ApplicationMade {
        /// Which.
        party: PersonId,
    },
    /// The team offered mediation to all parties.
    MediationOffered {},
    /// A party takes part of its own will.
    PartyConsented {
        /// Which.
        party: PersonId,
    },
    /// A party does not want to take part.
    PartyRefused {
        /// Which.
        party: PersonId,
    },
    /// The team mediates it.
    DisputeAccepted {
        /// Who says so.
        accepted_by: PersonId,
    },
    /// The team does not.
    DisputeNotAccepted {
        /// Why.
        reason: String,
        /// Where the parties can turn.
        where_to_go: String,
        /// Who says so.
        decided_by: PersonId,
    },
    /// Something must be done by then, or may be done from then on.
    DeadlineSet {
        /// What.
        purpose: Purpose,
        /// When.
        due_at: Instant,
        /// The policy set that says so.
        basis: String,
    },
    /// The deadline passed unmet.
    DeadlineBreached {
        /// What was to be done.
        purpose: Purpose,
        /// Which deadline.
        due_at: Instant,
    },
    /// It had been met after all, as the fact in the same commit shows.
    BreachWithdrawn {
        /// What was to be done.
        purpose: Purpose,
        /// Which deadline.
        due_at: Instant,
    },
    /// Who mediates.
    PanelFormed {
        /// The panel.
        panel: Panel,
        /// Who formed it.
        formed_by: PersonId,
    },
    /// A party does not want this mediator; nothing goes on before another one sits there.
    MediatorChallenged {
        /// Whom.
        mediator: PersonId,
        /// Which party.
        party: PersonId,
        /// Why.
        reason: Personal,
    },
    /// Another person took a mediator's seat.
    MediatorReplaced {
        /// Who sat there.
        mediator: PersonId,
        /// Who sits there now.
        replacement: PersonId,
        /// Who decided it.
        replaced_by: PersonId,
    },
    /// The parties were told their rights.
    RightsNotified {
        /// Who told them.
        notified_by: PersonId,
    },
    /// An expert was asked for the cause.
    ExpertAssessmentRequested {
        /// A random id.
        assessment: AssessmentId,
        /// Whom.
        expert: PersonId,
        /// What was asked.
        question: Personal,
    },
    /// The expert answered; the report's hash is in the envelope's evidence.
    ExpertAssessmentRecorded {
        /// Which question.
        assessment: AssessmentId,
        /// What was found.
        finding: Personal,
    },
    /// The parties are called together.
    SessionScheduled {
        /// For when.
        starts_at: Instant,
    },
    /// They met; the hash of the minutes is in the envelope's evidence.
    SessionHeld {
        /// How.
        session_type: SessionType,
        /// Which parties were there.
        parties: Vec<PersonId>,
        /// Which mediators were there.
        mediators: Vec<PersonId>,
    },
    /// Mediation rests for a while.
    MediationAdjourned {
        /// Why.
        reason: String,
    },
    /// It may turn violent; the station should know.
    EscalationRiskFlagged {
        /// Why.
        reason: Personal,
        /// Who says so.
        flagged_by: PersonId,
    },
    /// Something was shown; its hashes are in the envelope's evidence.
    EvidenceAdded {
        /// By whom.
        given_by: PersonId,
    },
    /// A party is willing to go on mediating beyond the deadline.
    ExtensionConsented {
        /// Which.
        party: PersonId,
        /// Until when.
        until: Instant,
    },
    /// All parties are.
    ExtensionAgreed {
        /// The new deadline.
        until: Instant,
    },
    /// The parties found terms; they bind nobody before they are effective. The hash of the paper
    /// is in the envelope's evidence; it is always there if written.
    AgreementReached {
        /// On paper or by word.
        form: Form,
        /// What was agreed; always there if by word.
        terms: Option<Personal>,
        /// Who owes what to whom, and by when.
        obligations: Vec<Obligation>,
        /// The mediator who recorded it.
        recorded_by: PersonId,
    },
    /// A party signed it, put a mark on it, or confirmed it by word.
    AgreementSigned {
        /// Which.
        party: PersonId,
    },
    /// A mediator of the panel signed it.
    MediatorSigned {
        /// Which.
        mediator: PersonId,
    },
    /// The committee's seal is on it.
    AgreementSealed {
        /// Who put it there.
        sealed_by: PersonId,
    },
    /// It binds the parties from now on.
    AgreementEffective {},
    /// An obligation was performed.
    ObligationPerformed {
        /// Which.
        obligation: u32,
        /// The creditor or mediator who says so.
        confirmed_by: PersonId,
    },
    /// An obligation was not performed in time.
    ObligationOverdue {
        /// Which.
        obligation: u32,
        /// When it was due.
        due_at: Instant,
    },
    /// It had been performed in time after all, as the fact in the same commit shows.
    OverdueWithdrawn {
        /// Which.
        obligation: u32,
    },
    /// The debtors were urged to perform.
    PerformanceUrged {
        /// Who urged them.
        urged_by: PersonId,
    },
    /// Nothing helped: the creditor was shown the way to court.
    ReferredToCourt {
        /// Which court.
        court: String,
        /// Who showed it.
        referred_by: PersonId,
    },
    /// Every obligation is performed.
    AgreementPerformed {},
    /// A party wants the court to confirm the agreement.
    ConfirmationRequested {
        /// Which.
        party: PersonId,
    },
    /// All parties do: they apply together.
    ConfirmationApplied {},
    /// The court has decided; its paper's hash is in the envelope's evidence.
    CourtDecided {
        /// How.
        decision: CourtDecision,
    },
    /// No agreement was found, and the parties were told what else they can do.
    MediationFailed {
        /// Why.
        reason: String,
        /// What they were told.
        remedies: Vec<Remedy>,
        /// Who ended it.
        ended_by: PersonId,
    },
    /// A party does not want to go on; it needs no reason.
    MediationWithdrawn {
        /// Which.
        party: PersonId,
    },
    /// It may not be mediated: the triage it rests on was overturned.
    DisputeTerminated {
        /// Why.
        reason: String,
        /// Who ended it.
        terminated_by: PersonId,
    },
    /// Somebody asked how it holds.
    FollowUpRecorded {
        /// Whether the parties are content.
        satisfied: bool,
        /// Who asked.
        followed_up_by: PersonId,
    },
    /// Somebody helped to settle it, and the peace held through the notice period.
    HelpVerified {
        /// Who.
        person: PersonId,
        /// Where it counts.
        community: UnitId,
        /// Who says so.
        verified_by: PersonId,
    },
    /// The record is closed.
    DisputeArchived {
        /// Position of the registration.
        registration: u64,
        /// Positions of the records of the sessions, in order.
        sessions: Vec<u64>,
        /// Position of the agreement, if there is one.
        agreement: Option<u64>,
    },
    /// It is taken up again; the parties are asked anew.
    DisputeReopened {
        /// Why.
        reason: String,
        /// Who did it.
        reopened_by: PersonId,
    },
    /// It broke out again, as another dispute.
    RelapseLinked {
        /// Which.
        relapse: DisputeId,
        /// Who says so.
        linked_by: PersonId,
    },
}
