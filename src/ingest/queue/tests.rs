use super::provider::EXPRESS_PATIENCE;
use super::*;
use crate::core::reading::Item;

const AT_ONCE: Linger = Linger { idle: Duration::ZERO, busy: Duration::ZERO, next: Duration::ZERO };
const LONG: Duration = Duration::from_secs(3600);
const BUSY: Linger = Linger { busy: LONG, ..AT_ONCE };
const BOUNDS: Bounds = Bounds { provider: 100_000, total: 150_000 };

fn batch(provider_id: i32, readings: usize) -> Batch {
    let item = Item {
        line: None,
        reading: Err(crate::core::reading::Reason::new(crate::core::reading::Code::InvalidJson, "")),
    };
    let (answer, _) = oneshot::channel();
    Batch {
        provider_id,
        key_id: None,
        part: Arc::default(),
        readings: vec![item; readings].into(),
        portion: None,
        held: None,
        queued_at: Instant::now(),
        answer,
    }
}

fn queue(batches: &[(i32, usize)]) -> Queue {
    lingering(AT_ONCE, batches)
}

fn lingering(linger: Linger, batches: &[(i32, usize)]) -> Queue {
    let queue = Queue::new(BOUNDS, linger, 2, false);
    for (provider, readings) in batches {
        assert!(push(&queue, batch(*provider, *readings)).is_ok());
    }
    queue
}

fn push(queue: &Queue, batch: Batch) -> Result<(), Full> {
    queue.push(batch.provider_id, [batch])
}

async fn taken(queue: &Queue, lane: Lane, most: usize) -> Vec<(i32, usize)> {
    let taken = queue.take(lane, most).await.expect("batches");
    taken.into_iter().map(|batch| (batch.provider_id, batch.readings.len())).collect()
}

#[tokio::test]
async fn providers_take_turns_by_readings() {
    // One floods; the other's readings come in the first flush all the same, and in about the same number.
    let mut batches = vec![(1, 2_500); 20];
    batches.extend([(2, 1); 3]);
    let queue = queue(&batches);
    let first = taken(&queue, Lane::All, 10_000).await;
    assert_eq!(first.iter().filter(|(provider, _)| *provider == 2).count(), 3);
    assert_eq!(first.iter().map(|(_, readings)| readings).sum::<usize>(), 2_500 * 3 + 3);
    assert_eq!(queue.readings(), 2_500 * 17);
}

#[tokio::test]
async fn a_batch_that_is_larger_than_a_flush_goes_alone_when_its_turn_comes() {
    let queue = queue(&[(1, 40_000), (2, 600), (1, 600)]);
    let mut flushes = Vec::new();
    while queue.readings() > 0 {
        flushes.push(taken(&queue, Lane::All, 10_000).await);
    }
    assert_eq!(flushes.concat().len(), 3);
    assert!(flushes.contains(&vec![(1, 40_000)]), "{flushes:?}");
}

#[tokio::test]
async fn the_express_lane_leaves_large_batches_alone() {
    let queue = queue(&[(1, 40_000), (1, 3), (2, SMALL), (2, SMALL + 1)]);
    assert_eq!(taken(&queue, Lane::Express, 10_000).await, [(1, 3), (2, SMALL)]);
    assert_eq!(queue.readings(), 40_000 + SMALL + 1);
}

#[tokio::test]
async fn small_batches_are_left_to_the_express_lane_while_large_ones_wait() {
    let queue = Queue::new(BOUNDS, AT_ONCE, 2, true);
    let mut waiting = vec![(1, 5_000), (1, 5_000), (2, 10)];
    waiting.extend([(3, SMALL); 11]);
    for (provider, readings) in waiting {
        assert!(push(&queue, batch(provider, readings)).is_ok());
    }
    // What a provider has beyond the express lane's next transaction is not.
    assert_eq!(taken(&queue, Lane::All, 7_000).await, [(1, 5_000), (3, SMALL)]);
    queue.stored(Lane::All);
    assert_eq!(taken(&queue, Lane::Express, 1_000).await, [(2, 10), (3, SMALL)]);
    assert!(push(&queue, batch(2, 20)).is_ok());
    assert_eq!(taken(&queue, Lane::All, 100_000).await, [(1, 5_000)]);
    queue.stored(Lane::All);
    // Where no large ones wait they are taken.
    assert_eq!(taken(&queue, Lane::All, 100_000).await, [vec![(3, SMALL); 9], vec![(2, 20)]].concat());
    assert_eq!(queue.readings(), 0);
}

