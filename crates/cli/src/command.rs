//! The commands that talk to a node.

use crate::Failure;
use crate::args::{
    BgpAction, BgpRoutes, Clear, Command, ExplainOptions, Live, Paging, PingOptions, RipOptions, RipPart,
    Show, ShowBgp, Target, TopologyOptions, TreeAction, TreeOptions, TreePart,
};
use crate::client::explain;
use crate::show::{self, Style};
use crate::topology;
use std::io::Write;
use trunkline_api::client::Client;
use trunkline_api::view_json;
use trunkline_explain::live::is_wrong;
use trunkline_view::explain::{NeighborQuery, RouteQuery};
use trunkline_view::probe::{PingQuery, PingView};
use trunkline_view::stp::SpanningTreesView;
use trunkline_view::{Answer, Query};

/// The most routes of one page (`limit` of [`trunkline_view::bgp::RoutesQuery`]).
const PAGE: u32 = 1000;

/// Asks and prints.
pub(crate) fn execute(
    command: Command,
    client: &Client,
    json: bool,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut session = Session { client, json, style, out };
    match command {
        Command::Show(Show::Bgp(ShowBgp::Routes(options))) => session.bgp_routes(&options),
        Command::Show(Show::Routes { prefix, paging }) => session.pages(
            &paging,
            &mut |cursor, limit| Query::Routes { prefix, cursor, limit },
            prefix.is_some(),
        ),
        Command::Show(Show::Rip(RipOptions { part: Some(RipPart::Routes(options)) })) => session.pages(
            &options.paging,
            &mut |cursor, limit| Query::RipRoutes(options.query(cursor, limit)),
            options.prefix.is_some(),
        ),
        Command::Show(Show::SpanningTree(options)) => session.spanning_tree(&options),
        Command::Show(Show::Topology(options)) => session.topology(&options),
        Command::Explain(ExplainOptions { live: Some(Live::Port { port, bridge }), .. }) => {
            let part = Some(TreePart::Port { port, why: true });
            session.spanning_tree(&TreeOptions { bridge, part })
        }
        Command::Watch => session.watch(),
        Command::Ping(options) => session.ping(&options),
        other => match simple_query(other) {
            Some(query) => session.ask_and_print(&query),
            None => Err(Failure::Message("this command talks to no node".to_owned())),
        },
    }
}

/// The query of a `show` that is one query; tables come in pages.
pub(crate) fn show_query(show: Show) -> Option<Query> {
    Some(match show {
        Show::Node => Query::Node,
        Show::Interfaces => Query::Interfaces,
        Show::Bgp(ShowBgp::Summary) => Query::BgpSummary,
        Show::Bgp(ShowBgp::Neighbors { address }) => Query::BgpNeighbors { address },
        Show::Arp { interface } => Query::Arp { interface },
        Show::Mac { bridge } => Query::Mac { bridge },
        Show::SpanningTree(TreeOptions { bridge, .. }) | Show::Topology(TopologyOptions { bridge, .. }) => {
            Query::SpanningTree { bridge }
        }
        Show::Rip(RipOptions { part: None }) => Query::Rip,
        Show::Rip(RipOptions { part: Some(RipPart::Neighbors) }) => Query::RipNeighbors,
        Show::Tcp => Query::Tcp,
        Show::Ip => Query::IpStatistics,
        Show::Routes { .. } | Show::Bgp(ShowBgp::Routes(_)) => return None,
        Show::Rip(RipOptions { part: Some(RipPart::Routes(_)) }) => return None,
    })
}

/// The query of a command that is one query.
fn simple_query(command: Command) -> Option<Query> {
    Some(match command {
        Command::Reload => Query::Reload,
        Command::Show(show) => return show_query(show),
        Command::Traceroute(options) => Query::Traceroute(options.query()),
        Command::Transfer(options) => Query::TcpTransfer(options.query()),
        Command::Clear(Clear::Bgp { target, soft }) => {
            let address = match target {
                Target::All => None,
                Target::One(address) => Some(address),
            };
            Query::BgpClear { address, soft }
        }
        Command::Clear(Clear::Rip { prefix }) => Query::RipClear { prefix },
        Command::Bgp { address, action: BgpAction::Shutdown { message } } => {
            Query::BgpShutdown { address, message }
        }
        Command::Bgp { address, action: BgpAction::Start } => Query::BgpStart { address },
        Command::SpanningTree { bridge, port, action: TreeAction::Mcheck } => {
            Query::SpanningTreeMcheck { bridge, port }
        }
        Command::SpanningTree { bridge, port, action: TreeAction::Recover } => {
            Query::SpanningTreeRecover { bridge, port }
        }
        Command::Run { .. } | Command::Check { .. } | Command::Watch => return None,
        Command::Ping(_) | Command::Lab(_) | Command::Relay(_) | Command::Decode(_) => return None,
        Command::Explain(ExplainOptions { live: Some(Live::Route { prefix, from, to }), .. }) => {
            Query::ExplainRoute(RouteQuery { prefix, from, to })
        }
        Command::Explain(ExplainOptions { live: Some(Live::Bgp { neighbor, probe }), .. }) => {
            Query::ExplainBgp(NeighborQuery { neighbor, probe })
        }
        Command::Explain(_) => return None,
        Command::Completions { .. } | Command::Man { .. } => return None,
    })
}

