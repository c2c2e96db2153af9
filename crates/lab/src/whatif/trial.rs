//! A lab from its start to the end of a failure.

use super::outcome::{Counting, Loops, Outcome, PairOutcome, State};
use super::probe::{self, Flow, Gaps, Probes};
use super::topology::{Host, Topology};
use super::watch::Watch;
use super::{Failure, Options, Pair, Survey, Trouble, Way, configured, settings};
use crate::digest::Digest;
use crate::scenario::Scenario;
use crate::sim::{Asked, Lab, LabError, Observer};
use trunkline_core::{Duration, Instant, MacAddr};
use trunkline_view::Query;
use trunkline_view::probe::PingQuery;

/// The network must be without a change for so long; with spanning tree, BGP or RIP for longer.
const QUIET: Duration = Duration::from_secs(5);

/// As [`QUIET`] with BGP: a batch of routes may wait 30 s (RFC 4271 §10, MinRouteAdvertisementIntervalTimer).
const BGP_QUIET: Duration = Duration::from_secs(35);

/// How long probes go before the failure.
const LEAD: Duration = Duration::from_secs(2);

/// The seed chooses the moment of the failure within this time: that of a Hello (IEEE 802.1D-2004 table 17-1).
const MOMENT: u64 = 2_000_000_000;

/// How long what is under way at the end may take to arrive.
const DRAIN: Duration = Duration::from_secs(2);

/// A pair that is without a probe for so long at the end, or for half of the watch, has not come back.
const NEVER: Duration = Duration::from_secs(5);

/// Rounds of probes of a survey.
const ROUNDS: u32 = 5;

/// How often pairs that are measured by pings ping.
const PING_INTERVAL: Duration = Duration::from_millis(100);

/// The most requests of a ping.
const MAX_PINGS: u128 = 1000;

/// How long a ping waits for its answer, ms.
const PING_TIMEOUT: u32 = 1000;

/// Steps of the simulation that need no reason, for each second of virtual time, and for a probe times all directions of
/// links: what needs more is a storm.
const MAX_STEPS: (u64, u64, u64) = (1_000_000, 20_000, 2);

/// A storm, and when it was given up.
struct Storm(Instant);

/// A lab that is driven on, with an eye on how much it does.
struct Driver {
    lab: Lab,
    lines: u64,
    most: u64,
}

impl Driver {
    /// Builds the lab as it is at time 0. `prepare` may have it watch or capture.
    fn new(
        scenario: &Scenario,
        seed: u64,
        prepare: impl FnOnce(&mut Lab),
        observer: &mut dyn Observer,
    ) -> Result<Driver, LabError> {
        let mut lab = Lab::new(seed);
        prepare(&mut lab);
        lab.build(scenario, observer)?;
        let lines = scenario.links.iter().map(|link| link.ends.len() as u64).sum();
        Ok(Driver { lab, lines, most: MAX_STEPS.0 })
    }

    fn run_until(&mut self, until: Instant, observer: &mut dyn Observer) -> Result<(), Storm> {
        let nanos = u128::from(MAX_STEPS.1) * until.since(self.lab.now()).as_nanos();
        self.most += u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
        while self.lab.next().is_some_and(|at| at <= until) {
            self.lab.step(observer);
            if self.lab.steps() > self.most {
                return Err(Storm(self.lab.now()));
            }
        }
        self.lab.run_until(until, observer);
        Ok(())
    }

    /// Sends a probe now.
    fn probe(&mut self, number: u64, from: &Host, to: Option<&Host>, observer: &mut dyn Observer) {
        self.most += MAX_STEPS.2 * self.lines;
        let mac =
            |lab: &Lab, host: &Host| lab.node(&host.name).ok().and_then(|n| lab.mac(n, &host.interface));
        let (Ok(node), Some(source)) = (self.lab.node(&from.name), mac(&self.lab, from)) else { return };
        let destination = match to {
            Some(to) => mac(&self.lab, to).unwrap_or(MacAddr::UNSPECIFIED),
            None => MacAddr::BROADCAST,
        };
        // A host whose link is cut sends as well; that goes nowhere.
        let _ =
            self.lab.send_frame(node, &from.interface, probe::frame(number, source, destination), observer);
    }

