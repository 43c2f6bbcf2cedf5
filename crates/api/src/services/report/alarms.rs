//! What patrols should have done and did not.

use domain::Instant;
use domain::ids::ShiftId;
use projections::read_models::missed_alarms::{
    Alarm, Answer, Filter, Kind, Missed, MissedAlarms, Place, Record,
};
use projections::{Build, Models};
use tonic::Status;
use uuid::Uuid;

use super::invalid;
use crate::backend::subtree;
use crate::parse::{self, Parsed};
use crate::{answer, paging, wire};

/// A page of alarms, the newest first.
///
/// # Errors
/// The first field that is malformed, or `NOT_FOUND` for a unit that does not exist.
pub(crate) fn list(
    models: &Models,
    build: &Build<MissedAlarms>,
    request: &wire::ListMissedAlarmsRequest,
    now: Instant,
) -> Result<wire::ListMissedAlarmsResponse, Status> {
    let mut filter = filter(request).map_err(invalid)?;
    filter.units = subtree(models, &request.unit_id, now)?;
    let size = paging::size(request.page_size).map_err(invalid)?;
    let question = format!(
        "alarms {} {} {:?} {:?} {}",
        request.unit_id, request.kind, filter.from, filter.until, request.unanswered_only
    );
    let after = paging::read(&question, &request.page_token)
        .and_then(|key| key.map(|key| place(&key)).transpose())
        .map_err(invalid)?;
    let (page, more) = build.list(&filter, size, after);
    let last = page.last().filter(|_| more);
    let next = last.map(|(shift, _, alarm)| {
        let key = format!("{}/{}/{shift}", alarm.at.timestamp_micros(), alarm.position);
        paging::write(&question, &key)
    });
    Ok(wire::ListMissedAlarmsResponse {
        alarms: page
            .iter()
            .map(|(shift, record, alarm)| wired(*shift, record, alarm))
            .collect(),
        next_page_token: next.unwrap_or_default(),
        read_point: None,
    })
}

fn filter(request: &wire::ListMissedAlarmsRequest) -> Parsed<Filter> {
    let kind = match wire::MissedAlarmKind::try_from(request.kind) {
        Ok(wire::MissedAlarmKind::Unspecified) => None,
        Ok(wire::MissedAlarmKind::Shift) => Some(Kind::Shift),
        Ok(wire::MissedAlarmKind::Checkpoint) => Some(Kind::Checkpoint),
        Ok(wire::MissedAlarmKind::CheckOut) => Some(Kind::CheckOut),
        Err(_) => return Err(parse::Violation::new("kind", "It is none of its values.")),
    };
    Ok(Filter {
        units: None,
        kind,
        from: parse::optional_instant("from", request.from)?,
        until: parse::optional_instant("until", request.until)?,
        unanswered_only: request.unanswered_only,
    })
}

/// The place that a key names.
fn place(key: &str) -> Parsed<Place> {
    let mut parts = key.splitn(3, '/');
    let mut next = || parts.next();
    let found = (|| {
        let at = Instant::from_timestamp_micros(next()?.parse().ok()?)?;
        let position = next()?.parse().ok()?;
        let shift = ShiftId(Uuid::parse_str(next()?).ok()?);
        Some((at, (position, shift)))
    })();
    found.ok_or_else(paging::malformed)
}

fn wired(shift: ShiftId, record: &Record, alarm: &Alarm) -> wire::MissedAlarm {
    let (kind, checkpoint, person) = match alarm.missed {
        Missed::Shift => (wire::MissedAlarmKind::Shift, None, None),
        Missed::Checkpoint(checkpoint) => {
            (wire::MissedAlarmKind::Checkpoint, Some(checkpoint), None)
        }
        Missed::CheckOut(person) => (wire::MissedAlarmKind::CheckOut, None, Some(person)),
    };
    let answered = match alarm.answer {
        None => wire::MissedAlarmAnswer::Unspecified,
        Some((Answer::Scanned, _)) => wire::MissedAlarmAnswer::Scanned,
        Some((Answer::Settled, _)) => wire::MissedAlarmAnswer::Settled,
        Some((Answer::Voided, _)) => wire::MissedAlarmAnswer::Voided,
    };
    wire::MissedAlarm {
        kind: kind.into(),
        shift_id: shift.to_string(),
        community_id: record.community.to_string(),
        zone_id: alarm.zone.to_string(),
        checkpoint_id: checkpoint.map_or_else(String::new, |id| id.to_string()),
        person_id: person.map_or_else(String::new, |id| id.to_string()),
        missed_at: Some(answer::instant(alarm.at)),
        from: Some(answer::instant(record.from)),
        until: Some(answer::instant(record.until)),
        answer: answered.into(),
        answered_at: alarm.answer.map(|(_, at)| answer::instant(at)),
        position: alarm.position,
    }
}
