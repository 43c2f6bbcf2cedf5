//! Given, when, then: what the tests of deciders are written in.
//!
//! A test gives events, a command and what must come of it. Owns no rule.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use crate::aggregates::{Command, Event, evolve};
use crate::envelope::{Channel, Instant};
use crate::ids::{PersonId, PrincipalId};
use crate::refusal::{Refused, Stop};
use crate::world::{Actor, Context, NewEvent, Stamp, World};

/// A fixed id for tests: `id(7)` is always the same.
pub(crate) fn id<T: From<Uuid>>(n: u128) -> T {
    T::from(Uuid::from_u128(n))
}

/// An instant written as `2024-07-01T20:00:00Z`.
pub(crate) fn at(text: &str) -> Instant {
    text.parse().expect("an instant as in RFC 3339")
}

/// A context in which a person acts at an instant.
pub(crate) fn by(person: PersonId, now: Instant) -> Context {
    Context {
        now,
        actor: Actor {
            principal: PrincipalId::of_subject(&person.to_string()),
            person: Some(person),
            system: false,
        },
        channel: Channel::App,
        zone: chrono_tz::Asia::Shanghai,
    }
}

/// A context in which the system acts at an instant.
pub(crate) fn by_system(now: Instant) -> Context {
    Context {
        now,
        actor: Actor {
            principal: PrincipalId::of_subject("system:timer"),
            person: None,
            system: true,
        },
        channel: Channel::Timer,
        zone: chrono_tz::Asia::Shanghai,
    }
}

/// A small log in memory, in which commands are decided one after the other.
#[derive(Default, Clone)]
pub(crate) struct History {
    events: Vec<(NewEvent, Stamp)>,
}

impl History {
    /// With these events.
    pub(crate) fn given(events: Vec<NewEvent>) -> Self {
        let mut history = Self::default();
        for event in events {
            let recorded_at = event.envelope.occurred_at;
            history.record(event, recorded_at);
        }
        history
    }

    fn record(&mut self, event: NewEvent, recorded_at: Instant) {
        let version = self
            .events
            .iter()
            .filter(|(e, _)| e.stream == event.stream)
            .count()
            + 1;
        let stamp = Stamp {
            position: self.events.len() as u64 + 1,
            version: version as u64,
            occurred_at: event.envelope.occurred_at,
            recorded_at,
        };
        self.events.push((event, stamp));
    }

    /// The events so far.
    pub(crate) fn events(&self) -> &[(NewEvent, Stamp)] {
        &self.events
    }

    /// The world these events make.
    pub(crate) fn world(&self) -> World {
        let mut streams: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (event, stamp) in &self.events {
            streams
                .entry(event.stream.clone())
                .or_default()
                .push((&event.event, *stamp));
        }
        let mut world = World::whole();
        for (stream, events) in streams {
            let state = evolve(stream.category(), None, events.into_iter());
            world.put(stream, state.expect("a stream of an aggregate"));
        }
        world
    }

    /// Decides a command without taking its events in.
    pub(crate) fn when(
        &self,
        command: impl Into<Command>,
        cx: &Context,
    ) -> Result<Vec<Event>, Box<Refused>> {
        match command.into().decide(&self.world(), cx) {
            Ok(decision) => Ok(decision
                .events
                .into_iter()
                .map(|event| event.event)
                .collect()),
            Err(Stop::Refused(refused)) => Err(refused),
            Err(Stop::Need(stream)) => panic!("a whole world needs no {stream}"),
        }
    }

    /// Decides a command as the executor does, which gives it only the streams it asks for: the
    /// decision, and these streams.
    #[track_caller]
    pub(crate) fn by_asking(
        &self,
        command: impl Into<Command>,
        cx: &Context,
    ) -> (crate::world::Decision, Vec<crate::stream::StreamName>) {
        let (command, whole) = (command.into(), self.world());
        let mut world = World::unloaded();
        loop {
            match command.decide(&world, cx) {
                Ok(decision) => return (decision, world.streams().cloned().collect()),
                Err(Stop::Need(stream)) => {
                    // Whatever is no state of the stream's kind stands for an empty one.
                    let state = whole.found(&stream).unwrap_or_else(|| Arc::new(()));
                    world.put(stream, state);
                }
                Err(Stop::Refused(refused)) => panic!("must go through, but: {refused:?}"),
            }
        }
    }

    /// Decides a command that must go through, and takes its events in.
    #[track_caller]
    pub(crate) fn then(mut self, command: impl Into<Command>, cx: &Context) -> Self {
        match command.into().decide(&self.world(), cx) {
            Ok(decision) => {
                decision
                    .events
                    .into_iter()
                    .for_each(|event| self.record(event, cx.now));
            }
            Err(stop) => panic!("must go through, but: {stop:?}"),
        }
        self
    }

    /// Takes in an event that no command of the test decides.
    pub(crate) fn and<A: crate::world::Aggregate>(
        mut self,
        key: impl std::fmt::Display,
        event: A::Event,
        now: Instant,
    ) -> Self
    where
        Event: From<A::Event>,
    {
        let decision =
            crate::world::Decision::new().with::<A>(key, event, crate::envelope::Envelope::at(now));
        for event in decision.events {
            self.record(event, now);
        }
        self
    }

