//! What operators ask and order.

use super::peer::{FAMILIES, Peer};
use super::{Bgp, Output, number};
use crate::session::{self, Restart};
use std::net::IpAddr;
use trunkline_core::{Instant, Outbox};
use trunkline_view::{Answer, DoneView, ErrorKind, Query};
use trunkline_wire::bgp::{ErrorCode, Notification, RouteRefresh, RouteRefreshSubtype};

use crate::rib::table::PeerId;

impl Bgp {
    pub(super) fn query(&mut self, now: Instant, query: Query, out: &mut Outbox<Output>) -> Answer {
        match query {
            Query::BgpSummary => Answer::BgpSummary(self.summary(now)),
            Query::BgpNeighbors { address: None } => Answer::BgpNeighbors(self.neighbors(now, None)),
            Query::BgpNeighbors { address: Some(address) } => match self.neighbor(address) {
                Ok(id) => Answer::BgpNeighbors(self.neighbors(now, Some(id))),
                Err(error) => error,
            },
            Query::BgpRoutes(query) => self.routes(now, &query),
            Query::BgpClear { address, soft } => self.clear(now, address, soft, out),
            Query::BgpShutdown { address, message } => match self.neighbor(address) {
                Ok(id) => {
                    self.session_input(now, id, session::Input::ManualStop { message }, out);
                    done(format!("neighbor {address} is shut down; `bgp {address} start` undoes it"))
                }
                Err(error) => error,
            },
            Query::BgpStart { address } => match self.neighbor(address) {
                Ok(id) => {
                    self.session_input(now, id, session::Input::ManualStart, out);
                    done(format!("neighbor {address} is started"))
                }
                Err(error) => error,
            },
            _ => Answer::error(ErrorKind::Invalid, "not a question for BGP"),
        }
    }

    /// What to say to a question about a neighbour that there is not; none: there is one of this address.
    pub fn unknown_neighbor(&self, address: IpAddr) -> Option<Answer> {
        self.neighbor(address).err()
    }

    pub(super) fn neighbor(&self, address: IpAddr) -> Result<PeerId, Answer> {
        let id = self.by_address.get(&address.to_canonical()).copied();
        id.ok_or_else(|| {
            Answer::error(ErrorKind::NotFound, format!("no BGP neighbor has the address {address}"))
        })
    }

    fn clear(
        &mut self,
        now: Instant,
        address: Option<IpAddr>,
        soft: bool,
        out: &mut Outbox<Output>,
    ) -> Answer {
        let ids = match address {
            Some(address) => match self.neighbor(address) {
                Ok(id) => vec![id],
                Err(error) => return error,
            },
            None => self.ids(),
        };
        let mut without_refresh = Vec::new();
        for id in &ids {
            if soft {
                without_refresh.extend(self.clear_softly(now, *id, out));
            } else {
                let stop = session::Input::AutomaticStop {
                    notification: Notification::new(ErrorCode::ADMINISTRATIVE_RESET),
                    reason: "cleared by the operator".into(),
                    restart: Restart::Normal,
                };
                self.session_input(now, *id, stop, out);
            }
        }
        let whom = address.map_or_else(|| format!("{} neighbors", ids.len()), |a| format!("neighbor {a}"));
        match (soft, without_refresh.is_empty()) {
            (false, _) => done(format!("the session of {whom} was reset")),
            (true, true) => done(format!("routes of {whom} are asked for, judged and sent again")),
            (true, false) => {
                let list: Vec<String> = without_refresh.iter().map(IpAddr::to_string).collect();
                done(format!(
                    "routes of {whom} are judged and sent again; not asked for, since ROUTE-REFRESH was not agreed: {}",
                    list.join(", ")
                ))
            }
        }
    }

    /// Policy again, our routes again, and theirs where ROUTE-REFRESH was agreed; the address where it was not.
    fn clear_softly(&mut self, now: Instant, id: PeerId, out: &mut Outbox<Output>) -> Option<IpAddr> {
        let Some(Some(Peer { session, state })) = self.peers.get(id.index()) else { return None };
        let negotiated = session.negotiated()?;
        let (families, refresh, address) =
            (negotiated.families.clone(), negotiated.route_refresh, state.address);
        self.rib.request_review(id);
        for family in families.into_iter().filter(|f| FAMILIES.contains(f)) {
            match number(family) {
                Some(0) => self.rib.v4.refresh(id, false),
                _ => self.rib.v6.refresh(id, false),
            }
            if refresh {
                let message = RouteRefresh { family, subtype: RouteRefreshSubtype::Request };
                self.session_input(now, id, session::Input::SendRouteRefresh(message), out);
            }
        }
        (!refresh).then_some(address)
    }
}

fn done(message: String) -> Answer {
    Answer::Done(DoneView { message })
}
