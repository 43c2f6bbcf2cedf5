//! A load of commands and questions that is cut off again and again, and what must then be true.
//!
//! Owns who sends what, over which connections, and the account of what was acknowledged. How many
//! answers come before each cut, and how much later it falls, follow from a seed; when it falls
//! within a command is chance. How the service is cut off is the caller's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::session::Session;
use api::wire;
use domain::ids::derived;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tonic::{Code, Status};

use crate::harness::Server;
use crate::town::{CAPTAIN, INSPECTOR, INSTRUCTOR, OFFICER, RECTIFIER, Town, volunteer_login};

/// Volunteers that a town needs for this load.
pub(crate) const VOLUNTEERS: usize = 3;
/// Clients that send at once, each over a connection of its own.
const CLIENTS: usize = 8;
/// Every so many commands a client asks for something that it has reported.
const COMMANDS_PER_QUESTION: usize = 3;
/// Fewest answers before a cut, and how many more there may be.
const ANSWERS_MIN: u128 = 20;
const ANSWERS_MORE: u128 = 150;
/// A cut falls up to this much later.
const LATER_US_MAX: u128 = 15_000;
/// Description of every hazard: its length makes the log grow.
const DESCRIPTION: &str = "beside the path to the school; children climb over it. ";

/// What one client has sent and what became of it.
#[derive(Default)]
struct Sender {
    subject: String,
    /// Whether it also asks.
    asks: bool,
    /// By command: the hazard it reports and the receipt, once there is one.
    sent: BTreeMap<String, (wire::ReportHazardRequest, Option<wire::Receipt>)>,
    /// The last hazard that was acknowledged, and where.
    last: Option<(String, wire::Receipt)>,
    questions: usize,
}

impl Sender {
    /// Sends one command after the other, with questions between, until one is not answered or it
    /// has sent `most` in all.
    async fn send(
        mut self,
        session: Session,
        hazards: impl Fn(usize) -> wire::ReportHazardRequest + Send,
        answered: Arc<Semaphore>,
        (lost, most): (fn(&Status) -> bool, usize),
    ) -> Self {
        while self.sent.len() < most {
            let number = self.sent.len();
            let request = hazards(number);
            let id = request.command_id.clone();
            self.sent.insert(id.clone(), (request.clone(), None));
            let hazard = request.hazard_id.clone();
            match session.call(request).await {
                Ok(answer) => {
                    let receipt = answer.receipt.expect("a receipt");
                    assert!(!receipt.replayed, "every command is new");
                    self.last = Some((hazard, receipt.clone()));
                    self.sent
                        .entry(id)
                        .and_modify(|sent| sent.1 = Some(receipt));
                    answered.add_permits(1);
                }
                Err(status) => {
                    assert!(lost(&status), "{status:?}");
                    return self;
                }
            }
            if self.asks
                && number.is_multiple_of(COMMANDS_PER_QUESTION)
                && let Err(status) = self.ask(&session).await
            {
                assert!(lost(&status), "{status:?}");
                return self;
            }
        }
        self
    }

    /// Asks for the hazard that was acknowledged last: it must be there.
    async fn ask(&mut self, session: &Session) -> Result<(), Status> {
        let Some((hazard, receipt)) = &self.last else {
            return Ok(());
        };
        let request = wire::GetHazardRequest {
            hazard_id: hazard.clone(),
            consistency: Some(wire::ReadConsistency {
                at_least: Some(wire::LogPosition {
                    epoch: receipt.epoch,
                    position: receipt.position,
                }),
                with_consequences: false,
            }),
        };
        let answer = session.call(request).await?;
        let found = answer.hazard.expect("a hazard");
        assert_eq!(&found.hazard_id, hazard);
        self.questions += 1;
        Ok(())
    }

    /// Sends again what had no answer; gives how many commands the log had taken all the same.
    async fn repeat(&mut self, session: Session) -> usize {
        let mut taken = 0;
        for (request, receipt) in self.sent.values_mut().filter(|sent| sent.1.is_none()) {
            let answer = session
                .call(request.clone())
                .await
                .expect("a repeat is answered");
            let again = answer.receipt.expect("a receipt");
            taken += usize::from(again.replayed);
            *receipt = Some(wire::Receipt {
                replayed: false,
                ..again
            });
        }
        taken
    }

    fn unanswered(&self) -> usize {
        self.sent.values().filter(|sent| sent.1.is_none()).count()
    }
}

/// Whether a call was lost because the service is gone.
pub(crate) fn gone(status: &Status) -> bool {
    [Code::Unavailable, Code::Unknown, Code::Cancelled].contains(&status.code())
}

/// The load over all cuts so far.
pub(crate) struct Load {
    seed: u64,
    /// What an unanswered call may be told.
    lost: fn(&Status) -> bool,
    senders: Vec<Sender>,
    rounds: usize,
    /// Commands under way at each cut.
    unanswered: Vec<usize>,
    /// Of these, how many the log had taken all the same.
    taken: usize,
}

impl Load {
    /// The load that follows from a seed.
    pub(crate) fn new(seed: u64, lost: fn(&Status) -> bool) -> Self {
        eprintln!("seed {seed}");
        let subjects = [CAPTAIN, INSTRUCTOR, OFFICER, RECTIFIER, INSPECTOR].map(str::to_owned);
        let subjects = subjects
            .into_iter()
            .chain((0..VOLUNTEERS).map(volunteer_login));
        let new = |subject| Sender {
            subject,
            asks: true,
            ..Sender::default()
        };
        let senders: Vec<_> = subjects.map(new).collect();
        assert_eq!(senders.len(), CLIENTS);
        Self {
            seed,
            lost,
            senders,
            rounds: 0,
            unanswered: Vec::new(),
            taken: 0,
        }
    }

