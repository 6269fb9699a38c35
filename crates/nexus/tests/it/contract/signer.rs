//! Stands between a client and a server: signs each request that has a header `Signature`, whatever
//! it says, and notes what succeeded.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use nexus_core::auth::SigningKey;
use nexus_core::auth::request::{Content, SignatureTerms, Target, sign};
use nexus_core::{Clock as _, SystemClock};

/// The methods and paths of the requests that were answered with success.
#[derive(Clone, Default)]
pub(super) struct Successes(Arc<Mutex<HashSet<(String, String)>>>);

pub(super) struct Signer {
    pub(super) address: String,
}

/// Where requests go, and with which key they are signed.
struct Way {
    server: String,
    key: SigningKey,
    successes: Successes,
}

impl Successes {
    /// Whether a request of this operation was answered with success.
    pub(super) fn include(&self, method: &str, template: &str) -> bool {
        let fits = |path: &str| {
            let (parts, wanted) = (path.split('/'), template.split('/'));
            parts.clone().count() == wanted.clone().count()
                && parts
                    .zip(wanted)
                    .all(|(part, it)| it.starts_with('{') || part == it)
        };
        let successes = self.0.lock().unwrap();
        successes
            .iter()
            .any(|(it, path)| it == method && fits(path))
    }
}

impl Signer {
    pub(super) fn start(server: &str, key: SigningKey, successes: &Successes) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let way = Arc::new(Way {
            server: server.to_owned(),
            key,
            successes: successes.clone(),
        });
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let way = Arc::clone(&way);
                // A client that breaks off is none of our business.
                thread::spawn(move || way.pass(client).ok());
            }
        });
        Self { address }
    }
}

impl Way {
    /// Passes one request on, and its answer back.
    fn pass(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(client.try_clone()?);
        let mut first = String::new();
        reader.read_line(&mut first)?;
        let (mut head, mut length, mut kind, mut is_to_be_signed) =
            (String::new(), 0, String::new(), false);
        loop {
            let mut line = Vec::new();
            reader.read_until(b'\n', &mut line)?;
            let line: String = line.iter().map(|byte| char::from(*byte)).collect();
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            match (&*name.to_ascii_lowercase(), value.trim()) {
                ("host" | "connection", _) => continue,
                ("content-length", value) => length = value.parse().unwrap_or(0),
                ("content-type", value) => value.clone_into(&mut kind),
                ("signature", _) => {
                    is_to_be_signed = true;
                    continue;
                }
                _ => {}
            }
            head += &line;
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mut parts = first.split(' ');
        let (method, target) = (
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default(),
        );
        let signature = if is_to_be_signed {
            self.sign(method, target, &kind, &body)
        } else {
            String::new()
        };
        let mut server = TcpStream::connect(&self.server)?;
        let host = &self.server;
        let head = format!("{first}host: {host}\r\nconnection: close\r\n{head}{signature}\r\n");
        let bytes: Vec<u8> = head.chars().filter_map(|c| u8::try_from(c).ok()).collect();
        server.write_all(&bytes)?;
        server.write_all(&body)?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer)?;
        if answer.get(9) == Some(&b'2') {
            let path = target.split('?').next().unwrap_or_default();
            let success = (method.to_owned(), path.to_owned());
            self.successes.0.lock().unwrap().insert(success);
        }
        client.write_all(&answer)
    }

    fn sign(&self, method: &str, target: &str, kind: &str, body: &[u8]) -> String {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let target = Target {
            method,
            authority: &self.server,
            path,
            query,
        };
        let content = Content {
            media_type: kind,
            body,
        };
        let content = (!body.is_empty()).then_some(&content);
        let terms = SignatureTerms::new(1, SystemClock.now()).unwrap();
        let Ok(headers) = sign(&self.key, target, content, &terms) else {
            return String::new();
        };
        let lines = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"));
        lines.collect()
    }
}
