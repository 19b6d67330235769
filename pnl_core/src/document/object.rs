//! Objects of a document: nothing else is taken for one, and no member stands twice.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// What is written as an object. A derived reader alone would also take a list of the members' values.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Named<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Named<T> {
            type Value = T;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members))
            }
        }

        deserializer.deserialize_map(Named(PhantomData)).map(Self)
    }
}

/// The members of an object by name.
struct Members<'a>(BTreeMap<String, &'a RawValue>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Distinct;

        impl<'de> Visitor<'de> for Distinct {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    if members.contains_key(&name) {
                        return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
                    }
                    members.insert(name, value);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Distinct)
    }
}

/// The members of an object, each once.
pub(super) fn members(raw: &RawValue) -> serde_json::Result<BTreeMap<String, &RawValue>> {
    serde_json::from_str::<Members<'_>>(raw.get()).map(|members| members.0)
}

/// How deep the options of a document go: the options, the events of `lots`, their list, a lot.
const DEPTH: u8 = 4;

/// Options as a value in which no member stands twice, and the quantity of a chosen lot (`raw`) has its digits.
pub(super) fn distinct(options: &RawValue) -> serde_json::Result<Value> {
    distinct_to(DEPTH, options)
}

/// What lies deeper is no option whatever it is, and is only kept to be named.
fn distinct_to(depth: u8, raw: &RawValue) -> serde_json::Result<Value> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'{') if depth > 0 => {
            let read = |(name, value): (String, &RawValue)| {
                let figure = value.get().starts_with(|c: char| c == '-' || c.is_ascii_digit());
                let value = match figure && name == "raw" {
                    true => Value::String(value.get().to_owned()),
                    false => distinct_to(depth - 1, value)?,
                };
                Ok((name, value))
            };
            members(raw)?.into_iter().map(read).collect::<Result<_, _>>().map(Value::Object)
        }
        Some(b'[') if depth > 0 => {
            let list: Vec<&RawValue> = serde_json::from_str(text)?;
            let list = list.into_iter().map(|value| distinct_to(depth - 1, value));
            list.collect::<Result<_, _>>().map(Value::Array)
        }
        _ => serde_json::from_str(text),
    }
}
