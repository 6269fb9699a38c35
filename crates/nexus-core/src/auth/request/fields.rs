//! The two headers of a signature, in a small part of the grammar of structured fields (RFC 8941):
//! exactly one member, no spare spaces, no escapes.

use super::base::Target;

/// The name that the one signature of a request has.
pub(super) const LABEL: &str = "eth";

/// Digits of an integer (RFC 8941, section 3.3.1).
const LONGEST_INTEGER: usize = 15;

/// What a signature can cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// The method.
    Method,
    /// Host and port.
    Authority,
    /// The path, as it was sent.
    Path,
    /// The query, as it was sent, with its question mark.
    Query,
    /// The header of this name.
    ContentType,
    /// The header of this name.
    ContentDigest,
}

impl Component {
    const ALL: [Self; 6] = [
        Self::Method,
        Self::Authority,
        Self::Path,
        Self::Query,
        Self::ContentType,
        Self::ContentDigest,
    ];

    /// Its name in RFC 9421.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Method => "@method",
            Self::Authority => "@authority",
            Self::Path => "@path",
            Self::Query => "@query",
            Self::ContentType => "content-type",
            Self::ContentDigest => "content-digest",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// All that a request has, in the order in which we sign it.
    pub(super) fn of(target: Target<'_>, has_content: bool) -> Vec<Self> {
        let is_there = |component: &Self| match component {
            Self::Method | Self::Authority | Self::Path => true,
            Self::Query => target.query.is_some(),
            Self::ContentType | Self::ContentDigest => has_content,
        };
        Self::ALL.into_iter().filter(is_there).collect()
    }
}

/// The header `Signature-Input`, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureInput<'a> {
    /// What is covered, in the order given.
    pub components: Vec<Component>,
    /// Seconds since 1970.
    pub created: i64,
    /// Seconds since 1970.
    pub expires: i64,
    /// Usable once. Not checked yet.
    pub nonce: &'a str,
    /// Who signed. Not checked yet.
    pub key_id: &'a str,
    /// Everything after the label, as it was sent: the last line of what is signed.
    pub text: &'a str,
}

/// What is wrong with `Signature-Input` or `Signature`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// The header is not of the form that we read.
    #[error(
        "Signature-Input is not eth=(\"…\" …);created=…;expires=…;nonce=\"…\";keyid=\"…\", without other spaces"
    )]
    Form,
    /// The header is not of the form that we read.
    #[error("Signature is not eth=:…: with base64 between the colons")]
    SignatureForm,
    /// Another name than `eth`.
    #[error("the signature must have the label eth")]
    Label,
    /// More than one signature.
    #[error("expected one signature, and there are several")]
    SeveralSignatures,
    /// Something else than what is covered.
    #[error("the signature covers something that this server does not know")]
    UnknownComponent,
    /// Twice the same.
    #[error("the signature covers something twice")]
    RepeatedComponent,
    /// Another parameter than the four. `alg` is one of them: the key says how it signs.
    #[error("the parameters of a signature are created, expires, nonce and keyid, and no other")]
    UnknownParameter,
    /// Twice the same.
    #[error("a parameter of the signature is there twice")]
    RepeatedParameter,
    /// One of the four is not there.
    #[error("the parameters created, expires, nonce and keyid must all be there")]
    MissingParameter,
}

impl InputError {
    /// A stable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Form => "signature_input_form",
            Self::SignatureForm => "signature_form",
            Self::Label => "label",
            Self::SeveralSignatures => "several_signatures",
            Self::UnknownComponent => "unknown_component",
            Self::RepeatedComponent => "repeated_component",
            Self::UnknownParameter => "unknown_parameter",
            Self::RepeatedParameter => "repeated_parameter",
            Self::MissingParameter => "missing_parameter",
        }
    }
}

