//! Comparing two builds of a model, a few partitions at a time.
//!
//! Owns what is counted and which differing rows are named. The caller sees to it that both builds
//! hold the same position at each step; between two steps both may move on.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde_json::Value;

use crate::build::Build;
use crate::read_model::{ReadModel, Row};

/// Most differing rows that are named.
pub const DIFFERENCES_MAX: usize = 100;
/// Partitions that are compared in one step.
pub const STEP_PARTITIONS: usize = 256;

/// A row that the two builds do not agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its key.
    pub key: String,
    /// What the live build says.
    pub live: Option<Value>,
    /// What the other build says.
    pub rebuilt: Option<Value>,
}

/// How far a comparison is: the last key that was compared, as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor(Option<String>);

/// What a comparison has found so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Partitions that one of the builds has.
    pub partitions: u64,
    /// Partitions that differ.
    pub differing: u64,
    /// Rows that one of the builds has.
    pub rows: u64,
    /// Rows that differ.
    pub differing_rows: u64,
    /// Rows of these that differ only in what the change of the schema declares.
    pub declared: u64,
    /// Rows that differ, at most [`Tally::limit`].
    pub differences: Vec<Difference>,
    /// Most rows that are named.
    pub limit: usize,
}

impl Tally {
    /// Nothing found yet; at most `limit` rows are named, and never more than [`DIFFERENCES_MAX`].
    pub fn new(limit: usize) -> Self {
        Self {
            limit: limit.min(DIFFERENCES_MAX),
            ..Self::default()
        }
    }

    fn partition(&mut self, live: Vec<Row>, other: Vec<Row>, declared: &[&str]) {
        self.partitions += 1;
        if live == other {
            self.rows += live.len() as u64;
            return;
        }
        let mut differs = false;
        let mut rows: BTreeMap<String, (Option<Value>, Option<Value>)> = BTreeMap::new();
        for (key, value) in live {
            rows.entry(key).or_default().0 = Some(value);
        }
        for (key, value) in other {
            rows.entry(key).or_default().1 = Some(value);
        }
        for (key, (live, rebuilt)) in rows {
            self.rows += 1;
            if live == rebuilt {
                continue;
            }
            differs = true;
            self.differing_rows += 1;
            self.declared += u64::from(is_declared(live.as_ref(), rebuilt.as_ref(), declared));
            if self.differences.len() < self.limit {
                self.differences.push(Difference { key, live, rebuilt });
            }
        }
        self.differing += u64::from(differs);
    }
}

fn is_declared(live: Option<&Value>, rebuilt: Option<&Value>, declared: &[&str]) -> bool {
    let (Some(Value::Object(live)), Some(Value::Object(rebuilt))) = (live, rebuilt) else {
        return false;
    };
    let rest = |row: &serde_json::Map<String, Value>| {
        let kept = row
            .iter()
            .filter(|(name, _)| !declared.contains(&name.as_str()));
        kept.map(|(name, value)| (name.clone(), value.clone()))
            .collect::<serde_json::Map<_, _>>()
    };
    rest(live) == rest(rebuilt)
}

/// Compares the next partitions; `false` once there are none left.
pub(crate) fn step<M: ReadModel>(
    live: &Build<M>,
    other: &Build<M>,
    cursor: &mut Cursor,
    tally: &mut Tally,
) -> bool {
    let after = cursor
        .0
        .as_deref()
        .and_then(|key| serde_json::from_str(key).ok());
    let from = |after: &Option<M::Key>| after.clone().map_or(Bound::Unbounded, Bound::Excluded);
    let mut left = live
        .partitions
        .range((from(&after), Bound::Unbounded))
        .peekable();
    let mut right = other
        .partitions
        .range((from(&after), Bound::Unbounded))
        .peekable();
    let declared = if live.schema_version == other.schema_version {
        &[]
    } else {
        M::CHANGED_COLUMNS
    };
    for _ in 0..STEP_PARTITIONS {
        let next = match (left.peek(), right.peek()) {
            (Some((left, _)), Some((right, _))) => (*left).min(*right).clone(),
            (Some((key, _)), None) | (None, Some((key, _))) => (*key).clone(),
            (None, None) => return false,
        };
        let rows = |side: Option<(&M::Key, &M::Partition)>| {
            side.map_or_else(Vec::new, |(key, partition)| M::rows(key, partition))
        };
        let ours = rows(left.next_if(|(key, _)| **key == next));
        let theirs = rows(right.next_if(|(key, _)| **key == next));
        tally.partition(ours, theirs, declared);
        cursor.0 = serde_json::to_string(&next).ok();
    }
    true
}
