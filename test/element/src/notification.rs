//! What the app is given when a push names an event: Android asks its running engine.
use std::sync::Arc;

use anyhow::Result;
use matrix_sdk::{
    Client,
    ruma::{EventId, RoomId},
};
use matrix_sdk_ui::{
    notification_client::{NotificationClient, NotificationProcessSetup, NotificationStatus, RawNotificationEvent},
    sync_service::SyncService,
};
use serde_json::{Value, json};

pub async fn of(client: &Client, sync_service: Arc<SyncService>, room: &RoomId, event: &EventId) -> Result<Value> {
    let setup = NotificationProcessSetup::SingleProcess { sync_service };
    let notifications = NotificationClient::new(client.clone(), setup).await?;
    Ok(match notifications.get_notification(room, event).await? {
        NotificationStatus::Event(shown) => {
            let RawNotificationEvent::Timeline(event) = &shown.raw_event else { return Ok(json!({"status": "invitation"})) };
            json!({"status": "shown", "noisy": shown.is_noisy, "event": event.deserialize_as_unchecked::<Value>()?})
        }
        NotificationStatus::EventNotFound => json!({"status": "not found"}),
        NotificationStatus::EventFilteredOut => json!({"status": "filtered out"}),
        NotificationStatus::EventRedacted => json!({"status": "redacted"}),
    })
}
