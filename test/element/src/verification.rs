//! Verification as an asked side does it. The names are those of SessionVerificationController, the app's way to the engine.
use std::sync::Arc;

use anyhow::{Context, Result};
use futures_util::StreamExt;
use matrix_sdk::{
    Client,
    encryption::verification::{SasState, SasVerification, VerificationRequest, VerificationRequestState},
    ruma::{
        UserId,
        events::{
            key::verification::{VerificationMethod, request::ToDeviceKeyVerificationRequestEvent},
            room::message::{MessageType, OriginalSyncRoomMessageEvent},
        },
    },
};
use serde_json::json;
use tokio::sync::Mutex;

use crate::say;

type Comparing = Arc<Mutex<Option<SasVerification>>>;

pub struct Verification {
    client: Client,
    sas: Comparing,
}

impl Verification {
    /// Listens for requests, in rooms and to this device.
    pub fn watch(client: &Client) -> Self {
        let sas = Comparing::default();
        let of_room = sas.clone();
        client.add_event_handler(|event: OriginalSyncRoomMessageEvent, client: Client| async move {
            if matches!(event.content.msgtype, MessageType::VerificationRequest(_)) && client.user_id() != Some(&event.sender) {
                receive(&client, &event.sender, event.event_id.as_str(), of_room).await;
            }
        });
        let of_device = sas.clone();
        client.add_event_handler(|event: ToDeviceKeyVerificationRequestEvent, client: Client| async move {
            receive(&client, &event.sender, event.content.transaction_id.as_str(), of_device).await;
        });
        Self { client: client.clone(), sas }
    }

    /// accept_verification_request: "Start" on the app's screen. From here the app waits: where it was asked it never starts
    /// the comparison.
    pub async fn accept(&self, user: &UserId, flow: &str) -> Result<()> {
        let request = self.client.encryption().get_verification_request(user, flow).await.context("this request is not there any more")?;
        request.accept_with_methods(vec![VerificationMethod::SasV1]).await?;
        Ok(())
    }

    pub async fn comparing(&self) -> Result<SasVerification> {
        self.sas.lock().await.clone().context("nothing is compared")
    }
}

/// process_incoming_verification_request: one that the engine did not take, because it does not know the sender's device yet,
/// is shown nowhere. That it was lost is told here for a test alone.
async fn receive(client: &Client, sender: &UserId, flow: &str, comparing: Comparing) {
    let Some(request) = client.encryption().get_verification_request(sender, flow).await else {
        return say(json!({"event": "lost", "user": sender, "flow": flow}));
    };
    say(json!({"event": "asked", "user": sender, "flow": flow}));
    tokio::spawn(follow(request, comparing));
}

/// acknowledge_verification_request, which the app's screen calls as it opens: listen_to_verification_request_changes.
async fn follow(request: VerificationRequest, comparing: Comparing) {
    let mut changes = request.changes();
    while let Some(state) = changes.next().await {
        match state {
            VerificationRequestState::Transitioned { verification } => {
                let Some(sas) = verification.sas() else { return };
                *comparing.lock().await = Some(sas.clone());
                if let Err(error) = sas.accept().await {
                    return ended(request.flow_id(), &error.to_string());
                }
                return compare(request.flow_id(), sas).await;
            }
            VerificationRequestState::Cancelled(why) => return ended(request.flow_id(), why.reason()),
            _ => {}
        }
    }
}

/// listen_to_sas_verification_changes
async fn compare(flow: &str, sas: SasVerification) {
    let mut changes = sas.changes();
    while let Some(state) = changes.next().await {
        match state {
            SasState::KeysExchanged { emojis: Some(emojis), .. } => {
                let symbols: Vec<_> = emojis.emojis.iter().map(|emoji| emoji.symbol).collect();
                say(json!({"event": "emoji", "flow": flow, "emoji": symbols}));
            }
            SasState::Done { .. } => return say(json!({"event": "verified", "flow": flow})),
            SasState::Cancelled(why) => return ended(flow, why.reason()),
            _ => {}
        }
    }
}

fn ended(flow: &str, why: &str) {
    say(json!({"event": "ended", "flow": flow, "why": why}));
}
