//! What came of all failures, for people and for programs.

use crate::args::WhatIf;
use crate::show::{Align, Cell, Color, Style, Table};
use serde_json::{Value, json};
use std::time::Duration;
use trunkline_lab::whatif::{Failure, Outcome, PairOutcome, State, Survey, Way};

/// What came of all failures.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) survey: Survey,
    /// The worst, the worst first.
    pub(super) outcomes: Vec<Outcome>,
    /// How many failures there were.
    pub(super) total: usize,
    /// How many of them the network did not get over.
    pub(super) bad: usize,
}

const COLUMNS: &[(&str, Align)] = &[
    ("failure", Align::Left),
    ("outage ms", Align::Right),
    ("worst pair", Align::Left),
    ("hurt", Align::Right),
    ("cut off", Align::Right),
    ("looped", Align::Right),
    ("settled ms", Align::Right),
    ("to infinity", Align::Left),
];

impl Report {
    /// For people; with `pairs` all of them.
    pub(super) fn words(&self, options: &WhatIf, pairs: bool, style: Style) -> String {
        let mut text = self.head(options);
        let mut table = Table::new(COLUMNS, style);
        for outcome in &self.outcomes {
            table.row(self.row(outcome));
            if options.replay.is_none() {
                table.note(command(options, &outcome.failure));
            }
            if pairs {
                self.matrix(outcome).iter().for_each(|line| table.note(format!("  {line}")));
            }
        }
        text.push_str(&table.render(0));
        let more = self.total - self.outcomes.len();
        if more > 0 {
            text.push_str(&format!("and {more} that are not worse; --rows shows more\n"));
        }
        text.push('\n');
        text.push_str(&self.end(style));
        text
    }

    fn head(&self, options: &WhatIf) -> String {
        let survey = &self.survey;
        let count = |way| survey.pairs.iter().filter(|pair| pair.way == way).count();
        let (hosts, every) = (survey.hosts.len(), millis(survey.interval));
        let mut text = format!(
            "{hosts} hosts, a probe from each to each every {every} ms; failures happen at {:.3} s and are watched for {} s\n",
            survey.failure.as_nanos() as f64 / 1e9,
            options.watch.as_secs_f64()
        );
        let mut note = |on: bool, words: String| {
            if on {
                text.push_str(&words);
                text.push('\n');
            }
        };
        let (left, most) = (survey.steps_left_out, survey.hosts_left_out);
        note(left > 0, format!("steps of the file that are left out: {left}"));
        note(most > 0, format!("hosts that are not measured, since there are too many: {most}"));
        note(
            !survey.rested,
            format!("the network was not at rest after {} s", options.patience.as_secs_f64()),
        );
        let (pings, none) = (count(Way::Pings), count(Way::None));
        let interval = millis(survey.ping_interval);
        note(
            pings > 0,
            format!("pairs with routers between, measured by a ping every {interval} ms: {pings}"),
        );
        note(none > 0, format!("pairs that did not reach each other before, and are not measured: {none}"));
        text.push('\n');
        text
    }

    fn row(&self, outcome: &Outcome) -> [Cell; 8] {
        let worst = outcome.worst();
        let outage = match (outcome.storm, worst) {
            (Some(_), _) => Cell::colored("storm", Color::Red),
            (None, Some((_, PairOutcome { state: State::Never, .. }))) => Cell::colored("never", Color::Red),
            (None, Some((_, pair))) => Cell::colored(millis(pair.longest), Color::Yellow),
            (None, None) => "0".into(),
        };
        let hurt = outcome.count(State::Never) + outcome.count(State::Interrupted);
        let looped = outcome.loops.frames;
        [
            outcome.failure.to_string().into(),
            outage,
            worst.map_or(String::new(), |(pair, _)| self.pair(pair)).into(),
            hurt.to_string().into(),
            outcome.count(State::CutOff).to_string().into(),
            if looped > 0 { Cell::colored(looped.to_string(), Color::Red) } else { "0".into() },
            outcome.settled.map_or("-".to_owned(), millis).into(),
            counting(outcome).into(),
        ]
    }

    /// `a > b`.
    fn pair(&self, pair: usize) -> String {
        let name = |host: usize| self.survey.hosts.get(host).map_or("", String::as_str);
        self.survey
            .pairs
            .get(pair)
            .map_or(String::new(), |pair| format!("{} > {}", name(pair.from), name(pair.to)))
    }

    /// A line for each host that sends, a column for each to which it does.
    fn matrix(&self, outcome: &Outcome) -> Vec<String> {
        let hosts = &self.survey.hosts;
        let mut cells = vec![vec![String::from("."); hosts.len()]; hosts.len()];
        for (pair, outcome) in self.survey.pairs.iter().zip(&outcome.pairs) {
            cells[pair.from][pair.to] = match outcome.state {
                State::Interrupted => millis(outcome.longest),
                state => word(state).to_owned(),
            };
        }
        let widths: Vec<usize> = (0..hosts.len())
            .map(|to| cells.iter().map(|row| row[to].len()).fold(hosts[to].len(), usize::max))
            .collect();
        let first = hosts.iter().map(String::len).max().unwrap_or(0).max("from".len());
        let line = |name: &str, cells: &[String]| {
            let columns = cells.iter().zip(&widths).map(|(cell, width)| format!("  {cell:>width$}"));
            format!("{name:<first$}{}", columns.collect::<String>())
        };
        let head = std::iter::once(line("from", hosts));
        head.chain(hosts.iter().zip(&cells).map(|(name, cells)| line(name, cells))).collect()
    }

