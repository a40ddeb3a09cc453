//! An event as each style writes it.

use madang_model::connection::Style;
use std::ops::Range;

/// An event as each style writes it, written when the first reader of that style turns up.
#[derive(Debug, Default)]
pub struct Rendered {
    bytes: Vec<u8>,
    /// Of each style but the current one.
    others: Vec<(Style, Range<usize>)>,
    /// Of the last reader's style, which is mostly the next one's, too.
    current: Option<(Style, Range<usize>)>,
}

impl Rendered {
    /// What there is was of another event.
    pub fn begin_event(&mut self) {
        self.bytes.clear();
        self.others.clear();
        self.current = None;
    }

    /// The event in a style, which `render` writes when it is the first of that style.
    #[inline]
    pub fn in_style(&mut self, style: Style, render: impl FnOnce(&mut Vec<u8>)) -> &[u8] {
        if let Some((current, range)) = &self.current
            && *current == style
        {
            return &self.bytes[range.clone()];
        }
        self.in_another_style(style, render)
    }

    fn in_another_style(&mut self, style: Style, render: impl FnOnce(&mut Vec<u8>)) -> &[u8] {
        self.others.extend(self.current.take());
        let known = self.others.iter().position(|(other, _)| *other == style);
        let range = match known {
            Some(place) => self.others.swap_remove(place).1,
            None => {
                let start = self.bytes.len();
                render(&mut self.bytes);
                start..self.bytes.len()
            }
        };
        self.current = Some((style, range.clone()));
        &self.bytes[range]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use madang_model::connection::SurfaceId;

    #[test]
    fn an_event_is_written_once_for_all_of_one_style_however_many_styles_there_are() {
        let mut rendered = Rendered::default();
        for event in 0..2_u8 {
            rendered.begin_event();
            let mut count = 0;
            for reader in 0..1000_u32 {
                let [surface, form] = [(reader % 3) as u8, (reader % 40) as u8];
                let style = Style { surface: SurfaceId(surface), form };
                let body = rendered.in_style(style, |out| {
                    count += 1;
                    out.extend_from_slice(&[event, surface, form]);
                });
                assert_eq!(body, [event, surface, form]);
            }
            assert_eq!(count, 120);
        }
    }
}
