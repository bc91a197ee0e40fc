//! Protects S3: no spelling of a forbidden address, and no answer that contains one, passes the guard.
//! The vectors are judged by the guard alone; nothing is resolved and nothing is called.

use std::net::IpAddr;

use ipnet::IpNet;
use proptest::prelude::*;
use serde::Deserialize;
use signoff_egress::{Guard, Refusal};

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    url: String,
    #[serde(default)]
    answers: Option<Vec<IpAddr>>,
    #[serde(default)]
    allow: Vec<String>,
    expect: String,
    why: String,
    #[serde(default, rename = "note")]
    _note: Option<String>,
}

fn judge(vector: &Vector) -> Result<(), Refusal> {
    let allow = vector
        .allow
        .iter()
        .map(|net| net.parse::<IpNet>().expect("a range in the spec"))
        .collect();
    let guard = Guard::new(allow);
    guard.vet_url(&vector.url)?;
    guard.vet_answer(vector.answers.as_deref().unwrap_or_default())
}

#[test]
fn every_vector_is_judged_as_the_spec_says() {
    let Vectors { vectors } =
        serde_json::from_str(include_str!("../../../spec/egress_addresses.json")).expect("the spec parses");
    assert!(vectors.len() >= 120, "{} vectors", vectors.len());
    let mut wrong = Vec::new();
    for vector in &vectors {
        let saw = match judge(vector) {
            Ok(()) => "allowed",
            Err(_) => "refused",
        };
        let why = judge(vector).err().map(|refusal| refusal.code());
        let agrees = saw == vector.expect && why.is_none_or(|why| why == vector.why);
        if !agrees {
            wrong.push(format!(
                "{:?} {:?}: expected {} ({}), saw {saw} ({why:?})",
                vector.url, vector.answers, vector.expect, vector.why
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        vectors.len(),
        wrong.join("\n")
    );
}

proptest! {
    /// However an IPv4 address is written, the guard says the same of it.
    #[test]
    fn spelling_does_not_change_the_verdict(bits in any::<u32>()) {
        let guard = Guard::default();
        let [a, b, c, d] = bits.to_be_bytes();
        let plain = guard.vet_address(IpAddr::from([a, b, c, d])).is_ok();
        for host in [
            format!("{a}.{b}.{c}.{d}"),
            format!("{a}.{b}.{c}.{d}."),
            format!("{bits}"),
            format!("{bits:#x}"),
            format!("0{bits:o}"),
            format!("{a:#x}.{b}.0{c:o}.{d}"),
            format!("{a}.{}", bits & 0x00ff_ffff),
            format!("{a}.{b}.{}", bits & 0xffff),
        ] {
            prop_assert_eq!(guard.vet_url(&format!("http://{host}/")).is_ok(), plain, "{}", host);
        }
    }

    /// No text makes the guard panic, and whatever passes is what an HTTP client may be given.
    #[test]
    fn any_text_is_refused_or_well_formed(text in "\\PC{0,60}", tail in "[a-z0-9.:@/\\\\#?%\\[\\]]{0,40}") {
        let guard = Guard::default();
        for url in [text.clone(), format!("http://{text}"), format!("https://{tail}")] {
            if let Ok(url) = guard.vet_url(&url) {
                prop_assert!(matches!(url.scheme(), "http" | "https"));
                prop_assert!(url.username().is_empty() && url.password().is_none());
                prop_assert!(url.fragment().is_none() && url.has_host());
            }
        }
    }
}
