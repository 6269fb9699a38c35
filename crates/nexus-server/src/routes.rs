//! The handlers. Each turns a request into a call of a crate below, and what it says into an answer.

pub(crate) mod admin;
pub(crate) mod auth;
pub(crate) mod chat;
pub(crate) mod commands;
pub(crate) mod export;
pub(crate) mod health;
pub(crate) mod messages;
pub(crate) mod models;
pub(crate) mod openapi;
pub(crate) mod personal;
pub(crate) mod profile;
pub(crate) mod quarantine;
pub(crate) mod runs;
pub(crate) mod template;
pub(crate) mod tools;
pub(crate) mod usage;
