//! What a look leads to: pure, from what was found and what is known.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use linchpin::{
    Code, DateTime, Error, Result,
    flow::{FlowDescriptor, KindInfo},
    manifest::spec::{self, Spec, unit},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{key, schedule::Schedule};
use crate::{
    inbox::{Head, RecordHead},
    ping::later,
    store::{Commit, Monitor, NewEntry, RunMode, Seen, Subscription},
};

/// How many pages the first look takes of which nothing is handed on, or only the last records.
const FIRST_PAGES: u64 = 1000;

/// How much longer than the overlap a record is known, where the spec does not say.
const SPARE: Duration = Duration::from_secs(24 * 3600);

const LEDGER_IDS: u64 = 100_000;

/// How soon a look that failed is tried again at first, doubled with every failure.
const PAUSE: Duration = Duration::from_secs(30);

/// The longest pause, unless the service asks for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// How long it is at least between two looks of a monitor that is woken again and again, unless its schedule looks more often.
const WOKEN_PAUSE: Duration = Duration::from_secs(10);

/// The longest pause that a service may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(24 * 3600);

/// What spec and attribute say of a monitor together.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) event: String,
    pub(crate) dedupe: Vec<String>,
    /// Whether a hook delivers the event, too.
    pub(crate) hybrid: bool,
    pub(crate) overlap: Duration,
    pub(crate) first_run: FirstRun,
    pub(crate) cursor_max: u64,
    pub(crate) cursor_age: Option<Duration>,
    pub(crate) ledger_time: Duration,
    ledger_ids: u64,
    max_pages: u64,
    spec: spec::Monitor,
    every: Option<&'static str>,
}

/// What of the first look is handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstRun {
    Now,
    Last(usize),
    Since(Since),
}

/// From when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    Time(DateTime),
    Before(Duration),
}

impl Settings {
    /// What holds of a flow.
    ///
    /// # Errors
    ///
    /// When the flow is no monitor, or the first run cannot be read.
    pub(crate) fn new(
        spec: &Spec,
        flows: &[&'static FlowDescriptor],
        flow: &FlowDescriptor,
    ) -> Result<Settings> {
        let KindInfo::Monitor { event, every, dedupe } = flow.kind else {
            return Err(Error::coded(Code::InputInvalid, format!("`{}` is no monitor", flow.name)));
        };
        let own = spec.monitors.iter().find(|own| own.key == flow.name).cloned();
        let mut own = own.unwrap_or_else(|| spec::Monitor::named(flow.name));
        if own.dedupe.is_empty() {
            own.dedupe = dedupe.iter().map(|pointer| (*pointer).to_owned()).collect();
        }
        let hybrid = flows
            .iter()
            .any(|other| matches!(other.kind, KindInfo::WebhookEvent { event: other } if other == event));
        let first_run = FirstRun::of(&own.first_run)?;
        Ok(Settings { every, ..Settings::of_spec(own, event, hybrid, first_run) })
    }

    /// What holds of a section of the spec.
    pub(super) fn of_spec(own: spec::Monitor, event: &str, hybrid: bool, first_run: FirstRun) -> Settings {
        let overlap = own.overlap.unwrap_or_default();
        Settings {
            event: event.to_owned(),
            dedupe: own.dedupe.clone(),
            hybrid,
            overlap,
            first_run,
            cursor_max: own.cursor_max,
            cursor_age: own.cursor_age,
            // A delivery may come so much sooner than a look finds the same.
            ledger_time: own.ledger_time.unwrap_or(overlap.saturating_add(SPARE)).max(overlap),
            ledger_ids: own.ledger_ids.unwrap_or(LEDGER_IDS),
            max_pages: own.max_pages,
            every: None,
            spec: own,
        }
    }

    /// The settings of a monitor with its subscriptions: whoever came first may have chosen another first run.
    pub(crate) fn of(mut self, monitor: &Monitor) -> Result<Settings> {
        if let Some(text) = monitor.subscriptions.iter().find_map(|one| one.first_run.as_deref()) {
            self.first_run = FirstRun::parse(text)?;
        }
        Ok(self)
    }

    /// The schedule of a subscription.
    pub(crate) fn schedule(&self, subscription: &Subscription) -> Result<Schedule> {
        Schedule::new(&self.spec, self.every, subscription.schedule.as_ref())
    }

    /// How many pages one look takes.
    pub(crate) fn pages(&self, first: bool) -> u64 {
        match self.first_run {
            FirstRun::Now | FirstRun::Last(_) if first => FIRST_PAGES,
            _ => self.max_pages,
        }
    }

    /// Whose ledger knows the records: the monitor's own, or the one that it shares with a hook of the same event and options.
    pub(crate) fn scope(&self, monitor: &Monitor, options_hash: &str) -> String {
        match self.hybrid {
            true => hybrid_scope(&monitor.connection, &self.event, options_hash),
            false => monitor.id.clone(),
        }
    }
}

/// The ledger that a hook and a monitor share: that of one event of a connection, with the same options.
pub(crate) fn hybrid_scope(connection: &str, event: &str, options_hash: &str) -> String {
    format!("{connection}/{event}/{options_hash}")
}

impl FirstRun {
    fn of(spec: &spec::FirstRun) -> Result<FirstRun> {
        Ok(match spec {
            spec::FirstRun::Last(count) => FirstRun::Last(usize::try_from(*count).unwrap_or(usize::MAX)),
            spec::FirstRun::Since(text) => FirstRun::Since(Since::parse(text)?),
            _ => FirstRun::Now,
        })
    }

