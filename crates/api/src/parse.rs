//! Parsing: from what a caller sent to the types of the domain, refusing what is malformed.
//!
//! Owns the form of single fields. Never judges a rule: a well-formed value that the rules do
//! not want is refused by the decider, in the domain's words.

use chrono::{DateTime, Datelike as _};
use domain::place::Place;
use domain::unit::Imported;
use domain::{Instant, Personal, personal};
use prost_types::Timestamp;
use uuid::Uuid;

use crate::wire;

/// Longest ordinary text, in bytes; the rules are stricter where it matters.
pub const TEXT_BYTES_MAX: usize = 1_000;
/// Longest document (policy set, zone plan), in bytes: a commit record holds 128 KiB.
pub const DOCUMENT_BYTES_MAX: usize = 100_000;
/// Most items in a repeated field.
pub const ITEMS_MAX: usize = 1_000;
/// Years that an instant may lie in.
pub const YEARS: std::ops::RangeInclusive<i32> = 1970..=9999;

/// A field that does not have the form it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field in the request, such as `imported.batch_id`.
    pub field: String,
    /// What it needs, as a sentence.
    pub description: String,
}

impl Violation {
    /// A violation of this field.
    pub fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            description: description.into(),
        }
    }
}

/// What parsing gives.
pub type Parsed<T> = Result<T, Violation>;

/// An id that must be there.
pub fn id<T: From<Uuid>>(field: &str, text: &str) -> Parsed<T> {
    // Only the hyphenated form, so that an id has one spelling in requests and logs of callers.
    match Uuid::try_parse(text) {
        Ok(id) if text.len() == 36 => Ok(id.into()),
        _ => Err(Violation::new(
            field,
            "A UUID such as 0190a3c2-5b1e-7c44-9d1f-2f6f5f1b7a10 is needed.",
        )),
    }
}

/// An id that may be left empty.
pub fn optional_id<T: From<Uuid>>(field: &str, text: &str) -> Parsed<Option<T>> {
    if text.is_empty() {
        Ok(None)
    } else {
        id(field, text).map(Some)
    }
}

/// An instant that may be absent, cut to microseconds.
pub fn optional_instant(field: &str, time: Option<Timestamp>) -> Parsed<Option<Instant>> {
    let Some(time) = time else { return Ok(None) };
    u32::try_from(time.nanos)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000)
        .and_then(|nanos| DateTime::from_timestamp(time.seconds, nanos / 1_000 * 1_000))
        .filter(|instant| YEARS.contains(&instant.year()))
        .map(Some)
        .ok_or_else(|| {
            Violation::new(
                field,
                "An instant in the years 1970 to 9999, with nanoseconds from 0 to 999,999,999, \
                 is needed.",
            )
        })
}

/// An instant that must be there.
pub fn instant(field: &str, time: Option<Timestamp>) -> Parsed<Instant> {
    optional_instant(field, time)?.ok_or_else(|| Violation::new(field, "An instant is needed."))
}

/// A place that may be absent.
pub fn optional_place(field: &str, place: Option<wire::Place>) -> Parsed<Option<Place>> {
    let Some(wire::Place { lat_e7, lon_e7 }) = place else {
        return Ok(None);
    };
    let place = Place { lat_e7, lon_e7 };
    if place.is_on_earth() {
        Ok(Some(place))
    } else {
        Err(Violation::new(
            field,
            "A latitude within 90 and a longitude within 180 degrees is needed.",
        ))
    }
}

/// A place that must be there.
pub fn place(field: &str, place: Option<wire::Place>) -> Parsed<Place> {
    optional_place(field, place)?.ok_or_else(|| Violation::new(field, "A place is needed."))
}

/// A text of at most [`TEXT_BYTES_MAX`] bytes without control characters.
pub fn text(field: &str, text: String) -> Parsed<String> {
    if text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(Violation::new(
            field,
            format!("A text of at most {TEXT_BYTES_MAX} bytes in one line is needed."),
        ));
    }
    Ok(text)
}

/// The same, where an empty one means that there is none.
pub fn optional_text(field: &str, value: String) -> Parsed<Option<String>> {
    text(field, value).map(|text| Some(text).filter(|text| !text.is_empty()))
}

