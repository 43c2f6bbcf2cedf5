//! Every command on an account whose one award of 50 points stands somewhere, as a row says it by
//! hand and as the listing in the docs shows it.

use super::*;
use crate::ids::RedemptionId;
use crate::listing::{self, Row};

/// When every command is given.
const NOW: &str = "2024-07-20T00:00:00Z";

fn states() -> Vec<(&'static str, History)> {
    let granted = |history: History, recorded| {
        history.then(patrol(1, "2024-05-01T12:00:00Z"), &system(recorded))
    };
    let vested = granted(team(), "2024-05-02T00:00:00Z");
    let expires = under(&[("vesting_days = 7", "vesting_days = 7\nexpiry_months = 1")]);
    let (redemption, lots): (RedemptionId, _) = (
        id(800),
        vec![LotPart {
            lot: id_of(1, "PATROL"),
            points: 50,
        }],
    );
    let person: PersonId = id(VOLUNTEER);
    let held = Event::PointsHeld {
        redemption,
        lots: lots.clone(),
    };
    let held = vested.clone().and::<Account>(person, held, at(NOW));
    let spent = Event::PointsSpent { redemption, lots };
    let spent = held.clone().and::<Account>(person, spent, at(NOW));
    let captain = by(id(CAPTAIN), at(NOW));
    let reversal = reverse(1, ReversalMode::WithinBalance);
    vec![
        ("none", team()),
        ("pending", granted(team(), "2024-07-19T00:00:00Z")),
        ("vested", vested.clone()),
        ("held", held),
        ("spent", spent),
        ("expired", granted(expires, "2024-05-02T00:00:00Z")),
        ("reversed", vested.clone().then(reversal, &captain)),
        ("frozen", vested.then(freeze(), &captain)),
    ]
}

fn freeze() -> Command {
    Command::FreezeAccount {
        person: id(VOLUNTEER),
        reason: Personal::new("under review"),
    }
}

fn again(minutes: u32, voided: bool) -> Command {
    let done = activity(1, ActivityFamily::Patrol, at("2024-05-01T12:00:00Z"));
    Command::ReviseAward {
        person: id(VOLUNTEER),
        activity: Activity {
            fact: 9,
            minutes,
            ..done
        },
        voided,
    }
}

#[rustfmt::skip]
fn rows() -> Vec<Row<'static>> {
    const GONE: &[&str] = &["held", "spent"];
    const SPENT: &[&str] = &["spent"];
    const REVERSED: (&[&str], &str) = (&["reversed"], "AWARD_ALREADY_REVERSED");
    const NONE: (&[&str], &str) = (&["none"], "AWARD_NOT_FOUND");
    const EXPIRED: (&[&str], &str) = (&["expired"], "AWARD_EXPIRED");
    let timer = || system(NOW);
    let captain = || by(id(CAPTAIN), at(NOW));
    let unfreeze = Command::UnfreezeAccount { person: id(VOLUNTEER) };
    vec![
        (patrol(1, "2024-05-01T12:00:00Z").into(), timer(), &[(&["none"], "AwardGranted")], "AWARD_ALREADY_GRANTED"),
        (again(20, false).into(), timer(), &[(&["none"], "AwardGranted"), REVERSED, (SPENT, "AwardRevised + PointsOwed")], "AwardRevised"),
        (again(60, true).into(), timer(), &[(&["none"], "ActivityVoided"), REVERSED, (SPENT, "AwardRevised + PointsOwed")], "AwardRevised"),
        (again(60, false).into(), timer(), &[(&["none"], "AwardGranted"), REVERSED], "AwardRevised"),
        (reverse(1, ReversalMode::PendingOnly).into(), captain(), &[NONE, REVERSED, EXPIRED, (&["pending"], "AwardReversed")], "AWARD_ALREADY_VESTED"),
        (reverse(1, ReversalMode::WithinBalance).into(), captain(), &[NONE, REVERSED, EXPIRED, (GONE, "BALANCE_TOO_SMALL")], "AwardReversed"),
        (reverse(1, ReversalMode::IntoDebt).into(), captain(), &[NONE, REVERSED, EXPIRED, (SPENT, "AwardReversed + PointsOwed")], "AwardReversed"),
        (freeze().into(), captain(), &[(&["none"], "ACCOUNT_NOT_FOUND"), (&["frozen"], "ACCOUNT_IS_FROZEN")], "AccountFrozen"),
        (unfreeze.into(), captain(), &[(&["none"], "ACCOUNT_NOT_FOUND"), (&["frozen"], "AccountUnfrozen")], "ACCOUNT_NOT_FROZEN"),
    ]
}