    /// Reads `now`, `last 10`, `since 7d` or `since 2026-01-01T00:00:00Z`.
    pub(crate) fn parse(text: &str) -> Result<FirstRun> {
        let unread = || {
            let message = format!("`{text}` is not what of the first look is handed on");
            Error::coded(Code::OptionsInvalid, message)
                .hint("write `now`, `last 10`, `since 7d` or `since 2026-01-01T00:00:00Z`")
        };
        match text.split_once(' ') {
            None if text == "now" => Ok(FirstRun::Now),
            Some(("last", count)) => match count.trim().parse() {
                Ok(count @ 1..=10_000) => Ok(FirstRun::Last(count)),
                _ => Err(unread()),
            },
            Some(("since", since)) => Since::parse(since.trim()).map(FirstRun::Since),
            _ => Err(unread()),
        }
    }

    /// From when on the first look wants records.
    pub(crate) fn since(self, now: DateTime) -> Option<DateTime> {
        match self {
            FirstRun::Now => Some(now),
            FirstRun::Last(_) => None,
            FirstRun::Since(Since::Time(time)) => Some(time),
            FirstRun::Since(Since::Before(span)) => Some(now.before(span)),
        }
    }
}

impl Since {
    fn parse(text: &str) -> Result<Since> {
        if let Some(span) = unit::parse_duration(text) {
            return Ok(Since::Before(span));
        }
        text.parse().map(Since::Time).map_err(|error| {
            Error::coded(Code::OptionsInvalid, format!("`{text}` is neither a duration nor a time: {error}"))
        })
    }
}

/// What a flow gave.
#[derive(Deserialize)]
pub(crate) struct Page {
    pub(crate) records: Vec<Box<RawValue>>,
    pub(crate) cursor: Box<RawValue>,
    pub(crate) more: bool,
}

/// A record, by the key that tells it apart; without its text where it is not handed on anyway.
#[derive(Debug)]
struct Record {
    key: Option<String>,
    text: Option<Box<RawValue>>,
}

/// What the pages of a look gave.
#[derive(Debug)]
pub(crate) struct Found {
    records: VecDeque<Record>,
    /// How many of the records have their text.
    texts: usize,
    /// Keys that came already.
    keys: HashSet<String>,
    /// When the look began.
    began: DateTime,
    /// Where the last page ended.
    pub(crate) cursor: Option<String>,
    pub(crate) pages: u64,
    /// Whether nothing more is left.
    pub(crate) complete: bool,
    /// What ended the look early.
    pub(crate) problem: Option<Error>,
}

impl Found {
    /// Nothing, at the beginning of a look.
    pub(crate) fn new(began: DateTime) -> Found {
        Found {
            began,
            records: VecDeque::new(),
            texts: 0,
            keys: HashSet::new(),
            cursor: None,
            pages: 0,
            complete: false,
            problem: None,
        }
    }

