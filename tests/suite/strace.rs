//! What a transcript of `strace` says about the order of writes, syncs and replies.
//!
//! Owns the reading of transcripts and the proof that no command is answered before the journal's
//! sync that follows its write has come back. A command is followed by its id: in the request, as
//! text in an HTTP/2 data frame; in the journal, as its sixteen bytes; in the reply, by the stream
//! of the request. What else goes over the same connections and into the same files proves nothing
//! and disproves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use uuid::Uuid;

/// What a client sends before its first frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_HEADER_BYTES: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
/// Most bytes of one call that are written down: more than any command or answer of these tests.
const SHOWN_BYTES_MAX: u32 = 65_536;

/// `strace` in front of another command, which stays the child of whoever starts it.
pub(crate) fn front(transcript: &Path) -> Command {
    let mut command = Command::new("strace");
    command
        .args(["-D", "-f", "-yy", "-xx", "-s", &SHOWN_BYTES_MAX.to_string()])
        .args([
            "-e",
            "trace=pwrite64,fdatasync,recvfrom,readv,write,writev,sendto,sendmsg",
        ])
        .arg("-o")
        .arg(transcript);
    command
}

/// Why nothing can be traced here, if so.
pub(crate) fn unavailable() -> Option<String> {
    match Command::new("strace")
        .args(["-f", "-o", "/dev/null", "true"])
        .output()
    {
        Err(error) => Some(format!("strace does not run: {error}")),
        Ok(ran) if ran.status.success() => None,
        Ok(ran) => {
            let said = String::from_utf8_lossy(&ran.stderr);
            Some(format!("strace may not trace here: {}", said.trim()))
        }
    }
}

/// Whether a transcript goes to the end of the process.
pub(crate) fn is_whole(transcript: &str) -> bool {
    transcript
        .lines()
        .last()
        .is_some_and(|line| line.contains("+++ exited with") || line.contains("+++ killed by"))
}

/// A system call. Lines are counted from 0; one that nothing came between begins and ends in one.
#[derive(Debug)]
struct Call {
    name: String,
    /// What its first argument is open on: a path, or both ends of a connection.
    on: String,
    /// The bytes it shows.
    bytes: Vec<u8>,
    result: Option<i64>,
    began: usize,
    ended: usize,
}

impl Call {
    fn parse(text: &str, began: usize, ended: usize) -> Option<Self> {
        let (name, rest) = text.split_once('(')?;
        let (arguments, result) = rest.rsplit_once(" = ")?;
        let on = arguments.split_once('<')?.1;
        let on = [">,", ">)"]
            .iter()
            .filter_map(|end| on.find(end))
            .min()
            .map(|end| &on[..end])?;
        let result = result
            .split_whitespace()
            .next()
            .and_then(|number| number.parse().ok());
        Some(Self {
            name: name.trim().to_owned(),
            on: String::from_utf8_lossy(&unescaped(on)).into_owned(),
            // Every second piece is within quotes.
            bytes: arguments
                .split('"')
                .skip(1)
                .step_by(2)
                .flat_map(unescaped)
                .collect(),
            result,
            began,
            ended,
        })
    }

    /// The bytes that it received or sent; an error if the transcript does not show all of them.
    fn moved(&self) -> Result<&[u8], String> {
        let count = usize::try_from(self.result.unwrap_or(0)).unwrap_or(0);
        self.bytes
            .get(..count)
            .ok_or_else(|| format!("line {} does not show all bytes", self.began))
    }

    fn is_of_the_journal(&self) -> bool {
        let segment = Path::new(&self.on).extension();
        self.on.contains("/journal/") && segment.is_some_and(|extension| extension == "seg")
    }
}

/// Bytes written as `\x..`, others as they are.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4);
    let mut rest = text;
    while !rest.is_empty() {
        let escaped = rest.strip_prefix("\\x").and_then(|rest| rest.get(..2));
        let byte = escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let (byte, taken) = byte.map_or((rest.as_bytes()[0], 1), |byte| (byte, 4));
        bytes.push(byte);
        rest = rest.get(taken..).unwrap_or_default();
    }
    bytes
}

/// The calls of a transcript with `-f -yy -xx`, in the order in which they began.
fn calls(transcript: &str) -> Vec<Call> {
    let mut unfinished = BTreeMap::new();
    let mut calls = Vec::new();
    for (number, line) in transcript.lines().enumerate() {
        let Some((process, text)) = line.split_once(' ') else {
            continue;
        };
        let text = text.trim_start();
        if let Some(start) = text.strip_suffix("<unfinished ...>") {
            unfinished.insert(process, (number, start.trim_end()));
        } else if let Some(resumed) = text.strip_prefix("<... ") {
            let rest = resumed.split_once("resumed>").map(|(_, rest)| rest);
            if let (Some((began, start)), Some(rest)) = (unfinished.remove(process), rest) {
                calls.extend(Call::parse(&format!("{start}{rest}"), began, number));
            }
        } else {
            calls.extend(Call::parse(text, number, number));
        }
    }
    calls.sort_by_key(|call| call.began);
    calls
}

