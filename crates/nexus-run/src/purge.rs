//! Removes what has no further use, as long as a server runs.

use std::sync::Arc;
use std::time::Duration;

use nexus_core::Clock;
use nexus_store::Store;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How often it is looked for.
const PERIOD: Duration = Duration::from_hours(1);

/// Removes expired sessions, revoked keys and the like, a portion at a time, now and every hour,
/// until `stop`.
pub async fn keep_purging(store: Arc<dyn Store>, clock: Arc<dyn Clock>, stop: CancellationToken) {
    let purging = async {
        loop {
            let mut removed = 0;
            loop {
                match store.purge(clock.now()).await {
                    Ok(0) => break,
                    Ok(some) => removed += some,
                    Err(error) => {
                        tracing::warn!(%error, "what has no further use was not removed");
                        break;
                    }
                }
            }
            if removed > 0 {
                tracing::info!(removed, "what had no further use was removed");
            }
            sleep(PERIOD).await;
        }
    };
    tokio::select! {
        () = purging => {}
        () = stop.cancelled() => {}
    }
}
