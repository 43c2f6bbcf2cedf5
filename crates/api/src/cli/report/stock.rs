//! `benniu report stock`.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Of, PAGE_ROWS, Sheet, ask, print, word};
use crate::cli::Failure;
use crate::services::report::stock;
use crate::wire;

/// Show the stock book of reward items between two days, of one item day by day
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this item, and each day on which anything happened to it
    #[arg(long, value_name = "ID")]
    item: Option<Uuid>,
    /// First local day, YYYY-MM-DD
    #[arg(long, value_name = "DAY", default_value = "")]
    from: String,
    /// Last local day, YYYY-MM-DD
    #[arg(long, value_name = "DAY", default_value = "")]
    until: String,
    #[command(flatten)]
    of: Of,
}

const BOOKS: &[&str] = &[
    "item",
    "name",
    "kind",
    "opening",
    "received",
    "reserved",
    "released",
    "issued",
    "returned",
    "counted",
    "difference",
    "closing",
    "set aside",
];

const DAYS: &[&str] = &[
    "day",
    "received",
    "reserved",
    "released",
    "issued",
    "returned",
    "counted",
    "difference",
    "closing",
];

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let opened = args.of.source.open().await?;
    let mut request = wire::GetStockBookRequest {
        unit_id: args.of.unit_id(),
        item_id: args.item.map_or_else(String::new, |id| id.to_string()),
        day_from: args.from,
        day_until: args.until,
        page_size: PAGE_ROWS,
        ..Default::default()
    };
    let mut books = Sheet::new("books", BOOKS);
    let mut days = Sheet::new("days", DAYS);
    loop {
        let answer = ask(&opened, &request, |models, _, now| {
            stock::book(models, &models.stock_book.read(), &request, now)
        });
        let answer = answer.await?;
        if args.item.is_none() || books.rows.is_empty() {
            books.rows.extend(answer.books.iter().map(book));
        }
        days.rows.extend(answer.days.iter().map(day));
        request.page_token = answer.next_page_token;
        if request.page_token.is_empty() {
            let as_json = args.of.source.json;
            return match args.item {
                Some(_) => print(&[&books, &days], as_json),
                None => books.print(as_json),
            };
        }
    }
}

fn entries(entries: &wire::StockEntries) -> [Value; 7] {
    [
        json!(entries.received),
        json!(entries.reserved),
        json!(entries.released),
        json!(entries.issued),
        json!(entries.returned),
        json!(entries.counted),
        json!(entries.difference),
    ]
}

fn book(book: &wire::StockBook) -> Vec<Value> {
    let mut row = vec![
        json!(book.item_id),
        json!(book.name),
        word(book.kind().as_str_name(), "REWARD_KIND_"),
        json!(book.opening),
    ];
    row.extend(entries(&book.entries.unwrap_or_default()));
    row.extend([json!(book.closing), json!(book.set_aside)]);
    row
}

fn day(day: &wire::StockDay) -> Vec<Value> {
    let mut row = vec![json!(day.day)];
    row.extend(entries(&day.entries.unwrap_or_default()));
    row.push(json!(day.closing));
    row
}
