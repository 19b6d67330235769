//! Mutation of JSON by its structure, beside libFuzzer's own of the bytes.

use libfuzzer_sys::fuzzer_mutate;
use serde_json::{Value, json};

/// Changes the input in `data[..size]`; the new length.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut random = Random(u64::from(seed));
    // Bytes, and words of the dictionary: what is broken as JSON, too.
    if random.below(4) == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let Ok(mut json) = serde_json::from_slice::<Value>(&data[..size]) else {
        return fuzzer_mutate(data, size, max_size);
    };
    for _ in 0..=random.below(3) {
        change(&mut json, &mut random);
    }
    let text = json.to_string();
    match data.get_mut(..text.len()).filter(|_| text.len() <= max_size) {
        Some(place) => {
            place.copy_from_slice(text.as_bytes());
            text.len()
        }
        None => fuzzer_mutate(data, size, max_size),
    }
}

/// One change somewhere.
fn change(json: &mut Value, random: &mut Random) {
    let nodes = count(json);
    let donor = nth(json, random.below(nodes)).map(|node| node.clone());
    let Some(node) = nth(json, random.below(nodes)) else { return };
    match random.below(10) {
        // A value from elsewhere: keys, amounts and whole instructions change their places.
        0 | 1 => *node = donor.unwrap_or_default(),
        2 => *node = interesting(random),
        3..6 => match node {
            Value::Array(items) if !items.is_empty() => {
                let at = random.below(items.len());
                match random.below(3) {
                    0 => drop(items.remove(at)),
                    1 => {
                        let copy = items[at].clone();
                        items.insert(random.below(items.len() + 1), copy);
                    }
                    _ => {
                        let other = random.below(items.len());
                        items.swap(at, other);
                    }
                }
            }
            Value::Object(members) if !members.is_empty() => {
                let name = members.keys().nth(random.below(members.len())).cloned();
                let name = name.unwrap_or_default();
                match random.below(4) {
                    0 => drop(members.remove(&name)),
                    _ => drop(members.insert(name, interesting(random))),
                }
            }
            other => digit(other, random),
        },
        _ => digit(node, random),
    }
}

/// Another digit at one place of a text or number, or one digit more or less.
fn digit(value: &mut Value, random: &mut Random) {
    match value {
        Value::String(text) if !text.is_empty() && text.is_ascii() => {
            let at = random.below(text.len());
            let old = text.as_bytes()[at];
            let alphabet: &[u8] = if text.starts_with("0x") {
                b"0123456789abcdef"
            } else if old.is_ascii_digit() && text.bytes().all(|byte| byte.is_ascii_digit()) {
                b"0123456789"
            } else {
                b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
            };
            let new = char::from(alphabet[random.below(alphabet.len())]);
            match random.below(8) {
                0 => text.insert(at, new),
                1 => drop(text.remove(at)),
                _ => text.replace_range(at..=at, new.encode_utf8(&mut [0; 4])),
            }
        }
        Value::Number(number) => {
            let old = number.as_u64().unwrap_or_default();
            *value = match random.below(5) {
                0 => json!(old.wrapping_add(1)),
                1 => json!(old.wrapping_sub(1)),
                2 => json!(old ^ (1 << random.below(64))),
                3 => json!(random.below(300)),
                _ => json!(old / 2),
            };
        }
        other => *other = interesting(random),
    }
}

/// Values at the edges of what is read.
fn interesting(random: &mut Random) -> Value {
    match random.below(20) {
        0 => Value::Null,
        1 => json!(0),
        2 => json!(1),
        3 => json!(u64::MAX),
        4 => json!(-1),
        5 => json!(1.5),
        6 => json!(true),
        7 => json!(""),
        8 => json!("0"),
        9 => json!("0x"),
        10 => json!("0x0"),
        11 => json!("0x1"),
        12 => json!(format!("0x{}", "f".repeat(64))),
        13 => json!(format!("0x{}", "0".repeat(40))),
        14 => json!("18446744073709551615"),
        15 => json!("11111111111111111111111111111111"),
        16 => json!("So11111111111111111111111111111111111111112"),
        17 => json!([]),
        18 => json!({}),
        _ => json!(random.next().to_string()),
    }
}

fn count(json: &Value) -> usize {
    1 + match json {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

/// The node at this place, counted from the root.
fn nth(json: &mut Value, place: usize) -> Option<&mut Value> {
    if place == 0 {
        return Some(json);
    }
    let mut left = place - 1;
    let children: Box<dyn Iterator<Item = &mut Value>> = match json {
        Value::Array(items) => Box::new(items.iter_mut()),
        Value::Object(members) => Box::new(members.values_mut()),
        _ => return None,
    };
    for child in children {
        let size = count(child);
        if left < size {
            return nth(child, left);
        }
        left -= size;
    }
    None
}

/// SplitMix64: the same seed gives the same mutation, so a run can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap_or_default()
    }
}
