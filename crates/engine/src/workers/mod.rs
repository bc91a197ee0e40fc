//! What goes on without being asked: the clock, judging again, telling, making calls, following other nodes, tidying.

mod auto_approve;
mod calls;
mod clock;
mod deliver;
mod follow;
mod rejudge;
pub(crate) mod retain;
mod slack_inbox;
mod sweep;

pub(crate) use deliver::WINDOW;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::Engine;

/// Starts them all.
pub(crate) fn start(engine: &Engine, tasks: &TaskTracker, stop: &CancellationToken) {
    tasks.spawn(clock::run(engine.clone(), stop.clone()));
    tasks.spawn(rejudge::run(engine.clone(), stop.clone()));
    tasks.spawn(deliver::run(engine.clone(), stop.clone()));
    tasks.spawn(calls::run(engine.clone(), stop.clone()));
    tasks.spawn(slack_inbox::run(engine.clone(), stop.clone()));
    tasks.spawn(sweep::run(engine.clone(), stop.clone()));
    tasks.spawn(retain::run(engine.clone(), stop.clone()));
    if engine.store().is_shared() {
        tasks.spawn(calls::stay_alive(engine.clone(), stop.clone()));
        tasks.spawn(follow::run(engine.clone(), stop.clone()));
        tasks.spawn(follow::announce(engine.clone(), stop.clone()));
    }
    if engine.auto_approves() {
        tasks.spawn(auto_approve::run(engine.clone(), stop.clone()));
    }
}
