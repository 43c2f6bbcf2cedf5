//! Runs the real binary.
//!
//! Owns where the binary is and that it is fresh, the folders it works on, how a one-shot command
//! is run and how a service is started, watched and ended. Whatever it starts, it ends.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant as Stopwatch, SystemTime};

use api::session::Session;
use rustix::process::{Pid, Signal, kill_process};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tonic::transport::Endpoint;

/// Subject of the first administrator.
pub(crate) const ADMIN: &str = "admin";
/// When a log on a simulated clock is born: 08:00 in Shanghai.
pub(crate) const BIRTH: &str = "2024-07-01T00:00:00Z";
/// Longest that a one-shot command may take; only a hang takes that long.
const COMMAND_TIME_MAX: Duration = Duration::from_mins(5);
/// Longest that a service may take to start or to end.
const SERVICE_TIME_MAX: Duration = Duration::from_mins(1);
/// How often something awaited is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The binary, built if it is missing or older than what it is made of.
pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        // TARGET/PROFILE/deps/suite-…: the same target folder and profile as this test.
        let test = std::env::current_exe().expect("a test has a path");
        let folder = test.ancestors().nth(2).expect("target/profile/deps/test");
        let binary = folder.join("benniu");
        if !is_fresh(&binary) {
            build(folder);
        }
        assert!(binary.exists(), "cargo built no {}", binary.display());
        binary
    })
}

/// True if the binary is younger than every file that cargo says it was made of.
fn is_fresh(binary: &Path) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    let Some(built) = changed(binary) else {
        return false;
    };
    let Ok(made_of) = fs::read_to_string(binary.with_extension("d")) else {
        return false;
    };
    let sources = made_of.split_once(": ").map_or("", |(_, sources)| sources);
    let younger = |at: SystemTime| at <= built;
    sources
        .split_whitespace()
        .all(|source| changed(Path::new(source)).is_some_and(younger))
}

/// Builds it as `cargo test --workspace` would: with the same features, so that nothing but what
/// changed is compiled again. A test of `api` makes cargo build the binary along.
fn build(folder: &Path) {
    let target = folder.parent().expect("target/profile");
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let built = Command::new(cargo)
        .args([
            "test",
            "--quiet",
            "--workspace",
            "--test",
            "binary",
            "--no-run",
        ])
        .args(["--profile", profile, "--target-dir"])
        .arg(target)
        .current_dir(repository())
        .status()
        .expect("cargo runs");
    assert!(built.success(), "cargo could not build benniu");
}

/// The repository's root.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What a one-shot command came to.
#[derive(Debug, Clone)]
pub(crate) struct Ran {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// What it wrote for programs and people.
    pub(crate) stdout: String,
    /// What it wrote about trouble.
    pub(crate) stderr: String,
}

impl Ran {
    /// Insists on an exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.status.code(),
            Some(code),
            "{}; stdout:\n{}\nstderr:\n{}",
            self.status,
            self.stdout,
            self.stderr
        );
        self
    }

    /// Standard output as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error} in: {}", self.stdout))
    }

    /// Standard output as JSON Lines.
    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<serde_json::Value> {
        let line = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in: {line}"))
        };
        self.stdout.lines().map(line).collect()
    }
}

/// Runs a command of the binary to its end.
pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Ran {
    let mut command = Command::new(binary());
    command.args(args);
    to_its_end(command)
}

fn to_its_end(command: Command) -> Ran {
    let mut ended = Running::spawn(command);
    let status = ended.wait(COMMAND_TIME_MAX);
    Ran {
        status,
        stdout: ended.stdout(),
        stderr: ended.stderr(),
    }
}

/// Runs a command whose temporary files go into a folder.
pub(crate) fn run_within<S: AsRef<std::ffi::OsStr>>(temporary: &Path, args: &[S]) -> Ran {
    let mut command = Command::new(binary());
    command.args(args).env("TMPDIR", temporary);
    to_its_end(command)
}

/// Runs a command on a folder: `benniu NAME --data DATA ARGS…`.
pub(crate) fn run_on(data: &Path, name: &[&str], args: &[&str]) -> Ran {
    let data = data.to_str().expect("temporary folders have plain names");
    run(&[name, &["--data", data], args].concat())
}

/// A process and what it has written so far. Killed when dropped.
struct Running {
    child: Child,
    stdout: Gathered,
    stderr: Gathered,
}