#[tokio::test]
async fn a_small_batch_that_the_express_lane_does_not_take_goes_with_large_ones() {
    let queue = Queue::new(BOUNDS, AT_ONCE, 2, true);
    let queued_at = Instant::now().checked_sub(EXPRESS_PATIENCE).expect("an instant");
    assert!(push(&queue, Batch { queued_at, ..batch(1, 3) }).is_ok());
    assert!(push(&queue, batch(2, 5_000)).is_ok());
    assert_eq!(taken(&queue, Lane::All, 10_000).await, [(1, 3), (2, 5_000)]);
}

#[tokio::test]
async fn beside_another_provider_s_small_batches_not_all_store_large_ones() {
    let mut queue = Queue::new(BOUNDS, AT_ONCE, 2, true);
    queue.waiting.get_mut().unwrap().beside = 1;
    for (provider, readings) in [(1, 5_000), (1, 5_000), (1, 3)] {
        assert!(push(&queue, batch(provider, readings)).is_ok());
    }
    // Its own small ones are no reason.
    assert_eq!(taken(&queue, Lane::All, 5_000).await.len(), 1);
    assert_eq!(taken(&queue, Lane::All, 5_000).await.len(), 1);
    assert!(push(&queue, batch(2, 3)).is_ok());
    assert!(push(&queue, batch(1, 5_000)).is_ok());
    let large = queue.take(Lane::All, 5_000);
    tokio::pin!(large);
    assert!(futures::poll!(large.as_mut()).is_pending());
    assert_eq!(taken(&queue, Lane::Express, 5_000).await, [(1, 3), (2, 3)]);
    queue.stored(Lane::All);
    assert!(futures::poll!(large.as_mut()).is_pending());
    queue.stored(Lane::All);
    assert_eq!(large.await.expect("a batch").len(), 1);
}

#[test]
fn what_would_be_too_much_is_refused() {
    let queue = queue(&[(1, 99_999), (1, 50_000)]);
    let refused = |provider, readings| push(&queue, batch(provider, readings));
    assert_eq!(refused(1, 1), Err(Full::Provider));
    assert_eq!(refused(2, 2), Ok(()));
    assert_eq!(refused(3, 2), Err(Full::Server));
    queue.close();
    assert_eq!(refused(2, 2), Err(Full::Closed));
}

#[tokio::test]
async fn a_batch_waits_for_others_to_come_along() {
    let queue = lingering(Linger { idle: LONG, ..AT_ONCE }, &[(1, 1)]);
    let late = async {
        tokio::task::yield_now().await;
        assert!(push(&queue, batch(1, 2)).is_ok());
    };
    let (taken, ()) = tokio::join!(queue.take(Lane::All, 3), late);
    let taken: Vec<_> = taken.expect("batches").iter().map(|batch| batch.readings.len()).collect();
    assert_eq!(taken, [1, 2]);
}

#[tokio::test]
async fn who_is_paused_lets_the_others_by_and_is_not_forgotten() {
    let queue = Arc::new(queue(&[(1, 1), (2, 2), (1, 3)]));
    let pauses = [queue.pause(1), queue.pause(1)];
    assert_eq!(taken(&queue, Lane::All, 10).await, [(2, 2)]);
    queue.close();
    let [one, other] = pauses;
    drop(one);
    let (last, ()) = tokio::join!(taken(&queue, Lane::All, 10), async { drop(other) });
    assert_eq!(last, [(1, 1), (1, 3)]);
    assert!(queue.take(Lane::All, 1).await.is_none());
}

#[tokio::test]
async fn a_closed_queue_is_emptied_and_then_ends() {
    let queue = queue(&[(1, 5)]);
    queue.close();
    assert_eq!(taken(&queue, Lane::All, 1).await, [(1, 5)]);
    assert!(queue.take(Lane::All, 1).await.is_none());
    assert!(queue.take(Lane::Express, 1).await.is_none());
}

