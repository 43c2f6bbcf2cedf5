//! What was acknowledged survives a kill, exactly once; what was not can be sent again.
//!
//! Owns the load and the kills. How many answers come before a kill follows from a seed; when it
//! falls within a command is chance, and that some command is under way at every kill is asserted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::session::Session;
use api::wire;
use domain::ids::derived;
use tokio::sync::Semaphore;
use tonic::Code;

use crate::town::{CAPTAIN, INSPECTOR, INSTRUCTOR, OFFICER, RECTIFIER, Town, volunteer_login};

/// Kills of the service.
const ROUNDS: usize = 6;
/// Clients that send at once.
const CLIENTS: usize = 8;
/// From what the number of answers before each kill follows.
const SEED: u64 = 311;

/// A client: what it has sent and what became of it.
#[derive(Default)]
struct Sender {
    subject: String,
    /// By command: the hazard it reports and the receipt, once there is one.
    sent: BTreeMap<String, (wire::ReportHazardRequest, Option<wire::Receipt>)>,
}

impl Sender {
    /// Sends one command after the other until one is not answered.
    async fn send(
        mut self,
        session: Session,
        hazards: impl Fn(usize) -> wire::ReportHazardRequest + Send,
        answered: Arc<Semaphore>,
    ) -> Self {
        loop {
            let request = hazards(self.sent.len());
            let id = request.command_id.clone();
            self.sent.insert(id.clone(), (request.clone(), None));
            match session.call(request).await {
                Ok(answer) => {
                    let receipt = answer.receipt.expect("a receipt");
                    assert!(!receipt.replayed, "every command is new");
                    self.sent
                        .entry(id)
                        .and_modify(|sent| sent.1 = Some(receipt));
                    answered.add_permits(1);
                }
                Err(status) => {
                    let lost = [Code::Unavailable, Code::Unknown, Code::Cancelled];
                    assert!(lost.contains(&status.code()), "{status:?}");
                    return self;
                }
            }
        }
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
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_command_is_there_exactly_once_after_six_kills() {
    let mut town = Town::with_volunteers(3).await;
    let subjects = [CAPTAIN, INSTRUCTOR, OFFICER, RECTIFIER, INSPECTOR].map(str::to_owned);
    let subjects = subjects.into_iter().chain((0..3).map(volunteer_login));
    let new = |subject| Sender {
        subject,
        ..Sender::default()
    };
    let mut senders: Vec<_> = subjects.map(new).collect();
    assert_eq!(senders.len(), CLIENTS);
    let (mut unanswered, mut taken_all_the_same) = (Vec::new(), 0);

    for round in 0..ROUNDS {
        let answers = 20 + derived("kill", &[&SEED, &round]).as_u128() % 150;
        let answers = u32::try_from(answers).expect("a small number");
        let answered = Arc::new(Semaphore::new(0));
        let sending = senders.into_iter().map(|sender| {
            let subject = sender.subject.clone();
            let template = town.hazard("");
            let hazards = move |n: usize| wire::ReportHazardRequest {
                command_id: derived("kill command", &[&subject, &n]).to_string(),
                hazard_id: derived("kill hazard", &[&subject, &n]).to_string(),
                ..template.clone()
            };
            let session = town.by(&sender.subject);
            tokio::spawn(sender.send(session, hazards, Arc::clone(&answered)))
        });
        let sending: Vec<_> = sending.collect();
        let enough = answered.acquire_many(answers).await;
        enough.expect("it is never closed").forget();
        town.stop().kill();
        senders = Vec::new();
        for sender in sending {
            senders.push(sender.await.expect("no client panics"));
        }
        let open = |sender: &Sender| sender.sent.values().filter(|sent| sent.1.is_none()).count();
        let in_flight: usize = senders.iter().map(open).sum();
        assert!(in_flight > 0, "round {round}: no command was under way");
        unanswered.push(in_flight);

        town.start().await;
        for sender in &mut senders {
            taken_all_the_same += sender.repeat(town.by(&sender.subject)).await;
        }
    }

    // What was acknowledged in any round is a repeat now, with the receipt of that time.
    let mut acknowledged = BTreeMap::new();
    for sender in &senders {
        let session = town.by(&sender.subject);
        for (n, (request, receipt)) in sender.sent.values().enumerate() {
            let receipt = receipt.clone().expect("every command has an answer by now");
            if n % 10 == 0 {
                let again = session
                    .call(request.clone())
                    .await
                    .expect("a repeat is answered");
                let expected = wire::Receipt {
                    replayed: true,
                    ..receipt.clone()
                };
                assert_eq!(again.receipt, Some(expected));
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
    println!(
        "{ROUNDS} kills, {} commands acknowledged and found once; without an answer at the kills: \
         {unanswered:?}, of these {taken_all_the_same} taken all the same",
        acknowledged.len(),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_before_the_first_command_and_two_kills_in_a_row_are_borne() {
    let mut town = Town::with_volunteers(0).await;
    let before = town.log().await;
    for _ in 0..2 {
        town.stop().kill();
        town.folder.run(&["verify"], &[]).exits(0);
        town.start().await;
        let after = town.log().await;
        assert_eq!(
            (after.position, &after.root),
            (before.position, &before.root)
        );
    }
    let events = town.folder.replay(&[]);
    let positions: BTreeSet<_> = events
        .iter()
        .filter_map(|e| e["position"].as_u64())
        .collect();
    assert_eq!(positions, (1..=before.position).collect());
}
