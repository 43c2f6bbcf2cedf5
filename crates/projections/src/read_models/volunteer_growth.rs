//! `volunteer_growth`: who joined, who is active, who left, and who stays, as of any date.
//!
//! A partition is a community: its members' records, folded as `members` does it, and on which
//! local days each person did something that was verified. A lead is never among it: that somebody
//! told something must not show, not even as one more in a count. Counting stands in [`curve`].

pub mod curve;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use domain::ids::{PersonId, UnitId};
use domain::{Event, Instant, campaign, dispute, patrol_shift};
use serde::{Deserialize, Serialize};

use crate::read_model::{Fact, ReadModel, Row, no_index, pairs, row_value};
use crate::read_models::members::{self, Members};

/// The model.
#[derive(Debug)]
pub struct VolunteerGrowth;

/// What one person did: how many verified acts on a local day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acts(#[serde(with = "pairs")] pub BTreeMap<NaiveDate, u32>);

/// A community.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Community {
    /// Its zone of time, by which days and months are told.
    pub zone: Option<chrono_tz::Tz>,
    /// Its members' records.
    pub membership: members::Community,
    /// What each person did here, member or not.
    #[serde(with = "pairs")]
    pub acts: BTreeMap<PersonId, Acts>,
}

impl Community {
    fn did(&mut self, person: PersonId, at: Instant, zone: chrono_tz::Tz) {
        let day = at.with_timezone(&zone).date_naive();
        let acts = self.acts.entry(person).or_default();
        *acts.0.entry(day).or_default() += 1;
    }

    fn undid(&mut self, person: PersonId, at: Instant, zone: chrono_tz::Tz) {
        let day = at.with_timezone(&zone).date_naive();
        let Some(acts) = self.acts.get_mut(&person) else {
            return;
        };
        if let Some(count) = acts.0.get_mut(&day) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                acts.0.remove(&day);
            }
        }
        if acts.0.is_empty() {
            self.acts.remove(&person);
        }
    }

    /// A part of a patrol counts on the day on which what counts of it begins.
    fn walked(&mut self, event: &patrol_shift::Event, zone: chrono_tz::Tz) {
        use patrol_shift::Event as E;
        let begin =
            |intervals: &[(Instant, Instant)]| intervals.iter().map(|(from, _)| *from).min();
        match event {
            E::ParticipationVerified {
                person, intervals, ..
            } => {
                if let Some(at) = begin(intervals) {
                    self.did(*person, at, zone);
                }
            }
            E::ParticipationReverified {
                person,
                before,
                intervals,
                ..
            } => {
                if let Some(at) = begin(before) {
                    self.undid(*person, at, zone);
                }
                if let Some(at) = begin(intervals) {
                    self.did(*person, at, zone);
                }
            }
            E::ShiftVoided { parts, .. } => {
                for part in parts {
                    if let Some(at) = begin(&part.counted) {
                        self.undid(part.person, at, zone);
                    }
                }
            }
            _ => {}
        }
    }
}

impl ReadModel for VolunteerGrowth {
    const NAME: &'static str = "volunteer_growth";
    const SCHEMA_VERSION: u32 = 1;
    type Key = UnitId;
    type Partition = Community;
    no_index!();

    fn wants(category: &str) -> bool {
        Members::wants(category) || matches!(category, "patrol_shift" | "campaign" | "dispute")
    }

    fn partition(fact: &Fact<'_>) -> Option<UnitId> {
        use patrol_shift::Event as Shift;
        match fact.event {
            Event::Member(_) => Members::partition(fact),
            Event::PatrolShift(
                Shift::ParticipationVerified { community, .. }
                | Shift::ParticipationReverified { community, .. }
                | Shift::ShiftVoided { community, .. },
            )
            | Event::Campaign(campaign::Event::ParticipationVerified { community, .. })
            | Event::Dispute(dispute::Event::HelpVerified { community, .. }) => Some(*community),
            _ => None,
        }
    }

    fn apply(community: &mut Community, fact: &Fact<'_>) {
        community.zone = Some(fact.zone);
        match fact.event {
            Event::Member(_) => Members::apply(&mut community.membership, fact),
            Event::PatrolShift(event) => community.walked(event, fact.zone),
            Event::Campaign(campaign::Event::ParticipationVerified { person, .. })
            | Event::Dispute(dispute::Event::HelpVerified { person, .. }) => {
                community.did(*person, fact.occurred_at(), fact.zone);
            }
            _ => {}
        }
    }

    fn rows(key: &UnitId, community: &Community) -> Vec<Row> {
        let acts = community.acts.iter().map(|(person, acts)| {
            let row = format!("{key}/acts/{person}");
            (row, row_value(acts))
        });
        let records = community.membership.records.iter();
        let records =
            records.map(|(person, record)| (format!("{key}/member/{person}"), row_value(record)));
        acts.chain(records).collect()
    }
}