impl<'a> SignatureInput<'a> {
    /// Reads the value of the one header `Signature-Input`.
    ///
    /// # Errors
    /// When it is not in the form that we read.
    pub fn parse(value: &'a str) -> Result<Self, InputError> {
        let text = value_of_label(value, InputError::Form)?;
        let mut rest = Rest(text);
        let components = rest.components()?;
        let parameters = rest.parameters()?;
        match rest.0.as_bytes() {
            [] => {}
            [b',' | b' ' | b'\t', ..] if rest.0.contains(',') => {
                return Err(InputError::SeveralSignatures);
            }
            _ => return Err(InputError::Form),
        }
        let Parameters {
            created: Some(created),
            expires: Some(expires),
            nonce: Some(nonce),
            key_id: Some(key_id),
        } = parameters
        else {
            return Err(InputError::MissingParameter);
        };
        Ok(Self {
            components,
            created,
            expires,
            nonce,
            key_id,
            text,
        })
    }
}

/// Reads the value of the one header `Signature`: the base64 in it, not decoded yet.
///
/// # Errors
/// When it is not in the form that we read.
pub fn parse_signature(value: &str) -> Result<&str, InputError> {
    let value = value_of_label(value, InputError::SignatureForm)?;
    if value.contains(',') {
        return Err(InputError::SeveralSignatures);
    }
    value
        .strip_prefix(':')
        .and_then(|value| value.strip_suffix(':'))
        .filter(|base64| !base64.contains(':'))
        .ok_or(InputError::SignatureForm)
}

fn value_of_label(value: &str, form: InputError) -> Result<&str, InputError> {
    let (label, value) = value.split_once('=').ok_or(form)?;
    if label == LABEL {
        Ok(value)
    } else {
        Err(InputError::Label)
    }
}

#[derive(Default)]
struct Parameters<'a> {
    created: Option<i64>,
    expires: Option<i64>,
    nonce: Option<&'a str>,
    key_id: Option<&'a str>,
}

/// What is not read yet.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn components(&mut self) -> Result<Vec<Component>, InputError> {
        self.expect('(')?;
        let mut components = Vec::with_capacity(Component::ALL.len());
        loop {
            let component = Component::parse(self.string()?);
            let component = component.ok_or(InputError::UnknownComponent)?;
            if components.contains(&component) {
                return Err(InputError::RepeatedComponent);
            }
            components.push(component);
            if self.eat(')') {
                return Ok(components);
            }
            self.expect(' ')?;
        }
    }

    fn parameters(&mut self) -> Result<Parameters<'a>, InputError> {
        let mut found = Parameters::default();
        while self.eat(';') {
            let name = self.take_while(|byte| byte.is_ascii_alphanumeric());
            self.expect('=')?;
            match name {
                "created" => once(&mut found.created, self.integer()?)?,
                "expires" => once(&mut found.expires, self.integer()?)?,
                "nonce" => once(&mut found.nonce, self.string()?)?,
                "keyid" => once(&mut found.key_id, self.string()?)?,
                _ => return Err(InputError::UnknownParameter),
            }
        }
        Ok(found)
    }

    /// Text in quotation marks. Nothing that we expect needs an escape, so a backslash is refused.
    fn string(&mut self) -> Result<&'a str, InputError> {
        self.expect('"')?;
        let text = self.take_while(|byte| matches!(byte, b' '..=b'~') && !b"\"\\".contains(&byte));
        self.expect('"')?;
        Ok(text)
    }

    /// A number that is not negative, in its one spelling.
    fn integer(&mut self) -> Result<i64, InputError> {
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        let is_canonical = digits == "0" || !digits.starts_with('0');
        if digits.len() > LONGEST_INTEGER || !is_canonical {
            return Err(InputError::Form);
        }
        digits.parse().map_err(|_| InputError::Form)
    }

    fn eat(&mut self, character: char) -> bool {
        let rest = self.0.strip_prefix(character);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, character: char) -> Result<(), InputError> {
        if self.eat(character) {
            Ok(())
        } else {
            Err(InputError::Form)
        }
    }

    fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> &'a str {
        let end = self.0.bytes().position(|byte| !belongs(byte));
        let (taken, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest;
        taken
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), InputError> {
    if place.replace(value).is_some() {
        return Err(InputError::RepeatedParameter);
    }
    Ok(())
}
