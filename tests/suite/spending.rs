//! Points buy goods, each once: two hundred clients at the last ten pieces, kills in the middle,
//! codes, clerks and time-outs.

mod views;

use std::collections::{BTreeMap, BTreeSet};

use api::session::{Rpc, Session, reason};
use api::wire;
use chrono::Duration;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::harness::{ADMIN, run};
use crate::town::{
    CAPTAIN, INSPECTOR, OFFICER, RECTIFIER, Town, community, refused, staff, volunteer,
    volunteer_login,
};

/// What hands over, and what takes back.
const CLERK: &str = INSPECTOR;
const OTHER_CLERK: &str = RECTIFIER;
/// Points that every volunteer has: one wave of publicity.
const EACH: u64 = 50;

/// A town with an item on offer, whose volunteers can spend [`EACH`] points.
struct Shop {
    town: Town,
    item_id: String,
}

impl Shop {
    async fn open(volunteers: usize, pieces: u32, price: u32) -> Self {
        let mut town = Town::with_volunteers(volunteers).await;
        for clerk in [CLERK, OTHER_CLERK] {
            grant_clerk(&town, staff(clerk)).await;
        }
        let people: Vec<_> = (0..volunteers).map(volunteer).collect();
        let wave = town
            .campaign(town.now() + Duration::hours(1), &people)
            .await;
        for person in people {
            let verification = town.campaign_verification(&wave, person);
            town.done(OFFICER, verification).await;
        }
        // The awards must be there before their notice can run.
        town.balance(volunteer(0)).await;
        town.advance(town.now() + Duration::days(8)).await;
        let item_id = town.id();
        let draft = wire::DraftItemRequest {
            command_id: town.id(),
            item_id: item_id.clone(),
            community_id: community().to_string(),
            name: "rice, 5 kg".to_owned(),
            kind: wire::RewardKind::Goods.into(),
            price,
            funding_source: "community fund".to_owned(),
        };
        town.done(CAPTAIN, draft).await;
        let receive = wire::ReceiveStockRequest {
            command_id: town.id(),
            item_id: item_id.clone(),
            count: pieces,
            paper: Vec::new(),
        };
        town.done(CLERK, receive).await;
        let offer = wire::OfferItemRequest {
            command_id: town.id(),
            item_id: item_id.clone(),
        };
        town.done(CAPTAIN, offer).await;
        Self { town, item_id }
    }

    fn request(&self) -> wire::RequestRedemptionRequest {
        wire::RequestRedemptionRequest {
            command_id: self.town.id(),
            redemption_id: self.town.id(),
            item_id: self.item_id.clone(),
        }
    }

    fn confirmation(&self, redemption_id: &str) -> wire::ConfirmRedemptionRequest {
        wire::ConfirmRedemptionRequest {
            command_id: self.town.id(),
            redemption_id: redemption_id.to_owned(),
        }
    }

    fn hand_over(&self, redemption_id: &str, code: &str) -> wire::FulfilRedemptionRequest {
        wire::FulfilRedemptionRequest {
            command_id: self.town.id(),
            redemption_id: redemption_id.to_owned(),
            code: code.to_owned(),
        }
    }

    /// A reservation of a volunteer.
    async fn reserved(&self, number: usize) -> String {
        let request = self.request();
        let redemption_id = request.redemption_id.clone();
        self.town.done(&volunteer_login(number), request).await;
        redemption_id
    }

    /// A redemption of a volunteer that waits to be picked up, and its code.
    async fn ready(&self, number: usize) -> (String, String) {
        let redemption_id = self.reserved(number).await;
        let confirmation = self.confirmation(&redemption_id);
        let answer = self.town.done(&volunteer_login(number), confirmation).await;
        (redemption_id, answer.code)
    }

    async fn item(&self) -> wire::RewardItem {
        let request = wire::GetRewardItemRequest {
            item_id: self.item_id.clone(),
            consistency: Some(wire::ReadConsistency {
                at_least: None,
                with_consequences: true,
            }),
        };
        self.town.done(CLERK, request).await.item.expect("an item")
    }

