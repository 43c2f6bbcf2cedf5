//! The 1,200-point volunteer goes shopping: rice against a code, and a race for the last umbrella.
//!
//! Owns its part of the show. Two clients ask for the umbrella at once; which of them gets it is the
//! one thing that the demo leaves to chance. So the race comes last, and the log's root before it is
//! told: it is the same in every run of one version.

use domain::ids::derived;
use tonic::Status;
use uuid::Uuid;

use super::pilot::{By, Pilot, STAR, community, day, local, person};
use super::{DemoError, STAR_POINTS, Show, after_all, grouped, report};
use crate::session::{Session, reason};
use crate::wire;

/// Points for a bag of rice, and for an umbrella.
const RICE: u64 = 200;
/// Points for an umbrella.
const UMBRELLA: u64 = 50;
/// Bags of rice that came in.
const BAGS: u32 = 10;

/// What became of it.
#[derive(Debug, Default)]
struct Spent {
    /// How the counter refused a wrong code.
    wrong_code: String,
    /// Who got the umbrella.
    winner: String,
    /// How the other was told why not: the name of the refusal and its sentence.
    told: (String, String),
    /// How many got it.
    winners: usize,
}

/// An item of the shop.
fn item(name: &str) -> String {
    derived("demo item", &[&name]).to_string()
}

fn redemption(name: &str) -> String {
    derived("demo redemption", &[&name]).to_string()
}

/// Plays it to its end.
async fn play(pilot: &mut Pilot) -> Result<Spent, Status> {
    // Past the notice of the last awards, also of those that came late.
    pilot.advance(local(day(2024, 9, 9), 9, 0)).await?;
    pilot.staff(By::Clerk).await?;
    pilot.login(By::Star).await?;
    offer(pilot, "rice", RICE, BAGS).await?;
    offer(pilot, "umbrella", UMBRELLA, 1).await?;
    let mut spent = Spent::default();
    rice(pilot, &mut spent).await?;
    Ok(spent)
}

async fn offer(pilot: &mut Pilot, name: &str, price: u64, pieces: u32) -> Result<(), Status> {
    let price = u32::try_from(price).unwrap_or_default();
    pilot
        .send(By::Captain, |command_id| wire::DraftItemRequest {
            command_id,
            item_id: item(name),
            community_id: community().to_string(),
            name: name.to_owned(),
            kind: wire::RewardKind::Goods.into(),
            price,
            funding_source: "community fund".to_owned(),
        })
        .await?;
    pilot
        .send(By::Clerk, |command_id| wire::ReceiveStockRequest {
            command_id,
            item_id: item(name),
            count: pieces,
            paper: Vec::new(),
        })
        .await?;
    pilot
        .send(By::Captain, |command_id| wire::OfferItemRequest {
            command_id,
            item_id: item(name),
        })
        .await
        .map(drop)
}

/// A bag of rice: reserved, confirmed, a wrong code, the right one.
async fn rice(pilot: &mut Pilot, spent: &mut Spent) -> Result<(), Status> {
    let redemption_id = redemption("rice");
    pilot
        .send(By::Star, |command_id| wire::RequestRedemptionRequest {
            command_id,
            redemption_id: redemption_id.clone(),
            item_id: item("rice"),
        })
        .await?;
    let answer = pilot
        .send(By::Star, |command_id| wire::ConfirmRedemptionRequest {
            command_id,
            redemption_id: redemption_id.clone(),
        })
        .await?;
    let fulfil = |code: &str| {
        let (redemption_id, code) = (redemption_id.clone(), code.to_owned());
        move |command_id| wire::FulfilRedemptionRequest {
            command_id,
            redemption_id,
            code,
        }
    };
    if let Err(status) = pilot.send(By::Clerk, fulfil("0000-0000-0000")).await {
        spent.wrong_code = reason(&status).unwrap_or_default();
    }
    pilot.send(By::Clerk, fulfil(&answer.code)).await.map(drop)
}

