//! Snapshots of builds: a manifest and packs of pages in a folder for each build, a cache beside the
//! log.
//!
//! ```text
//! VIEWS/<model>/<build>-<schema>/manifest   which pages make the build, as of which position
//! VIEWS/<model>/<build>-<schema>/<n>.pack   pages, one after the other
//!
//! manifest := "BNVIEW02" header_length:u32le header:json crc32(header):u32le body
//! body     := zstd of lines, each a JSON pair [lowest key, place], in the order of the keys
//! header   := model, schema version, build, log id, epoch, position, leaf of its commit, pages, body
//!             length and SHA-256
//! page     := zstd of lines [key, entry], then zstd of lines [key, partition]; both in JSON
//! ```
//! A snapshot writes one pack with the pages that changed, then the manifest as `.tmp`, synced and
//! renamed, then removes packs that hold nothing any more. A pack with little left in it is copied
//! on. The manifest names the SHA-256 of every section: whatever is damaged, short, missing or of
//! another log, epoch, model, schema or moment is not used, and folded again from the log. Never the
//! only place of anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eventlog::EventLog;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::feed::Decoder;
use crate::pages::{Dirty, Rows};
use crate::read_model::ReadModel;

const MAGIC: &[u8; 8] = b"BNVIEW02";
const MANIFEST: &str = "manifest";
/// Longest header, in bytes.
const HEADER_BYTES_MAX: usize = 4_096;
/// Level of compression: the fastest that still makes JSON a tenth.
const ZSTD_LEVEL: i32 = 1;
/// Most pages that are packed and not yet written.
const PAGES_PACKED_MAX: usize = 64;
/// A pack of which less than this share (1/n) is still of use is copied on.
const PACK_USED_MIN: u64 = 2;

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

impl Belongs {
    /// To this log, as it is now.
    pub fn to(log: &dyn EventLog) -> Self {
        let head = log.head();
        Self {
            log_id: log.log_id(),
            epoch: head.epoch,
            head: head.position,
        }
    }
}

/// A section of a page: its length in the pack and its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Section {
    length: u64,
    sha256: String,
}

/// Where a page lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pack: u64,
    offset: u64,
    entries: Section,
    rows: Section,
    /// How many partitions it has.
    pub(crate) partitions: usize,
    /// Its length before compression.
    pub(crate) bytes: usize,
}

impl Place {
    /// The number of the pack it lies in.
    pub(crate) fn pack(&self) -> u64 {
        self.pack
    }

    fn length(&self) -> u64 {
        self.entries.length + self.rows.length
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    model: String,
    schema_version: u32,
    build: u32,
    log_id: Uuid,
    epoch: u32,
    position: u64,
    /// The leaf of the commit that ends at the position: two logs may have one id, such as those of
    /// one seed.
    leaf: Option<String>,
    pages: u64,
    next_pack: u64,
    body_bytes: u64,
    body_sha256: String,
}

/// Why a snapshot, or a page of it, is not used.
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

/// What a snapshot says of its build.
#[derive(Debug)]
pub(crate) struct Manifest<M: ReadModel> {
    pub(crate) position: u64,
    pub(crate) next_pack: u64,
    pub(crate) places: Vec<(M::Key, Place)>,
}

/// Where the pages of a build come from: its folder, and the log behind it.
pub struct Source {
    /// The folder of its snapshot; none if none is kept.
    folder: Option<PathBuf>,
    build: u32,
    schema_version: u32,
    log: Arc<dyn EventLog>,
    /// What it holds does not follow from the log alone.
    apart: bool,
}

/// The folder of the snapshot of a build of a schema version.
pub fn folder(views: &Path, model: &str, build: u32, schema_version: u32) -> PathBuf {
    views
        .join(model)
        .join(format!("{build:06}-{schema_version}"))
}

/// The builds of a model that have a folder, each with its schema version.
pub(crate) fn stored_builds(views: &Path, model: &str) -> Vec<(u32, u32)> {
    let entries = fs::read_dir(views.join(model)).into_iter().flatten();
    let names = entries.flatten().map(|entry| entry.file_name());
    let parse = |name: std::ffi::OsString| {
        let (build, schema_version) = name.to_str()?.split_once('-')?;
        Some((build.parse().ok()?, schema_version.parse().ok()?))
    };
    names.filter_map(parse).collect()
}

/// Removes the folders of models that there are no more, and snapshots in the form they had before
/// they had pages (`*.view`).
pub(crate) fn remove_foreign(views: &Path, models: &[&str]) {
    for entry in fs::read_dir(views).into_iter().flatten().flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let Some(name) = name.to_str() else { continue };
        let removed = if path.is_dir() && !models.contains(&name) {
            fs::remove_dir_all(&path)
        } else if path
            .extension()
            .is_some_and(|extension| extension == "view")
        {
            fs::remove_file(&path)
        } else {
            continue;
        };
        if let Err(error) = removed {
            tracing::warn!(file = %path.display(), %error, "a snapshot of no model stays");
        }
    }
}