#[test]
fn every_command_in_every_state_has_its_answer() {
    listing::check_rows(&rows(), &states());
    let source = include_str!("../command.rs");
    assert_eq!(listing::told(&rows()), listing::declared(source, "Command"));
}

/// The command with what sets it apart from others of its name.
fn named(command: &crate::Command) -> String {
    let how = match command {
        crate::Command::Account(Command::ReviseAward { voided: true, .. }) => ", voided",
        crate::Command::Account(Command::ReviseAward { activity, .. }) if activity.minutes < 30 => {
            ", too few minutes"
        }
        crate::Command::Account(Command::ReviseAward { .. }) => ", as before",
        crate::Command::Account(Command::ReverseAward { mode, .. }) => match mode {
            ReversalMode::PendingOnly => ", pending only",
            ReversalMode::WithinBalance => ", within balance",
            ReversalMode::IntoDebt => ", into debt",
        },
        _ => "",
    };
    listing::word(command) + how
}

#[test]
fn the_listing_in_the_docs_is_that_of_the_rules() {
    let state = |history: &History| {
        let balance = account(history).balance_at(at(NOW));
        assert!(balance.is_conserved());
        let parts = [
            ("pending", balance.pending),
            ("spendable", balance.spendable),
            ("held", balance.held),
            ("spent", balance.spent),
            ("expired", balance.expired),
            ("reversed", balance.reversed),
            ("owed", balance.debt),
        ];
        let parts = parts.iter().filter(|(_, points)| *points > 0);
        let parts: Vec<_> = parts
            .map(|(name, points)| format!("{name} {points}"))
            .collect();
        parts.join(", ")
    };
    let head = "# Account: states and commands\n\nThe account has one award of 50 points for a \
                patrol, and nothing else. The activity is verified again with too few minutes, as \
                one that does not count, and with as many as before; the award is taken back within \
                its notice, within the balance, and into debt. Held and spent points follow from a \
                redemption's commands.";
    let text = listing::listing(head, &rows(), &states(), &named, &state);
    listing::check_listing("account.md", &text);
}

#[test]
fn what_is_owed_is_paid_by_the_next_award_before_it_vests() {
    let (_, spent) = states().swap_remove(4);
    let captain = by(id(CAPTAIN), at(NOW));
    let owing = spent.then(reverse(1, ReversalMode::IntoDebt), &captain);
    assert_eq!(account(&owing).balance_at(at(NOW)).debt, 50);
    let later = system("2024-07-21T00:00:00Z");
    let paid = owing.then(patrol(2, "2024-07-19T12:00:00Z"), &later);
    let balance = account(&paid).balance_at(at("2024-08-20T00:00:00Z"));
    assert!(balance.is_conserved());
    assert_eq!(
        (balance.debt, balance.spendable, balance.pending),
        (0, 0, 0)
    );
    let next = paid.then(patrol(3, "2024-07-20T12:00:00Z"), &later);
    let balance = account(&next).balance_at(at("2024-08-20T00:00:00Z"));
    assert_eq!((balance.debt, balance.spendable), (0, 50));
}

#[test]
fn what_is_gone_of_a_reversed_award_is_taken_from_the_lots_that_expire_first() {
    let (_, spent) = states().swap_remove(4);
    let more = spent.then(
        patrol(2, "2024-05-02T12:00:00Z"),
        &system("2024-05-03T00:00:00Z"),
    );
    let captain = by(id(CAPTAIN), at(NOW));
    let taken = more.then(reverse(1, ReversalMode::WithinBalance), &captain);
    let balance = account(&taken).balance_at(at(NOW));
    assert!(balance.is_conserved());
    assert_eq!(
        (
            balance.debt,
            balance.spendable,
            balance.spent,
            balance.reversed
        ),
        (0, 0, 50, 50)
    );
}