/// A frame that went over a connection, and in which call.
struct Frame<'a> {
    kind: u8,
    stream: u32,
    payload: Vec<u8>,
    /// The call that moved its first byte.
    call: &'a Call,
}

/// One direction of a connection, from its first byte.
#[derive(Default)]
struct Flow<'a> {
    bytes: Vec<u8>,
    /// Where the bytes of each call begin.
    calls: Vec<(usize, &'a Call)>,
}

impl<'a> Flow<'a> {
    fn frames(&self) -> Vec<Frame<'a>> {
        let mut frames = Vec::new();
        let mut at = if self.bytes.starts_with(PREFACE) {
            PREFACE.len()
        } else {
            0
        };
        while let Some(header) = self.bytes.get(at..at + FRAME_HEADER_BYTES) {
            let number = |bytes: &[u8]| bytes.iter().fold(0, |n, b| n << 8 | u32::from(*b));
            let end = at + FRAME_HEADER_BYTES + number(&header[..3]) as usize;
            let Some(payload) = self.bytes.get(at + FRAME_HEADER_BYTES..end) else {
                break;
            };
            let after = self.calls.partition_point(|(from, _)| *from <= at);
            frames.push(Frame {
                kind: header[3],
                stream: number(&header[5..]) & 0x7fff_ffff,
                payload: payload.to_vec(),
                call: self.calls[after - 1].1,
            });
            at = end;
        }
        frames
    }
}

/// What was proven.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    /// Commands that were answered after a sync of what was written for them.
    pub(crate) commands: usize,
    /// Writes to the journal that held them.
    pub(crate) writes: usize,
    /// Connections over which they came.
    pub(crate) connections: usize,
}

/// Proves of each command that between the journal's write of it and the first byte of its reply
/// the journal was synced.
///
/// # Errors
/// Which command is not proven, and why: answered before a sync, or not found in the transcript.
pub(crate) fn prove(transcript: &str, commands: &[Uuid]) -> Result<Proof, String> {
    let calls = calls(transcript);
    let (mut inward, mut outward) = (BTreeMap::new(), BTreeMap::new());
    for call in calls
        .iter()
        .filter(|call| call.on.starts_with("TCP:") && call.result > Some(0))
    {
        let flows: &mut BTreeMap<_, Flow<'_>> = match &*call.name {
            "recvfrom" | "readv" => &mut inward,
            _ => &mut outward,
        };
        let flow = flows.entry(&*call.on).or_default();
        flow.calls.push((flow.bytes.len(), call));
        flow.bytes.extend_from_slice(call.moved()?);
    }
    let (asked, replied) = (frames(inward), frames(outward));
    let (mut writes, mut connections) = (BTreeSet::new(), BTreeSet::new());
    for id in commands {
        let text = id.to_string();
        let asks =
            |frame: &&Frame<'_>| frame.kind == DATA && contains(&frame.payload, text.as_bytes());
        let (connection, stream) = asked
            .iter()
            .find_map(|(on, frames)| Some((*on, frames.iter().find(asks)?.stream)))
            .ok_or_else(|| format!("{id}: no request"))?;
        let reply = replied
            .get(connection)
            .and_then(|frames| {
                frames
                    .iter()
                    .find(|f| f.stream == stream && [DATA, HEADERS].contains(&f.kind))
            })
            .ok_or_else(|| format!("{id}: no reply"))?
            .call;
        let write = calls
            .iter()
            .find(|call| {
                call.name == "pwrite64"
                    && call.is_of_the_journal()
                    && contains(&call.bytes, id.as_bytes())
            })
            .ok_or_else(|| format!("{id}: not written to the journal"))?;
        let synced = calls.iter().any(|call| {
            call.name == "fdatasync"
                && call.on == write.on
                && call.result == Some(0)
                && call.began > write.ended
                && call.ended < reply.began
        });
        if !synced {
            let (written, replied) = (write.ended, reply.began);
            return Err(format!(
                "{id}: written in line {written}, answered in line {replied}, and no sync between"
            ));
        }
        writes.insert(write.began);
        connections.insert(connection);
    }
    Ok(Proof {
        commands: commands.len(),
        writes: writes.len(),
        connections: connections.len(),
    })
}

