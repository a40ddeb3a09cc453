//! What is to be erased while it may still be read from the disk: it is not shown.

use madang_log::Erasures;
use madang_model::Message;
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

    /// Hides what is to be hidden of what was read.
    pub fn hide(&self, messages: &mut [Arc<Message>]) {
        if self.hidden.is_empty() {
            return;
        }
        for message in messages {
            if self.hidden.include(message) {
                *message = Arc::new(message.to_erased());
            }
        }
    }
}
