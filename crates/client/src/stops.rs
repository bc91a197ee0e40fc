//! The kill switch.

use signoff_api::stop::{Stop, StopCreate, StopLift, Stopped, Stops};

use crate::transport::Client;

impl Client {
    /// What is stopped.
    pub async fn stop_list(&self) -> crate::Result<Stops> {
        self.get(&["v1", "stops"]).send().await
    }

    /// Stops an agent or the whole workspace; where it is stopped already, that is the answer.
    pub async fn stop_create(&self, stop: &StopCreate, key: Option<&str>) -> crate::Result<Stopped> {
        self.post(&["v1", "stops"]).key(key).json(stop).send().await
    }

    /// Lifts a stop: `workspace`, or an agent's name or id.
    pub async fn stop_lift(&self, target: &str, lift: &StopLift, key: Option<&str>) -> crate::Result<Stop> {
        self.post(&["v1", "stops", target, "lift"])
            .key(key)
            .json(lift)
            .send()
            .await
    }
}
