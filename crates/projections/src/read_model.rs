//! What a read model is: rows folded from events, in partitions that never touch each other.
//!
//! Owns the [`ReadModel`] trait and the [`Fact`] it is fed. Knows no log, no file and no task.

use std::fmt;

use domain::ids::UnitId;
use domain::{Channel, Envelope, Event, Instant, StreamName};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
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
    /// The key of its stream, where that is an id.
    pub key: Option<Uuid>,
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
        self.key
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
    /// Raised whenever `apply`, the partition or the rows change; an older snapshot is dropped, or
    /// served until this version is folded, see [`ReadModel::READS`].
    const SCHEMA_VERSION: u32;
    /// Older schema versions whose stored partitions this code still reads. A build of one of them
    /// is served, and fed on, until a build of this version has been folded beside it.
    const READS: &'static [u32] = &[];
    /// Members of a row that may differ from builds of an older schema version: the comparison
    /// counts them as declared.
    const CHANGED_COLUMNS: &'static [&'static str] = &[];
    /// What names a partition.
    type Key: Ord + Clone + fmt::Display + Serialize + DeserializeOwned + Send + Sync;
    /// The structure of one partition, which answers queries.
    type Partition: Default + Serialize + DeserializeOwned + Send + Sync;
    /// What the index must know of a partition; `()` where there is no index. Kept small: entries
    /// are read for all partitions at once.
    type Entry: PartialEq + Serialize + DeserializeOwned + Send + Sync;
    /// A roll-up over all partitions, never stored: built from their entries when first asked for.
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

    /// Replaces an entry in the index; `old` is absent for a new partition. The entries of one
    /// partition come in order, those of several in any.
    fn reindex(
        index: &mut Self::Index,
        key: &Self::Key,
        old: Option<&Self::Entry>,
        new: &Self::Entry,
    );
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
