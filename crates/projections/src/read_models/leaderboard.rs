//! `leaderboard`: honour points, earned over a period whether spent or not.
//!
//! A partition is a person: their awards, what changed them, and where they agreed to stand on a
//! public board. Awards of a family that is withheld are left out where they come in, with all that
//! is posted on them: what is not here can be neither shown nor found by comparing two answers.
//! Ranking stands in [`board`].

pub mod board;

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::{PersonId, UnitId};
use domain::member::{self, ConsentPurpose};
use domain::policy_set::ActivityFamily;
use domain::{Event, Instant, Visibility, account, person};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::read_model::{Fact, ReadModel, Row, row_value};

/// The model.
#[derive(Debug)]
pub struct Leaderboard;

/// An award.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Award {
    /// The community it was earned in.
    pub community: UnitId,
    /// For what sort of activity.
    pub family: ActivityFamily,
    /// When the activity was: the day that it counts on.
    pub at: Instant,
    /// What was granted, revised and taken back, each with the position that posted it, rising.
    pub changes: Vec<(u64, i64)>,
}

impl Award {
    /// Its points as known at a position.
    pub fn points(&self, position: u64) -> i64 {
        let known = self.changes.iter().filter(|(at, _)| *at <= position);
        known.map(|(_, points)| points).sum()
    }
}

/// What a person earned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Honour {
    /// By award.
    pub awards: BTreeMap<Uuid, Award>,
    /// Communities on whose public board they agreed to stand.
    pub consents: BTreeSet<UnitId>,
    /// The record that stands for this person, if this one is a duplicate.
    pub merged_into: Option<PersonId>,
}

/// What the index knows of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    earned_in: Box<[UnitId]>,
    merged_into: Option<PersonId>,
}

/// Who earned anything where, and which records are of one person.
#[derive(Debug, Default)]
pub struct Index {
    earners: BTreeMap<UnitId, BTreeSet<PersonId>>,
    merged: BTreeMap<PersonId, PersonId>,
}

impl Honour {
    fn post(&mut self, event: &account::Event, position: u64) {
        use account::Event as E;
        let (award, points) = match event {
            E::AwardGranted {
                award,
                activity,
                granted,
                ..
            } => {
                if activity.family.visibility() == Visibility::Withheld {
                    return;
                }
                self.awards.insert(
                    *award,
                    Award {
                        community: activity.unit,
                        family: activity.family,
                        at: activity.occurred_at,
                        changes: Vec::new(),
                    },
                );
                (award, i64::from(*granted))
            }
            E::AwardRevised { award, delta, .. } => (award, i64::from(*delta)),
            E::AwardReversed { award, points, .. } => (award, -i64::from(*points)),
            _ => return,
        };
        // One that is not here is withheld.
        if let Some(award) = self.awards.get_mut(award) {
            award.changes.push((position, points));
        }
    }
}

/// Community and person of a member's stream (`member/<community>/<person>`).
fn parties(fact: &Fact<'_>) -> Option<(UnitId, PersonId)> {
    let (community, person) = fact.stream.key().split_once('/')?;
    Some((
        UnitId(Uuid::parse_str(community).ok()?),
        PersonId(Uuid::parse_str(person).ok()?),
    ))
}

impl ReadModel for Leaderboard {
    const NAME: &'static str = "leaderboard";
    const SCHEMA_VERSION: u32 = 1;
    type Key = PersonId;
    type Partition = Honour;
    type Entry = Entry;
    type Index = Index;

    fn wants(category: &str) -> bool {
        matches!(category, "account" | "member" | "person")
    }

    fn partition(fact: &Fact<'_>) -> Option<PersonId> {
        match fact.event {
            Event::Account(
                account::Event::AwardGranted { .. }
                | account::Event::AwardRevised { .. }
                | account::Event::AwardReversed { .. },
            ) if fact.envelope.visibility == Visibility::Open => fact.key().map(PersonId),
            Event::Person(person::Event::PersonsMerged { .. }) => fact.key().map(PersonId),
            Event::Member(
                member::Event::ConsentGiven { purpose }
                | member::Event::ConsentWithdrawn { purpose },
            ) if *purpose == ConsentPurpose::PublicBoard => parties(fact).map(|(_, person)| person),
            _ => None,
        }
    }

    fn apply(honour: &mut Honour, fact: &Fact<'_>) {
        match fact.event {
            Event::Account(event) => honour.post(event, fact.position),
            Event::Person(person::Event::PersonsMerged { into, .. }) => {
                honour.merged_into = Some(*into);
            }
            Event::Member(event) => {
                let Some((community, _)) = parties(fact) else {
                    return;
                };
                match event {
                    member::Event::ConsentGiven { .. } => {
                        honour.consents.insert(community);
                    }
                    member::Event::ConsentWithdrawn { .. } => {
                        honour.consents.remove(&community);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn rows(key: &PersonId, honour: &Honour) -> Vec<Row> {
        if *honour == Honour::default() {
            return Vec::new();
        }
        vec![(key.to_string(), row_value(honour))]
    }

    fn entry(_: &PersonId, honour: &Honour) -> Entry {
        let earned: BTreeSet<_> = honour.awards.values().map(|it| it.community).collect();
        Entry {
            earned_in: earned.into_iter().collect(),
            merged_into: honour.merged_into,
        }
    }

    fn reindex(index: &mut Index, key: &PersonId, old: Option<&Entry>, new: &Entry) {
        for community in old.into_iter().flat_map(|old| &old.earned_in) {
            if let Some(earners) = index.earners.get_mut(community) {
                earners.remove(key);
            }
        }
        for community in &new.earned_in {
            index.earners.entry(*community).or_default().insert(*key);
        }
        if let Some(into) = new.merged_into {
            index.merged.insert(*key, into);
        }
    }
}
