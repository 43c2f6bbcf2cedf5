//! The register of aggregates: one line each makes its events decodable and its commands known.
//!
//! Owns [`Event`] and [`Command`], the sums over all aggregates, and how a stream is folded.
//! Holds no rule.

use std::any::Any;
use std::sync::Arc;

use serde::Serialize;

use crate::encoding::{self, DecodeError};
use crate::refusal::Stop;
use crate::stream::StreamName;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

macro_rules! aggregates {
    ($($module:ident :: $state:ident,)+) => {
        /// An event of any aggregate.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Event {
            $( #[doc = concat!("An event of `", stringify!($module), "`.")]
               $state(<crate::$module::$state as Aggregate>::Event), )+
        }

        /// A command to any aggregate.
        #[derive(Debug, Clone, Serialize)]
        pub enum Command {
            $( #[doc = concat!("A command to `", stringify!($module), "`.")]
               $state(<crate::$module::$state as Aggregate>::Command), )+
        }

        $(
            impl From<crate::$module::Event> for Event {
                fn from(event: crate::$module::Event) -> Self { Self::$state(event) }
            }
            impl From<crate::$module::Command> for Command {
                fn from(command: crate::$module::Command) -> Self { Self::$state(command) }
            }
        )+

        /// The categories of all streams.
        pub const CATEGORIES: &[&str] = &[$(<crate::$module::$state as Aggregate>::CATEGORY,)+];

        impl Event {
            /// Type name and JSON payload as stored.
            pub fn encode(&self) -> (String, Vec<u8>) {
                match self { $(Self::$state(event) => encoding::encode(event),)+ }
            }

            /// Reads a stored event of a stream of this category.
            ///
            /// # Errors
            /// [`DecodeError`] if the category, type or payload is not of this version.
            pub fn decode(
                category: &str,
                type_name: &str,
                payload: &[u8],
            ) -> Result<Self, DecodeError> {
                match category {
                    $( <crate::$module::$state as Aggregate>::CATEGORY =>
                        encoding::decode(type_name, payload).map(Self::$state), )+
                    _ => Err(DecodeError::UnknownCategory(category.to_owned())),
                }
            }
        }

        impl Command {
            /// The stream by which a repeat is found.
            pub fn primary(&self) -> StreamName {
                match self { $(Self::$state(command) =>
                    <crate::$module::$state as Aggregate>::primary(command),)+ }
            }

            /// The rules of its aggregate.
            ///
            /// # Errors
            /// [`Stop::Need`] if a stream must be loaded first, [`Stop::Refused`] if refused.
            pub fn decide(&self, world: &World, cx: &Context) -> Result<Decision, Stop> {
                match self { $(Self::$state(command) =>
                    <crate::$module::$state as Aggregate>::decide(command, world, cx),)+ }
            }
        }

        /// Takes events of a stream of this category into its state (`None`: the empty state).
        /// A category of no aggregate, or a state of another one, gives `None`.
        pub fn evolve<'e>(
            category: &str,
            state: Option<Arc<dyn Any + Send + Sync>>,
            events: impl Iterator<Item = (&'e Event, Stamp)>,
        ) -> Option<Arc<dyn Any + Send + Sync>> {
            match category {
                $( <crate::$module::$state as Aggregate>::CATEGORY => {
                    let mut state: Arc<crate::$module::$state> = match state {
                        Some(state) => state.downcast().ok()?,
                        None => Arc::default(),
                    };
                    for (event, stamp) in events {
                        if let Event::$state(event) = event {
                            Arc::make_mut(&mut state).evolve(event, &stamp);
                        }
                    }
                    Some(state)
                } )+
                _ => None,
            }
        }
    };
}

aggregates! {
    account::Account,
    campaign::Campaign,
    checkpoint::Checkpoint,
    claim::Claim,
    clock::SimulatedClock,
    dispute::Dispute,
    genesis::Genesis,
    hazard::Hazard,
    household::Household,
    import_batch::ImportBatch,
    lead::Lead,
    lead_source::LeadSource,
    member::Member,
    open_item::OpenItem,
    patrol_shift::PatrolShift,
    person::Person,
    person_day::PersonDay,
    policy_set::PolicySets,
    principal::Principal,
    projection::Projection,
    reaction::Reaction,
    redemption::Redemption,
    residence::Residence,
    reward_item::RewardItem,
    reward_use::RewardUse,
    team::Team,
    unit::Unit,
    zone_plan::ZonePlans,
}
