//! `hazard_report`: how hazards are dealt with, as of any date: open by level, overdue, failed
//! re-inspections, recurrence, and days since a kind was last seen.
//!
//! A partition is a hazard with the dates of its life; counting stands in [`tally`]. A step counts
//! from the time at which it happened, so a fact that was recorded late moves the past.

pub mod tally;

use domain::hazard::{self, HazardLevel, Purpose};
use domain::ids::{HazardId, UnitId};
use domain::open_item::{self, Item, OpenItem};
use domain::{Event, Instant};
use serde::{Deserialize, Serialize};

use crate::read_model::{Fact, ReadModel, Row, no_index, row_value};

/// The model.
#[derive(Debug)]
pub struct HazardReport;

/// What happened to a hazard, as far as the report counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// It was reported.
    Reported,
    /// It is real, and so grave.
    Verified(HazardLevel),
    /// It is none, or known already.
    Dismissed,
    /// Another authority has it.
    Referred,
    /// That one gave it back.
    Returned,
    /// It must be rectified by then.
    Due(Instant),
    /// The owner says it is done.
    Claimed,
    /// Another person agrees.
    Passed,
    /// Another person does not.
    Failed,
    /// It is closed, after a passed re-inspection.
    ClosedOut,
    /// The source of an import closed it.
    ClosedBySource,
    /// It is there again.
    Recurred,
}

/// The life of a hazard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// The unit it lies in.
    pub unit: UnitId,
    /// What kind.
    pub kind: String,
    /// The source it was imported from, if it was.
    pub source: Option<String>,
    /// What happened and when, rising; of one instant in the order of the log.
    pub steps: Vec<(Instant, Step)>,
    /// To whom it was given, if its unit ends.
    pub given: OpenItem,
}

impl Life {
    fn take(&mut self, at: Instant, step: Step) {
        let place = self.steps.partition_point(|(other, _)| *other <= at);
        self.steps.insert(place, (at, step));
    }
}

/// A partition: the hazard, once it is reported.
pub type LifeSlot = Option<Life>;

fn step(event: &hazard::Event, fact: &Fact<'_>) -> Option<(Instant, Step)> {
    use hazard::Event as E;
    let at = fact.occurred_at();
    let step = match event {
        E::HazardVerified { level, .. } => Step::Verified(*level),
        E::HazardRejected { .. } | E::HazardLinkedAsDuplicate { .. } => Step::Dismissed,
        E::HazardReferred { .. } => Step::Referred,
        E::ReferralReturned { .. } => Step::Returned,
        E::DeadlineSet {
            purpose: Purpose::Rectification,
            deadline,
        }
        | E::ExtensionGranted { deadline, .. } => Step::Due(deadline.due_at),
        E::RectificationClaimed { .. } => Step::Claimed,
        E::ReinspectionPassed { .. } => Step::Passed,
        E::ReinspectionFailed { .. } => Step::Failed,
        E::HazardClosedOut { .. } => Step::ClosedOut,
        E::ClosedBySource { closed } => return Some((closed.closed_at, Step::ClosedBySource)),
        E::HazardRecurred { .. } => Step::Recurred,
        E::HazardReported { .. }
        | E::DuplicateLinked { .. }
        | E::BoundaryUnclearRaised { .. }
        | E::JointOwnerRuled { .. }
        | E::OwnerAssigned { .. }
        | E::DeadlineSet { .. }
        | E::InterimMeasureTaken { .. }
        | E::RectificationPlanned { .. }
        | E::MajorHazardReportedUp { .. }
        // Whether a deadline has passed is asked of the date that the report is about.
        | E::DeadlineBreached { .. }
        | E::BreachWithdrawn { .. } => return None,
    };
    Some((at, step))
}

impl ReadModel for HazardReport {
    const NAME: &'static str = "hazard_report";
    const SCHEMA_VERSION: u32 = 1;
    type Key = HazardId;
    type Partition = LifeSlot;
    no_index!();

    fn wants(category: &str) -> bool {
        matches!(category, "hazard" | "open_item")
    }

    fn partition(fact: &Fact<'_>) -> Option<HazardId> {
        match fact.event {
            Event::OpenItem(open_item::Event::OpenItemReassigned { item, .. }) => match item {
                Item::Hazard(id) => Some(*id),
                _ => None,
            },
            _ => fact.key().map(HazardId),
        }
    }

    fn apply(slot: &mut LifeSlot, fact: &Fact<'_>) {
        match (&mut *slot, fact.event) {
            (Some(life), Event::OpenItem(event)) => life.given.take(event),
            (Some(life), Event::Hazard(event)) => {
                if let Some((at, step)) = step(event, fact) {
                    life.take(at, step);
                }
            }
            (
                None,
                Event::Hazard(hazard::Event::HazardReported {
                    unit,
                    kind,
                    imported,
                    ..
                }),
            ) => {
                *slot = Some(Life {
                    unit: *unit,
                    kind: kind.clone(),
                    source: imported.as_ref().map(|imported| imported.source.clone()),
                    steps: vec![(fact.occurred_at(), Step::Reported)],
                    given: OpenItem::default(),
                });
            }
            _ => {}
        }
    }

    fn rows(key: &HazardId, slot: &LifeSlot) -> Vec<Row> {
        slot.iter()
            .map(|life| (key.to_string(), row_value(life)))
            .collect()
    }
}
