//! `units`: the names and the tree of units.
//!
//! A partition is a unit. The index holds who is below whom, so that a question about a station
//! can be asked for every community below it.

use std::collections::{BTreeMap, BTreeSet};

use domain::Event;
use domain::ids::UnitId;
use domain::unit::{self, DEPTH_MAX, Imported, UnitLevel};
use serde::{Deserialize, Serialize};

use crate::read_model::{Build, Fact, ReadModel, Row, row_value};

/// The model.
#[derive(Debug)]
pub struct Units;

/// What is known of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Founded {
    /// Its level.
    pub level: UnitLevel,
    /// Its name.
    pub name: String,
    /// The unit above it.
    pub parent: Option<UnitId>,
    /// Its own zone of time.
    pub zone: Option<chrono_tz::Tz>,
    /// Where it was imported from.
    pub imported: Option<Imported>,
}

/// One unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitRow {
    /// What is known of it, once founded.
    pub founded: Option<Founded>,
}

/// The tree.
#[derive(Debug, Default)]
pub struct Tree {
    children: BTreeMap<Option<UnitId>, BTreeSet<UnitId>>,
}

impl Build<Units> {
    /// A unit by id.
    pub fn unit(&self, unit: UnitId) -> Option<&Founded> {
        self.partitions.get(&unit)?.founded.as_ref()
    }

    /// The units right below one; those without a parent for `None`.
    pub fn children(&self, parent: Option<UnitId>) -> impl Iterator<Item = UnitId> + '_ {
        self.index
            .children
            .get(&parent)
            .into_iter()
            .flatten()
            .copied()
    }

    /// A unit and all below it.
    pub fn subtree(&self, root: UnitId) -> BTreeSet<UnitId> {
        let mut found = BTreeSet::from([root]);
        let mut open = vec![root];
        while let Some(unit) = open.pop() {
            open.extend(
                self.children(Some(unit))
                    .filter(|child| found.insert(*child)),
            );
        }
        found
    }

    /// A unit and those above it, nearest first.
    pub fn path(&self, unit: UnitId) -> Vec<UnitId> {
        let mut path = vec![unit];
        while path.len() <= DEPTH_MAX
            && let Some(parent) = self.unit(path[path.len() - 1]).and_then(|unit| unit.parent)
        {
            path.push(parent);
        }
        path
    }

    /// The zone of time in force for a unit, if it or one above names one.
    pub fn zone(&self, unit: UnitId) -> Option<chrono_tz::Tz> {
        self.path(unit)
            .into_iter()
            .find_map(|unit| self.unit(unit)?.zone)
    }
}

impl ReadModel for Units {
    const NAME: &'static str = "units";
    const SCHEMA_VERSION: u32 = 1;
    type Key = UnitId;
    type Partition = UnitRow;
    type Entry = Option<UnitId>;
    type Index = Tree;

    fn wants(category: &str) -> bool {
        category == "unit"
    }

    fn partition(fact: &Fact<'_>) -> Option<UnitId> {
        fact.key().map(UnitId)
    }

    fn apply(row: &mut UnitRow, fact: &Fact<'_>) {
        let Event::Unit(unit::Event::UnitFounded {
            level,
            name,
            parent,
            zone,
            imported,
        }) = fact.event
        else {
            return;
        };
        row.founded = Some(Founded {
            level: *level,
            name: name.clone(),
            parent: *parent,
            zone: *zone,
            imported: imported.clone(),
        });
    }

    fn rows(key: &UnitId, row: &UnitRow) -> Vec<Row> {
        vec![(key.to_string(), row_value(row))]
    }

    fn entry(_: &UnitId, row: &UnitRow) -> Option<UnitId> {
        row.founded.as_ref().and_then(|founded| founded.parent)
    }

    fn reindex(tree: &mut Tree, key: &UnitId, old: Option<&Option<UnitId>>, new: &Option<UnitId>) {
        if let Some(children) = old.and_then(|parent| tree.children.get_mut(parent)) {
            children.remove(key);
        }
        tree.children.entry(*new).or_default().insert(*key);
    }
}
