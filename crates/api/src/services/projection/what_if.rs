//! A what-if as it is asked and told: what is supposed, how far it is, and what was found.
//!
//! Owns what can be asked, and the bounds of the telling. The policy set and the zone plan are read
//! and refused as putting them into force would; nothing is put into force.

use std::sync::Arc;
use std::time::Duration;

use domain::ids::UnitId;
use domain::policy_set::{self, PolicySet, PolicySets};
use domain::refusal::Stop;
use domain::unit::{self, Unit, UnitLevel};
use domain::{member, zone_plan};
use projections::compare::DIFFERENCES_MAX;
use projections::engine::{Asked, SupposeError, Supposed, WhatIf};
use projections::supposing::{self, Follows, Supposition};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::{health, shown, stands_still};
use crate::parse::{self, Violation};
use crate::services::Services;
use crate::{status, wire};

/// How often it is told how far it is.
const TELL_EVERY: Duration = Duration::from_millis(200);
/// Whoever reads nothing for this time is dropped, and the what-if with them.
const UNREAD_TIME_MAX: Duration = Duration::from_secs(30);
/// Answers that wait for whoever asked; the last place is for the last word.
const ANSWERS_MAX: usize = 4;

type Answer = Result<wire::WhatIfResponse, Status>;

/// Begins a what-if and the telling of it.
///
/// # Errors
/// What is wrong with the request, or `WHAT_IF_RUNS`.
pub(super) fn start(
    services: &Services,
    request: wire::WhatIfRequest,
) -> Result<ReceiverStream<Answer>, Status> {
    let rows = shown::rows_max(request.differences_max);
    let rows = rows.map_err(|why| status::invalid(&why))?;
    let model = request.model.clone();
    let range = (request.from.max(1), request.to);
    let supposition = services.supposition(request)?;
    let asked = Asked {
        model: model.clone(),
        supposition,
        from: range.0,
        to: (range.1 > 0).then_some(range.1),
        // All that can be had, whatever is shown: see `shown`.
        rows: DIFFERENCES_MAX,
    };
    let what_if = services.backend.engine.suppose(asked);
    let what_if = what_if.map_err(|error| of_suppose(&model, &error))?;
    let (sender, receiver) = mpsc::channel(ANSWERS_MAX);
    let ending = services.ending.clone();
    tokio::spawn(tell(sender, ending, what_if, move |found| match found {
        Ok(found) => Ok(answer(&found, rows)),
        Err(error) => Err(of_suppose(&model, &error)),
    }));
    Ok(ReceiverStream::new(receiver))
}

impl Services {
    /// What a request supposes.
    fn supposition(&self, request: wire::WhatIfRequest) -> Result<Supposition, Status> {
        let wire::WhatIfRequest {
            model,
            text,
            geojson,
            unit_id,
            ..
        } = request;
        let invalid = |why: Violation| status::invalid(&why);
        let needed = |field: &str, what: &str| invalid(Violation::new(field, what));
        let follows = supposing::follows(&model).ok_or_else(|| not_asked(&model))?;
        let set = if text.is_empty() {
            None
        } else {
            let text = parse::document("text", text).map_err(invalid)?;
            let set = PolicySet::read(&text).map_err(|stop| of_stop(&stop))?;
            Some(Arc::new(set))
        };
        let unit: Option<UnitId> = parse::optional_id("unit_id", &unit_id).map_err(invalid)?;
        match follows {
            Follows::Policy if !geojson.is_empty() => Err(follows_other(&model, follows)),
            Follows::Policy => {
                let set = set.ok_or_else(|| needed("text", "A policy set is needed."))?;
                if let Some(unit) = unit
                    && self.level(unit)?.is_none()
                {
                    return Err(status::refused(&unit::Refusal::UnitNotFound.refused()));
                }
                Ok(Supposition::Policy { set, unit })
            }
            Follows::Zones if geojson.is_empty() && set.is_some() => {
                Err(follows_other(&model, follows))
            }
            Follows::Zones => {
                let geojson = parse::document("geojson", geojson).map_err(invalid)?;
                let community =
                    unit.ok_or_else(|| needed("unit_id", "The community of the zones is needed."))?;
                if self.level(community)? != Some(UnitLevel::Community) {
                    let mut refused = member::Refusal::CommunityNotFound.refused();
                    refused.field = "unit_id".into();
                    return Err(status::refused(&refused));
                }
                let set = match set {
                    Some(set) => set,
                    None => self.policy_in_force(community)?,
                };
                let zones = zone_plan::read(&geojson, set.thresholds.zone_overlap_m2);
                let zones = zones.map_err(|stop| of_stop(&stop))?;
                Ok(Supposition::Zones { community, zones })
            }
        }
    }

    fn unit(&self, unit: UnitId) -> Result<Arc<Unit>, Status> {
        let state = self.backend.executor.state::<Unit>(unit);
        state.map_err(|error| status::of_execute(&error))
    }

    /// The level of a unit; none if there is no such unit.
    fn level(&self, unit: UnitId) -> Result<Option<UnitLevel>, Status> {
        Ok(self.unit(unit)?.level)
    }

