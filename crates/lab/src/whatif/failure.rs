//! What can fail: links and the nodes that carry others' frames or packets.

use super::Trouble;
use crate::scenario::Scenario;
use crate::sim::{Lab, Observer};
use std::fmt;
use std::str::FromStr;
use trunkline_node::config::{Kind, NodeConfig};

/// One thing that fails.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A link is cut.
    Link(String),
    /// A node loses all its state and stays down.
    Node(String),
}

/// What fails at the same moment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// At least one.
    pub faults: Vec<Fault>,
}

/// Every link and every node that carries what others send; or every pair of them. A cable and a node at its end are no
/// pair: the node's failure alone is the same.
pub fn failures(scenario: &Scenario, pairs: bool) -> Vec<Failure> {
    let links = scenario.links.iter().map(|link| Fault::Link(link.name.clone()));
    let nodes = scenario.nodes.iter().filter(|node| carries(node));
    let faults: Vec<Fault> = links.chain(nodes.map(|node| Fault::Node(node.name.clone()))).collect();
    if !pairs {
        return faults.into_iter().map(|fault| Failure { faults: vec![fault] }).collect();
    }
    let mut failures = Vec::new();
    for (place, first) in faults.iter().enumerate() {
        let others = faults.iter().skip(place + 1).filter(|other| !is_cable_at(scenario, first, other));
        failures.extend(others.map(|other| Failure { faults: vec![first.clone(), other.clone()] }));
    }
    failures
}

/// Whether a node stands between others.
fn carries(node: &NodeConfig) -> bool {
    node.kind != Kind::Host || node.bridges.iter().any(|bridge| !bridge.kernel)
}

fn is_cable_at(scenario: &Scenario, one: &Fault, other: &Fault) -> bool {
    let (Fault::Link(link), Fault::Node(node)) = (one, other) else { return false };
    let link = scenario.links.iter().find(|l| l.name == *link);
    link.is_some_and(|link| link.ends.len() == 2 && link.ends.iter().any(|end| end.node == *node))
}

impl Failure {
    /// Whether all that it names is there.
    ///
    /// # Errors
    ///
    /// The first that is not.
    pub fn check(&self, scenario: &Scenario) -> Result<(), Trouble> {
        let missing = self.faults.iter().find(|fault| match fault {
            Fault::Link(name) => !scenario.links.iter().any(|link| link.name == *name),
            Fault::Node(name) => !scenario.nodes.iter().any(|node| node.name == *name),
        });
        missing.map_or(Ok(()), |fault| Err(Trouble::NoSuch(fault.clone())))
    }

    /// Lets it happen now.
    pub(super) fn strike(&self, lab: &mut Lab, observer: &mut dyn Observer) {
        for fault in &self.faults {
            match fault {
                Fault::Link(name) => {
                    if let Ok(link) = lab.link(name) {
                        lab.cut(link, observer);
                    }
                }
                Fault::Node(name) => {
                    if let Ok(node) = lab.node(name) {
                        lab.crash(node, observer);
                    }
                }
            }
        }
    }
}

/// `link a-b`, `node sw1`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Link(name) => write!(f, "link {name}"),
            Fault::Node(name) => write!(f, "node {name}"),
        }
    }
}

/// `link a-b, node sw1`; [`Failure::from_str`] reads it.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.faults.iter().enumerate() {
            write!(f, "{}{fault}", if number > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

impl FromStr for Failure {
    type Err = Trouble;

    fn from_str(text: &str) -> Result<Failure, Trouble> {
        let fault = |words: &str| match words.split_whitespace().collect::<Vec<_>>()[..] {
            ["link", name] => Ok(Fault::Link(name.to_owned())),
            ["node", name] => Ok(Fault::Node(name.to_owned())),
            _ => Err(Trouble::Unreadable(text.to_owned())),
        };
        Ok(Failure { faults: text.split(',').map(fault).collect::<Result<_, _>>()? })
    }
}
