//! Checking an exported log without its server: nothing but the file and the rules of the chain.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, bail};
use serde::Deserialize;
use signoff_api::audit::{Flaw, Head, Verification};
use signoff_core::event::{Event, LogCut};
use signoff_core::id::WorkspaceId;
use signoff_core::payload::Hash32;
use signoff_core::record::{self, ChainVerifier, Epochs, Head as LogHead};
use signoff_core::time::Timestamp;

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

/// What the first record says of the log it is in.
#[derive(Deserialize)]
struct First {
    workspace: WorkspaceId,
    seq: u64,
    time: Timestamp,
    epochs: Epochs,
    prev: Hash32,
}

impl First {
    /// Where the log must have stood before it. What a first record after a cut says of that is believed for the moment:
    /// the record of the cut has to say the same.
    fn before(&self) -> anyhow::Result<LogHead> {
        match self.seq {
            0 => bail!("the first line is no record of a log"),
            1 => Ok(LogHead::empty(self.workspace)),
            seq => Ok(LogHead {
                seq: seq - 1,
                hash: self.prev,
                time: self.time,
                epochs: self.epochs,
            }),
        }
    }
}

/// An export as far as it was read.
struct Reading<'a> {
    known: Option<&'a KnownHead>,
    chain: ChainVerifier,
    /// Where the log stood before the first record.
    beginning: LogHead,
    /// The head that is known was met, whatever was there.
    met: bool,
    /// The record that explains the beginning was met, or none is needed.
    explained: bool,
    problems: Vec<Flaw>,
}

impl<'a> Reading<'a> {
    fn start(line: &[u8], known: Option<&'a KnownHead>) -> anyhow::Result<Self> {
        let first: First = serde_json::from_slice(line).context("the first line is no record of a log")?;
        let beginning = first.before()?;
        let mut reading = Self {
            known,
            chain: ChainVerifier::after(first.workspace, beginning),
            beginning,
            met: known.is_none(),
            explained: beginning.seq == 0,
            problems: Vec::new(),
        };
        reading.meet(beginning);
        Ok(reading)
    }

    /// Takes the next line. False once something is wrong with the chain: what follows says nothing more.
    fn take(&mut self, line: &[u8]) -> bool {
        // An export has no hashes beside its records: each one stands in the record that follows, and the last is
        // the head that we print.
        match self.chain.next(line, record::hash_of(line)) {
            Ok(record) => {
                if let Event::LogCut(cut) = &record.event {
                    self.explained |= self.is_explained_by(cut);
                }
                self.meet(*self.chain.head());
                true
            }
            Err(fault) => {
                self.problems.push(flaw("chain", Some(fault.seq), fault.why));
                false
            }
        }
    }

    fn is_explained_by(&self, cut: &LogCut) -> bool {
        let LogHead {
            seq,
            hash,
            time,
            epochs,
        } = self.beginning;
        (cut.seq, cut.hash, cut.epochs) == (seq, hash, epochs) && cut.time <= time
    }

    fn meet(&mut self, head: LogHead) {
        let Some(known) = self.known.filter(|known| known.sequence == head.seq) else {
            return;
        };
        self.met = true;
        if known.hash != head.hash {
            let why = format!("its hash is {}, not {} as it was known", head.hash, known.hash);
            self.problems.push(flaw("head", Some(head.seq), why));
        }
    }

    fn end(mut self) -> Verification {
        let head = *self.chain.head();
        let first = self.beginning.seq + 1;
        if self.problems.is_empty() && !self.explained {
            let why = format!("begins at record {first} without the record of a cut");
            self.problems.push(flaw("cut", Some(first), why));
        }
        if let Some(known) = self.known.filter(|_| !self.met && self.problems.is_empty()) {
            let why = if known.sequence < first {
                format!(
                    "the log begins at record {first}; {}, the one known, was cut off",
                    known.sequence
                )
            } else {
                format!(
                    "the log ends at record {}, before {}, the one known",
                    head.seq, known.sequence
                )
            };
            self.problems.push(flaw("head", None, why));
        }
        Verification {
            ok: self.problems.is_empty(),
            events: head.seq - self.beginning.seq,
            with_store: false,
            rows: None,
            erased: 0,
            head: Head {
                sequence: head.seq,
                hash: head.hash.to_string(),
            },
            problems: self.problems,
        }
    }
}