#[tokio::test]
async fn readings_wait_while_others_are_stored_and_go_when_that_is_done() {
    let queue = lingering(BUSY, &[(1, 1_000)]);
    assert!(queue.take(Lane::All, 10_000).await.is_some());
    assert!(push(&queue, batch(1, 600)).is_ok());
    assert!(push(&queue, batch(1, 3)).is_ok());
    {
        let second = queue.take(Lane::All, 10_000);
        tokio::pin!(second);
        assert!(futures::poll!(second.as_mut()).is_pending());
        // Small ones do not wait for large ones.
        assert_eq!(queue.take(Lane::Express, 10_000).await.expect("batches").len(), 1);
        assert!(push(&queue, batch(2, 300)).is_ok());
        assert!(futures::poll!(second.as_mut()).is_pending());
        queue.stored(Lane::All);
        assert!(futures::poll!(second.as_mut()).is_pending(), "the express lane stores");
        queue.stored(Lane::Express);
        let readings: Vec<_> = second.await.expect("batches").iter().map(|batch| batch.readings.len()).collect();
        assert_eq!(readings, [600, 300]);
    }
    // So much that it is worth a transaction does not wait, nor does what fills a flush.
    assert!(push(&queue, batch(1, 900)).is_ok());
    assert!(push(&queue, batch(2, 100)).is_ok());
    assert_eq!(queue.take(Lane::All, 10_000).await.expect("batches").len(), 2);
    assert!(push(&queue, batch(1, 10)).is_ok());
    assert_eq!(queue.take(Lane::All, 10).await.expect("batches").len(), 1);
}

fn portion(provider_id: i32, number: usize) -> Batch {
    Batch { portion: Some(number), ..batch(provider_id, 2_500) }
}

#[tokio::test]
async fn of_portions_as_much_is_taken_of_each() {
    let queue = queue(&[(1, 600)]);
    let portions = || [portion(1, 0), portion(1, 1)];
    for _ in 0..4 {
        assert!(queue.push(1, portions()).is_ok());
    }
    // Up to 10,000 readings of each of two.
    assert_eq!(taken(&queue, Lane::All, 10_000).await.len(), 8);
    queue.stored(Lane::All);
    assert_eq!(taken(&queue, Lane::All, 10_000).await, [(1, 2_500)]);
}

#[tokio::test]
async fn portions_wait_for_requests_that_are_being_read() {
    let queue = Arc::new(lingering(BUSY, &[]));
    let coming = queue.coming();
    assert!(push(&queue, batch(1, 5_000)).is_ok());
    assert_eq!(queue.take(Lane::All, 10_000).await.expect("batches").len(), 1, "all of a request waits for none");
    queue.stored(Lane::All);
    assert!(queue.push(1, [portion(1, 0), portion(1, 1)]).is_ok());
    {
        let portions = queue.take(Lane::All, 10_000);
        tokio::pin!(portions);
        assert!(futures::poll!(portions.as_mut()).is_pending());
        assert!(queue.push(2, [portion(2, 0), portion(2, 1)]).is_ok());
        drop(coming);
        assert_eq!(portions.await.expect("batches").len(), 4);
    }
    // And for what is being stored, but not where that would be more than a flush.
    assert!(queue.push(1, [portion(1, 0), portion(1, 1)]).is_ok());
    assert!(futures::poll!(Box::pin(queue.take(Lane::All, 10_000))).is_pending());
    assert_eq!(queue.take(Lane::All, 2_500).await.expect("batches").len(), 2);
}

#[tokio::test]
async fn portions_wait_for_the_next_requests_of_who_was_answered_where_these_came_soon_the_last_time() {
    let queue = lingering(Linger { next: LONG, ..AT_ONCE }, &[]);
    let sends = |provider| assert!(queue.push(provider, [portion(provider, 0), portion(provider, 1)]).is_ok());
    let stored = async || {
        let taken = queue.take(Lane::All, 10_000).await.expect("batches").len();
        queue.stored(Lane::All);
        taken
    };
    // Nothing is known yet.
    sends(1);
    sends(2);
    assert_eq!(stored().await, 4);
    sends(1);
    assert_eq!(stored().await, 2);
    // Of two that were answered one came again: no reason to wait.
    sends(1);
    assert_eq!(queue.take(Lane::All, 10_000).await.expect("batches").len(), 2);
    sends(2);
    sends(3);
    queue.stored(Lane::All);
    // The one that was answered came again, and two more. Now three senders are there.
    let next = queue.take(Lane::All, 10_000);
    tokio::pin!(next);
    assert!(futures::poll!(next.as_mut()).is_pending());
    sends(1);
    assert_eq!(next.await.expect("batches").len(), 6);
    queue.stored(Lane::All);
}

#[test]
fn portions_are_stored_beside_each_other_unless_another_provider_sends_small_ones() {
    let mut queue = Queue::new(BOUNDS, AT_ONCE, 2, true);
    queue.waiting.get_mut().unwrap().beside = 1;
    assert!(push(&queue, batch(1, 5_000)).is_ok());
    assert!(push(&queue, batch(1, 3)).is_ok());
    assert_eq!(queue.beside(), 2);
    assert!(push(&queue, batch(2, 3)).is_ok());
    assert_eq!(queue.beside(), 1);
}
