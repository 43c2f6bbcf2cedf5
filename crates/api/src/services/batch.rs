//! Batches: commands that a device gathered without a network and sends at once, late, perhaps twice.
//!
//! Owns their bound, their order and the answer of each item. An item is a command like any other: it
//! has its own command id, is taken or refused by itself, and a repeat gets its first receipt. So a
//! batch that was cut off is simply sent again.
//!
//! Items are taken in the order in which they happened, not in that in which they came: the rules
//! compare a scan with those before it, let the first visit of a door count and the first check-in
//! start the shift, and must find the same however a device shuffles. Items without a time come
//! last, as sent. Where one fails for a passing reason, those after it are not tried: taken now, they
//! would be compared with the wrong ones when it is sent again.

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{CommandRequest, Services};
use crate::gate::Caller;
use crate::parse::Violation;
use crate::session::reason;
use crate::{status, wire};

/// Most items of a batch: a shift's scans of one device, with room; each waits for the disk.
pub const BATCH_ITEMS_MAX: usize = 200;

/// When an item happened, as its device says; seconds and nanoseconds, to be ordered by.
type When = Option<(i64, i32)>;

/// An item that says when it happened.
pub(super) trait Gathered: CommandRequest {
    /// By the device's clock, as sent; `None` if it does not say.
    fn happened_at(&self) -> Option<prost_types::Timestamp>;
}

impl Gathered for wire::CheckInRequest {
    fn happened_at(&self) -> Option<prost_types::Timestamp> {
        self.capture.as_ref()?.device_at
    }
}

impl Gathered for wire::ScanCheckpointRequest {
    fn happened_at(&self) -> Option<prost_types::Timestamp> {
        self.capture.as_ref()?.device_at
    }
}

impl Gathered for wire::VisitDoorRequest {
    fn happened_at(&self) -> Option<prost_types::Timestamp> {
        self.visited_at
    }
}

/// The places of the items in the order in which they happened; those without a time last.
fn in_order_of_time(times: &[When]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..times.len()).collect();
    // Stable: items of one instant stay as sent.
    order.sort_by_key(|place| (times[*place].is_none(), times[*place]));
    order
}

impl Services {
    /// Takes every item of a batch, each by itself; the answers stand in the order of the items.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a batch that is empty or longer than [`BATCH_ITEMS_MAX`]; then nothing
    /// was taken. What is wrong with an item is said in its answer.
    pub(super) async fn upload<R: Gathered>(
        &self,
        caller: Caller,
        field: &'static str,
        items: Vec<R>,
    ) -> Result<Vec<wire::ItemAnswer>, Status> {
        if !(1..=BATCH_ITEMS_MAX).contains(&items.len()) {
            let rule = format!("A batch has 1 to {BATCH_ITEMS_MAX} items.");
            return Err(status::invalid(&Violation::new(field, rule)));
        }
        let time = |item: &R| item.happened_at().map(|at| (at.seconds, at.nanos));
        let times: Vec<When> = items.iter().map(time).collect();
        let order = in_order_of_time(&times);
        Ok(in_turn(items, &order, |item| self.take(caller, item)).await)
    }

    /// Takes one item.
    async fn take<R: CommandRequest>(
        &self,
        caller: Caller,
        item: R,
    ) -> Result<wire::Receipt, Status> {
        let id = item.command_id().to_owned();
        let command = item.into_command().map_err(|why| status::invalid(&why))?;
        self.execute(caller, &id, command).await
    }
}

/// True for what passes: sent again, the item may be taken. A refusal by a rule does not.
fn passes(status: &Status) -> bool {
    use Code as C;
    matches!(
        status.code(),
        C::Aborted
            | C::ResourceExhausted
            | C::Unavailable
            | C::DeadlineExceeded
            | C::Cancelled
            | C::Internal
            | C::DataLoss
            | C::Unknown
    )
}

