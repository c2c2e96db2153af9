//! HTTP/JSON and a stream of events, over a Unix socket and, where asked for, TCP.
//!
//! One thread of its own runs tokio and serves every node of the process, each on its own sockets. It knows nothing
//! of how a node works: it hands a [`Query`] to the node's [`Backend`] and gets an [`Answer`] back by a callback.
//!
//! ```text
//!  CLI, curl, Prometheus ──HTTP──▶ API thread ──Query──▶ node's thread
//!                                      ▲──────Answer, Event──────┘
//! ```
//!
//! What is there to ask is described by `openapi.json`, served at `/openapi.json`.

pub mod client;
mod error;
mod events;
mod guard;
mod listen;
mod metrics;
mod render;
mod routes;
mod serve;

pub use listen::{BindError, Endpoint, Listeners};
pub use render::view_json;
pub use serve::Server;

use std::sync::Arc;
use trunkline_view::{Answer, Event, Query};

/// Takes the answer to a query; called once, from any thread. Dropped uncalled where the node is gone.
pub type Reply = Box<dyn FnOnce(Answer) + Send>;

/// Gets every event, in order, on the node's thread, so it must not block; `false` ends the subscription.
pub type Watcher = Box<dyn FnMut(&Event) -> bool + Send>;

/// The way to one node.
#[derive(Clone)]
pub struct Backend {
    /// Asks the node; must not block.
    pub query: Arc<dyn Fn(Query, Reply) + Send + Sync>,
    /// Subscribes to the node's events; must not block.
    pub subscribe: Arc<dyn Fn(Watcher) + Send + Sync>,
}
