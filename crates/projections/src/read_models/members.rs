//! `members`: how a community's membership grew.
//!
//! A partition is a community. A member counts from the approval to the leaving, in the local
//! month of `occurred_at`; suspension is shown beside and does not end membership. Holds ids and
//! counts, never a name.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

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
    /// The record of a duplicate, closed for ever.
    Merged,
}

impl Standing {
    /// Taken in and not left.
    pub const fn is_member(self) -> bool {
        matches!(self, Self::Active | Self::Suspended)
    }
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
    /// Where they stood and as what, from when on, rising.
    pub history: Vec<(Instant, Standing, MemberKind)>,
}

impl Record {
    /// Takes in where they stand from an instant on.
    fn stands(&mut self, at: Instant, standing: Standing, kind: MemberKind) {
        (self.standing, self.kind) = (standing, kind);
        let place = self.history.partition_point(|(from, ..)| *from <= at);
        self.history.insert(place, (at, standing, kind));
    }

    /// Where they stood at an instant and as what; where they stand now if absent.
    fn at(&self, as_of: Option<Instant>) -> Option<(Standing, MemberKind)> {
        let Some(at) = as_of else {
            return Some((self.standing, self.kind));
        };
        let later = self.history.partition_point(|(from, ..)| *from <= at);
        let (_, standing, kind) = self.history.get(later.checked_sub(1)?)?;
        Some((*standing, *kind))
    }
}

/// Who is a member at an instant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Taken in and not left.
    pub members: u64,
    /// Of those, who takes part.
    pub active: u64,
    /// Of those, by kind.
    pub active_by_kind: BTreeMap<MemberKind, u64>,
}

/// A month of the calendar in the community's zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Month {
    /// The year.
    pub year: i32,
    /// The month, 1..=12.
    pub month: u32,
}

impl fmt::Display for Month {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}-{:02}", self.year, self.month)
    }
}

impl Month {
    /// The month that an instant lies in.
    pub fn of(instant: Instant, zone: chrono_tz::Tz) -> Self {
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
    /// Who was a member at an instant; who is now if absent.
    pub fn counts(&self, as_of: Option<Instant>) -> Counts {
        let mut counts = Counts::default();
        for (standing, kind) in self.records.values().filter_map(|record| record.at(as_of)) {
            counts.members += u64::from(standing.is_member());
            if standing == Standing::Active {
                counts.active += 1;
                *counts.active_by_kind.entry(kind).or_default() += 1;
            }
        }
        counts
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
    const SCHEMA_VERSION: u32 = 2;
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
        let at = fact.occurred_at();
        let born_as = match event {
            member::Event::MemberApplied { kind, .. } => Some(*kind),
            member::Event::MemberTakenOver { member_as, .. } => *member_as,
            _ => None,
        };
        let records = &mut community.records;
        let record = match (born_as, records.entry(person)) {
            (_, Entry::Occupied(record)) => record.into_mut(),
            (Some(kind), Entry::Vacant(place)) => place.insert(Record {
                kind,
                standing: Standing::Applied,
                joined_at: None,
                history: Vec::new(),
            }),
            (None, Entry::Vacant(_)) => return,
        };
        let (was, kind) = (record.standing, record.kind);
        match event {
            member::Event::MemberApplied { kind, .. } => {
                record.joined_at = None;
                record.stands(at, Standing::Applied, *kind);
            }
            member::Event::MemberApproved { .. } => {
                record.joined_at = Some(at);
                record.stands(at, Standing::Active, kind);
            }
            member::Event::MemberTakenOver {
                member_as,
                suspended,
                ..
            } => {
                if let Some(kind) = member_as {
                    record.joined_at = Some(at);
                    record.stands(at, Standing::Active, *kind);
                }
                if *suspended {
                    record.stands(at, Standing::Suspended, member_as.unwrap_or(kind));
                }
            }
            member::Event::MemberSuspended { .. } => record.stands(at, Standing::Suspended, kind),
            member::Event::MemberReinstated {} => record.stands(at, Standing::Active, kind),
            member::Event::MemberLeft {} => record.stands(at, Standing::Left, kind),
            member::Event::MembersMerged { .. } => record.stands(at, Standing::Merged, kind),
            // The truth from the day on which it was found.
            member::Event::RecordCorrected {
                kind: Some(kind), ..
            } => record.stands(at, was, *kind),
            _ => {}
        }
        let moves = (was.is_member(), record.standing.is_member());
        if moves.0 != moves.1 {
            let month = Month::of(at, fact.zone);
            let month = community.months.entry(month).or_default();
            month.joined += u32::from(moves.1);
            month.left += u32::from(moves.0);
        }
    }

    fn rows(key: &UnitId, community: &Community) -> Vec<Row> {
        let months = community.months.iter().map(|(month, moves)| {
            let row = format!("{key}/month/{month}");
            (row, row_value(moves))
        });
        let records = community
            .records
            .iter()
            .map(|(person, record)| (format!("{key}/person/{person}"), row_value(record)));
        months.chain(records).collect()
    }
}
