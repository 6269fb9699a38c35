//! What is stored: how it is read, kept and restored.

mod file;
mod fresh;
mod frozen;
mod unreadable;
