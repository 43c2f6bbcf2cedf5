//! `PolicySets`: the rules, timers, thresholds and calendar in force in a unit, as data in the log.
//!
//! ```text
//! (none) ──PolicySetEffective──> in force from a date ──PolicySetEffective──> next one …
//! ```
//! Owns the closed vocabulary of a policy set and the choice of the one in force. A unit without
//! one of its own takes that of the unit above. Files are only input: the text is in the event.

pub(crate) mod calendar;
mod leads;
#[cfg(test)]
mod table;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use calendar::{Calendar, WORKING_DAYS_MAX};
pub use leads::Leads;

use crate::envelope::{Envelope, Instant, Visibility};
use crate::genesis::Genesis;
use crate::ids::{PersonId, UnitId};
use crate::member::MemberKind;
use crate::redemption::RedemptionRules;
use crate::refusal::{RefusalKind, Refused, Stop, refusals};
use crate::stream::StreamName;
use crate::unit::Unit;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// Longest text of a policy set, in bytes: it must fit a commit record.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Most rules in one set.
pub const RULES_MAX: usize = 100;
/// Most offices that may lead a panel.
pub const LEAD_OFFICES_MAX: usize = 20;
/// Longest name of an office that may lead a panel, in bytes.
pub const LEAD_OFFICE_BYTES_MAX: usize = 60;
/// Longest period that a policy set may name, in days: ten years.
pub const PERIOD_DAYS_MAX: u32 = 3_653;

/// A policy set as written in its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySet {
    /// Its name, `[a-z0-9_-]`.
    pub name: String,
    /// Its version, from 1, rising.
    pub version: u32,
    /// Deadlines and periods of grace.
    pub timers: Timers,
    /// Bounds beyond which a scan is marked, and the like.
    pub thresholds: Thresholds,
    /// Working days.
    #[serde(default)]
    pub calendar: Calendar,
    /// How disputes are mediated; without it none is.
    #[serde(default)]
    pub mediation: Option<Mediation>,
    /// How leads are kept from being misused; without it nobody is throttled.
    #[serde(default)]
    pub leads: Option<Leads>,
    /// How points are redeemed; without it none are.
    #[serde(default)]
    pub redemption: Option<RedemptionRules>,
    /// The points rules.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
}

/// Deadlines and periods of grace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timers {
    /// Hours to rectify a red hazard.
    pub hazard_red_hours: u32,
    /// Hours to rectify a yellow hazard.
    pub hazard_yellow_hours: u32,
    /// Hours to rectify a blue hazard.
    pub hazard_blue_hours: u32,
    /// Hours to report a major hazard upward; without them there is no such deadline.
    #[serde(default)]
    pub hazard_report_up_hours: Option<u32>,
    /// Working days to look at a hazard again after it is said to be rectified; without them there is
    /// no such deadline.
    #[serde(default)]
    pub hazard_reinspection_working_days: Option<u32>,
    /// Minutes after a shift's start until a check-in counts as late.
    pub check_in_grace_minutes: u32,
    /// Minutes after a shift's start until a shift without check-in is missed.
    pub shift_missed_minutes: u32,
    /// Minutes after a shift's end until a forgotten check-out is made by the system.
    pub check_out_overdue_minutes: u32,
    /// Days from its verification in which a shift may be disputed; without them none is.
    #[serde(default)]
    pub shift_dispute_days: Option<u32>,
    /// Days that something may be dated back without a second person.
    pub back_date_days: u32,
}

/// How disputes are mediated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mediation {
    /// Days from acceptance to find an agreement; more only by consent of all parties.
    pub days: u32,
    /// Days from effect in which the parties may apply for a court's confirmation.
    pub confirmation_days: u32,
    /// Days from effect until somebody must have asked how the agreement holds.
    pub follow_up_days: u32,
    /// Days of peace from effect until help is rewarded.
    pub notice_days: u32,
    /// Days from the end of a dispute until its record is closed.
    pub archive_days: u32,
    /// Offices that may lead a panel: the "1" of 1+3+N.
    pub lead_offices: Vec<String>,
}

/// Bounds beyond which a scan is marked, and the like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Seconds a device's clock may differ from ours, the sending delay left out.
    pub clock_skew_seconds: u32,
    /// Metres per second beyond which two scans of one person are impossible.
    pub impossible_speed_m_per_s: u32,
    /// Scans by one person within `tag_cluster_seconds` that make a cluster.
    pub tag_cluster_scans: u32,
    /// Seconds within which such scans make a cluster.
    pub tag_cluster_seconds: u32,
    /// Square metres that two zones of one plan may overlap (surveying tolerance).
    pub zone_overlap_m2: u32,
}

