//! What is shown of a wrong value.

/// Characters of a wrong value that are shown.
const SHOWN_CHARS_MAX: usize = 80;

/// Untrusted text in a form that is safe and short enough to display.
pub fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).flat_map(escaped).collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// The same of a wrong URL: nothing before what may be its host.
pub fn shown_without_user(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None if text.contains(':') => "…".to_owned(),
        None => text.to_owned(),
    }
}

fn escaped(character: char) -> impl Iterator<Item = char> {
    let plain = (!character.is_control()).then_some(character);
    let escape = character.is_control().then(|| character.escape_default());
    plain.into_iter().chain(escape.into_iter().flatten())
}