/// A document of at most [`DOCUMENT_BYTES_MAX`] bytes.
pub fn document(field: &str, text: String) -> Parsed<String> {
    if text.len() > DOCUMENT_BYTES_MAX {
        return Err(Violation::new(
            field,
            format!("A document of at most {DOCUMENT_BYTES_MAX} bytes is needed."),
        ));
    }
    Ok(text)
}

/// A personal text that must not be blank.
pub fn personal(field: &str, text: String) -> Parsed<Personal> {
    optional_personal(field, text)?
        .filter(|text| !text.is_blank())
        .ok_or_else(|| Violation::new(field, "A text that is not blank is needed."))
}

/// A personal text, where an empty one means that there is none.
pub fn optional_personal(field: &str, text: String) -> Parsed<Option<Personal>> {
    if text.is_empty() {
        return Ok(None);
    }
    let text = Personal::new(text);
    if text.is_too_long() {
        let most = personal::PERSONAL_BYTES_MAX;
        return Err(Violation::new(
            field,
            format!("At most {most} bytes are taken."),
        ));
    }
    Ok(Some(text))
}

/// A SHA-256 that may be left empty.
pub fn optional_digest(field: &str, bytes: &[u8]) -> Parsed<Option<[u8; 32]>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    bytes
        .try_into()
        .map(Some)
        .map_err(|_| Violation::new(field, "A SHA-256 of 32 bytes is needed."))
}

/// SHA-256 digests.
pub fn digests(field: &str, items: &[Vec<u8>]) -> Parsed<Vec<[u8; 32]>> {
    each(field, items, |field, bytes| {
        optional_digest(field, bytes)?
            .ok_or_else(|| Violation::new(field, "A SHA-256 of 32 bytes is needed."))
    })
}

/// Every item of a repeated field, each named with its index.
pub fn each<'a, T, U>(
    field: &str,
    items: &'a [T],
    parse: impl Fn(&str, &'a T) -> Parsed<U>,
) -> Parsed<Vec<U>> {
    if items.len() > ITEMS_MAX {
        return Err(Violation::new(
            field,
            format!("At most {ITEMS_MAX} items are taken."),
        ));
    }
    items
        .iter()
        .enumerate()
        .map(|(index, item)| parse(&format!("{field}[{index}]"), item))
        .collect()
}

/// A time zone by its IANA name that may be left empty.
pub fn optional_zone(field: &str, name: &str) -> Parsed<Option<chrono_tz::Tz>> {
    if name.is_empty() {
        return Ok(None);
    }
    name.parse()
        .map(Some)
        .map_err(|_| Violation::new(field, "An IANA time zone such as Asia/Shanghai is needed."))
}

/// Where an imported record comes from, if it does.
pub fn optional_imported(
    field: &str,
    imported: Option<wire::Imported>,
) -> Parsed<Option<Imported>> {
    let Some(imported) = imported else {
        return Ok(None);
    };
    Ok(Some(Imported {
        batch: id(&format!("{field}.batch_id"), &imported.batch_id)?,
        source: text(&format!("{field}.source"), imported.source)?,
        external_id: text(&format!("{field}.external_id"), imported.external_id)?,
    }))
}

/// A message field that must be there.
pub fn required<T>(field: &str, value: Option<T>) -> Parsed<T> {
    value.ok_or_else(|| Violation::new(field, "It must be given."))
}

/// A closed choice of the protocol and its counterpart in the domain.
pub trait Choice: Copy + TryFrom<i32> {
    /// The domain's type.
    type Domain;

    /// The domain's member; `None` for the unspecified one.
    fn to_domain(self) -> Option<Self::Domain>;

    /// The protocol's member.
    fn of(domain: Self::Domain) -> Self;
}

/// A choice that must be made.
pub fn choice<C: Choice>(field: &str, number: i32) -> Parsed<C::Domain> {
    optional_choice::<C>(field, number)?
        .ok_or_else(|| Violation::new(field, "One of its values must be chosen."))
}

