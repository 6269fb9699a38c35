"""The official OpenAI package for Python, in scenes. Each scene prints one line of JSON: what this
client saw. OPENAI_BASE_URL and OPENAI_API_KEY say where, MODEL says which model.

Usage: python3 openai_python.py SCENE..."""

import json
import os
import sys

import openai
from openai import OpenAI
from pydantic import BaseModel

MODEL = os.environ.get("MODEL", "nexus")
PIXEL = "data:image/png;base64,iVBORw0KGgo="
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}

client = OpenAI()


def user(content):
    return {"role": "user", "content": content}


def create(**more):
    return client.chat.completions.create(**{"model": MODEL, "messages": [user("hello")]} | more)


def ask(question, **more):
    return create(messages=[user(question)], **more)


def chat():
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[
            {"role": "system", "content": "Answer in French."},
            user("Who are you?"),
            {"role": "assistant", "content": "Your assistant."},
            user("hello"),
        ],
        temperature=0.3,
    )
    [choice] = answer.choices
    return {
        "object": answer.object,
        "role": choice.message.role,
        "text": choice.message.content,
        "finish": choice.finish_reason,
        "tokens": answer.usage.total_tokens,
    }


def read(stream):
    """The text of a stream, and how it came."""
    seen = {"text": "", "pieces": 0, "finish": None, "tokens": None}
    ids = set()
    for chunk in stream:
        ids.add(chunk.id)
        if chunk.usage:
            seen["tokens"] = chunk.usage.total_tokens
        for choice in chunk.choices:
            seen["pieces"] += bool(choice.delta.content)
            seen["text"] += choice.delta.content or ""
            seen["finish"] = choice.finish_reason or seen["finish"]
    return seen | {"ids": len(ids)}


def stream():
    return read(ask("hello", stream=True))


def stream_with_usage():
    return read(ask("hello", stream=True, stream_options={"include_usage": True}))


def tools():
    messages = [user("What is the weather in Paris and in Rome?")]
    first = create(messages=messages, tools=[WEATHER])
    [choice] = first.choices
    messages.append(choice.message)
    for call in choice.message.tool_calls:
        city = json.loads(call.function.arguments)["city"]
        messages.append({"role": "tool", "tool_call_id": call.id, "content": f"rain in {city}"})
    last = create(messages=messages, tools=[WEATHER])
    return {
        "finish": choice.finish_reason,
        "names": [call.function.name for call in choice.message.tool_calls],
        "text": last.choices[0].message.content,
    }


def tools_stream():
    with client.chat.completions.stream(
        model=MODEL, messages=[user("What is the weather in Paris and in Rome?")], tools=[WEATHER]
    ) as stream:
        [choice] = stream.get_final_completion().choices
    calls = [call.function for call in choice.message.tool_calls]
    return {
        "finish": choice.finish_reason,
        "calls": [[call.name, json.loads(call.arguments)] for call in calls],
    }


class Place(BaseModel):
    city: str
    degrees: int


def structured():
    answer = client.chat.completions.parse(
        model=MODEL, messages=[user("Which city?")], response_format=Place
    )
    return answer.choices[0].message.parsed.model_dump()


def choices():
    answer = ask(
        "hello", n=2, logprobs=True, top_logprobs=1, seed=7, stop=["END"], logit_bias={"50256": -100}
    )
    return {
        "texts": [choice.message.content for choice in answer.choices],
        "tokens": [choice.logprobs.content[0].token for choice in answer.choices],
    }


def unknown_field():
    return {"text": ask("hello", extra_body={"lab_mode": "deep"}).choices[0].message.content}


def image():
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
    ]
    return {"text": ask(parts).choices[0].message.content}


def models():
    names = [model.id for model in client.models.list()]
    return {"listed": MODEL in names, "retrieved": client.models.retrieve(MODEL).id == MODEL}


def caught(attempt, **more):
    """The exception of a request, which must say something to a person."""
    try:
        attempt(**more)
    except openai.APIStatusError as error:
        assert error.body["message"], error
        return error
    raise AssertionError("it was not refused")


