//! A graph as an SVG picture. Colours are said in the legend too, and blocked links are dashed.

use super::layout::{Layout, Point, layout};
use super::{End, Graph, Link, LinkState, Node, Shape};
use std::fmt::Write;

/// Half of a node's box.
const HALF: (f64, f64) = (72.0, 24.0);
/// How far from the box a port's name stands.
const GAP: (f64, f64) = (42.0, 24.0);
/// Height of the legend.
const LEGEND: f64 = 30.0;

const LEGEND_LINES: [(LinkState, &str); 4] = [
    (LinkState::Forwards, "forwards"),
    (LinkState::Blocked, "blocked"),
    (LinkState::Down, "down"),
    (LinkState::Beyond, "through other bridges"),
];

/// The picture. Writing to a string does not fail.
pub(super) fn svg(graph: &Graph) -> String {
    let found = layout(graph);
    let (width, height) = (found.width, found.height + LEGEND);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"sans-serif\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    let curves: Vec<Curve> =
        graph.links.iter().zip(&found.bows).map(|(link, bow)| Curve::of(link, *bow, &found)).collect();
    for (link, curve) in graph.links.iter().zip(&curves) {
        let Curve { from, over, to } = curve;
        let _ = writeln!(
            text,
            "<path d=\"M {:.1} {:.1} Q {:.1} {:.1} {:.1} {:.1}\" fill=\"none\" {}/>",
            from.x,
            from.y,
            over.x,
            over.y,
            to.x,
            to.y,
            stroke(link.state)
        );
    }
    for (node, place) in graph.nodes.iter().zip(&found.places) {
        text.push_str(&boxed(node, *place));
    }
    for (link, curve) in graph.links.iter().zip(&curves) {
        let lan = |end: &End| graph.nodes.get(end.node).is_some_and(|node| node.shape == Shape::Lan);
        for (end, curve) in [(&link.ends[0], *curve), (&link.ends[1], curve.reversed())] {
            if !lan(end) {
                text.push_str(&label(curve.outside(), &[&end.port, &end.role], end.link_state()));
            }
        }
        text.push_str(&label(curve.at(0.5), &[&link.note], LinkState::Beyond));
    }
    text.push_str(&legend(height - LEGEND / 2.0));
    text.push_str("</svg>\n");
    text
}

const fn color(state: LinkState) -> &'static str {
    match state {
        LinkState::Forwards => "#1b7f3b",
        LinkState::Blocked => "#c62828",
        LinkState::Down | LinkState::Beyond => "#777777",
    }
}

fn stroke(state: LinkState) -> String {
    let (width, dashes) = match state {
        LinkState::Forwards => ("2.5", ""),
        LinkState::Blocked => ("2.5", " stroke-dasharray=\"9 6\""),
        LinkState::Down => ("1.5", " stroke-dasharray=\"2 4\""),
        LinkState::Beyond => ("1.5", " stroke-dasharray=\"1 5 8 5\""),
    };
    format!("stroke=\"{}\" stroke-width=\"{width}\"{dashes}", color(state))
}

fn boxed(node: &Node, Point { x, y }: Point) -> String {
    if node.shape == Shape::Lan {
        let name = escaped(&node.name);
        return format!(
            "<ellipse cx=\"{x:.1}\" cy=\"{y:.1}\" rx=\"34\" ry=\"16\" fill=\"#ffffff\" stroke=\"#555555\"/>\n\
             <text x=\"{x:.1}\" y=\"{:.1}\" font-size=\"11\" text-anchor=\"middle\">{name}</text>\n",
            y + 4.0
        );
    }
    let (fill, border, width) = match node.shape {
        Shape::Root => ("#ffe9b0", "#b37a00", "3"),
        Shape::Bridge => ("#dce9fb", "#2f5d9b", "1.5"),
        Shape::Device | Shape::Lan => ("#f2f2f2", "#888888", "1"),
    };
    let (half_x, half_y) = HALF;
    let mut text = format!(
        "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.0}\" height=\"{:.0}\" rx=\"8\" fill=\"{fill}\" \
         stroke=\"{border}\" stroke-width=\"{width}\"/>\n",
        x - half_x,
        y - half_y,
        2.0 * half_x,
        2.0 * half_y
    );
    // A MAC address is wider than most names.
    let size = if node.name.chars().count() > 10 { 10 } else { 13 };
    let root = if node.shape == Shape::Root { " (root)" } else { "" };
    let baseline = if node.note.is_empty() { y + 5.0 } else { y - 3.0 };
    let _ = writeln!(
        text,
        "<text x=\"{x:.1}\" y=\"{baseline:.1}\" font-size=\"{size}\" font-weight=\"bold\" text-anchor=\"middle\">{}{root}</text>",
        escaped(&node.name)
    );
    if !node.note.is_empty() {
        let _ = writeln!(
            text,
            "<text x=\"{x:.1}\" y=\"{:.1}\" font-size=\"10\" text-anchor=\"middle\">{}</text>",
            y + 14.0,
            escaped(&node.note)
        );
    }
    text
}