    /// Begins a ping; the number of the query, where there is something to wait for.
    fn ping(
        &mut self,
        (from, to): (&Host, &Host),
        count: u32,
        interval: Duration,
        observer: &mut dyn Observer,
    ) -> Option<u64> {
        // There and back.
        self.most += 2 * MAX_STEPS.2 * self.lines * u64::from(count);
        let node = self.lab.node(&from.name).ok()?;
        let interval_ms = u32::try_from(interval.as_millis()).unwrap_or(u32::MAX);
        let query = PingQuery { count, interval_ms, timeout_ms: PING_TIMEOUT, ..PingQuery::new(to.address?) };
        match self.lab.query(node, Query::Ping(query), observer) {
            Asked::Later(id) => Some(id),
            Asked::Now(_) => None,
        }
    }
}

/// Whether routes, of which nodes tell only when watched, are of interest.
fn has_routes(scenario: &Scenario) -> bool {
    scenario.nodes.iter().any(|node| node.bgp.is_some() || node.rip.is_some())
}

/// How long the network must be without a change to be at rest: a port listens and learns without a word.
fn quiet(scenario: &Scenario) -> Duration {
    let bridges = scenario.nodes.iter().flat_map(|node| &node.bridges);
    let trees = bridges.filter_map(|bridge| bridge.spanning_tree.as_ref()).map(|tree| {
        let silence = (2 * u64::from(tree.forward_delay)).max(u64::from(tree.max_age));
        QUIET + Duration::from_secs(silence)
    });
    // A route may wait for the next update (RFC 2453 §3.8), which is a sixth late at most.
    let rip = scenario.nodes.iter().filter_map(|node| node.rip.as_ref()).map(|rip| {
        let update = rip.machine.timers.update;
        QUIET + update + update / 6
    });
    let bgp = scenario.nodes.iter().any(|node| node.bgp.is_some());
    let least = if bgp { BGP_QUIET } else { QUIET };
    trees.chain(rip).fold(least, Duration::max)
}

/// All pairs of hosts, those of one sender together.
fn all_pairs(hosts: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..hosts).flat_map(move |from| (0..hosts).filter(move |to| *to != from).map(move |to| (from, to)))
}

/// See [`super::survey`].
pub(super) fn survey(original: &Scenario, options: &Options) -> Result<Survey, Trouble> {
    let scenario = configured(original);
    let topology = Topology::new(&scenario)?;
    let seed = options.seed.unwrap_or(original.seed);
    let mut watch = Watch::new(&topology);
    let routes = has_routes(&scenario);
    let mut driver = Driver::new(&scenario, seed, |lab| lab.watch(routes), &mut watch)?;
    let storm = |Storm(at): Storm| Trouble::Storm(at);

    let (quiet, patience) = (quiet(&scenario), Instant::ZERO + options.patience);
    let mut rested = false;
    while !rested && driver.lab.now() < patience {
        let until = watch.changed.unwrap_or(Instant::ZERO) + quiet;
        driver.run_until(until.min(patience), &mut watch).map_err(storm)?;
        rested = watch.changed.unwrap_or(Instant::ZERO) + quiet <= driver.lab.now();
    }
    let rest = driver.lab.now();

    let hosts = &topology.hosts;
    let flows: Vec<Flow> = all_pairs(hosts.len()).map(|(from, to)| Flow { from, to: Some(to) }).collect();
    let interval = probe::interval(flows.len() + hosts.len(), options.interval);
    driver.lab.watch_frames(true);
    watch.probes = Some(Probes::new(flows, rest, Instant::ZERO, interval));
    let end = rest + interval * ROUNDS;
    send_probes(&mut driver, &topology, &mut watch, end).map_err(storm)?;
    driver.run_until(end + DRAIN, &mut watch).map_err(storm)?;
    let gaps = finished(&mut watch);

    let mut pairs = Vec::new();
    for (number, (from, to)) in all_pairs(hosts.len()).enumerate() {
        let (_, lost, _) = gaps.get(number).cloned().unwrap_or_default().at_end();
        let by_frames = lost < ROUNDS;
        pairs.push(Pair { from, to, way: if by_frames { Way::Frames } else { Way::None } });
    }
    for (number, pair) in pairs.iter().enumerate().filter(|(_, pair)| pair.way == Way::None) {
        let ends = (&hosts[pair.from], &hosts[pair.to]);
        if let Some(id) = driver.ping(ends, ROUNDS, PING_INTERVAL, &mut watch) {
            watch.asked.insert(id, number);
        }
    }
    let until = driver.lab.now() + PING_INTERVAL * ROUNDS + DRAIN;
    driver.run_until(until, &mut watch).map_err(storm)?;
    for (number, view) in std::mem::take(&mut watch.pings) {
        if view.received > 0 {
            pairs[number].way = Way::Pings;
        }
    }

    let mut moment = Digest::of(b"what if");
    moment.number(seed);
    let failure = rest + LEAD + Duration::from_nanos(moment.value() % MOMENT);
    let end = failure + options.watch;
    let least =
        Duration::from_millis(u64::try_from(end.since(rest).as_millis() / MAX_PINGS + 1).unwrap_or(1));
    Ok(Survey {
        seed,
        hosts: hosts.iter().map(|host| host.name.clone()).collect(),
        hosts_left_out: topology.hosts_left_out,
        pairs,
        steps_left_out: original.steps.len() - settings(original).count(),
        rest,
        rested,
        failure,
        end,
        interval,
        ping_interval: PING_INTERVAL.max(least),
    })
}

