//! The OpenAI-compatible protocol, without a connection: `POST /chat/completions` as OpenAI,
//! DeepSeek, OpenRouter, Gemini's compatible endpoint, Ollama, llama.cpp, vLLM and many more serve
//! it. Requests are written strictly; answers are read leniently, because no two servers agree.

mod alike;
mod body;
mod calls;
mod reader;
mod vendor;
mod wire;

pub(crate) use body::body;
pub(crate) use reader::Reader;
pub(crate) use vendor::{Vendor, listed_models};
