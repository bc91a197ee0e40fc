//! A gallery of every page in every state, made from the engine's own types: what is looked at while the console is
//! being designed, and what the tests below read. `SIGNOFF_GALLERY=DIRECTORY cargo test` writes it as files.

mod approvals;
mod calls;
mod channels;
mod grants;
mod links;
mod pages;
mod people;
mod policies;
mod requests;
mod stops;
mod tests;
