//! Answers to queries.

use crate::NodeOutput;
use crate::node::Node;
use crate::table_view::Table;
use trunkline_bgp::Input;
use trunkline_core::{Instant, Outbox};
use trunkline_view::explain::{RouteExplanation, RouteQuery};
use trunkline_view::{Answer, ErrorKind, InterfacesView, NodeView, Query};

impl Node {
    /// Answers, or hands the query to BGP, which answers through its outbox.
    pub(crate) fn query(
        &mut self,
        now: Instant,
        id: u64,
        query: Query,
        out: &mut Outbox<NodeOutput>,
    ) -> Option<Answer> {
        match query {
            Query::Node => Some(Answer::Node(self.node_view(now))),
            Query::Interfaces => {
                let interfaces = self.routing.interfaces.views();
                Some(Answer::Interfaces(InterfacesView { interfaces }))
            }
            Query::Routes { prefix, cursor, limit } => {
                let table = Table { routing: &self.routing, bgp: self.bgp.as_ref() };
                Some(Answer::Routes(match prefix {
                    Some(prefix) => table.routes_to(prefix),
                    None => table.page(cursor, limit),
                }))
            }
            Query::ExplainRoute(query) => Some(self.explain_route(now, &query)),
            Query::ExplainBgp(query) => self.explain_bgp(now, id, &query, out),
            Query::Reload => Some(Answer::error(
                ErrorKind::Unavailable,
                "this node has no configuration file to read again",
            )),
            Query::BgpSummary
            | Query::BgpNeighbors { .. }
            | Query::BgpRoutes(_)
            | Query::BgpClear { .. }
            | Query::BgpShutdown { .. }
            | Query::BgpStart { .. } => self.query_bgp(now, id, query),
            Query::Rip | Query::RipNeighbors | Query::RipRoutes(_) | Query::RipClear { .. } => {
                Some(self.query_rip(now, &query, out))
            }
            Query::SpanningTree { bridge } => Some(self.spanning_trees(now, bridge.as_deref())),
            Query::SpanningTreeMcheck { bridge, port } => Some(self.mcheck(now, (&bridge, &port), out)),
            Query::SpanningTreeRecover { bridge, port } => Some(self.recover(now, (&bridge, &port), out)),
            query => match &mut self.stack {
                Some(stack) => stack.query(now, id, &query).unwrap_or_else(|| {
                    Some(Answer::error(ErrorKind::Invalid, "this node cannot answer that"))
                }),
                None => Some(Answer::error(
                    ErrorKind::NotRunning,
                    "this node has no ports of its own: the kernel does that",
                )),
            },
        }
    }

    fn explain_route(&self, now: Instant, query: &RouteQuery) -> Answer {
        for address in [query.from, query.to].into_iter().flatten() {
            if let Some(error) = self.bgp.as_ref().and_then(|bgp| bgp.unknown_neighbor(address)) {
                return error;
            }
        }
        let table = Table { routing: &self.routing, bgp: self.bgp.as_ref() };
        let routes = table.routes_to(query.prefix).routes;
        // BGP may know of a more specific one that cannot be used.
        let in_table = routes.first().map(|route| route.prefix);
        let in_bgp = self.bgp.as_ref().and_then(|bgp| bgp.found(query.prefix));
        let prefix = in_table.into_iter().chain(in_bgp).max_by_key(|prefix| prefix.len());
        let prefix = prefix.unwrap_or(query.prefix);
        let routes = if in_table == Some(prefix) { routes } else { table.routes_at(prefix) };
        Answer::ExplainRoute(Box::new(RouteExplanation {
            prefix,
            routes,
            rip: self.rip_route(now, prefix),
            bgp: self.bgp.as_ref().map(|bgp| bgp.explain_route(now, prefix, query)),
        }))
    }

    fn query_bgp(&mut self, now: Instant, id: u64, query: Query) -> Option<Answer> {
        if let Some(error) = self.no_bgp() {
            return Some(error);
        }
        self.tell_bgp(now, Input::Query { id, query });
        None
    }

    /// What to say where BGP cannot be asked.
    pub(crate) fn no_bgp(&self) -> Option<Answer> {
        if self.bgp.is_none() {
            let why = "this node does not run BGP: its file has no [bgp]";
            return Some(Answer::error(ErrorKind::NotRunning, why));
        }
        let waits = self.started.is_none();
        waits.then(|| Answer::error(ErrorKind::Unavailable, "this node has not started yet"))
    }

    fn node_view(&self, now: Instant) -> NodeView {
        NodeView {
            name: self.config.name.clone(),
            version: self.version.clone(),
            router_id: self.router_id,
            uptime: self.started.map_or(0.0, |at| now.since(at).as_secs_f64()),
            pid: self.pid,
            config_files: self.config_files.clone(),
        }
    }
}
