//! `mediation_report`: how far disputes came, as of any date, and how long it took.
//!
//! A partition is a dispute with the dates of its milestones. It never holds who is at odds or who
//! mediates: of a panel only the office that leads. Counting stands in [`funnel`].

pub mod funnel;

use domain::dispute::{self, CourtDecision, DisputeKind};
use domain::ids::{DisputeId, UnitId};
use domain::open_item::{self, Item, OpenItem};
use domain::{Event, Instant};
use serde::{Deserialize, Serialize};

use crate::read_model::{Fact, ReadModel, Row, no_index, row_value};

/// The model.
#[derive(Debug)]
pub struct MediationReport;

/// What happened to a dispute, as far as the report counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Milestone {
    /// The team mediates it.
    Accepted,
    /// The team does not.
    NotAccepted,
    /// Terms were found.
    Agreed,
    /// The agreement binds.
    Effective,
    /// Every obligation is performed.
    Performed,
    /// No agreement was found.
    Failed,
    /// A party does not want to go on.
    Withdrawn,
    /// It may not be mediated.
    Terminated,
    /// The creditor was shown the way to court.
    ReferredToCourt,
    /// The court confirmed the agreement.
    Confirmed,
    /// It was taken up again.
    Reopened,
    /// It broke out again as another dispute.
    Relapsed,
}

/// A dispute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    /// The community it lies in.
    pub community: UnitId,
    /// What kind.
    pub kind: DisputeKind,
    /// When it was registered.
    pub registered_at: Instant,
    /// The zone of time of its community, by which months are told.
    pub zone: chrono_tz::Tz,
    /// The office that leads its panel, from when on, rising.
    pub lead_offices: Vec<(Instant, String)>,
    /// Its milestones, rising; of one instant in the order of the log.
    pub milestones: Vec<(Instant, Milestone)>,
    /// To whom it was given, if its community ends.
    pub given: OpenItem,
}

/// A partition: the dispute, once it is registered.
pub type CourseSlot = Option<Course>;

fn milestone(event: &dispute::Event) -> Option<Milestone> {
    use dispute::Event as E;
    Some(match event {
        E::DisputeAccepted { .. } => Milestone::Accepted,
        E::DisputeNotAccepted { .. } => Milestone::NotAccepted,
        E::AgreementReached { .. } => Milestone::Agreed,
        E::AgreementEffective {} => Milestone::Effective,
        E::AgreementPerformed {} => Milestone::Performed,
        E::MediationFailed { .. } => Milestone::Failed,
        E::MediationWithdrawn { .. } => Milestone::Withdrawn,
        E::DisputeTerminated { .. } => Milestone::Terminated,
        E::ReferredToCourt { .. } => Milestone::ReferredToCourt,
        E::CourtDecided {
            decision: CourtDecision::Confirmed,
        } => Milestone::Confirmed,
        E::DisputeReopened { .. } => Milestone::Reopened,
        E::RelapseLinked { .. } => Milestone::Relapsed,
        _ => return None,
    })
}

fn registered(fact: &Fact<'_>) -> CourseSlot {
    let Event::Dispute(dispute::Event::DisputeRegistered {
        community, kind, ..
    }) = fact.event
    else {
        return None;
    };
    Some(Course {
        community: *community,
        kind: *kind,
        registered_at: fact.occurred_at(),
        zone: fact.zone,
        lead_offices: Vec::new(),
        milestones: Vec::new(),
        given: OpenItem::default(),
    })
}

/// Puts something in at its time, behind what is of the same instant.
fn put<T>(list: &mut Vec<(Instant, T)>, at: Instant, what: T) {
    let place = list.partition_point(|(other, _)| *other <= at);
    list.insert(place, (at, what));
}

impl ReadModel for MediationReport {
    const NAME: &'static str = "mediation_report";
    const SCHEMA_VERSION: u32 = 1;
    type Key = DisputeId;
    type Partition = CourseSlot;
    no_index!();

    fn wants(category: &str) -> bool {
        matches!(category, "dispute" | "open_item")
    }

    fn partition(fact: &Fact<'_>) -> Option<DisputeId> {
        match fact.event {
            Event::OpenItem(open_item::Event::OpenItemReassigned { item, .. }) => match item {
                Item::Dispute(id) => Some(*id),
                _ => None,
            },
            _ => fact.key().map(DisputeId),
        }
    }

    fn apply(slot: &mut CourseSlot, fact: &Fact<'_>) {
        let at = fact.occurred_at();
        match (&mut *slot, fact.event) {
            (None, _) => *slot = registered(fact),
            (Some(course), Event::OpenItem(event)) => course.given.take(event),
            (Some(course), Event::Dispute(dispute::Event::PanelFormed { panel, .. })) => {
                put(&mut course.lead_offices, at, panel.lead_office.clone());
            }
            (Some(course), Event::Dispute(event)) => {
                if let Some(milestone) = milestone(event) {
                    put(&mut course.milestones, at, milestone);
                }
            }
            _ => {}
        }
    }

    fn rows(key: &DisputeId, slot: &CourseSlot) -> Vec<Row> {
        slot.iter()
            .map(|course| (key.to_string(), row_value(course)))
            .collect()
    }
}
