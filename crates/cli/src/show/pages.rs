//! Tables that come in pages.

use super::{Style, bgp_routes, rip_routes, routes};
use std::collections::BTreeMap;
use trunkline_core::Prefix;
use trunkline_view::Answer;

/// Shows page after page as one table.
#[derive(Debug)]
pub(crate) struct Pages {
    style: Style,
    detail: bool,
    widths: Vec<usize>,
    last_prefix: Option<Prefix>,
    shown: u64,
    not_installed: BTreeMap<String, u64>,
}

impl Pages {
    /// `detail`: one destination is asked for, so that all about it is shown.
    pub(crate) fn new(style: Style, detail: bool) -> Pages {
        Pages {
            style,
            detail,
            widths: Vec::new(),
            last_prefix: None,
            shown: 0,
            not_installed: BTreeMap::new(),
        }
    }

    /// The next page for people; with `last`, what stands under the table.
    pub(crate) fn page(&mut self, page: &Answer, last: bool) -> String {
        match page {
            Answer::BgpRoutes(view) => {
                let mut text = self.bgp_routes(view);
                if last {
                    text.push_str(&self.footer("paths", view.next.is_some(), view.total, "prefixes"));
                }
                text
            }
            Answer::Routes(view) => {
                let mut text = self.routes(view);
                if last && !self.detail {
                    text.push_str(&self.reasons());
                }
                if last {
                    text.push_str(&self.footer("routes", view.next.is_some(), view.total, "routes"));
                }
                text
            }
            Answer::RipRoutes(view) => {
                let mut text = self.rip_routes(view);
                if last {
                    text.push_str(&self.footer("routes", view.next.is_some(), view.total, "routes"));
                }
                text
            }
            _ => String::new(),
        }
    }

    fn bgp_routes(&mut self, view: &trunkline_view::bgp::RoutesView) -> String {
        self.shown += view.paths.len() as u64;
        if self.detail {
            return bgp_routes::details(&view.paths, self.style);
        }
        let mut text = self.legend(bgp_routes::LEGEND, view.paths.is_empty());
        let table = bgp_routes::table(&view.paths, self.last_prefix, self.style);
        self.last_prefix = view.paths.last().map(|p| p.prefix).or(self.last_prefix);
        if !view.paths.is_empty() {
            text.push_str(&table.render_page(0, &mut self.widths));
        }
        text
    }

    fn routes(&mut self, view: &trunkline_view::RoutesView) -> String {
        self.shown += view.routes.len() as u64;
        let mut text = self.legend(routes::LEGEND, view.routes.is_empty());
        let table = routes::table(&view.routes, self.last_prefix, self.detail, self.style);
        self.last_prefix = view.routes.last().map(|r| r.prefix).or(self.last_prefix);
        routes::count_reasons(&view.routes, &mut self.not_installed);
        if !view.routes.is_empty() {
            text.push_str(&table.render_page(0, &mut self.widths));
        }
        text
    }

    fn rip_routes(&mut self, view: &trunkline_view::rip::RoutesView) -> String {
        self.shown += view.routes.len() as u64;
        if self.detail {
            return rip_routes::details(&view.routes, self.style);
        }
        let mut text = self.legend(rip_routes::LEGEND, view.routes.is_empty());
        if !view.routes.is_empty() {
            text.push_str(&rip_routes::table(&view.routes, self.style).render_page(0, &mut self.widths));
        }
        text
    }

    fn legend(&self, legend: &str, empty: bool) -> String {
        if self.widths.is_empty() && !empty { legend.to_owned() } else { String::new() }
    }

    fn reasons(&self) -> String {
        let reasons = routes::reasons(&self.not_installed);
        if reasons.is_empty() { reasons } else { format!("\n{reasons}") }
    }

    fn footer(&self, what: &str, more: bool, total: u64, total_what: &str) -> String {
        match (self.shown, more) {
            (0, _) if self.detail => "no route\n".to_owned(),
            (0, _) => "no routes\n".to_owned(),
            (shown, true) => {
                format!(
                    "\nonly the first {shown} {what} are shown, of {total} {total_what}: --limit N or --all for more\n"
                )
            }
            (_, false) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::samples;

    fn show(answer: Answer, detail: bool) -> String {
        Pages::new(Style { color: false }, detail).page(&answer, true)
    }

    #[test]
    fn bgp_routes_as_a_table() {
        insta::assert_snapshot!(show(Answer::BgpRoutes(samples::bgp_routes()), false));
    }

    #[test]
    fn bgp_routes_to_one_prefix() {
        let mut view = samples::bgp_routes();
        view.paths.retain(|p| p.prefix == samples::prefix("203.0.113.0/24"));
        insta::assert_snapshot!(show(Answer::BgpRoutes(view), true));
    }

    #[test]
    fn the_routing_table() {
        insta::assert_snapshot!(show(Answer::Routes(samples::routes()), false));
    }

    #[test]
    fn one_route() {
        let mut view = samples::routes();
        view.routes.retain(|r| r.prefix == samples::prefix("203.0.113.0/24"));
        insta::assert_snapshot!(show(Answer::Routes(view), true));
    }

    #[test]
    fn rip_routes_as_a_table() {
        insta::assert_snapshot!(show(Answer::RipRoutes(samples::rip_routes()), false));
    }

    #[test]
    fn a_rip_route_of_every_kind() {
        insta::assert_snapshot!(show(Answer::RipRoutes(samples::rip_routes()), true));
    }

    #[test]
    fn pages_make_one_table_that_says_when_there_is_more() {
        let mut pages = Pages::new(Style { color: false }, false);
        let view = samples::bgp_routes();
        let mut text = String::new();
        for (index, path) in view.paths.iter().enumerate() {
            let page =
                trunkline_view::bgp::RoutesView { paths: vec![path.clone()], next: Some(9), total: 950_000 };
            text.push_str(&pages.page(&Answer::BgpRoutes(page), index + 1 == view.paths.len()));
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn nothing_is_said_to_be_nothing() {
        let none = || trunkline_view::bgp::RoutesView { paths: vec![], next: None, total: 0 };
        assert_eq!(show(Answer::BgpRoutes(none()), false), "no routes\n");
        assert_eq!(show(Answer::BgpRoutes(none()), true), "no route\n");
        let none = || trunkline_view::rip::RoutesView { routes: vec![], next: None, total: 0 };
        assert_eq!(show(Answer::RipRoutes(none()), false), "no routes\n");
        assert_eq!(show(Answer::RipRoutes(none()), true), "no route\n");
    }
}