/// Removes the snapshot of a build that is gone.
pub(crate) fn remove(views: &Path, model: &str, build: u32, schema_version: u32) {
    let folder = folder(views, model, build, schema_version);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(folder = %folder.display(), %error, "a retired snapshot stays");
        }
        _ => {}
    }
}

fn pack_path(folder: &Path, pack: u64) -> PathBuf {
    folder.join(format!("{pack:08}.pack"))
}

fn hash(bytes: &[u8]) -> String {
    domain::ids::hex(&Sha256::digest(bytes))
}

fn pack_lines<T: Serialize>(lines: impl Iterator<Item = T>) -> io::Result<(Vec<u8>, usize)> {
    let mut plain = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut plain, &line)?;
        plain.push(b'\n');
    }
    Ok((zstd::bulk::compress(&plain, ZSTD_LEVEL)?, plain.len()))
}

/// The bytes of a page's stored form before compression.
pub(crate) fn stored_bytes<M: ReadModel>(rows: &Rows<M>) -> usize {
    struct Counted(usize);
    impl io::Write for Counted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counted = Counted(0);
    for line in rows {
        // What cannot be stored has no size; a snapshot of it says so.
        let _ = serde_json::to_writer(&mut counted, &line);
        counted.0 += 1;
    }
    counted.0
}

fn unpack_lines<T: DeserializeOwned>(
    packed: &[u8],
    what: &'static str,
) -> Result<Vec<T>, Unusable> {
    let reader = BufReader::new(zstd::Decoder::new(packed)?);
    let lines = reader
        .lines()
        .map(|line| serde_json::from_str(&line?).map_err(|_| Unusable::Damaged(what)));
    lines.collect()
}

/// The entries of a page, by key.
pub(crate) type Entries<M> = Vec<(<M as ReadModel>::Key, <M as ReadModel>::Entry)>;
/// A page that is copied to another pack: its bound and where it lies.
pub(crate) type Moved<M> = (<M as ReadModel>::Key, Place);
/// A page that is written: its bound, its count of changes, where it lies.
pub(crate) type Written<M> = (<M as ReadModel>::Key, u64, Place);

/// What a new pack holds.
pub(crate) struct Pack<M: ReadModel> {
    /// Pages that changed.
    pub(crate) written: Vec<Written<M>>,
    /// Pages moved out of packs with little left.
    pub(crate) moved: Vec<Moved<M>>,
}

/// Writes a pack.
struct Packer {
    file: File,
    pack: u64,
    offset: u64,
}

impl Packer {
    fn create(folder: &Path, pack: u64) -> io::Result<Self> {
        let file = File::create(pack_path(folder, pack))?;
        Ok(Self {
            file,
            pack,
            offset: 0,
        })
    }

    fn put(&mut self, page: &Packed) -> io::Result<Place> {
        self.file.write_all(&page.entries)?;
        self.file.write_all(&page.rows)?;
        let place = Place {
            pack: self.pack,
            offset: self.offset,
            entries: Section {
                length: page.entries.len() as u64,
                sha256: hash(&page.entries),
            },
            rows: Section {
                length: page.rows.len() as u64,
                sha256: hash(&page.rows),
            },
            partitions: page.partitions,
            bytes: page.bytes,
        };
        self.offset += place.length();
        Ok(place)
    }
}

/// A page, packed.
struct Packed {
    entries: Vec<u8>,
    rows: Vec<u8>,
    partitions: usize,
    bytes: usize,
}

impl Packed {
    fn of<M: ReadModel>(rows: &Rows<M>) -> io::Result<Self> {
        let has_entries = size_of::<M::Entry>() > 0;
        let entries = rows.iter().filter(|_| has_entries);
        let (entries, _) = pack_lines(entries.map(|(key, row)| (key, M::entry(key, row))))?;
        let (packed, bytes) = pack_lines(rows.iter())?;
        Ok(Self {
            entries,
            rows: packed,
            partitions: rows.len(),
            bytes,
        })
    }
}