def refused(attempt, **more):
    error = caught(attempt, **more)
    return {"class": type(error).__name__, "status": error.status_code}


stranger = client.with_options(api_key="nxk_wrong")


def wrong_key():
    return refused(stranger.models.list)


def wrong_key_chat():
    return refused(stranger.chat.completions.create, model=MODEL, messages=[user("hello")])


def unknown_model():
    return refused(create, model="no-such-model")


def no_messages():
    return refused(create, messages=[])


def bad_parameter():
    return refused(create, temperature="hot")


def codes():
    """What else an error says: its code, and the parameter that is wrong."""
    errors = {
        "wrong_key": caught(stranger.models.list),
        "unknown_model": caught(create, model="no-such-model"),
        "no_messages": caught(create, messages=[]),
        "bad_parameter": caught(create, temperature="hot"),
        "unknown_field": caught(create, extra_body={"lab_mode": "deep"}),
    }
    return {name: [error.type, error.code, error.param] for name, error in errors.items()}


def fails_once():
    return {"text": ask("fail once").choices[0].message.content}


def fails_once_stream():
    return {"text": read(ask("fail once, streaming", stream=True))["text"]}


def busy_once():
    return {"text": ask("be busy once").choices[0].message.content}


def down():
    """A status of 500 or above; which one is not the same everywhere."""
    impatient = client.with_options(max_retries=0).chat.completions
    error = caught(impatient.create, model=MODEL, messages=[user("be down")])
    return {"class": type(error).__name__}


def broken():
    """What was read until the provider hung up in the middle, and how that was told."""
    text = ""
    try:
        for chunk in ask("break off", stream=True):
            text += chunk.choices[0].delta.content or ""
    except Exception as error:
        return text, error
    return text, None


def breaks():
    """It must not look like an end."""
    text, error = broken()
    return {"text": text, "noticed": error is not None}


def breaks_told():
    """An error that is sent in the stream comes out as the client's own kind of error."""
    _, error = broken()
    return {"class": type(error).__name__, "code": error.code, "told": bool(error.message)}


def cancel():
    stream = ask("go on forever", stream=True)
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            text = chunk.choices[0].delta.content
            break
    stream.close()
    return {"text": text}


def headers():
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=[user("hello")])
    ours = {name: raw.headers[name] for name in raw.headers if name.startswith("x-nexus-")}
    return {"text": raw.parse().choices[0].message.content, "ours": ours}


def explained():
    """Where each setting of this answer came from."""
    return create(extra_headers={"x-nexus-explain": "1"}).nexus


def limited():
    """Refused with 429 while another answer runs, and answered by the client's own second try."""
    running = ask("go on forever", stream=True)
    next(iter(running))
    waits = []

    def note(response):
        if response.status_code == 429:
            waits.append(int(response.headers["retry-after"]))
            running.close()

    watched = OpenAI(http_client=openai.DefaultHttpxClient(event_hooks={"response": [note]}))
    impatient = client.with_options(max_retries=0).chat.completions
    seen = refused(impatient.create, model=MODEL, messages=[user("hello")])
    answer = watched.with_options(max_retries=5).chat.completions.create(
        model=MODEL, messages=[user("hello")]
    )
    return {
        "refused": seen,
        "waited": bool(waits) and waits[0] >= 1,
        "text": answer.choices[0].message.content,
    }


def responses():
    answer = client.responses.create(model=MODEL, input="hello", instructions="Answer in French.")
    return {"status": answer.status, "text": answer.output_text}


def responses_stream():
    text, kinds = "", []
    for event in client.responses.create(model=MODEL, input="hello", stream=True):
        if event.type not in kinds:
            kinds.append(event.type)
        if event.type == "response.output_text.delta":
            text += event.delta
    return {"text": text, "first": kinds[0], "last": kinds[-1]}


for scene in sys.argv[1:]:
    print(json.dumps({scene: globals()[scene]()}), flush=True)
