//! `PointsService`: balances and what they come from.

use std::borrow::Cow;

use domain::account::Command;
use domain::ids::PersonId;
use domain::policy_set::ActivityFamily;
use domain::principal::Principal;
use domain::{Instant, Visibility, account};
use projections::read_models::NamedActivity;
use projections::read_models::activities::Title;
use projections::read_models::balances::{Account, Balance, Balances, Line, LineKind};
use projections::{Build, Models};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::service;
use crate::backend::Backend;
use crate::gate::Caller;
use crate::parse::{self, Parsed};
use crate::{answer, paging, status, wire};

service! {
    impl points_service_server::PointsService;
    commands {
        reverse_award(r: ReverseAwardRequest) -> ReverseAwardResponse =
            Command::ReverseAward {
                person: parse::id("person_id", &r.person_id)?,
                award: parse::id("award_id", &r.award_id)?,
                reason: parse::personal("reason", r.reason)?,
                mode: parse::choice::<wire::ReversalMode>("mode", r.mode)?,
            };
        freeze_account(r: FreezeAccountRequest) -> FreezeAccountResponse =
            Command::FreezeAccount {
                person: parse::id("person_id", &r.person_id)?,
                reason: parse::personal("reason", r.reason)?,
            };
        unfreeze_account(r: UnfreezeAccountRequest) -> UnfreezeAccountResponse =
            Command::UnfreezeAccount {
                person: parse::id("person_id", &r.person_id)?,
            };
    }
    others {
        async fn get_balance(
            &self,
            request: Request<wire::GetBalanceRequest>,
        ) -> Result<Response<wire::GetBalanceResponse>, Status> {
            let caller = Caller::of(&request)?;
            let request = request.into_inner();
            let waited = self.backend.wait(request.consistency).await?;
            let viewer = Viewer::of(&self.backend, caller, &request.person_id)?;
            let now = self.backend.executor.now();
            let build = waited.read(&self.backend.engine.models().balances)?;
            let balance = balance(&build, &request, viewer, now)
                .map_err(|why| status::invalid(&why))?;
            Ok(Response::new(wire::GetBalanceResponse {
                balance: Some(balance),
                read_point: Some(waited.point(&build)?),
            }))
        }

        async fn get_statement(
            &self,
            request: Request<wire::GetStatementRequest>,
        ) -> Result<Response<wire::GetStatementResponse>, Status> {
            let caller = Caller::of(&request)?;
            let mut request = request.into_inner();
            let waited = self.backend.wait(request.consistency.take()).await?;
            let viewer = Viewer::of(&self.backend, caller, &request.person_id)?;
            let now = self.backend.executor.now();
            let models = self.backend.engine.models();
            let build = waited.read(&models.balances)?;
            let mut answer = statement(models, &build, &request, viewer, now)
                .map_err(|why| status::invalid(&why))?;
            answer.read_point = Some(waited.point(&build)?);
            Ok(Response::new(answer))
        }
    }
}

/// Who looks at an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Viewer {
    /// Its own person, who knows what they did.
    Own,
    /// Anybody else, whatever their role; whoever holds the folder, too, who can `replay --reveal`.
    Other,
}

impl Viewer {
    /// What a caller is to an account.
    fn of(backend: &Backend, caller: Caller, person_id: &str) -> Result<Self, Status> {
        let person: PersonId =
            parse::id("person_id", person_id).map_err(|why| status::invalid(&why))?;
        let principal = backend.executor.state::<Principal>(caller.principal);
        let principal = principal.map_err(|error| status::of_execute(&error))?;
        Ok(if principal.person == Some(person) {
            Self::Own
        } else {
            Self::Other
        })
    }

    /// The account as it is shown to them. All that is told of points is computed from this, so that
    /// no sum and no question of two instants tells more than a line.
    fn sees(self, account: &Account) -> Cow<'_, Account> {
        if !account.has_withheld() {
            return Cow::Borrowed(account);
        }
        Cow::Owned(match self {
            Self::Own => account.withheld_by_day(),
            Self::Other => account.without_withheld(),
        })
    }
}

/// A person's balance, as it is shown to whoever looks; that of a person without account is zero.
pub(crate) fn balance(
    build: &Build<Balances>,
    request: &wire::GetBalanceRequest,
    viewer: Viewer,
    now: Instant,
) -> Parsed<wire::Balance> {
    let asked = Asked::parse(&request.person_id, request.as_of, request.as_known_on, now)?;
    let account = build.partitions.get(&asked.person);
    let account = account.map(|account| viewer.sees(account));
    let balance = account.map(|account| account.balance(asked.as_of, asked.as_known_on));
    let frozen = build.partitions.get(&asked.person);
    let frozen = frozen.is_some_and(|it| it.is_frozen(asked.as_of, asked.as_known_on));
    Ok(wire_balance(
        asked.person,
        &balance.unwrap_or_default(),
        frozen,
    ))
}

