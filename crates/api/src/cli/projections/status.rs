//! The builds of the read models, of a service or as the log of a folder tells.

use domain::projection::Projection;
use domain::{Aggregate as _, Event, Stamp};
use eventlog::{EventLog as _, ReadLog};
use projections::Models;

use super::show;
use crate::cli::Failure;
use crate::cli::source::{self, Source};
use crate::wire;

/// Events of a stream that are read at once.
const EVENTS_MAX: usize = 1_000;

pub(super) async fn run(source: &Source, name: Option<&str>) -> Result<(), Failure> {
    if let Some(name) = name
        && !Models::NAMES.contains(&name)
    {
        return Err(Failure::CouldNot(format!(
            "there is no read model '{name}'; there are {}",
            Models::NAMES.join(", ")
        )));
    }
    let (builds, position) = if let Some(session) = source.session().await? {
        let request = wire::ListProjectionsRequest {
            model: name.unwrap_or_default().to_owned(),
        };
        let answer = session.call(request).await?;
        (answer.builds, answer.position)
    } else {
        let log = source::read(source.folder()?)?;
        (recorded(&log, name)?, log.head().position)
    };
    show::status(&builds, position, source.json)
}

/// What the log says of the builds: nothing of how far any of them is.
fn recorded(log: &ReadLog, name: Option<&str>) -> Result<Vec<wire::ProjectionBuild>, Failure> {
    let mut builds = Vec::new();
    let mut names = Models::NAMES.to_vec();
    names.sort_unstable();
    for model in names {
        if name.is_some_and(|name| name != model) {
            continue;
        }
        let state = folded(log, model)?;
        let mut push = |build, role: wire::BuildRole, compared| {
            builds.push(wire::ProjectionBuild {
                model: model.to_owned(),
                build,
                role: role.into(),
                compared,
                ..Default::default()
            });
        };
        push(state.live(), wire::BuildRole::Live, false);
        for (build, compared) in state.candidates() {
            push(*build, wire::BuildRole::Candidate, *compared);
        }
        for build in state.kept() {
            push(*build, wire::BuildRole::Kept, false);
        }
    }
    builds.sort_by(|a, b| (&a.model, a.build).cmp(&(&b.model, b.build)));
    Ok(builds)
}

fn folded(log: &ReadLog, model: &str) -> Result<Projection, Failure> {
    let mut state = Projection::default();
    let mut from = 1;
    loop {
        let events = log
            .read_stream(&Projection::stream(model), from, EVENTS_MAX)
            .map_err(Failure::could_not)?;
        if events.is_empty() {
            return Ok(state);
        }
        from += events.len() as u64;
        for recorded in events {
            let category = recorded.stream.category();
            let event = Event::decode(category, &recorded.type_name, &recorded.payload);
            let Event::Projection(event) = event.map_err(Failure::could_not)? else {
                continue;
            };
            let stamp = Stamp {
                position: recorded.position,
                version: recorded.version,
                occurred_at: recorded.envelope.occurred_at,
                recorded_at: recorded.header.recorded_at,
            };
            state.evolve(&event, &stamp);
        }
    }
}