    /// The policy set in force in a unit, as of what the log recorded last.
    fn policy_in_force(&self, unit: UnitId) -> Result<Arc<PolicySet>, Status> {
        let executor = &self.backend.executor;
        let now = executor.log().head().recorded_at;
        let now = now.unwrap_or_default();
        let path = unit::tree::path(unit, now, &|unit| self.unit(unit).map(Some))?;
        for unit in path {
            let sets = executor.state::<PolicySets>(unit);
            let sets = sets.map_err(|error| status::of_execute(&error))?;
            let mut latest_first = sets.versions.iter().rev();
            if let Some(found) = latest_first.find(|version| version.from <= now) {
                return Ok(Arc::clone(&found.set));
            }
        }
        let refused = policy_set::Refusal::NoPolicySet.refused();
        Err(status::refused(&refused))
    }
}

/// A refusal of the rules.
fn of_stop(stop: &Stop) -> Status {
    match stop {
        Stop::Refused(refused) => status::refused(refused),
        Stop::Need(_) => status::fault(&"a document is read without a state"),
    }
}

/// The models that can be asked, with what each follows from.
fn can_be_asked() -> String {
    let of = |wanted: Follows| {
        let asked = supposing::ASKED.iter();
        let names = asked.filter(|(_, follows)| *follows == wanted);
        let names: Vec<_> = names.map(|(name, _)| *name).collect();
        names.join(", ")
    };
    format!(
        "with a policy set: {}; with a zone plan: {}",
        of(Follows::Policy),
        of(Follows::Zones)
    )
}

fn not_asked(model: &str) -> Status {
    let message = format!(
        "No row of {model} follows from a deadline of a hazard or the drawing of a zone. Those that \
         can be asked are, {}.",
        can_be_asked()
    );
    status::status(Code::InvalidArgument, "MODEL_CANNOT_BE_ASKED", &message)
}

fn follows_other(model: &str, follows: Follows) -> Status {
    let (reason, what) = match follows {
        Follows::Policy => ("MODEL_FOLLOWS_POLICY", "a policy set, and no zone plan"),
        Follows::Zones => ("MODEL_FOLLOWS_ZONES", "a zone plan"),
    };
    let message = format!(
        "The rows of {model} are asked with {what}. Those that can be asked are, {}.",
        can_be_asked()
    );
    status::status(Code::InvalidArgument, reason, &message)
}

fn of_suppose(model: &str, error: &SupposeError) -> Status {
    match error {
        SupposeError::NoSuchModel | SupposeError::NotAsked => not_asked(model),
        SupposeError::FollowsOther(follows) => follows_other(model, *follows),
        SupposeError::RangeNotInLog { head } => status::invalid(&Violation::new(
            "to",
            format!("A range is from a position to one not before it, within 1 to {head}."),
        )),
        SupposeError::Busy => {
            let message =
                "A what-if runs already; one at a time does. Try again once it has ended.";
            status::overloaded("WHAT_IF_RUNS", message)
        }
        SupposeError::Fault(fault) => {
            tracing::error!(
                model,
                position = fault.position,
                what = fault.what,
                "a what-if failed"
            );
            stands_still()
        }
        SupposeError::Cancelled => {
            status::status(Code::Cancelled, "WHAT_IF_CANCELLED", "It was cancelled.")
        }
        SupposeError::CutShort(why) => {
            tracing::warn!(model, why, "a what-if was cut short");
            let message =
                "It could not be folded to its end; the server's log says why. Ask again.";
            status::status(Code::Unavailable, "WHAT_IF_CUT_SHORT", message)
        }
    }
}

fn answer(found: &Supposed, rows: usize) -> wire::WhatIfResponse {
    let (differences, withheld_rows) = shown::rows(found.model, &found.found.differences, rows);
    let counted = &found.found;
    let found = wire::WhatIfFound {
        from: found.from,
        position: found.position,
        partitions: counted.partitions,
        differing_partitions: counted.differing,
        rows: counted.rows,
        differing_rows: counted.differing_rows,
        withheld_rows,
        differences,
    };
    wire::WhatIfResponse {
        told: Some(wire::what_if_response::Told::Found(found)),
    }
}

/// Tells how far it is until it has found something, whoever asked is gone or does not read, or the
/// server ends; in each of these cases but the first it is cancelled.
async fn tell(
    sender: mpsc::Sender<Answer>,
    mut ending: watch::Receiver<bool>,
    mut what_if: WhatIf,
    answer: impl FnOnce(Result<Supposed, SupposeError>) -> Answer,
) {
    let mut ticks = tokio::time::interval(TELL_EVERY);
    let mut read_at = tokio::time::Instant::now();
    let last = loop {
        tokio::select! {
            found = what_if.found() => break answer(found),
            _ = ticks.tick() => {}
            () = sender.closed() => return,
            _ = ending.wait_for(|ends| *ends) => break Err(stopping()),
        }
        if sender.capacity() > 1 {
            read_at = tokio::time::Instant::now();
            let progress = health::progress(&what_if.progress());
            let told = Some(wire::what_if_response::Told::Progress(progress));
            // There is room for it, and nobody else sends.
            let _ = sender.try_send(Ok(wire::WhatIfResponse { told }));
        } else if read_at.elapsed() >= UNREAD_TIME_MAX {
            break Err(too_slow());
        }
    };
    // The last place was kept for it; whoever is gone misses nothing.
    let _ = sender.try_send(last);
}

fn stopping() -> Status {
    status::status(
        Code::Unavailable,
        "SERVER_STOPPING",
        "The server is shutting down, and the what-if with it; ask again when it is back.",
    )
}

fn too_slow() -> Status {
    status::status(
        Code::ResourceExhausted,
        "WATCHER_TOO_SLOW",
        "Nothing was read for 30 seconds, so the what-if was cancelled; ask again.",
    )
}
