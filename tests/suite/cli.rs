//! The command line: help that is complete, errors that say what to do next, stable exit codes.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::harness::{Folder, run};

/// Set it to write the golden file anew.
const WRITE_GOLDEN: &str = "BENNIU_WRITE_GOLDEN";

/// The help of a command and of all below it.
fn help(path: &[String], all: &mut String) {
    let args: Vec<_> = path.iter().map(String::as_str).chain(["--help"]).collect();
    let ran = run(&args).exits(0);
    assert_eq!(ran.stderr, "", "help goes to standard output");
    let name = ["benniu"]
        .into_iter()
        .chain(path.iter().map(String::as_str));
    let name = name.collect::<Vec<_>>().join(" ");
    write!(all, "$ {name} --help\n{}\n", ran.stdout).expect("a string takes it");
    for subcommand in subcommands(&ran.stdout) {
        help(&[path, &[subcommand]].concat(), all);
    }
}

/// The names under `Commands:`, but for clap's own `help`.
fn subcommands(help: &str) -> Vec<String> {
    let section = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = section.take_while(|line| !line.is_empty());
    // A name is indented by two; what goes on from the line above stands further right.
    let names = lines.filter_map(|line| {
        let name = line.strip_prefix("  ")?;
        (!name.starts_with(' ')).then(|| name.split_whitespace().next())?
    });
    names
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_help_of_every_command_is_as_written_down() {
    let mut all = String::new();
    help(&[], &mut all);
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/help.txt");
    if std::env::var_os(WRITE_GOLDEN).is_some() {
        fs::write(&golden, &all).expect("the golden file can be written");
    }
    let written = fs::read_to_string(&golden).unwrap_or_default();
    assert!(
        all == written,
        "the help differs from {}; if that is meant, run the test with {WRITE_GOLDEN}=1. It is \
         now:\n{all}",
        golden.display()
    );
    for verb in [
        "demo",
        "init",
        "serve",
        "import",
        "verify",
        "replay",
        "simulate",
        "balance",
        "coverage",
        "backup",
        "restore",
        "log info",
        "log scrub",
        "log accept-loss",
        "projections status",
        "projections rebuild",
        "projections compare",
        "projections switch",
        "projections rollback",
        "projections retire",
    ] {
        assert!(
            all.contains(&format!("$ benniu {verb} --help")),
            "{verb} is not there"
        );
    }
}

#[test]
fn wrong_usage_exits_2_and_says_how_it_is_used() {
    let data = Folder::empty();
    let data = data.data();
    let data = data.to_str().expect("a plain name");
    for args in [
        &["unheard-of"][..],
        &[],
        &["serve", "--unheard-of"],
        &["serve"],
        &["verify"],
        &["init", "--data", data],
        &[
            "init",
            "--data",
            data,
            "--origin",
            "o",
            "--zone",
            "Mars/Olympus",
            "--admin",
            "a",
        ],
        &["replay", "--data", data, "--from", "soon"],
        &["replay", "--data", data, "--case", "not-a-uuid"],
        &["demo", "--sabotage", "everything"],
        &["import", "boston-311", "--data", data],
        &["backup", "--data", data],
        &["restore", "--from", data, "--data", data],
        &["log"],
        &["log", "accept-loss", "--data", data],
        &[
            "log",
            "accept-loss",
            "--data",
            data,
            "--as",
            "a",
            "--lose-after",
            "all",
        ],
    ] {
        let ran = run(args).exits(2);
        assert!(!ran.stderr.trim().is_empty(), "{args:?} says nothing");
        assert_eq!(ran.stdout, "", "{args:?}");
    }
    assert!(!Path::new(data).exists(), "nothing was made");
}

#[test]
fn a_missing_folder_exits_3_and_says_what_to_do_next() {
    let folder = Folder::empty();
    let person = "0190a3c2-5b1e-7c44-9d1f-2f6f5f1b7a10";
    let to = folder.data().with_file_name("backup");
    let to = to.to_str().expect("a plain name");
    for (name, args) in [
        (&["verify"][..], &[][..]),
        (&["replay"], &[]),
        (&["balance"], &[person]),
        (&["coverage"], &[]),
        (&["backup"], &["--to", to]),
        (&["log", "info"], &[]),
        (&["projections", "status"], &[]),
        (&["projections", "rebuild"], &["balances"]),
        (&["log", "accept-loss"], &["--as", "admin"]),
    ] {
        let ran = folder.run(name, args).exits(3);
        assert!(
            ran.stderr.contains("benniu init"),
            "{name:?} names what to do: {}",
            ran.stderr
        );
        assert_eq!(ran.stdout, "", "{name:?}");
        assert!(!folder.data().exists(), "{name:?} makes nothing");
        assert!(!Path::new(to).exists(), "{name:?} makes nothing");
    }
}

#[test]
fn a_log_is_born_once() {
    let folder = Folder::born();
    let before = folder.digests();
    let birth = [
        "--origin",
        "other.example/log",
        "--zone",
        "Asia/Shanghai",
        "--admin",
        "other",
    ];
    let ran = folder.run(&["init"], &birth).exits(3);
    assert!(!ran.stderr.trim().is_empty(), "it says why");
    assert_eq!(folder.digests(), before);
}

#[test]
fn the_same_seed_gives_the_same_root() {
    let root = || {
        let folder = Folder::born();
        folder.run(&["verify"], &[]).exits(0).stdout
    };
    let first = root();
    assert!(first.contains("root=") && first.contains("events=") && first.contains("commits="));
    assert_eq!(root(), first);
}
