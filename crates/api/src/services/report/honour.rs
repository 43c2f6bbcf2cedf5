//! Who earned the most honour points.

use domain::Instant;
use domain::policy_set::ActivityFamily;
use projections::read_models::leaderboard::Leaderboard;
use projections::read_models::leaderboard::board::Asked;
use projections::{Build, Models};
use tonic::Status;
use uuid::Uuid;

use super::invalid;
use crate::backend::subtree;
use crate::parse::{self, Parsed, Violation};
use crate::{paging, wire};

/// Where the next page begins: the position that all pages are as known at, and the last standing.
struct Place {
    position: u64,
    points: u64,
    person: Uuid,
}

impl Place {
    fn parse(key: &str) -> Parsed<Self> {
        let mut parts = key.splitn(3, '/');
        let found = (|| {
            Some(Self {
                position: parts.next()?.parse().ok()?,
                points: parts.next()?.parse().ok()?,
                person: Uuid::parse_str(parts.next()?).ok()?,
            })
        })();
        found.ok_or_else(paging::malformed)
    }
}

/// A page of the board.
///
/// # Errors
/// The first field that is malformed, or `NOT_FOUND` for a unit that does not exist.
pub(crate) fn board(
    models: &Models,
    build: &Build<Leaderboard>,
    request: &wire::GetLeaderboardRequest,
    now: Instant,
) -> Result<wire::GetLeaderboardResponse, Status> {
    let mut asked = asked(request).map_err(invalid)?;
    asked.units = subtree(models, &request.unit_id, now)?;
    let size = paging::size(request.page_size).map_err(invalid)?;
    let question = format!(
        "leaderboard {} {} {:?} {:?}",
        request.unit_id, request.family, asked.from, asked.until
    );
    let after = paging::read(&question, &request.page_token)
        .and_then(|key| key.map(|key| Place::parse(&key)).transpose())
        .map_err(invalid)?;
    asked.position = after
        .as_ref()
        .map_or(build.position, |after| after.position.min(build.position));
    let board = build.board(&asked);
    let mut rest = board.standings.iter().skip_while(|standing| {
        after.as_ref().is_some_and(|after| {
            standing.points > after.points
                || (standing.points == after.points && standing.person.0 <= after.person)
        })
    });
    let page: Vec<_> = rest.by_ref().take(size).collect();
    let last = page.last().filter(|_| rest.next().is_some());
    let next = last.map(|last| {
        let key = format!("{}/{}/{}", asked.position, last.points, last.person);
        paging::write(&question, &key)
    });
    let standings = page.iter().map(|standing| wire::BoardStanding {
        rank: standing.rank,
        person_id: standing.person.to_string(),
        points: standing.points,
    });
    Ok(wire::GetLeaderboardResponse {
        standings: standings.collect(),
        communities_left_out: board.communities_left_out,
        next_page_token: next.unwrap_or_default(),
        read_point: None,
    })
}

fn asked(request: &wire::GetLeaderboardRequest) -> Parsed<Asked> {
    let family = match wire::ActivityFamily::try_from(request.family) {
        Ok(wire::ActivityFamily::Unspecified) => None,
        Ok(wire::ActivityFamily::Patrol) => Some(ActivityFamily::Patrol),
        Ok(wire::ActivityFamily::Publicity) => Some(ActivityFamily::Publicity),
        Ok(wire::ActivityFamily::Mediation) => Some(ActivityFamily::Mediation),
        Ok(wire::ActivityFamily::Lead) => {
            return Err(Violation::new("family", "Leads have no board."));
        }
        Err(_) => return Err(Violation::new("family", "It is none of its values.")),
    };
    Ok(Asked {
        units: None,
        family,
        from: parse::optional_instant("from", request.from)?,
        until: parse::optional_instant("until", request.until)?,
        position: 0,
    })
}
