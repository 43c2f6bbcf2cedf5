//! How a build does, as callers see it.
//!
//! Owns the answer; why a build failed stays in the server's log.

use domain::projection::Projection;
use projections::build::Phase;
use projections::engine::{BuildHealth, Progress, Role};

use crate::wire;

/// A build with what the log says of it, `end` being the log's last position.
pub(super) fn answer(build: &BuildHealth, state: &Projection, end: u64) -> wire::ProjectionBuild {
    wire::ProjectionBuild {
        model: build.model.to_owned(),
        schema_version: build.schema_version,
        build: build.build,
        role: role(build.role).into(),
        phase: phase(build.phase).into(),
        position: build.position,
        lag_events: end.saturating_sub(build.position),
        progress: build.progress.as_ref().map(progress),
        fault_position: build.fault.as_ref().map_or(0, |fault| fault.position),
        compared: state.candidates().get(&build.build) == Some(&true),
        saved_position: build.saved.unwrap_or(0),
        partitions: build.partitions as u64,
        resident_bytes: build.resident_bytes as u64,
    }
}

/// What a build is there for.
pub(crate) const fn role(role: Role) -> wire::BuildRole {
    match role {
        Role::Live => wire::BuildRole::Live,
        Role::Candidate => wire::BuildRole::Candidate,
        Role::Kept => wire::BuildRole::Kept,
        Role::Renewal => wire::BuildRole::Renewal,
    }
}

/// What a build does.
pub(super) const fn phase(phase: Phase) -> wire::BuildPhase {
    match phase {
        Phase::Building => wire::BuildPhase::Building,
        Phase::Following => wire::BuildPhase::Following,
    }
}

/// How far a build is.
pub(super) fn progress(progress: &Progress) -> wire::RebuildProgress {
    let left = progress
        .seconds_left
        .and_then(|left| i64::try_from(left).ok());
    wire::RebuildProgress {
        position: progress.position,
        target: progress.target,
        events_per_second: progress.events_per_second,
        time_left: left.map(|seconds| prost_types::Duration { seconds, nanos: 0 }),
    }
}