/// A choice that may be left unspecified.
pub fn optional_choice<C: Choice>(field: &str, number: i32) -> Parsed<Option<C::Domain>> {
    match C::try_from(number) {
        Ok(choice) => Ok(choice.to_domain()),
        Err(_) => Err(Violation::new(
            field,
            format!("{number} is none of its values."),
        )),
    }
}

macro_rules! choices {
    ($($wire:ident = $domain:path { $($member:ident),+ $(,)? } $(unspecified $unknown:ident)?;)+) => { $(
        impl Choice for wire::$wire {
            type Domain = $domain;

            fn to_domain(self) -> Option<$domain> {
                match self {
                    Self::Unspecified => None,
                    $( Self::$member => Some(<$domain>::$member), )+
                }
            }

            fn of(domain: $domain) -> Self {
                match domain {
                    $( <$domain>::$unknown => Self::Unspecified, )?
                    $( <$domain>::$member => Self::$member, )+
                }
            }
        }
    )+ };
}

choices! {
    BatchState = domain::import_batch::BatchState {
        Uploaded, Checked, Approved, Applied, Rejected
    } unspecified Unknown;
    CaptureMethod = domain::patrol_shift::Method { Nfc, Qr, Geo, Manual };
    ClockKind = domain::genesis::ClockKind { Real, Simulated };
    AgreementForm = domain::dispute::Form { Written, Oral };
    CourtDecision = domain::dispute::CourtDecision { Confirmed, NotConfirmed, Void };
    DisputeKind = domain::dispute::DisputeKind { Neighbour, Consumer, Other };
    DisputeState = domain::dispute::DisputeState {
        Registered, NotAccepted, Accepted, Scheduled, InMediation, Adjourned, Agreed, Performing,
        Breached, Urged, Performed, ReferredToCourt, Void, Failed, Withdrawn, Terminated, Archived
    } unspecified Unknown;
    DoorResult = domain::campaign::DoorResult { Home, Absent, Refused };
    HazardLevel = domain::hazard::HazardLevel { General, Major };
    HazardState = domain::hazard::HazardState {
        Reported, Verified, Rectifying, Rectified, Reinspected, ClosedOut, Invalid, Duplicate,
        ClosedBySource, BoundaryUnclear, Referred
    } unspecified Unknown;
    LeadKind = domain::lead::LeadKind { Rental, FloatingPopulation, Case };
    LeadState = domain::lead::LeadState {
        Submitted, UnderReview, Valid, Invalid, Duplicate, Transferred, Used, Archived
    } unspecified Unknown;
    MemberKind = domain::member::MemberKind {
        PropertyStaff, SecurityGuard, CommunityWorker, BuildingHead, Volunteer
    };
    RedemptionState = domain::redemption::RedemptionState {
        Reserved, ReadyForPickup, Fulfilled, Cancelled, Expired, Failed, Returned
    } unspecified Unknown;
    ReversalMode = domain::account::ReversalMode { PendingOnly, WithinBalance, IntoDebt };
    Remedy = domain::dispute::Remedy { Court, Arbitration, Administrative };
    RewardItemState = domain::reward_item::ItemState {
        Draft, Listed, Paused, Retired
    } unspecified Unknown;
    RewardKind = domain::reward_item::RewardKind { Goods, PartnerService, FeeReduction };
    RewardPeriod = domain::policy_set::Period { Day, Week, Month, Year };
    ConsentPurpose = domain::member::ConsentPurpose { MemberRecord, PublicBoard, Photos };
    Role = domain::member::Role {
        Captain, Instructor, Officer, Mediator, GridWorker, Clerk, VeteranPartyMember
    };
    ShiftState = domain::patrol_shift::ShiftState {
        Planned, InProgress, HandedOver, Completed, Verified, Disputed, Voided, Cancelled, Missed,
        Filed, FilingRejected
    } unspecified Unknown;
    SessionType = domain::dispute::SessionType { Joint, Separate, Persuasion };
    UnitChange = domain::unit::UnitChange { Name, Parent };
    UnitLevel = domain::unit::UnitLevel { City, District, Station, Community, Grid };
    Urgency = domain::hazard::Urgency { Red, Yellow, Blue };
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