/// Sends all probes before `end`, each at its time.
fn send_probes(
    driver: &mut Driver,
    topology: &Topology,
    watch: &mut Watch<'_>,
    end: Instant,
) -> Result<(), Storm> {
    while let Some((number, flow, at)) =
        watch.probes.as_ref().and_then(Probes::next).filter(|next| next.2 < end)
    {
        driver.run_until(at, watch)?;
        if let Some(probes) = &mut watch.probes {
            probes.send();
        }
        let to = flow.to.and_then(|to| topology.hosts.get(to));
        driver.probe(number, &topology.hosts[flow.from], to, watch);
    }
    Ok(())
}

/// What became of the probes of each flow.
fn finished(watch: &mut Watch<'_>) -> Vec<Gaps> {
    let Some(probes) = &mut watch.probes else { return Vec::new() };
    probes.finish();
    std::mem::take(&mut probes.gaps)
}

/// See [`super::run`].
pub(super) fn run(original: &Scenario, survey: &Survey, failure: &Failure) -> Result<Outcome, Trouble> {
    failure.check(original)?;
    let scenario = configured(original);
    let topology = Topology::new(&scenario)?;
    let mut watch = Watch::new(&topology);
    let routes = has_routes(&scenario);
    let prepare = |lab: &mut Lab| {
        lab.watch(routes);
        // From the start: who said what of the root.
        lab.watch_frames(true);
    };
    let mut driver = Driver::new(&scenario, survey.seed, prepare, &mut watch)?;
    let storm = go(&mut driver, &topology, survey, failure, &mut watch).err();
    let gaps = finished(&mut watch);

    let measured = Measured { survey, topology: &topology, failure, gaps, whole: storm.is_none() };
    let pairs = measured.pairs(&watch);
    let loops = watch.probes.as_ref().map(|p| Loops { frames: p.looped, crossings: p.crossings });
    Ok(Outcome {
        failure: failure.clone(),
        storm: storm.map(|Storm(at)| at.since(survey.failure)),
        pairs,
        loops: loops.unwrap_or_default(),
        settled: watch.changed.map(|at| at.since(survey.failure)),
        counting: std::mem::take(&mut watch.counting).into_values().collect::<Vec<Counting>>(),
    })
}

/// See [`super::replay`].
pub(super) fn replay(
    original: &Scenario,
    survey: &Survey,
    failure: &Failure,
    observer: &mut dyn Observer,
) -> Result<Lab, Trouble> {
    failure.check(original)?;
    let scenario = configured(original);
    let topology = Topology::new(&scenario)?;
    let mut watch = Watch::new(&topology);
    watch.also = Some(observer);
    let prepare = |lab: &mut Lab| {
        lab.watch(true);
        lab.watch_frames(true);
        lab.capture_all();
    };
    let mut driver = Driver::new(&scenario, survey.seed, prepare, &mut watch)?;
    // What there is of a storm is there to be looked at.
    let _ = go(&mut driver, &topology, survey, failure, &mut watch);
    Ok(driver.lab)
}

