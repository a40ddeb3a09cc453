//! Stored messages, with their numbers and times.

use super::render::{DELETED, EDITED};
use super::{Civil, line};
use madang_model::connection::Style;
use madang_model::{Gap, GapReason, HistoryPage, Page, Seq, ShownMessage, Text, is_or_are, numbered};
use std::fmt;

/// Writes a page as it was asked for: what is missing is reported where it is missing.
pub fn history_page(page: &HistoryPage, asked: Page, style: Style, out: &mut Vec<u8>) {
    let first = page.messages.first().map(ShownMessage::seq);
    let is_gap_first = first.is_none_or(|first| page.gap.is_some_and(|gap| gap.first < first));
    if is_gap_first {
        gap(page, style, out);
    }
    let mut next = first;
    for message in &page.messages {
        let (seq, time) = (message.seq(), Civil(message.time()));
        // Of a number that is missing where not all are messages it is not known whether one is lost.
        lost_before(seq, next.filter(|_| !page.is_sparse), style, out);
        next = Some(seq.next());
        let edited = if message.edited().is_some() { EDITED } else { "" };
        match (message.message(), message.author()) {
            (Some(said), _) => {
                let (author, text) = (&said.author, &said.text);
                line(out, style, format_args!("#{seq} {time} {author}: {text}{edited}"));
            }
            (None, Some(author)) => line(out, style, format_args!("#{seq} {time} * {author}: {DELETED}")),
            (None, None) => line(out, style, format_args!("#{seq} {time} * {}", Text::ERASED)),
        }
    }
    if !is_gap_first {
        gap(page, style, out);
    }
    let Some(last) = page.messages.last() else {
        if page.gap.is_none() {
            nothing(asked, style, out);
        }
        return;
    };
    let last = last.seq();
    if matches!(asked, Page::After { .. }) && last < page.head {
        if page.is_sparse {
            // How many of them are messages is not known here.
            line(out, style, format_args!("* there may be more (try /history after {last})"));
        } else {
            let more = page.head.0 - last.0;
            line(out, style, format_args!("* {more} more (try /history after {last})"));
        }
    }
}

/// Numbers that are skipped between messages are of messages that a repair could not save.
fn lost_before(seq: Seq, next: Option<Seq>, style: Style, out: &mut Vec<u8>) {
    if let Some(next) = next.filter(|next| *next < seq) {
        let last = Seq(seq.0 - 1);
        let lost = numbered(next, last, "message", "#");
        line(out, style, format_args!("* {lost} {} lost", is_or_are(next == last)));
    }
}

fn gap(page: &HistoryPage, style: Style, out: &mut Vec<u8>) {
    let Some(Gap { first, last, reason }) = page.gap else { return };
    let next = Seq(last.0.saturating_add(1));
    let (gone, is_one) = (numbered(first, last, "message", "#"), first == last);
    match reason {
        GapReason::Expired => {
            let have = if is_one { "has" } else { "have" };
            line(out, style, format_args!("* {gone} {have} expired{}", Onwards(page, last)));
        }
        GapReason::TooMuch => {
            let do_not = if is_one { "does not" } else { "do not" };
            let words = "fit in one answer (try /history before";
            line(out, style, format_args!("* {gone} {do_not} {words} {next})"));
        }
        GapReason::Busy => {
            line(out, style, format_args!("! {gone} cannot be read now: too many ask; ask again"));
        }
        GapReason::Unreadable => {
            let why = "the disk reports errors; ask the operator";
            line(out, style, format_args!("! {gone} cannot be read: {why}"));
        }
    }
}

/// Where to read on, behind a page that holds nothing though there is more.
struct Onwards<'a>(&'a HistoryPage, Seq);

impl fmt::Display for Onwards<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Onwards(page, last) = self;
        if page.messages.is_empty() && *last < page.head {
            return write!(formatter, " (try /history after {last})");
        }
        Ok(())
    }
}

fn nothing(asked: Page, style: Style, out: &mut Vec<u8>) {
    match asked {
        Page::Before { seq, .. } => line(out, style, format_args!("* nothing before #{seq}")),
        Page::After { seq, .. } => line(out, style, format_args!("* nothing after #{seq}")),
        // People do not ask here for the others.
        Page::Last { .. } | Page::Around { .. } | Page::Since { .. } | Page::Until { .. } => {
            line(out, style, format_args!("* nothing here yet"));
        }
    }
}
