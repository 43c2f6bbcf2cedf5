//! What stands around an event's payload: the facts about it that every event has.
//!
//! Owns the closed vocabularies of the envelope (channel, trust, visibility) and their stored
//! numbers. Never knows how a record is laid out in bytes: that is `eventlog::record`.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An instant in UTC with microseconds, the unit of every stored time.
pub type Instant = chrono::DateTime<chrono::Utc>;

/// Declares a closed vocabulary whose members have a stored number and a `snake_case` name.
macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// The number stored in a record; never reused.
            pub const fn number(self) -> u8 { match self { $(Self::$variant => $number,)+ } }
            /// The member with this stored number, if there is one.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }
            /// The name printed for people and in JSON.
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $text,)+ } }
        }
    };
}

vocabulary! {
    /// Through which door a command came in.
    Channel {
        /// A member's app or another system.
        App = 1 "app",
        /// The desk of the fusion station.
        Desk = 2 "desk",
        /// The 110 line.
        Line110 = 3 "line110",
        /// The 12345 line.
        Line12345 = 4 "line12345",
        /// An import batch.
        Import = 5 "import",
        /// A reaction of the system.
        Reaction = 6 "reaction",
        /// A timer of the system.
        Timer = 7 "timer",
        /// The birth of the log.
        Genesis = 8 "genesis",
    }
}

vocabulary! {
    /// How far an event's claim can be trusted on its face.
    Trust {
        /// A device read a tag or a place.
        Scanned = 1 "scanned",
        /// Somebody else saw it.
        Witnessed = 2 "witnessed",
        /// The actor says so.
        SelfStated = 3 "self_stated",
        /// Taken over from paper.
        Paper = 4 "paper",
        /// The system computed it.
        System = 5 "system",
    }
}

vocabulary! {
    /// Who may see an item; a withheld item shows as position and hash only.
    Visibility {
        /// Whoever may read the stream.
        Open = 1 "open",
        /// Only roles that the record class names (leads and their awards).
        Withheld = 2 "withheld",
    }
}

/// The envelope of an event as a decider sets it; the log adds position and version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The unit in whose jurisdiction it happened, if it has a place in the tree.
    pub unit: Option<Uuid>,
    /// When it happened, as claimed; rules choose by it.
    pub occurred_at: Instant,
    /// The device's own clock, where a device was used.
    pub device_at: Option<Instant>,
    /// When the device sent it (a late batch keeps both).
    pub sent_at: Option<Instant>,
    /// How far the claim can be trusted.
    pub trust: Trust,
    /// Who may see it.
    pub visibility: Visibility,
    /// SHA-256 of photos and papers kept elsewhere.
    pub evidence: Vec<[u8; 32]>,
    /// Keys of the persons whose sealed fields the payload holds (empty until sealing exists).
    pub subject_keys: Vec<Uuid>,
}

impl Envelope {
    /// An envelope for something that happened at `occurred_at`, open and stated by the actor.
    pub fn at(occurred_at: Instant) -> Self {
        Self {
            unit: None,
            occurred_at,
            device_at: None,
            sent_at: None,
            trust: Trust::SelfStated,
            visibility: Visibility::Open,
            evidence: Vec::new(),
            subject_keys: Vec::new(),
        }
    }
}
