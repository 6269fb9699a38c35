"""LangChain's ChatOpenAI, in scenes. Each scene prints one line of JSON: what this client saw.
OPENAI_API_BASE and OPENAI_API_KEY say where, MODEL says which model.

Usage: python3 langchain_chat.py SCENE..."""

import json
import os
import sys

import openai
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

model = ChatOpenAI(model=os.environ.get("MODEL", "nexus"), temperature=0.3)


def chat():
    answer = model.invoke([SystemMessage("Answer in French."), HumanMessage("hello")])
    return {
        "text": answer.content,
        "finish": answer.response_metadata["finish_reason"],
        "tokens": answer.usage_metadata["total_tokens"],
    }


def stream():
    pieces = [chunk.content for chunk in model.stream("hello") if chunk.content]
    return {"text": "".join(pieces), "pieces": len(pieces)}


def stream_with_usage():
    whole = None
    for chunk in model.stream("hello", stream_usage=True):
        whole = chunk if whole is None else whole + chunk
    return {"text": whole.content, "tokens": whole.usage_metadata["total_tokens"]}


@tool
def get_weather(city: str) -> str:
    """The weather of a city"""
    return f"rain in {city}"


def tools():
    with_tools = model.bind_tools([get_weather])
    messages = [HumanMessage("What is the weather in Paris and in Rome?")]
    messages.append(with_tools.invoke(messages))
    calls = messages[-1].tool_calls
    messages += [get_weather.invoke(call) for call in calls]
    assert all(isinstance(result, ToolMessage) for result in messages[2:])
    return {"names": [call["name"] for call in calls], "text": with_tools.invoke(messages).content}


class Place(BaseModel):
    city: str
    degrees: int


def structured():
    return model.with_structured_output(Place).invoke("Which city?").model_dump()


def batch():
    return {"texts": [answer.content for answer in model.batch(["hello", "hello", "hello"])]}


def fails_once():
    return {"text": model.invoke("fail once").content}


def wrong_key():
    try:
        ChatOpenAI(model=model.model_name, api_key="nxk_wrong").invoke("hello")
    except openai.APIStatusError as error:
        # LangChain raises classes of its own below those of the package.
        is_expected = isinstance(error, openai.AuthenticationError)
        return {"is_authentication_error": is_expected, "status": error.status_code}


for scene in sys.argv[1:]:
    print(json.dumps({scene: globals()[scene]()}), flush=True)
