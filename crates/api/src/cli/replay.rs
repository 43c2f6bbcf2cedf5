//! `benniu replay`: the events themselves.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;

use domain::account::Account;
use domain::{Aggregate as _, Instant, Visibility};
use eventlog::{Commit, EventLog as _, RecordedEvent, record};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Failure, source};

/// Print events as JSON Lines, in the order of the log
///
/// Reads only; a service may be running on the folder. Filters are joined by "and". A withheld
/// item, such as everything about a lead, is printed as position and hash unless --reveal is
/// given: until personal fields are sealed, whoever can read the folder can read them all. No
/// filter tells what a withheld item holds: without --reveal only --from, --to and, for a lead's own
/// items, --stream and --case find one. Of a commit whose header is withheld, who acted, how and
/// why is left out; of events of accounts, the version: a gap would tell whose award is withheld.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder of the log
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Only events of this stream, such as hazard/0190a3c2-…
    #[arg(long, value_name = "S")]
    stream: Option<String>,
    /// Only events of this hazard, dispute, patrol shift or lead
    #[arg(long, value_name = "ID")]
    case: Option<Uuid>,
    /// Only events that name this person
    #[arg(long, value_name = "ID")]
    person: Option<Uuid>,
    /// Only events in this unit or below it
    #[arg(long, value_name = "U")]
    unit: Option<Uuid>,
    #[arg(
        long = "type",
        value_name = "T",
        help = "Only events of this type, such as HazardReported"
    )]
    event_type: Option<String>,
    /// First position
    #[arg(long, value_name = "P")]
    from: Option<u64>,
    /// Last position
    #[arg(long, value_name = "P")]
    to: Option<u64>,
    /// Only what had happened by this instant
    #[arg(long, value_name = "TIME", value_parser = super::instant)]
    as_of: Option<Instant>,
    /// Print withheld items too
    #[arg(long)]
    reveal: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let log = source::read(&args.data)?;
    let end = args.to.unwrap_or(u64::MAX).min(log.head().position);
    let first = args.from.unwrap_or(1);
    // The tree of units grows as it is read, so a question about a unit begins at the beginning.
    let begin = if args.unit.is_some() { 1 } else { first };
    let mut within: BTreeSet<Uuid> = args.unit.into_iter().collect();
    let mut out = io::BufWriter::new(io::stdout().lock());
    for commit in log.read(begin, end) {
        let commit = commit.map_err(Failure::could_not)?;
        for event in &commit.events {
            grow(&mut within, event);
            let asked = (first..=end).contains(&event.position) && args.asks_for(event, &within);
            if asked {
                print(&mut out, &commit, event, args.reveal)?;
            }
        }
    }
    Ok(out.flush()?)
}

/// Takes a unit in that is founded below one of these.
fn grow(within: &mut BTreeSet<Uuid>, event: &RecordedEvent) {
    if within.is_empty() || event.stream.category() != "unit" {
        return;
    }
    let payload: Value = serde_json::from_slice(&event.payload).unwrap_or_default();
    let parent = payload["parent"]
        .as_str()
        .and_then(|parent| Uuid::parse_str(parent).ok());
    let unit = Uuid::parse_str(event.stream.key()).ok();
    if let (Some(parent), Some(unit)) = (parent, unit)
        && within.contains(&parent)
    {
        within.insert(unit);
    }
}

impl Args {
    fn asks_for(&self, event: &RecordedEvent, within: &BTreeSet<Uuid>) -> bool {
        // What a withheld item holds must not be found out by asking for it: whose it is, what it
        // says, when and where. Whoever names a lead's id knows it already.
        let withheld = is_withheld(event) && !self.reveal;
        let asks_inside = self.person.is_some()
            || self.unit.is_some()
            || self.event_type.is_some()
            || self.as_of.is_some();
        let names_it = self.stream.is_some() || self.case.is_some();
        if withheld && (asks_inside || (names_it && event.stream.category() != "lead")) {
            return false;
        }
        self.stream
            .as_ref()
            .is_none_or(|stream| event.stream.as_str() == stream)
            && self.case.is_none_or(|case| {
                matches!(
                    event.stream.category(),
                    "hazard" | "dispute" | "patrol_shift" | "lead"
                ) && event.stream.key() == case.to_string()
            })
            && self.person.is_none_or(|person| names(event, person))
            && self
                .unit
                .is_none_or(|_| event.envelope.unit.is_some_and(|u| within.contains(&u)))
            && self
                .event_type
                .as_ref()
                .is_none_or(|name| *event.type_name == **name)
            && self
                .as_of
                .is_none_or(|as_of| event.envelope.occurred_at <= as_of)
    }
}

/// True if only what the item hashes to may be shown.
fn is_withheld(event: &RecordedEvent) -> bool {
    event.envelope.visibility == Visibility::Withheld
}

/// True if the person's id stands in the stream's name or in the payload.
fn names(event: &RecordedEvent, person: Uuid) -> bool {
    let person = person.to_string();
    event.stream.key().contains(&person)
        || event
            .payload
            .windows(person.len())
            .any(|part| part == person.as_bytes())
}

/// What a line says of who acted, how and why: of a withheld header nothing. When it was recorded and
/// in which commit follows from the lines around it.
const OF_THE_HEADER: [&str; 5] = ["principal", "channel", "command_id", "cause", "policy_sets"];

fn print(
    out: &mut impl Write,
    commit: &Commit,
    event: &RecordedEvent,
    reveal: bool,
) -> io::Result<()> {
    let line = if is_withheld(event) && !reveal {
        json!({ "position": event.position, "hash": item_hash(commit, event)? })
    } else {
        let payload: Value = serde_json::from_slice(&event.payload)?;
        // A gap in the versions of an account would tell whose award is withheld.
        let counted = reveal || event.stream.category() != Account::CATEGORY;
        let version = counted.then_some(event.version);
        let mut line = json!({
            "position": event.position,
            "stream": event.stream.as_str(),
            "version": version,
            "type": &*event.type_name,
            "occurred_at": event.envelope.occurred_at,
            "recorded_at": event.header.recorded_at,
            "unit": event.envelope.unit,
            "trust": event.envelope.trust,
            "principal": event.header.principal,
            "channel": event.header.channel,
            "command_id": event.header.command_id,
            "commit": event.header.commit_number,
            "cause": event.header.cause,
            "policy_sets": event.header.policy_sets,
            "payload": payload,
        });
        if event.header.visibility == Visibility::Withheld && !reveal {
            for name in OF_THE_HEADER {
                line[name] = Value::Null;
            }
        }
        line
    };
    writeln!(out, "{line}")
}

/// The hash under which the item of an event stands in the tree.
fn item_hash(commit: &Commit, event: &RecordedEvent) -> io::Result<String> {
    let (seed, items) = record::items(&commit.record).map_err(io::Error::other)?;
    // Item 0 is the header.
    let number = event.position - commit.header.first_position + 1;
    let item = usize::try_from(number)
        .ok()
        .and_then(|number| items.get(number));
    let item = item.ok_or_else(|| io::Error::other("the record has too few items"))?;
    let salt = record::salt(seed, u32::try_from(number).unwrap_or(u32::MAX));
    Ok(domain::ids::hex(&record::item_hash(salt, item)))
}

#[cfg(test)]
mod tests;
