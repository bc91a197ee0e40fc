//! What goes on without being asked: the clock, judging again, telling, tidying.

mod auto_approve;
mod clock;
mod deliver;
mod rejudge;
mod sweep;
mod tell;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::Engine;

/// Starts them all.
pub(crate) fn start(engine: &Engine, tasks: &TaskTracker, stop: &CancellationToken) {
    tasks.spawn(clock::run(engine.clone(), stop.clone()));
    tasks.spawn(rejudge::run(engine.clone(), stop.clone()));
    tasks.spawn(deliver::run(engine.clone(), stop.clone()));
    tasks.spawn(sweep::run(engine.clone(), stop.clone()));
    if engine.auto_approves() {
        tasks.spawn(auto_approve::run(engine.clone(), stop.clone()));
    }
}
