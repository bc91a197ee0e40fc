//! Whether the log is whole, and whether the store is what the log adds up to.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
};

use secrecy::{ExposeSecret, SecretString};
use signoff_core::{
    authority::Operation,
    event::{Event, LogCut},
    fold::Rows,
    id::{ChannelId, GrantId, KeyId, OperatorId, RawId, WorkspaceId},
    payload::{Hash32, commitment},
    record::{ChainVerifier, Head, Record},
};
use signoff_store::{Folded, RecordQuery, SecretKind, Store, StoreResult};

use crate::{
    Engine, EngineResult, StartError,
    audit::EXPORT_MAX,
    seal::{MasterKey, WorkspaceKey},
    tenant::Tenant,
    view::{Caller, Fault, Verification},
    workers::retain,
};

/// How many faults are named; more of them say nothing new.
const FAULTS_MAX: usize = 100;

/// What a walk over the log gathers.
struct Walk {
    chain: ChainVerifier,
    /// Where the log begins, until the record that says so was met.
    cut: Option<LogCut>,
    rows: Rows,
    faults: Vec<Fault>,
    missing: BTreeSet<u64>,
    erased: BTreeSet<u64>,
    records: u64,
    /// The log is not whole up to here: nothing after it can be compared.
    broken: bool,
}

fn fault(kind: &'static str, seq: Option<u64>, detail: impl Display) -> Fault {
    Fault {
        kind,
        seq,
        table: None,
        row: None,
        detail: detail.to_string(),
    }
}

impl Engine {
    /// Checks every record and how it hangs on the one before; with the store also every folded row, payload and secret.
    ///
    /// # Errors
    /// If the store can't be read; what is wrong with the data is in the answer.
    pub async fn verify(&self, caller: &Caller, with_store: bool) -> EngineResult<Verification> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::SeeWorkspace)?;
        self.verified(&tenant, with_store).await
    }

    pub(crate) async fn verified(&self, tenant: &Tenant, with_store: bool) -> EngineResult<Verification> {
        loop {
            let cut = tenant.last_cut();
            let check = Check {
                store: self.store(),
                workspace: tenant.id,
                key: Some(&tenant.key),
                last_cut: cut.clone(),
            };
            let found = check.run(with_store).await?;
            // What was cut off under the walk is no fault: it starts from there once more.
            if found.ok || tenant.last_cut() == cut {
                return Ok(found);
            }
        }
    }
}

/// Checks everything that a store holds, workspace by workspace, without starting anything on it: for copies. Without the
/// master key payloads and secrets are left out.
///
/// # Errors
/// [`StartError::WrongMasterKey`] for a key that the data was not written with, or if the store can't be read; what is
/// wrong with the data is in the answer.
pub async fn verify_store(
    store: &dyn Store,
    master_key: Option<&SecretString>,
) -> Result<Vec<(WorkspaceId, Verification)>, StartError> {
    let master = master_key
        .map(|key| MasterKey::parse(key.expose_secret()))
        .transpose()?;
    let mut found = Vec::new();
    for workspace in store.workspaces().await? {
        let wrapped = store.workspace_key(workspace).await?;
        let wrapped =
            wrapped.ok_or_else(|| StartError::Damaged(format!("the key of {workspace} is missing")))?;
        let key = master
            .as_ref()
            .map(|master| {
                master
                    .unwrap(workspace, &wrapped)
                    .ok_or(StartError::WrongMasterKey)
            })
            .transpose()?;
        let check = Check {
            store,
            workspace,
            key: key.as_ref(),
            last_cut: None,
        };
        found.push((workspace, check.run(true).await?));
    }
    Ok(found)
}

/// One workspace whose log is checked.
struct Check<'a> {
    store: &'a dyn Store,
    workspace: WorkspaceId,
    /// Opens payloads, and binds secrets to the log.
    key: Option<&'a WorkspaceKey>,
    /// Where the log begins, for a check that does not read what is folded.
    last_cut: Option<LogCut>,
}

