//! From an address to a client of the driver.

use std::time::Duration;

use mongodb::Client;
use mongodb::error::ErrorKind;
use mongodb::options::{
    Acknowledgment, ClientOptions, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern,
};

/// How a [`MongoStore`](super::MongoStore) behaves.
///
/// The sizes of the pool and the times for connecting are `minPoolSize=4`, `maxPoolSize=64`,
/// `maxConnecting=8`, `connectTimeoutMS=3000` and `serverSelectionTimeoutMS=3000`; what the address
/// says about them wins. What it says about read preference, read concern and write concern does
/// not: the promises of a store depend on them.
#[derive(Clone, Debug)]
pub struct MongoOptions {
    /// No call takes longer. Longer than an election, and shorter than people wait.
    pub deadline: Duration,
    /// The name under which the database lists the connections, unless the address has one.
    pub application: String,
}

impl Default for MongoOptions {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(10),
            application: "nexus".to_owned(),
        }
    }
}

/// Why there is no store. A database that cannot be reached is no reason: a store waits for it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address cannot be read. It is not repeated here, as it may hold a password.
    #[error(
        "the address of the database cannot be used{hint}: expected something like \
         mongodb://user:password@host:27017/database, with special characters in the password \
         written as %40 (for @), %3A (for :) or %2F (for /)"
    )]
    Address {
        /// What the driver says, when it holds no secret.
        hint: String,
    },
    /// The DNS names that a `mongodb+srv` address stands for were not found.
    #[error("the mongodb+srv address cannot be resolved: check the name and the DNS server")]
    Unresolved,
}

/// A client, and the name of the database that the address means. Nothing is sent yet, but for the
/// DNS query of a `mongodb+srv` address.
pub(super) async fn client(
    uri: &str,
    default_database: &str,
    options: &MongoOptions,
) -> Result<(Client, String), ConnectError> {
    let refused = |error: mongodb::error::Error| match &*error.kind {
        ErrorKind::DnsResolve { .. } => ConnectError::Unresolved,
        ErrorKind::InvalidArgument { message, .. } if !uri.contains('@') => ConnectError::Address {
            hint: format!(" ({message})"),
        },
        _ => ConnectError::Address {
            hint: String::new(),
        },
    };
    let mut wanted = ClientOptions::parse(uri).await.map_err(refused)?;
    wanted
        .app_name
        .get_or_insert_with(|| options.application.clone());
    let most = *wanted.max_pool_size.get_or_insert(64);
    wanted.min_pool_size.get_or_insert(most.min(4));
    wanted.max_connecting.get_or_insert(8);
    let patience = Duration::from_secs(3);
    wanted.connect_timeout.get_or_insert(patience);
    wanted.server_selection_timeout.get_or_insert(patience);
    wanted.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    wanted.read_concern = Some(ReadConcern::majority());
    wanted.write_concern = Some(
        WriteConcern::builder()
            .w(Acknowledgment::Majority)
            .journal(true)
            .w_timeout(options.deadline)
            .build(),
    );
    let database = wanted
        .default_database
        .clone()
        .unwrap_or_else(|| default_database.to_owned());
    let client = Client::with_options(wanted).map_err(refused)?;
    Ok((client, database))
}

/// Where the database is, without what is secret in its address: `host:port/database`.
pub(super) fn location(uri: &str, database: &str) -> String {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let hosts = authority.rsplit('@').next().unwrap_or_default();
    format!("{hosts}/{database}")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn connect(uri: &str) -> Result<(Client, String), ConnectError> {
        client(uri, "NEXUS_DB_DEV", &MongoOptions::default()).await
    }

    #[tokio::test]
    async fn the_address_may_name_the_database() {
        let (_, named) = connect("mongodb://127.0.0.1:1/mine?replicaSet=rs0")
            .await
            .unwrap();
        assert_eq!(named, "mine");
        let (_, default) = connect("mongodb://127.0.0.1:1").await.unwrap();
        assert_eq!(default, "NEXUS_DB_DEV");
    }

    #[tokio::test]
    async fn what_the_address_says_about_safety_does_not_count() {
        let uri = "mongodb://127.0.0.1:1/?w=0&readPreference=nearest&maxPoolSize=2";
        let (client, _) = connect(uri).await.unwrap();
        let concern = client.write_concern().unwrap();
        assert_eq!(concern.w, Some(Acknowledgment::Majority));
        assert_eq!(concern.journal, Some(true));
        assert_eq!(
            client.selection_criteria(),
            Some(&SelectionCriteria::ReadPreference(ReadPreference::Primary))
        );
    }

    #[tokio::test]
    async fn a_refused_address_is_explained_and_shows_no_password() {
        for uri in [
            "mongodb://me:s3cret/word@host",
            "mongodb://me:s3cret@host:99999999",
            "mongodb://me:s3cret@host/?tls=s3cret",
            "http://me:s3cret@host",
        ] {
            let refused = connect(uri).await.unwrap_err().to_string();
            assert!(
                refused.contains("mongodb://user:password@host"),
                "{refused}"
            );
            assert!(!refused.contains("s3cret"), "{refused}");
        }
        let refused = connect("mongodb://host/?maxPoolSize=many")
            .await
            .unwrap_err();
        assert!(refused.to_string().contains("maxpoolsize"), "{refused}");
    }

    #[test]
    fn the_location_shows_hosts_and_no_password() {
        let location = |uri| location(uri, "mine");
        assert_eq!(
            location("mongodb://me:s3cret@a:1,b:2/x?tls=true"),
            "a:1,b:2/mine"
        );
        assert_eq!(location("mongodb://a?tls=true"), "a/mine");
        assert_eq!(
            location("mongodb+srv://me:p%40ss@a.example/?x=me@b"),
            "a.example/mine"
        );
    }
}