fn verify(mut lines: impl BufRead, known: Option<&KnownHead>) -> anyhow::Result<Verification> {
    let mut reading: Option<Reading<'_>> = None;
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let bytes = line.strip_suffix(b"\n").unwrap_or(&line);
        let reading = match &mut reading {
            Some(reading) => reading,
            none => none.insert(Reading::start(bytes, known)?),
        };
        if !reading.take(bytes) {
            break;
        }
    }
    Ok(reading.context("there is no record in it")?.end())
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
    use signoff_core::event::Nothing;
    use signoff_core::id::{EventId, RawId};
    use signoff_core::record::Record;

    use super::*;

    const WORKSPACE: WorkspaceId = WorkspaceId(RawId([1; 16]));

    /// Three records of one log, a line each, and where they end.
    fn export() -> (Vec<String>, Hash32) {
        let (lines, heads) = log(3, |_| Event::SignedOut(Nothing {}));
        (lines, heads[3].hash)
    }

    /// Records of one log, a line each, and where the log stood before and after each.
    fn log(records: u8, event: impl Fn(&[LogHead]) -> Event) -> (Vec<String>, Vec<LogHead>) {
        let mut heads = vec![LogHead::empty(WORKSPACE)];
        let mut lines = Vec::new();
        for seq in 1..=records {
            let head = heads[heads.len() - 1];
            let record = Record {
                v: 1,
                workspace: WORKSPACE,
                seq: seq.into(),
                id: EventId(RawId([seq; 16])),
                time: Timestamp(i64::from(seq)),
                event: event(&heads),
                actor: Actor::system("test"),
                subject: format!("usr_{seq}"),
                policy: None,
                epochs: head.epochs,
                payloads: [].into(),
                mode: None,
                prev: head.hash,
            };
            let sealed = record.seal().unwrap();
            heads.push(head.after(&sealed));
            lines.push(String::from_utf8(sealed.bytes).unwrap());
        }
        (lines, heads)
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
            (&lines[1..], 2),
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

    /// Five records, the fourth of which says that the first two were cut off; then changed by the closure.
    fn cut_log(change: impl Fn(&mut LogCut)) -> (Vec<String>, Vec<LogHead>) {
        log(5, |heads| {
            if heads.len() != 4 {
                return Event::SignedOut(Nothing {});
            }
            let mut cut = LogCut {
                seq: heads[2].seq,
                hash: heads[2].hash,
                time: heads[2].time,
                epochs: heads[2].epochs,
                state: Hash32([7; 32]),
            };
            change(&mut cut);
            Event::LogCut(cut)
        })
    }

    #[test]
    fn an_export_may_begin_after_a_cut_that_its_log_tells_of() {
        let (lines, heads) = cut_log(|_| {});
        // Also the whole log, as it was before what was cut off was deleted.
        for (from, events) in [(0, 5), (2, 3)] {
            let verification = check(&lines[from..], Some(&format!("5:{}", heads[5].hash))).unwrap();
            assert!(verification.ok, "{verification:?}");
            assert_eq!((verification.events, verification.head.sequence), (events, 5));
        }
        // The head at the cut is still one to check with, an earlier one is not.
        assert!(
            check(&lines[2..], Some(&format!("2:{}", heads[2].hash)))
                .unwrap()
                .ok
        );
        for wrong in [format!("2:{}", heads[1].hash), format!("1:{}", heads[1].hash)] {
            let verification = check(&lines[2..], Some(&wrong)).unwrap();
            assert!(!verification.ok, "{wrong}");
        }
    }

    #[test]
    fn a_beginning_that_no_record_tells_of_is_named() {
        let (lines, _) = cut_log(|_| {});
        let says = |lines: &[String]| {
            let verification = check(lines, None).unwrap();
            assert!(!verification.ok);
            let problem = &verification.problems[0];
            (problem.kind.clone(), problem.sequence, problem.detail.clone())
        };
        // More was taken away than the cut names, less, or the record of the cut as well.
        for (lines, first) in [
            (&lines[3..], 4),
            (&lines[1..], 2),
            (&lines[4..], 5),
            (&lines[2..3], 3),
        ] {
            let why = format!("begins at record {first} without the record of a cut");
            assert_eq!(says(lines), ("cut".to_owned(), Some(first), why));
        }
        // A cut that says something else of the place.
        for change in [
            |cut: &mut LogCut| cut.hash = Hash32([9; 32]),
            |cut: &mut LogCut| cut.epochs.policy += 1,
            |cut: &mut LogCut| cut.time = Timestamp(cut.time.0 + 1_000_000),
        ] {
            let (lines, _) = cut_log(change);
            assert_eq!(says(&lines[2..]).0, "cut");
        }
        let edited = [
            lines[2].clone(),
            lines[3].replace("usr_4", "usr_9"),
            lines[4].clone(),
        ];
        assert_eq!(says(&edited).0, "chain");
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