    /// The last line.
    fn end(&self, style: Style) -> String {
        let total = self.total;
        match self.bad {
            0 => {
                let words = format!("{total} failures; where a way was left, all pairs came back");
                format!("{}\n", Color::Green.paint(&words, style))
            }
            bad => {
                let words = format!("{bad} of {total} failures the network did not get over");
                format!("{}\n", Color::Red.paint(&words, style))
            }
        }
    }

    /// For programs: one object. Of pairs those that were not unharmed, or all.
    pub(super) fn json(&self, options: &WhatIf, all: bool) -> Value {
        let survey = &self.survey;
        let outcomes = self.outcomes.iter().map(|outcome| {
            let pairs = outcome.pairs.iter().enumerate();
            let pairs = pairs.filter(|(_, pair)| all || pair.state != State::Unharmed);
            let pairs: Vec<Value> = pairs.map(|(number, pair)| self.pair_json(number, pair)).collect();
            let counting = outcome.counting.iter().map(|c| {
                json!({
                    "root": c.root,
                    "bpdus": c.bpdus,
                    "highest_cost": c.cost,
                    "for_ms": ms(c.last.since(c.first)),
                })
            });
            json!({
                "failure": outcome.failure.to_string(),
                "storm_after_ms": outcome.storm.map(ms),
                "outage_ms": outcome.worst().map_or(0.0, |(_, pair)| ms(pair.longest)),
                "never": outcome.count(State::Never),
                "interrupted": outcome.count(State::Interrupted),
                "cut_off": outcome.count(State::CutOff),
                "looped_frames": outcome.loops.frames,
                "looped_crossings": outcome.loops.crossings,
                "settled_ms": outcome.settled.map(ms),
                "count_to_infinity": counting.collect::<Vec<_>>(),
                "pairs": pairs,
                "replay": command(options, &outcome.failure),
            })
        });
        json!({
            "seed": survey.seed,
            "hosts": survey.hosts,
            "hosts_left_out": survey.hosts_left_out,
            "steps_left_out": survey.steps_left_out,
            "rested": survey.rested,
            "failure_at": survey.failure.as_nanos() as f64 / 1e9,
            "interval_ms": ms(survey.interval),
            "ping_interval_ms": ms(survey.ping_interval),
            "failures": self.total,
            "bad": self.bad,
            "outcomes": outcomes.collect::<Vec<_>>(),
        })
    }

    fn pair_json(&self, number: usize, outcome: &PairOutcome) -> Value {
        let pair = self.survey.pairs.get(number);
        let name = |host: Option<usize>| host.and_then(|host| self.survey.hosts.get(host));
        json!({
            "from": name(pair.map(|pair| pair.from)),
            "to": name(pair.map(|pair| pair.to)),
            "by": pair.map(|pair| match pair.way {
                Way::Frames => "frames",
                Way::Pings => "pings",
                Way::None => "nothing",
            }),
            "state": match outcome.state {
                State::Never => "never",
                State::Interrupted => "interrupted",
                State::Unharmed => "unharmed",
                State::CutOff => "cut-off",
                State::NotMeasured => "not-measured",
            },
            "outage_ms": ms(outcome.longest),
            "total_ms": ms(outcome.total),
            "duplicates": outcome.duplicates,
        })
    }
}

/// A state in a cell.
fn word(state: State) -> &'static str {
    match state {
        State::Never => "never",
        State::Interrupted | State::Unharmed => "0",
        State::CutOff => "cut off",
        State::NotMeasured => "?",
    }
}

/// "r: 12 BPDUs in 2000 ms, cost up to 80000".
fn counting(outcome: &Outcome) -> String {
    let words = outcome.counting.iter().map(|c| {
        format!(
            "{}: {} BPDUs in {} ms, cost up to {}",
            c.root,
            c.bpdus,
            millis(c.last.since(c.first)),
            c.cost
        )
    });
    let words: Vec<String> = words.collect();
    if words.is_empty() { "-".to_owned() } else { words.join("; ") }
}

fn ms(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e6
}

/// Milliseconds, with a digit more where they are few.
fn millis(time: Duration) -> String {
    let ms = ms(time);
    if ms < 10.0 && ms.fract() != 0.0 { format!("{ms:.1}") } else { format!("{ms:.0}") }
}

/// What shows this failure again, with captures.
fn command(options: &WhatIf, failure: &Failure) -> String {
    let mut words = format!("trunkline lab whatif {}", quoted(&options.lab.file));
    if let Some(seed) = options.lab.seed {
        words.push_str(&format!(" --seed {seed}"));
    }
    let times = [
        ("for", Some(options.watch).filter(|time| *time != Duration::from_secs(60))),
        ("every", options.every),
        ("patience", Some(options.patience).filter(|time| *time != Duration::from_secs(600))),
    ];
    for (name, time) in times {
        if let Some(time) = time {
            words.push_str(&format!(" --{name} {}", unit(time)));
        }
    }
    let failure = failure.to_string();
    let directory: String =
        failure.chars().map(|c| if c == ' ' { '-' } else { c }).filter(|c| *c != ',').collect();
    words.push_str(&format!(" --replay {} --pcap {directory}", quoted(&failure)));
    words
}

/// A time as the command line reads it.
fn unit(time: Duration) -> String {
    let nanos = time.as_nanos();
    let units = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1000)];
    let unit = units.iter().find(|(_, size)| nanos.is_multiple_of(*size));
    unit.map_or(format!("{nanos}ns"), |(name, size)| format!("{}{name}", nanos / size))
}

/// As a shell reads it as one word.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