    /// Adds a page, behind `before`.
    ///
    /// # Errors
    ///
    /// [`Code::RecordUnidentified`], [`Code::CursorInvalid`] when the cursor is too large, [`Code::PagingStuck`] when there is more but
    /// not where. Then nothing is added.
    pub(crate) fn add(
        &mut self,
        page: Page,
        before: Option<&str>,
        first: bool,
        settings: &Settings,
    ) -> Result<()> {
        let cursor = page.cursor.get();
        if cursor.len() as u64 > settings.cursor_max {
            let message = format!(
                "the cursor has become {} bytes long, and may be {}",
                cursor.len(),
                unit::format_size(settings.cursor_max)
            );
            return Err(Error::coded(Code::CursorInvalid, message)
                .hint("if cursors of this size are right, raise `cursor_max` in the spec; then `linchpin monitor reset`"));
        }
        if page.more && before == Some(cursor) {
            let message = "the monitor says that there is more, but not where";
            return Err(Error::coded(Code::PagingStuck, message));
        }
        let mut keyed = Vec::with_capacity(page.records.len());
        for record in page.records {
            let key = match settings.dedupe.is_empty() {
                true => None,
                false => Some(key::of(&settings.dedupe, &record)?),
            };
            keyed.push((key, record));
        }
        for (key, record) in keyed {
            if key.as_ref().is_some_and(|key| !self.keys.insert(key.clone())) {
                continue;
            }
            self.push(key, record, first.then_some(settings.first_run));
        }
        self.cursor = Some(cursor.to_owned());
        self.pages += 1;
        self.complete = !page.more;
        Ok(())
    }

    fn push(&mut self, key: Option<String>, record: Box<RawValue>, first: Option<FirstRun>) {
        let most = match first {
            Some(FirstRun::Now) => 0,
            Some(FirstRun::Last(count)) => count,
            Some(FirstRun::Since(_)) | None => usize::MAX,
        };
        self.records.push_back(Record { key, text: Some(record) });
        self.texts += 1;
        if self.texts > most {
            // Those with their text are the last.
            let oldest = self.records.len() - self.texts;
            if let Some(record) = self.records.get_mut(oldest) {
                record.text = None;
            }
            self.texts -= 1;
        }
    }

    /// The keys of what was found.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.records.iter().filter_map(|record| record.key.clone()).collect()
    }
}

/// When and how it was looked.
pub(crate) struct Look<'a> {
    pub(crate) monitor: &'a Monitor,
    pub(crate) settings: &'a Settings,
    pub(crate) scope: &'a str,
    pub(crate) at: DateTime,
    pub(crate) next: Option<DateTime>,
    /// When the next look is where the monitor was woken during this one.
    pub(crate) woken_next: Option<DateTime>,
}

/// What is to be committed.
pub(crate) fn plan(look: &Look<'_>, found: &Found, known: &[Seen]) -> Result<Commit> {
    let Look { monitor, settings, .. } = look;
    let known: HashMap<&str, &Seen> = known.iter().map(|seen| (seen.key.as_str(), seen)).collect();
    let is_known = |record: &Record| record.key.as_deref().is_some_and(|key| known.contains_key(key));
    let news: Vec<(Option<&str>, &RawValue)> = found
        .records
        .iter()
        .filter(|record| !is_known(record))
        .filter_map(|record| Some((record.key.as_deref(), record.text.as_deref()?)))
        .collect();
    // A first look of which nothing is handed on says nothing of what is new.
    let silent = !monitor.started && settings.first_run == FirstRun::Now;
    let mut entries = Vec::new();
    for subscription in monitor.subscriptions.iter().filter(|_| !silent) {
        let mut add = |identity: String, body: Bytes| -> Result<()> {
            entries.push(entry(look, subscription, identity, body)?);
            Ok(())
        };
        let of_look = format!("{}/look/{}", subscription.name, monitor.generation);
        match subscription.mode {
            RunMode::Each => {
                for (index, (key, record)) in news.iter().enumerate() {
                    let identity = match key {
                        Some(key) => format!("{}/{key}", subscription.name),
                        None => format!("{of_look}/{index}"),
                    };
                    add(identity, Bytes::copy_from_slice(record.get().as_bytes()))?;
                }
            }
            RunMode::Every => {
                let records: Vec<&str> = news.iter().map(|(_, record)| record.get()).collect();
                add(of_look, format!("[{}]", records.join(",")).into())?;
            }
            RunMode::None if news.is_empty() && found.complete && found.problem.is_none() => {
                add(of_look, Bytes::from_static(b"[]"))?;
            }
            RunMode::None => {}
        }
    }
    let (mut new, mut passed) = (Vec::new(), Vec::new());
    for record in found.records.iter().filter(|record| !is_known(record)) {
        let to = if silent || record.text.is_none() { &mut passed } else { &mut new };
        to.extend(record.key.clone());
    }
    let began = monitor.reading_since.unwrap_or(found.began);
    let (reading_since, read_since) = match found.complete {
        true => (None, began),
        false => (Some(began), monitor.read_since),
    };
    // Noted anew now and then only, so that a look that finds the same does not write.
    let stale = look.at.before(settings.ledger_time / 4);
    let again = found.records.iter().filter_map(|record| record.key.as_deref());
    let again = again.filter(|key| known.get(key).is_some_and(|seen| seen.at < stale)).map(str::to_owned);
    Ok(Commit {
        id: monitor.id.clone(),
        generation: monitor.generation,
        found: news.len() as u64,
        entries,
        scope: look.scope.to_owned(),
        new,
        passed,
        again: again.collect(),
        // What the last whole reading has seen the next may show again, whenever that is. A clock that was set back makes no difference.
        forget_before: read_since.min(look.at).before(settings.ledger_time),
        most_keys: settings.ledger_ids,
        cursor: found.cursor.clone().unwrap_or_else(|| "null".to_owned()),
        started: monitor.started || found.complete,
        reading_since,
        read_since,
        at: look.at,
        next: look.next,
        wakes: monitor.wakes,
        woken_next: look.woken_next,
        problem: found.problem.as_ref().map(problem),
    })
}

