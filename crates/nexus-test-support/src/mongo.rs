//! Real MongoDB servers, each in a folder and on a port of its own.
//!
//! A small shell stands beside each `mongod` and kills it when it is no longer needed, however the
//! tests end.

use std::fs::{self, File, OpenOptions};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use mongodb::bson::{Document, doc};
use mongodb::{Client, Database};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// The name of every replica set.
const SET: &str = "rs0";

/// Ends when its standard input is closed, which happens also when the test is killed.
const UNTIL_CLOSED: &str = r#""$@" & read -r _; kill -9 $!; wait"#;

/// Ends when the lock on the file `users` is held no longer. The next process waits until all is
/// gone.
const UNTIL_UNUSED: &str = r#"
    "$@" & exec 9>>users; flock -x 9; rm -f address; kill -9 $!; wait; rm -rf "$data""#;

/// The address of the one-member replica set that all tests share, also those of other processes.
/// The first one that asks starts it.
pub async fn shared() -> String {
    static ADDRESS: OnceCell<String> = OnceCell::const_new();
    ADDRESS.get_or_init(find_or_start).await.clone()
}

async fn find_or_start() -> String {
    static USERS: OnceLock<File> = OnceLock::new();
    static SERVER: OnceLock<Child> = OnceLock::new();
    let program = std::env::current_exe().unwrap();
    // It stands in `target/debug/deps`.
    let folder = program.ancestors().nth(3).unwrap().join("tmp/mongod");
    fs::create_dir_all(&folder).unwrap();
    // Held until this process ends, however it does.
    let users = USERS.get_or_init(|| open(&folder.join("users")));
    users.lock_shared().unwrap();
    let starting = open(&folder.join("starting"));
    starting.lock().unwrap();
    let known = folder.join("address");
    match fs::read_to_string(&known) {
        Ok(address) if TcpStream::connect(&address).is_ok() => return uri([address]),
        _ => {}
    }
    let data = tempfile::tempdir_in(&folder).unwrap().keep();
    let port = free_port();
    let server = Command::new("sh")
        .args(["-c", UNTIL_UNUSED, "sh"])
        .args(mongod(&data, port, Some(SET)))
        .current_dir(&folder)
        .env("data", &data)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    // Not waited for: it outlives this process if others use it.
    SERVER.get_or_init(|| server.unwrap());
    let address = address(port);
    initiate(std::slice::from_ref(&address), &data).await;
    fs::write(&known, &address).unwrap();
    uri([address])
}

/// A replica set of one test, killed when dropped.
pub struct ReplicaSet {
    members: Vec<Member>,
}

/// A server of one test that belongs to no replica set.
pub struct Standalone(Member);

impl Standalone {
    /// With the usual command line.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(|_| Vec::new())
    }

    /// With more on its command line, which may name files in its folder.
    pub fn start_with(more: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let mut member = Member::new(None);
        member.more = more(member.folder.path());
        member.start();
        Self(member)
    }

    /// The same data with more on the command line.
    pub fn restart_with(&mut self, more: &[&str]) {
        self.0.kill();
        self.0.more = more.iter().map(|&word| word.to_owned()).collect();
        self.0.start();
    }

    /// Its data.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.0.folder.path()
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> String {
        address(self.0.port)
    }

    /// The address as a connection string.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("mongodb://{}", address(self.0.port))
    }
}

struct Member {
    set: Option<&'static str>,
    port: u16,
    folder: TempDir,
    more: Vec<String>,
    /// The shell and its `mongod`, while they run.
    running: Option<Child>,
}

impl ReplicaSet {
    /// A set whose members are not started yet.
    #[must_use]
    pub fn new(size: usize) -> Self {
        let members = std::iter::repeat_with(|| Member::new(Some(SET)));
        Self {
            members: members.take(size).collect(),
        }
    }

    /// Starts all members and makes them a set.
    pub async fn start(&mut self) {
        self.members.iter_mut().for_each(Member::start);
        initiate(&self.addresses(), self.members[0].folder.path()).await;
    }

    /// The connection string that names all members.
    #[must_use]
    pub fn uri(&self) -> String {
        uri(self.addresses())
    }

    /// How to reach one member, whatever it is at the moment.
    pub async fn member(&self, index: usize) -> Database {
        direct(&address(self.members[index].port)).await
    }

    /// Which member is the primary.
    pub async fn primary(&self) -> usize {
        let client = Client::with_uri_str(self.uri()).await.unwrap();
        let hello = doc! {"hello": 1};
        let hello = client.database("admin").run_command(hello).await.unwrap();
        let primary = hello.get_str("primary").unwrap();
        let is_primary = |member: &Member| address(member.port) == primary;
        self.members.iter().position(is_primary).unwrap()
    }

