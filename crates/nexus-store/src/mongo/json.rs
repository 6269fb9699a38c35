//! JSON to BSON and back. Order and unknown keys are kept.

use mongodb::bson::raw::{RawBsonRef, RawDocument};
use mongodb::bson::{Bson, Document, error::Result};
use serde_json::{Map, Number, Value};

/// A JSON object as a BSON document.
pub(super) fn to_document(object: &Map<String, Value>) -> Document {
    object
        .iter()
        .map(|(key, value)| (key.clone(), to_bson(value)))
        .collect()
}

/// A JSON value as BSON. Whole numbers get the smallest type, as the MongoDB shell writes them.
pub(super) fn to_bson(value: &Value) -> Bson {
    match value {
        Value::Null => Bson::Null,
        Value::Bool(value) => Bson::Boolean(*value),
        Value::Number(number) => to_number(number),
        Value::String(text) => Bson::String(text.clone()),
        Value::Array(items) => Bson::Array(items.iter().map(to_bson).collect()),
        Value::Object(object) => Bson::Document(to_document(object)),
    }
}

fn to_number(number: &Number) -> Bson {
    match number.as_i64() {
        Some(whole) => i32::try_from(whole).map_or(Bson::Int64(whole), Bson::Int32),
        // BSON has no whole numbers beyond 63 bits.
        None => Bson::Double(number.as_f64().unwrap_or(f64::NAN)),
    }
}

/// A stored document as a JSON object.
pub(super) fn to_object(document: &RawDocument) -> Result<Map<String, Value>> {
    document
        .iter()
        .map(|element| {
            let (key, value) = element?;
            Ok((key.as_str().to_owned(), to_value(value)?))
        })
        .collect()
}

/// A stored value as JSON. What JSON has no type for becomes text, or the extended JSON of MongoDB.
fn to_value(value: RawBsonRef<'_>) -> Result<Value> {
    Ok(match value {
        RawBsonRef::Null | RawBsonRef::Undefined => Value::Null,
        RawBsonRef::Boolean(value) => Value::Bool(value),
        RawBsonRef::Int32(number) => number.into(),
        RawBsonRef::Int64(number) => number.into(),
        RawBsonRef::Double(number) => Number::from_f64(number).into(),
        RawBsonRef::Decimal128(number) => {
            let text = number.to_string();
            match text.parse().ok().and_then(Number::from_f64) {
                Some(number) => number.into(),
                None => text.into(),
            }
        }
        RawBsonRef::String(text) | RawBsonRef::Symbol(text) => text.into(),
        RawBsonRef::DateTime(moment) => match moment.try_to_rfc3339_string() {
            Ok(text) => text.into(),
            Err(_) => moment.timestamp_millis().into(),
        },
        RawBsonRef::ObjectId(id) => id.to_hex().into(),
        RawBsonRef::Array(items) => items
            .into_iter()
            .map(|item| to_value(item?))
            .collect::<Result<Vec<_>>>()?
            .into(),
        RawBsonRef::Document(document) => to_object(document)?.into(),
        other => serde_json::to_value(Bson::try_from(other)?).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{DateTime, RawDocumentBuf, oid::ObjectId, rawdoc};
    use serde_json::json;

    use super::*;

    fn round(value: &Value) -> Value {
        let document = to_document(value.as_object().unwrap());
        let raw = RawDocumentBuf::try_from(&document).unwrap();
        to_object(&raw).unwrap().into()
    }

    #[test]
    fn json_comes_back_key_for_key() {
        let value = json!({
            "zebra": {"gpt-4.1": [1, -2, 3.5, 1.0, 1e40, null, true, "Zoë \u{0}"], "$where": {}},
            "ant": 5_000_000_000_i64, "least": i64::MIN, "": []
        });
        assert_eq!(round(&value).to_string(), value.to_string());
    }

    #[test]
    fn what_json_has_no_type_for_is_still_shown() {
        let id = ObjectId::new();
        let stored = rawdoc! {
            "at": DateTime::from_millis(0), "id": id, "nan": f64::NAN,
            "exact": "0.7".parse::<mongodb::bson::Decimal128>().unwrap(),
        };
        let shown = Value::Object(to_object(&stored).unwrap());
        let expected =
            json!({"at": "1970-01-01T00:00:00Z", "id": id.to_hex(), "nan": null, "exact": 0.7});
        assert_eq!(shown, expected);
    }
}
