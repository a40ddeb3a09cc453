mod check;
mod crashes;
mod disk;
mod frames;
mod held;
mod lists;
mod mistakes;
mod world;
