//! What the engine gives the app for each row of a timeline.
use matrix_sdk::ruma::events::room::message::{FormattedBody, MessageType};
use matrix_sdk_ui::timeline::{
    EncryptedMessage, EventSendState, EventTimelineItem, MsgLikeContent, MsgLikeKind, TimelineEventShieldState, TimelineItemContent,
};
use serde_json::{Map, Value, json};

/// A row, or nothing where it is a change of the room's state or of a member's name.
pub fn item(item: &EventTimelineItem) -> Option<Value> {
    let TimelineItemContent::MsgLike(content) = item.content() else { return None };
    let mut row = message_like(content);
    row["id"] = json!(item.event_id());
    row["sender"] = json!(item.sender());
    row["own"] = json!(item.is_own());
    row["at"] = json!(item.timestamp());
    row["shield"] = match item.get_shield(false) {
        TimelineEventShieldState::Red { code } => json!(format!("red: {code:?}")),
        TimelineEventShieldState::Grey { code } => json!(format!("grey: {code:?}")),
        TimelineEventShieldState::None => Value::Null,
    };
    row["sending"] = match item.send_state() {
        Some(EventSendState::NotSentYet { .. }) => json!("not sent yet"),
        Some(EventSendState::SendingFailed { error, .. }) => json!(format!("failed: {error}")),
        Some(EventSendState::Sent { .. }) | None => Value::Null,
    };
    Some(row)
}

fn message_like(content: &MsgLikeContent) -> Value {
    let mut row = match &content.kind {
        MsgLikeKind::Message(message) => json!({
            "kind": "message",
            "type": message.msgtype().msgtype(),
            "body": message.body(),
            "html": html(message.msgtype()).map(|html| &html.body),
            "edited": message.is_edited(),
        }),
        MsgLikeKind::Poll(poll) => {
            let poll = poll.results();
            let answers: Vec<_> = poll.answers.iter().map(|answer| json!({"id": answer.id, "text": answer.text})).collect();
            json!({
                "kind": "poll",
                "body": poll.question,
                "answers": answers,
                "most": poll.max_selections,
                "votes": poll.votes,
                "ended": poll.end_time.is_some(),
                "edited": poll.has_been_edited,
            })
        }
        MsgLikeKind::Redacted => json!({"kind": "redacted"}),
        MsgLikeKind::UnableToDecrypt(EncryptedMessage::MegolmV1AesSha2 { cause, .. }) => json!({"kind": "unreadable", "body": format!("{cause:?}")}),
        MsgLikeKind::UnableToDecrypt(_) => json!({"kind": "unreadable", "body": "no megolm"}),
        MsgLikeKind::Sticker(_) | MsgLikeKind::LiveLocation(_) | MsgLikeKind::Other(_) => json!({"kind": "other"}),
    };
    // Who tapped what, in the order in which it came.
    let taps: Map<_, _> = content.reactions.iter().map(|(key, by)| (key.clone(), json!(by.keys().collect::<Vec<_>>()))).collect();
    row["taps"] = Value::Object(taps);
    row["reply_to"] = json!(content.in_reply_to.as_ref().map(|reply| &reply.event_id));
    row["thread"] = json!(content.thread_root);
    row["replies"] = json!(content.thread_summary.as_ref().map_or(0, |thread| thread.num_replies));
    row
}

fn html(message: &MessageType) -> Option<&FormattedBody> {
    match message {
        MessageType::Text(text) => text.formatted.as_ref(),
        MessageType::Notice(notice) => notice.formatted.as_ref(),
        _ => None,
    }
}
