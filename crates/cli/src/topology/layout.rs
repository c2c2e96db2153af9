//! Places for the nodes of a graph: the root on top, below it in layers what is so many links away.

use super::{Graph, Shape};
use std::collections::VecDeque;

/// A point; y goes down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// Where everything is.
#[derive(Debug)]
pub(super) struct Layout {
    /// By node.
    pub(super) places: Vec<Point>,
    /// By link: how far its middle is from the straight line, to the right of its direction.
    pub(super) bows: Vec<f64>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Between the centres of neighbours in a layer.
const STEP_X: f64 = 240.0;
/// Between layers.
const STEP_Y: f64 = 160.0;
/// Around all.
const MARGIN: f64 = 70.0;
/// Between two links of the same two nodes.
const APART: f64 = 56.0;
/// How often each layer is put in the order of its neighbours above and below.
const SWEEPS: usize = 8;

/// Finds places for all nodes.
pub(super) fn layout(graph: &Graph) -> Layout {
    let near = neighbours(graph);
    let layer_of = layers(graph, &near);
    let deepest = layer_of.iter().copied().max().unwrap_or(0);
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); deepest + 1];
    for (node, layer) in layer_of.iter().enumerate() {
        if let Some(row) = rows.get_mut(*layer) {
            row.push(node);
        }
    }
    let widest = rows.iter().map(Vec::len).max().unwrap_or(0).max(2);
    let width = 2.0 * MARGIN + STEP_X * widest as f64;
    let mut places = vec![Point { x: 0.0, y: 0.0 }; graph.nodes.len()];
    for sweep in 0..SWEEPS {
        // Down and up in turn.
        let order: Vec<usize> =
            if sweep % 2 == 0 { (0..rows.len()).collect() } else { (0..rows.len()).rev().collect() };
        for layer in order {
            let Some(row) = rows.get_mut(layer) else { continue };
            if sweep > 0 {
                sort_row(row, &near, &places, &layer_of);
            }
            for (position, node) in row.iter().enumerate() {
                if let Some(place) = places.get_mut(*node) {
                    place.x = width * (position as f64 + 0.5) / row.len() as f64;
                    place.y = MARGIN + STEP_Y * layer as f64;
                }
            }
        }
    }
    let bows = bows(graph, &places, width / widest as f64);
    let sag = bows.iter().fold(0.0_f64, |most, bow| most.max(bow.abs()));
    Layout { places, bows, width, height: 2.0 * MARGIN + STEP_Y * deepest as f64 + sag }
}

fn neighbours(graph: &Graph) -> Vec<Vec<usize>> {
    let mut near = vec![Vec::new(); graph.nodes.len()];
    for link in &graph.links {
        let [a, b] = [link.ends[0].node, link.ends[1].node];
        for (one, other) in [(a, b), (b, a)] {
            if let Some(list) = near.get_mut(one) {
                list.push(other);
            }
        }
    }
    near
}

/// How many links each node is away from the nearest root; without a root from the first node of its part.
fn layers(graph: &Graph, near: &[Vec<usize>]) -> Vec<usize> {
    let mut layers: Vec<Option<usize>> = vec![None; graph.nodes.len()];
    let roots = graph.nodes.iter().enumerate().filter(|(_, node)| node.shape == Shape::Root);
    let mut queue: VecDeque<usize> = roots.map(|(node, _)| node).collect();
    queue.iter().for_each(|root| layers[*root] = Some(0));
    for first in 0..graph.nodes.len() {
        loop {
            while let Some(node) = queue.pop_front() {
                let layer = layers[node].unwrap_or(0);
                for next in near[node].iter().copied() {
                    if layers[next].is_none() {
                        layers[next] = Some(layer + 1);
                        queue.push_back(next);
                    }
                }
            }
            if layers[first].is_some() {
                break;
            }
            layers[first] = Some(0);
            queue.push_back(first);
        }
    }
    layers.into_iter().map(|layer| layer.unwrap_or(0)).collect()
}

/// By the mean place of the neighbours in other layers.
fn sort_row(row: &mut [usize], near: &[Vec<usize>], places: &[Point], layer_of: &[usize]) {
    let mean = |node: usize| {
        let others: Vec<f64> = near[node]
            .iter()
            .filter(|other| layer_of[**other] != layer_of[node])
            .map(|other| places[*other].x)
            .collect();
        if others.is_empty() { places[node].x } else { others.iter().sum::<f64>() / others.len() as f64 }
    };
    row.sort_by(|a, b| mean(*a).total_cmp(&mean(*b)));
}

/// Links of the same two nodes side by side; those along a layer past other nodes below them.
fn bows(graph: &Graph, places: &[Point], step: f64) -> Vec<f64> {
    let pair = |link: &super::Link| {
        let [a, b] = [link.ends[0].node, link.ends[1].node];
        (a.min(b), a.max(b))
    };
    let mut bows = Vec::new();
    for (index, link) in graph.links.iter().enumerate() {
        let alike = graph.links.iter().filter(|other| pair(other) == pair(link)).count();
        let before = graph.links.iter().take(index).filter(|other| pair(other) == pair(link)).count();
        let (low, high) = pair(link);
        let [a, b] = [places[low], places[high]];
        let mut bow = APART * (before as f64 - (alike as f64 - 1.0) / 2.0);
        if a.y == b.y && (a.x - b.x).abs() > 1.5 * step {
            // To the right of a line that goes left is up.
            bow += if a.x < b.x { APART } else { -APART };
        }
        bows.push(if link.ends[0].node == low { bow } else { -bow });
    }
    bows
}
