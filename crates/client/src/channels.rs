//! Channels, their deliveries, and how people are reached.

use reqwest::Method;
use signoff_api::channel::{
    Channel, ChannelCreate, ChannelCreated, ChannelTested, ChannelUpdate, ChannelUpdated, Contact,
    ContactUpdate, ContactUpdated, Redelivered, SecretRotate,
};
use signoff_api::webhook::Delivery;
use signoff_api::{Page, PageQuery};

use crate::transport::Client;

impl Client {
    /// One page of channels.
    pub async fn channel_list(&self, page: &PageQuery) -> crate::Result<Page<Channel>> {
        self.get(&["v1", "channels"]).query(page)?.send().await
    }

    /// Creates a channel; the signing secret of one for programs is in the answer, this once.
    pub async fn channel_create(
        &self,
        channel: &ChannelCreate,
        key: Option<&str>,
    ) -> crate::Result<ChannelCreated> {
        self.post(&["v1", "channels"]).key(key).json(channel).send().await
    }

    /// One channel, by id.
    pub async fn channel_view(&self, id: &str) -> crate::Result<Channel> {
        self.get(&["v1", "channels", id]).send().await
    }

    /// Changes a channel, or says what that would change.
    pub async fn channel_update(&self, id: &str, update: &ChannelUpdate) -> crate::Result<ChannelUpdated> {
        self.call(Method::PATCH, &["v1", "channels", id])
            .json(update)
            .send()
            .await
    }

    /// Removes a channel.
    pub async fn channel_remove(&self, id: &str) -> crate::Result<()> {
        self.call(Method::DELETE, &["v1", "channels", id])
            .send_and_forget()
            .await
    }

    /// Sends a test message now, and says what came of it.
    pub async fn channel_test(&self, id: &str) -> crate::Result<ChannelTested> {
        self.post(&["v1", "channels", id, "test"]).send().await
    }

    /// Puts a new signing secret in the place of the present one; the new one is in the answer, this once.
    pub async fn channel_rotate_secret(
        &self,
        id: &str,
        rotate: &SecretRotate,
    ) -> crate::Result<ChannelCreated> {
        self.post(&["v1", "channels", id, "rotate-secret"])
            .json(rotate)
            .send()
            .await
    }

    /// One page of a channel's deliveries, newest first.
    pub async fn channel_deliveries(&self, id: &str, page: &PageQuery) -> crate::Result<Page<Delivery>> {
        self.get(&["v1", "channels", id, "deliveries"])
            .query(page)?
            .send()
            .await
    }

    /// Sends again what a channel was told of one event.
    pub async fn channel_redeliver(&self, id: &str, seq: u64) -> crate::Result<Redelivered> {
        let seq = seq.to_string();
        self.post(&["v1", "channels", id, "deliveries", &seq, "redeliver"])
            .send()
            .await
    }

    /// How a person is reached; `me` is the caller.
    pub async fn contact_view(&self, operator: &str) -> crate::Result<Contact> {
        self.get(&["v1", "operators", operator, "contact"]).send().await
    }

    /// Changes how a person is reached.
    pub async fn contact_update(
        &self,
        operator: &str,
        update: &ContactUpdate,
    ) -> crate::Result<ContactUpdated> {
        self.call(Method::PATCH, &["v1", "operators", operator, "contact"])
            .json(update)
            .send()
            .await
    }
}