impl Source {
    /// Pages of a build, from its folder below `views` and from a log.
    pub(crate) fn new<M: ReadModel>(
        views: Option<&Path>,
        build: u32,
        schema_version: u32,
        log: Arc<dyn EventLog>,
    ) -> Self {
        Self {
            folder: views.map(|views| folder(views, M::NAME, build, schema_version)),
            build,
            schema_version,
            log,
            apart: false,
        }
    }

    /// The same for a build that does not follow from the log alone: a page of it that is not what
    /// was written is lost.
    pub(crate) fn apart(self) -> Self {
        Self {
            apart: true,
            ..self
        }
    }

    fn folder(&self) -> io::Result<&Path> {
        let folder = self.folder.as_deref();
        folder.ok_or_else(|| io::Error::other("no snapshots are kept"))
    }

    /// The leaf of the commit that ends at a position, if one does.
    fn leaf(&self, position: u64) -> io::Result<Option<String>> {
        let commit = self.log.commit_at(position).map_err(io::Error::other)?;
        let commit = commit.filter(|commit| commit.header.last_position() == position);
        Ok(commit.map(|commit| domain::ids::hex(&commit.leaf())))
    }

    fn section(&self, place: &Place, offset: u64, section: &Section) -> Result<Vec<u8>, Unusable> {
        let mut file = File::open(pack_path(self.folder()?, place.pack))?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(section.length).read_to_end(&mut bytes)?;
        if hash(&bytes) != section.sha256 {
            return Err(Unusable::Damaged("page"));
        }
        Ok(bytes)
    }

    /// The partitions of a page.
    pub(crate) fn page<M: ReadModel>(&self, place: &Place) -> Result<Rows<M>, Unusable> {
        let offset = place.offset + place.entries.length;
        let bytes = self.section(place, offset, &place.rows)?;
        let rows: Vec<(M::Key, M::Partition)> = unpack_lines(&bytes, "partition")?;
        Ok(rows.into_iter().collect())
    }

    /// What the index must know of a page's partitions; where that is nothing, nothing.
    pub(crate) fn entries<M: ReadModel>(&self, place: &Place) -> Result<Entries<M>, Unusable> {
        let bytes = self.section(place, place.offset, &place.entries)?;
        unpack_lines(&bytes, "entry")
    }

    /// The partitions of a range of keys, folded from the log up to a position.
    ///
    /// # Errors
    /// What is wrong with the log or an event, in words.
    pub(crate) fn fold<M: ReadModel>(
        &self,
        position: u64,
        from: Option<&M::Key>,
        before: Option<&M::Key>,
    ) -> Result<Rows<M>, String> {
        if self.apart {
            return Err("it does not follow from the log alone".to_owned());
        }
        let mut decoder = Decoder::new(M::wants);
        let mut rows = Rows::<M>::new();
        if position == 0 {
            return Ok(rows);
        }
        for commit in self.log.read(1, position) {
            let commit = decoder.decode(commit.map_err(|error| error.to_string())?);
            let wanted = commit.events.iter();
            for decoded in wanted.filter(|decoded| M::wants(decoded.stream().category())) {
                let fact = decoded.fact()?;
                let Some(key) = M::partition(&fact) else {
                    continue;
                };
                let within = from.is_none_or(|from| *from <= key)
                    && before.is_none_or(|before| key < *before);
                if within && fact.position <= position {
                    M::apply(rows.entry(key).or_default(), &fact);
                }
            }
        }
        Ok(rows)
    }

    /// Reads the manifest, if it belongs to this log, model, build and schema version.
    ///
    /// # Errors
    /// Why it is not used.
    pub(crate) fn manifest<M: ReadModel>(&self, belongs: Belongs) -> Result<Manifest<M>, Unusable> {
        let bytes = fs::read(self.folder()?.join(MANIFEST))?;
        let (header, body) = split(&bytes)?;
        let ours = header.schema_version == self.schema_version
            && header.model == M::NAME
            && header.build == self.build
            && header.log_id == belongs.log_id
            && header.epoch == belongs.epoch
            && header.position <= belongs.head;
        if !ours || header.leaf != self.leaf(header.position)? {
            return Err(Unusable::Foreign);
        }
        if header.body_bytes != body.len() as u64 || header.body_sha256 != hash(body) {
            return Err(Unusable::Damaged("body"));
        }
        let places: Vec<(M::Key, Place)> = unpack_lines(body, "place")?;
        if header.pages != places.len() as u64 {
            return Err(Unusable::Damaged("count of pages"));
        }
        Ok(Manifest {
            position: header.position,
            next_pack: header.next_pack,
            places,
        })
    }