    /// Takes in an active member of the community `id(101)`, with a role if one is given.
    pub(crate) fn and_member(
        self,
        person: PersonId,
        kind: crate::member::MemberKind,
        role: Option<crate::member::Role>,
    ) -> Self {
        use crate::member::{Event, Member};
        let (community, start) = (id(101), at("2024-01-01T00:00:00Z"));
        let key = Member::key(community, person);
        let applied = Event::MemberApplied {
            community,
            person,
            kind,
            under_14: false,
        };
        let approved = Event::MemberApproved {
            approved_by: id(1),
            bootstrap: true,
        };
        let history = self
            .and::<Member>(&key, applied, start)
            .and::<Member>(&key, approved, start);
        match role {
            None => history,
            Some(role) => {
                let granted = Event::RoleGranted {
                    role,
                    from: start,
                    until: None,
                    appointment: Some("appointment 1".to_owned()),
                    granted_by: id(1),
                    bootstrap: true,
                };
                history.and::<Member>(&key, granted, start)
            }
        }
    }

    /// Asserts that a command is refused by this name.
    #[track_caller]
    pub(crate) fn refuses(
        &self,
        command: impl Into<Command>,
        cx: &Context,
        refusal: impl Into<Refused>,
    ) {
        let command = command.into();
        match self.when(command.clone(), cx) {
            Err(refused) => assert_eq!(*refused, refusal.into(), "{command:?}"),
            Ok(events) => panic!("must be refused, but gave {events:?}"),
        }
    }

    /// What becomes of a command, as a table's cell: `Event + Event`, or the refusal's name.
    pub(crate) fn outcome(&self, command: impl Into<Command>, cx: &Context) -> String {
        match self.when(command, cx) {
            Ok(events) => {
                let names: Vec<_> = events.iter().map(|event| event.encode().0).collect();
                names.join(" + ")
            }
            Err(refused) => refused.name,
        }
    }

    /// The state of an aggregate.
    pub(crate) fn state<A: crate::world::Aggregate>(&self, key: impl std::fmt::Display) -> Arc<A> {
        self.world().state::<A>(key).expect("a whole world")
    }
}

/// A community that lives: log born on 1 January 2024, administrator person 1 (`id(1)`), a station
/// unit `id(100)` with the pilot's policy set, and below it the community `id(101)`.
pub(crate) fn community() -> History {
    let start = at("2024-01-01T00:00:00Z");
    let admin = by(id(1), start);
    let found = |unit, level, name: &str, parent| crate::unit::Command::FoundUnit {
        unit,
        level,
        name: name.to_owned(),
        parent,
        zone: None,
        imported: None,
    };
    let kind = crate::genesis::ClockKind::Simulated;
    History::given(crate::genesis::birth(kind, id(1), start))
        .then(
            found(id(100), crate::unit::UnitLevel::Station, "station", None),
            &admin,
        )
        .then(
            found(
                id(101),
                crate::unit::UnitLevel::Community,
                "community",
                Some(id(100)),
            ),
            &admin,
        )
        .then(
            crate::policy_set::Command::AdoptPolicySet {
                unit: id(100),
                text: include_str!("../../../policies/pilot.toml").to_owned(),
                effective_from: None,
            },
            &admin,
        )
}

/// The community of [`community`] with a team: persons 2 to 8 are registered; 2 is captain, 3 and
/// 4 are volunteers, all three active members since 1 January 2024.
pub(crate) fn team() -> History {
    use crate::member::{Command as Ask, MemberKind, Role};
    let start = at("2024-01-01T00:00:00Z");
    let admin = by(id(1), start);
    let mut history = (2..=8).fold(community(), |history, n| {
        let register = crate::person::Command::RegisterPerson {
            person: id(n),
            name: crate::Personal::new(format!("person {n}")),
            phone: None,
            identity_claim: None,
        };
        history.then(register, &admin)
    });
    for (n, kind) in [
        (2, MemberKind::CommunityWorker),
        (3, MemberKind::Volunteer),
        (4, MemberKind::Volunteer),
    ] {
        let (community, person) = (id(101), id(n));
        let apply = Ask::ApplyForMembership {
            community,
            person,
            kind,
            under_14: false,
            guardian_consent: None,
            applied_at: None,
        };
        history = history
            .then(apply, &by(person, start))
            .then(Ask::ApproveMember { community, person }, &admin);
    }
    history.then(
        Ask::GrantRole {
            community: id(101),
            person: id(2),
            role: Role::Captain,
            from: start,
            until: None,
            appointment: Some("appointment 1".to_owned()),
        },
        &admin,
    )
}

/// Any string of these events in any order, at stamps of any order: evolve must bear them all.
pub(crate) fn any_history<E: Clone + std::fmt::Debug + 'static>(
    events: Vec<E>,
) -> impl proptest::strategy::Strategy<Value = Vec<(E, Stamp)>> {
    use proptest::prelude::*;
    let stamp = (any::<u64>(), any::<u64>(), any::<u32>(), any::<u32>()).prop_map(
        |(position, version, occurred, recorded)| Stamp {
            position,
            version,
            occurred_at: Instant::UNIX_EPOCH + chrono::Duration::seconds(occurred.into()),
            recorded_at: Instant::UNIX_EPOCH + chrono::Duration::seconds(recorded.into()),
        },
    );
    proptest::collection::vec((proptest::sample::select(events), stamp), 0..24)
}

/// One event of each type of an aggregate, from the goldens: of whichever thing.
pub(crate) fn golden_events<E: serde::de::DeserializeOwned>(category: &str) -> Vec<E> {
    let lines = include_str!("../golden/events.jsonl").lines();
    let lines = lines.map(|line| -> serde_json::Value {
        serde_json::from_str(line).expect("a golden line is JSON")
    });
    let mine = lines.filter(|line| line["category"] == category);
    mine.map(|line| {
        let name = line["type"].as_str().expect("a text");
        let payload = serde_json::to_vec(&line["payload"]).expect("JSON");
        crate::encoding::decode(name, &payload).expect("a golden event")
    })
    .collect()
}
