//! `members`: how a community's membership grew.
//!
//! A partition is a community. A member counts from the approval to the leaving, in the local
//! month of `occurred_at`; suspension is shown beside and does not end membership. Holds ids and
//! counts, never a name.

use std::collections::BTreeMap;

use chrono::Datelike;
use domain::ids::{PersonId, UnitId};
use domain::member::{self, MemberKind};
use domain::{Event, Instant};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::read_model::{Fact, ReadModel, Row, no_index, pairs, row_value};

/// The model.
#[derive(Debug)]
pub struct Members;

/// Where somebody stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Asked to become a member.
    Applied,
    /// Takes part.
    Active,
    /// Kept from taking part; still a member.
    Suspended,
    /// Left.
    Left,
}

/// One person's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// As what.
    pub kind: MemberKind,
    /// Where they stand.
    pub standing: Standing,
    /// When they were last taken in.
    pub joined_at: Option<Instant>,
}

/// A month of the calendar in the community's zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Month {
    /// The year.
    pub year: i32,
    /// The month, 1..=12.
    pub month: u32,
}

impl Month {
    fn of(instant: Instant, zone: chrono_tz::Tz) -> Self {
        let local = instant.with_timezone(&zone);
        Self {
            year: local.year(),
            month: local.month(),
        }
    }

    /// The month after it.
    #[must_use]
    pub fn next(self) -> Self {
        if self.month >= 12 {
            Self {
                year: self.year + 1,
                month: 1,
            }
        } else {
            Self {
                year: self.year,
                month: self.month + 1,
            }
        }
    }
}

/// Who joined and left in a month.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moves {
    /// Taken in.
    pub joined: u32,
    /// Left.
    pub left: u32,
}

/// A month of the growth curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growth {
    /// Which month.
    pub month: Month,
    /// Taken in during it.
    pub joined: u32,
    /// Left during it.
    pub left: u32,
    /// Members at its end.
    pub members: u64,
}

/// A community's membership.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Community {
    /// Every person's record.
    #[serde(with = "pairs")]
    pub records: BTreeMap<PersonId, Record>,
    /// Who joined and left, by month.
    #[serde(with = "pairs")]
    pub months: BTreeMap<Month, Moves>,
}

/// Most months that one question covers: a century.
pub const MONTHS_MAX: usize = 1_200;

impl Community {
    /// Members now: taken in and not left.
    pub fn members(&self) -> u64 {
        self.count(|record| matches!(record.standing, Standing::Active | Standing::Suspended))
    }

    /// Members who take part now.
    pub fn active(&self) -> u64 {
        self.count(|record| record.standing == Standing::Active)
    }

    /// Members who take part now, by kind.
    pub fn active_by_kind(&self) -> BTreeMap<MemberKind, u64> {
        let mut kinds = BTreeMap::new();
        for record in self.records.values() {
            if record.standing == Standing::Active {
                *kinds.entry(record.kind).or_default() += 1;
            }
        }
        kinds
    }

    fn count(&self, which: impl Fn(&Record) -> bool) -> u64 {
        self.records.values().filter(|record| which(record)).count() as u64
    }

    /// The growth curve between two months, both included, without gaps; absent bounds are the
    /// first and the last month in which somebody moved. At most [`MONTHS_MAX`] months.
    pub fn growth(&self, from: Option<Month>, to: Option<Month>) -> Vec<Growth> {
        let (Some(first), Some(last)) = (
            from.or_else(|| self.months.keys().next().copied()),
            to.or_else(|| self.months.keys().next_back().copied()),
        ) else {
            return Vec::new();
        };
        let mut members = self
            .months
            .range(..first)
            .fold(0_u64, |sum, (_, moves)| after(sum, *moves));
        let months = std::iter::successors(Some(first), |month| Some(month.next()));
        months
            .take_while(|month| *month <= last)
            .take(MONTHS_MAX)
            .map(|month| {
                let moves = self.months.get(&month).copied().unwrap_or_default();
                members = after(members, moves);
                Growth {
                    month,
                    joined: moves.joined,
                    left: moves.left,
                    members,
                }
            })
            .collect()
    }
}

fn after(members: u64, moves: Moves) -> u64 {
    (members + u64::from(moves.joined)).saturating_sub(u64::from(moves.left))
}

/// Community and person of a member's stream (`member/<community>/<person>`).
fn parties(fact: &Fact<'_>) -> Option<(UnitId, PersonId)> {
    let (community, person) = fact.stream.key().split_once('/')?;
    Some((
        UnitId(Uuid::parse_str(community).ok()?),
        PersonId(Uuid::parse_str(person).ok()?),
    ))
}

impl ReadModel for Members {
    const NAME: &'static str = "members";
    const SCHEMA_VERSION: u32 = 1;
    type Key = UnitId;
    type Partition = Community;
    no_index!();

    fn wants(category: &str) -> bool {
        category == "member"
    }

    fn partition(fact: &Fact<'_>) -> Option<UnitId> {
        parties(fact).map(|(community, _)| community)
    }

    fn apply(community: &mut Community, fact: &Fact<'_>) {
        let (Event::Member(event), Some((_, person))) = (fact.event, parties(fact)) else {
            return;
        };
        if let member::Event::MemberApplied { kind, .. } = event {
            let record = Record {
                kind: *kind,
                standing: Standing::Applied,
                joined_at: None,
            };
            community.records.insert(person, record);
            return;
        }
        let Some(record) = community.records.get_mut(&person) else {
            return;
        };
        let at = fact.occurred_at();
        let month = Month::of(at, fact.zone);
        match event {
            member::Event::MemberApproved { .. } => {
                record.standing = Standing::Active;
                record.joined_at = Some(at);
                community.months.entry(month).or_default().joined += 1;
            }
            member::Event::MemberSuspended { .. } => record.standing = Standing::Suspended,
            member::Event::MemberReinstated {} => record.standing = Standing::Active,
            member::Event::MemberLeft {} => {
                let was_member = matches!(record.standing, Standing::Active | Standing::Suspended);
                record.standing = Standing::Left;
                if was_member {
                    community.months.entry(month).or_default().left += 1;
                }
            }
            member::Event::MemberApplied { .. }
            | member::Event::GuardianConsentGiven {}
            | member::Event::RoleGranted { .. }
            | member::Event::RoleRevoked { .. } => {}
        }
    }

    fn rows(key: &UnitId, community: &Community) -> Vec<Row> {
        let months = community.months.iter().map(|(month, moves)| {
            let row = format!("{key}/month/{:04}-{:02}", month.year, month.month);
            (row, row_value(moves))
        });
        let records = community
            .records
            .iter()
            .map(|(person, record)| (format!("{key}/person/{person}"), row_value(record)));
        months.chain(records).collect()
    }
}
