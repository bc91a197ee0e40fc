//! Checking an exported log without its server: nothing but the file and the rules of the chain.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::str::FromStr;

use anyhow::Context;
use serde::Deserialize;
use signoff_api::audit::{Flaw, Head, Verification};
use signoff_core::id::WorkspaceId;
use signoff_core::payload::Hash32;
use signoff_core::record::{self, ChainVerifier};

/// A head that somebody wrote down earlier. Without one, a log that was cut short still looks whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownHead {
    sequence: u64,
    hash: Hash32,
}

impl FromStr for KnownHead {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || "write SEQUENCE:HASH as `signoff audit verify` prints it".to_owned();
        let (sequence, hash) = text.split_once(':').ok_or_else(refused)?;
        Ok(Self {
            sequence: sequence.parse().map_err(|_| refused())?,
            hash: hash.parse().map_err(|_| refused())?,
        })
    }
}

/// Verifies a file that `signoff audit export` wrote.
pub(crate) fn verify_export(path: &Path, known: Option<&KnownHead>) -> anyhow::Result<Verification> {
    if path == Path::new("-") {
        return verify(std::io::stdin().lock(), known).context("in standard input");
    }
    let name = path.display();
    let file = File::open(path).with_context(|| format!("can't read `{name}`"))?;
    verify(BufReader::new(file), known).with_context(|| format!("in `{name}`"))
}

/// The part of a record that says whose log it is.
#[derive(Deserialize)]
struct Whose {
    workspace: WorkspaceId,
}

fn verify(mut lines: impl BufRead, known: Option<&KnownHead>) -> anyhow::Result<Verification> {
    let mut chain: Option<ChainVerifier> = None;
    let mut problems = Vec::new();
    let mut met = known.is_none();
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let bytes = line.strip_suffix(b"\n").unwrap_or(&line);
        let verifier = match &mut chain {
            Some(verifier) => verifier,
            none => {
                let whose: Whose =
                    serde_json::from_slice(bytes).context("the first line is no record of a log")?;
                none.insert(ChainVerifier::new(whose.workspace))
            }
        };
        // An export has no hashes beside its records: each one stands in the record that follows, and the last is
        // the head that we print.
        if let Err(fault) = verifier.next(bytes, record::hash_of(bytes)) {
            problems.push(flaw("chain", Some(fault.seq), fault.why));
            break;
        }
        let head = verifier.head();
        if let Some(known) = known.filter(|known| known.sequence == head.seq) {
            met = true;
            if known.hash != head.hash {
                let why = format!("its hash is {}, not {} as it was known", head.hash, known.hash);
                problems.push(flaw("head", Some(head.seq), why));
            }
        }
    }
    let chain = chain.context("there is no record in it")?;
    let head = chain.head();
    if let Some(known) = known.filter(|_| !met && problems.is_empty()) {
        let why = format!(
            "the log ends at record {}, before {}, the one known",
            head.seq, known.sequence
        );
        problems.push(flaw("head", None, why));
    }
    Ok(Verification {
        ok: problems.is_empty(),
        events: head.seq,
        with_store: false,
        rows: None,
        erased: 0,
        head: Head {
            sequence: head.seq,
            hash: head.hash.to_string(),
        },
        problems,
    })
}

fn flaw(kind: &str, sequence: Option<u64>, detail: String) -> Flaw {
    Flaw {
        kind: kind.to_owned(),
        sequence,
        table: None,
        row: None,
        detail,
    }
}

#[cfg(test)]
mod tests {
    use signoff_core::actor::Actor;
    use signoff_core::event::{Event, Nothing};
    use signoff_core::id::{EventId, RawId};
    use signoff_core::record::{Head as LogHead, Record};
    use signoff_core::time::Timestamp;

    use super::*;

    /// Three records of one log, a line each, and where they end.
    fn export() -> (Vec<String>, Hash32) {
        let workspace = WorkspaceId(RawId([1; 16]));
        let mut head = LogHead::empty(workspace);
        let mut lines = Vec::new();
        for seq in 1..=3_u8 {
            let record = Record {
                v: 1,
                workspace,
                seq: seq.into(),
                id: EventId(RawId([seq; 16])),
                time: Timestamp(i64::from(seq)),
                event: Event::SignedOut(Nothing {}),
                actor: Actor::system("test"),
                subject: format!("usr_{seq}"),
                policy: None,
                epochs: head.epochs,
                payloads: [].into(),
                mode: None,
                prev: head.hash,
            };
            let sealed = record.seal().unwrap();
            head = head.after(&sealed);
            lines.push(String::from_utf8(sealed.bytes).unwrap());
        }
        (lines, head.hash)
    }

    fn check(lines: &[String], known: Option<&str>) -> anyhow::Result<Verification> {
        let known = known.map(|text| text.parse::<KnownHead>().unwrap());
        verify(lines.join("\n").as_bytes(), known.as_ref())
    }

    #[test]
    fn an_untouched_export_is_intact() {
        let (lines, head) = export();
        let verification = check(&lines, Some(&format!("3:{head}"))).unwrap();
        assert!(verification.ok, "{verification:?}");
        assert_eq!(
            (verification.events, verification.head.hash),
            (3, head.to_string())
        );
        assert!(check(&lines, None).unwrap().ok);
    }

    #[test]
    fn whatever_is_changed_is_named() {
        let (lines, head) = export();
        let swapped = [lines[0].clone(), lines[2].clone(), lines[1].clone()];
        let edited = [
            lines[0].clone(),
            lines[1].replace("usr_2", "usr_9"),
            lines[2].clone(),
        ];
        let spaced = [lines[0].clone(), format!("{} ", lines[1]), lines[2].clone()];
        let cases: [(&[String], u64); 5] = [
            (&lines[1..], 1),
            (&swapped, 2),
            (&edited, 3),
            (&spaced, 2),
            (&[lines[0].clone(), lines[2].clone()], 2),
        ];
        for (lines, sequence) in cases {
            let verification = check(lines, None).unwrap();
            assert!(!verification.ok);
            assert_eq!(
                verification.problems[0].sequence,
                Some(sequence),
                "{verification:?}"
            );
        }
        // The end can be cut or rewritten; only a head known from before shows it.
        assert!(check(&lines[..2], None).unwrap().ok);
        assert!(!check(&lines[..2], Some(&format!("3:{head}"))).unwrap().ok);
        let rewritten = [
            lines[0].clone(),
            lines[1].clone(),
            lines[2].replace("usr_3", "usr_9"),
        ];
        assert!(check(&rewritten, None).unwrap().ok);
        assert!(!check(&rewritten, Some(&format!("3:{head}"))).unwrap().ok);
    }

    #[test]
    fn what_is_no_export_is_refused() {
        for text in ["", "hello", "{}", "[1]"] {
            assert!(check(&[text.to_owned()], None).is_err(), "{text}");
        }
        for text in ["3", "x:00", "3:00", ":"] {
            assert!(text.parse::<KnownHead>().is_err(), "{text}");
        }
    }
}
