//! Who mediates: the panel of 1+3+N, challenges, and the experts who are asked beside it.

use std::collections::BTreeSet;

use super::{
    ASSESSMENTS_MAX, Case, Event, MEMBERS_MAX, Panel, Paper, Refusal, STATION, check_text,
    stands_twice,
};
use crate::ids::{AssessmentId, PersonId};
use crate::member::Member;
use crate::person::Person;
use crate::personal::Personal;
use crate::refusal::Stop;
use crate::world::Decision;

impl Case<'_> {
    pub(super) fn form_panel(&self, panel: &Panel) -> Result<Decision, Stop> {
        let formed_by = self.mediator()?;
        if self.dispute.panel.is_some() {
            return Err(Refusal::PanelAlreadyFormed.into());
        }
        self.check_panel(panel)?;
        Ok(self.one(Event::PanelFormed {
            panel: panel.clone(),
            formed_by,
        }))
    }

    fn check_panel(&self, panel: &Panel) -> Result<(), Stop> {
        let (rules, _) = self.rules()?;
        if !rules.lead_offices.contains(&panel.lead_office) {
            return Err(Refusal::LeadOfficeNotAllowed.into());
        }
        let offices = [panel.officer, panel.justice_office, panel.legal_service];
        let others = panel.members.iter().copied();
        // The lead may sit for one of the three offices, but is none of the N.
        if stands_twice(offices.into_iter().chain(others.clone()))
            || panel.members.len() > MEMBERS_MAX
            || panel.members.contains(&panel.lead)
            || self.sits_under_two_records(panel)?
        {
            return Err(Refusal::PanelNotAllowed.into());
        }
        for person in panel.everybody() {
            if self.is_party(person)? {
                return Err(Refusal::MediatorIsParty.into());
            }
            // Who sat before a merge keeps the seat; nobody is seated under a record that is merged.
            let stands = self.world.state::<Person>(person)?.is_active();
            let sat = self.dispute.panel.as_ref();
            if !stands && !sat.is_some_and(|sat| sat.seats(person)) {
                return Err(Refusal::PanelistNotFound.into());
            }
        }
        if !self.holds(panel.officer, STATION)? {
            return Err(Refusal::OfficerNotAllowed.into());
        }
        for member in others {
            Member::active(self.world, self.owner()?, member)?;
        }
        Ok(())
    }

    /// True if somebody would sit there under two of their records.
    fn sits_under_two_records(&self, panel: &Panel) -> Result<bool, Stop> {
        let seated: BTreeSet<_> = panel.everybody().collect();
        let survivors = seated
            .iter()
            .map(|person| Person::survivor(self.world, *person))
            .collect::<Result<BTreeSet<_>, _>>()?;
        Ok(survivors.len() < seated.len())
    }

    /// The panel and a person who sits on it.
    pub(super) fn panel_with(&self, mediator: PersonId) -> Result<&Panel, Stop> {
        let panel = self.dispute.panel.as_ref().ok_or(Refusal::PanelMissing)?;
        if !panel.seats(mediator) {
            return Err(Refusal::MediatorNotOnPanel.into());
        }
        Ok(panel)
    }

    pub(super) fn challenge(
        &self,
        mediator: PersonId,
        party: PersonId,
        reason: &Personal,
        paper: Paper,
    ) -> Result<Decision, Stop> {
        let (_, envelope) = self.party_act(party, paper)?;
        self.panel_with(mediator)?;
        check_text(reason)?;
        if self.dispute.challenged.contains(&mediator) {
            return Err(Refusal::MediatorAlreadyChallenged.into());
        }
        let challenged = Event::MediatorChallenged {
            mediator,
            party,
            reason: reason.clone(),
        };
        Ok(self.all(vec![challenged], &envelope))
    }

    pub(super) fn replace(
        &self,
        mediator: PersonId,
        replacement: PersonId,
    ) -> Result<Decision, Stop> {
        let replaced_by = self.mediator()?;
        let mut panel = self.panel_with(mediator)?.clone();
        if panel.seats(replacement) {
            return Err(Refusal::MediatorAlreadyOnPanel.into());
        }
        panel.replace(mediator, replacement);
        self.check_panel(&panel)?;
        Ok(self.one(Event::MediatorReplaced {
            mediator,
            replacement,
            replaced_by,
        }))
    }

    pub(super) fn notify_rights(&self) -> Result<Decision, Stop> {
        let notified_by = self.mediator()?;
        if self.dispute.rights_notified {
            return Err(Refusal::RightsAlreadyNotified.into());
        }
        Ok(self.one(Event::RightsNotified { notified_by }))
    }

    pub(super) fn request_assessment(
        &self,
        assessment: AssessmentId,
        expert: PersonId,
        question: &Personal,
    ) -> Result<Decision, Stop> {
        self.mediator()?;
        if self.dispute.panel.is_none() {
            return Err(Refusal::PanelMissing.into());
        }
        if self.dispute.assessments.contains_key(&assessment) {
            return Err(Refusal::AssessmentAlreadyRequested.into());
        }
        if self.dispute.assessments.len() >= ASSESSMENTS_MAX {
            return Err(Refusal::TooManyAssessments.into());
        }
        if self.is_party(expert)? || !self.world.state::<Person>(expert)?.is_active() {
            return Err(Refusal::ExpertNotAllowed.into());
        }
        check_text(question)?;
        Ok(self.one(Event::ExpertAssessmentRequested {
            assessment,
            expert,
            question: question.clone(),
        }))
    }

    pub(super) fn record_assessment(
        &self,
        assessment: AssessmentId,
        finding: &Personal,
        report: Paper,
    ) -> Result<Decision, Stop> {
        let asked = self.dispute.assessments.get(&assessment);
        let (expert, answered) = *asked.ok_or(Refusal::AssessmentNotRequested)?;
        if answered {
            return Err(Refusal::AssessmentAlreadyRecorded.into());
        }
        // As with the parties: through the expert's own login, or with the report.
        let envelope = self.own_act(expert, report)?;
        check_text(finding)?;
        let recorded = Event::ExpertAssessmentRecorded {
            assessment,
            finding: finding.clone(),
        };
        Ok(self.all(vec![recorded], &envelope))
    }
}
