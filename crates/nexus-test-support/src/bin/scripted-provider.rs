//! The provider of the page's tests: it says what it was told to, and when. It prints its address
//! and that of its control as one line of JSON, and ends when its standard input is closed.
//!
//! | control | body | does |
//! |---|---|---|
//! | `POST /script` | the script | sets what the next answers are; gives its number |
//! | `POST /go_on` | the number | lets the answers of a script go on that wait |
//! | `GET /seen` | | what was asked, and how many clients hung up on an answer |

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use nexus_test_support::provider::{Answer, Call, Events, Provider, Request, models};
use serde_json::{Value, json};

/// What is told by the control, and what it is told.
#[derive(Default)]
struct State {
    scripts: Mutex<Vec<Script>>,
    /// The questions that each request showed.
    asked: Mutex<Vec<Vec<String>>>,
    left: Mutex<usize>,
}

#[derive(Clone, Default)]
struct Script {
    answer: Answer,
    /// Calls these first; the answer comes when their results are there.
    calls: Vec<Call>,
    /// Waits here, after so many pieces, until it may go on.
    hold_after: Option<usize>,
    /// Cuts the connection in place of the end.
    break_off: bool,
    /// Refuses with this status instead.
    refuse: Option<u16>,
    may_go_on: bool,
    waiting: Vec<Sender<Wake>>,
}

/// Why an answer waits no longer.
enum Wake {
    GoOn,
    Left,
}

fn main() -> io::Result<()> {
    let state = Arc::<State>::default();
    let scripts = Script {
        answer: Answer::in_words("Nothing was scripted."),
        ..Script::default()
    };
    state.scripts.lock().unwrap().push(scripts);
    let told = Arc::clone(&state);
    let control = Provider::start(move |request| steer(request, &told));
    let provider = Provider::start(move |request| speak(request, &state));
    let places = json!({"base_url": provider.base_url, "control": control.address()});
    writeln!(io::stdout(), "{places}")?;
    io::stdin().read_to_end(&mut Vec::new()).map(|_| ())
}

fn steer(request: Request, state: &State) -> io::Result<()> {
    let mut scripts = state.scripts.lock().unwrap();
    let path = request.line.split(' ').nth(1).unwrap_or_default();
    let told = match path {
        "/script" => {
            scripts.push(Script::read(&request.body));
            json!(scripts.len() - 1)
        }
        "/go_on" => {
            let script = &mut scripts[usize::try_from(request.body.as_u64().unwrap()).unwrap()];
            script.may_go_on = true;
            let waiting = script.waiting.drain(..);
            // Who hung up meanwhile need not be told.
            waiting.for_each(|waiting| _ = waiting.send(Wake::GoOn));
            Value::Null
        }
        "/seen" => {
            json!({"asked": *state.asked.lock().unwrap(), "left": *state.left.lock().unwrap()})
        }
        _ => panic!("{path} is no control"),
    };
    drop(scripts);
    request.json(200, &told)
}

fn speak(request: Request, state: &State) -> io::Result<()> {
    if request.line.starts_with("GET") {
        return request.json(200, &models(&["scripted-1"]));
    }
    let messages = request.messages().into_iter();
    let questions = messages.filter(|(role, _)| role == "user");
    let questions = questions.map(|(_, text)| text).collect();
    state.asked.lock().unwrap().push(questions);
    let (number, script) = state.take();
    if let Some(status) = script.refuse {
        return request.refuse(status, "not today", None);
    }
    if !script.calls.is_empty() {
        let calls = script.calls;
        return request.answer(&Answer {
            calls,
            ..Answer::default()
        });
    }
    let events = script.answer.events(request.protocol(), &request.body);
    let Events { begin, pieces, end } = events;
    let mut stream = request.event_stream()?;
    stream.write_all(begin.as_bytes())?;
    for (index, piece) in pieces.iter().enumerate() {
        if script.hold_after == Some(index) && !state.wait(number, &stream) {
            return Ok(());
        }
        stream.write_all(piece.as_bytes())?;
    }
    if script.break_off {
        return Ok(());
    }
    stream.write_all(end.as_bytes())
}

impl State {
    /// The script of the next answer, with its number. Its calls are made once.
    fn take(&self) -> (usize, Script) {
        let mut scripts = self.scripts.lock().unwrap();
        let number = scripts.len() - 1;
        let script = scripts[number].clone();
        scripts[number].calls.clear();
        (number, script)
    }

    /// Waits until a script may go on: not if the client hung up before.
    fn wait(&self, number: usize, stream: &TcpStream) -> bool {
        let (wake, woken) = channel();
        {
            let script = &mut self.scripts.lock().unwrap()[number];
            if script.may_go_on {
                return true;
            }
            script.waiting.push(wake.clone());
        }
        let mut watched = stream.try_clone().unwrap();
        let watching = thread::spawn(move || {
            // A client sends nothing while it waits.
            _ = watched.read(&mut [0]);
            _ = wake.send(Wake::Left);
        });
        let goes_on = matches!(woken.recv().unwrap(), Wake::GoOn);
        if goes_on {
            // Ends the watch, and only that.
            _ = stream.shutdown(Shutdown::Read);
        } else {
            *self.left.lock().unwrap() += 1;
        }
        watching.join().unwrap();
        goes_on
    }
}

impl Script {
    fn read(told: &Value) -> Self {
        let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| told[name].as_u64();
        let calls = told["tools"].as_array().into_iter().flatten();
        let calls = calls.enumerate().map(|(index, tool)| Call {
            id: format!("call_{index}"),
            name: tool["name"].as_str().unwrap().to_owned(),
            arguments: tool["arguments"].as_str().unwrap().to_owned(),
        });
        Self {
            answer: Answer {
                reasoning: text("reasoning"),
                finish: told["finish"].as_str().map(str::to_owned),
                ..Answer::in_words(&text("answer")).usage(1204, 187)
            },
            calls: calls.collect(),
            hold_after: number("holdAfter").map(|it| usize::try_from(it).unwrap()),
            break_off: told["breakOff"] == true,
            refuse: number("refuse").map(|it| u16::try_from(it).unwrap()),
            ..Self::default()
        }
    }
}
