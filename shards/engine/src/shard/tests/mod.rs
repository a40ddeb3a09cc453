//! Shards together, without I/O: a world of two or three, whose disk and mesh the test moves.

mod amenders;
mod amending;
mod carry;
mod clocks;
mod disk;
mod drafts;
mod erasing;
mod facts;
mod failing;
mod held;
mod images;
mod json_lines;
mod leaving;
mod lists;
mod loading;
mod looks;
mod outboxes;
mod outside;
mod pages;
mod promises;
mod room_pages;
mod sessions;
mod shared_rooms;
mod surfaces;
mod words;
mod world;
mod writes;

pub(crate) use words::Words;
pub(crate) use world::{Chance, World, settings};
