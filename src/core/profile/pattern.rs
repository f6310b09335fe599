//! Patterns of models and firmware: `*` stands for any text, also none, and `?` for one character. All else is itself.

use std::fmt;
use std::str::FromStr;

/// Longest pattern, in characters.
pub const MAX_LENGTH: usize = 128;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    #[error("1 to {MAX_LENGTH} characters")]
    Length,
    #[error("a control character")]
    Control,
}

impl Pattern {
    /// The pattern as SQL's LIKE has it.
    pub fn like(&self) -> String {
        let mut like = String::with_capacity(self.0.len());
        for c in self.0.chars() {
            match c {
                '*' => like.push('%'),
                '?' => like.push('_'),
                '%' | '_' | '\\' => like.extend(['\\', c]),
                _ => like.push(c),
            }
        }
        like
    }

    /// How much it says: its characters that stand for themselves.
    pub fn literals(&self) -> usize {
        self.0.chars().filter(|c| !['*', '?'].contains(c)).count()
    }
}

impl FromStr for Pattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        match text.chars().count() {
            1..=MAX_LENGTH if text.contains(char::is_control) => Err(BadPattern::Control),
            1..=MAX_LENGTH => Ok(Self(text.to_owned())),
            _ => Err(BadPattern::Length),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_likes_own_characters_are_is_escaped() {
        let pattern: Pattern = "MB-0?_5%*\\".parse().unwrap();
        assert_eq!((pattern.like().as_str(), pattern.literals()), ("MB-0_\\_5\\%%\\\\", 8));
        assert_eq!(pattern.to_string(), "MB-0?_5%*\\");
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        assert_eq!("".parse::<Pattern>(), Err(BadPattern::Length));
        assert_eq!("é".repeat(129).parse::<Pattern>(), Err(BadPattern::Length));
        assert!("é".repeat(128).parse::<Pattern>().is_ok());
        assert_eq!("a\0".parse::<Pattern>(), Err(BadPattern::Control));
    }
}
