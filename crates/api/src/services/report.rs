//! `ReportService`: questions about many cases, and the whole life of one.
//!
//! Each report is a file with a function of the read models, which the command line asks of a folder
//! as the service asks it of the engine.

pub(crate) mod alarms;
pub(crate) mod growth;
pub(crate) mod hazards;
pub(crate) mod heat;
pub(crate) mod honour;
pub(crate) mod mediation;
pub(crate) mod stock;
pub(crate) mod stuck;
pub(crate) mod timeline;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use tonic::{Request, Response, Status};

use super::service;
use crate::gate::Caller;
use crate::parse::{Parsed, Violation};
use crate::{paging, status, wire};

service! {
    impl report_service_server::ReportService;
    commands {
    }
    others {
        async fn list_missed_alarms(
            &self,
            request: Request<wire::ListMissedAlarmsRequest>,
        ) -> Result<Response<wire::ListMissedAlarmsResponse>, Status> {
            let request = request.into_inner();
            let waited = self.backend.wait(request.consistency).await?;
            let (models, now) = (self.backend.engine.models(), self.backend.executor.now());
            let build = waited.read(&models.missed_alarms)?;
            let mut answer = alarms::list(models, &build, &request, now)?;
            answer.read_point = Some(waited.point(&build)?);
            Ok(Response::new(answer))
        }

        async fn get_hazard_report(
            &self,
            request: Request<wire::GetHazardReportRequest>,
        ) -> Result<Response<wire::GetHazardReportResponse>, Status> {
            let request = request.into_inner();
            let waited = self.backend.wait(request.consistency).await?;
            let (models, now) = (self.backend.engine.models(), self.backend.executor.now());
            let build = waited.read(&models.hazard_report)?;
            let mut answer = hazards::report(models, &build, &request, now)?;
            answer.read_point = Some(waited.point(&build)?);
            Ok(Response::new(answer))
        }

        async fn get_mediation_funnel(
            &self,
            request: Request<wire::GetMediationFunnelRequest>,
        ) -> Result<Response<wire::GetMediationFunnelResponse>, Status> {
            let request = request.into_inner();
            let waited = self.backend.wait(request.consistency).await?;
            let (models, now) = (self.backend.engine.models(), self.backend.executor.now());
            let build = waited.read(&models.mediation_report)?;
            let mut answer = mediation::funnel(models, &build, &request, now)?;
            answer.read_point = Some(waited.point(&build)?);
            Ok(Response::new(answer))
        }

        async fn get_volunteer_growth(
            &self,
            request: Request<wire::GetVolunteerGrowthRequest>,
        ) -> Result<Response<wire::GetVolunteerGrowthResponse>, Status> {
            let request = request.into_inner();
            let waited = self.backend.wait(request.consistency).await?;
            let (models, now) = (self.backend.engine.models(), self.backend.executor.now());
            let build = waited.read(&models.volunteer_growth)?;
            let mut answer = growth::growth(models, &build, &request, now)?;
            answer.read_point = Some(waited.point(&build)?);
            Ok(Response::new(answer))
        }

        async fn get_hot_spots(
            &self,
            request: Request<wire::GetHotSpotsRequest>,
        ) -> Result<Response<wire::GetHotSpotsResponse>, Status> {
            let request = request.into_inner();
            let waited = self.backend.wait(request.consistency).await?;
            let (models, now) = (self.backend.engine.models(), self.backend.executor.now());
            let build = waited.read(&models.hot_spots)?;
            let mut answer = heat::spots(models, &build, &request, now)?;
            answer.read_point = Some(waited.point(&build)?);
            Ok(Response::new(answer))
        }

        async fn get_stock_book(
            &self,
            request: Request<wire::GetStockBookRequest>,
        ) -> Result<Response<wire::GetStockBookResponse>, Status> {
            let request = request.into_inner();
            let waited = self.backend.wait(request.consistency).await?;
            let (models, now) = (self.backend.engine.models(), self.backend.executor.now());
            let build = waited.read(&models.stock_book)?;
            let mut answer = stock::book(models, &build, &request, now)?;
            answer.read_point = Some(waited.point(&build)?);
            Ok(Response::new(answer))
        }

        async fn get_leaderboard(
            &self,
            request: Request<wire::GetLeaderboardRequest>,
        ) -> Result<Response<wire::GetLeaderboardResponse>, Status> {
            let request = request.into_inner();
            let waited = self.backend.wait(request.consistency).await?;
            let (models, now) = (self.backend.engine.models(), self.backend.executor.now());
            let build = waited.read(&models.leaderboard)?;
            let mut answer = honour::board(models, &build, &request, now)?;
            answer.read_point = Some(waited.point(&build)?);
            Ok(Response::new(answer))
        }

        async fn list_stuck_work(
            &self,
            request: Request<wire::ListStuckWorkRequest>,
        ) -> Result<Response<wire::ListStuckWorkResponse>, Status> {
            let request = request.into_inner();
            let waited = self.backend.wait(request.consistency).await?;
            let (models, now) = (self.backend.engine.models(), self.backend.executor.now());
            let timers_stopped = self.backend.timers.health().error.is_some();
            let (mut answer, position) = stuck::list(models, &request, timers_stopped, now)?;
            answer.read_point = Some(waited.at_least(position, stuck::BUILD.to_owned())?);
            Ok(Response::new(answer))
        }

        async fn get_case_timeline(
            &self,
            request: Request<wire::GetCaseTimelineRequest>,
        ) -> Result<Response<wire::GetCaseTimelineResponse>, Status> {
            let caller = Caller::of(&request)?;
            let request = request.into_inner();
            let waited = self.backend.wait(request.consistency).await?;
            let viewer = timeline::Viewer::of(&self.backend, caller)?;
            let models = self.backend.engine.models();
            let log = self.backend.executor.log().as_ref();
            timeline::timeline(models, log, &request, &viewer, waited).map(Response::new)
        }
    }
}

