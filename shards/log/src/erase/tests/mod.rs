mod check;
mod crashes;
mod disk;
mod frames;
mod lists;
mod mistakes;
mod world;
