//! What the Vulkan validation layers say while the tests run: nothing, or the run has failed.
//! `WGPU_VALIDATION=1` turns them on; that they are there is asked for then, too.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use log::{Level, LevelFilter, Log, Metadata, Record};

/// Complaints that are shown; the rest is counted.
const SHOWN: usize = 8;

/// What wgpu says, softly, where there are no layers.
const MISSING: &str = "unable to find layer";

/// Takes down every warning of the driver's side, where layers are heard.
struct Listener {
    heard: AtomicUsize,
    shown: Mutex<Vec<String>>,
}

static LISTENER: Listener = Listener {
    heard: AtomicUsize::new(0),
    shown: Mutex::new(Vec::new()),
};

impl Log for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Debug && metadata.target().starts_with("wgpu_hal")
    }

    fn log(&self, record: &Record<'_>) {
        let text = record.args().to_string();
        let loud = record.level() <= Level::Warn || text.contains(MISSING);
        if !self.enabled(record.metadata()) || !loud {
            return;
        }
        if self.heard.fetch_add(1, Ordering::Relaxed) < SHOWN {
            self.shown.lock().unwrap().push(text);
        }
    }

    fn flush(&self) {}
}

/// Whether the layers were asked for, and are listened to from here on.
pub fn listen() -> bool {
    let asked = std::env::var("WGPU_VALIDATION").is_ok_and(|value| value != "0");
    if asked {
        log::set_logger(&LISTENER).expect("the only logger");
        log::set_max_level(LevelFilter::Debug);
    }
    asked
}

/// Whether nothing was heard; says what was.
pub fn was_quiet() -> bool {
    let heard = LISTENER.heard.load(Ordering::Relaxed);
    println!("validation layers: {heard} complaints");
    for text in LISTENER.shown.lock().unwrap().iter() {
        println!("  {text}");
    }
    heard == 0
}
