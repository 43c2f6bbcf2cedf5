//! How events make the state. Total: bears any order, and events of other disputes.

use super::{
    Agreement, Confirmation, CourtDecision, Dispute, DisputeState, Event, Owed, Party, Purpose,
    Stance,
};
use crate::ids::PersonId;
use crate::world::Stamp;

impl Dispute {
    pub(super) fn take(&mut self, event: &Event, stamp: &Stamp) {
        use DisputeState as S;
        match event {
            Event::DisputeRegistered {
                community, parties, ..
            } => {
                self.state = S::Registered;
                self.community = Some(*community);
                self.registration = stamp.position;
                self.registered_at = Some(stamp.occurred_at);
                self.parties = parties.iter().map(|id| (*id, Party::default())).collect();
            }
            Event::ApplicationMade { party } | Event::PartyConsented { party } => {
                self.stand(*party, Stance::Consented);
            }
            Event::PartyRefused { party } => self.stand(*party, Stance::Refused),
            Event::DisputeAccepted { .. } => self.state = S::Accepted,
            Event::DisputeNotAccepted { .. } => self.state = S::NotAccepted,
            Event::DeadlineSet {
                purpose, due_at, ..
            } => {
                self.dates.insert(*purpose, *due_at);
            }
            Event::DeadlineBreached { purpose, due_at } => {
                self.breaches.insert((*purpose, *due_at));
            }
            Event::BreachWithdrawn { purpose, due_at } => {
                self.breaches.remove(&(*purpose, *due_at));
            }
            Event::DisputeArchived { .. } => self.state = S::Archived,
            Event::DisputeReopened { .. } => self.begin_anew(),
            Event::RelapseLinked { relapse, .. } => {
                self.relapses.insert(*relapse, stamp.occurred_at);
            }
            Event::MediationFailed { .. } => self.state = S::Failed,
            Event::MediationWithdrawn { .. } => self.state = S::Withdrawn,
            Event::DisputeTerminated { .. } => self.state = S::Terminated,
            Event::MediationOffered {}
            | Event::EscalationRiskFlagged { .. }
            | Event::EvidenceAdded { .. } => {}
            other => self.talk(other, stamp),
        }
    }

    fn stand(&mut self, party: PersonId, stance: Stance) {
        if let Some(party) = self.parties.get_mut(&party) {
            party.stance = stance;
        }
    }

    /// The talks, up to the terms.
    fn talk(&mut self, event: &Event, stamp: &Stamp) {
        use DisputeState as S;
        match event {
            Event::PanelFormed { panel, .. } => self.panel = Some(panel.clone()),
            Event::MediatorChallenged { mediator, .. } => {
                self.challenged.insert(*mediator);
            }
            Event::MediatorReplaced {
                mediator,
                replacement,
                ..
            } => {
                self.challenged.remove(mediator);
                if let Some(panel) = &mut self.panel {
                    panel.replace(*mediator, *replacement);
                }
            }
            Event::RightsNotified { .. } => self.rights_notified = true,
            Event::ExpertAssessmentRequested {
                assessment, expert, ..
            } => {
                self.assessments.insert(*assessment, (*expert, false));
            }
            Event::ExpertAssessmentRecorded { assessment, .. } => {
                if let Some((_, answered)) = self.assessments.get_mut(assessment) {
                    *answered = true;
                }
            }
            // A further session is called while the talks go on.
            Event::SessionScheduled { .. } if self.state == S::InMediation => {}
            Event::SessionScheduled { .. } => self.state = S::Scheduled,
            Event::SessionHeld { mediators, .. } => {
                self.state = S::InMediation;
                self.sessions.push(stamp.position);
                self.helpers.extend(mediators.iter().copied());
            }
            Event::MediationAdjourned { .. } => self.state = S::Adjourned,
            Event::ExtensionConsented { party, until } => match &mut self.extension {
                Some((proposed, willing)) if proposed == until => {
                    willing.insert(*party);
                }
                _ => self.extension = Some((*until, [*party].into())),
            },
            Event::ExtensionAgreed { until } => {
                self.extension = None;
                self.dates.insert(Purpose::Mediation, *until);
            }
            Event::AgreementReached {
                form, obligations, ..
            } => {
                self.state = S::Agreed;
                let owed = obligations.iter().map(|obligation| {
                    let owed = Owed {
                        debtor: obligation.debtor,
                        creditor: obligation.creditor,
                        due_at: obligation.due_at,
                        performed: false,
                        overdue: false,
                    };
                    (obligation.number, owed)
                });
                self.agreement = Some(Agreement {
                    position: stamp.position,
                    form: *form,
                    reached_at: stamp.occurred_at,
                    obligations: owed.collect(),
                    mediators: std::collections::BTreeSet::new(),
                    effective_at: None,
                });
            }
            other => self.bind(other, stamp),
        }
    }