struct Session<'a, W> {
    client: &'a Client,
    json: bool,
    style: Style,
    out: &'a mut W,
}

impl<W: Write> Session<'_, W> {
    /// Asks; an answer that is an error is said and ends the command.
    fn ask(&mut self, query: &Query) -> Result<Answer, Failure> {
        let answer = self.client.query(query).map_err(|e| explain(&e))?;
        match &answer {
            Answer::Error(_) if self.json => {
                writeln!(self.out, "{}", view_json(&answer, true))?;
                self.out.flush()?;
                Err(Failure::Said)
            }
            Answer::Error(error) => Err(Failure::Message(error.message.clone())),
            _ => Ok(answer),
        }
    }

    fn ask_and_print(&mut self, query: &Query) -> Result<(), Failure> {
        let answer = self.ask(query)?;
        let refused = matches!(&answer, Answer::Reload(view) if !view.applied);
        let failed = matches!(&answer, Answer::Transfer(view) if view.error.is_some());
        let found = matches!(&answer, Answer::ExplainBgp(view) if is_wrong(&view.verdicts));
        if self.json {
            writeln!(self.out, "{}", view_json(&answer, true))?;
        } else if let (true, Answer::Reload(view)) = (refused, &answer) {
            return Err(Failure::Message(show::reload_refused(view)));
        } else {
            self.out.write_all(show::human(&answer, self.style).as_bytes())?;
        }
        self.out.flush()?;
        match (refused || failed, found) {
            (true, _) => Err(Failure::Said),
            (false, true) => Err(Failure::Found),
            (false, false) => Ok(()),
        }
    }

    fn bgp_routes(&mut self, options: &BgpRoutes) -> Result<(), Failure> {
        let query = |cursor, limit| Query::BgpRoutes(options.query(cursor, limit));
        self.pages(&options.paging, &mut { query }, options.prefix.is_some())
    }

    /// Follows the pages of a table. `detail`: one destination is asked for, so show all about it.
    fn pages(
        &mut self,
        paging: &Paging,
        query: &mut dyn FnMut(u64, u32) -> Query,
        detail: bool,
    ) -> Result<(), Failure> {
        let mut printer = show::Pages::new(self.style, detail);
        let mut merged: Option<Answer> = None;
        let (mut cursor, mut left) = (0, if paging.all { u64::MAX } else { paging.limit });
        loop {
            let limit = u32::try_from(left).unwrap_or(PAGE).min(PAGE);
            let page = self.ask(&query(cursor, limit))?;
            let (shown, next) = page_end(&page)?;
            left = left.saturating_sub(shown);
            // A page without progress would go on for ever.
            let next = next.filter(|n| *n > cursor);
            let last = next.is_none() || left == 0;
            if self.json && paging.all {
                writeln!(self.out, "{}", view_json(&page, false))?;
            } else if self.json {
                match &mut merged {
                    Some(all) => append(all, page),
                    None => merged = Some(page),
                }
            } else {
                self.out.write_all(printer.page(&page, last).as_bytes())?;
            }
            match next {
                Some(next) if !last => cursor = next,
                _ => break,
            }
        }
        if let Some(all) = merged {
            writeln!(self.out, "{}", view_json(&all, true))?;
        }
        Ok(self.out.flush()?)
    }

    /// Asks for the spanning trees and prints what is made of them.
    fn trees(
        &mut self,
        bridge: &Option<String>,
        text: impl FnOnce(&SpanningTreesView, bool, Style) -> Result<String, Failure>,
    ) -> Result<(), Failure> {
        let Answer::SpanningTree(view) = self.ask(&Query::SpanningTree { bridge: bridge.clone() })? else {
            return Err(Failure::Message("the node gave another answer than was asked for".to_owned()));
        };
        self.out.write_all(text(&view, self.json, self.style)?.as_bytes())?;
        Ok(self.out.flush()?)
    }

    fn spanning_tree(&mut self, options: &TreeOptions) -> Result<(), Failure> {
        self.trees(&options.bridge, |view, json, style| show::spanning_tree(view, options, json, style))
    }

    fn topology(&mut self, options: &TopologyOptions) -> Result<(), Failure> {
        let drawing = options.drawing;
        self.trees(&options.bridge, |view, json, _| Ok(topology::of_bridges(view).draw(drawing, json)))
    }

    /// Asks for one request after the other, so that each answer is seen when it comes.
    fn ping(&mut self, options: &PingOptions) -> Result<(), Failure> {
        let query = Query::Ping(PingQuery { count: 1, ..options.query() });
        let mut all = None;
        for sequence in 1..=options.count {
            if let Answer::Ping(mut view) = self.ask(&query)? {
                for reply in &mut view.replies {
                    reply.sequence = u16::try_from(sequence).unwrap_or(u16::MAX);
                    if !self.json {
                        writeln!(self.out, "{}", show::ping_reply(reply, self.style))?;
                    }
                }
                self.out.flush()?;
                merge(&mut all, view);
            }
            if sequence < options.count {
                std::thread::sleep(options.interval);
            }
        }
        let Some(view) = all else { return Err(Failure::Said) };
        let received = view.received;
        if self.json {
            writeln!(self.out, "{}", view_json(&Answer::Ping(view), true))?;
        } else {
            write!(self.out, "{}", show::ping_summary(&view))?;
        }
        self.out.flush()?;
        if received > 0 { Ok(()) } else { Err(Failure::Said) }
    }

    fn watch(&mut self) -> Result<(), Failure> {
        for event in self.client.events().map_err(|e| explain(&e))? {
            let event = event.map_err(|e| explain(&e))?;
            if self.json {
                let line = serde_json::to_string(&event).map_err(|e| Failure::Message(e.to_string()))?;
                writeln!(self.out, "{line}")?;
            } else {
                writeln!(self.out, "{}", show::event(&event, self.style))?;
            }
            // Whoever follows wants to see it now, also through a pipe.
            self.out.flush()?;
        }
        Err(Failure::Message("the node has stopped".to_owned()))
    }
}