    async fn state(&self, redemption_id: &str) -> wire::RedemptionState {
        let request = wire::GetRedemptionRequest {
            redemption_id: redemption_id.to_owned(),
            consistency: Some(wire::ReadConsistency {
                at_least: None,
                with_consequences: true,
            }),
        };
        let answer = self.town.done(CLERK, request).await;
        answer.redemption.expect("a redemption").state()
    }

    /// Spendable, held, spent of a volunteer.
    async fn points(&self, number: usize) -> (u64, u64, u64) {
        let it = self.town.balance(volunteer(number)).await;
        assert_eq!(
            it.granted.cast_signed() + it.revised,
            (it.pending + it.spendable + it.held + it.spent + it.expired + it.reversed)
                .cast_signed()
                - it.debt.cast_signed()
        );
        (it.spendable, it.held, it.spent)
    }

    /// Events by type, from the folder.
    fn count(&self, event: &str) -> usize {
        self.town.folder.replay(&["--type", event]).len()
    }
}

async fn grant_clerk(town: &Town, person: Uuid) {
    let request = wire::GrantRoleRequest {
        command_id: town.id(),
        community_id: community().to_string(),
        person_id: person.to_string(),
        role: wire::Role::Clerk.into(),
        from: Some(api::session::timestamp(town.now())),
        until: None,
        appointment: String::new(),
    };
    town.done(ADMIN, request).await;
}

/// Whether a call was not answered, so that it must be asked again.
fn unanswered(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::Unknown | Code::Aborted
    ) || reason(status).is_none()
}

/// Sends all at once, each until it is answered; answers by their index. With `cut`, the service is
/// killed after so many answers and started again, and what was not answered is sent again under
/// the same ids.
async fn all_at_once<R>(
    town: &mut Town,
    calls: &[(String, R)],
    cut: Option<usize>,
) -> Vec<Result<R::Response, String>>
where
    R: Rpc + Clone + Send,
    R::Response: Send,
{
    let mut answers: BTreeMap<usize, Result<R::Response, String>> = BTreeMap::new();
    let mut cut = cut;
    while answers.len() < calls.len() {
        let mut under_way = tokio::task::JoinSet::new();
        for (number, (login, request)) in calls.iter().enumerate() {
            if !answers.contains_key(&number) {
                let (session, request): (Session, R) = (town.by(login), request.clone());
                under_way.spawn(async move { (number, session.call(request).await) });
            }
        }
        while let Some(done) = under_way.join_next().await {
            match done.expect("no call panics") {
                (number, Ok(answer)) => {
                    answers.insert(number, Ok(answer));
                }
                (_, Err(status)) if unanswered(&status) => {}
                (number, Err(status)) => {
                    let name = reason(&status).expect("a refusal has a name");
                    answers.insert(number, Err(name));
                }
            }
            if cut.is_some_and(|cut| answers.len() >= cut) {
                cut = None;
                town.stop().kill();
            }
        }
        if cut.is_none() && !town.runs() {
            town.start().await;
        }
    }
    answers.into_values().collect()
}

