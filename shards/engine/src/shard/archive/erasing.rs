//! What is to be erased while it may still be read from the disk: it is not shown.

use madang_log::Erasures;
use madang_model::{ShownEntry, ShownMessage};
use std::sync::Arc;

/// What is hidden. A lookup that began before something was erased may read it from a file that was open, and is answered
/// after it: so nothing is shown again before no lookup waits.
#[derive(Debug)]
pub struct Erasing {
    hidden: Arc<Erasures>,
    /// What is hidden once no lookup waits.
    then: Option<Arc<Erasures>>,
}

impl Erasing {
    pub fn new(hidden: Arc<Erasures>) -> Erasing {
        Erasing { hidden, then: None }
    }

    pub fn erasures(&self) -> &Erasures {
        &self.hidden
    }

    /// From now on this is hidden; what was hidden before, too, unless no lookup waits.
    pub fn set(&mut self, erasures: &Arc<Erasures>, is_idle: bool) {
        self.then = Some(Arc::clone(erasures));
        if !is_idle && !self.hidden.is_empty() {
            let mut all = Erasures::clone(&self.hidden);
            all.extend(erasures);
            self.hidden = Arc::new(all);
        } else if !is_idle {
            self.hidden = Arc::clone(erasures);
        }
        self.settle(is_idle);
    }

    /// No lookup waits, if so.
    pub fn settle(&mut self, is_idle: bool) {
        if is_idle && let Some(then) = self.then.take() {
            self.hidden = then;
        }
    }

    /// Hides what is to be hidden of the messages that were read.
    pub fn hide(&self, messages: &mut [ShownMessage]) {
        if !self.hidden.is_empty() {
            messages.iter_mut().for_each(|shown| {
                self.hidden.hide_shown(shown);
            });
        }
    }

    /// The same of entries.
    pub fn hide_entries(&self, entries: &mut [ShownEntry]) {
        if !self.hidden.is_empty() {
            entries.iter_mut().for_each(|entry| {
                self.hidden.hide(entry);
            });
        }
    }
}
