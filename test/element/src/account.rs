//! Signing in, and the app's session: the engine with the settings that the app gives it.
use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use matrix_sdk::{
    Client, STATE_STORE_DATABASE_NAME, ThreadingSupport,
    authentication::matrix::MatrixSession,
    config::RequestConfig,
    encryption::{BackupDownloadStrategy, EncryptionSettings, VerificationState},
};
use matrix_sdk_base::crypto::{CollectStrategy, DecryptionSettings, TrustRequirement};
use matrix_sdk_ui::{sync_service::SyncService, timeline::Timeline};
use serde_json::{Value, json};

use crate::{
    command::{Place, SignIn},
    verification::Verification,
};

pub struct Phone {
    pub client: Client,
    pub sync: Arc<SyncService>,
    pub store: PathBuf,
    pub threads: bool,
    pub open: HashMap<Place, Timeline>,
    pub verification: Verification,
}

impl Phone {
    /// Signs in, or takes up the session in the store, and starts to sync.
    pub async fn sign_in(options: SignIn) -> Result<Self> {
        std::fs::create_dir_all(&options.store)?;
        let client = build(&options).await?;
        let kept = options.store.join("session.json");
        if kept.exists() {
            client.restore_session(serde_json::from_slice::<MatrixSession>(&std::fs::read(&kept)?)?).await?;
        } else {
            client.matrix_auth().login_username(&options.user, &options.password).initial_device_display_name("Element X").send().await?;
            std::fs::write(&kept, serde_json::to_vec(&client.matrix_auth().session().context("no session")?)?)?;
        }
        // For an account without an identity the engine makes one here.
        client.encryption().wait_for_e2ee_initialization_tasks().await;
        client.event_cache().subscribe()?;
        send_on(&client);
        let verification = Verification::watch(&client);
        // Android's RustSyncService and iOS' ClientProxy build it so.
        let sync = Arc::new(SyncService::builder(client.clone()).with_offline_mode().with_share_pos(true).build().await?);
        sync.start().await;
        Ok(Self { client, sync, store: options.store, threads: options.threads, open: HashMap::new(), verification })
    }

    /// Whose phone this is.
    pub fn who(&self) -> Value {
        json!({"user": self.client.user_id(), "device": self.client.device_id(), "token": self.client.access_token()})
    }

    /// Whether the account's identity signed this device: else the app asks for the recovery key before it shows anything.
    pub fn is_verified(&self) -> bool {
        self.client.encryption().verification_state().get() == VerificationState::Verified
    }

    pub async fn leave_screen(&self) {
        self.sync.stop().await;
    }

    /// clear_caches in the app's bindings: what it kept of rooms goes, the session and its keys stay. After it the app starts again.
    pub async fn clear_caches(&self) -> Result<()> {
        self.sync.expire_sessions().await;
        self.client.send_queue().set_enabled(false).await;
        self.client.event_cache().clear_all_rooms().await?;
        // The app closes the database first; here the process ends, so that the files beside it go as well.
        for file in std::fs::read_dir(&self.store)? {
            let file = file?;
            if file.file_name().to_string_lossy().starts_with(STATE_STORE_DATABASE_NAME) {
                std::fs::remove_file(file.path())?;
            }
        }
        Ok(())
    }
}

/// The settings of Android's RustMatrixClientFactory, with "exclude insecure devices" off as it is by default.
async fn build(options: &SignIn) -> Result<Client> {
    let threading = if options.threads { ThreadingSupport::Enabled { with_subscriptions: false } } else { ThreadingSupport::Disabled };
    Ok(Client::builder()
        .homeserver_url(&options.homeserver)
        .sqlite_store(&options.store, None)
        .handle_refresh_tokens()
        .with_encryption_settings(EncryptionSettings {
            auto_enable_cross_signing: true,
            backup_download_strategy: BackupDownloadStrategy::AfterDecryptionFailure,
            auto_enable_backups: true,
        })
        .with_room_key_recipient_strategy(CollectStrategy::ErrorOnVerifiedUserProblem)
        .with_decryption_settings(DecryptionSettings { sender_device_trust_requirement: TrustRequirement::Untrusted })
        .with_enable_share_history_on_invite(true)
        .with_threading_support(threading)
        .request_config(RequestConfig::new().timeout(Duration::from_secs(30)).retry_limit(3))
        .build()
        .await?)
}

/// The engine stops a queue at an error; Android's SendQueues lets it go on after half a second.
fn send_on(client: &Client) {
    let (mut errors, client) = (client.send_queue().subscribe_errors(), client.clone());
    tokio::spawn(async move {
        while errors.recv().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(500)).await;
            client.send_queue().set_enabled(true).await;
        }
    });
}
