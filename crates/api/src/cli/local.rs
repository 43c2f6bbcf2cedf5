//! A folder that is served for the time of one command, on a free port of this machine.
//!
//! Owns its beginning and its end: whatever the command did, reactions and timers have caught up
//! before the folder is left.

use std::path::Path;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Failure;
use crate::backend::Backend;
use crate::server::ServeError;
use crate::{folder, server};

/// A folder while it is served.
pub(super) struct Local {
    backend: Backend,
    /// Where it is served.
    pub(super) url: String,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), ServeError>>,
}

impl Local {
    /// Opens a folder, which takes its lock, and serves it.
    pub(super) async fn open(dir: &Path) -> Result<Self, Failure> {
        let (backend, _) = folder::open(dir).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(server::run(listener, backend.clone(), async {
            // A dropped sender ends serving too.
            let _ = stopped.await;
        }));
        Ok(Self {
            backend,
            url,
            stop,
            serving,
        })
    }

    /// Ends serving, waits for what follows from what was done, and closes the folder.
    pub(super) async fn close(self) -> Result<(), Failure> {
        drop(self.stop);
        self.serving
            .await
            .map_err(Failure::could_not)?
            .map_err(Failure::could_not)?;
        let head = self.backend.executor.log().head().position;
        let followed = self.backend.consequences.clone();
        let followed = followed.wait(head, crate::reading::READ_WAIT_MAX).await;
        if let Err(error) = followed {
            tracing::warn!(%error, "what follows is not all in; serving goes on with it");
        }
        self.backend.stop().await.map_err(Failure::could_not)
    }
}
