//! The first frame: who the server is, where it listens, and which descriptors come with it.

use super::error::TakeError;
use crate::server::InheritedListeners;
use madang_config::{EntranceKey, LINE, LINE_TLS};
use madang_model::connection::{CodingError, Decoder, Encoder, EntranceKind};
use rustix::fd::OwnedFd;
use std::time::Duration;

/// What the first frame says. Its descriptors are the lock of the data directory, the listeners in `listeners`, those
/// in `operator`, and those in `others`.
///
/// **Invariant:** what is added is added at the end, in words and descriptors: a program from before reads as far as
/// it knows, and closes what it does not know.
#[derive(PartialEq, Eq, Debug)]
pub struct Begin {
    /// The number of the process.
    pub pid: u64,
    /// Its version.
    pub version: String,
    /// How many shards it has.
    pub shards: u16,
    /// Whether systemd has opened the listeners for clients.
    pub is_activated: bool,
    /// Listeners that every program knows: for lines, with TLS and without.
    pub listeners: Vec<EntranceKind>,
    /// How long people have waited.
    pub paused: Duration,
    /// Listeners for operators and of HTTP, by their names.
    pub operator: Vec<String>,
    /// Other listeners for clients, by the short names of their keys.
    pub others: Vec<String>,
}

impl Begin {
    /// Whether every program knows listeners of this kind.
    pub fn is_known_to_all(kind: EntranceKind) -> bool {
        [LINE, LINE_TLS].contains(&kind)
    }

    /// Writes it.
    pub fn write(&self, out: &mut Encoder) {
        out.number(self.pid);
        out.text(&self.version);
        out.number(u64::from(self.shards));
        out.flag(self.is_activated);
        out.flag(self.is_activated && self.listeners.contains(&LINE_TLS));
        out.list(self.listeners.iter(), |out, kind| out.flag(kind.has_tls));
        out.number(self.paused.as_micros() as u64);
        out.list(self.operator.iter(), |out, name| out.text(name));
        out.list(self.others.iter(), |out, name| out.text(name));
    }

    /// Reads one, also of a program that says less.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(from: &mut Decoder<'_>) -> Result<Begin, CodingError> {
        let (pid, version, shards) = (from.number()?, from.text()?.to_owned(), from.small()?);
        // The second says what the list of listeners says, too.
        let (is_activated, _) = (from.flag()?, from.flag()?);
        let listeners = from.list(|from| Ok(if from.flag()? { LINE_TLS } else { LINE }))?;
        let paused = Duration::from_micros(from.number()?);
        let operator = names(from)?;
        let others = names(from)?;
        Ok(Begin { pid, version, shards, is_activated, listeners, paused, operator, others })
    }

    /// Gives each descriptor its meaning: the lock, and the listeners. One that this program does not know is closed.
    ///
    /// # Errors
    /// When there are fewer descriptors than it says.
    pub fn assign(&self, descriptors: Vec<OwnedFd>) -> Result<(OwnedFd, InheritedListeners), TakeError> {
        let mut descriptors = descriptors.into_iter();
        let lock = descriptors.next().ok_or(CodingError("the lock is missing"))?;
        let mut next = || descriptors.next().ok_or(CodingError("listeners are missing"));
        let mut listeners = InheritedListeners::default();
        for kind in &self.listeners {
            listeners.clients.push((*kind, next()?));
        }
        for name in &self.operator {
            listeners.operator.push((name.clone(), next()?));
        }
        for name in &self.others {
            let listener = next()?;
            match EntranceKey::named(name) {
                Some(key) => listeners.clients.push((key.kind, listener)),
                None => tracing::warn!(name, "a listener is closed: this program does not know its kind"),
            }
        }
        Ok((lock, listeners))
    }
}

/// Names; a program from before they went along says nothing.
fn names(from: &mut Decoder<'_>) -> Result<Vec<String>, CodingError> {
    if from.0.is_empty() { Ok(Vec::new()) } else { from.list(|from| from.text().map(str::to_owned)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    /// The frame as programs wrote it before listeners for operators went along: process 4242 of version 0.1.0, 2
    /// shards, TLS sockets of systemd, a plain and a TLS listener, 1,234 µs.
    const BEFORE: &[u8] = b"\x92\x10\0\0\0\0\0\0\x05\0\0\0\0\0\0\x000.1.0\x02\0\0\0\0\0\0\0\0\x01\
        \x02\0\0\0\0\0\0\0\0\x01\xd2\x04\0\0\0\0\0\0";
    /// Where it says whether systemd has opened the listeners.
    const IS_ACTIVATED: usize = 29;
    /// What went behind it next: the name of one listener.
    const OPERATOR: &[u8] = b"\x01\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0metrics";
    /// What goes behind that since: the name of another listener.
    const OTHERS: &[u8] = b"\x01\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0tubes";

    /// The frame of a server whose listeners systemd has opened, with what was added.
    fn activated(added: &[u8]) -> Vec<u8> {
        let mut bytes = [BEFORE, added].concat();
        bytes[IS_ACTIVATED] = 1;
        bytes
    }

    fn begin(operator: &[&str], others: &[&str]) -> Begin {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Begin {
            pid: 4242,
            version: "0.1.0".to_owned(),
            shards: 2,
            is_activated: true,
            listeners: vec![LINE, LINE_TLS],
            paused: Duration::from_micros(1_234),
            operator: owned(operator),
            others: owned(others),
        }
    }

    fn files(count: usize) -> Vec<OwnedFd> {
        (0..count).map(|_| File::open("/dev/null").unwrap().into()).collect()
    }

    #[test]
    fn what_programs_of_before_say_is_read() {
        for (bytes, said) in [
            (BEFORE.to_vec(), Begin { is_activated: false, ..begin(&[], &[]) }),
            (activated(&[]), begin(&[], &[])),
            (activated(OPERATOR), begin(&["metrics"], &[])),
            (activated(&[OPERATOR, OTHERS].concat()), begin(&["metrics"], &["tubes"])),
        ] {
            assert_eq!(Begin::read(&mut Decoder(&bytes)).unwrap(), said);
        }
    }

    #[test]
    fn programs_of_before_find_what_they_read_where_it_was() {
        let mut out = Encoder::default();
        begin(&["metrics"], &["tubes"]).write(&mut out);
        assert_eq!(out.0, activated(&[OPERATOR, OTHERS].concat()));
    }

    #[test]
    fn a_frame_that_is_cut_short_is_refused() {
        let whole = [BEFORE, OPERATOR, OTHERS].concat();
        // Where something was added it is one of before.
        let are_whole = [BEFORE.len(), BEFORE.len() + OPERATOR.len()];
        for end in (0..whole.len()).filter(|end| !are_whole.contains(end)) {
            assert!(Begin::read(&mut Decoder(&whole[..end])).is_err(), "{end} bytes of it");
        }
    }

    #[test]
    fn each_listener_is_what_it_was_and_one_that_is_not_known_is_closed() {
        let (_, listeners) = begin(&["metrics"], &["tubes", "line_tls"]).assign(files(6)).unwrap();
        let kinds: Vec<_> = listeners.clients.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [LINE, LINE_TLS, LINE_TLS]);
        let names: Vec<_> = listeners.operator.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["metrics"]);
        assert!(begin(&["metrics"], &["tubes"]).assign(files(4)).is_err(), "one is missing");
    }
}
