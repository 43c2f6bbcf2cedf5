use super::*;
use crate::contract::{self, Backend};
use crate::fixture::{self, commit};

struct Disk {
    dir: tempfile::TempDir,
    made: std::sync::atomic::AtomicU32,
}

impl Disk {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            made: 0.into(),
        }
    }

    fn path(&self) -> PathBuf {
        let number = self.made.load(std::sync::atomic::Ordering::SeqCst);
        self.dir.path().join(number.to_string())
    }
}

/// Small segments and volumes, so that tests cross their bounds.
fn options(clock: Arc<dyn Clock>) -> Options {
    Options {
        segment_bytes: SEGMENT_BYTES_MIN,
        volume_events: 50,
        ..Options::new(clock)
    }
}

impl Backend for Disk {
    type Log = DiskLog;
    fn create(&self, clock: Arc<dyn Clock>) -> Arc<DiskLog> {
        self.made.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let options = options(clock);
        DiskLog::create(&self.path(), fixture::log_id(), &options).unwrap();
        Arc::new(DiskLog::open(&self.path(), &options).unwrap())
    }
    fn reopen(&self, log: Arc<DiskLog>, clock: Arc<dyn Clock>) -> Arc<DiskLog> {
        drop(log);
        let log = DiskLog::open(&self.path(), &options(clock)).unwrap();
        assert_eq!(
            *log.report(),
            OpenReport {
                clean: true,
                quick: false,
                healed: Vec::new()
            }
        );
        Arc::new(log)
    }
}

#[test]
fn keeps_the_contract() {
    contract::check(&Disk::new());
}

#[tokio::test]
async fn a_log_has_one_owner_and_a_folder_one_log() {
    let disk = Disk::new();
    let log = disk.create(Arc::new(fixture::clock()));
    let options = options(Arc::new(fixture::clock()));
    let path = disk.path();
    assert_eq!(
        DiskLog::open(&path, &options).err(),
        Some(OpenError::InUse { path: path.clone() })
    );
    let again = DiskLog::create(&path, fixture::log_id(), &options);
    assert_eq!(again, Err(OpenError::NotEmpty { path: path.clone() }));
    let nothing = path.join("nothing");
    assert_eq!(
        DiskLog::open(&nothing, &options).err(),
        Some(OpenError::NoLog { path: nothing })
    );
    log.append(commit(0, &[("shift/a", 0)])).await.unwrap();
    drop(log);
    let log = DiskLog::open(&path, &options).unwrap();
    assert_eq!(log.head().position, 1);
}

/// A log of `count` commits in a fresh folder, closed cleanly.
async fn written(disk: &Disk, count: u64) -> (PathBuf, Head) {
    let log = disk.create(Arc::new(fixture::clock()));
    for number in 0..count {
        log.append(commit(number, &[("shift/a", number)]))
            .await
            .unwrap();
    }
    log.close().unwrap();
    (disk.path(), log.head())
}

/// How often a folder is looked at while files in it come and go.
const LOOKS: u32 = 1_000;

pub(crate) fn options_of_test() -> Options {
    options(Arc::new(fixture::clock()))
}

/// Every file below a folder, with its bytes. Of a log that is open, whose index may be renaming a file
/// just then, it is looked again.
pub(crate) fn contents(dir: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    for _ in 0..LOOKS {
        match try_contents(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => std::thread::yield_now(),
            found => return found.unwrap(),
        }
    }
    try_contents(dir).unwrap()
}

/// The same of a log that is open: fails where a file was renamed or removed meanwhile.
pub(crate) fn try_contents(dir: &Path) -> io::Result<std::collections::BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = std::collections::BTreeMap::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(try_contents(&path)?);
        } else {
            found.insert(path.clone(), std::fs::read(&path)?);
        }
    }
    Ok(found)
}

