mod damage;
mod expiry;
mod pages;
mod rebuild;
mod world;
