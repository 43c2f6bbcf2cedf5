//! What the points come to: the volunteer of 24 publicity actions, and every balance beside a recount.

use std::collections::BTreeMap;

use super::pilot::{By, STAR, person};
use super::{DemoError, STAR_POINTS, Show, after_all, campaigns, grouped, report};
use crate::session::Session;
use crate::wire;

impl Show<'_> {
    /// The statement of one volunteer, the balances of all.
    pub(super) async fn points(&mut self, admin: &Session) -> Result<(), DemoError> {
        report::title(self.out, "The volunteer with 24 publicity actions")?;
        let request = wire::GetStatementRequest {
            person_id: person(STAR).to_string(),
            page_size: 1_000,
            consistency: Some(after_all()),
            ..Default::default()
        };
        let mut answer = admin.call(request).await?;
        answer
            .lines
            .retain(|line| line.kind() == wire::StatementLineKind::Granted);
        let names = [By::Officer, By::Captain, By::Instructor]
            .map(|by| (by.person().to_string(), format!("the {}", by.subject())));
        report::statement(self.out, &answer.lines, &BTreeMap::from(names))?;
        let balance = answer.balance.unwrap_or_default();
        writeln!(
            self.out,
            "{} points by {} publicity actions: {} spendable, {} pending.",
            grouped(balance.granted),
            answer.lines.len(),
            grouped(balance.spendable),
            balance.pending,
        )?;
        let explained = answer.lines.iter().filter(|line| {
            line.rule == "PUBLICITY"
                && line.policy_set == "pilot/1"
                && line.verified_by == By::Officer.person().to_string()
                && !line.activity_title.is_empty()
        });
        let explained = explained.count();
        let recount = self.recount()?;
        let mut differing = 0;
        // Points for a lead are shown to the person alone.
        let patroller = admin.in_the_name_of(By::Patroller.subject())?;
        let withheld = By::Patroller.person().to_string();
        for (person_id, points) in recount.points() {
            let request = wire::GetBalanceRequest {
                person_id: person_id.clone(),
                consistency: Some(after_all()),
                ..Default::default()
            };
            let session = if *person_id == withheld {
                &patroller
            } else {
                admin
            };
            let balance = session.call(request).await?.balance.unwrap_or_default();
            let found =
                balance.granted.cast_signed() + balance.revised - balance.reversed.cast_signed();
            differing += usize::from(found != *points);
        }
        let checks = &mut self.checks;
        checks.expect(
            "points of 24 publicity actions",
            STAR_POINTS,
            balance.granted,
        );
        checks.expect(
            "actions named with rule version and verifier",
            campaigns::WAVES,
            explained,
        );
        checks.expect(
            "verified activities without exactly one award",
            0,
            recount.unmatched(),
        );
        checks.expect("awards", recount.facts(), {
            recount
                .types
                .get("AwardGranted")
                .copied()
                .unwrap_or_default()
        });
        checks.expect("balances that differ from the events", 0, differing);
        let stuck = self.backend.timers.health().stuck_timers;
        let checks = &mut self.checks;
        checks.expect("timers that stand stuck", 0, stuck);
        checks.expect("work of reactions that stands stuck", 0, {
            recount
                .types
                .get("ReactionStuck")
                .copied()
                .unwrap_or_default()
        });
        Ok(())
    }
}
