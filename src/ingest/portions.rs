//! A large request is stored over several connections at once, each of which has a portion of the devices.
//!
//! Each stores its portion of all requests that are stored together. Readings of one channel stand side by side in the index:
//! to find the place costs about as much for one of them as for several, and it is most of what storing costs where channels
//! are many. Whole requests beside each other would find each place once for each request.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::core::entity::Ref;
use crate::core::reading::Item;
use crate::ingest::queue::SMALL;
use crate::ingest::verdict::Verdict;

/// Readings of a portion from which on a request is divided: fewer do not pay for a transaction more.
const MANY: usize = 1_000;

/// Who divides requests, all in the same way.
#[derive(Debug)]
pub struct Divider {
    portions: usize,
    hasher: RandomState,
}

/// Readings of a request: all of them, or a portion, of which others have the rest. They stay where they are.
#[derive(Debug, Clone)]
pub struct Readings {
    all: Arc<Vec<Item>>,
    /// Where among all they are; none for all of them.
    places: Option<Arc<[u32]>>,
}

/// Which portion each reading of a request is in; none where all are in one.
#[derive(Debug)]
pub struct Division(Option<Vec<usize>>);

impl From<Vec<Item>> for Readings {
    fn from(items: Vec<Item>) -> Self {
        Self { all: Arc::new(items), places: None }
    }
}

impl Readings {
    pub fn len(&self) -> usize {
        self.places.as_ref().map_or(self.all.len(), |places| places.len())
    }

    pub fn iter(&self) -> impl Iterator<Item = &Item> + Clone {
        (0..self.len()).map(|n| match &self.places {
            Some(places) => &self.all[places[n] as usize],
            None => &self.all[n],
        })
    }
}

impl Divider {
    pub fn new(portions: usize) -> Self {
        Self { portions, hasher: RandomState::default() }
    }

    /// How many there are.
    pub fn portions(&self) -> usize {
        self.portions
    }

    /// The portions of a request, one of which is all of it where it is not worth dividing.
    pub fn divide(&self, items: &Arc<Vec<Item>>) -> (Vec<Readings>, Division) {
        let whole = Readings { all: items.clone(), places: None };
        let numbers = if self.portions < 2 || items.len() < MANY * self.portions { None } else { self.numbers(items) };
        let Some(numbers) = numbers else {
            return (vec![whole], Division(None));
        };
        let mut places = vec![Vec::with_capacity(items.len() / self.portions * 5 / 4); self.portions];
        for (number, place) in numbers.iter().zip(0..) {
            places[*number].push(place);
        }
        let portion = |places: Vec<u32>| Readings { places: Some(places.into()), ..whole.clone() };
        (places.into_iter().map(portion).collect(), Division(Some(numbers)))
    }

    /// The portion of each reading; none where one of them would have few.
    fn numbers(&self, items: &[Item]) -> Option<Vec<usize>> {
        let mut sizes = vec![0; self.portions];
        let (mut numbers, mut keys) = (Vec::with_capacity(items.len()), 0);
        for item in items {
            let number = match &item.reading {
                Ok(reading) => {
                    keys += usize::from(matches!(reading.device, Ref::Key(_)));
                    (self.hasher.hash_one(&reading.device) % self.portions as u64) as usize
                }
                Err(_) => 0,
            };
            sizes[number] += 1;
            numbers.push(number);
        }
        // A device that is named in two ways would be in two portions, and which of its readings comes first left to chance.
        let one_way = keys == 0 || keys == items.iter().filter(|item| item.reading.is_ok()).count();
        (one_way && sizes.iter().all(|size| *size > SMALL)).then_some(numbers)
    }
}

