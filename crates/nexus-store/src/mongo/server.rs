//! What the database says about itself.

use mongodb::bson::{Bson, doc};
use nexus_core::Timestamp;

use super::data::Data;
use crate::{Shape, StoreError};

impl Data {
    /// What it is, by its own words.
    pub(super) async fn server(&self) -> Result<Server, StoreError> {
        let build = self.database.run_command(doc! {"buildInfo": 1}).await?;
        let hello = self.database.run_command(doc! {"hello": 1}).await?;
        let version = build.get_str("version").unwrap_or("of an unknown version");
        let (version, shape) = match (hello.get_str("setName"), hello.get_str("msg")) {
            (Ok(set), _) => {
                let count = |list| hello.get_array(list).map_or(0, Vec::len);
                let shape = Shape::Replicas {
                    set: set.to_owned(),
                    members: count("hosts") + count("passives"),
                    up: self.members_up().await,
                };
                (format!("{version}, replica set {set}"), shape)
            }
            (_, Ok("isdbgrid")) => (format!("{version}, sharded"), Shape::Sharded),
            _ => (format!("{version}, standalone"), Shape::Standalone),
        };
        let time = hello.get_datetime("localTime").ok();
        Ok(Server {
            version,
            shape,
            time: time.and_then(|time| Timestamp::from_timestamp_millis(time.timestamp_millis())),
        })
    }

    /// How many members are primary or secondary. Not every user may ask.
    async fn members_up(&self) -> Option<usize> {
        let admin = self.client.database("admin");
        let status = admin.run_command(doc! {"replSetGetStatus": 1}).await.ok()?;
        let members = status.get_array("members").ok()?.iter();
        let is_up = |member: &&Bson| {
            let state = member.as_document().and_then(|it| it.get("state"));
            matches!(state.and_then(Bson::as_i32), Some(1 | 2))
        };
        Some(members.filter(is_up).count())
    }
}

/// What a server says about itself.
pub(super) struct Server {
    /// Such as `6.0.5, replica set rs0`.
    pub(super) version: String,
    pub(super) shape: Shape,
    pub(super) time: Option<Timestamp>,
}