/// Which of the four activities earns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivityFamily {
    /// 联防
    Patrol,
    /// 线索
    Lead,
    /// 宣传
    Publicity,
    /// 联调
    Mediation,
}

impl ActivityFamily {
    /// Who may see that somebody was active: a lead's source must not be found by its award.
    pub fn visibility(self) -> Visibility {
        match self {
            Self::Lead => Visibility::Withheld,
            Self::Patrol | Self::Publicity | Self::Mediation => Visibility::Open,
        }
    }
}

/// A points rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its code, stable over versions (`PATROL`).
    pub code: String,
    /// The activity it rewards.
    pub family: ActivityFamily,
    /// Points for each verified activity.
    pub points: u32,
    /// Verified minutes it takes at least.
    #[serde(default)]
    pub minutes_min: u32,
    /// Days of public notice until the points can be spent.
    pub vesting_days: u32,
    /// Months after vesting until they expire; none: never.
    #[serde(default)]
    pub expiry_months: Option<u32>,
    /// Who may earn.
    pub who_may_earn: Vec<MemberKind>,
    /// Most points that a person can be granted by this rule in a period.
    #[serde(default)]
    pub caps: Vec<Cap>,
}

/// A bound on what a person can be granted by a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// The period it holds for.
    pub period: Period,
    /// Points.
    pub points: u32,
}

/// A period of the calendar in the unit's zone; weeks begin on Monday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// A day.
    Day,
    /// A week.
    Week,
    /// A month.
    Month,
    /// A year.
    Year,
}

impl PolicySet {
    /// Reads a policy set from TOML.
    ///
    /// # Errors
    /// What is wrong, with its line where the text is no such TOML, else naming the rule broken.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(format!("a policy set is at most {TEXT_BYTES_MAX} bytes"));
        }
        let set: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let good_name = (1..=60).contains(&set.name.len())
            && set
                .name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
        if !good_name {
            return Err("name: 1 to 60 of a-z, 0-9, '_' and '-'".to_owned());
        }
        if set.version == 0 {
            return Err("version: from 1".to_owned());
        }
        if set.rules.len() > RULES_MAX {
            return Err(format!("rule: at most {RULES_MAX}"));
        }
        set.timers.check()?;
        if let Some(mediation) = &set.mediation {
            mediation.check()?;
        }
        if let Some(leads) = set.leads {
            leads.check()?;
        }
        if let Some(redemption) = &set.redemption {
            redemption.check()?;
        }
        for (index, rule) in set.rules.iter().enumerate() {
            if rule.vesting_days > PERIOD_DAYS_MAX
                || rule
                    .expiry_months
                    .is_some_and(|months| months > PERIOD_DAYS_MAX / 28)
            {
                return Err(format!(
                    "rule {}: vesting or expiry beyond ten years",
                    rule.code
                ));
            }
            let twice = set.rules[..index]
                .iter()
                .any(|other| other.code == rule.code || other.family == rule.family);
            if twice {
                return Err(format!(
                    "rule {}: its code or family stands twice",
                    rule.code
                ));
            }
            let good_code = (1..=40).contains(&rule.code.len())
                && rule
                    .code
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b == b'_');
            if !good_code {
                return Err(format!(
                    "rule '{}': a code is 1 to 40 of A-Z and '_'",
                    rule.code
                ));
            }
            if rule.points > 100_000 {
                return Err(format!("rule {}: points: at most 100,000", rule.code));
            }
        }
        Ok(set)
    }

    /// The same, as whoever hands a policy set in is answered.
    ///
    /// # Errors
    /// `POLICY_SET_UNREADABLE`, saying what is wrong.
    pub fn read(text: &str) -> Result<Self, Stop> {
        let unreadable = |why| Refused {
            name: "POLICY_SET_UNREADABLE".to_owned(),
            kind: RefusalKind::Invalid,
            field: "text".into(),
            message: format!("This is no policy set: {why}").into(),
        };
        Self::parse(text).map_err(|why| unreadable(why).into())
    }

    /// `name/version`, as commits and awards name it.
    pub fn reference(&self) -> String {
        format!("{}/{}", self.name, self.version)
    }

    /// The rule for a family of activity.
    pub fn rule(&self, family: ActivityFamily) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.family == family)
    }
}

