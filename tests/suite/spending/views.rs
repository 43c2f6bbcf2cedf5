//! Who is shown a redemption, where its code stands, and that it ends in one way.

use super::*;

/// What somebody is shown of one redemption and of the list.
async fn shown(shop: &Shop, login: &str, redemption_id: &str) -> (bool, usize) {
    let consistency = Some(wire::ReadConsistency {
        at_least: None,
        with_consequences: true,
    });
    let one = wire::GetRedemptionRequest {
        redemption_id: redemption_id.to_owned(),
        consistency,
    };
    let one = match shop.town.by(login).call(one).await {
        Ok(answer) => {
            let found = answer.redemption.expect("a redemption");
            assert_eq!(found.reason, "the family has no use for it");
            true
        }
        answer => {
            refused(answer, Code::NotFound, "REDEMPTION_NOT_FOUND");
            false
        }
    };
    let list = wire::ListRedemptionsRequest {
        consistency,
        ..Default::default()
    };
    let list = shop.town.done(login, list).await.redemptions;
    (one, list.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redemption_is_shown_to_its_person_to_who_hands_over_and_to_administrators_alone() {
    let shop = Shop::open(3, 3, 20).await;
    let redemption_id = shop.reserved(0).await;
    shop.reserved(1).await;
    let cancellation = wire::CancelRedemptionRequest {
        command_id: shop.town.id(),
        redemption_id: redemption_id.clone(),
        reason: "the family has no use for it".to_owned(),
    };
    shop.town.done(&volunteer_login(0), cancellation).await;
    for (login, expected) in [
        (volunteer_login(0), (true, 1)),
        // Another person sees their own only, and one who redeemed nothing sees none.
        (volunteer_login(1), (false, 1)),
        (volunteer_login(2), (false, 0)),
        // An officer does not hand over; a clerk and a captain do.
        (OFFICER.to_owned(), (false, 0)),
        (CLERK.to_owned(), (true, 2)),
        (CAPTAIN.to_owned(), (true, 2)),
        (ADMIN.to_owned(), (true, 2)),
    ] {
        assert_eq!(
            shown(&shop, &login, &redemption_id).await,
            expected,
            "{login}"
        );
    }
    let listed = |subject: &str| {
        let url = shop.town.url();
        let args = [
            "redemption",
            "list",
            "--json",
            "--server",
            url,
            "--as",
            subject,
        ];
        let rows = run(&args).exits(0).json();
        rows.as_array().expect("an array").len()
    };
    let found = [CLERK, OFFICER, &volunteer_login(1)].map(listed);
    assert_eq!(found, [2, 0, 1], "also from the command line");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_redemptions_is_full_of_what_may_be_shown_and_ends_where_that_does() {
    let shop = Shop::open(3, 9, 10).await;
    for number in [0, 1, 0, 2, 0, 1] {
        shop.reserved(number).await;
    }
    let mut request = wire::ListRedemptionsRequest {
        page_size: 2,
        consistency: Some(wire::ReadConsistency {
            at_least: None,
            with_consequences: true,
        }),
        ..Default::default()
    };
    let mut pages = Vec::new();
    loop {
        let page = shop.town.done(&volunteer_login(0), request.clone()).await;
        pages.push(page.redemptions.len());
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(pages, [2, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_stands_in_no_answer_but_the_first_and_in_no_line_of_what_the_service_says() {
    let mut shop = Shop::open(1, 2, 20).await;
    shop.town.stop().terminate().exits(0);
    let mut loud = std::process::Command::new("env");
    loud.arg("RUST_LOG=debug");
    shop.town.start_under(loud).await;
    let (redemption_id, first) = shop.ready(0).await;
    let renewal = wire::RenewCodeRequest {
        command_id: shop.town.id(),
        redemption_id: redemption_id.clone(),
    };
    let login = volunteer_login(0);
    let second = shop.town.done(&login, renewal).await.code;
    let wrong = shop.hand_over(&redemption_id, &first);
    let wrong = shop.town.by(CLERK).call(wrong).await;
    let refusal = format!("{:?}", wrong.expect_err("another code was made"));
    let mut said = vec![refusal];
    for login in [login.as_str(), CLERK, ADMIN] {
        let one = wire::GetRedemptionRequest {
            redemption_id: redemption_id.clone(),
            consistency: None,
        };
        let list = wire::ListRedemptionsRequest::default();
        said.push(format!("{:?}", shop.town.done(login, one).await));
        said.push(format!("{:?}", shop.town.done(login, list).await));
    }
    let hand_over = shop.hand_over(&redemption_id, &second);
    said.push(format!("{:?}", shop.town.done(CLERK, hand_over).await));
    let ended = shop.town.stop().terminate().exits(0);
    assert!(!ended.stderr.is_empty(), "it was asked to say much");
    said.extend([ended.stdout, ended.stderr]);
    for code in [first, second] {
        let bare = code.replace('-', "");
        for text in &said {
            let text = text.to_uppercase();
            assert!(!text.contains(&code) && !text.contains(&bare), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancellation_and_a_hand_over_at_once_end_a_redemption_in_exactly_one_way() {
    const PEOPLE: usize = 12;
    let shop = Shop::open(PEOPLE, 12, 50).await;
    let mut under_way = tokio::task::JoinSet::new();
    for number in 0..PEOPLE {
        let (redemption_id, code) = shop.ready(number).await;
        let hand_over = shop.hand_over(&redemption_id, &code);
        let cancellation = wire::CancelRedemptionRequest {
            command_id: shop.town.id(),
            redemption_id: redemption_id.clone(),
            reason: "the family has no use for it".to_owned(),
        };
        let (person, clerk) = (shop.town.by(&volunteer_login(number)), shop.town.by(CLERK));
        under_way.spawn(async move {
            let both = tokio::join!(person.call(cancellation), clerk.call(hand_over));
            (number, redemption_id, both)
        });
    }
    let mut served = 0;
    while let Some(done) = under_way.join_next().await {
        let (number, redemption_id, (cancelled, handed_over)) = done.expect("no call panics");
        let (state, points) = match (&cancelled, &handed_over) {
            (Ok(_), Err(refusal)) => {
                let name = reason(refusal);
                assert_eq!(name.as_deref(), Some("REDEMPTION_NOT_READY"), "{refusal:?}");
                (wire::RedemptionState::Cancelled, (EACH, 0, 0))
            }
            (Err(refusal), Ok(_)) => {
                let name = reason(refusal);
                assert_eq!(name.as_deref(), Some("REDEMPTION_NOT_HELD"), "{refusal:?}");
                served += 1;
                (wire::RedemptionState::Fulfilled, (0, 0, EACH))
            }
            both => panic!("one of the two: {both:?}"),
        };
        assert_eq!(shop.state(&redemption_id).await, state);
        assert_eq!(shop.points(number).await, points);
    }
    let item = shop.item().await;
    assert_eq!((item.reserved, item.issued), (0, served));
    assert_eq!(item.available, 12 - served);
    let ended = shop.count("RedemptionFulfilled") + shop.count("RedemptionCancelled");
    assert_eq!(ended, PEOPLE);
}