/// A page of rows that are told by key, and the token of the next page. A row that stands throughout
/// is on exactly one page, whatever changes in between.
fn page<T>(
    rows: BTreeMap<String, T>,
    question: &str,
    page_size: i32,
    token: &str,
) -> Parsed<(Vec<T>, String)> {
    let size = paging::size(page_size)?;
    let after = paging::read(question, token)?;
    let mut rows = rows
        .into_iter()
        .skip_while(|(key, _)| after.as_ref().is_some_and(|after| key <= after));
    let (mut page, mut last) = (Vec::new(), None);
    for (key, row) in rows.by_ref().take(size) {
        page.push(row);
        last = Some(key);
    }
    let next = last.filter(|_| rows.next().is_some());
    let next = next.map(|key| paging::write(question, &key));
    Ok((page, next.unwrap_or_default()))
}

/// A share.
const fn rate(numerator: u64, denominator: u64) -> wire::Rate {
    wire::Rate {
        numerator,
        denominator,
    }
}

/// A day, `YYYY-MM-DD`, that may be left empty.
fn optional_day(field: &str, text: &str) -> Parsed<Option<NaiveDate>> {
    if text.is_empty() {
        return Ok(None);
    }
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .filter(|_| text.len() == 10)
        .map(Some)
        .ok_or_else(|| Violation::new(field, "A day such as 2024-07-31 is needed."))
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
fn invalid(why: Violation) -> Status {
    status::invalid(&why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_stands_throughout_is_on_exactly_one_page() {
        let rows = |keys: &[&str]| -> BTreeMap<String, String> {
            let keys = keys.iter().map(|key| (*key).to_owned());
            keys.map(|key| (key.clone(), key)).collect()
        };
        let (first, token) = page(rows(&["a", "c", "e"]), "q", 2, "").expect("a page");
        assert_eq!(first, ["a", "c"]);
        // What was shown goes, and other rows come before and behind it.
        let (second, end) = page(rows(&["b", "d", "e", "f"]), "q", 9, &token).expect("a page");
        assert_eq!(
            (second, end.as_str()),
            (vec!["d".to_owned(), "e".into(), "f".into()], "")
        );
        assert!(page(rows(&["a"]), "another question", 2, &token).is_err());
        let empty = page(rows(&[]), "q", 2, "").expect("a page");
        assert_eq!(empty, (Vec::new(), String::new()));
    }
}
