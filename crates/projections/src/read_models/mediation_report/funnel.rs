//! The funnel of mediation: how many of those that reached one stage reached the next, and the
//! time from registration to the first agreement.

use std::collections::{BTreeMap, BTreeSet};

use domain::Instant;
use domain::dispute::DisputeKind;
use domain::ids::UnitId;

use super::{Course, MediationReport, Milestone};
use crate::build::Build;
use crate::read_models::members::Month;
use crate::read_models::units::Succession;

/// Which disputes, and as of when; what is absent does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// In one of these units.
    pub units: Option<BTreeSet<UnitId>>,
    /// Who took over from units that ended.
    pub succession: Succession,
    /// Registered from then on.
    pub from: Option<Instant>,
    /// Registered before then.
    pub until: Option<Instant>,
    /// Of this kind.
    pub kind: Option<DisputeKind>,
    /// Whose panel this office leads.
    pub lead_office: Option<String>,
    /// What happened later is left out.
    pub as_of: Instant,
}

/// By what disputes are put together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GroupBy {
    /// By nothing: one group.
    #[default]
    Nothing,
    /// By the local month of registration.
    Month,
    /// By kind.
    Kind,
    /// By the office that leads the panel; those without a panel together.
    LeadOffice,
    /// By the unit that answers for them.
    Unit,
}

/// How far some disputes came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Funnel {
    /// Registered in all.
    pub registered: u64,
    /// The team mediated them at some time; of those registered.
    pub accepted: u64,
    /// The team did not, as they ended; of those registered.
    pub not_accepted: u64,
    /// Terms were found at some time; of those accepted.
    pub agreed: u64,
    /// An agreement came to bind at some time; of those agreed.
    pub effective: u64,
    /// Every obligation was performed at some time; of those that came to bind.
    pub performed: u64,
    /// No agreement was found, as they ended; of those accepted.
    pub failed: u64,
    /// A party did not want to go on, as they ended; of those registered.
    pub withdrawn: u64,
    /// They might not be mediated, as they ended; of those registered.
    pub terminated: u64,
    /// A creditor was shown the way to court; of those that came to bind.
    pub referred_to_court: u64,
    /// A court confirmed the agreement; of those that came to bind.
    pub confirmed: u64,
    /// They broke out again as another dispute; of those that came to bind.
    pub relapsed: u64,
    /// Seconds from registration to the first terms, of each that agreed, rising.
    pub seconds_to_agreement: Vec<u64>,
}

impl Funnel {
    /// The time below or at which this share (1 to 100 percent) of the agreements were found, by
    /// nearest rank: exact, one of the times themselves. `None` where nothing was agreed.
    pub fn percentile(&self, percent: u8) -> Option<u64> {
        let count = self.seconds_to_agreement.len();
        let rank = (count * usize::from(percent.clamp(1, 100))).div_ceil(100);
        self.seconds_to_agreement.get(rank.checked_sub(1)?).copied()
    }

    fn count(&mut self, course: &Course, as_of: Instant) {
        let until = course.milestones.partition_point(|(at, _)| *at <= as_of);
        let told = &course.milestones[..until];
        let reached = |wanted| told.iter().any(|(_, milestone)| *milestone == wanted);
        // How it ended last, unless it was taken up again since.
        let ended = told
            .iter()
            .rev()
            .find_map(|(_, milestone)| match milestone {
                Milestone::NotAccepted
                | Milestone::Failed
                | Milestone::Withdrawn
                | Milestone::Terminated
                | Milestone::Reopened => Some(*milestone),
                _ => None,
            });
        for (count, holds) in [
            (&mut self.registered, true),
            (&mut self.accepted, reached(Milestone::Accepted)),
            (
                &mut self.not_accepted,
                ended == Some(Milestone::NotAccepted),
            ),
            (&mut self.agreed, reached(Milestone::Agreed)),
            (&mut self.effective, reached(Milestone::Effective)),
            (&mut self.performed, reached(Milestone::Performed)),
            (&mut self.failed, ended == Some(Milestone::Failed)),
            (&mut self.withdrawn, ended == Some(Milestone::Withdrawn)),
            (&mut self.terminated, ended == Some(Milestone::Terminated)),
            (
                &mut self.referred_to_court,
                reached(Milestone::ReferredToCourt),
            ),
            (&mut self.confirmed, reached(Milestone::Confirmed)),
            (&mut self.relapsed, reached(Milestone::Relapsed)),
        ] {
            *count += u64::from(holds);
        }
        let agreed = told.iter().find(|(_, it)| *it == Milestone::Agreed);
        if let Some((at, _)) = agreed {
            let took = (*at - course.registered_at).num_seconds();
            self.seconds_to_agreement
                .push(u64::try_from(took).unwrap_or(0));
        }
    }
}

/// The office that led the panel at an instant.
fn lead_office(course: &Course, as_of: Instant) -> Option<&String> {
    let offices = course.lead_offices.iter().rev();
    let mut formed = offices.filter(|(at, _)| *at <= as_of);
    formed.next().map(|(_, office)| office)
}

fn kind_name(kind: DisputeKind) -> &'static str {
    match kind {
        DisputeKind::Neighbour => "neighbour",
        DisputeKind::Consumer => "consumer",
        DisputeKind::Other => "other",
    }
}

impl Build<MediationReport> {
    /// How far the disputes asked for came, in groups by name.
    pub fn funnel(&self, filter: &Filter, by: GroupBy) -> BTreeMap<String, Funnel> {
        let mut groups = BTreeMap::<String, Funnel>::new();
        let slots = self.partitions.iter();
        for (_, slot) in slots {
            let Some(course) = slot else { continue };
            let owner = filter.succession.owner(&course.given, course.community);
            let office = lead_office(course, filter.as_of);
            let registered_at = course.registered_at;
            let asked_for = registered_at <= filter.as_of
                && filter.from.is_none_or(|from| from <= registered_at)
                && filter.until.is_none_or(|until| registered_at < until)
                && filter.kind.is_none_or(|kind| kind == course.kind)
                && (filter.lead_office.is_none() || filter.lead_office.as_ref() == office)
                && filter
                    .units
                    .as_ref()
                    .is_none_or(|units| units.contains(&owner));
            if !asked_for {
                continue;
            }
            let name = match by {
                GroupBy::Nothing => String::new(),
                GroupBy::Month => Month::of(registered_at, course.zone).to_string(),
                GroupBy::Kind => kind_name(course.kind).to_owned(),
                GroupBy::LeadOffice => office.cloned().unwrap_or_default(),
                GroupBy::Unit => owner.to_string(),
            };
            groups.entry(name).or_default().count(course, filter.as_of);
        }
        for funnel in groups.values_mut() {
            funnel.seconds_to_agreement.sort_unstable();
        }
        groups
    }
}
