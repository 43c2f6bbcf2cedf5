//! Snapshots of builds: one file each, a cache beside the log.
//!
//! ```text
//! file   := "BNVIEW01" header_length:u32le header:json crc32(header):u32le body
//! body   := zstd of lines, each a JSON pair [key, partition], in the order of the keys
//! header := model, schema version, build, log id, epoch, position, partitions, body length and
//!           SHA-256
//! ```
//! Written as `.tmp`, synced, renamed. A file that is damaged, short, of another log, epoch,
//! model or schema, or ahead of the log is ignored: the model is folded again. Never the only
//! place of anything.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::read_model::{Build, ReadModel};

const MAGIC: &[u8; 8] = b"BNVIEW01";
/// Longest header, in bytes.
const HEADER_BYTES_MAX: usize = 4_096;

/// The log and epoch that a snapshot belongs to, and how far that log reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Belongs {
    /// The log's id.
    pub log_id: Uuid,
    /// Its epoch.
    pub epoch: u32,
    /// Its last position.
    pub head: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    model: String,
    schema_version: u32,
    build: u32,
    log_id: Uuid,
    epoch: u32,
    position: u64,
    partitions: u64,
    body_bytes: u64,
    body_sha256: String,
}

/// Why a snapshot is not used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Its bytes are not what was written.
    #[error("damaged: {0}")]
    Damaged(&'static str),
    /// It is of another log, epoch, model or schema, or ahead of the log.
    #[error("not of this log, model and schema")]
    Foreign,
}

/// The file of a build.
pub fn path(views: &Path, model: &str, build: u32) -> PathBuf {
    views.join(format!("{model}-{build:06}.view"))
}

/// Encodes a build.
///
/// # Errors
/// If a partition cannot be serialized or compressed.
pub fn encode<M: ReadModel>(build: &Build<M>, belongs: Belongs) -> io::Result<Vec<u8>> {
    let mut body = zstd::Encoder::new(Vec::new(), 1)?;
    for pair in &build.partitions {
        serde_json::to_writer(&mut body, &pair)?;
        body.write_all(b"\n")?;
    }
    let body = body.finish()?;
    let header = serde_json::to_vec(&Header {
        model: M::NAME.to_owned(),
        schema_version: M::SCHEMA_VERSION,
        build: build.id,
        log_id: belongs.log_id,
        epoch: belongs.epoch,
        position: build.position,
        partitions: build.partitions.len() as u64,
        body_bytes: body.len() as u64,
        body_sha256: domain::ids::hex(&Sha256::digest(&body)),
    })?;
    let length = u32::try_from(header.len()).map_err(io::Error::other)?;
    let mut file = Vec::with_capacity(body.len() + header.len() + 16);
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(&header);
    file.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
    file.extend_from_slice(&body);
    Ok(file)
}

/// Decodes a build, if it belongs to this log.
///
/// # Errors
/// Why it is not used.
pub fn decode<M: ReadModel>(file: &[u8], belongs: Belongs) -> Result<Build<M>, Unusable> {
    let (header, body) = split(file)?;
    let ours = header.model == M::NAME
        && header.schema_version == M::SCHEMA_VERSION
        && header.log_id == belongs.log_id
        && header.epoch == belongs.epoch
        && header.position <= belongs.head;
    if !ours {
        return Err(Unusable::Foreign);
    }
    if header.body_bytes != body.len() as u64
        || header.body_sha256 != domain::ids::hex(&Sha256::digest(body))
    {
        return Err(Unusable::Damaged("body"));
    }
    let mut partitions = BTreeMap::new();
    for line in BufReader::new(zstd::Decoder::new(body)?).lines() {
        let (key, partition): (M::Key, M::Partition) =
            serde_json::from_str(&line?).map_err(|_| Unusable::Damaged("partition"))?;
        partitions.insert(key, partition);
    }
    if header.partitions != partitions.len() as u64 {
        return Err(Unusable::Damaged("count of partitions"));
    }
    Ok(Build::from_partitions(
        header.build,
        partitions,
        header.position,
    ))
}

fn split(file: &[u8]) -> Result<(Header, &[u8]), Unusable> {
    let rest = file.strip_prefix(MAGIC).ok_or(Unusable::Damaged("magic"))?;
    let (length, rest) = rest
        .split_first_chunk::<4>()
        .ok_or(Unusable::Damaged("length"))?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > HEADER_BYTES_MAX {
        return Err(Unusable::Damaged("length"));
    }
    let (header, rest) = rest
        .split_at_checked(length)
        .ok_or(Unusable::Damaged("header"))?;
    let (crc, body) = rest
        .split_first_chunk::<4>()
        .ok_or(Unusable::Damaged("header"))?;
    if crc32fast::hash(header) != u32::from_le_bytes(*crc) {
        return Err(Unusable::Damaged("header"));
    }
    let header = serde_json::from_slice(header).map_err(|_| Unusable::Damaged("header"))?;
    Ok((header, body))
}

/// Writes bytes to a file so that after a crash either the old or the new content is there.
///
/// # Errors
/// If the system refuses; the old content stays.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = fs::File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&temporary, path)?;
    match path.parent() {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// The snapshot files of a model, with their build's number.
fn files<M: ReadModel>(views: &Path) -> Vec<(u32, PathBuf)> {
    let entries = fs::read_dir(views).into_iter().flatten().flatten();
    let numbered = entries.filter_map(|entry| {
        let name = entry.file_name();
        let rest = name.to_str()?.strip_prefix(M::NAME)?.strip_prefix('-')?;
        Some((rest.strip_suffix(".view")?.parse().ok()?, entry.path()))
    });
    numbered.collect()
}

/// Removes the snapshots of other builds of the model: they are retired.
pub fn remove_others<M: ReadModel>(views: &Path, build: u32) {
    for (_, path) in files::<M>(views)
        .into_iter()
        .filter(|(number, _)| *number != build)
    {
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(file = %path.display(), %error, "a retired snapshot stays");
        }
    }
}

/// The usable snapshot of a model that reaches furthest, if there is one.
pub fn newest<M: ReadModel>(views: &Path, belongs: Belongs) -> Option<Build<M>> {
    let mut newest: Option<Build<M>> = None;
    for (_, path) in files::<M>(views) {
        let read = fs::read(&path).map_err(Unusable::from);
        match read.and_then(|bytes| decode::<M>(&bytes, belongs)) {
            Ok(build)
                if newest
                    .as_ref()
                    .is_none_or(|best| best.position < build.position) =>
            {
                newest = Some(build);
            }
            Ok(_) => {}
            Err(why) => tracing::warn!(
                model = M::NAME,
                file = %path.display(),
                %why,
                "a snapshot is ignored and the model folded from the log"
            ),
        }
    }
    newest
}
