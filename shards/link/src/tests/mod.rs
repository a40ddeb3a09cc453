//! What the link promises.

mod amending;
mod bounds;
mod chance;
mod endings;
mod garbage;
mod homes;
mod lists;
mod pages;
mod play;
mod rig;
mod sample;
mod sessions;
mod talking;
