//! The store: reports once, what they count, and the verdicts on them.
//!
//! SQLite in the state directory, or PostgreSQL (`database`); every commit is
//! on the disk, and on the synchronous standby where there is one. One thread
//! writes; whoever reads opens a connection of its own. What is said to be
//! stored is stored.

mod access;
mod alerts;
mod aside;
pub(crate) mod batches;
mod blocks;
mod convert;
mod counting;
pub(crate) mod database;
mod delays;
mod dossier;
mod findings;
mod follow;
mod hops;
mod hours;
mod lease;
mod lent;
mod maintenance;
mod numbers;
mod packing;
pub(crate) mod plans;
mod raw;
mod reader;
mod remote_write;
mod report_number;
mod schema;
mod seen;
mod taking;
mod tiers;
pub mod upkeep;
mod verdicts;
mod writer;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use owl_measure::report::{Loss, Numbers, Report};
use owl_measure::time::{Nanos, Timestamp};
use tokio::sync::{mpsc, oneshot};

use crate::access::act::Act;
use crate::aside::Refusal;
use crate::block::BlockError;
use crate::judgement::Judgement;
use crate::live::{Caller, Judging, Live};
use crate::metrics::Own;
use crate::plan::Standing;
use crate::rulebook::Rulebook;
pub(crate) use access::{Console, Listed};
pub(crate) use alerts::AlertChange;
pub(crate) use aside::{Aside, ask as ask_aside};
pub use database::{DatabaseError, Place, PlaceError, PostgresAddress};
pub(crate) use dossier::{Side, StoredReport, StoredVerdict};
pub(crate) use findings::{Audited, FindingsQuery};
pub(crate) use follow::Follower;
pub(crate) use lease::Lease;
use lent::Idle;
pub(crate) use numbers::Gap;
pub(crate) use packing::Pack;
pub(crate) use reader::{
    Dirty, HistoryQuery, HopChange, KeptWindows, ProbeRows, Reader, Sessions, VerdictName,
};
pub(crate) use remote_write::Sent;
pub use report_number::ReportNumber;
pub(crate) use seen::last_seen;
pub(crate) use tiers::{Change, Disbelieved, InputRow, SETTLED, TierRow, Unmade};
#[cfg(test)]
pub(crate) use verdicts::unpack as unpack_verdict;
use writer::Writer;

/// Orders that wait for the writer; when it is full, whoever brings one more waits (back-pressure up to the probes).
const ORDERS_MAX: usize = 64;
/// A store that cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The state directory cannot be made or locked.
    #[error("cannot use the state directory {directory}")]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another collector holds it.
    #[error("cannot use the state directory {directory}: another collector holds it")]
    Held {
        /// The directory.
        directory: PathBuf,
    },
    /// Its engine refuses.
    #[error("cannot use the store {store}")]
    Database {
        /// Which store.
        store: Place,
        /// Why.
        source: DatabaseError,
    },
    /// It was made by another version.
    #[error(
        "cannot use the store {store}: its schema is version {found}, and this collector knows version {known}",
        known = schema::VERSION
    )]
    Version {
        /// Which store.
        store: Place,
        /// Its version.
        found: i64,
    },
    /// A row does not hold what was written there.
    #[error("cannot read the store {store}: a row of {table} is damaged")]
    Damaged {
        /// Which store.
        store: Place,
        /// The table.
        table: &'static str,
    },
    /// A block of reports is not what was stored.
    #[error("cannot read the store {store}: the block of {path} that begins at {start} is damaged", start = .start.0)]
    DamagedBlock {
        /// Which store.
        store: Place,
        /// Whose reports they are.
        path: String,
        /// When the first of their intervals begins.
        start: Timestamp,
        /// What is wrong with it.
        source: BlockError,
    },
    /// A batch of reports is not what was stored.
    #[error("cannot read the store {store}: the batch of {probe} that came at {received_at} is damaged", received_at = .received_at.0)]
    DamagedBatch {
        /// Which store.
        store: Place,
        /// Who sent it.
        probe: String,
        /// When it came.
        received_at: Timestamp,
    },
    /// A report is not what was stored.
    #[error("cannot read the store {store}: {report} is damaged")]
    DamagedReport {
        /// Which store.
        store: Place,
        /// Which one.
        report: ReportNumber,
    },
}

/// The writer did not commit; nothing of the order is in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store refuses")]
pub(crate) struct Refused;

