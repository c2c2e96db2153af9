//! `trunkline lab`: networks in virtual time.
//!
//! | part | module |
//! |---|---|
//! | which lab is meant | `source` |
//! | `lab run` | `run` |
//! | `lab topology` | `topology` |
//! | what happens, a line each | `timeline` |
//! | how far a long run is | `progress` |
//! | `lab repl` | `repl` |
//! | `lab fuzz` | `fuzz` |
//! | `lab whatif` | `whatif` |

mod fuzz;
mod progress;
mod repl;
mod run;
mod source;
mod timeline;
mod topology;
mod whatif;

use crate::Failure;
use crate::args::{Lab, Paging, RipOptions, RipPart, Show, ShowBgp};
use crate::command::{append, page_end, show_query};
use crate::show::{self, Style};
use crate::topology::of_bridges;
use std::io::Write;
use trunkline_api::view_json;
use trunkline_core::{Duration, Instant};
use trunkline_lab::builtin::LABS;
use trunkline_lab::run::{Options, Run};
use trunkline_lab::sim::LabError;
use trunkline_view::stp::SpanningTreesView;
use trunkline_view::{Answer, Query};

/// Routes of one page.
const PAGE: u32 = 1000;

/// Does what is asked.
pub(crate) fn execute(lab: Lab, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let style = Style::of_stdout();
    match lab {
        Lab::List => list(out),
        Lab::Run { run, pcap, frames } => run::run(&run, pcap.as_deref(), frames, json, style, out),
        Lab::Show { lab, at, of } => {
            let (what, also_json) = of.what().unwrap_or_else(|error| error.exit());
            let scenario = source::read(&lab.file)?;
            let options = Options { seed: lab.seed, ..Options::default() };
            let mut run = Run::new(scenario, &options, &mut |_| {}).map_err(cannot)?;
            run.run_until(Instant::ZERO + at, &mut |_| {});
            show(&mut run, &of.node, what, json || also_json, style, out)
        }
        Lab::Topology { lab, at, drawing } => topology::topology(&lab, at, drawing, json, out),
        Lab::Repl(lab) => repl::repl(&lab, style, std::io::stdin().lock(), out),
        Lab::WhatIf(options) => whatif::execute(&options, json, style, out),
        Lab::Fuzz { file, seeds, first } => fuzz::run(&file, first, seeds, json, style, out),
    }
}

fn cannot(error: LabError) -> Failure {
    Failure::Message(error.to_string())
}

/// Names and titles.
fn list(out: &mut impl Write) -> Result<(), Failure> {
    let width = LABS.iter().map(|lab| lab.name.len()).max().unwrap_or(0);
    for lab in LABS {
        let title = source::read(lab.name)?.title;
        writeln!(out, "{:width$}  {title}", lab.name)?;
    }
    Ok(())
}

/// What a `show` shows of a simulated node.
fn show(
    run: &mut Run,
    node: &str,
    what: Show,
    json: bool,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let (answer, detail) = match what {
        Show::SpanningTree(options) => {
            let view = trees(run, node, &options.bridge)?;
            return Ok(out.write_all(show::spanning_tree(&view, &options, json, style)?.as_bytes())?);
        }
        Show::Topology(options) => {
            let view = trees(run, node, &options.bridge)?;
            return Ok(out.write_all(of_bridges(&view).draw(options.drawing, json).as_bytes())?);
        }
        Show::Routes { prefix, paging } => {
            let query = &mut |cursor, limit| Query::Routes { prefix, cursor, limit };
            (pages(run, node, &paging, query)?, prefix.is_some())
        }
        Show::Bgp(ShowBgp::Routes(options)) => {
            let query = &mut |cursor, limit| Query::BgpRoutes(options.query(cursor, limit));
            (pages(run, node, &options.paging, query)?, options.prefix.is_some())
        }
        Show::Rip(RipOptions { part: Some(RipPart::Routes(options)) }) => {
            let query = &mut |cursor, limit| Query::RipRoutes(options.query(cursor, limit));
            (pages(run, node, &options.paging, query)?, options.prefix.is_some())
        }
        other => match show_query(other) {
            Some(query) => (answer(run, node, query)?, false),
            None => return Ok(()),
        },
    };
    let text = match answer {
        answer if json => format!("{}\n", view_json(&answer, true)),
        Answer::Routes(_) | Answer::BgpRoutes(_) | Answer::RipRoutes(_) => {
            show::Pages::new(style, detail).page(&answer, true)
        }
        answer => show::human(&answer, style),
    };
    Ok(out.write_all(text.as_bytes())?)
}

fn trees(run: &mut Run, node: &str, bridge: &Option<String>) -> Result<SpanningTreesView, Failure> {
    match answer(run, node, Query::SpanningTree { bridge: bridge.clone() })? {
        Answer::SpanningTree(view) => Ok(view),
        _ => Err(Failure::Message("the node gave another answer than was asked for".to_owned())),
    }
}

/// All pages of a table as one.
fn pages(
    run: &mut Run,
    node: &str,
    paging: &Paging,
    query: &mut dyn FnMut(u64, u32) -> Query,
) -> Result<Answer, Failure> {
    let mut left = if paging.all { u64::MAX } else { paging.limit };
    let mut page_of = |cursor, left| {
        let page = answer(run, node, query(cursor, u32::try_from(left).unwrap_or(PAGE).min(PAGE)))?;
        page_end(&page).map(|(shown, next)| (page, shown, next.filter(|next| *next > cursor)))
    };
    let (mut all, mut shown, mut next) = page_of(0, left)?;
    loop {
        left = left.saturating_sub(shown);
        let Some(cursor) = next.filter(|_| left > 0) else { return Ok(all) };
        let page;
        (page, shown, next) = page_of(cursor, left)?;
        append(&mut all, page);
    }
}

fn answer(run: &mut Run, node: &str, query: Query) -> Result<Answer, Failure> {
    match run.ask(node, query, &mut |_| {}) {
        Answer::Error(error) => Err(Failure::Message(error.message)),
        answer => Ok(answer),
    }
}

/// Virtual time as a number.
fn seconds(at: Instant) -> f64 {
    at.as_nanos() as f64 / 1e9
}

/// Virtual time in seconds, with as many digits as tell frames apart.
fn clock(at: Instant) -> String {
    let time = Duration::from_nanos(at.as_nanos());
    format!("{:>5}.{:06}", time.as_secs(), time.subsec_micros())
}

#[cfg(test)]
mod tests;
