//! `explain bgp`: what is wrong with the session of a neighbor, as `explain` tells it of captures.

use super::Style;
use super::table::Color;
use super::text::{duration, state_color};
use trunkline_explain::report::paragraph;
use trunkline_view::explain::{NeighborExplanation, Verdict};

/// For people.
pub(crate) fn explanation(view: &NeighborExplanation, style: Style) -> String {
    let state = state_color(&view.state).paint(&view.state, style);
    let mut text =
        format!("BGP neighbor {}, AS {}: {state} for {}\n", view.neighbor, view.asn, duration(view.since));
    for one in &view.verdicts {
        text.push('\n');
        verdict(one, style, &mut text);
    }
    if view.verdicts.is_empty() {
        text.push_str(match view.state.as_str() {
            "Established" => "\n  Nothing is wrong.\n",
            _ => "\n  It is not up, and nothing has been seen yet that says why.\n",
        });
    }
    text
}

fn verdict(verdict: &Verdict, style: Style, out: &mut String) {
    let color = match verdict.severity.as_str() {
        "error" => Color::Red,
        "warning" => Color::Yellow,
        _ => Color::Green,
    };
    let severity = color.paint(&verdict.severity, style);
    out.push_str(&format!("  {severity}: {} ({})\n", verdict.says, verdict.rule));
    verdict.seen.iter().for_each(|text| paragraph("seen", text, out));
    if verdict.severity == "note" {
        return;
    }
    verdict.not_excluded.iter().for_each(|text| paragraph("not excluded", text, out));
    verdict.try_next.iter().for_each(|text| paragraph("try next", text, out));
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_core::Asn;

    #[test]
    fn a_verdict_with_its_evidence() {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        let verdict = Verdict {
            rule: "refused".into(),
            severity: "error".into(),
            says: "192.0.2.2 refuses the connection: nobody listens there at port 179.".into(),
            seen: texts(&[
                "the connection was refused (RST in answer to the SYN); 3 times in 12 s, the last time 1.0 s ago",
            ]),
            not_excluded: texts(&["the BGP daemon of 192.0.2.2 does not run"]),
            try_next: texts(&["look at 192.0.2.2 whether something listens at TCP port 179 at this address"]),
            rests_on: "RFC 9293 §3.10.7.1".into(),
        };
        let note = Verdict { severity: "note".into(), rule: "stranger".into(), ..verdict.clone() };
        let mut view = NeighborExplanation {
            neighbor: "192.0.2.2".parse().unwrap(),
            asn: Asn(65002),
            state: "Active".into(),
            since: 12.0,
            verdicts: vec![verdict, note],
        };
        let plain = Style { color: false };
        insta::assert_snapshot!(explanation(&view, plain));
        view.verdicts.clear();
        assert!(explanation(&view, plain).contains("nothing has been seen yet that says why"));
        view.state = "Established".into();
        assert!(explanation(&view, plain).ends_with("Nothing is wrong.\n"));
    }
}