impl Check<'_> {
    async fn run(&self, with_store: bool) -> StoreResult<Verification> {
        // What is folded is read first: records that arrive meanwhile are then left aside.
        let folded = if with_store {
            Some(self.store.folded(self.workspace).await?)
        } else {
            None
        };
        let end = folded
            .as_ref()
            .and_then(|folded| folded.head)
            .map(|head| head.seq);
        let (cut, rows, faults) = self.beginning(folded.as_ref()).await?;
        let chain = match &cut {
            Some(cut) => ChainVerifier::after(self.workspace, cut.head()),
            None => ChainVerifier::new(self.workspace),
        };
        let mut walk = Walk {
            chain,
            rows,
            faults,
            cut,
            missing: BTreeSet::new(),
            erased: BTreeSet::new(),
            records: 0,
            broken: false,
        };
        self.walk(&mut walk, end, with_store).await?;
        if let (Some(cut), false) = (&walk.cut, walk.broken) {
            let why = "the log does not say that it was cut off here";
            walk.faults.push(fault("cut", Some(cut.seq), why));
        }
        let head = *walk.chain.head();
        let mut rows = 0;
        match &folded {
            Some(folded) => rows = compare(self.key, &mut walk, folded, &head),
            None if !walk.broken => {
                // Without the store's rows at least its head must be where the log ends.
                let stored = self.store.head(self.workspace).await?;
                if stored.is_none_or(|stored| {
                    stored.seq < head.seq || (stored.seq == head.seq && stored.hash != head.hash)
                }) {
                    walk.faults.push(fault(
                        "head",
                        Some(head.seq),
                        "the stored head is not where the log ends",
                    ));
                }
            }
            None => {}
        }
        let unexplained = walk.missing.difference(&walk.erased).count() as u64;
        walk.faults.truncate(FAULTS_MAX);
        Ok(Verification {
            ok: walk.faults.is_empty(),
            records: walk.records,
            with_store,
            rows,
            erased: walk.erased.len() as u64,
            payloads_missing: unexplained,
            head,
            faults: walk.faults,
        })
    }

    /// Where the log begins: after the last cut, with the state kept for it.
    async fn beginning(&self, folded: Option<&Folded>) -> StoreResult<(Option<LogCut>, Rows, Vec<Fault>)> {
        // As stored now; the snapshot may be older than the rows.
        let stored = folded.and_then(|folded| folded.rows.workspace.as_ref());
        let cut = match stored {
            Some(row) => row.cut.clone(),
            None => self.last_cut.clone(),
        };
        let Some(cut) = cut else {
            return Ok((None, Rows::default(), Vec::new()));
        };
        let (rows, faults) = match retain::state_of(self.store, self.workspace, &cut).await? {
            Ok(rows) => (rows, Vec::new()),
            Err(why) => (Rows::default(), vec![fault("cut", Some(cut.seq), why)]),
        };
        Ok((Some(cut), rows, faults))
    }

    async fn walk(&self, walk: &mut Walk, end: Option<u64>, with_store: bool) -> StoreResult<()> {
        let mut beyond = Some(walk.chain.head().seq);
        loop {
            let query = RecordQuery {
                beyond,
                limit: EXPORT_MAX,
                ..RecordQuery::default()
            };
            let mut page = self.store.records(self.workspace, &query).await?;
            if let Some(end) = end {
                page.retain(|stored| stored.seq <= end);
            }
            let Some(last) = page.last() else { return Ok(()) };
            beyond = Some(last.seq);
            let mut with_payloads = BTreeMap::new();
            for stored in &page {
                match walk.chain.next(&stored.bytes, stored.hash) {
                    Ok(record) => {
                        walk.take(&record);
                        if with_store && !record.payloads.is_empty() {
                            with_payloads.insert(record.seq, record);
                        }
                    }
                    Err(found) => {
                        walk.faults.push(fault("chain", Some(found.seq), found.why));
                        walk.broken = true;
                        return Ok(());
                    }
                }
            }
            if with_store {
                self.check_payloads(
                    walk,
                    &with_payloads,
                    &page.iter().map(|stored| stored.seq).collect::<Vec<_>>(),
                )
                .await?;
            }
        }
    }

    /// Payloads that exist must be those that the records commit to.
    async fn check_payloads(
        &self,
        walk: &mut Walk,
        records: &BTreeMap<u64, Record>,
        page: &[u64],
    ) -> StoreResult<()> {
        let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
        for stored in self.store.payloads(self.workspace, page).await? {
            *seen.entry(stored.seq).or_default() += 1;
            let committed = records
                .get(&stored.seq)
                .and_then(|record| record.payloads.get(&stored.name));
            let opened = self.key.map(|key| key.open(&stored));
            let why = match (committed, opened) {
                (None, _) => "is stored beside a record that knows nothing of it",
                (_, Some(None)) => "does not open: it was changed",
                (Some(hash), Some(Some(plain))) if *hash != commitment(&stored.salt, &plain) => {
                    "is not the one that the record commits to"
                }
                _ => continue,
            };
            walk.faults.push(fault(
                "payload",
                Some(stored.seq),
                format!("the payload `{}` {why}", stored.name),
            ));
        }
        for (seq, record) in records {
            if seen.get(seq).copied().unwrap_or(0) < record.payloads.len() {
                walk.missing.insert(*seq);
            }
        }
        Ok(())
    }
}