/// How judged windows lie in time: what a report makes dirty.
#[derive(Debug, Clone)]
pub(crate) struct Windowing {
    /// The distinct window lengths of the judged paths.
    pub(crate) lengths: Vec<Nanos>,
    /// From where windows are counted.
    pub(crate) aligned_to: Timestamp,
}

impl Windowing {
    pub(crate) fn of(live: &Live, aligned_to: Timestamp) -> Self {
        let mut lengths: Vec<Nanos> = live
            .read()
            .paths
            .iter()
            .map(|live| live.path.profile.interval)
            .collect();
        lengths.sort_unstable();
        lengths.dedup();
        Self {
            lengths,
            aligned_to,
        }
    }
}

/// A report that may be stored, and its octets.
#[derive(Debug, Clone)]
pub(crate) struct Admitted {
    pub(crate) report: Report,
    pub(crate) body: Vec<u8>,
}

/// A report that may not be stored: its octets are kept aside.
#[derive(Debug, Clone)]
pub(crate) struct Rejected {
    pub(crate) refusal: Refusal,
    pub(crate) body: Vec<u8>,
}

/// A batch as it came; a rejected report uses up its number all the same.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) probe: String,
    pub(crate) epoch: u64,
    pub(crate) first_sequence: u64,
    pub(crate) received_at: Timestamp,
    /// Whether the probe knows of questions for numbers that did not come.
    pub(crate) can_be_asked: bool,
    pub(crate) reports: Vec<Result<Admitted, Rejected>>,
}

/// What can be written.
#[derive(Debug)]
pub(crate) enum Work {
    /// A probe called. Answers up to where its epoch is stored.
    Call { probe: String, caller: Caller },
    /// Reports came. Answers up to where the probe's epoch is stored now.
    Arrival(Arc<Arrival>),
    /// A probe says that no report will come for these numbers. Answers up to where its epoch is stored.
    Gone {
        probe: String,
        numbers: Numbers,
        loss: Loss,
        at: Timestamp,
    },
    /// A report that was kept aside was looked at once more. Answers 1 when it is stored now.
    Reexamined {
        aside: Aside,
        outcome: Result<Box<Report>, Refusal>,
    },
    /// The judge spoke on a window, by a rulebook. Answers 0.
    Verdicts {
        judgements: Vec<Judgement>,
        book: Arc<Rulebook>,
        seen: Option<Dirty>,
        /// What the audit of the window changes, where findings follow windows of its length.
        audited: Option<Box<Audited>>,
    },
    /// Batches become blocks. Answers how many batches.
    Pack(Box<Pack>),
    /// What is kept for longer than reports changes.
    Tiers(Change),
    /// A look whether the store takes anything. Answers 0.
    Nothing,
    /// A probe stands otherwise than before. Answers 0.
    Standing { probe: String, standing: Standing },
    /// Somebody did something. Answers 0.
    Access(Box<Act>),
    /// A receiver of remote write has the verdicts up to here. Answers 0.
    Sent { receiver: String, sent: Sent },
    /// What is told changes, or what a receiver of alerts knows of it. Answers 0.
    Alerts(Box<AlertChange>),
    /// What is older may go. Answers how many rows went; more may be left while it is not 0.
    Retain { before: Timestamp },
}

struct Order {
    work: Work,
    /// Of the lease of the judge that wants it; for others `None`.
    epoch: Option<i64>,
    reply: oneshot::Sender<Result<u64, Refused>>,
}

/// The store, for everyone who wants something written or read.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    place: Arc<Place>,
    orders: mpsc::Sender<Order>,
    lease: Arc<Lease>,
    idle: Arc<Idle>,
}

/// The thread that writes; it ends once every [`Store`] is gone and all orders are done.
#[derive(Debug)]
pub(crate) struct WriterThread {
    thread: thread::JoinHandle<()>,
    /// Held open for their locks.
    _locks: Vec<File>,
}

impl WriterThread {
    /// Waits for the last commit. The caller has dropped every [`Store`].
    pub(crate) fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("the store's writer panicked");
        }
    }
}

impl Store {
    /// Opens or makes the store in `directory`.
    #[cfg(test)]
    pub(crate) fn open(
        directory: &Path,
        windowing: Windowing,
        live: &Arc<Live>,
        own: &Arc<Own>,
    ) -> Result<(Self, WriterThread), StoreError> {
        let place = Place::in_directory(directory);
        Self::open_at(directory, place, windowing, live, own)
    }

