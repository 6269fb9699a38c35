//! The OpenAI-compatible API: the same request of a client to Nexus, to plain proxies and to the
//! gateways of others that are installed.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::Options;
use super::gateways::Gateway;
use super::measure::{self, Measured, Shape};
use super::nexus::Nexus;
use super::subject::{Nginx, Subject, post, whole};
use super::table;
use crate::load::Expected;
use crate::process::{Cores, Server};
use crate::provider;

/// For a gateway of others, one in so many turns is enough: the slowest takes hundreds of
/// times as long.
const ONE_IN: usize = 5;

const PASSING: &str = "Nexus, for 8 members with an API key, nothing stored";
const STORING: &str = "Nexus, the same, question and answer stored";

/// Who takes part.
pub(crate) struct Field<'a> {
    pub(crate) cores: Cores,
    pub(crate) nexus: &'a Nexus,
    pub(crate) nginx: Option<&'a Nginx>,
    pub(crate) proxy: (&'a Server, std::net::SocketAddr),
    pub(crate) gateways: &'a [Gateway],
    /// What Nexus asks the provider in a turn of its own.
    pub(crate) asked: &'a [u8],
}

/// How an answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Whole,
    Stream,
}

impl Field<'_> {
    /// Measures both forms, and gives their tables.
    pub(crate) fn measure(&self, options: &Options) -> anyhow::Result<Vec<String>> {
        let whole = self.rounds(Form::Whole, options)?;
        let stream = self.rounds(Form::Stream, options)?;
        let (streams, rounds) = (options.streams, options.rounds);
        let title = |what: &str| {
            format!(
                "{what}, {streams} at a time, {} turns each in {rounds} rounds, a fifth of them for \
                 the gateways of others",
                options.turns
            )
        };
        Ok(vec![
            table::each(&title("OpenAI-compatible pass-through, JSON"), &whole),
            table::each(
                &title(&format!(
                    "OpenAI-compatible pass-through, stream of {} events",
                    provider::PIECES
                )),
                &stream,
            ),
        ])
    }

    fn rounds(&self, form: Form, options: &Options) -> anyhow::Result<Vec<Measured>> {
        let ask = |model, headers: &str, store| -> anyhow::Result<String> {
            let body = client_body(self.asked, model, form, store)?;
            Ok(post("/v1/chat/completions", headers, &body))
        };
        let subject = |name, server, address, requests: Vec<String>| Subject {
            name,
            server: Some(server),
            address,
            requests: requests.into(),
            expected: expected(form),
            one_in: 1,
        };
        let bare = vec![ask("bench-large", "", true)?];
        let mut all = Vec::new();
        if let Some(Nginx { server, address }) = self.nginx {
            all.push(subject(
                "nginx, passing it on",
                server,
                *address,
                bare.clone(),
            ));
        }
        all.push(subject(
            "hyper, passing it on",
            self.proxy.0,
            self.proxy.1,
            bare,
        ));
        for (name, store) in [(PASSING, false), (STORING, true)] {
            let keys = self.nexus.api_keys.iter();
            let key = |key| format!("Authorization: Bearer {key}\r\n");
            let requests = keys.map(|it| ask("nexus", &key(it), store));
            let requests = requests.collect::<anyhow::Result<_>>()?;
            all.push(subject(
                name,
                &self.nexus.server,
                self.nexus.address,
                requests,
            ));
        }
        for gateway in self.gateways {
            let requests = vec![ask(gateway.model, &gateway.headers, true)?];
            all.push(Subject {
                one_in: ONE_IN,
                ..subject(gateway.name, &gateway.server, gateway.address, requests)
            });
        }
        let shape = Shape {
            streams: options.streams,
            turns: (options.turns / usize::from(options.rounds)).max(1),
        };
        measure::in_turns(self.cores, &all, shape, options.rounds)
    }
}

/// What a client sends: the conversation of a turn, without what Nexus added to it.
fn client_body(asked: &[u8], model: &str, form: Form, store: bool) -> anyhow::Result<Vec<u8>> {
    let asked: Value = serde_json::from_slice(asked)?;
    let messages = asked["messages"].as_array().context("nobody was asked")?;
    let said = messages.iter().filter(|it| it["role"] != "system");
    let said: Vec<_> = said.collect();
    let stream = form == Form::Stream;
    let mut body = json!({
        "model": model, "messages": said, "temperature": 0.5, "stream": stream
    });
    if !store {
        body["store"] = false.into();
    }
    Ok(body.to_string().into_bytes())
}

fn expected(form: Form) -> Expected {
    match form {
        Form::Whole => whole(r#""finish_reason":"stop""#),
        // The first event, which has no text, looks different from gateway to gateway.
        Form::Stream => Expected {
            piece: r#""content":" "#.to_owned(),
            pieces: provider::SPACED,
            last: provider::LAST.to_owned(),
        },
    }
}