/// Takes items in an order, one after the other; after one that failed for a passing reason the rest
/// is answered the same, untried. Answers stand in the order of the items.
async fn in_turn<R, F, T>(items: Vec<R>, order: &[usize], mut take: F) -> Vec<wire::ItemAnswer>
where
    R: CommandRequest,
    F: FnMut(R) -> T,
    T: Future<Output = Result<wire::Receipt, Status>>,
{
    let mut answers = vec![wire::ItemAnswer::default(); items.len()];
    let mut items: Vec<Option<R>> = items.into_iter().map(Some).collect();
    let mut failed: Option<Status> = None;
    for place in order {
        let Some(item) = items[*place].take() else {
            continue;
        };
        let id = item.command_id().to_owned();
        let taken = match &failed {
            Some(status) => Err(status.clone()),
            None => take(item).await,
        };
        let answer = match taken {
            Ok(receipt) => wire::item_answer::Answer::Receipt(receipt),
            Err(status) => {
                let told = wire::item_answer::Answer::Refusal(refusal(&status));
                failed = failed.or_else(|| passes(&status).then_some(status));
                told
            }
        };
        answers[*place] = wire::ItemAnswer {
            id,
            answer: Some(answer),
        };
    }
    answers
}

/// What the command alone would have been refused with.
fn refusal(status: &Status) -> wire::ItemRefusal {
    let field = status
        .get_details_bad_request()
        .and_then(|request| request.field_violations.into_iter().next())
        .map_or_else(String::new, |violation| violation.field);
    wire::ItemRefusal {
        code: status.code().into(),
        reason: reason(status).unwrap_or_default(),
        message: status.message().to_owned(),
        field,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_taken_by_time_and_those_of_one_instant_as_sent() {
        let at = |seconds| Some((seconds, 0));
        let times = [at(9), None, at(3), at(9), at(-1), None];
        assert_eq!(in_order_of_time(&times), [4, 2, 0, 3, 1, 5]);
        assert_eq!(in_order_of_time(&[]), [0_usize; 0]);
    }

    #[tokio::test]
    async fn what_comes_after_an_item_that_failed_for_a_passing_reason_is_not_tried() {
        let scan = |command_id: &str| wire::ScanCheckpointRequest {
            command_id: command_id.to_owned(),
            ..Default::default()
        };
        let run = async |failure: Code| {
            let mut tried = Vec::new();
            let items = ["a", "b", "c", "d"].map(scan).to_vec();
            let answers = in_turn(items, &[3, 1, 0, 2], |item| {
                tried.push(item.command_id.clone());
                std::future::ready(if item.command_id == "b" {
                    Err(Status::new(failure, "told"))
                } else {
                    Ok(wire::Receipt::default())
                })
            })
            .await;
            let codes: Vec<_> = answers
                .into_iter()
                .map(|answer| match answer.answer.expect("an answer") {
                    wire::item_answer::Answer::Receipt(_) => 0,
                    wire::item_answer::Answer::Refusal(refusal) => refusal.code,
                })
                .collect();
            (tried, codes)
        };
        for passing in [Code::Aborted, Code::ResourceExhausted, Code::Unavailable] {
            let code = i32::from(passing);
            let (tried, codes) = run(passing).await;
            assert_eq!(tried, ["d", "b"]);
            assert_eq!(codes, [code, code, code, 0]);
        }
        let (tried, codes) = run(Code::FailedPrecondition).await;
        assert_eq!(tried, ["d", "b", "a", "c"]);
        assert_eq!(codes, [0, i32::from(Code::FailedPrecondition), 0, 0]);
    }

    #[test]
    fn a_refusal_says_what_the_command_alone_would_have_been_answered() {
        let status = status::invalid(&Violation::new("tag", "A tag is needed."));
        let refusal = refusal(&status);
        assert_eq!(refusal.code, i32::from(tonic::Code::InvalidArgument));
        assert_eq!(
            (refusal.reason.as_str(), refusal.field.as_str()),
            ("FIELD_MALFORMED", "tag")
        );
        assert_eq!(refusal.message, status.message());
    }
}
