//! TCP in a node: services, transfers, sockets by name.

use super::host;
use super::wire::Net;
use crate::config::{Service, ServiceKind};
use std::net::SocketAddrV4;
use trunkline_view::probe::{ConnectQuery, TransferQuery, TransferView};
use trunkline_view::tcp::TcpView;
use trunkline_view::{Answer, DoneView, Query};

fn net() -> Net {
    let mut b = host("b", "10.0.0.2/24", "");
    let service = |(kind, port)| Service { kind, port };
    b.services =
        [(ServiceKind::Echo, 7), (ServiceKind::Discard, 9), (ServiceKind::Chargen, 19)].map(service).to_vec();
    Net::new(vec![host("a", "10.0.0.1/24", ""), b], &[&["a.eth0", "b.eth0"]])
}

fn at(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new("10.0.0.2".parse().unwrap(), port)
}

fn transfer(net: &mut Net, query: TransferQuery) -> TransferView {
    match net.ask("a", Query::TcpTransfer(query)) {
        Answer::Transfer(view) => view,
        other => panic!("{other:?}"),
    }
}

fn tcp(net: &mut Net, name: &str) -> TcpView {
    match net.ask(name, Query::Tcp) {
        Answer::Tcp(view) => view,
        other => panic!("{other:?}"),
    }
}

#[test]
fn octets_go_both_ways() {
    let mut net = net();
    let view = transfer(&mut net, TransferQuery::new(at(9), 3_000_000));
    assert_eq!((view.sent, view.received, view.error), (3_000_000, 0, None));
    let view = transfer(&mut net, TransferQuery::new(at(7), 3_000_000));
    assert_eq!((view.sent, view.received, view.error), (3_000_000, 3_000_000, None));
    assert!(view.echoed);
    // Nothing is left but connections that wait for old segments.
    net.run(5.0);
    for name in ["a", "b"] {
        assert!(tcp(&mut net, name).connections.iter().all(|c| c.state == "TIME-WAIT" && c.owner.is_empty()));
    }
}

#[test]
fn octets_arrive_though_frames_are_lost() {
    let mut net = net();
    net.lose_every = 31;
    let view = transfer(&mut net, TransferQuery::new(at(7), 500_000));
    assert_eq!((view.received, &view.error), (500_000, &None));
    assert!(view.echoed && view.retransmits > 5, "{view:?}");
}

#[test]
fn characters_as_the_rfc_has_them() {
    // RFC 864: 72 printable characters a line, each line begins with the next character.
    let mut net = net();
    let query = ConnectQuery { name: "c".into(), remote: at(19), source: None, local_port: None };
    net.ask("a", Query::TcpConnect(query));
    net.run(0.01);
    let connections = tcp(&mut net, "a").connections;
    let received = connections[0].received.clone().unwrap();
    let lines: Vec<&str> = received.split("\r\n").collect();
    let (first, second) = (lines[1].as_bytes(), lines[2].as_bytes());
    assert_eq!((first.len(), second.len()), (72, 72));
    assert_eq!(first[1..], second[..71]);
    net.ask("a", Query::TcpAbort { name: "c".into() });
    net.run(1.0);
    assert_eq!(tcp(&mut net, "b").connections, []);

    let query = TransferQuery { receive: Some(200_000), ..TransferQuery::new(at(19), 0) };
    let view = transfer(&mut net, query);
    assert!(view.received >= 200_000 && view.error.is_none(), "{view:?}");
}

#[test]
fn nobody_listens() {
    let mut net = net();
    let view = transfer(&mut net, TransferQuery::new(at(99), 10));
    assert_eq!(
        view.error.as_deref(),
        Some("connection refused: nobody listens there, or a firewall rejects")
    );
    // A service goes and comes.
    let done = net.set("b", |config| config.services.retain(|service| service.kind != ServiceKind::Echo));
    assert_eq!(done.changes, ["services changed"]);
    assert!(transfer(&mut net, TransferQuery::new(at(7), 10)).error.is_some());
    net.set("b", |config| config.services.push(Service { kind: ServiceKind::Echo, port: 7 }));
    assert_eq!(transfer(&mut net, TransferQuery::new(at(7), 10)).received, 10);
}