/// Two clients ask for the last umbrella at once.
async fn race(pilot: &mut Pilot, spent: &mut Spent) -> Result<(), Status> {
    let call = |session: Session, name: &'static str| async move {
        let request = wire::RequestRedemptionRequest {
            command_id: Uuid::to_string(&derived("demo race", &[&name])),
            redemption_id: redemption(name),
            item_id: item("umbrella"),
        };
        (name, session.call(request).await)
    };
    let star = call(pilot.session_of(By::Star)?, By::Star.subject());
    let patroller = call(pilot.session_of(By::Patroller)?, By::Patroller.subject());
    let (star, patroller) = tokio::join!(star, patroller);
    for (name, answer) in [star, patroller] {
        match answer {
            Ok(_) => {
                spent.winners += 1;
                name.clone_into(&mut spent.winner);
            }
            Err(status) => {
                let refusal = reason(&status).unwrap_or_default();
                spent.told = (refusal, status.message().to_owned());
            }
        }
    }
    Ok(())
}

impl Show<'_> {
    /// Tells the root of all that chance has no part in, once everything has followed.
    async fn root_before_the_race(&mut self, admin: &Session) -> Result<(), DemoError> {
        let request = wire::ListRewardItemsRequest {
            consistency: Some(after_all()),
            ..Default::default()
        };
        admin.call(request).await?;
        let head = self.backend.executor.log().head();
        let root = domain::ids::hex(&head.root);
        let (events, out) = (head.position, &mut self.out);
        Ok(writeln!(
            out,
            "Before the race, the same in every run: events={events} root={root}"
        )?)
    }

    /// Rice against a code, and two clients at the last umbrella.
    pub(super) async fn spending(
        &mut self,
        admin: &Session,
        pilot: &mut Pilot,
    ) -> Result<(), DemoError> {
        report::title(self.out, "The same volunteer redeems points")?;
        let mut spent = play(pilot).await?;
        self.root_before_the_race(admin).await?;
        race(pilot, &mut spent).await?;
        let request = wire::ListRewardItemsRequest {
            consistency: Some(after_all()),
            ..Default::default()
        };
        let items = admin.call(request).await?.items;
        report::stock(self.out, &items)?;
        let request = wire::GetBalanceRequest {
            person_id: person(STAR).to_string(),
            consistency: Some(after_all()),
            ..Default::default()
        };
        let balance = admin.call(request).await?.balance.unwrap_or_default();
        let (refusal, sentence) = &spent.told;
        writeln!(
            self.out,
            "A wrong code at the counter: {}. Two clients asked for the last umbrella at once: the {} \
             got it, the other was told {refusal}: {sentence}",
            spent.wrong_code, spent.winner,
        )?;
        writeln!(
            self.out,
            "{} granted = {} spendable + {} held + {} spent.",
            grouped(balance.granted),
            grouped(balance.spendable),
            balance.held,
            balance.spent,
        )?;
        let rice = items.iter().find(|it| it.item_id == item("rice"));
        let rice = rice.map_or((0, 0), |item| (item.issued, item.on_hand));
        let held = if spent.winner == By::Star.subject() {
            UMBRELLA
        } else {
            0
        };
        let checks = &mut self.checks;
        checks.expect(
            "a wrong code at the counter",
            "CODE_DOES_NOT_MATCH",
            &spent.wrong_code,
        );
        checks.expect("points spent on rice", RICE, balance.spent);
        checks.expect("points held for the umbrella", held, balance.held);
        checks.expect(
            "points left to spend",
            STAR_POINTS - RICE - held,
            balance.spendable,
        );
        checks.expect("bags of rice handed over", 1, rice.0);
        checks.expect("bags of rice left", BAGS - 1, rice.1);
        checks.expect("clients who got the last umbrella", 1, spent.winners);
        checks.expect("what the other was told", "OUT_OF_STOCK", refusal);
        Ok(())
    }
}
