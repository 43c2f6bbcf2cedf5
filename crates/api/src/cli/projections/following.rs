//! A build as it catches up, as a bar on standard error, shown only where a person looks.

use std::time::Duration;

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressStyle};
use tonic::{Code, Status};

use crate::cli::Failure;
use crate::session::Session;
use crate::wire;

/// How often a stream that broke is asked for again before it is given up.
const RETRIES_MAX: u32 = 30;
/// The wait before that.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// A bar that says what it is about.
pub(super) fn bar(about: String) -> ProgressBar {
    let bar = ProgressBar::new(0);
    let style = "{msg} {wide_bar} {human_pos} of {human_len} events{prefix}";
    bar.set_style(
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar.set_message(about);
    bar
}

/// Moves a bar on.
pub(super) fn advance(bar: &ProgressBar, progress: &wire::RebuildProgress) {
    bar.set_length(progress.target);
    bar.set_position(progress.position);
    bar.set_prefix(pace(progress));
}

/// Watches a build until it follows the log. A stream that breaks is asked for again.
pub(super) async fn follow(session: &Session, model: &str, build: u32) -> Result<(), Failure> {
    let bar = bar(format!("{model} build {build}"));
    let mut retries = 0;
    let followed = loop {
        match until_it_follows(session, model, build, &bar).await {
            Err(broken) if broken.code() == Code::Unavailable && retries < RETRIES_MAX => {
                retries += 1;
                tokio::time::sleep(RETRY_EVERY).await;
            }
            followed => break followed,
        }
    };
    bar.finish_and_clear();
    Ok(followed?)
}

async fn until_it_follows(
    session: &Session,
    model: &str,
    build: u32,
    bar: &ProgressBar,
) -> Result<(), Status> {
    let request = wire::WatchRebuildRequest {
        model: model.to_owned(),
        build,
    };
    let mut told = session.watch(request).await?;
    while let Some(answer) = told.message().await? {
        if answer.phase() == wire::BuildPhase::Following {
            return Ok(());
        }
        let progress = answer.progress.unwrap_or_default();
        advance(bar, &progress);
    }
    Err(Status::unavailable(
        "the service ended the stream too early",
    ))
}

/// `, 12,345 events/s, 3 seconds left`, as far as it is known.
fn pace(progress: &wire::RebuildProgress) -> String {
    let mut parts = Vec::new();
    if progress.events_per_second >= 1.0 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate of at least one, cut to whole events"
        )]
        let rate = progress.events_per_second as u64;
        parts.push(format!(", {} events/s", HumanCount(rate)));
    }
    let left = progress.time_left.as_ref();
    if let Some(seconds) = left.and_then(|left| u64::try_from(left.seconds).ok()) {
        parts.push(format!(
            ", {} left",
            HumanDuration(Duration::from_secs(seconds))
        ));
    }
    parts.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_said_as_far_as_it_is_known() {
        let mut progress = wire::RebuildProgress::default();
        assert_eq!(pace(&progress), "");
        progress.events_per_second = 12_345.6;
        assert_eq!(pace(&progress), ", 12,345 events/s");
        progress.time_left = Some(prost_types::Duration {
            seconds: 90,
            nanos: 0,
        });
        assert_eq!(pace(&progress), ", 12,345 events/s, 2 minutes left");
    }
}