/// What a pipe has brought so far, and the thread that empties it.
struct Gathered {
    text: Arc<Mutex<String>>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Gathered {
    fn of(pipe: impl Read + Send + 'static, lines: Option<mpsc::Sender<String>>) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let into = Arc::clone(&text);
        let reader = thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe
                .read_until(b'\n', &mut line)
                .is_ok_and(|length| length > 0)
            {
                let written = String::from_utf8_lossy(&line).into_owned();
                into.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push_str(&written);
                if let Some(lines) = &lines {
                    // Nobody may be listening any more.
                    let _ = lines.send(written);
                }
                line.clear();
            }
        });
        Self {
            text,
            reader: Some(reader),
        }
    }

    /// All of it; call it after the process has ended.
    fn whole(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader of a pipe does not panic");
        }
        self.so_far()
    }

    fn so_far(&self) -> String {
        self.text
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Running {
    fn spawn(command: Command) -> Self {
        Self::spawn_and_tell(command, None)
    }

    /// Also tells every line of standard output as it comes.
    fn spawn_and_tell(mut command: Command, lines: Option<mpsc::Sender<String>>) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // What the caller's shell has set must not change what the tests see.
        command
            .env_remove("RUST_LOG")
            .env("NO_COLOR", "1")
            .env("COLUMNS", "100");
        let mut child = command.spawn().expect("the binary starts");
        let stdout = Gathered::of(child.stdout.take().expect("it is piped"), lines);
        let stderr = Gathered::of(child.stderr.take().expect("it is piped"), None);
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// Waits for its end.
    #[track_caller]
    fn wait(&mut self, at_most: Duration) -> ExitStatus {
        let started = Stopwatch::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            if started.elapsed() > at_most {
                self.kill();
                panic!(
                    "it hangs; stdout:\n{}\nstderr:\n{}",
                    self.stdout(),
                    self.stderr()
                );
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn stdout(&mut self) -> String {
        self.stdout.whole()
    }

    fn stderr(&mut self) -> String {
        self.stderr.whole()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A temporary place with a data folder in it.
#[derive(Debug)]
pub(crate) struct Folder {
    place: TempDir,
}

impl Folder {
    /// A place whose data folder does not exist yet.
    pub(crate) fn empty() -> Self {
        Self {
            place: TempDir::with_prefix("benniu-e2e-").expect("a temporary folder"),
        }
    }

    /// A log on a simulated clock that stands at [`BIRTH`].
    pub(crate) fn born() -> Self {
        Self::born_of_seed("1")
    }

    /// The same with other ids: another log.
    pub(crate) fn born_of_seed(seed: &str) -> Self {
        Self::empty().simulated(seed)
    }

    /// The same below a folder of choice.
    pub(crate) fn born_in(folder: &Path) -> Self {
        let place = TempDir::with_prefix_in("benniu-e2e-", folder);
        let place = place.expect("a temporary folder");
        Self { place }.simulated("1")
    }

    fn simulated(self, seed: &str) -> Self {
        self.init(&["--simulated-from", BIRTH, "--seed", seed])
            .exits(0);
        self
    }

    /// A log on the real clock.
    pub(crate) fn born_on_real_clock() -> Self {
        let folder = Self::empty();
        folder.init(&[]).exits(0);
        folder
    }

    fn init(&self, clock: &[&str]) -> Ran {
        let birth = [
            "--origin",
            "test.example/log",
            "--zone",
            "Asia/Shanghai",
            "--admin",
            ADMIN,
        ];
        self.run(&["init"], &[&birth, clock].concat())
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.place.path().join("data")
    }

    /// A file beside the data folder.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.place.path().join(name);
        fs::write(&path, bytes).expect("a temporary file");
        path
    }

    /// Runs a command on the data folder.
    pub(crate) fn run(&self, name: &[&str], args: &[&str]) -> Ran {
        run_on(&self.data(), name, args)
    }

    /// Every event, as `replay` gives it.
    pub(crate) fn replay(&self, args: &[&str]) -> Vec<serde_json::Value> {
        self.run(&["replay"], args).exits(0).json_lines()
    }

    /// Length and digest of every file of the data folder.
    pub(crate) fn digests(&self) -> BTreeMap<PathBuf, String> {
        let digest = |path: PathBuf| {
            let length = fs::metadata(&path).expect("a file").len();
            // With the length, what precedes the zeros at the end is all that a file says.
            let digest = Sha256::digest(read_written(&path));
            (path, format!("{length} {digest:x?}"))
        };
        files(&self.data()).into_iter().map(digest).collect()
    }

    /// The digests once nothing writes any more: beside a service, its background work is awaited.
    pub(crate) async fn settled_digests(&self) -> BTreeMap<PathBuf, String> {
        // Longer than the service's checkpoints are apart.
        let pause = Duration::from_millis(2_500);
        let started = Stopwatch::now();
        let mut before = self.digests();
        loop {
            tokio::time::sleep(pause).await;
            let now = self.digests();
            if now == before {
                return now;
            }
            assert!(
                started.elapsed() < SERVICE_TIME_MAX,
                "an idle service keeps writing"
            );
            before = now;
        }
    }
}

/// Files of a folder and those below it, by name.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder can be listed") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// What a file holds but for whole pages of zeros at its end: journal and second copy are filled
/// with zeros ahead.
pub(crate) fn read_written(file: &Path) -> Vec<u8> {
    let mut bytes = fs::read(file).expect("a file can be read");
    while bytes.ends_with(&[0; 4_096]) {
        bytes.truncate(bytes.len() - 4_096);
    }
    bytes
}

/// A running service. Killed when dropped.
pub(crate) struct Server {
    running: Running,
    url: String,
}

impl Server {
    /// Starts one on a free loopback port and waits until its health says that it serves.
    pub(crate) async fn start(data: &Path) -> Self {
        let server = Self::announced(data);
        server.wait_until_serving().await;
        server
    }

    /// Starts one with further arguments.
    pub(crate) async fn start_with(data: &Path, args: &[&str]) -> Self {
        let mut command = Self::command(data);
        command.args(args);
        let server = Self::launched(command);
        server.wait_until_serving().await;
        server
    }

    /// Starts one whose system calls are written down by a command that stands in front of it.
    pub(crate) async fn start_under(front: Command, data: &Path) -> Self {
        let server = Self::launched(Self::command_under(front, data));
        server.wait_until_serving().await;
        server
    }

    /// Starts one and waits only until it says its address.
    pub(crate) fn announced(data: &Path) -> Self {
        Self::launched(Self::command(data))
    }

    fn launched(command: Command) -> Self {
        let (sender, lines) = mpsc::channel::<String>();
        let mut running = Running::spawn_and_tell(command, Some(sender));
        let mut url = None;
        while url.is_none() {
            let line = tokio::task::block_in_place(|| lines.recv_timeout(SERVICE_TIME_MAX));
            let Ok(line) = line else {
                running.kill();
                panic!(
                    "serve says no address: {}{}",
                    running.stdout(),
                    running.stderr()
                );
            };
            url = address(&line);
        }
        let url = url.unwrap_or_default();
        Self { running, url }
    }

    /// Starts one that must not come up, and waits for its end.
    pub(crate) fn refuses_to_start(data: &Path) -> Ran {
        let mut running = Running::spawn(Self::command(data));
        let status = running.wait(SERVICE_TIME_MAX);
        Ran {
            status,
            stdout: running.stdout(),
            stderr: running.stderr(),
        }
    }

    fn command(data: &Path) -> Command {
        Self::with_arguments(Command::new(binary()), data)
    }

    fn command_under(mut front: Command, data: &Path) -> Command {
        front.arg(binary());
        Self::with_arguments(front, data)
    }

    fn with_arguments(mut command: Command, data: &Path) -> Command {
        command
            .arg("serve")
            .arg("--data")
            .arg(data)
            .args(["--listen", "127.0.0.1:0"]);
        command
    }

    /// Whether its health says that a service serves; the empty name stands for all of it. `None` if
    /// nobody answers.
    pub(crate) async fn serves(&self, service: &str) -> Option<bool> {
        use tonic_health::pb::HealthCheckRequest;
        use tonic_health::pb::health_check_response::ServingStatus;
        use tonic_health::pb::health_client::HealthClient;
        let endpoint = Endpoint::from_shared(self.url.clone()).expect("a URL");
        let channel = endpoint.connect().await.ok()?;
        let service = service.to_owned();
        let answer = HealthClient::new(channel)
            .check(HealthCheckRequest { service })
            .await;
        let status = answer.ok()?.get_ref().status();
        Some(status == ServingStatus::Serving)
    }

    async fn wait_until_serving(&self) {
        self.wait_until("", true).await;
    }

    /// Waits until its health says so of a service.
    pub(crate) async fn wait_until(&self, service: &str, serves: bool) {
        let started = Stopwatch::now();
        loop {
            if self.serves(service).await == Some(serves) {
                return;
            }
            let said = self.running.stderr.so_far();
            assert!(
                started.elapsed() < SERVICE_TIME_MAX,
                "its health never says so of '{service}': {said}"
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Where it says that its metrics are.
    pub(crate) fn metrics_address(&self) -> String {
        let started = Stopwatch::now();
        loop {
            let said = self.running.stdout.so_far();
            let address = said.split_once("Metrics on http://");
            if let Some((address, _)) = address.and_then(|(_, rest)| rest.split_once('/')) {
                return address.to_owned();
            }
            assert!(started.elapsed() < SERVICE_TIME_MAX, "no metrics: {said}");
            thread::sleep(LOOK_EVERY);
        }
    }

    /// A client in somebody's name.
    pub(crate) async fn session(&self, subject: &str) -> Session {
        Session::connect(&self.url, subject)
            .await
            .expect("the service takes connections")
    }

    /// Kills it as a crash would (SIGKILL).
    pub(crate) fn kill(mut self) {
        self.running.kill();
    }

    /// Asks it to end (SIGTERM).
    pub(crate) fn ask_to_end(&self) {
        let pid = Pid::from_child(&self.running.child);
        kill_process(pid, Signal::TERM).expect("it can be signalled");
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    pub(crate) fn terminate(mut self) -> Ran {
        self.ask_to_end();
        let status = self.running.wait(SERVICE_TIME_MAX);
        Ran {
            status,
            stdout: self.running.stdout(),
            stderr: self.running.stderr(),
        }
    }
}

/// The URL in the line with which `serve` says where it listens.
fn address(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("127.0.0.1:")?;
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some(format!("http://127.0.0.1:{port}"))
}
