//! A ladder as a drawing: two ends, time downwards, an arrow for each frame that matters.

use super::{put, shown, words};
use crate::follow::Facts;
use crate::rules::{Judged, Severity};
use std::fmt::Write;

/// Measures, pixels.
const WIDTH: usize = 900;
const LEFT: usize = 130;
const RIGHT: usize = 770;
const STEP: usize = 34;
const TOP: usize = 90;

/// The worst conversation as SVG; none where there is nothing to draw.
pub fn svg(judged: &[Judged], facts: &Facts) -> Option<String> {
    let (one, connection) =
        judged.iter().find_map(|one| Some((one, shown(one, facts)?))).or_else(|| any(judged, facts))?;
    let height = TOP + STEP * (connection.steps.len() + 1);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <defs><marker id=\"tip\" markerWidth=\"9\" markerHeight=\"8\" refX=\"9\" refY=\"4\" orient=\"auto\">\
         <path d=\"M0,0 L9,4 L0,8 z\"/></marker></defs>\n"
    );
    let title = one.verdicts.first().map_or_else(|| one.state.clone(), |verdict| verdict.says());
    let colour = match one.severity() {
        Some(Severity::Error) => "#b00020",
        Some(Severity::Warning) => "#9a6700",
        _ => "black",
    };
    put!(out, "<text x=\"20\" y=\"28\" font-size=\"15\" fill=\"{colour}\">{}</text>\n", escaped(&title));
    for ((address, port), x) in connection.ends.iter().zip([LEFT, RIGHT]) {
        put!(out, "<text x=\"{x}\" y=\"62\" text-anchor=\"middle\">{address}:{port}</text>\n");
        put!(out, "<line x1=\"{x}\" y1=\"72\" x2=\"{x}\" y2=\"{height}\" stroke=\"#888\"/>\n");
    }
    let start = facts.first.unwrap_or(connection.first);
    for (index, step) in connection.steps.iter().enumerate() {
        let y = TOP + STEP * (index + 1);
        let text = escaped(&words(step));
        let middle = WIDTH / 2;
        put!(out, "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{text}</text>\n", y - 6);
        put!(
            out,
            "<text x=\"8\" y=\"{}\" font-size=\"10\" fill=\"#555\">{} · {:.3} s</text>\n",
            y + 4,
            step.first.frame,
            step.first.since(start)
        );
        let (from, to) = if step.from == Some(1) { (RIGHT, LEFT) } else { (LEFT, RIGHT) };
        let dash = if step.from.is_none() { " stroke-dasharray=\"4 4\"" } else { "" };
        put!(
            out,
            "<line x1=\"{from}\" y1=\"{y}\" x2=\"{to}\" y2=\"{y}\" stroke=\"black\"{dash} marker-end=\"url(#tip)\"/>\n"
        );
    }
    out.push_str("</svg>\n");
    Some(out)
}

/// Where nothing is wrong: the last connection of the first conversation.
fn any<'a, 'b>(
    judged: &'a [Judged],
    facts: &'b Facts,
) -> Option<(&'a Judged, &'b crate::follow::connection::Connection)> {
    judged.iter().find_map(|one| Some((one, facts.conversations.get(&one.ends?)?.connections.last()?)))
}

/// Text that is safe between tags.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