/// Forty volunteers ask five times each for the last ten pieces, all at once; then the winners
/// confirm and are served. Each can pay for one.
async fn the_last_ten(cuts: Option<(usize, usize)>) {
    const PIECES: usize = 10;
    const VOLUNTEERS: usize = 40;
    let mut shop = Shop::open(VOLUNTEERS, 10, 50).await;
    let calls: Vec<_> = (0..200)
        .map(|n| (volunteer_login(n % VOLUNTEERS), shop.request()))
        .collect();
    let answers = all_at_once(&mut shop.town, &calls, cuts.map(|cuts| cuts.0)).await;
    let mut winners = BTreeMap::new();
    let mut refusals = BTreeSet::new();
    for ((login, request), answer) in calls.iter().zip(&answers) {
        match answer {
            Ok(_) => {
                let before = winners.insert(login.clone(), request.redemption_id.clone());
                assert_eq!(before, None, "nobody pays twice with the same points");
            }
            Err(name) => {
                refusals.insert(name.as_str());
            }
        }
    }
    assert_eq!(winners.len(), PIECES);
    let known = BTreeSet::from(["OUT_OF_STOCK", "POINTS_NOT_ENOUGH"]);
    assert!(refusals.is_subset(&known), "{refusals:?}");
    let item = shop.item().await;
    assert_eq!((item.reserved, item.issued, item.available), (10, 0, 0));
    for number in 0..VOLUNTEERS {
        let holds = winners.contains_key(&volunteer_login(number));
        let expected = if holds { (0, EACH, 0) } else { (EACH, 0, 0) };
        assert_eq!(shop.points(number).await, expected, "{number}");
    }
    let mut calls = Vec::new();
    for (login, redemption_id) in &winners {
        let confirmation = shop.confirmation(redemption_id);
        let code = shop.town.done(login, confirmation).await.code;
        // Two clerks at the counter serve the same person at once.
        for clerk in [CLERK, OTHER_CLERK] {
            calls.push((clerk.to_owned(), shop.hand_over(redemption_id, &code)));
        }
    }
    let answers = all_at_once(&mut shop.town, &calls, cuts.map(|cuts| cuts.1)).await;
    let served = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(served, PIECES, "each is served by one of the two");
    let item = shop.item().await;
    assert_eq!((item.reserved, item.issued, item.on_hand), (0, 10, 0));
    let mut spent = 0;
    for number in 0..VOLUNTEERS {
        let (spendable, held, paid) = shop.points(number).await;
        assert_eq!((held, spendable + paid), (0, EACH));
        spent += paid;
    }
    assert_eq!(spent, 500);
    for event in [
        "RedemptionReserved",
        "StockReserved",
        "RewardTaken",
        "PointsHeld",
        "RedemptionFulfilled",
        "StockIssued",
        "PointsSpent",
    ] {
        assert_eq!(shop.count(event), PIECES, "{event}");
    }
    shop.town.stop().terminate().exits(0);
    shop.town.folder.run(&["verify"], &[]).exits(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_redemptions_at_once_of_the_last_ten_pieces_bring_ten_people_one_each() {
    the_last_ten(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn also_with_a_kill_while_they_ask_and_another_while_they_are_served() {
    the_last_ten(Some((4, 5))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_shown_once_and_stands_nowhere() {
    let mut shop = Shop::open(1, 2, 50).await;
    let login = volunteer_login(0);
    let redemption_id = shop.reserved(0).await;
    let confirmation = shop.confirmation(&redemption_id);
    let first = shop.town.done(&login, confirmation.clone()).await;
    assert_eq!(first.code.len(), 14, "{}", first.code);
    let again = shop.town.done(&login, confirmation).await;
    let receipt = again.receipt.expect("a receipt");
    assert!(receipt.replayed && again.code.is_empty());
    let renewal = wire::RenewCodeRequest {
        command_id: shop.town.id(),
        redemption_id: redemption_id.clone(),
    };
    let second = shop.town.done(&login, renewal).await.code;
    assert_ne!(second, first.code);
    let old = shop.hand_over(&redemption_id, &first.code);
    let answer = shop.town.by(CLERK).call(old).await;
    refused(answer, Code::PermissionDenied, "CODE_DOES_NOT_MATCH");
    let told = second.to_lowercase().replace('-', " ");
    let hand_over = shop.hand_over(&redemption_id, &told);
    shop.town.done(CLERK, hand_over).await;
    assert_eq!(shop.points(0).await, (0, 0, EACH));
    let events = shop.town.folder.replay(&[]);
    let whole = serde_json::to_string(&events).expect("JSON");
    for code in [&first.code, &second] {
        assert!(!whole.contains(code.as_str()));
        assert!(!whole.contains(&code.replace('-', "")));
    }
    shop.town.restart().await;
    assert_eq!(
        shop.state(&redemption_id).await,
        wire::RedemptionState::Fulfilled
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_clerk_who_is_not_the_beneficiary_hands_over_and_only_another_takes_back() {
    let shop = Shop::open(2, 2, 50).await;
    grant_clerk(&shop.town, volunteer(0)).await;
    let (redemption_id, code) = shop.ready(0).await;
    let hand_over = || shop.hand_over(&redemption_id, &code);
    for (login, name) in [
        (volunteer_login(0), "CLERK_IS_BENEFICIARY"),
        (volunteer_login(1), "CLERK_NOT_ALLOWED"),
    ] {
        let answer = shop.town.by(&login).call(hand_over()).await;
        refused(answer, Code::PermissionDenied, name);
    }
    assert_eq!(shop.points(0).await, (0, EACH, 0), "nothing was paid");
    shop.town.done(CLERK, hand_over()).await;
    let take_back = || wire::ReturnRedemptionRequest {
        command_id: shop.town.id(),
        redemption_id: redemption_id.clone(),
        reason: "the rice was spoiled".to_owned(),
    };
    let answer = shop.town.by(CLERK).call(take_back()).await;
    refused(answer, Code::PermissionDenied, "RETURNER_HANDED_IT_OVER");
    shop.town.done(OTHER_CLERK, take_back()).await;
    assert_eq!(shop.points(0).await, (EACH, 0, 0));
    let item = shop.item().await;
    assert_eq!((item.issued, item.on_hand, item.available), (0, 2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_confirms_or_picks_up_in_time_is_given_free_by_the_timer() {
    let mut shop = Shop::open(1, 1, 50).await;
    let login = volunteer_login(0);
    let first = shop.reserved(0).await;
    let until = shop.town.now() + Duration::minutes(15);
    shop.town.advance(until).await;
    assert_eq!(shop.state(&first).await, wire::RedemptionState::Reserved);
    shop.town.advance(until + Duration::seconds(1)).await;
    assert_eq!(shop.state(&first).await, wire::RedemptionState::Expired);
    assert_eq!(shop.points(0).await, (EACH, 0, 0));
    let late = shop.confirmation(&first);
    let answer = shop.town.by(&login).call(late).await;
    refused(answer, Code::FailedPrecondition, "REDEMPTION_NOT_RESERVED");
    let (second, code) = shop.ready(0).await;
    let later = shop.town.now() + Duration::days(8);
    shop.town.advance(later).await;
    let hand_over = shop.hand_over(&second, &code);
    let answer = shop.town.by(CLERK).call(hand_over).await;
    refused(answer, Code::FailedPrecondition, "REDEMPTION_NOT_READY");
    assert_eq!(shop.points(0).await, (EACH, 0, 0));
    let item = shop.item().await;
    assert_eq!((item.reserved, item.available), (0, 1));
    assert_eq!(shop.count("RedemptionExpired"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn goods_are_redeemed_from_the_command_line_too() {
    let shop = Shop::open(1, 3, 20).await;
    let url = shop.town.url().to_owned();
    let at = |subject: &str, args: &[&str]| {
        let of = ["--server", &url, "--as", subject];
        let args: Vec<_> = ["redemption"]
            .iter()
            .chain(args)
            .chain(&of)
            .copied()
            .collect();
        run(&args)
    };
    let login = volunteer_login(0);
    let line = |ran: crate::harness::Ran| ran.exits(0).stdout.trim().to_owned();
    let redemption = line(at(&login, &["request", &shop.item_id]));
    let code = line(at(&login, &["confirm", &redemption]));
    let waiting = at(CLERK, &["list", "--ready", "--json"]).exits(0).json();
    assert_eq!(waiting[0]["redemption"], redemption.as_str());
    let wrong = at(CLERK, &["fulfil", &redemption, "0000-0000-0000"]).exits(3);
    assert!(
        wrong.stderr.contains("CODE_DOES_NOT_MATCH"),
        "{}",
        wrong.stderr
    );
    line(at(CLERK, &["fulfil", &redemption, &code]));
    let items = run(&["reward", "--server", &url, "--json"]).exits(0).json();
    assert_eq!(
        (&items[0]["issued"], &items[0]["on_hand"]),
        (&1.into(), &2.into())
    );
    let data = shop
        .town
        .folder
        .run(&["reward"], &["--json"])
        .exits(0)
        .json();
    assert_eq!(data, items, "the folder says what the service says");
    let person = volunteer(0).to_string();
    let balance = run(&["balance", &person, "--server", &url, "--json"])
        .exits(0)
        .json();
    assert_eq!(
        (&balance["spent"], &balance["spendable"]),
        (&20.into(), &30.into())
    );
}
