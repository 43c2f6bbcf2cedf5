//! `disputes`: mediation as the panel and the justice office see it.
//!
//! A partition is a dispute. Where it stands is folded by the aggregate itself, so that board and
//! rules never differ; beside it stand the milestones that a report counts. The index orders them
//! by (registered at, id), which never changes, so that a page neither skips nor repeats. Whom the
//! parties may be shown to is not decided here.

use std::collections::BTreeSet;

use domain::dispute::{
    self, Confirmation, CourtDecision, Dispute, DisputeKind, DisputeState, Source,
};
use domain::ids::{DisputeId, UnitId};
use domain::open_item::{self, Item, OpenItem};
use domain::{Aggregate as _, Event, Instant};
use serde::{Deserialize, Serialize};

use crate::build::Build;
use crate::by_time::{self, ByTime};
use crate::read_model::{Fact, ReadModel, Row, row_value};
use crate::read_models::units::Succession;

/// Most disputes on one page.
pub const PAGE_DISPUTES_MAX: usize = 1_000;

/// The model.
#[derive(Debug)]
pub struct Disputes;

/// A dispute on the board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The community it lies in.
    pub community: UnitId,
    /// What kind.
    pub kind: DisputeKind,
    /// How it came to be known.
    pub source: Source,
    /// When it was registered; never changes.
    pub registered_at: Instant,
    /// The dispute that this is again.
    pub relapse_of: Option<DisputeId>,
    /// As the rules see it.
    pub dispute: Dispute,
    /// The team mediated it at some time.
    pub accepted: bool,
    /// When terms were found first.
    pub agreed_first_at: Option<Instant>,
    /// An agreement came to bind at some time.
    pub effective: bool,
    /// Every obligation of an agreement was performed at some time.
    pub performed: bool,
    /// How it ended last, and when.
    pub ended: Option<(DisputeState, Instant)>,
    /// Times that somebody said it may turn violent.
    pub risk_flags: u32,
    /// Times it was taken up again.
    pub reopenings: u32,
    /// Position of the last event that changed it.
    pub position: u64,
    /// Version of its stream after that event.
    pub version: u64,
    /// To whom it was given, if its community ends.
    pub given: OpenItem,
}

impl Record {
    /// Obligations of the agreement: all, performed, overdue and not performed.
    pub fn obligations(&self) -> (usize, usize, usize) {
        let owed = || {
            let agreement = self.dispute.agreement.iter();
            agreement.flat_map(|agreement| agreement.obligations.values())
        };
        (
            owed().count(),
            owed().filter(|owed| owed.performed).count(),
            owed()
                .filter(|owed| owed.overdue && !owed.performed)
                .count(),
        )
    }

    /// A breach stands or an obligation is overdue.
    pub fn is_breached(&self) -> bool {
        !self.dispute.breaches.is_empty() || self.obligations().2 > 0
    }
}

/// How far disputes came; each count is of those registered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Funnel {
    /// In all.
    pub registered: u64,
    /// The team did not mediate them.
    pub not_accepted: u64,
    /// The team mediated them at some time.
    pub accepted: u64,
    /// Terms were found at some time.
    pub agreed: u64,
    /// An agreement came to bind at some time.
    pub effective: u64,
    /// Every obligation was performed at some time.
    pub performed: u64,
    /// No agreement was found.
    pub failed: u64,
    /// A party did not want to go on.
    pub withdrawn: u64,
    /// They might not be mediated.
    pub terminated: u64,
    /// A creditor was shown the way to court.
    pub referred_to_court: u64,
    /// A court confirmed the agreement.
    pub confirmed: u64,
    /// They broke out again as another dispute.
    pub relapsed: u64,
    /// They were taken up again.
    pub reopened: u64,
    /// Somebody must still act.
    pub open: u64,
    /// A breach stands or an obligation is overdue.
    pub breached: u64,
    /// Seconds from registration to the first terms, added up over `agreed`.
    pub seconds_to_agreement: u64,
}

impl Funnel {
    fn count(&mut self, record: &Record) {
        let confirmed = Confirmation::Decided(CourtDecision::Confirmed);
        let ended_as = |state| record.ended.is_some_and(|(ended, _)| ended == state);
        for (count, holds) in [
            (&mut self.registered, true),
            (&mut self.not_accepted, ended_as(DisputeState::NotAccepted)),
            (&mut self.accepted, record.accepted),
            (&mut self.agreed, record.agreed_first_at.is_some()),
            (&mut self.effective, record.effective),
            (&mut self.performed, record.performed),
            (&mut self.failed, ended_as(DisputeState::Failed)),
            (&mut self.withdrawn, ended_as(DisputeState::Withdrawn)),
            (&mut self.terminated, ended_as(DisputeState::Terminated)),
            (
                &mut self.referred_to_court,
                ended_as(DisputeState::ReferredToCourt),
            ),
            (
                &mut self.confirmed,
                record.dispute.confirmation == confirmed,
            ),
            (&mut self.relapsed, !record.dispute.relapses.is_empty()),
            (&mut self.reopened, record.reopenings > 0),
            (&mut self.open, record.dispute.state.is_open()),
            (&mut self.breached, record.is_breached()),
        ] {
            *count += u64::from(holds);
        }
        if let Some(agreed_at) = record.agreed_first_at {
            let took = (agreed_at - record.registered_at).num_seconds();
            self.seconds_to_agreement += u64::try_from(took).unwrap_or(0);
        }
    }
}

