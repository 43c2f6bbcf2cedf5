//! What a read model is: rows folded from events, in partitions that never touch each other.
//!
//! Owns the [`ReadModel`] trait, the [`Fact`] it is fed and the [`Build`] that holds its
//! partitions. Knows no log, no file and no task: the engine feeds builds, snapshots store them.

use std::collections::BTreeMap;
use std::fmt;

use domain::ids::UnitId;
use domain::{Channel, Envelope, Event, Instant, StreamName};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A recorded event as a read model sees it.
#[derive(Debug, Clone, Copy)]
pub struct Fact<'a> {
    /// Its place in the log, from 1.
    pub position: u64,
    /// Its place in its stream, from 1.
    pub version: u64,
    /// Its stream.
    pub stream: &'a StreamName,
    /// What happened.
    pub event: &'a Event,
    /// What stands around it.
    pub envelope: &'a Envelope,
    /// When the log took it.
    pub recorded_at: Instant,
    /// Who acted.
    pub principal: Uuid,
    /// Through which door.
    pub channel: Channel,
    /// The zone of time of the unit it happened in; that of the log where it has none.
    pub zone: chrono_tz::Tz,
}

impl Fact<'_> {
    /// When it happened, as claimed.
    pub fn occurred_at(&self) -> Instant {
        self.envelope.occurred_at
    }

    /// The unit it happened in.
    pub fn unit(&self) -> Option<UnitId> {
        self.envelope.unit.map(UnitId)
    }

    /// The key of its stream, where that is an id.
    pub fn key(&self) -> Option<Uuid> {
        Uuid::parse_str(self.stream.key()).ok()
    }

    /// Its stamp, as deciders and reactions see it.
    pub fn stamp(&self) -> domain::Stamp {
        domain::Stamp {
            position: self.position,
            version: self.version,
            occurred_at: self.envelope.occurred_at,
            recorded_at: self.recorded_at,
        }
    }
}

/// One row in canonical form: its key, and its value with sorted member names.
pub type Row = (String, Value);

/// A view of the log that people ask: a name, a shard key, and how an event changes a shard.
///
/// `apply` cannot fail and uses nothing but its arguments, so that a rebuild gives the same rows.
/// All events that touch a row must give the same partition.
pub trait ReadModel: Sized + Send + Sync + 'static {
    /// Its name, also that of its snapshot files.
    const NAME: &'static str;
    /// Raised whenever `apply`, the partition or the rows change; an older snapshot is dropped.
    const SCHEMA_VERSION: u32;
    /// What names a partition.
    type Key: Ord + Clone + fmt::Display + Serialize + DeserializeOwned + Send + Sync;
    /// The structure of one partition, which answers queries.
    type Partition: Default + Serialize + DeserializeOwned + Send + Sync;
    /// What the index must know of a partition; `()` where there is no index.
    type Entry: PartialEq + Send + Sync;
    /// A roll-up over all partitions, never stored: built again from their entries.
    type Index: Default + Send + Sync;

    /// True if events of streams of this category concern it at all.
    fn wants(category: &str) -> bool;

    /// The partition that an event changes, if any.
    fn partition(fact: &Fact<'_>) -> Option<Self::Key>;

    /// Takes an event in. Total: never fails, never judges.
    fn apply(partition: &mut Self::Partition, fact: &Fact<'_>);

    /// The rows of a partition for comparison, in a fixed order.
    fn rows(key: &Self::Key, partition: &Self::Partition) -> Vec<Row>;

    /// What the index must know of a partition.
    fn entry(key: &Self::Key, partition: &Self::Partition) -> Self::Entry;

    /// Replaces an entry in the index; `old` is absent for a new partition.
    fn reindex(
        index: &mut Self::Index,
        key: &Self::Key,
        old: Option<&Self::Entry>,
        new: &Self::Entry,
    );
}

/// The content of a model up to a position, as one of possibly several builds of it.
pub struct Build<M: ReadModel> {
    /// Which build of the model it is, from 1.
    pub id: u32,
    /// Its partitions, in the order of their keys.
    pub partitions: BTreeMap<M::Key, M::Partition>,
    /// The roll-up over them.
    pub index: M::Index,
    /// Position of the last event it has taken in, wanted or not.
    pub position: u64,
}

impl<M: ReadModel> Build<M> {
    /// An empty build.
    pub fn new(id: u32) -> Self {
        Self {
            id,
            partitions: BTreeMap::new(),
            index: M::Index::default(),
            position: 0,
        }
    }

    /// A build from stored partitions; makes the index again.
    pub fn from_partitions(
        id: u32,
        partitions: BTreeMap<M::Key, M::Partition>,
        position: u64,
    ) -> Self {
        let mut index = M::Index::default();
        for (key, partition) in &partitions {
            M::reindex(&mut index, key, None, &M::entry(key, partition));
        }
        Self {
            id,
            partitions,
            index,
            position,
        }
    }

    /// Takes an event in, if it comes after what the build holds. The caller moves `position` on
    /// once the whole commit is in.
    pub fn apply(&mut self, fact: &Fact<'_>) {
        if fact.position <= self.position || !M::wants(fact.stream.category()) {
            return;
        }
        let Some(key) = M::partition(fact) else {
            return;
        };
        let mut old = None;
        let partition = self
            .partitions
            .entry(key.clone())
            .and_modify(|partition| old = Some(M::entry(&key, partition)))
            .or_default();
        M::apply(partition, fact);
        let new = M::entry(&key, partition);
        if old.as_ref() != Some(&new) {
            M::reindex(&mut self.index, &key, old.as_ref(), &new);
        }
    }

    /// All rows in canonical order.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.partitions
            .iter()
            .flat_map(|(key, partition)| M::rows(key, partition))
    }

    /// SHA-256 over the canonical rows: equal for builds that say the same.
    pub fn checksum(&self) -> Checksum {
        let mut hasher = Sha256::new();
        let mut rows = 0_u64;
        for (key, value) in self.rows() {
            let value = value.to_string();
            for part in [&key, &value] {
                hasher.update((part.len() as u64).to_be_bytes());
                hasher.update(part.as_bytes());
            }
            rows += 1;
        }
        Checksum {
            position: self.position,
            rows,
            sha256: domain::ids::hex(&hasher.finalize()),
        }
    }
}

/// What a build says, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// Position up to which it holds.
    pub position: u64,
    /// How many rows there are.
    pub rows: u64,
    /// SHA-256 over the canonical rows, in hexadecimal.
    pub sha256: String,
}

/// A row's value from something that serializes to an object.
pub(crate) fn row_value(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

/// Stores a map as a list of pairs, for keys that JSON cannot have as member names.
pub(crate) mod pairs {
    use std::collections::BTreeMap;

    use serde::de::DeserializeOwned;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(crate) fn deserialize<
        'de,
        K: Ord + DeserializeOwned,
        V: DeserializeOwned,
        D: Deserializer<'de>,
    >(
        deserializer: D,
    ) -> Result<BTreeMap<K, V>, D::Error> {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?
            .into_iter()
            .collect())
    }
}

/// The members of [`ReadModel`] for a model without a roll-up.
macro_rules! no_index {
    () => {
        type Entry = ();
        type Index = ();

        fn entry(_: &Self::Key, _: &Self::Partition) -> Self::Entry {}

        fn reindex(_: &mut Self::Index, _: &Self::Key, _: Option<&Self::Entry>, _: &Self::Entry) {}
    };
}
pub(crate) use no_index;