/// A page of a person's statement, as it is shown to whoever looks.
pub(crate) fn statement(
    models: &Models,
    build: &Build<Balances>,
    request: &wire::GetStatementRequest,
    viewer: Viewer,
    now: Instant,
) -> Parsed<wire::GetStatementResponse> {
    let page = Page::parse(request, now)?;
    let Asked {
        person,
        as_of,
        as_known_on,
    } = page.asked;
    let account = build.partitions.get(&person);
    let account = account.map(|account| viewer.sees(account));
    let lines = account
        .as_ref()
        .map(|account| account.statement(as_of, as_known_on))
        .unwrap_or_default();
    let balance = account
        .as_ref()
        .map(|account| account.balance(as_of, as_known_on))
        .unwrap_or_default();
    let end = page.from.saturating_add(page.size).min(lines.len());
    let shown = lines.get(page.from..end).unwrap_or_default();
    Ok(wire::GetStatementResponse {
        balance: Some(wire_balance(
            person,
            &balance,
            account
                .as_ref()
                .is_some_and(|account| account.is_frozen(as_of, as_known_on)),
        )),
        lines: shown.iter().map(|line| wire_line(models, line)).collect(),
        read_point: None,
        next_page_token: if end < lines.len() {
            page.token(end)
        } else {
            String::new()
        },
    })
}

/// Whose points, as of and as known on when.
struct Asked {
    person: PersonId,
    as_of: Instant,
    as_known_on: Option<Instant>,
}

impl Asked {
    fn parse(
        person: &str,
        as_of: Option<prost_types::Timestamp>,
        as_known_on: Option<prost_types::Timestamp>,
        now: Instant,
    ) -> Parsed<Self> {
        Ok(Self {
            person: parse::id("person_id", person)?,
            as_of: parse::optional_instant("as_of", as_of)?.unwrap_or(now),
            as_known_on: parse::optional_instant("as_known_on", as_known_on)?,
        })
    }
}

/// A page of a statement. Its token holds both times, so that all pages show one statement.
struct Page {
    asked: Asked,
    from: usize,
    size: usize,
    question: String,
}

impl Page {
    fn parse(request: &wire::GetStatementRequest, now: Instant) -> Parsed<Self> {
        let mut asked = Asked::parse(&request.person_id, request.as_of, request.as_known_on, now)?;
        // What the log takes in between two pages must not move the lines.
        asked.as_known_on.get_or_insert(now);
        let question = format!(
            "statement {} {:?} {:?}",
            asked.person, request.as_of, request.as_known_on
        );
        let mut from = 0;
        if let Some(key) = paging::read(&question, &request.page_token)? {
            let mut numbers = key.split(' ').map(str::parse::<i64>);
            let mut next = || {
                numbers
                    .next()
                    .and_then(Result::ok)
                    .ok_or_else(paging::malformed)
            };
            let instant =
                |micros| Instant::from_timestamp_micros(micros).ok_or_else(paging::malformed);
            asked.as_of = instant(next()?)?;
            asked.as_known_on = Some(instant(next()?)?);
            from = usize::try_from(next()?).map_err(|_| paging::malformed())?;
        }
        Ok(Self {
            asked,
            from,
            size: paging::size(request.page_size)?,
            question,
        })
    }

    fn token(&self, from: usize) -> String {
        let known_on = self.asked.as_known_on.unwrap_or(self.asked.as_of);
        let (as_of, known_on) = (
            self.asked.as_of.timestamp_micros(),
            known_on.timestamp_micros(),
        );
        paging::write(&self.question, &format!("{as_of} {known_on} {from}"))
    }
}

fn wire_balance(person: PersonId, balance: &Balance, frozen: bool) -> wire::Balance {
    wire::Balance {
        person_id: person.to_string(),
        granted: balance.granted,
        forgone: balance.forgone,
        pending: balance.pending,
        spendable: balance.spendable,
        expired: balance.expired,
        reversed: balance.reversed,
        next_vesting_at: balance
            .next_vesting
            .map(|vesting| answer::instant(vesting.at)),
        next_vesting_points: balance.next_vesting.map_or(0, |vesting| vesting.points),
        awards: balance.awards,
        revised: balance.revised,
        held: balance.held,
        spent: balance.spent,
        debt: balance.debt,
        frozen,
    }
}

