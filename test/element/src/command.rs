//! What the phone can be told to do: what a person can do in the app, and nothing else.
use std::path::PathBuf;

use anyhow::{Result, bail};
use matrix_sdk::ruma::{OwnedEventId, OwnedRoomId, OwnedUserId};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{account::Phone, notification};

#[derive(Deserialize)]
pub struct Asked {
    pub id: u64,
    #[serde(flatten)]
    pub command: Command,
}

#[derive(Deserialize)]
pub struct SignIn {
    pub homeserver: String,
    pub user: String,
    pub password: String,
    /// Where the app keeps its data. With a session in it the app is started again instead of signed in.
    pub store: PathBuf,
    /// The app's setting "threads", which is off unless a person turns it on.
    pub threads: bool,
}

/// A room, or one thread of it.
#[derive(Deserialize, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    pub room: OwnedRoomId,
    pub thread: Option<OwnedEventId>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    File,
    Picture,
    Voice,
}

#[derive(Deserialize)]
#[serde(tag = "do", content = "with", rename_all = "snake_case")]
pub enum Command {
    SignIn(SignIn),
    /// "Set up recovery" in the app's settings. @returns the recovery key
    SetUpRecovery,
    /// "Enter recovery key" after signing in.
    Recover(String),
    IsVerified,
    /// The app leaves the screen, or the phone its network.
    Offline,
    Online,
    /// "Clear cache", which the app does by itself when its setting "threads" is changed (LabsPresenter).
    ClearCaches,
    Rooms,
    /// Accepts an invitation.
    Join(OwnedRoomId),
    In(Place, Act),
    /// A new room key for what is said next, as the engine takes one by itself after a hundred messages or a week.
    NewRoomKey(OwnedRoomId),
    AcceptVerification(OwnedUserId, String),
    /// "They match".
    Confirm,
    /// "They don't match".
    Refuse,
    /// What the app is given when a push names this event.
    Notification(OwnedRoomId, OwnedEventId),
}

/// What a person does in a room.
#[derive(Deserialize)]
#[serde(tag = "do", content = "with", rename_all = "snake_case")]
pub enum Act {
    Open,
    Close,
    /// Reads what it shows, after scrolling back that many events.
    Read(u16),
    Say(String),
    Reply(OwnedEventId, String),
    Edit(OwnedEventId, String),
    /// Taps a reaction: adds it, or takes it back.
    Tap(OwnedEventId, String),
    Vote(OwnedEventId, Vec<String>),
    /// "Remove" in the message's menu.
    Redact(OwnedEventId),
    /// A file by its path and type, with a caption.
    Attach(Kind, PathBuf, String, Option<String>),
}

impl Phone {
    /// One command, to its end. What is sent goes into the engine's queue, as in the app.
    pub async fn carry_out(&mut self, command: Command) -> Result<Value> {
        match command {
            Command::SignIn(_) => bail!("signed in already"),
            Command::SetUpRecovery => return Ok(json!(self.client.encryption().recovery().enable().await?)),
            Command::Recover(key) => self.client.encryption().recovery().recover(&key).await?,
            Command::IsVerified => return Ok(json!(self.is_verified())),
            Command::Offline => self.leave_screen().await,
            Command::Online => self.sync.start().await,
            Command::ClearCaches => self.clear_caches().await?,
            Command::Rooms => return Ok(self.rooms().await),
            Command::Join(room) => {
                self.client.join_room_by_id(&room).await?;
            }
            Command::In(place, act) => return self.act(place, act).await,
            Command::NewRoomKey(room) => self.room(&room)?.discard_room_key().await?,
            Command::AcceptVerification(user, flow) => self.verification.accept(&user, &flow).await?,
            Command::Confirm => self.verification.comparing().await?.confirm().await?,
            Command::Refuse => self.verification.comparing().await?.mismatch().await?,
            Command::Notification(room, event) => return notification::of(&self.client, self.sync.clone(), &room, &event).await,
        }
        Ok(Value::Null)
    }

    async fn act(&mut self, place: Place, act: Act) -> Result<Value> {
        match act {
            Act::Open => self.open_room(place).await?,
            Act::Close => self.close_room(&place),
            Act::Read(back) => return self.read(&place, back).await,
            Act::Say(text) => self.say(&place, &text).await?,
            Act::Reply(event, text) => self.reply(&place, event, &text).await?,
            Act::Edit(event, text) => self.edit(&place, event, &text).await?,
            Act::Tap(event, key) => self.tap(&place, event, &key).await?,
            Act::Vote(event, answers) => self.vote(&place, event, answers).await?,
            Act::Redact(event) => self.redact(&place, event).await?,
            Act::Attach(kind, path, mime, caption) => self.attach(&place, kind, path, &mime, caption).await?,
        }
        Ok(Value::Null)
    }
}
