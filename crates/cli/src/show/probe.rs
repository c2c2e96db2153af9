//! `ping`, `traceroute` and transfers.

use super::Style;
use super::table::Color;
use super::tcp::milliseconds;
use super::text::count;
use trunkline_view::probe::{PingReply, PingView, TracerouteHop, TracerouteView, TransferView};

/// All of a ping.
pub(crate) fn ping(view: &PingView, style: Style) -> String {
    let replies = view.replies.iter().map(|reply| format!("{}\n", ping_reply(reply, style)));
    replies.chain([ping_summary(view)]).collect()
}

/// What came of one request, without newline.
pub(crate) fn ping_reply(reply: &PingReply, style: Style) -> String {
    let PingReply { sequence, from, octets, ttl, time, error } = reply;
    let from = from.map_or(String::new(), |from| format!(" from {from}"));
    if let Some(error) = error {
        return format!("{}{from}: seq {sequence}: {error}", Color::Red.paint("no reply", style));
    }
    let ttl = ttl.map_or(String::new(), |ttl| format!(" ttl {ttl}"));
    let time = time.map_or(String::new(), |time| format!(" time {}", milliseconds(time)));
    format!("{octets} octets{from}: seq {sequence}{ttl}{time}")
}

/// How many came, and how fast.
pub(crate) fn ping_summary(view: &PingView) -> String {
    let PingView { destination, sent, received, duplicates, .. } = view;
    let lost = f64::from(sent.saturating_sub(*received)) * 100.0 / f64::from((*sent).max(1));
    let twice = if *duplicates > 0 { format!(", {duplicates} twice") } else { String::new() };
    let mut text = format!("{destination}: {sent} sent, {received} received{twice}, {lost:.0}% lost");
    if let (Some(minimum), Some(average), Some(maximum)) = (view.minimum, view.average, view.maximum) {
        let [minimum, average, maximum] = [minimum, average, maximum].map(milliseconds);
        text.push_str(&format!("; minimum {minimum}, average {average}, maximum {maximum}"));
    }
    text + "\n"
}

/// The way, one line for each hop.
pub(crate) fn traceroute(view: &TracerouteView) -> String {
    let mut text: String = view.hops.iter().map(hop).collect();
    if !view.reached {
        text.push_str(&format!("{} was not reached\n", view.destination));
    }
    text
}

fn hop(hop: &TracerouteHop) -> String {
    let mut line = format!("{:>3} ", hop.ttl);
    let mut last = None;
    for probe in &hop.probes {
        match probe.from {
            Some(from) if last != Some(from) => line.push_str(&format!(" {from}")),
            Some(_) => {}
            None => line.push_str(" *"),
        }
        last = probe.from.or(last);
        line.extend(probe.time.map(|time| format!(" {}", milliseconds(time))));
        line.extend(probe.error.as_ref().map(|error| format!(" ({error})")));
    }
    line + "\n"
}

/// What came of a transfer.
pub(crate) fn transfer(view: &TransferView) -> String {
    let TransferView { remote, sent, received, seconds, retransmits, error, .. } = view;
    let rate = |octets: u64| format!("{:.2} Mbit/s", octets as f64 * 8e-6 / seconds.max(1e-9));
    let mut text = format!("{remote}: {sent} octets sent");
    if *received > 0 {
        let echo = if view.echoed { ", what was sent" } else { "" };
        text.push_str(&format!(", {received} received{echo}"));
    }
    text.push_str(&format!(" in {seconds:.3} s, {}", rate((*sent).max(*received))));
    if *retransmits > 0 {
        text.push_str(&format!(", {} again", count(*retransmits, "segment", "segments")));
    }
    text.extend(error.as_ref().map(|error| format!("; failed: {error}")));
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::samples;

    const PLAIN: Style = Style { color: false };

    #[test]
    fn pings() {
        insta::assert_snapshot!(ping(&samples::ping(), PLAIN));
    }

    #[test]
    fn ways() {
        insta::assert_snapshot!(traceroute(&samples::traceroute()));
    }

    #[test]
    fn transfers() {
        let done = samples::transfer();
        let failed =
            TransferView { error: Some("refused".into()), received: 0, retransmits: 0, ..done.clone() };
        insta::assert_snapshot!(transfer(&done) + &transfer(&failed));
    }
}