    /// How to reach one member and no other.
    #[must_use]
    pub fn uri_of(&self, index: usize) -> String {
        let address = address(self.members[index].port);
        format!("mongodb://{address}/?directConnection=true")
    }

    /// Stops a member in whatever it does.
    pub fn freeze(&self, index: usize) {
        self.members[index].signal("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self, index: usize) {
        self.members[index].signal("CONT");
    }

    /// `kill -9`
    pub fn kill(&mut self, index: usize) {
        self.members[index].kill();
    }

    /// Starts a member that was killed, with its data.
    pub fn restart(&mut self, index: usize) {
        self.members[index].start();
    }

    fn addresses(&self) -> Vec<String> {
        self.members
            .iter()
            .map(|member| address(member.port))
            .collect()
    }
}

impl Member {
    fn new(set: Option<&'static str>) -> Self {
        Self {
            set,
            port: free_port(),
            folder: tempfile::tempdir().unwrap(),
            more: Vec::new(),
            running: None,
        }
    }

    fn start(&mut self) {
        let running = Command::new("sh")
            .args(["-c", UNTIL_CLOSED, "sh"])
            .args(mongod(self.folder.path(), self.port, self.set))
            .args(&self.more)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        self.running = Some(running.unwrap());
    }

    fn signal(&self, name: &str) {
        let Some(running) = &self.running else { return };
        let group = format!("-{}", running.id());
        let sent = Command::new("kill")
            .args(["-s", name, "--", &group])
            .status();
        assert!(sent.unwrap().success());
    }

    fn kill(&mut self) {
        // One that is frozen does not notice.
        self.signal("CONT");
        if let Some(mut running) = self.running.take() {
            drop(running.stdin.take());
            running.wait().unwrap();
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The command line of a small server that accepts `failCommand`.
fn mongod(data: &Path, port: u16, set: Option<&str>) -> Vec<String> {
    let program = program();
    let mut words = vec![program.to_str().unwrap().to_owned()];
    words.extend(["--dbpath".to_owned(), data.to_str().unwrap().to_owned()]);
    words.extend(["--port".to_owned(), port.to_string()]);
    if let Some(set) = set {
        words.extend(["--replSet".to_owned(), set.to_owned()]);
    }
    let log = data.join("log").to_str().unwrap().to_owned();
    words.extend(["--logpath".to_owned(), log]);
    let rest = "--bind_ip 127.0.0.1 --nounixsocket --oplogSize 64 --wiredTigerCacheSizeGB 0.25 \
                --setParameter enableTestCommands=1 \
                --setParameter diagnosticDataCollectionEnabled=false";
    words.extend(rest.split_whitespace().map(str::to_owned));
    words
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test has nobody who reads the environment for it"
)]
fn program() -> PathBuf {
    let program = std::env::var_os("NEXUS_TEST_MONGOD").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/mongodb/mongod"),
        PathBuf::from,
    );
    assert!(
        program.is_file(),
        "there is no MongoDB server at {}: run `scripts/install-test-tools mongo`",
        program.display()
    );
    program
}

/// Makes a set of members that have just been started, and waits for its primary.
async fn initiate(addresses: &[String], data: &Path) {
    let members: Vec<Document> = (0..)
        .zip(addresses)
        .map(|(id, host)| doc! {"_id": id, "host": host})
        .collect();
    let settings = doc! {"electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500};
    let config = doc! {"_id": SET, "members": members, "settings": settings};
    // The driver waits for a server that is about to answer, and for a primary.
    let initiated = async {
        for address in addresses {
            direct(address).await.run_command(doc! {"ping": 1}).await?;
        }
        let first = direct(&addresses[0]).await;
        first.run_command(doc! {"replSetInitiate": config}).await
    };
    if let Err(error) = initiated.await {
        let log = fs::read_to_string(data.join("log")).unwrap_or_default();
        let end: Vec<_> = log.lines().rev().take(5).collect();
        panic!("the replica set does not start: {error}\n{end:#?}");
    }
    let client = Client::with_uri_str(uri(addresses)).await.unwrap();
    client
        .database("admin")
        .run_command(doc! {"ping": 1})
        .await
        .unwrap();
}

async fn direct(address: &str) -> Database {
    let uri = format!("mongodb://{address}/?directConnection=true");
    Client::with_uri_str(uri).await.unwrap().database("admin")
}

fn uri(addresses: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let addresses: Vec<_> = addresses
        .into_iter()
        .map(|address| address.as_ref().to_owned())
        .collect();
    format!("mongodb://{}/?replicaSet={SET}", addresses.join(","))
}

fn address(port: u16) -> String {
    SocketAddr::from(([127, 0, 0, 1], port)).to_string()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn open(path: &Path) -> File {
    let mut options = OpenOptions::new();
    options
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .unwrap()
}