    /// The agreement and what follows it.
    fn bind(&mut self, event: &Event, stamp: &Stamp) {
        use DisputeState as S;
        match event {
            Event::AgreementSigned { party } => {
                if let Some(party) = self.parties.get_mut(party) {
                    party.signed = true;
                }
            }
            Event::MediatorSigned { mediator } => {
                if let Some(agreement) = &mut self.agreement {
                    agreement.mediators.insert(*mediator);
                }
            }
            Event::AgreementEffective {} => {
                self.state = S::Performing;
                if let Some(agreement) = &mut self.agreement {
                    agreement.effective_at = Some(stamp.occurred_at);
                }
            }
            Event::ObligationPerformed { obligation, .. } => {
                self.change(*obligation, |owed| owed.performed = true);
                let obligations = self.agreement.iter().flat_map(|it| it.obligations.values());
                let still = obligations.filter(|owed| owed.overdue && !owed.performed);
                if still.count() == 0 && self.state.is_in_force() {
                    self.state = S::Performing;
                }
            }
            Event::ObligationOverdue { obligation, .. } => {
                self.change(*obligation, |owed| owed.overdue = true);
                self.state = S::Breached;
            }
            Event::OverdueWithdrawn { obligation } => {
                self.change(*obligation, |owed| owed.overdue = false);
            }
            Event::PerformanceUrged { .. } => self.state = S::Urged,
            Event::ReferredToCourt { .. } => self.state = S::ReferredToCourt,
            Event::AgreementPerformed {} => self.state = S::Performed,
            Event::ConfirmationRequested { party } => {
                if let Some(party) = self.parties.get_mut(party) {
                    party.wants_confirmation = true;
                }
            }
            Event::ConfirmationApplied {} => self.confirmation = Confirmation::Applied,
            Event::CourtDecided { decision } => {
                self.confirmation = Confirmation::Decided(*decision);
                if *decision == CourtDecision::Void {
                    self.state = S::Void;
                }
            }
            Event::FollowUpRecorded { .. } => {
                self.dates.remove(&Purpose::FollowUp);
            }
            Event::HelpVerified { person, .. } => {
                self.verified_helpers.insert(*person);
            }
            _ => {}
        }
    }

    fn change(&mut self, obligation: u32, change: impl FnOnce(&mut Owed)) {
        let agreement = self.agreement.as_mut();
        if let Some(owed) = agreement.and_then(|it| it.obligations.get_mut(&obligation)) {
            change(owed);
        }
    }

    /// The parties are asked anew; what was, stays in the events. Sessions, and who helped and was
    /// found to have helped, hold for the whole life of the dispute.
    fn begin_anew(&mut self) {
        let again = Self {
            state: DisputeState::Registered,
            community: self.community,
            registration: self.registration,
            registered_at: self.registered_at,
            parties: self
                .parties
                .keys()
                .map(|id| (*id, Party::default()))
                .collect(),
            sessions: std::mem::take(&mut self.sessions),
            helpers: std::mem::take(&mut self.helpers),
            verified_helpers: std::mem::take(&mut self.verified_helpers),
            relapses: std::mem::take(&mut self.relapses),
            ..Self::default()
        };
        *self = again;
    }
}
