//! Answering on a socket until the process is asked to end.

use std::net::SocketAddr;

use axum::Router;
use model::{Fault, FaultKind, Stop};
use tokio::net::TcpListener;

/// Answers what comes in on `listener` until `closing` is raised and everything that was asked before has been
/// answered. Who cannot wait for slow readers drops the future.
pub async fn serve(listener: TcpListener, router: Router, closing: Stop) -> Result<(), Fault> {
    // Routes read the caller's address: failed sign-ins are counted by it.
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let asked_to_end = async move {
        closing.raised().await;
    };
    axum::serve(listener, service)
        .with_graceful_shutdown(asked_to_end)
        .await
        .map_err(|error| Fault::new(FaultKind::Unavailable, "requests can no longer be taken").because(error))
}
