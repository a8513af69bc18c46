//! Rooms: the list, an open room's timeline, and what a person sends into it.
use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, anyhow};
use matrix_sdk::{
    Room, RoomState,
    attachment::{AttachmentInfo, BaseAudioInfo, BaseFileInfo, BaseImageInfo},
    room::edit::EditedContent,
    ruma::{
        OwnedEventId, RoomId, UInt,
        events::{
            AnyMessageLikeEventContent,
            poll::unstable_response::UnstablePollResponseEventContent,
            room::message::{RoomMessageEventContentWithoutRelation, TextMessageEventContent},
        },
    },
};
use matrix_sdk_ui::timeline::{AttachmentConfig, Timeline, TimelineBuilder, TimelineEventItemId, TimelineFocus, TimelineReadReceiptTracking};
use serde_json::{Value, json};

use crate::{
    account::Phone,
    command::{Kind, Place},
    shown,
};

impl Phone {
    pub fn room(&self, id: &RoomId) -> Result<Room> {
        self.client.get_room(id).ok_or_else(|| anyhow!("no room {id}"))
    }

    /// The rooms that the list shows, joined or invited to, and how many messages the app marks as unread.
    pub async fn rooms(&self) -> Value {
        let mut rooms = vec![];
        for room in self.client.rooms() {
            let name = room.display_name().await.map(|name| name.to_string()).ok();
            rooms.push(json!({
                "room": room.room_id(),
                "joined": room.state() == RoomState::Joined,
                "name": name,
                "unread": room.num_unread_messages(),
                "notified": room.num_unread_notifications(),
            }));
        }
        json!(rooms)
    }

    /// Subscribes to the room, builds its timeline and fetches its members: that is when the engine comes to know their
    /// devices.
    pub async fn open_room(&mut self, place: Place) -> Result<()> {
        let room = self.room(&place.room)?;
        self.sync.room_list_service().subscribe_to_rooms(&[&place.room]).await;
        let focus = match &place.thread {
            Some(root) => TimelineFocus::Thread { root_event_id: root.clone() },
            None => TimelineFocus::Live { hide_threaded_events: self.threads },
        };
        let receipts = TimelineReadReceiptTracking::AllEvents;
        let timeline = TimelineBuilder::new(&room).with_focus(focus).track_read_marker_and_receipts(receipts).build().await?;
        timeline.fetch_members().await;
        self.open.insert(place, timeline);
        Ok(())
    }

    pub fn close_room(&mut self, place: &Place) {
        self.open.remove(place);
    }

    fn opened(&self, place: &Place) -> Result<&Timeline> {
        self.open.get(place).context("this room is not open")
    }

    pub async fn read(&self, place: &Place, back: u16) -> Result<Value> {
        let timeline = self.opened(place)?;
        if back > 0 {
            timeline.paginate_backwards(back).await?;
        }
        Ok(timeline.items().await.iter().filter_map(|item| item.as_event()).filter_map(shown::item).collect())
    }

    async fn send(&self, place: &Place, content: AnyMessageLikeEventContent) -> Result<()> {
        self.opened(place)?.send(content).await?;
        Ok(())
    }

    /// In a thread's timeline the engine adds the thread's relation.
    pub async fn say(&self, place: &Place, text: &str) -> Result<()> {
        self.send(place, AnyMessageLikeEventContent::RoomMessage(words(text).into())).await
    }

    pub async fn reply(&self, place: &Place, to: OwnedEventId, text: &str) -> Result<()> {
        self.opened(place)?.send_reply(words(text), to).await?;
        Ok(())
    }

    pub async fn edit(&self, place: &Place, event: OwnedEventId, text: &str) -> Result<()> {
        let edited = EditedContent::RoomMessage(words(text));
        self.opened(place)?.edit(&TimelineEventItemId::EventId(event), edited).await?;
        Ok(())
    }

    pub async fn tap(&self, place: &Place, event: OwnedEventId, key: &str) -> Result<()> {
        self.opened(place)?.toggle_reaction(&TimelineEventItemId::EventId(event), key).await?;
        Ok(())
    }

    pub async fn vote(&self, place: &Place, poll: OwnedEventId, answers: Vec<String>) -> Result<()> {
        let response = UnstablePollResponseEventContent::new(answers, poll);
        self.send(place, AnyMessageLikeEventContent::UnstablePollResponse(response)).await
    }

    pub async fn redact(&self, place: &Place, event: OwnedEventId) -> Result<()> {
        self.opened(place)?.redact(&TimelineEventItemId::EventId(event), None).await?;
        Ok(())
    }

    /// A file, a picture or a voice message, through the queue as the app sends them.
    pub async fn attach(&self, place: &Place, kind: Kind, path: PathBuf, mime: &str, caption: Option<String>) -> Result<()> {
        let size = UInt::try_from(std::fs::metadata(&path)?.len()).ok();
        let info = match kind {
            Kind::File => AttachmentInfo::File(BaseFileInfo { size }),
            Kind::Picture => AttachmentInfo::Image(BaseImageInfo { size, ..Default::default() }),
            Kind::Voice => AttachmentInfo::Voice(BaseAudioInfo { size, duration: Some(Duration::from_secs(2)), waveform: Some(vec![0.1, 0.8, 0.3]) }),
        };
        let caption = caption.map(TextMessageEventContent::markdown);
        let config = AttachmentConfig { info: Some(info), caption, ..Default::default() };
        self.opened(place)?.send_attachment(path, mime.parse()?, config).use_send_queue().await?;
        Ok(())
    }
}

/// What the app's composer sends: typed Markdown.
fn words(text: &str) -> RoomMessageEventContentWithoutRelation {
    RoomMessageEventContentWithoutRelation::text_markdown(text)
}
