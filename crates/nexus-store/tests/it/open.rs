//! What can be in the way when a store is opened, and what is done about it.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Barrier};

use nexus_core::{PublicKey, Scope, Session, Standing, Timestamp, TokenDigest};
use nexus_store::{EmbeddedStore, IdentityStore, OpenError, SessionStore as _, StoreError};
use rusqlite::Connection;

fn refused(folder: &Path) -> OpenError {
    EmbeddedStore::open(folder).expect_err("it should not open")
}

#[test]
fn a_missing_folder_is_created_and_is_nobody_elses_business() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("new/data");
    drop(EmbeddedStore::open(&folder).unwrap());
    assert!(folder.join("nexus.db").is_file());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let store = EmbeddedStore::open(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
        drop(store);
    }
}

#[cfg(unix)]
#[test]
fn permissions_that_somebody_chose_are_kept() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    drop(EmbeddedStore::open(folder.path()).unwrap());
    let file = folder.path().join("nexus.db");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    drop(EmbeddedStore::open(folder.path()).unwrap());
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o640
    );
}

#[test]
fn a_folder_that_cannot_be_created_is_named() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("file"), "").unwrap();
    let folder = place.path().join("file/data");
    let error = refused(&folder);
    assert!(matches!(error, OpenError::Folder { .. }), "{error:?}");
    assert!(
        error.to_string().contains(folder.to_str().unwrap()),
        "{error}"
    );
}

#[test]
fn a_file_in_place_of_the_folder_is_told_apart() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("nexus.db");
    fs::write(&file, "mine").unwrap();
    let error = refused(&file);
    assert!(matches!(error, OpenError::NotAFolder { .. }), "{error:?}");
    assert_eq!(fs::read(&file).unwrap(), b"mine");
}

#[test]
fn a_folder_in_place_of_the_file_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("nexus.db")).unwrap();
    let error = refused(folder.path());
    assert!(matches!(error, OpenError::NotAFile { .. }), "{error:?}");
}

#[test]
fn a_file_that_is_not_a_database_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nexus.db");
    let text = "My shopping list. ".repeat(100);
    fs::write(&file, &text).unwrap();
    let error = refused(folder.path());
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn a_database_of_another_program_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nexus.db");
    let other = Connection::open(&file).unwrap();
    other
        .execute_batch("CREATE TABLE bookmarks (url TEXT)")
        .unwrap();
    drop(other);
    let before = fs::read(&file).unwrap();
    let error = refused(folder.path());
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn a_newer_schema_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nexus.db");
    drop(EmbeddedStore::open(folder.path()).unwrap());
    Connection::open(&file)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let before = fs::read(&file).unwrap();
    let error = refused(folder.path());
    assert!(
        matches!(error, OpenError::TooNew { found: 99, .. }),
        "{error:?}"
    );
    assert_eq!(fs::read(&file).unwrap(), before);
    let error = StoreError::from(error);
    assert!(
        matches!(error, StoreError::TooNew { found: 99, .. }),
        "{error:?}"
    );
}

#[test]
fn a_new_store_can_be_opened_by_many_at_once() {
    for _ in 0..5 {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let start = Arc::new(Barrier::new(8));
        let openers: Vec<_> = (0..8)
            .map(|_| {
                let (folder, start) = (Arc::clone(&folder), Arc::clone(&start));
                std::thread::spawn(move || {
                    start.wait();
                    EmbeddedStore::open(folder.path()).map(drop)
                })
            })
            .collect();
        for opener in openers {
            opener.join().unwrap().unwrap();
        }
    }
}

#[test]
fn the_file_says_how_it_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let _store = EmbeddedStore::open(folder.path()).unwrap();
    let file = Connection::open(folder.path().join("nexus.db")).unwrap();
    let mode: String = file
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
    let lax = "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND strict = 0 AND name NOT LIKE 'sqlite%'";
    assert_eq!(
        file.query_row(lax, [], |row| row.get::<_, i64>(0)).unwrap(),
        0
    );
    let not_json = "INSERT INTO identities (public_key, created_at, metadata) VALUES ('x', 1, '{')";
    assert!(file.execute(not_json, []).is_err());
}

#[tokio::test]
async fn a_file_of_the_first_schema_becomes_a_current_one_and_its_sessions_stay_personal() {
    let folder = tempfile::tempdir().unwrap();
    let owner = PublicKey::from_bytes([0xa1; 20]);
    {
        let file = Connection::open(folder.path().join("nexus.db")).unwrap();
        file.execute_batch(include_str!("../../src/embedded/schema/1.sql"))
            .unwrap();
        file.pragma_update(None, "user_version", 1).unwrap();
        let add = "INSERT INTO sessions VALUES (?1, ?2, 1, 2)";
        file.execute(add, ([7_u8; 32], owner.to_string())).unwrap();
    }
    let store = EmbeddedStore::open(folder.path()).unwrap();
    let digest = TokenDigest::from_bytes([7; 32]);
    let session = store.session(digest).await.unwrap().unwrap();
    assert_eq!((session.owner_key, session.scope), (owner, Scope::Personal));
}

#[tokio::test]
async fn in_a_file_of_the_second_schema_everybody_is_let_in_and_no_session_is_idle() {
    let folder = tempfile::tempdir().unwrap();
    let owner = PublicKey::from_bytes([0xa1; 20]);
    {
        let file = Connection::open(folder.path().join("nexus.db")).unwrap();
        for schema in [
            include_str!("../../src/embedded/schema/1.sql"),
            include_str!("../../src/embedded/schema/2.sql"),
        ] {
            file.execute_batch(schema).unwrap();
        }
        file.pragma_update(None, "user_version", 2).unwrap();
        let add = "INSERT INTO sessions VALUES (?1, ?2, 1, 2, 'admin')";
        file.execute(add, ([7_u8; 32], owner.to_string())).unwrap();
        let add = "INSERT INTO identities (public_key, created_at) VALUES (?1, 1)";
        file.execute(add, [owner.to_string()]).unwrap();
    }
    let store = EmbeddedStore::open(folder.path()).unwrap();
    let digest = TokenDigest::from_bytes([7; 32]);
    let at = |milliseconds| Timestamp::from_timestamp_millis(milliseconds).unwrap();
    let expected = Session::new(digest, owner, Scope::Admin, at(1), at(2));
    assert_eq!(store.session(digest).await.unwrap(), Some(expected));
    let identity = store.identity(owner).await.unwrap().unwrap();
    assert_eq!(identity.standing, Standing::Active);
    assert!(!identity.is_admin);
}
