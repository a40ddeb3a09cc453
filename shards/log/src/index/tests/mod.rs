mod damage;
mod expiry;
mod facts;
mod pages;
mod rebuild;
mod sizes;
mod snapshots;
mod world;