/// Adds a ping to those before it.
fn merge(all: &mut Option<PingView>, ping: PingView) {
    let Some(all) = all else {
        *all = Some(ping);
        return;
    };
    let either = |a: Option<f64>, b: Option<f64>, choose: fn(f64, f64) -> f64| match (a, b) {
        (Some(a), Some(b)) => Some(choose(a, b)),
        (a, b) => a.or(b),
    };
    let seconds = |view: &PingView| view.average.unwrap_or(0.0) * f64::from(view.received);
    let total = seconds(all) + seconds(&ping);
    all.sent += ping.sent;
    all.received += ping.received;
    all.duplicates += ping.duplicates;
    all.minimum = either(all.minimum, ping.minimum, f64::min);
    all.maximum = either(all.maximum, ping.maximum, f64::max);
    all.average = (all.received > 0).then(|| total / f64::from(all.received));
    all.replies.extend(ping.replies);
}

/// How many entries a page has, and where the next one starts.
pub(crate) fn page_end(page: &Answer) -> Result<(u64, Option<u64>), Failure> {
    match page {
        Answer::BgpRoutes(view) => Ok((view.paths.len() as u64, view.next)),
        Answer::Routes(view) => Ok((view.routes.len() as u64, view.next)),
        Answer::RipRoutes(view) => Ok((view.routes.len() as u64, view.next)),
        _ => Err(Failure::Message("the node gave another answer than was asked for".to_owned())),
    }
}

/// Adds a page to the pages before it.
pub(crate) fn append(all: &mut Answer, page: Answer) {
    match (all, page) {
        (Answer::BgpRoutes(all), Answer::BgpRoutes(page)) => {
            all.paths.extend(page.paths);
            all.next = page.next;
        }
        (Answer::Routes(all), Answer::Routes(page)) => {
            all.routes.extend(page.routes);
            all.next = page.next;
        }
        (Answer::RipRoutes(all), Answer::RipRoutes(page)) => {
            all.routes.extend(page.routes);
            all.next = page.next;
        }
        // The same query got the same kind of answer; `page_end` has seen to it that it is one of these.
        _ => {}
    }
}

#[cfg(test)]
mod tests;
