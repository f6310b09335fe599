//! What the increments and reviews of registers must be, from all that is stored at once: the rules once more, as plainly as
//! they can be said, sharing no code with the server.

use sqlx::PgConnection;

/// What a meter showed, and what was decided about it. In microseconds and scaled units.
#[derive(Debug, Clone)]
pub struct Shown {
    pub at: i64,
    pub value: i64,
    pub decision: Option<Decision>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// With what it adds, where somebody said that.
    Accepted(Option<i64>),
    Dismissed,
}

#[derive(Debug, Clone, Default, sqlx::FromRow)]
pub struct Meter {
    pub channel_id: i32,
    pub rollover_at: Option<i64>,
    pub max_per_hour: Option<i64>,
    /// Instant, last value of the old one, first value of the new one.
    #[sqlx(skip)]
    pub replaced: Vec<(i64, i64, i64)>,
}

/// A reading as it is stored.
#[derive(Debug, Clone, sqlx::FromRow)]
struct Reading {
    channel_id: i32,
    at: i64,
    value: i64,
    increment: i64,
    /// Null where the reading was never suspicious.
    state: Option<String>,
    kind: Option<String>,
    decision: Option<String>,
    decided: Option<i64>,
}

const READINGS: &str = "
    SELECT r.channel_id, (extract(epoch FROM r.ts) * 1000000)::bigint AS at, r.value, r.increment,
           v.state, v.kind, v.decision, v.increment AS decided
    FROM reading r LEFT JOIN review v USING (channel_id, ts, event_key) ORDER BY channel_id, ts, event_key";
const METERS: &str = "
    SELECT channel_id, rollover_at, max_per_hour FROM channel JOIN metric USING (metric_id) WHERE kind = 'register'
    ORDER BY channel_id";
const REPLACED: &str = "
    SELECT channel_id, (extract(epoch FROM at) * 1000000)::bigint, final_value, initial_value
    FROM replacement ORDER BY channel_id, at";

/// Each register with its readings, and what these must be.
async fn lives(db: &mut PgConnection) -> Vec<(Meter, Vec<Reading>, Vec<(i64, Option<Doubt>)>)> {
    let readings: Vec<Reading> = sqlx::query_as(READINGS).fetch_all(&mut *db).await.unwrap();
    let meters: Vec<Meter> = sqlx::query_as(METERS).fetch_all(&mut *db).await.unwrap();
    let replaced: Vec<(i32, i64, i64, i64)> = sqlx::query_as(REPLACED).fetch_all(&mut *db).await.unwrap();
    let life = |mut meter: Meter| {
        let of_meter = replaced.iter().filter(|(channel, ..)| *channel == meter.channel_id);
        meter.replaced = of_meter.map(|(_, at, last, first)| (*at, *last, *first)).collect();
        let mine: Vec<Reading> = readings.iter().filter(|r| r.channel_id == meter.channel_id).cloned().collect();
        let expected = meter.life(&mine.iter().map(Reading::shown).collect::<Vec<_>>());
        (meter, mine, expected)
    };
    meters.into_iter().map(life).collect()
}

/// Compares every increment and every review that is stored with what it must be; returns how many readings are under
/// suspicion.
pub async fn check(db: &mut PgConnection) -> usize {
    let mut suspicious = 0;
    for (meter, mine, expected) in lives(db).await {
        for (place, (reading, (increment, doubt))) in mine.iter().zip(expected).enumerate() {
            let (kind, state) = doubt.map_or((None, None), |(kind, state)| (Some(kind), Some(state)));
            let state = state.or(reading.state.as_deref().map(|_| "withdrawn"));
            let found = (reading.increment, reading.state.as_deref());
            assert_eq!(found, (increment, state), "reading {place} of {meter:?} {mine:#?}");
            if kind.is_some() {
                assert_eq!(reading.kind.as_deref(), kind, "reading {place} of {meter:?} {mine:#?}");
                suspicious += 1;
            }
        }
    }
    suspicious
}

/// The increments that are not what they must be, as they are stored and as they must be.
pub async fn wrong_increments(db: &mut PgConnection) -> Vec<(i64, i64)> {
    let lives = lives(db).await;
    let readings = lives.iter().flat_map(|(_, mine, expected)| mine.iter().zip(expected));
    readings
        .map(|(reading, (increment, _))| (reading.increment, *increment))
        .filter(|(kept, right)| kept != right)
        .collect()
}

/// What a suspicious reading is, and how it stands with it.
pub type Doubt = (&'static str, &'static str);

impl Reading {
    fn shown(&self) -> Shown {
        let decision = self.decision.as_deref().map(|decision| match decision {
            "accepted" => Decision::Accepted(self.decided),
            _ => Decision::Dismissed,
        });
        Shown { at: self.at, value: self.value, decision }
    }
}

