//! A model provider on a port of this machine. What it does about a request is up to the test: a
//! closure ([`Provider::start`]) or lists of [`Act`]s. It answers in the protocol that it is asked
//! in: OpenAI's, Anthropic's or Gemini's. It stops with the process.

mod act;
mod answer;
mod anthropic;
mod gemini;
mod openai;

use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

pub use self::act::{
    Act, answer, chunk, chunk_bytes, head, json, status, stream, stream_end, stream_head,
    with_headers,
};
pub use self::answer::{Answer, Call, Events, Protocol};
pub use self::openai::{end, event, piece};

/// Longer than what happens takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The running server.
#[derive(Debug)]
pub struct Provider {
    /// Where it is, with the `/v1` that most protocols begin with.
    pub base_url: String,
    seen: Arc<Seen>,
}

/// What happened so far.
#[derive(Debug, Default)]
struct Seen {
    received: watch::Sender<Vec<Received>>,
    /// How many of them [`Provider::new_requests`] has given.
    known: AtomicUsize,
    /// How many clients hung up before the end of their acts.
    left: watch::Sender<usize>,
    /// How many of them [`Provider::client_left`] has told.
    told: AtomicUsize,
    /// Bytes of floods that a client took.
    taken: AtomicUsize,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// Counted from 0.
    pub number: usize,
    /// The connection it came over, counted from 0.
    pub connection: usize,
    /// `POST /v1/chat/completions HTTP/1.1`, say.
    pub line: String,
    /// All of the head, in lower case.
    pub head: String,
    /// `null` where there was none.
    pub body: Value,
}

/// A request that waits for its answer.
#[derive(Debug)]
pub struct Request {
    received: Received,
    stream: BufReader<TcpStream>,
    seen: Arc<Seen>,
}

/// What is left of a connection after an answer.
type Rest = Option<BufReader<TcpStream>>;

impl Provider {
    /// Answers each request on a thread of its own, as `reply` says. A connection ends with its
    /// answer.
    pub fn start(reply: impl Fn(Request) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::serve(move |request| reply(request).map(|()| None))
    }

    /// Answers the first request with the first acts, and so on; connections stay open in between.
    /// Beyond the last it says nothing.
    pub fn playing(script: impl IntoIterator<Item = Vec<Act>>) -> Self {
        let script = Mutex::new(script.into_iter().collect::<VecDeque<_>>());
        Self::acting(move |_| script.lock().unwrap().pop_front().unwrap_or_default())
    }

    /// Answers each request with the acts that `script` says; connections stay open in between.
    pub fn acting(script: impl Fn(&Received) -> Vec<Act> + Send + Sync + 'static) -> Self {
        Self::serve(move |request| {
            let acts = script(&request);
            request.perform(acts)
        })
    }

    fn serve(reply: impl Fn(Request) -> io::Result<Rest> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (seen, reply) = (Arc::<Seen>::default(), Arc::new(reply));
        let all = Arc::clone(&seen);
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let (seen, reply) = (Arc::clone(&all), Arc::clone(&reply));
                // A client may hang up whenever it likes.
                thread::spawn(move || _ = converse(stream.unwrap(), connection, &seen, &*reply));
            }
        });
        Self { base_url, seen }
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        let address = self.base_url.trim_start_matches("http://");
        address.trim_end_matches("/v1")
    }

    /// All requests so far, in order of arrival.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.seen.received.borrow().clone()
    }

    /// The first request, when it has come: a client may have given up waiting before.
    pub async fn first_request(&self) -> Received {
        let mut received = self.seen.received.subscribe();
        let received = received.wait_for(|all| !all.is_empty()).await.unwrap();
        received[0].clone()
    }

    /// The bodies of all requests that had one, in order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Value> {
        let bodies = self.received().into_iter().map(|it| it.body);
        bodies.filter(|body| !body.is_null()).collect()
    }

    /// The bodies of the requests that have come since this was last asked.
    #[must_use]
    pub fn new_requests(&self) -> Vec<Value> {
        let requests = self.requests();
        let known = self.seen.known.swap(requests.len(), Ordering::SeqCst);
        requests.into_iter().skip(known).collect()
    }

    /// How many requests came.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.seen.received.borrow().len()
    }

    /// How many bytes of [`Act::Flood`] were taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.seen.taken.load(Ordering::SeqCst)
    }

    /// How many clients hung up before the end of their acts.
    #[must_use]
    pub fn left(&self) -> usize {
        *self.seen.left.borrow()
    }

    /// Waits until one more client has hung up before the end of its acts.
    pub async fn client_left(&self) {
        let told = self.seen.told.fetch_add(1, Ordering::SeqCst);
        let mut left = self.seen.left.subscribe();
        left.wait_for(|left| *left > told).await.unwrap();
    }

    /// Waits until so many clients have hung up before the end of their acts.
    #[track_caller]
    pub fn wait_until_left(&self, clients: usize) {
        let mut left = self.seen.left.subscribe();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let left = runtime.unwrap().block_on(async {
            let left = left.wait_for(|left| *left >= clients);
            tokio::time::timeout(PATIENCE, left).await.is_ok()
        });
        assert!(left, "the provider was not told to stop");
    }
}

