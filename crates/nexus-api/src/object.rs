//! Objects of JSON in which each name stands once. Of two values for one name, readers take different
//! ones, and a person may have been shown the other one than the server takes.

use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Number, Value};
use utoipa::ToSchema;

/// An object without a name that stands twice, at any depth.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(as = JsonObject, value_type = std::collections::HashMap<String, Value>)]
pub struct Object(pub Map<String, Value>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Object, A::Error> {
                object(fields)
            }
        }

        reader.deserialize_map(Fields)
    }
}

/// Any value, with such objects in it.
struct Anything(Value);

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(AnythingVisitor).map(Self)
    }
}

struct AnythingVisitor;

impl<'de> Visitor<'de> for AnythingVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value);
        number
            .map(Value::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Anything(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Value, A::Error> {
        object(fields).map(|Object(object)| object.into())
    }
}

fn object<'de, A: MapAccess<'de>>(mut fields: A) -> Result<Object, A::Error> {
    let mut object = Map::new();
    while let Some(name) = fields.next_key::<String>()? {
        if object.contains_key(&name) {
            return Err(A::Error::custom(format!("duplicate field `{name}`")));
        }
        let Anything(value) = fields.next_value()?;
        object.insert(name, value);
    }
    Ok(Object(object))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_as_it_stands() {
        for text in [
            "{}",
            r#"{"a":[1,-2,0.5,18446744073709551615,true,null,"\u00e9\n",{}],"b":{"a":{"a":1}}}"#,
        ] {
            let Object(read) = serde_json::from_str(text).unwrap();
            let plain: Map<String, Value> = serde_json::from_str(text).unwrap();
            assert_eq!(read, plain);
        }
        for text in ["[]", "1", "null", "\"a\""] {
            assert!(serde_json::from_str::<Object>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_that_stands_twice_is_refused_however_deep() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"b":[{"c":{"a":1,"a":2}}]}"#,
        ] {
            let error = serde_json::from_str::<Object>(text).unwrap_err();
            assert!(
                error.to_string().starts_with("duplicate field `a`"),
                "{error}"
            );
        }
    }
}
