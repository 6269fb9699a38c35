//! The database file that is moved, deleted, replaced or copied over while it is in use, and what
//! brings everything back.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rusqlite::Connection;

use crate::http::{self, SOON};
use crate::program::{Home, Server, repository};

/// The commands of the block of `docs/reliability.md` that contains this text.
fn documented(part: &str) -> String {
    let page = fs::read_to_string(repository("docs/reliability.md")).unwrap();
    let blocks = page.split("```sh\n").skip(1);
    let mut blocks = blocks.map(|rest| rest.split("```").next().unwrap());
    blocks
        .find(|block| block.contains(part))
        .unwrap()
        .to_owned()
}

/// Runs commands as a person would type them into a shell, in the folder of the installation, with
/// `nexus` on the path.
fn shell(home: &Home, commands: &str) {
    let nexus = r#"nexus() { "$NEXUS" "$@"; }"#;
    let done = Command::new("sh")
        .args(["-e", "-c", &format!("umask 022\n{nexus}\n{commands}")])
        .current_dir(home.path("."))
        .env("NEXUS", home.command(&[]).get_program())
        .output()
        .unwrap();
    assert!(done.status.success(), "{commands}: {done:?}");
}

/// As the page says it.
fn back_up(home: &Home) {
    shell(home, &documented("VACUUM INTO"));
    let mode = fs::metadata(home.path("backup.db"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600, "others can read the copy");
}

fn restore(home: &Home) {
    shell(home, &documented("install -m 600"));
}

fn questions(address: &str, token: &str) -> Vec<String> {
    let (status, page) = http::get(address, "/api/v1/messages?limit=100", Some(token));
    assert_eq!(status, 200, "{page:#}");
    let messages = page["messages"].as_array().unwrap().iter();
    let humans = messages.filter(|it| it["role"] == "human");
    let mut texts: Vec<_> = humans
        .map(|it| it["content"].as_str().unwrap().to_owned())
        .collect();
    texts.reverse();
    texts
}

fn ask(server: &Server, token: &str, question: &str) {
    let said = http::text(&http::chat(&server.address, token, question));
    assert!(said.contains("mirror"), "{said}");
}

/// Waits until the server has noticed, and checks what it does from then on. Nothing is acknowledged
/// from the first moment on.
fn is_noticed(server: &Server, token: &str) {
    // At once, before anybody looks: the question is not taken.
    let answer = http::ask(&server.address, token, "Is anybody there?");
    assert_eq!(answer.status, 503);
    let begun = Instant::now();
    loop {
        let (status, readiness) = http::get(&server.address, "/readyz", None);
        if status == 503 {
            assert_eq!(readiness["store"], "unavailable", "{readiness:#}");
            break;
        }
        assert!(begun.elapsed() < SOON, "{readiness:#}");
    }
    assert_eq!(http::get(&server.address, "/livez", None).0, 200);
    let log = server.log();
    assert!(log.contains("the database file"), "{log}");
    assert!(log.contains("docs/reliability.md"), "{log}");
}

/// What a person does to the file, and what brings it back.
struct Case {
    done: &'static str,
    undone: Option<&'static str>,
}

fn lost_and_found(case: &Case) {
    let home = Home::new();
    home.ok(&["init"]);
    let (key, token) = home.member();
    let server = home.serve();
    ask(&server, &token, "One");
    back_up(&home);
    ask(&server, &token, "Two");
    shell(&home, case.done);
    is_noticed(&server, &token);
    // The command line sees the same, or refuses; it makes nothing new.
    assert_eq!(server.stop("TERM"), Some(0), "{}", case.done);

    let expected: &[&str] = match case.undone {
        Some(undone) => {
            shell(&home, undone);
            &["One", "Two"]
        }
        None => {
            restore(&home);
            &["One"]
        }
    };
    let mode = fs::metadata(home.path("data/nexus.db"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600, "{}", case.done);
    let server = home.serve();
    assert_eq!(
        questions(&server.address, &token),
        expected,
        "{}",
        case.done
    );
    ask(&server, &token, "Three");
    assert!(home.ok(&["identity", "list"]).contains(&key));
    assert_eq!(server.stop("TERM"), Some(0));
    let file = Connection::open(home.path("data/nexus.db")).unwrap();
    let check = file.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
    assert_eq!(check.unwrap(), "ok", "{}", case.done);
}

/// D3: a backup as docs/reliability.md says it brings everything back, and tells that the audit is
/// whole.
#[test]
fn a_backup_as_documented_brings_everything_back() {
    let home = Home::new();
    home.write("nexus.yml", "registration: closed\n");
    home.ok(&["init"]);
    let (key, token) = home.member();
    home.ok(&["admin", "grant", &key]);
    let keys = home.write(
        "data/provider-keys.yml",
        "A: {servers: [a.test], key: sk-a}\n",
    );
    let server = home.serve();
    ask(&server, &token, "One");
    back_up(&home);
    shell(&home, &documented("mkdir -p -m 700 backup-files"));
    let mode = fs::metadata(home.path("backup-files")).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o700);
    ask(&server, &token, "Two");
    assert_eq!(server.stop("TERM"), Some(0));
    let key_file = home.path(&format!("data/keys/{key}.key"));
    let secret = fs::read_to_string(&key_file).unwrap();

    shell(&home, "rm -r data nexus.yml && mkdir -m 700 data");
    restore(&home);
    shell(&home, &documented("--expect-head"));
    assert_eq!(fs::read_to_string(&key_file).unwrap(), secret);
    let mode = fs::metadata(&key_file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(fs::read_to_string(keys).unwrap().contains("sk-a"));
    assert!(home.path("nexus.yml").exists());
    let server = home.serve();
    assert_eq!(questions(&server.address, &token), ["One"]);

    // An older copy lacks entries, and nothing but the head tells.
    assert_eq!(server.stop("TERM"), Some(0));
    shell(&home, "cp backup.db older.db");
    home.ok(&["admin", "revoke", &key]);
    shell(&home, &documented("mkdir -p -m 700 backup-files"));
    shell(&home, "rm data/nexus.db && mv older.db data/nexus.db");
    home.ok(&["audit", "verify"]);
    let head = fs::read_to_string(home.path("backup-files/audit-head")).unwrap();
    home.fails(&["audit", "verify", "--expect-head", head.trim()]);
}

/// D3: a database file that is moved away while it is in use is noticed, and put back whole.
#[test]
fn a_file_that_is_moved_is_noticed_and_put_back() {
    lost_and_found(&Case {
        done: "mv data/nexus.db elsewhere.db",
        undone: Some("mv elsewhere.db data/nexus.db"),
    });
}

/// D3: a database file that is deleted while it is in use is noticed, and restored from a copy.
#[test]
fn a_file_that_is_deleted_is_noticed() {
    lost_and_found(&Case {
        done: "rm data/nexus.db",
        undone: None,
    });
}

/// D3: all files of the database deleted while it is in use are noticed.
#[test]
fn files_that_are_deleted_together_are_noticed() {
    lost_and_found(&Case {
        done: "rm data/nexus.db*",
        undone: None,
    });
}

/// D3: a database file that is replaced by another is noticed, and the other is left as it is.
#[test]
fn a_file_that_is_replaced_is_noticed() {
    lost_and_found(&Case {
        done: "cp backup.db new.db && mv new.db data/nexus.db",
        undone: None,
    });
}

/// D3: a backup that is copied over the file in use is noticed by what is in it.
#[test]
fn a_copy_over_the_file_is_noticed() {
    lost_and_found(&Case {
        done: "cp backup.db data/nexus.db",
        undone: None,
    });
}

/// D3: a plain copy of before that is copied over the file in use is noticed by what is in it.
#[test]
fn an_older_state_of_the_same_file_is_noticed() {
    let home = Home::new();
    home.ok(&["init"]);
    let (_, token) = home.member();
    let server = home.serve();
    ask(&server, &token, "One");
    assert_eq!(server.stop("TERM"), Some(0));
    back_up(&home);
    shell(&home, "cp data/nexus.db plain.db");
    let server = home.serve();
    ask(&server, &token, "Two");
    assert_eq!(server.stop("TERM"), Some(0));
    let server = home.serve();
    ask(&server, &token, "Three");
    shell(&home, "cp plain.db data/nexus.db");
    is_noticed(&server, &token);
    assert_eq!(server.stop("TERM"), Some(0));
    // Even without what the page says: nothing of before is read into the copy.
    let server = home.serve();
    assert_eq!(questions(&server.address, &token), ["One"]);
    assert_eq!(server.stop("TERM"), Some(0));
    restore(&home);
    let server = home.serve();
    assert_eq!(questions(&server.address, &token), ["One"]);
}

/// D3: a write-ahead log that is deleted while it is in use is noticed, and nothing of it is lost.
#[test]
fn a_log_that_is_deleted_is_noticed() {
    lost_and_found(&Case {
        done: "rm data/nexus.db-wal",
        undone: Some("rm -f data/nexus.db-wal data/nexus.db-shm"),
    });
}

/// The paths of the routes that answer a credential with 200 and nobody else.
fn routes_of(address: &str, token: &str) -> Vec<String> {
    let (_, listed) = http::get(address, "/api/v1", None);
    let listed = listed["routes"].as_array().unwrap().iter();
    let native = listed.filter_map(|route| route.as_str().unwrap().strip_prefix("GET "));
    let mut paths: Vec<_> = native.chain(["/v1/models"]).map(str::to_owned).collect();
    paths.retain(|path| {
        !path.contains('{')
            && http::get(address, path, None).0 == 401
            && http::get(address, path, Some(token)).0 == 200
    });
    paths
}

/// D3: once the database file has gone, no route answers a credential from memory.
#[test]
fn no_route_answers_from_memory_when_the_file_has_gone() {
    for done in [
        "rm data/nexus.db",
        "mv data/nexus.db elsewhere.db",
        "rm data/nexus.db-wal",
        "cp data/nexus.db new.db && mv new.db data/nexus.db",
    ] {
        let home = Home::new();
        home.ok(&["init"]);
        let (key, member) = home.member();
        let admin = home.json(&["identity", "token", &key, "--admin"]);
        let admin = admin["token"].as_str().unwrap().to_owned();
        let server = home.serve();
        let address = &server.address;
        home.ok(&[
            "login",
            &format!("http://{address}"),
            "--new",
            "--no-passphrase",
        ]);
        home.ok(&["identity", "register"]);
        let scopes = "chat,models.read,profile.read,history.read";
        let program = home.json(&["key", "create", "program", "--scopes", scopes]);
        let program = program["data"]["token"].as_str().unwrap().to_owned();
        // Everything that is asked again below is in memory.
        let known = [&member, &admin, &program].map(|token| (token, routes_of(address, token)));
        assert!(
            known[0].1.contains(&"/api/v1/auth/session".to_owned()),
            "{known:?}"
        );
        assert!(
            known[1].1.contains(&"/api/v1/admin/template".to_owned()),
            "{known:?}"
        );
        assert!(
            known[2].1.contains(&"/api/v1/profile".to_owned()),
            "{known:?}"
        );
        shell(&home, done);
        for (token, paths) in &known {
            for path in paths {
                let (status, answer) = http::get(address, path, Some(token));
                assert_eq!(status, 503, "{done}: {path}: {answer:#}");
                assert_eq!(
                    answer["error"]["code"], "store_unavailable",
                    "{done}: {path}"
                );
            }
        }
        is_noticed(&server, &member);
        let log = server.log();
        assert_eq!(log.matches("the database file").count(), 1, "{done}: {log}");
    }
}

/// D3: no empty file is made where one has gone.
#[test]
fn a_start_makes_no_empty_file_where_one_has_gone() {
    let home = Home::new();
    home.ok(&["init"]);
    let (_, token) = home.member();
    let server = home.serve();
    ask(&server, &token, "One");
    shell(&home, "mv data/nexus.db elsewhere.db");
    server.kill();
    for command in [&["serve"][..], &["identity", "new"], &["init"]] {
        let done = home.fails(command);
        assert!(done.err.contains("nexus.db is missing"), "{done:#?}");
        assert!(!home.path("data/nexus.db").exists(), "{command:?}");
    }
    shell(&home, "mv elsewhere.db data/nexus.db");
    let server = home.serve();
    assert_eq!(questions(&server.address, &token), ["One"]);
}

/// D9: the write-ahead log is emptied when it is quiet.
#[test]
fn the_write_ahead_log_is_emptied_when_it_is_quiet() {
    let home = Home::new();
    home.ok(&["init"]);
    let (_, token) = home.member();
    let server = home.serve();
    let long = "x".repeat(30_000);
    for _ in 0..10 {
        ask(&server, &token, &long);
    }
    let wal = home.path("data/nexus.db-wal");
    let begun = Instant::now();
    while fs::metadata(&wal).unwrap().len() > 0 {
        assert!(
            begun.elapsed() < 3 * SOON,
            "{} bytes",
            fs::metadata(&wal).unwrap().len()
        );
        assert_eq!(http::get(&server.address, "/livez", None).0, 200);
    }
    assert_eq!(questions(&server.address, &token).len(), 10);
    ask(&server, &token, "And on");
}

/// D9: a data folder whose path is too long is called that.
#[test]
fn a_path_that_is_too_long_is_called_that() {
    let home = Home::new();
    let deep = format!("data{}", "/a-folder-with-a-long-name".repeat(30));
    let long = "n".repeat(300);
    for folder in [&*deep, &*long] {
        for command in [&["init"][..], &["identity", "new"]] {
            let done = home.fails(&[command, &["--data", folder]].concat());
            assert!(done.err.contains("is too long"), "{done:#?}");
            assert!(!done.err.contains("who owns it"), "{done:#?}");
        }
        assert!(!Path::new(&home.path("data")).exists());
    }
}

/// D9: what cannot be written to standard output is a failure.
#[test]
fn a_full_disk_behind_standard_output_is_a_failure() {
    let home = Home::new();
    home.ok(&["init"]);
    home.member();
    for command in [
        &["template", "show"][..],
        &["identity", "list"],
        &["identity", "list", "--json"],
        &["audit", "list"],
    ] {
        let full = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let done = crate::program::finish(home.command(command).stdout(full).spawn().unwrap());
        assert_eq!(done.code, Some(1), "{command:?}: {done:#?}");
        assert!(
            done.err.contains("standard output"),
            "{command:?}: {done:#?}"
        );
    }
}

/// S7: what has no further use is removed, and what has is not.
#[test]
fn what_has_expired_is_removed() {
    let home = Home::new();
    home.ok(&["init"]);
    let (key, token) = home.member();
    let file = Connection::open(home.path("data/nexus.db")).unwrap();
    file.busy_timeout(SOON).unwrap();
    let now = "(unixepoch() * 1000)";
    let day = 86_400_000_i64;
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)";
    file.execute_batch(&format!(
        "{many} INSERT INTO sessions (digest, owner_key, created_at, expires_at)
           SELECT randomblob(32), '{key}', 1, {now} - 2 * {day} FROM n;
         {many} INSERT INTO api_keys (id, digest, owner_key, name, scopes, created_at, expires_at)
           SELECT printf('old%09d', i), randomblob(32), '{key}', 'old', '[]', 1, {now} - 40 * {day} FROM n;
         INSERT INTO api_keys (id, digest, owner_key, name, scopes, created_at, expires_at, revoked_at)
           VALUES ('revoked00001', randomblob(32), '{key}', 'old', '[]', 1, {now} + {day}, {now} - 40 * {day}),
                  ('revoked00002', randomblob(32), '{key}', 'new', '[]', 1, {now} + {day}, {now} - {day}),
                  ('lives0000001', randomblob(32), '{key}', 'new', '[]', 1, {now} + {day}, NULL);
         {many} INSERT INTO used_nonces (id, expires_at)
           SELECT randomblob(32), {now} - {day} FROM n;
         INSERT INTO used_nonces (id, expires_at) VALUES (randomblob(32), {now} + {day});"
    ))
    .unwrap();
    let server = home.serve();
    let count = |what: &str| {
        let sql = format!("SELECT count(*) FROM {what}");
        file.query_row(&sql, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    let old = |table: &str| count(&format!("{table} WHERE expires_at < {now} - {day} / 2"));
    let begun = Instant::now();
    while old("sessions") + old("api_keys") + old("used_nonces") > 0 {
        assert!(
            begun.elapsed() < SOON,
            "{} {}",
            old("sessions"),
            old("api_keys")
        );
    }
    while count("api_keys WHERE id = 'revoked00001'") > 0 {
        assert!(begun.elapsed() < SOON);
    }
    assert_eq!(count("api_keys"), 2);
    assert_eq!(count("used_nonces WHERE expires_at > 0"), 1);
    ask(&server, &token, "My session lives");
}
