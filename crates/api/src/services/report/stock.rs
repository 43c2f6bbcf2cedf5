//! The stock book of reward items.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use domain::Instant;
use domain::ids::RewardItemId;
use domain::reward_item::Refusal;
use projections::read_models::stock_book::{Book, Entries, StockBook};
use projections::{Build, Models};
use tonic::Status;

use super::{invalid, optional_day, page};
use crate::backend::subtree;
use crate::parse::{self, Choice as _, Violation};
use crate::{status, wire};

/// A page of books, or of the days of one.
///
/// # Errors
/// The first field that is malformed, or `NOT_FOUND` for a unit or an item that does not exist.
pub(crate) fn book(
    models: &Models,
    build: &Build<StockBook>,
    request: &wire::GetStockBookRequest,
    now: Instant,
) -> Result<wire::GetStockBookResponse, Status> {
    let within = subtree(models, &request.unit_id, now)?;
    let item: Option<RewardItemId> =
        parse::optional_id("item_id", &request.item_id).map_err(invalid)?;
    let first = optional_day("day_from", &request.day_from).map_err(invalid)?;
    let last = optional_day("day_until", &request.day_until).map_err(invalid)?;
    let (first, last) = (
        first.unwrap_or(NaiveDate::MIN),
        last.unwrap_or(NaiveDate::MAX),
    );
    if last < first {
        let why = Violation::new("day_until", "It must not be before the first day.");
        return Err(invalid(why));
    }
    let question = format!(
        "stock {} {} {} {}",
        request.unit_id, request.item_id, request.day_from, request.day_until
    );
    let chosen = |book: &Book| {
        let within = within.as_ref();
        within.is_none_or(|units| units.contains(&book.community))
    };
    let Some(item) = item else {
        let slots = build.partitions.iter();
        let books = slots.filter_map(|(id, slot)| {
            let book = slot.as_ref().filter(|book| chosen(book))?;
            Some((id.to_string(), wired(*id, book, first, last)))
        });
        let books: BTreeMap<_, _> = books.collect();
        let (books, next_page_token) =
            page(books, &question, request.page_size, &request.page_token).map_err(invalid)?;
        return Ok(wire::GetStockBookResponse {
            books,
            days: Vec::new(),
            next_page_token,
            read_point: None,
        });
    };
    let slot = build.partitions.get(&item).and_then(Option::as_ref);
    let book = slot
        .filter(|book| chosen(book))
        .ok_or_else(|| status::refused(&Refusal::ItemNotFound.refused()))?;
    let mut sum = book.before(first);
    let days = book.days.range(first..=last).map(|(day, of_day)| {
        sum.add(of_day);
        let row = wire::StockDay {
            day: day.to_string(),
            entries: Some(entries(of_day)),
            closing: sum.on_hand(),
        };
        (day.to_string(), row)
    });
    let days: BTreeMap<_, _> = days.collect();
    let (days, next_page_token) =
        page(days, &question, request.page_size, &request.page_token).map_err(invalid)?;
    Ok(wire::GetStockBookResponse {
        books: vec![wired(item, book, first, last)],
        days,
        next_page_token,
        read_point: None,
    })
}

fn wired(id: RewardItemId, book: &Book, first: NaiveDate, last: NaiveDate) -> wire::StockBook {
    let until = book.until(last);
    wire::StockBook {
        item_id: id.to_string(),
        community_id: book.community.to_string(),
        name: book.name.clone(),
        kind: wire::RewardKind::of(book.kind).into(),
        opening: book.before(first).on_hand(),
        entries: Some(entries(&book.between(first, last))),
        closing: until.on_hand(),
        set_aside: until.set_aside(),
    }
}

fn entries(entries: &Entries) -> wire::StockEntries {
    wire::StockEntries {
        received: entries.received,
        reserved: entries.reserved,
        released: entries.released,
        issued: entries.issued,
        returned: entries.returned,
        difference: entries.difference,
        counted: entries.counted,
        counts: entries.counts,
    }
}
