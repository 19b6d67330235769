//! Inputs of the targets from recordings: `corpus RECORDINGS FOLDER` writes a folder per target.
//!
//! Answers of endpoints are put together again around what was recorded of them. Transactions need
//! nothing: `scripts/fuzz.sh` names their folders as they are.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// The number of the call that is answered, as the readers expect it. This program cannot ask them:
/// they are built for libFuzzer.
const CALL: u64 = 1;

/// Larger inputs make a run slow and find nothing that smaller ones do not.
const LARGEST: usize = 16_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(recordings), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("usage: corpus RECORDINGS FOLDER".into());
    };
    let counts = [
        ("solana_rpc", write(&folder.join("solana_rpc"), solana_rpc(&recordings)?)?),
        ("evm_rpc", write(&folder.join("evm_rpc"), evm_rpc(&recordings)?)?),
        ("explorer", write(&folder.join("explorer"), explorer(&recordings)?)?),
        ("prices", write(&folder.join("prices"), prices(&recordings)?)?),
    ];
    for (target, count) in counts {
        eprintln!("{target}: {count} inputs");
    }
    Ok(())
}

fn write(folder: &Path, inputs: Vec<String>) -> Result<usize, Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let inputs: Vec<String> = inputs.into_iter().filter(|i| i.len() <= LARGEST).collect();
    for (number, input) in inputs.iter().enumerate() {
        fs::write(folder.join(format!("recorded-{number:04}")), input)?;
    }
    Ok(inputs.len())
}

/// The JSON files of a folder; none when it is not there.
fn files(folder: &Path) -> Result<Vec<Value>, Box<dyn Error>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    paths.iter().map(|path| Ok(serde_json::from_slice(&fs::read(path)?)?)).collect()
}

/// An answer to call number [`CALL`] about `asked`.
fn answer(asked: &Value, transaction: &Value, result: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": CALL, "asked": asked, "transaction": transaction,
        "result": result})
    .to_string()
}

fn solana_rpc(recordings: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut inputs = Vec::new();
    for transaction in files(&recordings.join("solana/transactions"))? {
        let asked = &transaction["transaction"]["signatures"][0];
        inputs.push(answer(asked, &Value::Null, &transaction));
    }
    for page in files(&recordings.join("solana/signature_pages"))? {
        for page in page.as_array().unwrap_or(&vec![page.clone()]) {
            inputs.push(answer(&page["result"][0]["signature"], &Value::Null, &page["result"]));
        }
    }
    Ok(inputs)
}

fn evm_rpc(recordings: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut inputs = Vec::new();
    for folder in ["ethereum", "base", "binance-smart-chain", "devnet_seed7"] {
        for recorded in files(&recordings.join("evm").join(folder).join("transactions"))? {
            let (transaction, receipt) = (&recorded["transaction"], &recorded["receipt"]);
            let asked = &transaction["hash"];
            inputs.push(answer(asked, transaction, receipt));
            inputs.push(answer(asked, &Value::Null, transaction));
            inputs.push(answer(asked, &Value::Null, &receipt["logs"]));
            inputs.push(answer(asked, transaction, &traces(&recorded["internal_transfers"])));
        }
    }
    Ok(inputs)
}

/// Recorded internal transfers in the form of trace_transaction.
fn traces(transfers: &Value) -> Value {
    let rows = transfers.as_array().into_iter().flatten().enumerate();
    let trace = |(place, row): (usize, &Value)| {
        let wei = row["value"].as_str().and_then(|text| text.parse::<u128>().ok());
        json!({"type": "call", "traceAddress": [place], "result": {}, "action": {
            "from": row["from"], "to": row["to"], "callType": row["type"],
            "value": format!("{:#x}", wei.unwrap_or_default())}})
    };
    rows.map(trace).collect()
}

fn explorer(recordings: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let lists = files(&recordings.join("evm/provider_lists"))?;
    let lists = lists.iter().map(|list| {
        // A long list is cut: what matters is in its first rows.
        let rows = list["result"].as_array().map(|rows| &rows[..rows.len().min(12)]);
        json!({"status": "1", "message": "OK", "result": rows}).to_string()
    });
    Ok(lists.collect())
}

fn prices(recordings: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut inputs = Vec::new();
    for coin in ["sol", "eth", "bnb"] {
        let Ok(table) = fs::read_to_string(recordings.join(format!("prices/{coin}_usd.csv")))
        else {
            continue;
        };
        let rows: Vec<&str> = table.lines().take(40).collect();
        inputs.push(rows.join("\n"));
    }
    Ok(inputs)
}
