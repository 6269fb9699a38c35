//! What is measured, and the requests that it gets.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::ensure;

use crate::http1::Message;
use crate::load::Expected;
use crate::process::{Core, Cores, Server, free_address};
use crate::provider;

pub(crate) const NGINX: &str = "nginx, passing the bare stream on";
pub(crate) const PROXY: &str = "hyper, passing the bare stream on";

/// Somebody to send requests to.
pub(crate) struct Subject<'a> {
    pub(crate) name: &'static str,
    /// Whose CPU time counts.
    pub(crate) server: Option<&'a Server>,
    pub(crate) address: SocketAddr,
    pub(crate) requests: Arc<[String]>,
    pub(crate) expected: Expected,
    /// It gets one in so many of the turns, where all of them would take too long.
    pub(crate) one_in: usize,
}

impl<'a> Subject<'a> {
    /// The provider's own stream, from the provider or through a proxy.
    pub(crate) fn bare(
        name: &'static str,
        server: Option<&'a Server>,
        address: SocketAddr,
        requests: &Arc<[String]>,
    ) -> Self {
        Self {
            name,
            server,
            address,
            requests: Arc::clone(requests),
            expected: Expected {
                piece: r#""delta":{"content":""#.to_owned(),
                pieces: provider::PIECES,
                last: provider::LAST.to_owned(),
            },
            one_in: 1,
        }
    }
}

/// nginx as a plain reverse proxy: one process, one thread.
pub(crate) struct Nginx {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
}

impl Nginx {
    /// `None` when it is not installed.
    pub(crate) fn start(
        cores: Cores,
        folder: &Path,
        upstream: SocketAddr,
    ) -> anyhow::Result<Option<Self>> {
        let Some(program) = ["nginx", "/usr/sbin/nginx"]
            .into_iter()
            .find(|it| version(it).is_some())
        else {
            return Ok(None);
        };
        let address = free_address()?;
        let configuration = folder.join("nginx.conf");
        fs::write(&configuration, configure(folder, address, upstream))?;
        let mut command = cores.command(Core::Measured, program);
        command.arg("-c").arg(&configuration);
        command.arg("-p").arg(folder);
        command.arg("-e").arg(folder.join("nginx.log"));
        let server = Server::start_at(command, address)?;
        Ok(Some(Self { server, address }))
    }

    /// A fixed answer: what HTTP costs without any work.
    pub(crate) fn fixed(&self) -> Subject<'_> {
        Subject {
            name: "nginx, a fixed answer",
            server: Some(&self.server),
            address: self.address,
            requests: [request("GET", "/fixed", "", b"")].into(),
            expected: whole("ok"),
            one_in: 1,
        }
    }
}

/// An answer that comes in one piece and contains `text`.
pub(crate) fn whole(text: &str) -> Expected {
    Expected {
        piece: text.to_owned(),
        pieces: 1,
        last: String::new(),
    }
}

/// Everything that makes it fast is on, everything that it could do besides is off.
fn configure(folder: &Path, address: SocketAddr, upstream: SocketAddr) -> String {
    let folder = folder.display();
    format!(
        r#"
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
events {{ worker_connections 2048; use epoll; }}
http {{
    access_log off;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    tcp_nodelay on;
    keepalive_requests 10000000;
    client_body_buffer_size 256k;
    upstream provider {{ server {upstream}; keepalive 512; keepalive_requests 10000000; }}
    server {{
        listen {address};
        location / {{
            proxy_pass http://provider;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
        location = /fixed {{ return 200 "ok"; }}
    }}
}}
"#
    )
}

fn version(program: &str) -> Option<String> {
    let output = Command::new(program)
        .arg("-v")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.trim()
        .strip_prefix("nginx version: ")
        .map(str::to_owned)
}

/// A whole request. `headers` are lines that end as HTTP wants it.
pub(crate) fn request(method: &str, path: &str, headers: &str, body: &[u8]) -> String {
    let body = String::from_utf8_lossy(body);
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: bench\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
}

/// A whole request with a JSON body.
pub(crate) fn post(path: &str, headers: &str, body: &[u8]) -> String {
    let headers =
        format!("Accept: text/event-stream\r\nContent-Type: application/json\r\n{headers}");
    request("POST", path, &headers, body)
}

/// Gets one body, without haste.
pub(crate) fn get(address: SocketAddr, path: &str) -> anyhow::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(request("GET", path, "", b"").as_bytes())?;
    let mut answer = Message::default();
    let mut buffer = [0; 4096];
    while !answer.is_complete() {
        let count = stream.read(&mut buffer)?;
        ensure!(count > 0, "{path}: the connection ended");
        answer.feed(&buffer[..count])?;
    }
    Ok(answer.body)
}

/// What this was measured on.
pub(crate) fn machine(cores: Cores, folder: &Path) -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let count = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let apart = if cores.are_separate {
        "what is measured has one core, load generator and provider share another"
    } else {
        "all processes share all cores, as there is no taskset or only one core"
    };
    format!(
        "{}, {count} cores; Linux {}; {}; {apart}. Data on {}.",
        model.unwrap_or("unknown CPU"),
        kernel.trim(),
        version("nginx")
            .or_else(|| version("/usr/sbin/nginx"))
            .unwrap_or_else(|| "no nginx".to_owned()),
        file_system(folder)
    )
}

/// The kind of file system: on one that lives in memory nothing is durable, and nothing costs time.
fn file_system(folder: &Path) -> String {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let rows = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let deepest = rows
        .filter(|(place, _)| folder.starts_with(place))
        .max_by_key(|(place, _)| place.len());
    deepest
        .map_or("an unknown file system", |(_, kind)| kind)
        .to_owned()
}