/// The frames of each connection in one direction.
fn frames<'a>(flows: BTreeMap<&'a str, Flow<'a>>) -> BTreeMap<&'a str, Vec<Frame<'a>>> {
    let frames = |(on, flow): (_, Flow<'a>)| (on, flow.frames());
    flows.into_iter().map(frames).collect()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const SEGMENT: &str = "/data/journal/00000001.seg";
    const CONNECTION: &str = "TCP:[127.0.0.1:5000->127.0.0.1:6000]";

    fn id() -> Uuid {
        Uuid::from_u128(0x5eed)
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "\\x{byte:02x}");
            text
        })
    }

    fn frame(kind: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, 0, 0, 0, 0, stream], payload].concat()
    }

    fn received(bytes: &[u8]) -> String {
        let (shown, count) = (hex(bytes), bytes.len());
        format!("7  recvfrom(9<{CONNECTION}>, \"{shown}\", 8192, 0, NULL, NULL) = {count}")
    }

    /// In two parts, as hyper sends a header with what follows.
    fn sent(bytes: &[u8]) -> String {
        let (first, second) = bytes.split_at(3);
        let (first, second, count) = (hex(first), hex(second), bytes.len());
        format!(
            "7  writev(9<{CONNECTION}>, [{{iov_base=\"{first}\", iov_len=3}}, \
             {{iov_base=\"{second}\", iov_len=0}}], 2) = {count}"
        )
    }

    fn request(stream: u8) -> String {
        let data = format!("..{}..", id());
        received(
            &[
                PREFACE,
                &frame(HEADERS, stream, b"h"),
                &frame(DATA, stream, data.as_bytes()),
            ]
            .concat(),
        )
    }

    fn written(file: &str) -> String {
        let (file, bytes) = (
            hex(file.as_bytes()),
            hex(&[b"bn-block", &id().as_bytes()[..]].concat()),
        );
        format!("8  pwrite64(4<{file}>, \"{bytes}\"..., 432, 512) = 432")
    }

    fn synced(file: &str) -> String {
        format!("8  fdatasync(4<{}>) = 0", hex(file.as_bytes()))
    }

    fn check(lines: &[String]) -> Result<Proof, String> {
        prove(&lines.join("\n"), &[id()])
    }

    const PROVEN: Result<Proof, String> = Ok(Proof {
        commands: 1,
        writes: 1,
        connections: 1,
    });

    #[test]
    fn a_sync_between_write_and_reply_proves_a_command() {
        let reply = sent(&frame(HEADERS, 1, b"ok"));
        assert_eq!(
            check(&[request(1), written(SEGMENT), synced(SEGMENT), reply]),
            PROVEN
        );
    }

    #[test]
    fn a_reply_before_the_sync_or_without_one_is_found() {
        let reply = || sent(&frame(HEADERS, 1, b"ok"));
        let late = check(&[request(1), written(SEGMENT), reply(), synced(SEGMENT)]);
        assert!(late.unwrap_err().contains("no sync between"));
        let never = check(&[request(1), written(SEGMENT), reply()]);
        assert!(never.unwrap_err().contains("no sync between"));
        let early = check(&[request(1), synced(SEGMENT), written(SEGMENT), reply()]);
        assert!(early.unwrap_err().contains("no sync between"));
    }

    #[test]
    fn a_sync_of_another_file_or_one_that_fails_proves_nothing() {
        let reply = || sent(&frame(HEADERS, 1, b"ok"));
        let other = synced("/data/journal/00000002.seg");
        assert!(check(&[request(1), written(SEGMENT), other, reply()]).is_err());
        let failed = synced(SEGMENT).replace("= 0", "= -1 EIO (Input/output error)");
        assert!(check(&[request(1), written(SEGMENT), failed, reply()]).is_err());
        let head = written("/data/head");
        let missing = check(&[request(1), head, synced("/data/head"), reply()]);
        assert!(missing.unwrap_err().contains("not written to the journal"));
    }

    #[test]
    fn a_sync_that_comes_back_after_the_reply_has_begun_proves_nothing() {
        let begun = format!(
            "8  fdatasync(4<{}> <unfinished ...>",
            hex(SEGMENT.as_bytes())
        );
        let back = "8  <... fdatasync resumed>) = 0".to_owned();
        let reply = || sent(&frame(HEADERS, 1, b"ok"));
        let good = [
            request(1),
            written(SEGMENT),
            begun.clone(),
            back.clone(),
            reply(),
        ];
        assert_eq!(check(&good), PROVEN);
        let bad = [request(1), written(SEGMENT), begun, reply(), back];
        assert!(check(&bad).is_err());
    }

    #[test]
    fn frames_of_other_streams_and_kinds_are_no_replies() {
        let window = sent(&frame(8, 0, &[0, 0, 0, 9]));
        let other = sent(&frame(HEADERS, 3, b"ok"));
        let reply = sent(&frame(HEADERS, 1, b"ok"));
        let lines = [
            request(1),
            written(SEGMENT),
            window,
            other,
            synced(SEGMENT),
            reply,
        ];
        assert_eq!(check(&lines), PROVEN);
        let none = check(&lines[..5]);
        assert!(none.unwrap_err().contains("no reply"));
    }

    #[test]
    fn a_frame_may_come_in_pieces_and_a_transcript_must_show_them_whole() {
        let whole = frame(DATA, 1, format!("..{}..", id()).as_bytes());
        let (first, second) = whole.split_at(20);
        let reply = || sent(&frame(HEADERS, 1, b"ok"));
        let lines = [
            received(first),
            received(second),
            written(SEGMENT),
            synced(SEGMENT),
            reply(),
        ];
        assert_eq!(check(&lines), PROVEN);
        let cut = request(1).replace(") = ", ") = 9");
        assert!(
            check(&[cut])
                .unwrap_err()
                .contains("does not show all bytes")
        );
        assert!(check(&lines[1..]).unwrap_err().contains("no request"));
    }
}
