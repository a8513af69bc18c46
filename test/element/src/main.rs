//! A phone with Element X's engine and without a screen: the calls that the app makes, and none that it does not.
//!
//! One JSON object a line on stdin, `{"id": 1, "do": "say", …}`; the first signs in. Answers `{"id": 1, "is": …}` or
//! `{"id": 1, "error": "…"}` on stdout, and what comes unasked as `{"event": …}`.
mod account;
mod command;
mod notification;
mod rooms;
mod shown;
mod verification;

use anyhow::{Context, Result};
use command::{Asked, Command};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use account::Phone;

/// Writes one line. Nobody reads any more: then there is nothing left to do.
pub fn say(line: Value) {
    use std::io::Write;
    if writeln!(std::io::stdout().lock(), "{line}").is_err() {
        std::process::exit(0);
    }
}

async fn carry_out(phone: &mut Option<Phone>, command: Command) -> Result<Value> {
    if let Command::SignIn(options) = command {
        let signed_in = Phone::sign_in(options).await?;
        let who = signed_in.who();
        *phone = Some(signed_in);
        return Ok(who);
    }
    phone.as_mut().context("sign_in comes first")?.carry_out(command).await
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut phone = None;
    while let Some(line) = lines.next_line().await? {
        let asked: Asked = serde_json::from_str(&line).with_context(|| format!("not a command: {line}"))?;
        say(match carry_out(&mut phone, asked.command).await {
            Ok(is) => json!({"id": asked.id, "is": is}),
            Err(error) => json!({"id": asked.id, "error": format!("{error:#}")}),
        });
    }
    if let Some(phone) = phone {
        phone.leave_screen().await;
    }
    Ok(())
}
