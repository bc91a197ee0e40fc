//! A log that was touched does not verify, and the verifier says where.

use signoff_core::{
    event::{AgentPut, Event, Nothing, OperatorPut, WorkspaceSet},
    id::WorkspaceId,
    payload::Hash32,
    policy::Settings,
    record::{ChainFault, ChainVerifier, Head, RECORD_VERSION, Record, Sealed, hash_of},
    requirement::Role,
};

mod support;
use support::{AGENT, Log, WORKSPACE, approval_id, operator, person, requested, seconds};

/// A record as a store keeps it.
type Stored = (Vec<u8>, Hash32);

fn small_log() -> Log {
    let mut log = Log::new();
    let dana = person(operator(1));
    let created = WorkspaceSet {
        settings: Settings::default(),
    };
    log.push(seconds(1), &dana, WORKSPACE, Event::WorkspaceCreated(created));
    let put = OperatorPut {
        role: Role::Admin,
        disabled: false,
    };
    log.push(seconds(2), &dana, operator(1), Event::OperatorPut(put));
    let agent = AgentPut {
        name: "zoë's bot".into(),
        labels: [("team".to_owned(), "ops".to_owned())].into(),
        owner: None,
        disabled: false,
        registered_by: None,
    };
    log.push(seconds(2), &dana, AGENT, Event::AgentPut(agent));
    let asked = Event::ApprovalRequested(Box::new(requested()));
    log.push(seconds(3), &support::agent(), approval_id(), asked);
    log.push(seconds(4), &dana, approval_id(), Event::InfoRequested(Nothing {}));
    log
}

fn stored(log: &Log) -> Vec<Stored> {
    log.sealed
        .iter()
        .map(|sealed| (sealed.bytes.clone(), sealed.hash))
        .collect()
}

fn verify(records: &[Stored]) -> Result<Head, ChainFault> {
    verify_on(ChainVerifier::new(WORKSPACE), records)
}

fn verify_on(mut verifier: ChainVerifier, records: &[Stored]) -> Result<Head, ChainFault> {
    for (bytes, hash) in records {
        verifier.next(bytes, *hash)?;
    }
    Ok(*verifier.head())
}

/// For every record of an intact log: its position, and a verifier that has seen those before it.
fn positions(records: &[Stored]) -> Vec<(usize, ChainVerifier)> {
    let mut verifier = ChainVerifier::new(WORKSPACE);
    let mut positions = Vec::new();
    for (at, (bytes, hash)) in records.iter().enumerate() {
        positions.push((at, verifier.clone()));
        verifier.next(bytes, *hash).expect("intact");
    }
    positions
}

/// The sequence that the verifier names.
fn named(records: &[Stored]) -> Option<u64> {
    verify(records).err().map(|fault| fault.seq)
}

fn sequence(at: usize) -> u64 {
    at as u64 + 1
}

#[test]
fn an_intact_log_verifies_to_its_head() {
    let log = small_log();
    assert_eq!(verify(&stored(&log)), Ok(log.head));
    assert_eq!(verify(&[]), Ok(Head::empty(WORKSPACE)));
}

#[test]
fn every_flipped_byte_is_named_by_its_record() {
    let records = stored(&small_log());
    for (at, verifier) in positions(&records) {
        for byte in 0..records[at].0.len() {
            for mask in [0x01, 0x20, 0x80] {
                let (mut bytes, hash) = records[at].clone();
                bytes[byte] ^= mask;
                let fault = verify_on(verifier.clone(), &[(bytes, hash)]).expect_err("touched");
                assert_eq!(
                    fault.seq,
                    sequence(at),
                    "record {} byte {byte} mask {mask}",
                    at + 1
                );
            }
        }
    }
}

/// Who can change the bytes may change the stored hash with them; then the next record gives it away, and for the last
/// one the head that was noted elsewhere.
#[test]
fn a_flipped_byte_with_a_hash_to_match_is_found_all_the_same() {
    let log = small_log();
    let records = stored(&log);
    for (at, verifier) in positions(&records) {
        for byte in 0..records[at].0.len() {
            let mut touched = records[at..].to_vec();
            touched[0].0[byte] ^= 0x01;
            touched[0].1 = hash_of(&touched[0].0);
            match verify_on(verifier.clone(), &touched) {
                Ok(head) => {
                    assert_eq!(at, records.len() - 1, "record {} byte {byte} passes", at + 1);
                    assert_ne!(head, log.head);
                }
                Err(fault) => {
                    let near = fault.seq == sequence(at) || fault.seq == sequence(at) + 1;
                    assert!(near, "record {} byte {byte} is named as {}", at + 1, fault.seq);
                }
            }
        }
    }
}

#[test]
fn every_flipped_bit_of_a_stored_hash_is_named() {
    let records = stored(&small_log());
    for (at, verifier) in positions(&records) {
        for bit in 0..256 {
            let (bytes, mut hash) = records[at].clone();
            hash.0[bit / 8] ^= 1 << (bit % 8);
            let fault = verify_on(verifier.clone(), &[(bytes, hash)]).expect_err("touched");
            assert_eq!(fault.seq, sequence(at), "record {} bit {bit}", at + 1);
        }
    }
}

