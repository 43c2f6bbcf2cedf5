//! `CheckpointService`: checkpoints on patrol routes.

use super::service;
use crate::parse;
use domain::checkpoint::Command;

service! {
    impl checkpoint_service_server::CheckpointService;
    commands {
        install_checkpoint(r: InstallCheckpointRequest) -> InstallCheckpointResponse =
            Command::InstallCheckpoint {
                checkpoint: parse::id("checkpoint_id", &r.checkpoint_id)?,
                community: parse::id("community_id", &r.community_id)?,
                name: parse::text("name", r.name)?,
                tag: parse::text("tag", r.tag)?,
                place: parse::place("place", r.place)?,
                radius_m: r.radius_m,
            };
        move_checkpoint(r: MoveCheckpointRequest) -> MoveCheckpointResponse =
            Command::MoveCheckpoint {
                checkpoint: parse::id("checkpoint_id", &r.checkpoint_id)?,
                place: parse::place("place", r.place)?,
            };
        replace_tag(r: ReplaceTagRequest) -> ReplaceTagResponse =
            Command::ReplaceTag {
                checkpoint: parse::id("checkpoint_id", &r.checkpoint_id)?,
                tag: parse::text("tag", r.tag)?,
            };
        retire_checkpoint(r: RetireCheckpointRequest) -> RetireCheckpointResponse =
            Command::RetireCheckpoint {
                checkpoint: parse::id("checkpoint_id", &r.checkpoint_id)?,
            };
    }
    others {}
}
