//! Frames that differ from an earlier one in their piece of text only, as most frames of a stream
//! do. They are told by comparing bytes, which is many times faster than reading JSON.

use std::borrow::Cow;
use std::ops::Range;

use super::wire::Piece;
use crate::Delta;

/// A frame that was read in full and says nothing but a piece of text, and where that stands in it.
#[derive(Debug, Default)]
pub(super) struct Alike {
    frame: String,
    place: Option<Place>,
}

/// What a text is a piece of.
type Make = fn(String) -> Delta;

/// Where a piece of text stands between its quotation marks, and what it is a piece of.
#[derive(Clone, Debug)]
pub(super) struct Place {
    text: Range<usize>,
    make: Make,
}

impl Place {
    /// The place of the only thing that `piece`, which was read from `frame`, says. `None`: it says
    /// nothing, or more than that, or its text is not spelled in the frame as it reads.
    pub(super) fn of(piece: &Piece<'_>, frame: &str) -> Option<Self> {
        let texts: [(_, Make); 4] = [
            (&piece.content, Delta::Text),
            (&piece.refusal, Delta::Text),
            (&piece.reasoning_content, Delta::Reasoning),
            (&piece.reasoning, Delta::Reasoning),
        ];
        let mut filled = texts.into_iter().filter(|(text, _)| !text.0.is_empty());
        let (Some((text, make)), None) = (filled.next(), filled.next()) else {
            return None;
        };
        let Cow::Borrowed(text) = &text.0 else {
            return None;
        };
        let start = text.as_ptr().addr().checked_sub(frame.as_ptr().addr())?;
        piece.tool_calls.is_null().then(|| Self {
            text: start..start + text.len(),
            make,
        })
    }
}

impl Alike {
    /// From now on, frames are compared with this one.
    pub(super) fn learn(&mut self, frame: &str, place: Place) {
        self.frame.clear();
        self.frame.push_str(frame);
        self.place = Some(place);
    }

    /// What a frame says that is like the one before but for its text. As the text holds nothing
    /// that could end it, the frame is the same JSON but for this one value.
    pub(super) fn read(&self, frame: &str) -> Option<Delta> {
        let Place { text, make } = self.place.as_ref()?;
        let before = self.frame.get(..text.start)?;
        let after = self.frame.get(text.end..)?;
        let text = frame.strip_prefix(before)?.strip_suffix(after)?;
        let is_plain = |byte| byte >= b' ' && byte != b'"' && byte != b'\\';
        let says_something = !text.is_empty() && text.bytes().all(is_plain);
        says_something.then(|| make(text.to_owned()))
    }
}