/// An activity by name, in the time of its log's readers: UTC.
fn title(models: &Models, id: Uuid) -> String {
    let form = "%Y-%m-%d %H:%M UTC";
    match models.activity(id) {
        None => String::new(),
        Some(NamedActivity {
            title: Title::Campaign { name, wave, .. },
            ..
        }) => {
            format!("{name} (wave {wave})")
        }
        Some(NamedActivity {
            title: Title::Mediation { .. },
            ..
        }) => "help in settling a dispute".to_owned(),
        Some(NamedActivity {
            title: Title::Patrol { zone, from, .. },
            zone_name,
        }) => {
            let zone = zone_name.unwrap_or_else(|| zone.to_string());
            format!("patrol of {zone}, {}", from.format(form))
        }
    }
}

/// What a withheld award is called on a statement, whatever it is for.
const WITHHELD_TITLE: &str = "safety contribution";

/// A line of an award that is withheld, for the account's own person: points and days, and nothing by which anybody could find what
/// it is for, who verified it or where its posting stands. The award's id follows from a random one.
fn withheld_line(line: wire::StatementLine) -> wire::StatementLine {
    wire::StatementLine {
        kind: line.kind,
        value_date: line.value_date,
        points: line.points,
        pending: line.pending,
        spendable: line.spendable,
        award_id: line.award_id,
        policy_set: line.policy_set,
        computed: line.computed,
        granted: line.granted,
        forgone: line.forgone,
        vests_at: line.vests_at,
        expires_at: line.expires_at,
        reversed_by: line.reversed_by,
        redemption_id: line.redemption_id,
        is_less: line.is_less,
        activity_title: WITHHELD_TITLE.to_owned(),
        ..Default::default()
    }
}

fn wire_line(models: &Models, line: &Line<'_>) -> wire::StatementLine {
    let shown = whole_line(models, line);
    match line.lot.activity.family.visibility() {
        Visibility::Open => shown,
        Visibility::Withheld => withheld_line(shown),
    }
}

fn whole_line(models: &Models, line: &Line<'_>) -> wire::StatementLine {
    let (lot, revision) = (line.lot, line.revision);
    let account::Activity {
        family,
        id,
        fact,
        occurred_at,
        unit,
        minutes,
        verified_by,
    } = &lot.activity;
    let kind = match line.kind {
        LineKind::Granted => wire::StatementLineKind::Granted,
        LineKind::Vested => wire::StatementLineKind::Vested,
        LineKind::Reversed => wire::StatementLineKind::Reversed,
        LineKind::Expired => wire::StatementLineKind::Expired,
        LineKind::Revised => wire::StatementLineKind::Revised,
        LineKind::Held => wire::StatementLineKind::Held,
        LineKind::Released => wire::StatementLineKind::Released,
        LineKind::Spent => wire::StatementLineKind::Spent,
        LineKind::Returned => wire::StatementLineKind::Returned,
        LineKind::Owed => wire::StatementLineKind::Owed,
        LineKind::Repaid => wire::StatementLineKind::Repaid,
        LineKind::Withdrawn => wire::StatementLineKind::Withdrawn,
        LineKind::Refunded => wire::StatementLineKind::Refunded,
    };
    let family = match family {
        ActivityFamily::Patrol => wire::ActivityFamily::Patrol,
        ActivityFamily::Lead => wire::ActivityFamily::Lead,
        ActivityFamily::Publicity => wire::ActivityFamily::Publicity,
        ActivityFamily::Mediation => wire::ActivityFamily::Mediation,
    };
    wire::StatementLine {
        kind: kind.into(),
        value_date: Some(answer::instant(line.value_date)),
        points: line.points.into(),
        pending: line.pending,
        spendable: line.spendable,
        position: line.position,
        recorded_at: Some(answer::instant(line.recorded_at)),
        award_id: lot.award.to_string(),
        family: family.into(),
        activity_id: id.to_string(),
        fact: revision.map_or(*fact, |it| it.fact),
        occurred_at: Some(answer::instant(*occurred_at)),
        unit_id: unit.to_string(),
        minutes: revision.map_or(*minutes, |it| it.minutes),
        verified_by: revision
            .map_or(*verified_by, |it| it.verified_by)
            .to_string(),
        rule: lot.rule.clone(),
        policy_set: revision
            .map_or(&lot.policy_set, |it| &it.policy_set)
            .clone(),
        computed: lot.computed,
        granted: lot.granted,
        forgone: lot.forgone,
        why: revision.map_or(&lot.why, |it| &it.why).clone(),
        vests_at: Some(answer::instant(line.vests_at)),
        expires_at: line.expires_at.map(answer::instant),
        reversed_by: line
            .reversed_by
            .map_or_else(String::new, |person| person.to_string()),
        activity_title: title(models, *id),
        redemption_id: line
            .redemption
            .map_or_else(String::new, |redemption| redemption.to_string()),
        is_less: line.is_less,
    }
}