impl Timers {
    /// Every bound holds.
    fn check(&self) -> Result<(), String> {
        for (name, value, bound) in [
            (
                "hazard_red_hours",
                self.hazard_red_hours,
                PERIOD_DAYS_MAX * 24,
            ),
            (
                "hazard_yellow_hours",
                self.hazard_yellow_hours,
                PERIOD_DAYS_MAX * 24,
            ),
            (
                "hazard_blue_hours",
                self.hazard_blue_hours,
                PERIOD_DAYS_MAX * 24,
            ),
            (
                "hazard_report_up_hours",
                self.hazard_report_up_hours.unwrap_or_default(),
                PERIOD_DAYS_MAX * 24,
            ),
            (
                "hazard_reinspection_working_days",
                self.hazard_reinspection_working_days.unwrap_or_default(),
                WORKING_DAYS_MAX,
            ),
            (
                "check_in_grace_minutes",
                self.check_in_grace_minutes,
                24 * 60,
            ),
            ("shift_missed_minutes", self.shift_missed_minutes, 24 * 60),
            (
                "check_out_overdue_minutes",
                self.check_out_overdue_minutes,
                24 * 60,
            ),
            (
                "shift_dispute_days",
                self.shift_dispute_days.unwrap_or_default(),
                PERIOD_DAYS_MAX,
            ),
            ("back_date_days", self.back_date_days, PERIOD_DAYS_MAX),
        ] {
            if value > bound {
                return Err(format!("timers: {name}: at most {bound}"));
            }
        }
        Ok(())
    }
}

impl Mediation {
    /// Every bound holds.
    fn check(&self) -> Result<(), String> {
        for (name, days) in [
            ("days", self.days),
            ("confirmation_days", self.confirmation_days),
            ("follow_up_days", self.follow_up_days),
            ("notice_days", self.notice_days),
            ("archive_days", self.archive_days),
        ] {
            if days > PERIOD_DAYS_MAX {
                return Err(format!("mediation: {name}: at most {PERIOD_DAYS_MAX}"));
            }
        }
        let good_name = |office: &String| (1..=LEAD_OFFICE_BYTES_MAX).contains(&office.len());
        let count = self.lead_offices.len();
        if !(1..=LEAD_OFFICES_MAX).contains(&count) || !self.lead_offices.iter().all(good_name) {
            return Err(format!(
                "mediation: lead_offices: 1 to {LEAD_OFFICES_MAX} names of 1 to \
                 {LEAD_OFFICE_BYTES_MAX} bytes"
            ));
        }
        Ok(())
    }
}

/// One version and since when it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// From this instant on.
    pub from: Instant,
    /// The set.
    pub set: Arc<PolicySet>,
}

/// The policy sets of a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicySets {
    /// By instant, rising.
    pub versions: Vec<InForce>,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Command {
    /// Put a policy set into force in a unit.
    AdoptPolicySet {
        /// Where.
        unit: UnitId,
        /// Its full text (TOML).
        text: String,
        /// From when on; now if absent. Not in the past, but for the first set of a unit: that
        /// one may reach back to cover history that is imported.
        effective_from: Option<Instant>,
    },
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A policy set is in force in a unit and those below it.
    PolicySetEffective {
        /// Where.
        unit: UnitId,
        /// `name/version`.
        reference: String,
        /// Its full text (TOML).
        text: String,
        /// From when on.
        effective_from: Instant,
        /// Who put it into force.
        adopted_by: PersonId,
        /// True if done by the only administrator there was.
        bootstrap: bool,
    },
}

refusals! {
    /// Why it is refused.
    PolicySetAlreadyAdopted = AlreadyExists, "text", "This unit has a policy set of this name and version already; versions are immutable.";
    PolicySetVersionNotRising = Invalid, "text", "The version must be higher than that of the set in force.";
    EffectiveInThePast = Invalid, "effective_from", "A rule change takes effect from now on; only the first set of a unit may reach back.";
    EffectiveBeforeLatest = Invalid, "effective_from", "It must take effect after the set adopted before it.";
    NoPolicySet = WrongState, "unit_id", "No policy set is in force here at this time.";
}

impl PolicySets {
    /// The set in force in a unit at an instant: its own, else that of the unit above.
    ///
    /// # Errors
    /// `NO_POLICY_SET` if neither it nor any unit above has one.
    pub fn in_force(world: &World, unit: UnitId, at: Instant) -> Result<Arc<PolicySet>, Stop> {
        for unit in Unit::path(world, unit, at)? {
            let sets = world.state::<Self>(unit)?;
            if let Some(found) = sets
                .versions
                .iter()
                .rev()
                .find(|version| version.from <= at)
            {
                return Ok(Arc::clone(&found.set));
            }
        }
        Err(Refusal::NoPolicySet.into())
    }