fn entry(look: &Look<'_>, subscription: &Subscription, identity: String, body: Bytes) -> Result<NewEntry> {
    let head = Head::Record(RecordHead {
        connector: look.monitor.connector.clone(),
        event: look.settings.event.clone(),
        connection: look.monitor.connection.clone(),
        flow: look.monitor.flow.clone(),
        subscription: subscription.name.clone(),
        mode: subscription.mode,
    });
    Ok(NewEntry {
        source: look.monitor.id.clone(),
        identity,
        lane: None,
        head: head.into(),
        body,
        received: look.at,
    })
}

/// Code and words of an error, for a list.
pub(crate) fn problem(error: &Error) -> (String, String) {
    (error.code().as_str().to_owned(), error.message().to_owned())
}

/// When a monitor looks next that has looked at `now`.
pub(crate) fn next_look(
    monitor: &Monitor,
    settings: &Settings,
    now: DateTime,
    random: f64,
) -> Result<Option<DateTime>> {
    let mut next = None;
    for subscription in &monitor.subscriptions {
        let one = settings.schedule(subscription)?.next(monitor.created, now, random);
        next = match (next, one) {
            (Some(next), Some(one)) => Some(std::cmp::min(next, one)),
            (next, one) => next.or(one),
        };
    }
    Ok(next)
}

/// When a monitor looks that is woken at `now` and last looked at `last`: at once, but for a pause after the last look, and within the
/// active hours. Nothing where they never come.
pub(crate) fn woken_look(
    monitor: &Monitor,
    settings: &Settings,
    last: Option<DateTime>,
    now: DateTime,
) -> Result<Option<DateTime>> {
    let mut next = None;
    for subscription in &monitor.subscriptions {
        let schedule = settings.schedule(subscription)?;
        let rested =
            last.map(|last| later(last, schedule.interval().unwrap_or(WOKEN_PAUSE).min(WOKEN_PAUSE)));
        // A clock that was set back keeps nobody waiting.
        let rested = rested.filter(|rested| *rested <= later(now, WOKEN_PAUSE)).unwrap_or(now);
        let one = schedule.open_from(rested.max(now));
        next = next.into_iter().chain(one).min();
    }
    Ok(next)
}

/// When a look that failed is tried again; never where somebody has to reset it.
pub(crate) fn retry(monitor: &Monitor, error: &Error, now: DateTime, random: f64) -> Option<DateTime> {
    if error.code() == Code::CursorInvalid {
        return None;
    }
    let pause = PAUSE.saturating_mul(1 << monitor.failures.min(20)).min(LONGEST_PAUSE);
    let asked = error.details().retry_after.unwrap_or_default().min(LONGEST_ASKED);
    let pause = pause.mul_f64(1.0 + random.clamp(0.0, 1.0) / 4.0);
    Some(later(now, pause.max(asked)))
}
