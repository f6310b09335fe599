//! A fault each, at random moments of a load.

use crate::harness::TestApp;

use super::clients::Manner;
use super::faults::{self, Fault};
use super::room::Room;
use super::run;
use super::seed;
use super::world::{Place, World};

/// Nothing that was acknowledged is lost, nothing is doubled, and it works again without help.
async fn survives(mut world: World, manner: Manner, faults: &[Fault]) {
    let found = match run::under_load(&mut world, manner, faults).await {
        Ok(()) => run::check(&world).await,
        Err(broken) => Err(broken),
    };
    world.end(found.map(drop)).unwrap_or_else(|wrong| panic!("{wrong}"));
}

pub async fn nothing_acknowledged_is_lost_or_doubled_when_a_server_is_killed(app: TestApp) {
    survives(World::own(&app, seed()).await, Manner::USUAL, &[Fault::Server, Fault::Server]).await;
}

pub async fn nothing_acknowledged_is_lost_or_doubled_when_a_process_that_stores_it_is_killed(app: TestApp) {
    survives(World::own(&app, seed()).await, Manner::USUAL, &[Fault::Backend; 3]).await;
}

pub async fn nothing_acknowledged_is_lost_or_doubled_when_postgresql_is_killed(app: TestApp) {
    survives(World::own(&app, seed()).await, Manner::USUAL, &[Fault::Postmaster; 2]).await;
}

pub async fn nothing_acknowledged_is_lost_or_doubled_when_postgresql_is_stopped_at_once(app: TestApp) {
    survives(World::own(&app, seed()).await, Manner::USUAL, &[Fault::ImmediateStop; 2]).await;
}

pub async fn nothing_acknowledged_is_lost_or_doubled_when_the_disk_is_full(app: TestApp) {
    let Some(room) = Room::open() else {
        println!("NOT tested: a full disk (this user may mount nothing here, not even for itself; root may)");
        return;
    };
    let world = World::new(app.edition, Place::Small(room), None, seed()).await;
    survives(world, Manner::USUAL, &[Fault::FullDisk, Fault::FullLog]).await;
}

pub async fn two_servers_on_a_database_lose_and_double_nothing_when_one_is_killed(app: TestApp) {
    survives(World::shared(&app, seed()).await, Manner::USUAL, &[Fault::Server; 3]).await;
}

pub async fn requests_whose_connection_is_cut_are_stored_whole_or_not_at_all(app: TestApp) {
    let mut world = World::shared(&app, seed()).await;
    let found = async {
        // Every third request is cut off somewhere.
        let load = world.load(Manner { cut: 333, ..Manner::USUAL });
        load.acknowledge(150).await;
        load.end().await?;
        let compared = run::check(&world).await?;
        if compared.whole == 0 || compared.whole == compared.unanswered {
            return Err(format!("no request was cut where it matters: {compared:?}"));
        }
        run::check_replayed(&world).await
    };
    let found = found.await;
    world.end(found.map(drop)).unwrap_or_else(|wrong| panic!("{wrong}"));
}

pub async fn a_server_that_is_stopped_answers_everyone_and_another_takes_over(app: TestApp) {
    let strict = Manner { strict: true, ..Manner::USUAL };
    survives(World::shared(&app, seed()).await, strict, &[Fault::Takeover; 3]).await;
}

pub async fn when_postgresql_is_back_nobody_is_told_that_it_was_away(app: TestApp) {
    let mut world = World::own(&app, seed()).await;
    // Connections of every kind there are.
    let load = world.load(Manner::USUAL);
    load.acknowledge(100).await;
    load.end().await.expect("nothing broken");
    faults::restart_postgresql(&world).await;
    let found = async {
        for _ in 0..3 {
            let load = world.load(Manner { clients: 1, ..Manner::USUAL });
            load.acknowledge(5).await;
            let counts = load.counts().clone();
            load.end().await?;
            let refused = counts.refused.load(std::sync::atomic::Ordering::Relaxed);
            if refused > 0 {
                return Err(format!("{refused} requests were refused"));
            }
        }
        run::check(&world).await
    };
    let found = found.await;
    world.end(found.map(drop)).unwrap_or_else(|wrong| panic!("{wrong}"));
}