/// Lines of text on white, around a point.
fn label(Point { x, y }: Point, lines: &[&str], state: LinkState) -> String {
    let lines: Vec<&str> = lines.iter().copied().filter(|line| !line.is_empty()).collect();
    let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    if longest == 0 {
        return String::new();
    }
    let (width, height) = (6.0 * longest as f64 + 6.0, 12.0 * lines.len() as f64 + 2.0);
    let mut text = format!(
        "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"#ffffff\" \
         fill-opacity=\"0.85\"/>\n",
        x - width / 2.0,
        y - height / 2.0
    );
    for (number, line) in lines.iter().enumerate() {
        let _ = writeln!(
            text,
            "<text x=\"{x:.1}\" y=\"{:.1}\" font-size=\"10\" text-anchor=\"middle\" fill=\"{}\">{}</text>",
            y - height / 2.0 + 10.0 + 12.0 * number as f64,
            color(state),
            escaped(line)
        );
    }
    text
}

fn legend(y: f64) -> String {
    let mut text = String::new();
    let mut x = 16.0;
    for (state, words) in LEGEND_LINES {
        let _ = writeln!(
            text,
            "<path d=\"M {x:.0} {y:.1} h 34\" {}/>\n<text x=\"{:.0}\" y=\"{:.1}\" font-size=\"10\">{words}</text>",
            stroke(state),
            x + 40.0,
            y + 3.5
        );
        x += 46.0 + 6.0 * words.len() as f64 + 16.0;
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A quadratic Bézier curve.
#[derive(Debug, Clone, Copy)]
struct Curve {
    from: Point,
    over: Point,
    to: Point,
}

impl Curve {
    fn of(link: &Link, bow: f64, layout: &Layout) -> Curve {
        let place = |end: &End| layout.places.get(end.node).copied().unwrap_or(Point { x: 0.0, y: 0.0 });
        let (from, to) = (place(&link.ends[0]), place(&link.ends[1]));
        let (dx, dy) = (to.x - from.x, to.y - from.y);
        let length = dx.hypot(dy).max(1.0);
        // The curve goes half as far out as the point that it is drawn to.
        let out = 2.0 * bow / length;
        let over = Point { x: (from.x + to.x) / 2.0 - dy * out, y: (from.y + to.y) / 2.0 + dx * out };
        Curve { from, over, to }
    }

    fn reversed(self) -> Curve {
        Curve { from: self.to, over: self.over, to: self.from }
    }

    fn at(self, t: f64) -> Point {
        let mix = |a: f64, b: f64, c: f64| (1.0 - t) * (1.0 - t) * a + 2.0 * t * (1.0 - t) * b + t * t * c;
        Point { x: mix(self.from.x, self.over.x, self.to.x), y: mix(self.from.y, self.over.y, self.to.y) }
    }

    /// The first point of it that is clear of the box where it begins.
    fn outside(self) -> Point {
        let (far_x, far_y) = (HALF.0 + GAP.0, HALF.1 + GAP.1);
        let mut steps = (0..45).map(|step| self.at(f64::from(step) / 100.0));
        let clear = |p: &Point| (p.x - self.from.x).abs() > far_x || (p.y - self.from.y).abs() > far_y;
        let place = steps.find(clear).unwrap_or_else(|| self.at(0.3));
        // Below a level line, which would be hidden else.
        let level = (self.from.y - self.to.y).abs() < 1.0 && (self.over.y - self.to.y).abs() < 1.0;
        if level { Point { y: place.y + 16.0, ..place } } else { place }
    }
}
