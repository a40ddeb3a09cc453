//! An event as each style writes it.

use madang_model::connection::Style;
use std::ops::Range;

/// An event as each style writes it, written when the first reader of that style turns up.
#[derive(Debug, Default)]
pub struct Rendered {
    bytes: Vec<u8>,
    bodies: Vec<(Style, Range<usize>)>,
    /// The place in `bodies` of the last reader's style, which is mostly the next one's, too.
    last: usize,
}

impl Rendered {
    /// What there is was of another event.
    pub fn begin_event(&mut self) {
        self.bytes.clear();
        self.bodies.clear();
    }

    /// The event in a style, which `render` writes when it is the first of that style.
    pub fn in_style(&mut self, style: Style, render: impl FnOnce(&mut Vec<u8>)) -> &[u8] {
        if self.bodies.get(self.last).is_none_or(|(known, _)| *known != style) {
            self.last = self.bodies.iter().position(|(known, _)| *known == style).unwrap_or_else(|| {
                let start = self.bytes.len();
                render(&mut self.bytes);
                self.bodies.push((style, start..self.bytes.len()));
                self.bodies.len() - 1
            });
        }
        &self.bytes[self.bodies[self.last].1.clone()]
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
