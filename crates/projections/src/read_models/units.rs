//! `units`: the names and the tree of units, as of a date.
//!
//! A partition is a unit with its dates. The index holds who ever was below whom, and who took over
//! from whom, so that a question about a station can be asked for every community below it then.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use domain::ids::UnitId;
use domain::open_item::OpenItem;
use domain::unit::{self, Imported, SUCCESSIONS_MAX, Unit, tree};
use domain::{Aggregate as _, Event, Instant};
use serde::{Deserialize, Serialize};

use crate::build::Build;
use crate::read_model::{Fact, ReadModel, Row, row_value};

/// The model.
#[derive(Debug)]
pub struct Units;

/// One unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitRow {
    /// Its names, parents and end, each with dates.
    pub unit: Unit,
    /// Where it was imported from.
    pub imported: Option<Imported>,
}

/// What the index knows of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Every unit it ever was, or will be, below.
    parents: BTreeSet<Option<UnitId>>,
    /// Who answers for it after its end.
    rest: Option<UnitId>,
}

/// The tree over all dates.
#[derive(Debug, Default)]
pub struct Tree {
    /// By the unit above, or that takes over.
    below: BTreeMap<Option<UnitId>, BTreeSet<UnitId>>,
    /// Units that end, and who answers for them then.
    ending: BTreeSet<UnitId>,
}

/// Who took over from the units that had ended by an instant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Succession {
    at: Instant,
    rest: BTreeMap<UnitId, UnitId>,
}

impl Succession {
    /// Who answers for an open item that was filed in a unit.
    pub fn owner(&self, given: &OpenItem, filed: UnitId) -> UnitId {
        let mut here = filed;
        for _ in 0..SUCCESSIONS_MAX {
            match self.rest.get(&here) {
                Some(rest) => here = given.successor(here, self.at).unwrap_or(*rest),
                None => break,
            }
        }
        here
    }
}

impl Build<Units> {
    /// A unit by id, once founded.
    pub fn unit(&self, unit: UnitId) -> Option<&UnitRow> {
        let row = self.partitions.get(&unit)?;
        row.unit.level.map(|_| row)
    }

    /// The units right below one at an instant, those that ended and for which it answers included.
    fn below(&self, here: UnitId, at: Instant) -> impl Iterator<Item = UnitId> {
        let ever = self.index().below.get(&Some(here)).into_iter().flatten();
        ever.copied().filter(move |unit| {
            self.unit(*unit)
                .is_some_and(|row| match row.unit.ended(at) {
                    Some(end) => end.rest == here,
                    None => row.unit.parent(at) == Some(here),
                })
        })
    }

    /// A unit and all below it at an instant. What was filed in a unit that ended counts with whoever
    /// answers for it.
    pub fn subtree(&self, root: UnitId, at: Instant) -> BTreeSet<UnitId> {
        let mut found = BTreeSet::from([root]);
        let mut open = vec![root];
        while let Some(unit) = open.pop() {
            open.extend(self.below(unit, at).filter(|below| found.insert(*below)));
        }
        found
    }

    /// A unit and those above it at an instant, nearest first.
    pub fn path(&self, unit: UnitId, at: Instant) -> Vec<UnitId> {
        let Ok(path) = tree::path(unit, at, &|unit| Ok::<_, Infallible>(self.look_up(unit)));
        path
    }

    /// The unit that answers at an instant for what was filed in a unit, if nobody said otherwise of
    /// the item.
    pub fn responsible(&self, unit: UnitId, at: Instant) -> UnitId {
        let Ok(unit) = tree::responsible(unit, at, &|unit| Ok::<_, Infallible>(self.look_up(unit)));
        unit
    }

    fn look_up(&self, unit: UnitId) -> Option<&Unit> {
        self.partitions.get(&unit).map(|row| &row.unit)
    }

    /// Who took over from the units that had ended by an instant.
    pub fn succession(&self, at: Instant) -> Succession {
        let ended = self.index().ending.iter().filter_map(|unit| {
            let end = self.partitions.get(unit)?.unit.ended(at)?;
            Some((*unit, end.rest))
        });
        Succession {
            at,
            rest: ended.collect(),
        }
    }
}

impl ReadModel for Units {
    const NAME: &'static str = "units";
    const SCHEMA_VERSION: u32 = 3;
    type Key = UnitId;
    type Partition = UnitRow;
    type Entry = Entry;
    type Index = Tree;

    fn wants(category: &str) -> bool {
        category == "unit"
    }

    fn partition(fact: &Fact<'_>) -> Option<UnitId> {
        fact.key().map(UnitId)
    }

    fn apply(row: &mut UnitRow, fact: &Fact<'_>) {
        let Event::Unit(event) = fact.event else {
            return;
        };
        row.unit.evolve(event, &fact.stamp());
        if let unit::Event::UnitFounded { imported, .. } = event {
            row.imported.clone_from(imported);
        }
    }

    fn rows(key: &UnitId, row: &UnitRow) -> Vec<Row> {
        vec![(key.to_string(), row_value(row))]
    }

    fn entry(_: &UnitId, row: &UnitRow) -> Entry {
        let parents = row.unit.parents.iter().map(|(_, parent)| *parent);
        Entry {
            parents: parents.collect(),
            rest: row.unit.end.as_ref().map(|end| end.rest),
        }
    }

    fn reindex(tree: &mut Tree, key: &UnitId, old: Option<&Entry>, new: &Entry) {
        let above = |entry: &Entry| {
            let rest = entry.rest.map(Some);
            entry
                .parents
                .iter()
                .copied()
                .chain(rest)
                .collect::<Vec<_>>()
        };
        for unit in old.map(above).into_iter().flatten() {
            if let Some(below) = tree.below.get_mut(&unit) {
                below.remove(key);
            }
        }
        for unit in above(new) {
            tree.below.entry(unit).or_default().insert(*key);
        }
        if new.rest.is_some() {
            tree.ending.insert(*key);
        }
    }
}