    /// Opens or makes the store, fills `live` from it and starts its writer. `directory` is this collector's own, also
    /// when its store is elsewhere; another collector may not have the same.
    pub(crate) fn open_at(
        directory: &Path,
        place: Place,
        windowing: Windowing,
        live: &Arc<Live>,
        own: &Arc<Own>,
    ) -> Result<(Self, WriterThread), StoreError> {
        let locks = hold_both(directory, &place)?;
        let lease = Arc::new(Lease::on(&place));
        if lease.is_shared() {
            live.write().judging = Judging::Elsewhere;
        }
        let writer = Writer::open(
            &place,
            windowing,
            Arc::clone(live),
            Arc::clone(own),
            Arc::clone(&lease),
        )?;
        let (orders, receiver) = mpsc::channel(ORDERS_MAX);
        let thread = thread::Builder::new()
            .name("store".into())
            .spawn(move || writer.run(receiver))
            .map_err(|source| StoreError::Directory {
                directory: directory.to_owned(),
                source,
            })?;
        Ok((
            Self {
                place: place.into(),
                orders,
                lease,
                idle: Arc::default(),
            },
            WriterThread {
                thread,
                _locks: locks,
            },
        ))
    }

    /// Has something written; returns after the commit.
    pub(crate) async fn write(&self, work: Work) -> Result<u64, Refused> {
        self.order(work, None).await
    }

    async fn order(&self, work: Work, epoch: Option<i64>) -> Result<u64, Refused> {
        let (reply, answer) = oneshot::channel();
        self.orders
            .send(Order { work, epoch, reply })
            .await
            .map_err(|_| Refused)?;
        answer.await.map_err(|_| Refused)?
    }

    /// The same from a plain thread.
    pub(crate) fn write_blocking(&self, work: Work) -> Result<u64, Refused> {
        self.order_blocking(work, None)
    }

    /// The same for a judge: refused when the lease of that epoch is another's meanwhile.
    pub(crate) fn write_judged(&self, work: Work, epoch: i64) -> Result<u64, Refused> {
        self.order_blocking(work, Some(epoch))
    }

    /// The same from a task.
    pub(crate) async fn write_as_judge(&self, work: Work, epoch: i64) -> Result<u64, Refused> {
        self.order(work, Some(epoch)).await
    }

    fn order_blocking(&self, work: Work, epoch: Option<i64>) -> Result<u64, Refused> {
        let (reply, answer) = oneshot::channel();
        self.orders
            .blocking_send(Order { work, epoch, reply })
            .map_err(|_| Refused)?;
        answer.blocking_recv().map_err(|_| Refused)?
    }

    /// Who judges, where other collectors have the same store.
    pub(crate) fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    /// A connection of its own for someone who reads.
    pub(crate) fn reader(&self) -> Result<Reader, StoreError> {
        let lent = self.idle.lend(&self.place);
        lent.map(Reader::on).map_err(refused(&self.place))
    }
}

/// Makes a state directory where there is none, and holds it against other collectors as long as the file is open.
fn hold(directory: &Path) -> Result<File, StoreError> {
    let fault = |source| StoreError::Directory {
        directory: directory.to_owned(),
        source,
    };
    fs::create_dir_all(directory).map_err(fault)?;
    let lock = File::create(directory.join("lock")).map_err(fault)?;
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => StoreError::Held {
            directory: directory.to_owned(),
        },
        TryLockError::Error(source) => fault(source),
    })?;
    Ok(lock)
}

/// Holds a state directory, and the directory of a file of SQLite that is elsewhere.
fn hold_both(state: &Path, place: &Place) -> Result<Vec<File>, StoreError> {
    let mut locks = vec![hold(state)?];
    let Place::Sqlite(file) = place else {
        return Ok(locks);
    };
    let parent = file.parent().filter(|it| !it.as_os_str().is_empty());
    let elsewhere = parent.unwrap_or(Path::new("."));
    let is_there = |directory: &Path| fs::canonicalize(directory).ok();
    if is_there(elsewhere).is_none_or(|it| Some(it) != is_there(state)) {
        locks.push(hold(elsewhere)?);
    }
    Ok(locks)
}

/// Says which store it was that refused.
fn refused(store: &Place) -> impl Fn(DatabaseError) -> StoreError {
    |source| StoreError::Database {
        store: store.clone(),
        source,
    }
}

/// The bits of an epoch as a signed number, as columns are.
fn epoch_column(epoch: u64) -> i64 {
    i64::from_ne_bytes(epoch.to_ne_bytes())
}

#[cfg(test)]
mod tests;
