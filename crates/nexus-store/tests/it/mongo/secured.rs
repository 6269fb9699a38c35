//! A server that wants TLS, or a user and a password.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use mongodb::Client;
use mongodb::bson::doc;
use nexus_core::Standing;
use nexus_store::{IdentityStore, MongoOptions, MongoStore, Store, StoreError};
use tokio::time::{sleep, timeout};

use crate::samples::{at, key};
use nexus_test_support::mongo::Standalone;

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_it_talks_to_a_server_that_its_authority_vouches_for() {
    let server = Standalone::start_with(|folder| {
        make_certificates(folder);
        let path = |name| folder.join(name).display().to_string();
        [
            "--tlsMode",
            "requireTLS",
            "--tlsCertificateKeyFile",
            &path("server.pem"),
            "--tlsCAFile",
            &path("ca.pem"),
            "--tlsAllowConnectionsWithoutCertificates",
        ]
        .map(str::to_owned)
        .to_vec()
    });
    let authority = server.folder().join("ca.pem");
    let authority = authority.display();
    let address = server.address();
    let trusting = format!("mongodb://{address}/secured?tls=true&tlsCAFile={authority}");
    let store = reach(&trusting).await;
    assert!(
        store
            .create_identity(key(1), Standing::Active, at(0))
            .await
            .unwrap()
            .is_new
    );

    let refused = refusal(&format!("mongodb://{address}/secured?tls=true")).await;
    assert!(refused.contains("tlsCAFile"), "{refused}");
    refusal(&format!("mongodb://{address}/secured")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_named_and_not_shown() {
    let mut server = Standalone::start();
    let address = server.address();
    let client = Client::with_uri_str(server.uri()).await.unwrap();
    let user = doc! {
        "createUser": "nexus",
        "pwd": "s3cret",
        "roles": [{"role": "readWrite", "db": "secured"}],
        "writeConcern": {"w": 1, "j": true},
    };
    client.database("admin").run_command(user).await.unwrap();
    server.restart_with(&["--auth"]);

    let right = format!("mongodb://nexus:s3cret@{address}/secured?authSource=admin");
    let store = reach(&right).await;
    assert!(
        store
            .create_identity(key(1), Standing::Active, at(0))
            .await
            .unwrap()
            .is_new
    );
    let facts = store.facts().await.unwrap();
    assert_eq!(facts.location, format!("{address}/secured"));

    let wrong = format!("mongodb://nexus:wr0ng@{address}/secured?authSource=admin");
    let refused = refusal(&wrong).await;
    assert!(
        refused.contains("refuses the user name or the password"),
        "{refused}"
    );
    assert!(!refused.contains("wr0ng"), "{refused}");
    let nobody = refusal(&format!("mongodb://{address}/secured")).await;
    assert!(nobody.contains("the access"), "{nobody}");
}

async fn connect(uri: &str) -> MongoStore {
    let store = MongoStore::connect(uri, "secured", MongoOptions::default()).await;
    store.unwrap()
}

async fn reach(uri: &str) -> MongoStore {
    let store = connect(uri).await;
    let ready = async {
        while store.ping().await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(20), ready).await.unwrap();
    store
}

/// Why there is no answer.
async fn refusal(uri: &str) -> String {
    match connect(uri).await.ping().await {
        Err(StoreError::Unavailable { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

/// An authority, and a server that it vouches for.
fn make_certificates(folder: &Path) {
    let run = |command: &str| {
        let words = command.split_whitespace();
        let output = Command::new("openssl")
            .args(words)
            .current_dir(folder)
            .output();
        let output = output.unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
    };
    run("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=authority");
    run("req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=server");
    fs::write(folder.join("names"), "subjectAltName = IP:127.0.0.1\n").unwrap();
    run(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
         -extfile names -out server.crt",
    );
    let parts = ["server.crt", "server.key"].map(|name| fs::read(folder.join(name)).unwrap());
    fs::write(folder.join("server.pem"), parts.concat()).unwrap();
}
