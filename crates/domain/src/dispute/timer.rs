//! What falls due: deadlines, obligations, the end of the cooling period.

use super::{Ask, Case, Command, Confirmation, Dispute, DisputeState, Event, Purpose, Refusal};
use crate::envelope::Instant;
use crate::ids::DisputeId;
use crate::reaction::require_system;
use crate::refusal::Stop;
use crate::world::Decision;

/// An instant, and the command that is due strictly after it.
pub type Due = (Instant, Command);

impl Dispute {
    /// What falls due next. A
    /// dispute has one timer at a time: the next follows from what the first brings.
    pub fn next_due(&self, dispute: DisputeId) -> Option<Due> {
        let breach = |purpose, runs: bool| {
            let due_at = self.dates.get(&purpose).copied().filter(|_| runs)?;
            let open = !self.breaches.contains(&(purpose, due_at));
            open.then_some((due_at, Ask::RecordBreach { purpose, due_at }))
        };
        let state = self.state;
        let holds = state.is_in_force() || state == DisputeState::Performed;
        let obligations = self.agreement.iter().flat_map(|it| &it.obligations);
        let overdue = obligations
            .filter(|(_, owed)| state.is_in_force() && !owed.performed && !owed.overdue)
            .map(|(number, owed)| {
                let obligation = *number;
                (owed.due_at, Ask::RecordOverdue { obligation })
            });
        let cooled = self.dates.get(&Purpose::Archive).copied();
        let archive = cooled
            .filter(|_| state.has_ended() && !self.court_is_asked())
            .map(|at| (at, Ask::ArchiveDispute));
        breach(Purpose::Mediation, state.is_mediating())
            .into_iter()
            .chain(breach(Purpose::FollowUp, holds))
            .chain(overdue)
            .chain(archive)
            .min_by_key(|(at, _)| *at)
            .map(|(at, ask)| (at, Command { dispute, ask }))
    }

    /// A performed agreement whose record waits for the court.
    pub(super) fn court_is_asked(&self) -> bool {
        self.confirmation == Confirmation::Applied && self.state == DisputeState::Performed
    }
}

impl Case<'_> {
    pub(super) fn record_breach(
        &self,
        purpose: Purpose,
        due_at: Instant,
    ) -> Result<Decision, Stop> {
        require_system(self.cx)?;
        let state = self.dispute.state;
        let runs = match purpose {
            Purpose::Mediation => state.is_mediating(),
            Purpose::FollowUp => state.is_in_force() || state == DisputeState::Performed,
            Purpose::Confirmation | Purpose::Notice | Purpose::Archive => false,
        };
        let deadline = self.dispute.dates.get(&purpose).filter(|_| runs);
        let deadline = *deadline.ok_or(Refusal::NoDeadline)?;
        if deadline != due_at {
            return Err(Refusal::DeadlineReplaced.into());
        }
        if self.dispute.breaches.contains(&(purpose, due_at)) {
            return Err(Refusal::BreachAlreadyRecorded.into());
        }
        if due_at >= self.cx.now {
            return Err(Refusal::DeadlineNotDue.into());
        }
        Ok(self.one(Event::DeadlineBreached { purpose, due_at }))
    }
}
