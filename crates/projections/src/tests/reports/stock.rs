use chrono::NaiveDate;

use crate::fixture::{History, id};
use crate::read_models::stock_book::Entries;
use crate::tests::folded;

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

#[tokio::test]
async fn the_book_adds_up_to_what_the_item_says_as_of_any_day() {
    let models = folded(&History::whole().await);
    let books = models.stock_book.read();
    let book = books.partitions.get(&id(701)).and_then(Option::as_ref);
    let book = book.expect("a book");
    let whole = book.until(day("2024-06-01"));
    assert_eq!(
        whole,
        Entries {
            received: 3,
            reserved: 2,
            released: 0,
            issued: 1,
            returned: 0,
            difference: -1,
            counted: Some(1),
            counts: 1,
        }
    );
    let items = models.reward_items.read();
    let item = &items.item(id(701)).expect("an item").item;
    assert_eq!(whole.on_hand(), i64::from(item.on_hand()));
    assert_eq!(whole.set_aside(), u64::from(item.reserved()));
    let early = book.until(day("2024-05-04"));
    assert_eq!((early.received, early.reserved, early.issued), (3, 1, 0));
    assert_eq!((early.on_hand(), early.set_aside()), (3, 1));
}

#[tokio::test]
async fn what_was_before_and_what_is_between_make_the_whole() {
    let models = folded(&History::whole().await);
    let books = models.stock_book.read();
    let book = books.partitions.get(&id(701)).and_then(Option::as_ref);
    let book = book.expect("a book");
    let (first, last) = (day("2024-05-05"), day("2024-05-31"));
    let mut sum = book.before(first);
    sum.add(&book.between(first, last));
    assert_eq!(sum, book.until(last));
    assert_eq!(book.before(day("2024-05-01")), Entries::default());
}