impl Meter {
    /// The increment of each reading, and what is wrong with it; readings come in their order.
    pub fn life(&self, readings: &[Shown]) -> Vec<(i64, Option<Doubt>)> {
        let mut found: Vec<(i64, Option<Doubt>)> = Vec::new();
        // Where the register was last for sure: before which reading, when, at which value.
        let mut sure: Option<(usize, i64, i64)> = None;
        for (place, reading) in readings.iter().enumerate() {
            let (at, value) = (reading.at, reading.value);
            let begin = self.replaced.iter().rfind(|(when, ..)| *when <= at);
            let Some((since, then, level)) = sure.or(begin.map(|(when, _, first)| (place, *when, *first))) else {
                found.push((0, None));
                sure = Some((place + 1, at, value));
                continue;
            };
            let suspect = (place > since).then(|| &readings[place - 1]);
            let new_meter = |from: i64| self.replaced.iter().any(|(when, ..)| from < *when && *when <= at);
            let same = suspect.is_some_and(|s| s.value == value && !new_meter(s.at));
            let from_sure = self.distance((then, level), (at, value));
            let from_suspect = suspect.and_then(|s| self.distance((s.at, s.value), (at, value)));
            let jumped = suspect.and_then(|s| self.distance((then, level), (s.at, s.value)));
            let beyond = jumped.is_some() && from_sure.is_some_and(|now| now >= jumped.unwrap());
            let slow = |from: i64, run: Option<i64>| run.filter(|run| self.in_time(at - from, *run));
            let good = (!same && !beyond).then(|| slow(then, from_sure)).flatten();
            let moved = suspect.filter(|_| !same).and_then(|s| slow(s.at, from_suspect));
            if let Some(run) = good {
                for (_, doubt) in &mut found[since..] {
                    *doubt = doubt.map(|(kind, state)| (kind, if state == "dismissed" { state } else { "withdrawn" }));
                }
                found.push((run, None));
                sure = Some((place + 1, at, value));
            } else if let Some(run) = moved {
                found.push((run, None));
                sure = Some((place + 1, at, value));
            } else {
                let began = since == 0;
                let kind = match from_sure {
                    Some(_) => "jump",
                    None if value == 0 && !began && !new_meter(then) => "reset",
                    None => "decrease",
                };
                sure = Some((since, then, level));
                let state = match (reading.decision, same, kind) {
                    (Some(Decision::Accepted(_)), ..) => "accepted",
                    (Some(Decision::Dismissed), ..) => "dismissed",
                    (None, true, _) => "repeated",
                    (None, false, "reset") => "explained",
                    _ => "open",
                };
                let adds = match reading.decision {
                    Some(Decision::Accepted(number)) => {
                        number.unwrap_or_else(|| self.all_of_it((then, level), (at, value)))
                    }
                    _ => 0,
                };
                if state == "accepted" {
                    sure = Some((place + 1, at, value));
                }
                found.push((adds, Some((kind, state))));
            }
        }
        found
    }

    /// Each meter's way between two instants: value at its beginning and at its end.
    fn ways(&self, (from, start): (i64, i64), (to, end): (i64, i64)) -> Vec<(i64, i64)> {
        let mut ways = vec![(start, end)];
        for (_, last, first) in self.replaced.iter().filter(|(at, ..)| from < *at && *at <= to) {
            let way = ways.pop().unwrap();
            ways.extend([(way.0, *last), (*first, end)]);
        }
        ways
    }

    fn way(&self, (start, end): (i64, i64)) -> Option<i64> {
        let over_the_end = self.rollover_at.map(|rollover_at| end + rollover_at - start);
        match over_the_end {
            _ if end >= start => Some(end - start),
            Some(run) if end >= 0 && self.rollover_at > Some(start) && run < start - end => Some(run),
            _ => None,
        }
    }

    fn distance(&self, from: (i64, i64), to: (i64, i64)) -> Option<i64> {
        self.ways(from, to).into_iter().map(|way| self.way(way)).sum()
    }

    /// The increment of a reading that is accepted without a number.
    fn all_of_it(&self, from: (i64, i64), to: (i64, i64)) -> i64 {
        let ways = self.ways(from, to);
        let (last, others) = ways.split_last().unwrap();
        let others: i64 = others.iter().map(|way| self.way(*way).unwrap_or(0)).sum();
        others + self.way(*last).unwrap_or(to.1.max(0))
    }

    fn in_time(&self, micros: i64, run: i64) -> bool {
        self.max_per_hour.is_none_or(|most| i128::from(run) * 3_600_000_000 <= i128::from(most) * i128::from(micros))
    }
}
