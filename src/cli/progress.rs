//! How far a run is, for somebody who watches a terminal, and how long its parts took.

use std::fmt;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What takes less is not shown, in milliseconds, unless this variable has another number of them: nobody can test
/// what takes a second.
const PATIENCE: u64 = 1000;
const AFTER: &str = "BATCHED_SVD_PROGRESS_AFTER";
const TICK: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Reading,
    Computing,
    Checking,
    Writing,
}

impl Phase {
    pub const ALL: [Phase; 4] = [
        Phase::Reading,
        Phase::Computing,
        Phase::Checking,
        Phase::Writing,
    ];
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Reading => "reading",
            Phase::Computing => "computing",
            Phase::Checking => "checking",
            Phase::Writing => "writing",
        })
    }
}

/// Seconds of a whole run and of its phases.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Times {
    pub whole: f64,
    /// In the order of `Phase::ALL`.
    pub phases: [f64; 4],
}

/// What a bar counts, if it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Total {
    Bytes(u64),
    /// Of a pipe, nobody knows how many.
    SomeBytes,
    Matrices(usize),
    /// It takes as long as it takes.
    Unknown,
}

/// One run: in one phase at a time.
pub(crate) struct Progress {
    start: Instant,
    now: Option<(Phase, Instant)>,
    phases: [Duration; 4],
    done: Arc<AtomicU64>,
    bar: Option<Bar>,
}

/// A bar that a thread draws.
struct Bar {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Progress {
    pub fn new() -> Self {
        Progress {
            start: Instant::now(),
            now: None,
            phases: [Duration::ZERO; 4],
            done: Arc::default(),
            bar: None,
        }
    }

    /// The next phase begins, and the last one ends.
    pub fn enter(&mut self, phase: Phase, total: Total) {
        self.leave();
        self.now = Some((phase, Instant::now()));
        self.done.store(0, Ordering::Relaxed);
        if std::io::stderr().is_terminal() {
            self.bar = Bar::new(phase, total, &self.done);
        }
    }

    /// The phase ends.
    pub fn leave(&mut self) {
        if let Some((phase, start)) = self.now.take() {
            self.phases[phase as usize] += start.elapsed();
        }
        if let Some(bar) = self.bar.take() {
            bar.clear();
        }
    }

    /// What is told of progress.
    pub fn counter(&self) -> Arc<AtomicU64> {
        self.done.clone()
    }

    pub fn times(&mut self) -> Times {
        self.leave();
        Times {
            whole: self.start.elapsed().as_secs_f64(),
            phases: self.phases.map(|phase| phase.as_secs_f64()),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Bar {
    fn new(phase: Phase, total: Total, done: &Arc<AtomicU64>) -> Option<Bar> {
        let (stop, stopped) = channel::<()>();
        let done = done.clone();
        let start = Instant::now();
        let patience = std::env::var(AFTER)
            .ok()
            .and_then(|after| after.parse().ok());
        let patience = Duration::from_millis(patience.unwrap_or(PATIENCE));
        let goes_on = move |time| stopped.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
        let draw = move || {
            if !goes_on(patience) {
                return;
            }
            let bar = styled(phase, total, start);
            loop {
                bar.set_position(done.load(Ordering::Relaxed));
                bar.tick();
                if !goes_on(TICK) {
                    break;
                }
            }
            bar.finish_and_clear();
        };
        // Without a thread there is no bar, and that is all.
        let thread = std::thread::Builder::new()
            .name("progress".into())
            .spawn(draw)
            .ok()?;
        Some(Bar { stop, thread })
    }

    fn clear(self) {
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

fn styled(phase: Phase, total: Total, start: Instant) -> ProgressBar {
    let (len, template) = match total {
        Total::Bytes(bytes) => (
            Some(bytes),
            "{msg:9} {bar:40} {bytes}/{total_bytes}, {elapsed}",
        ),
        Total::SomeBytes => (None, "{msg:9} {spinner} {bytes}, {elapsed}"),
        Total::Matrices(count) => (
            Some(count as u64),
            "{msg:9} {bar:40} {pos}/{len} matrices, {eta} left",
        ),
        Total::Unknown => (None, "{msg:9} {spinner} {elapsed}"),
    };
    let style = ProgressStyle::with_template(template);
    // Hidden until it is what it is to be.
    let bar = ProgressBar::with_draw_target(len, ProgressDrawTarget::hidden())
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(phase.to_string())
        .with_elapsed(start.elapsed());
    bar.set_draw_target(ProgressDrawTarget::stderr());
    bar
}