impl Walk {
    fn take(&mut self, record: &Record) {
        self.records += 1;
        match &record.event {
            Event::PayloadErased(erased) => self.erased.extend(&erased.sequences),
            Event::LogCut(cut) => drop(self.cut.take_if(|begins| begins == cut)),
            _ => {}
        }
        if let Err(error) = self.rows.fold(record) {
            self.faults.push(fault("fold", Some(record.seq), error));
        }
    }
}

fn compare(key: Option<&WorkspaceKey>, walk: &mut Walk, folded: &Folded, head: &Head) -> u64 {
    walk.faults
        .extend(folded.faults.iter().map(|why| fault("index", None, why)));
    if walk.broken {
        // What does not add up can't be compared; the first break is named.
        return 0;
    }
    if folded.head != Some(*head) {
        walk.faults.push(fault(
            "head",
            Some(head.seq),
            "the stored head is not where the log ends",
        ));
    }
    let count = compare_rows(&walk.rows, &folded.rows, &mut walk.faults);
    if let Some(key) = key {
        compare_secrets(key, &walk.rows, folded, &mut walk.faults);
    }
    count
}

macro_rules! tables {
    ($expected:expr, $stored:expr, $faults:expr, $($table:ident),+) => {{
        let mut count = 0;
        $(count += compare_table(stringify!($table), &$expected.$table, &$stored.$table, $faults);)+
        count
    }};
}

fn compare_rows(expected: &Rows, stored: &Rows, faults: &mut Vec<Fault>) -> u64 {
    if expected.workspace != stored.workspace {
        let why = "the row is not what the log adds up to";
        faults.push(Fault {
            kind: "fold",
            seq: None,
            table: Some("workspaces".into()),
            row: None,
            detail: why.into(),
        });
    }
    1 + tables!(
        expected,
        stored,
        faults,
        policies,
        agents,
        applications,
        operators,
        groups,
        keys,
        channels,
        grants,
        standing,
        approvals,
        executions,
        counters,
        counted
    )
}

fn compare_table<K: Ord + Display, R: PartialEq>(
    table: &str,
    expected: &BTreeMap<K, R>,
    stored: &BTreeMap<K, R>,
    faults: &mut Vec<Fault>,
) -> u64 {
    let mut differs = |id: &K, why: &str| {
        faults.push(Fault {
            kind: "fold",
            seq: None,
            table: Some(table.to_owned()),
            row: Some(id.to_string()),
            detail: why.to_owned(),
        });
    };
    for (id, row) in expected {
        match stored.get(id) {
            None => differs(id, "the row is missing"),
            Some(found) if found != row => differs(id, "the row is not what the log adds up to"),
            Some(_) => {}
        }
    }
    for id in stored.keys().filter(|id| !expected.contains_key(id)) {
        differs(id, "the log knows nothing of the row");
    }
    expected.len() as u64
}

/// Swapping a stored hash behind the log's back shows here.
fn compare_secrets(key: &WorkspaceKey, rows: &Rows, folded: &Folded, faults: &mut Vec<Fault>) {
    let mut expected: BTreeMap<(SecretKind, RawId), Hash32> = BTreeMap::new();
    expected.extend(
        rows.keys
            .values()
            .map(|row| ((SecretKind::Key, row.id.0), row.digest)),
    );
    expected.extend(
        rows.operators
            .values()
            .filter_map(|row| Some(((SecretKind::Password, row.id.0), row.password_digest?))),
    );
    expected.extend(
        rows.operators
            .values()
            .filter_map(|row| Some(((SecretKind::Contact, row.id.0), row.contact_digest?))),
    );
    expected.extend(
        rows.channels
            .values()
            .map(|row| ((SecretKind::Channel, row.id.0), row.digest)),
    );
    expected.extend(
        rows.grants
            .values()
            .map(|row| ((SecretKind::Grant, row.id.0), row.digest)),
    );
    let mut differs = |kind: SecretKind, id: RawId, why: &str| {
        let row = match kind {
            SecretKind::Key => KeyId(id).to_string(),
            SecretKind::Password | SecretKind::Contact => OperatorId(id).to_string(),
            SecretKind::Channel => ChannelId(id).to_string(),
            SecretKind::Grant => GrantId(id).to_string(),
        };
        let detail = format!("the stored {} {why}", kind.as_str());
        faults.push(Fault {
            kind: "secret",
            seq: None,
            table: Some("secrets".into()),
            row: Some(row),
            detail,
        });
    };
    for secret in &folded.secrets {
        let digest = key.secret_digest(secret.kind, secret.id, &secret.value);
        match expected.remove(&(secret.kind, secret.id)) {
            None => differs(secret.kind, secret.id, "is one that the log knows nothing of"),
            Some(logged) if logged != digest => differs(secret.kind, secret.id, "is not the one in the log"),
            Some(_) => {}
        }
    }
    for (kind, id) in expected.into_keys() {
        differs(kind, id, "is missing");
    }
}
