//! Repeated events are left out: many clients that cause the same event fill neither the disk nor the journal.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};

/// The maximum of events from one place in the code that are written in a window; others are counted.
const WRITTEN_MAX: u32 = 50;
const WINDOW: Duration = Duration::from_secs(1);
/// Bytes of an event's message that are kept for the report.
const WORDS_BYTES_MAX: usize = 120;

/// The events of one place in the code in its window.
#[derive(Debug)]
struct Place {
    since: Instant,
    written: u32,
    left_out: u64,
    /// The message of the first event that was left out. Bounded; the fields are not kept.
    words: String,
}

/// Limits the events of each place. There are as many places as the code has events.
#[derive(Debug, Default)]
pub struct Repeats {
    places: Mutex<HashMap<Identifier, Place>>,
}

/// The events of one place that were left out since the last report.
#[derive(PartialEq, Eq, Debug)]
pub struct LeftOut {
    /// The message of one of them.
    pub words: String,
    /// Their number.
    pub count: u64,
}

impl Repeats {
    fn permits(&self, event: &Event<'_>, now: Instant) -> bool {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.entry(event.metadata().callsite()).or_insert_with(|| Place {
            since: now,
            written: 0,
            left_out: 0,
            words: String::new(),
        });
        if now.duration_since(place.since) >= WINDOW {
            (place.since, place.written) = (now, 0);
        }
        if place.written < WRITTEN_MAX {
            place.written += 1;
            return true;
        }
        if place.left_out == 0 {
            place.words.clear();
            event.record(&mut Words(&mut place.words));
        }
        place.left_out += 1;
        false
    }

    /// Takes the events that were left out in finished windows.
    pub fn take(&self, now: Instant) -> Vec<LeftOut> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let over = places
            .values_mut()
            .filter(|place| place.left_out > 0 && now.duration_since(place.since) >= WINDOW);
        over.map(|place| LeftOut {
            words: std::mem::take(&mut place.words),
            count: std::mem::take(&mut place.left_out),
        })
        .collect()
    }
}

/// The filter of a layer, shared with the reporter.
pub struct Limited(pub std::sync::Arc<Repeats>);

impl<S: Subscriber> Filter<S> for Limited {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        self.0.permits(event, Instant::now())
    }
}

/// Takes the message of an event, without its fields.
struct Words<'a>(&'a mut String);

impl Visit for Words<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // Writing to a string does not fail.
            let _ = write!(self.0, "{value:?}");
            let end = self.0.floor_char_boundary(WORDS_BYTES_MAX);
            self.0.truncate(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::{Layer, Registry, fmt as lines};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("not poisoned").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_storm_of_one_event_is_written_so_often_and_counted_and_others_are_written() {
        let (written, repeats) = (Written::default(), Arc::new(Repeats::default()));
        let writer = written.clone();
        let layer = lines::layer().with_writer(move || writer.clone()).with_filter(Limited(repeats.clone()));
        tracing::subscriber::with_default(Registry::default().with(layer), || {
            for number in 0..1000 {
                tracing::warn!(number, "a reader is slow");
            }
            tracing::warn!("another event");
        });
        let text = String::from_utf8(written.0.lock().expect("not poisoned").clone()).expect("UTF-8");
        assert_eq!(text.matches("a reader is slow").count(), WRITTEN_MAX as usize);
        assert_eq!(text.matches("another event").count(), 1);
        assert_eq!(repeats.take(Instant::now()), [], "the window is not over");
        let later = Instant::now() + WINDOW;
        let left_out = LeftOut { words: "a reader is slow".into(), count: 1000 - u64::from(WRITTEN_MAX) };
        assert_eq!(repeats.take(later), [left_out]);
        assert_eq!(repeats.take(later), [], "what was told is not told again");
    }
}