impl Division {
    /// The verdicts of a request from those of its portions; none where they are not as many as its readings.
    pub fn join(self, mut portions: Vec<Vec<Verdict>>) -> Option<Vec<Verdict>> {
        let Some(numbers) = self.0 else { return portions.pop() };
        let mut portions: Vec<_> = portions.into_iter().map(Vec::into_iter).collect();
        numbers.into_iter().map(|number| portions.get_mut(number)?.next()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use chrono::Utc;
    use proptest::prelude::*;

    use super::*;
    use crate::core::reading::{Code, Format, Reason, parse};

    fn request(devices: impl IntoIterator<Item = String>) -> Vec<Item> {
        let rows =
            devices.into_iter().zip(0..).map(|(device, value)| format!("{device},energy,2026-01-01T00:00:00Z,{value}"));
        let body = ["device,metric,at,value".to_owned()].into_iter().chain(rows).collect::<Vec<_>>().join("\n");
        parse(body.as_bytes(), Format::Csv, Utc::now()).expect("readings")
    }

    /// As if all were stored, but that each verdict tells of which reading it is.
    fn verdicts(readings: &Readings) -> Vec<Verdict> {
        let told = |item: &Item| match &item.reading {
            Ok(reading) => Verdict::Conflict(Reason::new(Code::ValueDiffers, reading.value.to_string())),
            Err(reason) => Verdict::Rejected(reason.clone()),
        };
        readings.iter().map(told).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_request_of_its_portions_is_as_it_was(
            portions in 1..5_usize, devices in 1..300_usize, readings in 1..9_000_usize, sound in 2..50_usize,
        ) {
            // Some names are no keys: those readings are rejected.
            let name = |n: usize| if n.is_multiple_of(sound) { "not a key".to_owned() } else { format!("meter-{}", n % devices) };
            let items = Arc::new(request((0..readings).map(name)));
            let (divided, division) = Divider::new(portions).divide(&items);
            prop_assert!(divided.len() == 1 || divided.len() == portions);
            let mut of_device = HashMap::new();
            for (number, portion) in divided.iter().enumerate() {
                prop_assert!(divided.len() == 1 || portion.len() > SMALL);
                for reading in portion.iter().flat_map(|item| &item.reading) {
                    prop_assert_eq!(*of_device.entry(reading.device.clone()).or_insert(number), number);
                }
            }
            prop_assert_eq!(divided.iter().map(Readings::len).sum::<usize>(), items.len());
            let joined = division.join(divided.iter().map(verdicts).collect());
            prop_assert_eq!(joined, Some(verdicts(&Readings { all: items, places: None })));
        }
    }

    #[test]
    fn a_device_is_in_the_same_portion_of_every_request() {
        let divider = Divider::new(3);
        let requests = [6_000, 9_000].map(|number| request((0..number).map(|n| format!("meter-{n}"))));
        let requests = requests.map(|items| divider.divide(&Arc::new(items)).0);
        let mut of_device = HashMap::new();
        for (number, portion) in requests.iter().flat_map(|portions| portions.iter().enumerate()) {
            for reading in portion.iter().flat_map(|item| &item.reading) {
                assert_eq!(*of_device.entry(&reading.device).or_insert(number), number);
            }
        }
        assert_eq!(requests.map(|portions| portions.len()), [3, 3]);
    }

    #[test]
    fn verdicts_that_are_too_few_are_none() {
        let (portions, division) = Divider::new(2).divide(&Arc::new(request((0..2_000).map(|n| format!("meter-{n}")))));
        let mut verdicts: Vec<_> = portions.iter().map(verdicts).collect();
        verdicts[1].pop();
        assert_eq!(division.join(verdicts), None);
    }

    #[test]
    fn small_ones_and_those_that_name_devices_in_two_ways_are_not_divided() {
        let portions = |items: Vec<Item>| Divider::new(2).divide(&Arc::new(items)).0.len();
        let keys = |number: usize| (0..number).map(|n| format!("meter-{n}"));
        assert_eq!(portions(request(keys(2_000))), 2);
        assert_eq!(portions(request(keys(1_999))), 1);
        assert_eq!(portions(request(std::iter::repeat_n("meter".to_owned(), 5_000))), 1);
        let ids = || (0..2_000).map(|n| format!("018f0000-0000-7000-8000-{n:012}"));
        assert_eq!(portions(request(ids())), 2);
        assert_eq!(portions(request(ids().chain(keys(1)))), 1);
    }
}
