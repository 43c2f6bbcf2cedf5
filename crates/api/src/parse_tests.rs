use domain::ids::HazardId;

use super::*;

/// Checks that a parse fails and names the field.
#[track_caller]
fn check<T: std::fmt::Debug>(field: &str, parsed: Parsed<T>) {
    let violation = parsed.expect_err("it is malformed");
    assert_eq!(violation.field, field);
    assert!(violation.description.ends_with('.'), "{violation:?}");
}

fn at(seconds: i64, nanos: i32) -> Timestamp {
    Timestamp { seconds, nanos }
}

#[test]
fn a_malformed_field_is_named() {
    check("hazard_id", id::<HazardId>("hazard_id", ""));
    check("hazard_id", id::<HazardId>("hazard_id", "not-a-uuid"));
    check(
        "hazard_id",
        id::<HazardId>("hazard_id", "0190a3c25b1e7c449d1f2f6f5f1b7a10"),
    );
    check("parent_id", optional_id::<HazardId>("parent_id", "x"));
    check("from", instant("from", None));
    check("from", instant("from", Some(at(-1, 0))));
    check("from", instant("from", Some(at(0, -1))));
    check("from", instant("from", Some(at(0, 1_000_000_000))));
    check("from", instant("from", Some(at(253_402_300_800, 0))));
    check("from", instant("from", Some(at(i64::MAX, 0))));
    check("place", place("place", None));
    let off = wire::Place {
        lat_e7: 900_000_001,
        lon_e7: 0,
    };
    check("place", place("place", Some(off)));
    check("name", text("name", "x".repeat(TEXT_BYTES_MAX + 1)));
    check("name", text("name", "two\nlines".to_owned()));
    check("text", document("text", "x".repeat(DOCUMENT_BYTES_MAX + 1)));
    check("reason", personal("reason", " ".to_owned()));
    check("reason", personal("reason", "x".repeat(4_001)));
    check("photos[1]", digests("photos", &[vec![0; 32], vec![0; 31]]));
    check("route", each("route", &[(); ITEMS_MAX + 1], |_, ()| Ok(())));
    check("time_zone", optional_zone("time_zone", "Mars/Base"));
    check("level", choice::<wire::UnitLevel>("level", 0));
    check("level", choice::<wire::UnitLevel>("level", 99));
    check("level", optional_choice::<wire::UnitLevel>("level", 99));
    let imported = wire::Imported {
        batch_id: "x".to_owned(),
        ..Default::default()
    };
    check(
        "imported.batch_id",
        optional_imported("imported", Some(imported)),
    );
    check("capture", required::<()>("capture", None));
}

#[test]
fn well_formed_fields_pass() {
    let uuid = "0190a3c2-5b1e-7c44-9d1f-2f6f5f1b7a10";
    assert_eq!(
        id::<HazardId>("id", uuid).map(|id| id.to_string()),
        Ok(uuid.to_owned())
    );
    assert_eq!(optional_id::<HazardId>("id", ""), Ok(None));
    let cut = instant("at", Some(at(1, 999_999_999))).expect("an instant");
    assert_eq!(cut.timestamp_subsec_nanos(), 999_999_000);
    assert_eq!(optional_text("owner", String::new()), Ok(None));
    assert_eq!(
        optional_choice::<wire::UnitLevel>("level", 0),
        Ok(None::<domain::unit::UnitLevel>)
    );
}

#[test]
fn every_choice_goes_there_and_back() {
    fn check<C: Choice + PartialEq + std::fmt::Debug>(count: i32) {
        let members = (1..).map_while(|number| C::try_from(number).ok());
        let mut seen = 0;
        for member in members {
            assert_eq!(member.to_domain().map(C::of), Some(member));
            seen += 1;
        }
        assert_eq!(seen, count);
    }
    check::<wire::UnitLevel>(5);
    check::<wire::HazardState>(11);
    check::<wire::ShiftState>(11);
    check::<wire::BatchState>(5);
    check::<wire::MemberKind>(5);
    check::<wire::Role>(7);
    check::<wire::ConsentPurpose>(3);
    check::<wire::DoorResult>(3);
    check::<wire::ReversalMode>(3);
    check::<wire::RedemptionState>(7);
    check::<wire::RewardItemState>(4);
    check::<wire::RewardKind>(3);
    check::<wire::RewardPeriod>(4);
}
