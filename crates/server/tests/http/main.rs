//! The router over real sockets, with a real engine on a temporary store of the backend of this run.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod authority;
mod bad_input;
mod calls;
mod channels;
mod contracts;
mod dialects;
mod document;
mod examples;
mod grants;
mod journeys;
mod layers;
mod links;
mod proxy;
mod reach;
mod reverse;
mod simulation;
mod slack;
mod stops;
mod stream;
mod terms;
mod told;
mod world;