/// From the start to the end.
fn go(
    driver: &mut Driver,
    topology: &Topology,
    survey: &Survey,
    failure: &Failure,
    watch: &mut Watch<'_>,
) -> Result<(), Storm> {
    driver.run_until(survey.rest, watch)?;
    let by_frames = survey.pairs.iter().filter(|pair| pair.way == Way::Frames);
    let mut flows: Vec<Flow> = by_frames.map(|pair| Flow { from: pair.from, to: Some(pair.to) }).collect();
    flows.extend((0..topology.hosts.len()).map(|from| Flow { from, to: None }));
    watch.probes = Some(Probes::new(flows, survey.rest, survey.failure, survey.interval));
    let count = survey.end.since(survey.rest).as_nanos() / survey.ping_interval.as_nanos().max(1);
    let count = u32::try_from(count.clamp(1, MAX_PINGS)).unwrap_or(1);
    for (number, pair) in survey.pairs.iter().enumerate().filter(|(_, pair)| pair.way == Way::Pings) {
        let ends = (&topology.hosts[pair.from], &topology.hosts[pair.to]);
        if let Some(id) = driver.ping(ends, count, survey.ping_interval, watch) {
            watch.asked.insert(id, number);
        }
    }
    send_probes(driver, topology, watch, survey.failure)?;
    driver.run_until(survey.failure, watch)?;
    watch.fails(topology.reach(Some(failure), false));
    failure.strike(&mut driver.lab, watch);
    send_probes(driver, topology, watch, survey.end)?;
    driver.run_until(survey.end + DRAIN, watch)
}

/// What is known at the end of a run.
struct Measured<'m> {
    survey: &'m Survey,
    topology: &'m Topology,
    failure: &'m Failure,
    /// By flow: first those of the pairs that are measured by frames.
    gaps: Vec<Gaps>,
    /// Whether the run was not given up.
    whole: bool,
}

impl Measured<'_> {
    fn pairs(&self, watch: &Watch<'_>) -> Vec<PairOutcome> {
        let [by_bridges, by_all] =
            [false, true].map(|routers| self.topology.reach(Some(self.failure), routers));
        let mut flows = self.gaps.iter();
        let outcomes = self.survey.pairs.iter().enumerate().map(|(number, pair)| {
            let (from, to) = (&self.topology.hosts[pair.from], &self.topology.hosts[pair.to]);
            match pair.way {
                Way::Frames => {
                    let gaps = flows.next().cloned().unwrap_or_default();
                    self.judge(gaps, self.survey.interval, by_bridges.connects(from, to))
                }
                Way::Pings => {
                    let gaps = self.pinged(watch, number);
                    self.judge(gaps, self.survey.ping_interval, by_all.connects(from, to))
                }
                Way::None => PairOutcome::new(State::NotMeasured),
            }
        });
        outcomes.collect()
    }

    fn pinged(&self, watch: &Watch<'_>, number: usize) -> Gaps {
        let mut gaps = Gaps::default();
        for reply in watch.pings.get(&number).iter().flat_map(|view| &view.replies) {
            let sent =
                self.survey.rest + self.survey.ping_interval * u32::from(reply.sequence.saturating_sub(1));
            gaps.tell(sent, self.survey.failure, u32::from(reply.error.is_none() && reply.time.is_some()));
        }
        gaps
    }

    fn judge(&self, gaps: Gaps, interval: Duration, connected: bool) -> PairOutcome {
        let (unknown, duplicates) = (gaps.is_empty(), gaps.duplicates);
        let (longest, lost, left) = gaps.at_end();
        let never = NEVER.min(self.survey.end.since(self.survey.failure) / 2);
        let state = match (longest, interval * left) {
            _ if !connected => State::CutOff,
            // Pings tell at their end alone: of a run that was given up they tell nothing.
            _ if unknown => State::NotMeasured,
            (_, silence) if self.whole && left > 0 && silence >= never => State::Never,
            (0, _) => State::Unharmed,
            _ => State::Interrupted,
        };
        PairOutcome { state, longest: interval * longest, total: interval * lost, duplicates }
    }
}

impl PairOutcome {
    fn new(state: State) -> PairOutcome {
        PairOutcome { state, longest: Duration::ZERO, total: Duration::ZERO, duplicates: 0 }
    }
}
