//! What lies below `views` is a cache: whatever happens to it, no answer changes.
//!
//! Owns the damage to each kind of file and the questions whose answers are compared.

use std::fs;
use std::path::Path;

use api::wire;
use serde_json::Value;

use crate::harness::{ADMIN, Folder, Ran, files, run};
use crate::town::{CAPTAIN, Town, at, volunteer};

/// What happens to a file below `views`; `other` is its namesake of another log, if it has one.
type Damage = fn(file: &Path, other: &Path);

fn corrupted(file: &Path, _: &Path) {
    let mut bytes = fs::read(file).expect("a file");
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 0x10;
    }
    fs::write(file, bytes).expect("written");
}

fn truncated(file: &Path, _: &Path) {
    let bytes = fs::read(file).expect("a file");
    fs::write(file, &bytes[..bytes.len() / 2]).expect("written");
}

fn missing(file: &Path, _: &Path) {
    fs::remove_file(file).expect("removed");
}

fn foreign(file: &Path, other: &Path) {
    if other.exists() {
        fs::copy(other, file).expect("copied");
    }
}

/// Which files below `views`, in words and as a question.
type Concerned<'a> = (&'a str, &'a dyn Fn(&Path) -> bool);

/// A town in which something of each kind has happened.
async fn town(folder: Folder, hazards: usize) -> Town {
    let mut town = Town::in_folder(folder, 2).await;
    let (walker, other) = (volunteer(0), volunteer(1));
    for _ in 0..hazards {
        let hazard = town.report().await;
        town.assign(&hazard).await;
    }
    let from = at("2024-07-01T11:00:00Z");
    let shift = town.walk(0, from, &[walker, other]).await;
    town.verify(&shift, walker).await;
    let campaign = town.campaign(at("2024-07-02T02:00:00Z"), &[walker]).await;
    let request = town.campaign_verification(&campaign, walker);
    town.done(crate::town::OFFICER, request).await;
    town.balance(walker).await;
    town
}

/// Drops what names the position and build of an answer.
fn without_point(answer: &mut Value) {
    match answer {
        Value::Object(fields) => {
            for name in ["position", "build", "read_point", "applied"] {
                fields.remove(name);
            }
            fields.values_mut().for_each(without_point);
        }
        Value::Array(values) => values.iter_mut().for_each(without_point),
        _ => {}
    }
}

/// What the service answers to a question of each kind.
async fn answers(town: &Town) -> Vec<(String, Value)> {
    let walker = volunteer(0).to_string();
    let days = ["--from", "2024-07-01", "--until", "2024-07-07"];
    let questions = [
        vec!["balance", &walker],
        [&["report", "hotspots"], &days[..]].concat(),
        vec!["report", "hazards"],
        vec!["report", "growth"],
    ];
    let ask = |question: Vec<&str>| {
        let args = [&question[..], &["--server", town.url(), "--json"]].concat();
        let ran: Ran = run(&args).exits(0);
        let mut answer = ran.json();
        without_point(&mut answer);
        (question.join(" "), answer)
    };
    let mut answers: Vec<_> = questions.into_iter().map(ask).collect();
    let mut hazards = town
        .done(CAPTAIN, wire::ListHazardsRequest::default())
        .await;
    let mut shifts = town.done(CAPTAIN, wire::ListShiftsRequest::default()).await;
    let mut units = town.done(CAPTAIN, wire::ListUnitsRequest::default()).await;
    assert_eq!(hazards.hazards.len(), 3);
    (hazards.read_point, shifts.read_point, units.read_point) = (None, None, None);
    for (name, answer) in [
        ("hazards", format!("{hazards:?}")),
        ("shifts", format!("{shifts:?}")),
        ("units", format!("{units:?}")),
    ] {
        answers.push((name.to_owned(), Value::String(answer)));
    }
    answers
}

/// Insists that every live model says what a fold from the first event on says.
async fn prove_all(town: &Town) {
    let request = wire::ListProjectionsRequest::default();
    let live = town.done(ADMIN, request).await.builds;
    let mut made = Vec::new();
    for build in live {
        let request = wire::StartRebuildRequest {
            command_id: town.id(),
            model: build.model.clone(),
            build: 0,
        };
        made.push((build.model, town.done(ADMIN, request).await.build));
    }
    for (model, build) in made {
        let request = wire::WatchRebuildRequest {
            model: model.clone(),
            build,
        };
        let mut told = town.by(ADMIN).watch(request).await.expect("a stream");
        while told.message().await.expect("it goes on").is_some() {}
        let request = wire::CompareBuildsRequest {
            command_id: town.id(),
            model: model.clone(),
            build,
            differences_max: 1,
        };
        let found = town.done(ADMIN, request).await;
        assert_eq!(found.differing_rows, 0, "{found:?}");
        let request = wire::CancelRebuildRequest {
            command_id: town.id(),
            model,
            build,
        };
        town.done(ADMIN, request).await;
    }
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let name = file.strip_prefix(from).expect("below it");
        let to = to.join(name);
        fs::create_dir_all(to.parent().expect("a folder")).expect("made");
        fs::copy(file, to).expect("copied");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corrupted_truncated_missing_or_foreign_snapshot_changes_no_answer() {
    let mut town = town(Folder::born(), 3).await;
    let right = answers(&town).await;
    town.stop().terminate().exits(0);
    let views = town.folder.data().join("views");
    let place = tempfile::tempdir().expect("a temporary folder");
    let whole = place.path().join("whole");
    copy(&views, &whole);
    let mut other = self::town(Folder::born_of_seed("2"), 2).await;
    other.stop().terminate().exits(0);
    let other = other.folder.data().join("views");

    let is_manifest = |file: &Path| file.file_name().is_some_and(|name| name == "manifest");
    let is_pack = |file: &Path| file.extension().is_some_and(|name| name == "pack");
    let is_any = |_: &Path| true;
    let of_one = |file: &Path| file.to_string_lossy().contains("/balances/");
    let (manifests, packs): (Concerned, Concerned) =
        (("every manifest", &is_manifest), ("every pack", &is_pack));
    let (all, one): (Concerned, Concerned) = (("every file", &is_any), ("one model", &of_one));
    let kinds: [(&str, Damage, &[Concerned]); 4] = [
        ("corrupted", corrupted, &[manifests, packs, all]),
        ("truncated", truncated, &[manifests, packs, one]),
        ("missing", missing, &[manifests, packs, one, all]),
        ("foreign", foreign, &[manifests, packs, all]),
    ];
    for (kind, damage, places) in kinds {
        for (what, concerns) in places {
            fs::remove_dir_all(&views).expect("removed");
            copy(&whole, &views);
            let concerned = files(&views);
            let concerned: Vec<_> = concerned.iter().filter(|file| concerns(file)).collect();
            assert!(!concerned.is_empty(), "{what}");
            for file in concerned {
                let name = file.strip_prefix(&views).expect("below it");
                damage(file, &other.join(name));
            }
            town.start().await;
            assert_eq!(answers(&town).await, right, "{kind}: {what}");
            town.stop().kill();
        }
        // What was asked for need not be all that was damaged: all models are looked at in the last
        // state of two kinds, of bytes that are wrong and of bytes that are right elsewhere.
        if ["corrupted", "foreign"].contains(&kind) {
            town.start().await;
            prove_all(&town).await;
            town.stop().kill();
        }
    }
}
