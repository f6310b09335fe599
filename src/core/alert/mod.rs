//! When an alert fires and resolves: figures of periods, compared with steps, and what is remembered from one look to the
//! next.
//!
//! Each period passes its steps for itself, so a late reading may make one fire or resolve that has long ended. What
//! stands is told once: a later period that passes a step while an earlier one stands joins it in silence, unless each step
//! is told of each period.

#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::core::decimal::Scaled;
use crate::core::period::Period;

/// Most decimals and digits of a step.
const MAX_SCALE: u8 = 9;
const MAX_DIGITS: u32 = 18;

/// A figure, exactly: `value / per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figure {
    pub value: Scaled,
    /// Greater than 0.
    pub per: i128,
}

/// On which side of a step figures pass it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Above,
    /// At the step or above it.
    Reached,
    Below,
}

/// What makes an alert fire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub side: Side,
    /// One at least, in the order in which they are passed.
    pub steps: Vec<Scaled>,
    /// What a figure must come back to, once it has passed the first step; that step itself where there is none.
    pub resolve: Option<Scaled>,
    /// For how long a step must have been passed before it is told.
    pub hold: TimeDelta,
    /// Whether each step is told of each period, once, rather than what stands once.
    pub each_step: bool,
}

/// A figure at which an alert looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// None where it is of no period, but of now.
    pub period: Option<Period>,
    /// From when on the period can be judged: from its start on, or from its end on.
    pub opens: DateTime<Utc>,
    /// None where there is no reading to tell it from.
    pub figure: Option<Figure>,
}

/// What is remembered of an alert between two looks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// When it was first looked at: periods that ended before are not judged.
    pub since: Option<DateTime<Utc>>,
    /// Periods that passed a step, in order.
    passed: Vec<Passed>,
}

/// A period that passed a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Passed {
    period: Option<Period>,
    /// How many steps are passed now; 0 where each step is told once and it came back.
    level: usize,
    /// How many were told.
    told: usize,
    /// When it passed one, as was seen.
    begun: DateTime<Utc>,
    /// When it began to stand; none while it does not.
    stands_since: Option<DateTime<Utc>>,
    /// Whether it stood or waited until a later period came.
    is_over: bool,
}

/// How it stands with an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Firing,
    Resolved,
}

/// Why an alert resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The figure came back.
    Back,
    /// A later period began, or ended, without passing a step.
    Over,
}

/// Something to be told of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    pub state: State,
    pub period: Option<Period>,
    /// The step that was passed, from 0; none for what resolved.
    pub step: Option<usize>,
    /// As it was looked at; none where it was not, or there is none.
    pub figure: Option<Figure>,
    /// Whether a later period was judged already when this one came to be beyond, or came back.
    pub is_late: bool,
    /// Why it resolved; none for what fires.
    pub reason: Option<Reason>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadStep {
    #[error("not a decimal number")]
    NotANumber,
    #[error("more than {MAX_DIGITS} digits or {MAX_SCALE} decimals")]
    TooLong,
}

/// Reads a plain decimal, as `-12.50`, with the decimals that it has.
pub fn step(text: &str) -> Result<Scaled, BadStep> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(decimals) {
        return Err(BadStep::NotANumber);
    }
    let decimals = if digits.contains('.') { decimals } else { "" };
    if decimals.len() > usize::from(MAX_SCALE) || digits.len() > MAX_DIGITS as usize + 1 {
        return Err(BadStep::TooLong);
    }
    let units = format!("{whole}{decimals}").parse::<i128>().map_err(|_| BadStep::TooLong)?;
    let sign = if text.starts_with('-') { -1 } else { 1 };
    Ok(Scaled::new(sign * units, decimals.len() as u8))
}

impl Figure {
    pub fn whole(value: Scaled) -> Self {
        Self { value, per: 1 }
    }

    /// How many percent `part` is of `all`; none where there is nothing.
    pub fn percent(part: i64, all: i64) -> Option<Self> {
        (all > 0).then(|| Self { value: Scaled::new(i128::from(part) * 100_000, 3), per: all.into() })
    }

    /// As a decimal: exact where it is of one, else rounded half to even.
    pub fn shown(&self) -> Scaled {
        self.value.divided_by(self.per)
    }

    /// Exact up to what 128 bits hold, which sums of readings and steps are far from.
    fn compare(&self, step: Scaled) -> Ordering {
        let own = self.value.units.saturating_mul(power(step.scale));
        own.cmp(&step.units.saturating_mul(power(self.value.scale)).saturating_mul(self.per))
    }
}

fn power(scale: u8) -> i128 {
    10_i128.saturating_pow(u32::from(scale))
}

impl Rule {
    /// How many steps a figure has passed that had passed `before`.
    fn level(&self, figure: &Figure, before: usize) -> usize {
        let passes = |step: Scaled| match self.side {
            Side::Above => figure.compare(step).is_gt(),
            Side::Reached => figure.compare(step).is_ge(),
            Side::Below => figure.compare(step).is_lt(),
        };
        let level = self.steps.iter().take_while(|step| passes(**step)).count();
        if level == 0 && before > 0 && self.resolve.is_some_and(passes) { 1 } else { level }
    }