#[test]
fn dropped_swapped_and_repeated_records_are_named() {
    let log = small_log();
    let records = stored(&log);
    let last = records.len() - 1;
    for at in 0..records.len() {
        let mut dropped = records.clone();
        dropped.remove(at);
        if at < last {
            assert_eq!(named(&dropped), Some(sequence(at)), "dropped {}", at + 1);
        } else {
            // A log cut at its end is a shorter log: only the head tells, which is why it is kept apart.
            assert_eq!(verify(&dropped).map(|head| head.seq), Ok(sequence(last) - 1));
            assert_ne!(verify(&dropped), Ok(log.head));
        }
        let mut repeated = records.clone();
        repeated.insert(at, records[at].clone());
        assert_eq!(named(&repeated), Some(sequence(at) + 1), "repeated {}", at + 1);
        for other in at + 1..records.len() {
            let mut swapped = records.clone();
            swapped.swap(at, other);
            assert_eq!(
                named(&swapped),
                Some(sequence(at)),
                "swapped {} and {}",
                at + 1,
                other + 1
            );
        }
        let mut cut = records.clone();
        cut[at].0.pop();
        assert_eq!(named(&cut), Some(sequence(at)), "cut {}", at + 1);
    }
}

#[test]
fn another_workspaces_log_is_not_this_ones() {
    let records = stored(&small_log());
    let mut verifier = ChainVerifier::new(WorkspaceId(support::raw(0xab)));
    let fault = verifier
        .next(&records[0].0, records[0].1)
        .expect_err("belongs to another");
    assert_eq!(fault.seq, 1);
}

/// Records that hash and chain perfectly, written by something that does not keep the rules.
#[test]
fn well_chained_records_that_break_the_rules_are_named() {
    type Change = fn(&mut Record);
    let changes: [(&str, Change, &str); 6] = [
        (
            "an unknown form",
            |record| record.v = RECORD_VERSION + 1,
            "form of version 2",
        ),
        (
            "another place",
            |record| record.seq += 1,
            "says that it is record",
        ),
        (
            "another workspace",
            |record| record.workspace = WorkspaceId(support::raw(0xab)),
            "another workspace",
        ),
        (
            "another past",
            |record| record.prev = Hash32([0; 32]),
            "does not follow",
        ),
        (
            "an earlier time",
            |record| record.time = seconds(0),
            "dated before",
        ),
        ("other epochs", |record| record.epochs.authority += 1, "epochs"),
    ];
    for (name, change, why) in changes {
        let log = small_log();
        let mut verifier = ChainVerifier::new(WORKSPACE);
        for sealed in &log.sealed {
            verifier.next(&sealed.bytes, sealed.hash).expect("intact so far");
        }
        let mut record = log.next(
            seconds(5),
            &support::agent(),
            approval_id(),
            Event::InfoAnswered(Nothing {}),
        );
        change(&mut record);
        let Sealed { bytes, hash, .. } = record.seal().expect("small");
        let fault = verifier.next(&bytes, hash).expect_err(name);
        assert_eq!(fault.seq, 6, "{name}");
        assert!(fault.why.contains(why), "{name}: {fault}");
    }
}

/// One value has one form in the log: the same record written otherwise is not the same record.
#[test]
fn other_bytes_for_the_same_record_are_named() {
    let records = stored(&small_log());
    let text = String::from_utf8(records[0].0.clone()).expect("records are text");
    for (name, other) in [
        ("a space", text.replacen(':', ": ", 1)),
        ("a field that says nothing", text.replacen('{', "{\"aaa\":1,", 1)),
        (
            "a field that says nothing, inside",
            text.replacen("\"data\":{", "\"data\":{\"aaa\":1,", 1),
        ),
        (
            "null instead of absent",
            text.replacen("\"prev\"", "\"policy\":null,\"prev\"", 1),
        ),
        (
            "a number written otherwise",
            text.replacen("\"seq\":1", "\"seq\":1.0", 1),
        ),
        (
            "an escape",
            text.replacen("workspace.created", "workspace\\u002ecreated", 1),
        ),
        (
            "the time in another zone",
            text.replacen(
                "1970-01-01T00:00:01.000000Z",
                "1970-01-01T01:00:01.000000+01:00",
                1,
            ),
        ),
        (
            "the time with fewer digits",
            text.replacen("01.000000Z", "01Z", 1),
        ),
        (
            "upper-case digits",
            text.replacen("\"workspace\":\"ws_aa", "\"workspace\":\"ws_AA", 1),
        ),
    ] {
        assert_ne!(other, text, "{name}");
        let hash = hash_of(other.as_bytes());
        assert_eq!(named(&[(other.into_bytes(), hash)]), Some(1), "{name}");
    }
}

#[test]
fn a_record_that_is_too_large_is_not_sealed() {
    let log = small_log();
    let labels = (0..2_000)
        .map(|number| (format!("label-{number:04}"), "x".repeat(40)))
        .collect();
    let agent = AgentPut {
        name: "bot".into(),
        labels,
        owner: None,
        disabled: false,
        registered_by: None,
    };
    let record = log.next(seconds(9), &person(operator(1)), AGENT, Event::AgentPut(agent));
    assert!(record.seal().is_err());
}
