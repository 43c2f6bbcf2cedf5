//! `households`: who lives together, as of a date.
//!
//! A partition is a household. Holds ids only; who may see them is decided where they are shown.

use domain::ids::{HouseholdId, PersonId, UnitId};
use domain::{Event, Instant, household};
use serde::{Deserialize, Serialize};

use crate::read_model::{Fact, ReadModel, Row, no_index, row_value};

/// The model.
#[derive(Debug)]
pub struct Households;

/// Somebody's stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resident {
    /// Who.
    pub person: PersonId,
    /// From (inclusive).
    pub from: Instant,
    /// Until (exclusive); absent while it lasts.
    pub until: Option<Instant>,
}

impl Resident {
    /// True if they lived there at an instant.
    pub fn lived_there(&self, at: Instant) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

/// A household, once recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HouseholdRow {
    /// The community it was formed in.
    pub community: Option<UnitId>,
    /// The household that its people left, if they lived in one.
    pub split_from: Option<HouseholdId>,
    /// Every stay, in the order of its record.
    pub residents: Vec<Resident>,
}

impl HouseholdRow {
    /// Who lived there at an instant.
    pub fn at(&self, at: Instant) -> impl Iterator<Item = &Resident> {
        self.residents.iter().filter(move |it| it.lived_there(at))
    }
}

impl ReadModel for Households {
    const NAME: &'static str = "households";
    const SCHEMA_VERSION: u32 = 1;
    type Key = HouseholdId;
    type Partition = HouseholdRow;
    no_index!();

    fn wants(category: &str) -> bool {
        category == "household"
    }

    fn partition(fact: &Fact<'_>) -> Option<HouseholdId> {
        fact.key().map(HouseholdId)
    }

    fn apply(row: &mut HouseholdRow, fact: &Fact<'_>) {
        let Event::Household(event) = fact.event else {
            return;
        };
        match event {
            household::Event::HouseholdFormed {
                community,
                split_from,
                ..
            } => {
                row.community = Some(*community);
                row.split_from = *split_from;
            }
            household::Event::PersonJoinedHousehold { person, .. } => {
                row.residents.push(Resident {
                    person: *person,
                    from: fact.occurred_at(),
                    until: None,
                });
            }
            household::Event::PersonLeftHousehold { person, .. } => {
                let mut stays = row.residents.iter_mut().rev();
                let last = stays.find(|stay| stay.person == *person && stay.until.is_none());
                if let Some(stay) = last {
                    stay.until = Some(fact.occurred_at());
                }
            }
        }
    }

    fn rows(key: &HouseholdId, row: &HouseholdRow) -> Vec<Row> {
        vec![(key.to_string(), row_value(row))]
    }
}