    /// Looks at figures, in order of their periods, and tells what happened since the last look. A period that is not
    /// among them is as it was.
    pub fn judge(&self, memory: &mut Memory, looks: &[Look], now: DateTime<Utc>) -> Vec<Transition> {
        memory.since.get_or_insert(now);
        let mut told = self.come_back(memory, looks, now);
        told.extend(self.pass_over(memory, looks));
        told.extend(self.fire(memory, looks, now));
        told
    }

    /// Brings levels up to the figures; what stood and came back is told.
    fn come_back(&self, memory: &mut Memory, looks: &[Look], now: DateTime<Utc>) -> Vec<Transition> {
        let mut told = Vec::new();
        for look in looks {
            let place = memory.passed.binary_search_by_key(&look.period, |passed| passed.period);
            let before = place.map_or(0, |place| memory.passed[place].level);
            let level = look.figure.as_ref().map_or(0, |figure| self.level(figure, before));
            match place {
                Err(_) if level == 0 => {}
                Err(place) => memory.passed.insert(place, Passed::new(look.period, level, now)),
                Ok(place) if level == 0 => {
                    let passed = &mut memory.passed[place];
                    if passed.stands_since.take().is_some() && passed.told > 0 {
                        told.push(Transition::resolved(look.period, Reason::Back, looks));
                    }
                    passed.level = 0;
                    if !self.each_step {
                        memory.passed.remove(place);
                    }
                }
                Ok(place) => {
                    let passed = &mut memory.passed[place];
                    // Further steps are told of a period that is over, too.
                    let is_more = self.each_step && level > passed.level.max(passed.told);
                    if passed.level == 0 || is_more {
                        passed.begun = now;
                        passed.is_over = false;
                    }
                    passed.level = level;
                }
            }
        }
        told
    }

    /// What a later period has come after stands no longer. That period must have become one to be judged since.
    fn pass_over(&self, memory: &mut Memory, looks: &[Look]) -> Vec<Transition> {
        let level = |period| memory.passed.iter().find(|passed| passed.period == period).map_or(0, |p| p.level);
        let quiet: Vec<_> = looks
            .iter()
            .filter(|look| self.each_step || (look.figure.is_some() && level(look.period) == 0))
            .map(|look| (look.period, look.opens))
            .collect();
        let mut told = Vec::new();
        // A step that is still to be told of the period is told first.
        let awaits_step = |passed: &Passed| self.each_step && passed.level > passed.told;
        let stands = |passed: &&mut Passed| passed.level > 0 && !passed.is_over && !awaits_step(passed);
        for passed in memory.passed.iter_mut().filter(stands) {
            let since = passed.stands_since.unwrap_or(passed.begun);
            if quiet.iter().any(|(period, opens)| *period > passed.period && *opens > since) {
                passed.is_over = true;
                if passed.stands_since.take().is_some() && passed.told > 0 {
                    told.push(Transition::resolved(passed.period, Reason::Over, looks));
                }
            }
        }
        told
    }

    fn fire(&self, memory: &mut Memory, looks: &[Look], now: DateTime<Utc>) -> Vec<Transition> {
        let mut told = Vec::new();
        let mut stands = false;
        for passed in memory.passed.iter_mut().filter(|passed| passed.level > 0 && !passed.is_over) {
            if passed.stands_since.is_none() && now - passed.begun >= self.hold {
                // A step that was told of this period does not fire again.
                if !self.each_step || passed.level > passed.told {
                    passed.stands_since = Some(now);
                }
            }
            if passed.stands_since.is_none() {
                continue;
            }
            let due = if self.each_step {
                passed.told..passed.level
            } else {
                // The first that stands has to be told, the others joined it.
                passed.told..usize::from(!stands || passed.told > 0)
            };
            passed.told = passed.told.max(due.end);
            told.extend(due.map(|step| Transition::firing(passed.period, step, looks)));
            stands = true;
        }
        told
    }
}

impl Memory {
    /// Whether anything stands.
    pub fn fires(&self) -> bool {
        self.passed.iter().any(|passed| passed.stands_since.is_some())
    }

    /// Forgets periods before one, but for what stands and was told.
    pub fn forget_before(&mut self, period: Period) {
        self.passed
            .retain(|passed| passed.period >= Some(period) || (passed.stands_since.is_some() && passed.told > 0));
    }
}

impl Passed {
    fn new(period: Option<Period>, level: usize, now: DateTime<Utc>) -> Self {
        Self { period, level, told: 0, begun: now, stands_since: None, is_over: false }
    }
}

impl Transition {
    fn firing(period: Option<Period>, step: usize, looks: &[Look]) -> Self {
        Self { step: Some(step), ..Self::new(State::Firing, period, looks) }
    }

    fn resolved(period: Option<Period>, reason: Reason, looks: &[Look]) -> Self {
        let new = Self::new(State::Resolved, period, looks);
        Self { reason: Some(reason), is_late: new.is_late && reason == Reason::Back, ..new }
    }

    fn new(state: State, period: Option<Period>, looks: &[Look]) -> Self {
        let figure = looks.iter().find(|look| look.period == period).and_then(|look| look.figure);
        let is_late = looks.last().is_some_and(|last| last.period > period);
        Self { state, period, step: None, figure, is_late, reason: None }
    }
}

/// Whether one number is at most another.
pub fn at_most(one: Scaled, other: Scaled) -> bool {
    Figure::whole(one).compare(other).is_le()
}
