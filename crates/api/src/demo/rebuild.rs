//! Every read model built anew through the API, beside the one that answers, and compared with it.
//!
//! Owns the show of a rebuild: all candidates are made at once, each is watched, compared and given
//! up; of one model the candidate is let answer, rolled back and retired.

use super::{DemoError, Show, progress, report};
use crate::session::Session;
use crate::wire;
use domain::ids::derived;

/// The model whose candidate is let answer for a moment.
const SWITCHED: &str = "balances";

/// Ids of the commands, the same in every run.
fn id(act: &str, model: &str) -> String {
    derived("demo rebuild", &[&act, &model]).to_string()
}

impl Show<'_> {
    /// Every read model from zero, compared with the live one by rows.
    pub(super) async fn rebuild(&mut self, admin: &Session) -> Result<(), DemoError> {
        report::title(
            self.out,
            "Every read model rebuilt from position 1, beside the live one",
        )?;
        let request = wire::ListProjectionsRequest::default();
        let live = admin.call(request).await?.builds;
        for build in &live {
            let request = wire::StartRebuildRequest {
                command_id: id("start", &build.model),
                model: build.model.clone(),
                build: 0,
            };
            admin.call(request).await?;
        }
        for wire::ProjectionBuild { model, .. } in &live {
            watch(admin, model).await?;
        }
        for wire::ProjectionBuild { model, build, .. } in &live {
            self.compare(admin, model, build + 1).await?;
        }
        self.switch_and_back(admin).await?;
        for wire::ProjectionBuild { model, .. } in &live {
            if model != SWITCHED {
                let request = wire::CancelRebuildRequest {
                    command_id: id("cancel", model),
                    model: model.clone(),
                    build: 0,
                };
                admin.call(request).await?;
            }
        }
        let request = wire::ListProjectionsRequest::default();
        let after = admin.call(request).await?.builds;
        self.checks.expect(
            "builds once the candidates are gone",
            live.len(),
            after.len(),
        );
        Ok(())
    }

    async fn compare(&mut self, admin: &Session, model: &str, build: u32) -> Result<(), DemoError> {
        let request = wire::CompareBuildsRequest {
            command_id: id("compare", model),
            model: model.to_owned(),
            build,
            differences_max: 0,
        };
        let found = admin.call(request).await?;
        let says = match found.differing_rows {
            0 => "the same as the live ones".to_owned(),
            rows => format!("{rows} DIFFERENT"),
        };
        let rows = found.rows;
        writeln!(self.out, "{model:18} {rows:>6} rows, {says}")?;
        let outcome = if found.differing_rows == 0 {
            "equal"
        } else {
            "different"
        };
        self.checks
            .expect(&format!("{model} rebuilt"), "equal", outcome);
        Ok(())
    }

    /// Lets a candidate answer, goes back, and drops it.
    async fn switch_and_back(&mut self, admin: &Session) -> Result<(), DemoError> {
        let model = SWITCHED.to_owned();
        let request = wire::SwitchBuildRequest {
            command_id: id("switch", SWITCHED),
            model: model.clone(),
            build: 0,
        };
        let switched = admin.call(request).await?;
        let request = wire::RollBackBuildRequest {
            command_id: id("roll back", SWITCHED),
            model: model.clone(),
        };
        let back = admin.call(request).await?;
        let request = wire::RetireBuildRequest {
            command_id: id("retire", SWITCHED),
            model,
            build: 0,
        };
        let retired = admin.call(request).await?.build;
        let (first, other) = (switched.from, switched.to);
        writeln!(
            self.out,
            "{SWITCHED}: build {other} answered instead of build {first}, then build {} again; \
             build {retired} is retired.",
            back.to,
        )?;
        self.checks.expect(
            "switched and rolled back",
            format!("{first} {other}"),
            format!("{} {}", back.to, retired),
        );
        Ok(())
    }
}

/// Watches the candidate of a model until it follows the log.
async fn watch(admin: &Session, model: &str) -> Result<(), DemoError> {
    let bar = progress("rebuilding");
    let request = wire::WatchRebuildRequest {
        model: model.to_owned(),
        build: 0,
    };
    let mut told = admin.watch(request).await?;
    let mut phase = wire::BuildPhase::Unspecified;
    while let Some(answer) = told.message().await? {
        phase = answer.phase();
        let progress = answer.progress.unwrap_or_default();
        bar.set_length(progress.target);
        bar.set_position(progress.position);
    }
    bar.finish_and_clear();
    if phase == wire::BuildPhase::Following {
        Ok(())
    } else {
        Err(DemoError::Ended(format!(
            "the rebuild of {model} was cut short"
        )))
    }
}
