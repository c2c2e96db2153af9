//! `show node`.

use super::text::duration;
use trunkline_view::NodeView;

/// For people.
pub(crate) fn node(view: &NodeView) -> String {
    let files = match view.config_files.as_slice() {
        [] => "none: the built-in quick start".to_owned(),
        files => files.join(", "),
    };
    format!(
        "Node:       {}\n\
         Version:    Trunkline {}\n\
         Router id:  {}\n\
         Up for:     {}\n\
         Process:    {}\n\
         File:       {files}\n",
        view.name,
        view.version,
        view.router_id,
        duration(view.uptime),
        view.pid
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::samples;

    #[test]
    fn who_it_is() {
        insta::assert_snapshot!(node(&samples::node()), @"
        Node:       r1
        Version:    Trunkline 0.1.0
        Router id:  192.0.2.1
        Up for:     3d04h
        Process:    4711
        File:       /etc/trunkline/r1.toml
        ");
    }
}