/// Which disputes; what is absent does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Filter {
    /// In one of these units.
    pub units: Option<BTreeSet<UnitId>>,
    /// Who took over from units that ended.
    #[serde(skip)]
    pub succession: Succession,
    /// In exactly this state.
    pub state: Option<DisputeState>,
    /// That somebody must still act on.
    pub open_only: bool,
    /// With a breach that stands or an overdue obligation.
    pub breached_only: bool,
    /// Registered from then on.
    pub from: Option<Instant>,
    /// Registered before then.
    pub until: Option<Instant>,
}

impl Filter {
    /// True if the dispute is one of those asked for.
    pub fn matches(&self, record: &Record) -> bool {
        let units = self.units.as_ref();
        let state = record.dispute.state;
        units.is_none_or(|units| {
            let owner = self.succession.owner(&record.given, record.community);
            units.contains(&owner)
        }) && self.state.is_none_or(|wanted| wanted == state)
            && (!self.open_only || state.is_open())
            && (!self.breached_only || record.is_breached())
            && self.from.is_none_or(|from| from <= record.registered_at)
            && self.until.is_none_or(|until| record.registered_at < until)
    }
}

/// A place in the order: registered at, id.
pub type Place = by_time::Place<DisputeId>;

/// A partition: the dispute, once it is registered.
pub type DisputeSlot = Option<Record>;

fn registered(fact: &Fact<'_>) -> DisputeSlot {
    let Event::Dispute(dispute::Event::DisputeRegistered {
        community,
        source,
        kind,
        relapse_of,
        ..
    }) = fact.event
    else {
        return None;
    };
    Some(Record {
        community: *community,
        kind: *kind,
        source: *source,
        registered_at: fact.occurred_at(),
        relapse_of: *relapse_of,
        dispute: Dispute::default(),
        accepted: false,
        agreed_first_at: None,
        effective: false,
        performed: false,
        ended: None,
        risk_flags: 0,
        reopenings: 0,
        position: fact.position,
        version: fact.version,
        given: OpenItem::default(),
    })
}

fn change(record: &mut Record, event: &dispute::Event, fact: &Fact<'_>) {
    use dispute::Event as E;
    let before = record.dispute.state;
    record.dispute.evolve(event, &fact.stamp());
    let state = record.dispute.state;
    if state != before && state.has_ended() {
        record.ended = Some((state, fact.occurred_at()));
    }
    match event {
        E::DisputeAccepted { .. } => record.accepted = true,
        E::AgreementReached { .. } => {
            record.agreed_first_at.get_or_insert(fact.occurred_at());
        }
        E::AgreementEffective {} => record.effective = true,
        E::AgreementPerformed {} => record.performed = true,
        E::EscalationRiskFlagged { .. } => record.risk_flags += 1,
        E::DisputeReopened { .. } => {
            record.reopenings += 1;
            record.ended = None;
        }
        _ => {}
    }
    record.position = fact.position;
    record.version = fact.version;
}

impl ReadModel for Disputes {
    const NAME: &'static str = "disputes";
    const SCHEMA_VERSION: u32 = 2;
    type Key = DisputeId;
    type Partition = DisputeSlot;
    type Entry = Option<Instant>;
    type Index = ByTime<DisputeId>;

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

    fn apply(slot: &mut DisputeSlot, fact: &Fact<'_>) {
        if let (Some(record), Event::OpenItem(event)) = (&mut *slot, fact.event) {
            record.given.take(event);
        }
        let Event::Dispute(event) = fact.event else {
            return;
        };
        if slot.is_none() {
            *slot = registered(fact);
        }
        if let Some(record) = slot {
            change(record, event, fact);
        }
    }

    fn rows(key: &DisputeId, slot: &DisputeSlot) -> Vec<Row> {
        slot.iter()
            .map(|record| (key.to_string(), row_value(record)))
            .collect()
    }

    fn entry(_: &DisputeId, slot: &DisputeSlot) -> Option<Instant> {
        slot.as_ref().map(|record| record.registered_at)
    }

    fn reindex(
        index: &mut ByTime<DisputeId>,
        key: &DisputeId,
        old: Option<&Option<Instant>>,
        new: &Option<Instant>,
    ) {
        index.move_to(*key, old.copied().flatten(), *new);
    }
}

impl Build<Disputes> {
    /// A dispute by id.
    pub fn dispute(&self, id: DisputeId) -> Option<&Record> {
        self.partitions.get(&id)?.as_ref()
    }

    /// At most `size` disputes (bounded by [`PAGE_DISPUTES_MAX`]) after a place in the order, and
    /// whether there are more.
    pub fn list(
        &self,
        filter: &Filter,
        oldest_first: bool,
        size: usize,
        after: Option<Place>,
    ) -> (Vec<(DisputeId, &Record)>, bool) {
        let size = size.clamp(1, PAGE_DISPUTES_MAX);
        let ordered: Box<dyn Iterator<Item = DisputeId>> = if oldest_first {
            Box::new(self.index().oldest_first(after))
        } else {
            Box::new(self.index().newest_first(after))
        };
        let found = ordered.filter_map(|id| {
            let record = self.dispute(id)?;
            filter.matches(record).then_some((id, record))
        });
        by_time::page(found, size)
    }

    /// How far the disputes asked for came.
    pub fn funnel(&self, filter: &Filter) -> Funnel {
        let mut funnel = Funnel::default();
        let records = self.partitions.values().flatten();
        for record in records.filter(|record| filter.matches(record)) {
            funnel.count(record);
        }
        funnel
    }
}