/// Makes a folder hold these files and no others.
pub(crate) fn restore(dir: &Path, contents: &std::collections::BTreeMap<PathBuf, Vec<u8>>) {
    std::fs::remove_dir_all(dir).unwrap();
    for (path, bytes) in contents {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// The place after the last byte that is not zero in the first segment.
fn end_of_first_segment(path: &Path) -> (PathBuf, usize) {
    let segment = path.join("journal/00000001.seg");
    let bytes = std::fs::read(&segment).unwrap();
    (
        segment,
        bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1,
    )
}

#[tokio::test]
async fn questions_change_no_byte_and_verify_finds_nothing() {
    let disk = Disk::new();
    let (path, head) = written(&disk, 120).await;
    let before = contents(&path);
    let log = crate::ReadLog::open(&path).unwrap();
    assert_eq!(
        (log.head(), log.state()),
        (head.clone(), crate::FolderState::Closed)
    );
    assert_eq!(log.read(1, 500).count(), 120);
    let refused = log.append(commit(120, &[("shift/a", 120)])).await;
    assert_eq!(refused, Err(AppendError::ReadOnly));
    let report = crate::verify(&path, crate::VerifyOptions::default(), &mut |_| ()).unwrap();
    assert_eq!((report.events, report.root), (head.position, head.root));
    assert_eq!(report.findings, []);
    assert!(contents(&path) == before);
}

#[tokio::test]
async fn beside_a_writer_questions_see_what_was_acknowledged() {
    let disk = Disk::new();
    let log = disk.create(Arc::new(fixture::clock()));
    for number in 0..30 {
        log.append(commit(number, &[("shift/a", number)]))
            .await
            .unwrap();
        let reader = crate::ReadLog::open(&disk.path()).unwrap();
        assert_eq!(
            (reader.head(), reader.state()),
            (log.head(), crate::FolderState::Running)
        );
    }
    let report = crate::verify(&disk.path(), crate::VerifyOptions::default(), &mut |_| ()).unwrap();
    assert_eq!(
        (report.root, report.findings),
        (log.head().root, Vec::new())
    );
}

#[tokio::test]
async fn a_write_that_was_never_finished_is_dropped() {
    let disk = Disk::new();
    let (path, head) = written(&disk, 20).await;
    let longer = DiskLog::open(&path, &options_of_test()).unwrap();
    let (segment, end) = end_of_first_segment(&path);
    let mut draft = commit(20, &[("shift/a", 20)]);
    let noise = |at: u64| u8::try_from(at * at % 251).unwrap() | 1;
    draft.events[0].payload = (0..3_000).map(noise).collect();
    let before = contents(&path);
    longer.append(draft).await.unwrap();
    let written = std::fs::read(&segment).unwrap();
    drop(longer);
    for torn in [end + 100, end + 600, end + 2_000] {
        restore(&path, &before);
        let mut bytes = written.clone();
        let from = torn.next_multiple_of(512);
        bytes[from..].fill(0);
        std::fs::write(&segment, &bytes).unwrap();
        let log = DiskLog::open(&path, &options_of_test()).unwrap();
        assert_eq!(log.head(), head, "{torn}");
        assert_eq!(log.report().healed.len(), 1);
        log.append(commit(20, &[("shift/a", 20)])).await.unwrap();
        drop(log);
        assert_eq!(
            DiskLog::open(&path, &options_of_test())
                .unwrap()
                .head()
                .position,
            21
        );
    }
}

#[tokio::test]
async fn a_lost_second_copy_is_made_anew() {
    let disk = Disk::new();
    let (path, head) = written(&disk, 120).await;
    for volume in ["log/00000001", "log/00000003"] {
        std::fs::remove_dir_all(path.join(volume)).unwrap();
        assert_eq!(
            crate::verify(&path, crate::VerifyOptions::default(), &mut |_| ())
                .unwrap()
                .findings
                .len(),
            1
        );
        let log = DiskLog::open(&path, &options_of_test()).unwrap();
        assert_eq!(log.head(), head);
        drop(log);
        assert_eq!(
            crate::verify(&path, crate::VerifyOptions::default(), &mut |_| ())
                .unwrap()
                .findings,
            []
        );
    }
}

/// Appends until it is killed, saying each acknowledged position. Run by the test below only.
#[test]
#[ignore = "a process of its own, started by survives_being_killed"]
fn appends_until_killed() {
    let Some(path) = std::env::var_os("EVENTLOG_TEST_DIR") else {
        return;
    };
    let log = DiskLog::open(Path::new(&path), &options_of_test()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        for number in log.head().position.. {
            let receipt = log
                .append(commit(number, &[("shift/a", number)]))
                .await
                .unwrap();
            println!("acknowledged {}", receipt.position);
        }
    });
}

#[test]
fn survives_being_killed() {
    use std::io::BufRead as _;
    let disk = Disk::new();
    let path = disk.path();
    DiskLog::create(&path, fixture::log_id(), &options_of_test()).unwrap();
    let mut acknowledged = 0;
    for round in 1..=4 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "disk::tests::appends_until_killed",
                "--ignored",
                "--nocapture",
            ])
            .env("EVENTLOG_TEST_DIR", &path)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        let positions = lines
            .map_while(Result::ok)
            .filter_map(|line| line.rsplit_once("acknowledged ")?.1.parse::<u64>().ok());
        for (position, count) in positions.zip(1..) {
            acknowledged = position;
            if count == round * 97 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let read = crate::ReadLog::open(&path).unwrap();
        assert!(read.head().position >= acknowledged);
        let log = DiskLog::open(&path, &options_of_test()).unwrap();
        assert!(!log.report().clean);
        assert_eq!(log.head(), read.head());
        drop(log);
        assert_eq!(
            crate::verify(&path, crate::VerifyOptions::default(), &mut |_| ())
                .unwrap()
                .findings,
            []
        );
    }
    assert!(acknowledged > 900);
}
