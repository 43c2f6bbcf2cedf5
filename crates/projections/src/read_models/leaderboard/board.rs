//! Who stands on the board, and in which order.
//!
//! Owns who is left out: whoever did not agree to stand on the board of a community, and every
//! community in which fewer than [`PEOPLE_MIN`] would stand. Such a one is left out of the board
//! of the units above as well, so that no two boards tell by their difference what it would say.

use std::collections::{BTreeMap, BTreeSet};

use domain::Instant;
use domain::ids::{PersonId, UnitId};
use domain::policy_set::ActivityFamily;

use super::{Honour, Leaderboard};
use crate::build::Build;

/// Fewest people of a community that a board shows.
pub const PEOPLE_MIN: usize = 5;
/// Most records that one person has, as the rules bound it; only a broken chain is longer.
const RECORDS_MAX: usize = domain::person::RECORDS_MAX;

/// What is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// In these communities; all if absent.
    pub units: Option<BTreeSet<UnitId>>,
    /// For this sort of activity alone.
    pub family: Option<ActivityFamily>,
    /// Of activities from then on.
    pub from: Option<Instant>,
    /// Of activities before then.
    pub until: Option<Instant>,
    /// As known at this position.
    pub position: u64,
}

/// One who stands on the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// From 1; the same for equal points.
    pub rank: u32,
    /// Who.
    pub person: PersonId,
    /// Their points, at least 1.
    pub points: u64,
}

/// A board.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Board {
    /// Who stands on it: the most points first, of equal ones in the order of ids.
    pub standings: Vec<Standing>,
    /// Communities that are left out, since too few would stand there.
    pub communities_left_out: u32,
}

impl Build<Leaderboard> {
    /// The record that stands for a person.
    fn survivor(&self, person: PersonId) -> PersonId {
        let next = |person: &PersonId| self.index().merged.get(person).copied();
        let mut chain = std::iter::successors(Some(person), next);
        chain
            .by_ref()
            .take(RECORDS_MAX + 1)
            .last()
            .unwrap_or(person)
    }

    fn earned(honour: &Honour, community: UnitId, asked: &Asked) -> i64 {
        let awards = honour.awards.values().filter(|award| {
            award.community == community
                && asked.family.is_none_or(|family| family == award.family)
                && asked.from.is_none_or(|from| from <= award.at)
                && asked.until.is_none_or(|until| award.at < until)
        });
        awards.map(|award| award.points(asked.position)).sum()
    }

    /// Points of those who agreed to stand on the board of a community, over all their records.
    fn of_community(&self, community: UnitId, asked: &Asked) -> BTreeMap<PersonId, u64> {
        let mut points = BTreeMap::<PersonId, i64>::new();
        for record in self.index().earners.get(&community).into_iter().flatten() {
            let Some(honour) = self.partitions.get(record) else {
                continue;
            };
            let person = self.survivor(*record);
            let stands = self.partitions.get(&person);
            if stands.is_some_and(|stands| stands.consents.contains(&community)) {
                *points.entry(person).or_default() += Self::earned(honour, community, asked);
            }
        }
        let points = points.into_iter();
        points
            .filter_map(|(person, points)| Some((person, u64::try_from(points).ok()?)))
            .filter(|(_, points)| *points > 0)
            .collect()
    }

    /// The board.
    pub fn board(&self, asked: &Asked) -> Board {
        let mut board = Board::default();
        let mut points = BTreeMap::<PersonId, u64>::new();
        let communities = self.index().earners.keys().copied();
        let units = asked.units.as_ref();
        for community in communities.filter(|it| units.is_none_or(|units| units.contains(it))) {
            let found = self.of_community(community, asked);
            if found.len() < PEOPLE_MIN {
                board.communities_left_out += 1;
                continue;
            }
            for (person, more) in found {
                *points.entry(person).or_default() += more;
            }
        }
        let mut order: Vec<_> = points.into_iter().collect();
        order.sort_by_key(|(person, points)| (std::cmp::Reverse(*points), *person));
        for (place, (person, points)) in (1..).zip(order) {
            let last = board.standings.last();
            let rank = match last.filter(|last| last.points == points) {
                Some(last) => last.rank,
                None => place,
            };
            board.standings.push(Standing {
                rank,
                person,
                points,
            });
        }
        board
    }
}