#[test]
fn time_is_limited() {
    let mut net = net();
    net.carrier(0, false);
    let query = TransferQuery { timeout_ms: Some(1500), ..TransferQuery::new(at(9), 10) };
    let Answer::Error(view) = net.ask("a", Query::TcpTransfer(query.clone())) else { panic!("connected") };
    assert_eq!(view.message, "cannot connect to 10.0.0.2:9: no route");
    net.carrier(0, true);
    net.lose_every = 1;
    let view = transfer(&mut net, query);
    assert_eq!((view.error.as_deref(), view.seconds), (Some("timed out"), 1.5));
}

fn order(net: &mut Net, name: &str, query: Query) -> String {
    let answer = net.ask(name, query);
    net.run(0.1);
    match answer {
        Answer::Done(DoneView { message }) => message,
        Answer::Error(view) => view.message,
        other => panic!("{other:?}"),
    }
}

fn state(net: &mut Net, name: &str, owner: &str) -> String {
    let connections = tcp(net, name).connections;
    connections.iter().find(|c| c.owner == owner).map_or("none".to_owned(), |c| c.state.clone())
}

#[test]
fn sockets_by_name_walk_through_the_states() {
    let mut net = net();
    let name = || "s".to_owned();
    let connect =
        |port| ConnectQuery { name: "s".into(), remote: at(port), source: None, local_port: Some(4000) };
    assert_eq!(order(&mut net, "b", Query::TcpListen { name: name(), port: 80 }), "s listens on port 80");
    assert_eq!(order(&mut net, "a", Query::TcpConnect(connect(80))), "s connects to 10.0.0.2:80");
    assert_eq!(
        (state(&mut net, "a", "s"), state(&mut net, "b", "s")),
        ("ESTABLISHED".into(), "ESTABLISHED".into())
    );
    assert_eq!(order(&mut net, "a", Query::TcpSend { name: name(), text: "hello".into() }), "s: 5 octets");
    assert_eq!(tcp(&mut net, "b").connections[0].received.as_deref(), Some("hello"));
    order(&mut net, "a", Query::TcpClose { name: name() });
    assert_eq!(
        (state(&mut net, "a", "s"), state(&mut net, "b", "s")),
        ("FIN-WAIT-2".into(), "CLOSE-WAIT".into())
    );
    // The other half still works.
    order(&mut net, "b", Query::TcpSend { name: name(), text: "bye".into() });
    assert_eq!(tcp(&mut net, "a").connections[0].received.as_deref(), Some("bye"));
    order(&mut net, "b", Query::TcpClose { name: name() });
    assert_eq!(state(&mut net, "b", "s"), "none");
    assert_eq!(tcp(&mut net, "a").connections[0].state, "TIME-WAIT");
    let walked: Vec<String> = net.words("a").into_iter().filter(|words| words.contains(" -> ")).collect();
    let states = walked.iter().filter(|words| !words.contains("10.0.0"));
    let expected = [
        "CLOSED -> SYN-SENT",
        "SYN-SENT -> ESTABLISHED",
        "ESTABLISHED -> FIN-WAIT-1",
        "FIN-WAIT-1 -> FIN-WAIT-2",
        "FIN-WAIT-2 -> TIME-WAIT",
    ];
    assert_eq!(states.collect::<Vec<_>>(), expected);

    assert_eq!(
        order(&mut net, "a", Query::TcpClose { name: "x".into() }),
        "no connection or listener is called x"
    );
    assert_eq!(order(&mut net, "b", Query::TcpClose { name: name() }), "s listens no more");
}

#[test]
fn simultaneous_open() {
    let mut net = net();
    let open = |name: &str, remote: &str| {
        let remote = SocketAddrV4::new(remote.parse().unwrap(), 5000);
        Query::TcpConnect(ConnectQuery { name: name.into(), remote, source: None, local_port: Some(5000) })
    };
    super::ping(&mut net, "a", "10.0.0.2", 1);
    net.order("a", open("x", "10.0.0.2"));
    net.order("b", open("y", "10.0.0.1"));
    net.run(0.1);
    assert_eq!(
        (state(&mut net, "a", "x"), state(&mut net, "b", "y")),
        ("ESTABLISHED".into(), "ESTABLISHED".into())
    );
    assert!(net.words("a").contains(&"SYN-SENT -> SYN-RECEIVED".to_owned()));
}
