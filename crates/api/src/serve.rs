//! The API's thread.

use crate::guard::Guard;
use crate::listen::{Listeners, SocketFile};
use crate::{Backend, routes};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, oneshot};

/// The most connections on one listener; more wait to be accepted.
const CONNECTION_LIMIT: usize = 256;

/// A request's head must come within this time; an idle connection is closed after it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long connections get to finish at the end.
const GRACE: Duration = Duration::from_millis(300);

/// Wait after a failed accept, which mostly means that file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The running API. Dropping it ends the API and removes the sockets' files.
#[derive(Debug)]
pub struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _files: Vec<SocketFile>,
}

impl Server {
    /// Serves each node on its sockets, all from one new thread.
    pub fn start(nodes: Vec<(Listeners, Backend)>) -> io::Result<Server> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut files = Vec::with_capacity(nodes.len());
        {
            let _entered = runtime.enter();
            for (listeners, backend) in nodes {
                spawn_node(listeners.unix, listeners.tcp, &backend)?;
                files.push(listeners.file);
            }
        }
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("api".to_owned()).spawn(move || {
            runtime.block_on(async {
                // Whether told or dropped: both mean stop.
                let _ = stopped.await;
                // Answers and last events that are on their way still go out.
                tokio::time::sleep(GRACE).await;
            });
            runtime.shutdown_background();
        })?;
        Ok(Server { stop: Some(stop), thread: Some(thread), _files: files })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the API thread was reported by the panic hook already.
            let _ = thread.join();
        }
    }
}

fn spawn_node(
    unix: std::os::unix::net::UnixListener,
    tcp: Vec<std::net::TcpListener>,
    backend: &Backend,
) -> io::Result<()> {
    // No browser can reach a Unix socket, so that it needs no guard.
    tokio::spawn(accept(
        Listener::Unix(UnixListener::from_std(unix)?),
        routes::router(backend.clone(), None),
    ));
    for listener in tcp {
        let loopback = listener.local_addr()?.ip().is_loopback();
        let router = routes::router(backend.clone(), Some(Guard { loopback }));
        tokio::spawn(accept(Listener::Tcp(TcpListener::from_std(listener)?), router));
    }
    Ok(())
}

enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

async fn accept(listener: Listener, router: Router) {
    let free = Arc::new(Semaphore::new(CONNECTION_LIMIT));
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
        let router = router.clone();
        let accepted = match &listener {
            Listener::Unix(l) => l.accept().await.map(|(stream, _)| {
                tokio::spawn(async move {
                    connection(stream, router).await;
                    drop(permit);
                });
            }),
            Listener::Tcp(l) => l.accept().await.map(|(stream, _)| {
                tokio::spawn(async move {
                    connection(stream, router).await;
                    drop(permit);
                });
            }),
        };
        if let Err(error) = accepted {
            tracing::warn!(%error, "the API cannot accept a connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(stream: S, router: Router) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "an API connection ended early");
    }
}
