//! Listing and counting the board: filters, order and page tokens.
//!
//! Owns the token: the place after which the next page begins, in the order of (opened at, id),
//! with a mark of the question it belongs to. It names no snapshot, so it never goes stale.

use std::collections::BTreeSet;
use std::ops::Bound;

use domain::Instant;
use domain::hazard::HazardState;
use domain::ids::{HazardId, UnitId};
use serde::Serialize;
use uuid::Uuid;

use super::{Case, CaseBoard, Standing, Totals};
use crate::build::Build;
use crate::read_models::units::Succession;

/// Most cases on one page.
pub const PAGE_CASES_MAX: usize = 1_000;
/// Cases on a page where the caller does not say.
pub const PAGE_CASES_DEFAULT: usize = 50;
/// First byte of a token, raised when its form changes.
const TOKEN_VERSION: u8 = 1;

/// Which cases; what is absent does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Filter {
    /// In one of these units (a subtree is resolved by `units`).
    pub units: Option<BTreeSet<UnitId>>,
    /// Who took over from units that ended.
    #[serde(skip)]
    pub succession: Succession,
    /// In exactly this state.
    pub state: Option<HazardState>,
    /// Open, closed, dismissed or referred.
    #[serde(skip)]
    pub standing: Option<Standing>,
    /// With a breach that stands, or without one.
    pub breached: Option<bool>,
    /// With this owner, alone or with others.
    pub owner: Option<String>,
    /// Imported from this source.
    pub source: Option<String>,
}

impl Filter {
    /// True if the case is one of those asked for.
    pub fn matches(&self, case: &Case) -> bool {
        self.units
            .as_ref()
            .is_none_or(|units| units.contains(&self.succession.owner(&case.given, case.unit)))
            && self.state.is_none_or(|state| case.state == state)
            && self
                .standing
                .is_none_or(|standing| Standing::of(case.state) == standing)
            && self
                .breached
                .is_none_or(|breached| case.is_breached() == breached)
            && self
                .owner
                .as_ref()
                .is_none_or(|owner| case.is_owned_by(owner))
            && self.source.as_ref().is_none_or(|source| {
                case.imported
                    .as_ref()
                    .is_some_and(|origin| origin.source == *source)
            })
    }

    /// Marks a token with the question, so that it is not taken to another one.
    fn mark(&self, order: Order) -> u32 {
        let text = format!(
            "{:?}{:?}{order:?}",
            serde_json::to_string(self),
            self.standing
        );
        crc32fast::hash(text.as_bytes())
    }
}

/// In which order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// Opened last first.
    #[default]
    NewestFirst,
    /// Opened first first.
    OldestFirst,
}

/// A page of the board.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<'a> {
    /// Its cases.
    pub cases: Vec<(HazardId, &'a Case)>,
    /// Where the next page begins; absent on the last one.
    pub next: Option<String>,
}

/// The token is no token of this question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the page token is not one that this question gave")]
pub struct NotAPageToken;

fn write_token(mark: u32, at: (Instant, HazardId)) -> String {
    let mut bytes = vec![TOKEN_VERSION];
    bytes.extend_from_slice(&mark.to_be_bytes());
    bytes.extend_from_slice(&at.0.timestamp_micros().to_be_bytes());
    bytes.extend_from_slice(at.1.0.as_bytes());
    domain::ids::hex(&bytes)
}

fn read_token(text: &str, mark: u32) -> Result<(Instant, HazardId), NotAPageToken> {
    const LENGTH: usize = 1 + 4 + 8 + 16;
    if text.len() != LENGTH * 2 || !text.is_ascii() {
        return Err(NotAPageToken);
    }
    let mut bytes = [0_u8; LENGTH];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte =
            u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).map_err(|_| NotAPageToken)?;
    }
    let (version, rest) = bytes.split_first().ok_or(NotAPageToken)?;
    let (marked, rest) = rest.split_first_chunk::<4>().ok_or(NotAPageToken)?;
    let (micros, rest) = rest.split_first_chunk::<8>().ok_or(NotAPageToken)?;
    if *version != TOKEN_VERSION || u32::from_be_bytes(*marked) != mark {
        return Err(NotAPageToken);
    }
    let at = Instant::from_timestamp_micros(i64::from_be_bytes(*micros)).ok_or(NotAPageToken)?;
    let id = Uuid::from_slice(rest).map_err(|_| NotAPageToken)?;
    Ok((at, HazardId(id)))
}

impl Build<CaseBoard> {
    /// A case by id.
    pub fn case(&self, hazard: HazardId) -> Option<&Case> {
        self.partitions.get(&hazard)?.as_ref()
    }

    /// At most `size` cases (bounded by [`PAGE_CASES_MAX`]) after a token's place.
    ///
    /// Every case that matches throughout is on exactly one page, whatever is opened, changed or
    /// closed between the pages.
    ///
    /// # Errors
    /// [`NotAPageToken`] if the token is none, or belongs to another filter or order.
    pub fn list(
        &self,
        filter: &Filter,
        order: Order,
        size: usize,
        token: Option<&str>,
    ) -> Result<Page<'_>, NotAPageToken> {
        let size = size.clamp(1, PAGE_CASES_MAX);
        let mark = filter.mark(order);
        let after = token.map(|token| read_token(token, mark)).transpose()?;
        let entries = &self.index().by_opening;
        let ordered: Box<dyn Iterator<Item = &(Instant, HazardId)>> = match (order, after) {
            (Order::OldestFirst, None) => Box::new(entries.iter()),
            (Order::OldestFirst, Some(at)) => {
                Box::new(entries.range((Bound::Excluded(at), Bound::Unbounded)))
            }
            (Order::NewestFirst, None) => Box::new(entries.iter().rev()),
            (Order::NewestFirst, Some(at)) => Box::new(entries.range(..at).rev()),
        };
        let mut found = ordered.filter_map(|(opened_at, id)| {
            let case = self.case(*id)?;
            filter.matches(case).then_some((*opened_at, *id, case))
        });
        let cases: Vec<_> = found.by_ref().take(size).collect();
        let more = found.next().is_some();
        let next = cases
            .last()
            .filter(|_| more)
            .map(|(opened_at, id, _)| write_token(mark, (*opened_at, *id)));
        let cases = cases.into_iter().map(|(_, id, case)| (id, case)).collect();
        Ok(Page { cases, next })
    }

    /// How many cases match; without a filter no case is looked at.
    pub fn totals(&self, filter: &Filter) -> Totals {
        if *filter == Filter::default() {
            return self.index().totals;
        }
        let mut totals = Totals::default();
        for case in self.partitions.values().flatten() {
            if filter.matches(case) {
                totals.add(&Totals::of(case));
            }
        }
        totals
    }
}
