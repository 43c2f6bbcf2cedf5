//! What only some hazards come to: joint owners, interim measures, plans, reports upward,
//! referrals and duplicates.
//!
//! Kept apart and boxed, since most hazards of a city come to none of it.

use domain::Instant;
use domain::hazard::{Event, Purpose};
use domain::ids::{HazardId, PersonId, UnitId};
use serde::{Deserialize, Serialize};

use crate::read_model::Fact;

/// How a hazard is handled beyond the plain loop.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handling {
    /// Units or departments that could be meant while it is unclear whose it is.
    pub candidates: Vec<String>,
    /// Those that act with the owner, as a council ruled.
    pub joint_owners: Vec<String>,
    /// The meeting that ruled, by its reference.
    pub council_meeting: Option<String>,
    /// Interim measures taken.
    pub interim_measures: u32,
    /// When the owner means to be done.
    pub finish_by: Option<Instant>,
    /// When it must be reported upward.
    pub report_up_due: Option<Instant>,
    /// When it must be looked at again, by the latest claim that it is rectified.
    pub reinspection_due: Option<Instant>,
    /// The first report upward.
    pub reported_up: Option<ReportedUp>,
    /// Where another authority has it, or had it last.
    pub referral: Option<Referral>,
    /// Times it was referred.
    pub referrals: u32,
    /// The hazard that is kept, if this is a duplicate.
    pub master: Option<HazardId>,
    /// Duplicates of it.
    pub duplicates: u32,
}

/// A report upward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedUp {
    /// The unit that was told, if one stands above.
    pub to: Option<UnitId>,
    /// The office there.
    pub authority: String,
    /// When, as claimed.
    pub at: Instant,
    /// Who told it, where that was noted.
    pub by: Option<PersonId>,
}

/// A referral to another authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Referral {
    /// Which.
    pub authority: String,
    /// Its id there, if known.
    pub external_id: Option<String>,
    /// When.
    pub at: Instant,
    /// When it came back, if it did.
    pub returned_at: Option<Instant>,
}

impl Handling {
    /// Takes an event in; nothing is made for an event of the plain loop.
    pub(super) fn take(slot: &mut Option<Box<Self>>, event: &Event, fact: &Fact<'_>) {
        if let Event::HazardRecurred { .. } = event {
            // It begins anew; that it was referred or reported again before stays in its events.
            *slot = None;
        }
        let ends_ruling = matches!(event, Event::OwnerAssigned { .. });
        let concerns = matches!(
            event,
            Event::BoundaryUnclearRaised { .. }
                | Event::JointOwnerRuled { .. }
                | Event::InterimMeasureTaken { .. }
                | Event::RectificationPlanned { .. }
                | Event::DeadlineSet {
                    purpose: Purpose::ReportUp | Purpose::Reinspection,
                    ..
                }
                | Event::MajorHazardReportedUp { .. }
                | Event::HazardReferred { .. }
                | Event::ReferralReturned { .. }
                | Event::HazardLinkedAsDuplicate { .. }
                | Event::DuplicateLinked { .. }
        );
        if concerns || (ends_ruling && slot.is_some()) {
            slot.get_or_insert_default().change(event, fact);
        }
    }

    fn change(&mut self, event: &Event, fact: &Fact<'_>) {
        match event {
            Event::BoundaryUnclearRaised { candidates, .. } => {
                self.candidates.clone_from(candidates);
                self.joint_owners.clear();
                self.council_meeting = None;
            }
            Event::JointOwnerRuled {
                joint,
                council_meeting,
                ..
            } => {
                self.candidates.clear();
                self.joint_owners.clone_from(joint);
                self.council_meeting = Some(council_meeting.clone());
            }
            Event::OwnerAssigned { .. } => self.joint_owners.clear(),
            Event::InterimMeasureTaken { .. } => self.interim_measures += 1,
            Event::RectificationPlanned { finish_by, .. } => self.finish_by = Some(*finish_by),
            Event::DeadlineSet { purpose, deadline } => match purpose {
                Purpose::ReportUp => self.report_up_due = Some(deadline.due_at),
                Purpose::Reinspection => self.reinspection_due = Some(deadline.due_at),
                Purpose::Rectification => {}
            },
            Event::MajorHazardReportedUp {
                to,
                authority,
                reported_by,
            } => {
                self.reported_up.get_or_insert_with(|| ReportedUp {
                    to: *to,
                    authority: authority.clone(),
                    at: fact.occurred_at(),
                    by: *reported_by,
                });
            }
            Event::HazardReferred {
                authority,
                external_id,
                ..
            } => {
                self.candidates.clear();
                self.joint_owners.clear();
                self.council_meeting = None;
                self.finish_by = None;
                self.referrals += 1;
                self.referral = Some(Referral {
                    authority: authority.clone(),
                    external_id: external_id.clone(),
                    at: fact.occurred_at(),
                    returned_at: None,
                });
            }
            Event::ReferralReturned { .. } => {
                if let Some(referral) = &mut self.referral {
                    referral.returned_at = Some(fact.occurred_at());
                }
            }
            Event::HazardLinkedAsDuplicate { master, .. } => self.master = Some(*master),
            Event::DuplicateLinked { .. } => self.duplicates += 1,
            _ => {}
        }
    }
}