    /// True if `at` lies within the back-date window of the set in force now.
    pub fn within_back_date_window(
        world: &World,
        unit: UnitId,
        at: Instant,
        cx: &Context,
    ) -> Result<bool, Stop> {
        let days = Self::in_force(world, unit, cx.now)?.timers.back_date_days;
        Ok(at >= cx.now - chrono::Duration::days(i64::from(days)))
    }
}

impl Aggregate for PolicySets {
    const CATEGORY: &'static str = "policy_set";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        let Command::AdoptPolicySet { unit, .. } = command;
        Self::stream(unit)
    }

    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        let Command::AdoptPolicySet {
            unit,
            text,
            effective_from,
        } = command;
        let (adopted_by, bootstrap) = Genesis::administrator(world, cx)?;
        Unit::taking(world, *unit, effective_from.unwrap_or(cx.now))?;
        let set = PolicySet::read(text)?;
        let from = effective_from.unwrap_or(cx.now);
        let adopted = world.state::<Self>(unit)?;
        if adopted
            .versions
            .iter()
            .any(|version| version.set.reference() == set.reference())
        {
            return Err(Refusal::PolicySetAlreadyAdopted.into());
        }
        if let Some(latest) = adopted.versions.last() {
            if latest.set.name == set.name && latest.set.version >= set.version {
                return Err(Refusal::PolicySetVersionNotRising.into());
            }
            if from < cx.now {
                return Err(Refusal::EffectiveInThePast.into());
            }
            if from <= latest.from {
                return Err(Refusal::EffectiveBeforeLatest.into());
            }
        }
        let mut envelope = Envelope::at(cx.now);
        envelope.unit = Some(unit.0);
        let event = Event::PolicySetEffective {
            unit: *unit,
            reference: set.reference(),
            text: text.clone(),
            effective_from: from,
            adopted_by,
            bootstrap,
        };
        Ok(Decision::new().with::<Self>(unit, event, envelope))
    }

    fn evolve(&mut self, event: &Event, _: &Stamp) {
        let Event::PolicySetEffective {
            text,
            effective_from,
            ..
        } = event;
        // The text was read before it was stored; one of another version is left out.
        if let Ok(set) = PolicySet::parse(text) {
            self.versions.push(InForce {
                from: *effective_from,
                set: Arc::new(set),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PILOT: &str = include_str!("../../../policies/pilot.toml");

    #[test]
    fn the_pilots_four_rules_give_50_points_each() {
        let set = PolicySet::parse(PILOT).expect("the shipped set");
        let rules: Vec<_> = set
            .rules
            .iter()
            .map(|rule| (rule.code.as_str(), rule.points))
            .collect();
        let codes = ["PATROL", "LEAD_VALID", "PUBLICITY", "MEDIATION_HELP"];
        assert_eq!(rules, codes.map(|code| (code, 50)));
    }

    #[test]
    fn a_set_out_of_bounds_is_refused_naming_the_rule() {
        for (from, to, names) in [
            ("version = 1", "version = 0", "version"),
            ("name = \"pilot\"", "name = \"The Pilot\"", "name"),
            (
                "hazard_red_hours = 2",
                "hazard_red_hours = 4000000000",
                "hazard_red_hours",
            ),
            (
                "back_date_days = 7",
                "back_date_days = 4000000000",
                "back_date_days",
            ),
            (
                "hazard_reinspection_working_days = 2",
                "hazard_reinspection_working_days = 367",
                "hazard_reinspection_working_days",
            ),
            ("archive_days = 7", "archive_days = 4000", "archive_days"),
            ("hold_minutes = 15", "hold_minutes = 1441", "hold_minutes"),
            ("return_days = 14", "return_days = 4000", "return_days"),
            ("[\"command hub\"", "[\"\"", "lead_offices"),
            ("invalid_max = 3", "invalid_max = 0", "invalid_max"),
            ("invalid_days = 30", "invalid_days = 4000", "invalid_days"),
            ("vesting_days = 7", "vesting_days = 4000", "vesting"),
            ("points = 50", "points = 100001", "points"),
            ("points = 50", "points = 0.5", "points"),
            ("code = \"PUBLICITY\"", "code = \"PATROL\"", "twice"),
            ("[timers]", "[timers]\nsurprise = 1", "surprise"),
        ] {
            assert!(PILOT.contains(from), "{from}");
            let refused = PolicySet::parse(&PILOT.replacen(from, to, 1)).expect_err(to);
            assert!(refused.contains(names), "{refused} should name {names}");
        }
    }
}