    /// Writes a pack with pages: those that changed, and those moved out of packs with little left.
    /// Answers the new places of both. Changes nothing of the snapshot as it is.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) fn write_pack<M: ReadModel>(
        &self,
        pack: u64,
        dirty: &[Dirty<'_, M>],
        clean: &[(&M::Key, &Place)],
    ) -> io::Result<Pack<M>> {
        let folder = self.folder()?;
        fs::create_dir_all(folder)?;
        let sparse = sparse(folder, clean.iter().map(|(_, place)| *place));
        let mut packer = Packer::create(folder, pack)?;
        let mut written = Vec::with_capacity(dirty.len());
        for some in dirty.chunks(PAGES_PACKED_MAX) {
            let sections: Vec<io::Result<Packed>> = some
                .par_iter()
                .map(|page| Packed::of::<M>(page.rows))
                .collect();
            for (page, packed) in some.iter().zip(sections) {
                written.push((page.bound.clone(), page.version, packer.put(&packed?)?));
            }
        }
        let mut moved = Vec::new();
        for (bound, place) in clean
            .iter()
            .filter(|(_, place)| sparse.contains(&place.pack))
        {
            let read = |offset, section| self.section(place, offset, section);
            let rows = place.offset + place.entries.length;
            // One that cannot be read stays where it is: whoever wants it folds it again.
            if let (Ok(entries), Ok(rows)) =
                (read(place.offset, &place.entries), read(rows, &place.rows))
            {
                let page = Packed {
                    entries,
                    rows,
                    partitions: place.partitions,
                    bytes: place.bytes,
                };
                moved.push(((*bound).clone(), packer.put(&page)?));
            }
        }
        packer.file.sync_all()?;
        Ok(Pack { written, moved })
    }

    /// Writes the manifest: from now on the snapshot is this one.
    ///
    /// # Errors
    /// If the system refuses; then it is what it was.
    pub(crate) fn write_manifest<M: ReadModel>(
        &self,
        belongs: Belongs,
        manifest: &Manifest<M>,
    ) -> io::Result<()> {
        let (body, _) = pack_lines(manifest.places.iter())?;
        let header = serde_json::to_vec(&Header {
            model: M::NAME.to_owned(),
            schema_version: self.schema_version,
            build: self.build,
            log_id: belongs.log_id,
            epoch: belongs.epoch,
            position: manifest.position,
            leaf: self.leaf(manifest.position)?,
            pages: manifest.places.len() as u64,
            next_pack: manifest.next_pack,
            body_bytes: body.len() as u64,
            body_sha256: hash(&body),
        })?;
        let length = u32::try_from(header.len()).map_err(io::Error::other)?;
        let mut file = Vec::with_capacity(body.len() + header.len() + 16);
        file.extend_from_slice(MAGIC);
        file.extend_from_slice(&length.to_le_bytes());
        file.extend_from_slice(&header);
        file.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
        file.extend_from_slice(&body);
        // There may be no pack yet.
        fs::create_dir_all(self.folder()?)?;
        write(&self.folder()?.join(MANIFEST), &file)
    }

    /// Removes all packs but those the manifest names.
    pub(crate) fn remove_dead(&self, alive: &BTreeSet<u64>) {
        let Ok(folder) = self.folder() else { return };
        for (pack, path, _) in packs(folder) {
            if !alive.contains(&pack)
                && let Err(error) = fs::remove_file(&path)
            {
                tracing::warn!(file = %path.display(), %error, "a dead pack stays");
            }
        }
    }
}

/// The packs in a folder: number, path, length.
fn packs(folder: &Path) -> Vec<(u64, PathBuf, u64)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let packs = entries.filter_map(|entry| {
        let name = entry.file_name();
        let number = name.to_str()?.strip_suffix(".pack")?.parse().ok()?;
        Some((number, entry.path(), entry.metadata().ok()?.len()))
    });
    packs.collect()
}

/// The packs of which little is still of use.
fn sparse<'a>(folder: &Path, places: impl Iterator<Item = &'a Place>) -> BTreeSet<u64> {
    let mut used: BTreeMap<u64, u64> = BTreeMap::new();
    for place in places {
        *used.entry(place.pack).or_default() += place.length();
    }
    let packs = packs(folder).into_iter();
    let little = packs.filter(|(pack, _, length)| {
        let used = used.get(pack).copied().unwrap_or(0);
        used > 0 && used * PACK_USED_MIN < *length
    });
    little.map(|(pack, _, _)| pack).collect()
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
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&temporary, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
