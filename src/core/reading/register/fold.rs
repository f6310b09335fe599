//! A channel's readings one after the other: which of them are believed, and what each adds.

use crate::core::reading::register::{Level, Register};

/// What somebody decided about a reading that is under suspicion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is right, and adds this much; without a number what [`Register::accepting`] says.
    Accepted { increment: Option<i64> },
    /// It adds nothing. Whether the register went on from it is for the next readings to say.
    Dismissed,
}

/// What is wrong with a reading that does not follow from the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It ran faster than the metric allows.
    Jump,
    /// It is lower, and no rollover.
    Decrease,
    /// It is zero, without a replacement: what a meter shows that was reset.
    Reset,
}

/// Why a reading is not believed by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspicion {
    pub doubt: Doubt,
    /// What was last believed before it.
    pub trusted: Level,
    /// Whether it only repeats the suspicious value directly before it.
    pub repeated: bool,
    /// What it adds when it is accepted without a number.
    pub accepting: i64,
}

/// What a reading is worth after those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What it adds to usage, scaled.
    pub increment: i64,
    /// None for a reading that is believed.
    pub suspicion: Option<Suspicion>,
    /// Whether it follows from what was trusted, past suspicious readings: these were wrong then.
    pub clears: bool,
}

/// What is known of a channel after some of its readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    /// What was last believed; none before the first reading.
    pub trusted: Option<Level>,
    /// The reading directly before, if that is not believed.
    pub suspect: Option<Level>,
}

impl State {
    /// After a reading: what it does not follow from, if it is suspicious, and what was decided about it.
    pub fn after(reading: Level, suspected_after: Option<Level>, decision: Option<Decision>) -> Self {
        match (suspected_after, decision) {
            (Some(trusted), Some(Decision::Dismissed) | None) => {
                Self { trusted: Some(trusted), suspect: Some(reading) }
            }
            (Some(_), Some(Decision::Accepted { .. })) | (None, _) => Self { trusted: Some(reading), suspect: None },
        }
    }
}

/// Takes a channel's readings in their order.
///
/// A reading that follows from the trusted level is believed: its increment counts, and it is the trusted level then. One
/// that does not is suspect and adds nothing, unless it is accepted. What comes after a suspect shows what that was: a
/// reading that follows from the trusted level, a slip (500, 0, 510); one that follows from the suspect, where the register
/// is now (500, 0, 5).
#[derive(Debug, Clone)]
pub struct Fold<'a> {
    register: &'a Register,
    pub state: State,
}

impl<'a> Fold<'a> {
    /// Goes on after what is known; `State::default()` before a channel's first reading.
    pub fn new(register: &'a Register, state: State) -> Self {
        Self { register, state }
    }

    /// The next reading, and what was decided about it, which only matters while it is suspicious.
    pub fn next(&mut self, reading: Level, decision: Option<Decision>) -> Standing {
        let start = || self.register.replaced_by(reading.at).map(Level::start);
        let Some(trusted) = self.state.trusted.or_else(start) else {
            return self.believe(reading, 0, false);
        };
        let suspect = self.state.suspect;
        let repeated = suspect.is_some_and(|suspect| self.repeats(suspect, reading));
        if !repeated && let Some((increment, clears)) = self.believed(trusted, suspect, reading) {
            return self.believe(reading, increment, clears);
        }
        let accepting = self.register.accepting(trusted, reading);
        let suspicion = Suspicion { doubt: self.doubt(trusted, reading), trusted, repeated, accepting };
        self.state = State::after(reading, Some(trusted), decision);
        let increment = match decision {
            Some(Decision::Accepted { increment }) => increment.unwrap_or(accepting),
            Some(Decision::Dismissed) | None => 0,
        };
        Standing { increment, suspicion: Some(suspicion), clears: false }
    }

    fn believe(&mut self, reading: Level, increment: i64, clears: bool) -> Standing {
        self.state = State::after(reading, None, None);
        Standing { increment, suspicion: None, clears }
    }

    /// What a reading adds if it follows from what is trusted or from the suspect, and whether it clears that up.
    fn believed(&self, trusted: Level, suspect: Option<Level>, reading: Level) -> Option<(i64, bool)> {
        let from_trusted = || self.register.follows(trusted, reading).map(|increment| (increment, suspect.is_some()));
        let from_suspect = || Some((self.register.follows(suspect?, reading)?, false));
        // Once enough time has passed, whatever lies beyond a jump would follow from before it, and the jump would
        // count without anybody having decided.
        if suspect.is_some_and(|suspect| self.lies_beyond_jump(trusted, suspect, reading)) {
            return from_suspect();
        }
        from_trusted().or_else(from_suspect)
    }

    fn lies_beyond_jump(&self, trusted: Level, suspect: Level, reading: Level) -> bool {
        let (jump, now) = (self.register.advance(trusted, suspect), self.register.advance(trusted, reading));
        jump.is_some_and(|jump| now.is_some_and(|now| now >= jump))
    }

    /// A wrong value often comes several times; a register that stands still says nothing new.
    fn repeats(&self, suspect: Level, reading: Level) -> bool {
        suspect.value == reading.value && self.register.between(suspect, reading).is_empty()
    }

    fn doubt(&self, trusted: Level, reading: Level) -> Doubt {
        let is_reading = trusted.event_key != i64::MIN;
        if self.register.advance(trusted, reading).is_some() {
            Doubt::Jump
        } else if reading.value == 0 && is_reading && self.register.between(trusted, reading).is_empty() {
            Doubt::Reset
        } else {
            Doubt::Decrease
        }
    }
}