    /// Lets nobody ask: what waits for the read models cannot be cut off within a command.
    pub(crate) fn of_commands_alone(mut self) -> Self {
        for sender in &mut self.senders {
            sender.asks = false;
        }
        self
    }

    /// Sends until each client has sent so many commands in all; nothing is cut off.
    pub(crate) async fn fill(&mut self, town: &Town, each: usize) {
        let answered = Arc::new(Semaphore::new(0));
        let sending = self.sending(town, &answered, each).await;
        self.gather(sending).await;
        let unanswered: usize = self.senders.iter().map(Sender::unanswered).sum();
        assert_eq!(unanswered, 0, "nothing was cut off");
    }

    /// Every client, at work.
    async fn sending(
        &mut self,
        town: &Town,
        answered: &Arc<Semaphore>,
        most: usize,
    ) -> Vec<JoinHandle<Sender>> {
        let mut sending = Vec::new();
        for sender in std::mem::take(&mut self.senders) {
            let (seed, subject) = (self.seed, sender.subject.clone());
            let template = town.hazard("");
            let hazards = move |n: usize| wire::ReportHazardRequest {
                command_id: derived("load command", &[&seed, &subject, &n]).to_string(),
                hazard_id: derived("load hazard", &[&seed, &subject, &n]).to_string(),
                description: DESCRIPTION.repeat(n % 17 + 1),
                ..template.clone()
            };
            let session = Session::connect(town.url(), &sender.subject).await;
            let session = session.expect("the service takes connections");
            let answered = Arc::clone(answered);
            let ends = (self.lost, most);
            sending.push(tokio::spawn(sender.send(session, hazards, answered, ends)));
        }
        sending
    }

    async fn gather(&mut self, sending: Vec<JoinHandle<Sender>>) {
        for sender in sending {
            self.senders.push(sender.await.expect("no client panics"));
        }
    }

    /// Sends until the moment of the next cut, has the service cut off, starts it again, and
    /// repeats what had no answer.
    pub(crate) async fn round(&mut self, town: &mut Town, cut: impl AsyncFnOnce(Server)) {
        let round = self.rounds;
        self.rounds += 1;
        let chance = |what: &str| derived(what, &[&self.seed, &round]).as_u128();
        let answers = ANSWERS_MIN + chance("answers before a cut") % ANSWERS_MORE;
        let answers = u32::try_from(answers).expect("a small number");
        let later = chance("delay of a cut") % LATER_US_MAX;
        let later = Duration::from_micros(u64::try_from(later).expect("a small number"));

        let answered = Arc::new(Semaphore::new(0));
        let sending = self.sending(town, &answered, usize::MAX).await;
        let enough = answered.acquire_many(answers).await;
        enough.expect("it is never closed").forget();
        tokio::time::sleep(later).await;
        cut(town.stop()).await;
        self.gather(sending).await;
        let in_flight: usize = self.senders.iter().map(Sender::unanswered).sum();
        self.unanswered.push(in_flight);

        town.start().await;
        for sender in &mut self.senders {
            self.taken += sender.repeat(town.by(&sender.subject)).await;
        }
    }

    /// Insists that what was acknowledged in any round is there once and byte-equal, and nothing
    /// else: a repeat of every command (or of every `step`th) is answered with the receipt of that
    /// time, whose hash is computed anew from what is stored; the log holds one event for each.
    pub(crate) async fn check(self, town: &mut Town, step: usize) {
        let mut acknowledged = BTreeMap::new();
        let (mut repeated, mut questions) = (0, 0);
        for sender in &self.senders {
            questions += sender.questions;
            let session = town.by(&sender.subject);
            for (n, (request, receipt)) in sender.sent.values().enumerate() {
                let receipt = receipt.clone().expect("every command has an answer by now");
                if n % step == 0 {
                    let again = session.call(request.clone()).await;
                    let again = again.expect("a repeat is answered");
                    let expected = wire::Receipt {
                        replayed: true,
                        ..receipt.clone()
                    };
                    assert_eq!(again.receipt, Some(expected));
                    repeated += 1;
                }
                acknowledged.insert(format!("hazard/{}", request.hazard_id), receipt.position);
            }
        }
        town.stop().terminate().exits(0);
        town.folder.run(&["verify"], &[]).exits(0);
        let mut there = BTreeMap::new();
        for event in town.folder.replay(&["--type", "HazardReported"]) {
            let stream = event["stream"].as_str().expect("a stream").to_owned();
            let position = event["position"].as_u64().expect("a position");
            assert_eq!(there.insert(stream, position), None, "{event}");
        }
        assert_eq!(there, acknowledged);
        // At single cuts nothing may have been under way; cuts that never meet anything show nothing.
        let met = self.unanswered.iter().filter(|count| **count > 0).count();
        assert!(2 * met >= self.unanswered.len(), "{:?}", self.unanswered);
        eprintln!(
            "{} cuts, {} commands acknowledged and found once, {repeated} of them repeated and \
             byte-equal, {questions} questions answered; without an answer at the cuts: {} in all, \
             {} to {} each, of these {} taken all the same",
            self.rounds,
            acknowledged.len(),
            self.unanswered.iter().sum::<usize>(),
            self.unanswered.iter().min().unwrap_or(&0),
            self.unanswered.iter().max().unwrap_or(&0),
            self.taken,
        );
    }
}