fn converse(
    stream: TcpStream,
    connection: usize,
    seen: &Arc<Seen>,
    reply: &dyn Fn(Request) -> io::Result<Rest>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    for number in 0.. {
        let request = Request::read(stream, connection, seen);
        if number == 0 && !matches!(request, Ok(Some(_))) {
            // On a busy machine, a client may give up before it has asked.
            seen.client_left();
        }
        let Some(request) = request? else { break };
        let Some(rest) = reply(request)? else { break };
        stream = rest;
    }
    Ok(())
}

impl Deref for Request {
    type Target = Received;

    fn deref(&self) -> &Received {
        &self.received
    }
}

impl Received {
    /// The value of a header, in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(it, _)| *it == name).map(|(_, value)| value);
        values.next()
    }

    /// Which protocol it is in, by its path.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        Protocol::of(&self.line)
    }

    /// Whether a stream is wanted.
    #[must_use]
    pub fn streams(&self) -> bool {
        self.body["stream"] == true || self.line.contains(":streamGenerateContent")
    }

    /// Role and text of each message, where the protocol has messages.
    #[must_use]
    pub fn messages(&self) -> Vec<(String, String)> {
        let messages = self.body["messages"].as_array().into_iter().flatten();
        let text = |value: &Value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        };
        messages
            .map(|message| (text(&message["role"]), text(&message["content"])))
            .collect()
    }
}

impl Request {
    /// The next request of a connection, if there is one.
    fn read(
        mut stream: BufReader<TcpStream>,
        connection: usize,
        seen: &Arc<Seen>,
    ) -> io::Result<Option<Self>> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head)? == 0 {
                return Ok(None);
            }
        }
        let mut received = Received {
            number: 0,
            connection,
            line: head.lines().next().unwrap_or_default().to_owned(),
            head: head.to_ascii_lowercase(),
            body: Value::Null,
        };
        let length = received.header("content-length");
        let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
        stream.read_exact(&mut body)?;
        received.body = serde_json::from_slice(&body).unwrap_or_default();
        seen.received.send_modify(|all| {
            received.number = all.len();
            all.push(received.clone());
        });
        let seen = Arc::clone(seen);
        Ok(Some(Self {
            received,
            stream,
            seen,
        }))
    }

    /// Answers nothing until the client hangs up.
    pub fn hold(self) -> io::Result<()> {
        self.perform(vec![Act::Hold]).map(|_| ())
    }

    /// Answers with JSON.
    pub fn json(self, status: u16, body: &Value) -> io::Result<()> {
        let headers = "content-type: application/json\r\nconnection: close\r\n";
        let acts = with_headers(&format!("{status} It"), headers, &body.to_string());
        self.perform(acts).map(|_| ())
    }

    /// Begins an event stream; what is written afterwards are its events. The answer ends where the
    /// stream is dropped.
    pub fn event_stream(self) -> io::Result<TcpStream> {
        let mut stream = self.stream.into_inner();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
        )?;
        Ok(stream)
    }

    /// Gives an answer, in the protocol of the request, streamed or whole as it wants.
    pub fn answer(self, answer: &Answer) -> io::Result<()> {
        if self.streams() {
            let events = answer.events(self.protocol(), &self.body);
            self.event_stream()?.write_all(events.concat().as_bytes())
        } else {
            let answer = answer.whole(self.protocol(), &self.body);
            self.json(200, &answer)
        }
    }

    /// Answers with a text and so many tokens.
    pub fn say(self, text: &str, prompt_tokens: u64, completion_tokens: u64) -> io::Result<()> {
        self.answer(&Answer::says(text).usage(prompt_tokens, completion_tokens))
    }

    /// Refuses, as the protocol of the request words it.
    pub fn refuse(self, status: u16, message: &str, code: Option<&str>) -> io::Result<()> {
        let error = self.protocol().error(status, message, code);
        self.json(status, &error)
    }

    /// Does this, and gives the connection back where it goes on.
    pub fn perform(self, acts: Vec<Act>) -> io::Result<Rest> {
        let Self {
            mut stream, seen, ..
        } = self;
        for act in acts {
            let done = act.perform(&mut stream, &seen);
            if !done.inspect_err(|_| seen.client_left())? {
                return Ok(None);
            }
        }
        Ok(Some(stream))
    }
}

impl Seen {
    fn client_left(&self) {
        self.left.send_modify(|left| *left += 1);
    }
}

/// The list of models that several protocols have.
#[must_use]
pub fn models(ids: &[&str]) -> Value {
    let model = |id: &&str| json!({"id": id, "object": "model", "created": 1_760_000_000, "owned_by": "lab"});
    json!({"object": "list", "data": ids.iter().map(model).collect::<Vec<_>>()})
}
