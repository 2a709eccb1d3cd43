//! Columns: the tokens of all of them one after the other, then their bits, compressed.

use std::cell::RefCell;

use owl_measure::time::Timestamp;
use zstd::bulk::{Compressor, Decompressor};

use super::bits::{self, BitReader, BitWriter};
use super::cells::Symbol;
use super::forecast::{at_distance, distance};
use super::schema::{LAYOUT, Lists, Role, read_varint, write_varint};
use super::{BlockError, BlockReport, COLUMNS_MAX, LEVEL, RECEIPT_UNIT};

/// Tokens that are compressed by themselves at least: a code of their own takes some octets too.
const PART_MIN: usize = 512;

thread_local! {
    /// A context is larger than most blocks, so a thread keeps one.
    static COMPRESSOR: RefCell<Compressor<'static>> = RefCell::new(compressor());
    static DECOMPRESSOR: RefCell<Decompressor<'static>> =
        RefCell::new(Decompressor::new().expect("without a dictionary nothing can be wrong with it"));
}

fn compressor() -> Compressor<'static> {
    let mut compressor = Compressor::new(LEVEL).expect("the level is one that zstd has");
    let checked = compressor.include_checksum(true);
    checked.expect("nothing is being compressed yet");
    compressor
}

/// Numbers as they are written.
#[derive(Debug, Default)]
pub(super) struct ColumnWriter {
    tokens: Vec<u8>,
    bits: BitWriter,
    /// Where tokens of another kind begin: what is compressed together has one code for all of it.
    cuts: Vec<usize>,
}

impl ColumnWriter {
    pub(super) fn number(&mut self, number: u64) {
        bits::put(number, &mut self.tokens, &mut self.bits);
    }

    pub(super) fn octets(&mut self, octets: &[u8]) {
        self.number(octets.len() as u64);
        self.tokens.extend_from_slice(octets);
    }

    fn symbol(&mut self, symbol: u64) {
        let (first, number) = match Symbol::unpack(symbol) {
            Symbol::Gap(gap) => (0, gap),
            Symbol::Again(hits) => (bits::TOKENS, hits),
        };
        bits::put_from(first, number, &mut self.tokens, &mut self.bits);
    }

    /// Whose reports they are and when they came.
    pub(super) fn receipts(&mut self, reports: &[BlockReport]) {
        let is_whole = |report: &BlockReport| report.received_at.0 % RECEIPT_UNIT == 0;
        let unit = if reports.iter().all(is_whole) {
            RECEIPT_UNIT
        } else {
            1
        };
        self.number(unit as u64);
        self.line(reports.iter().map(|report| report.epoch));
        self.line(reports.iter().map(|report| report.sequence));
        let receipts = reports.iter().map(|report| report.received_at.0 / unit);
        self.line(receipts.map(|receipt| receipt as u64));
    }

    fn line(&mut self, numbers: impl Iterator<Item = u64>) {
        let mut line = Line::default();
        for number in numbers {
            self.number(distance(number, line.next()));
            line.follow(number);
        }
    }

    /// The fields of all reports, each column for itself; those that are alike beside each other.
    pub(super) fn rows(&mut self, rows: &Rows) {
        for text in 0..LAYOUT.texts {
            let mut last: &[u8] = &[];
            for now in rows.texts.iter().skip(text).step_by(LAYOUT.texts) {
                let is_same = now.as_slice() == last;
                self.number(u64::from(!is_same));
                if !is_same {
                    self.octets(now);
                }
                last = now;
            }
        }
        for place in 0..LAYOUT.numbers {
            let column = rows.numbers.iter().skip(place).step_by(LAYOUT.numbers);
            self.column(column.copied());
        }
        for list in 0..LAYOUT.lists {
            let mut last = 0;
            let lengths: Vec<u64> = rows
                .iter()
                .map(|row| row.list(list).len() as u64)
                .map(|length| distance(length, std::mem::replace(&mut last, length)))
                .collect();
            self.column(lengths.into_iter());
        }
        for (list, role) in in_order() {
            self.cut();
            let numbers = rows.iter().flat_map(|row| row.list(list));
            match role {
                Role::Above(_) | Role::Below(_) => numbers.for_each(|&symbol| self.symbol(symbol)),
                _ => numbers.for_each(|&number| self.number(number)),
            }
        }
    }

    fn cut(&mut self) {
        let last = self.cuts.last().copied().unwrap_or(0);
        if self.tokens.len() - last >= PART_MIN {
            self.cuts.push(self.tokens.len());
        }
    }

    /// A column of nothing but zeros is one zero.
    fn column(&mut self, numbers: impl Iterator<Item = u64> + Clone) {
        if numbers.clone().all(|number| number == 0) {
            return self.number(0);
        }
        self.number(1);
        numbers.for_each(|number| self.number(number));
    }

    /// Appends all of it, compressed.
    pub(super) fn finish(mut self, body: &mut Vec<u8>) {
        self.cut();
        let Self { tokens, bits, cuts } = self;
        let bits = bits.finish();
        write_varint(tokens.len() as u64, body);
        write_varint((tokens.len() + bits.len()) as u64, body);
        let mut begin = 0;
        let ends = cuts.into_iter().chain([tokens.len()]);
        let parts = ends.map(|end| &tokens[std::mem::replace(&mut begin, end)..end]);
        let parts = parts.chain([bits.as_slice()]);
        COMPRESSOR.with_borrow_mut(|compressor| {
            for part in parts.filter(|part| !part.is_empty()) {
                let compressed = compressor.compress(part);
                body.extend(compressed.expect("there is room for the worst case"));
            }
        });
    }
}

/// The lists in the order in which they are written: those of cells last.
fn in_order() -> impl Iterator<Item = (usize, Role)> {
    let lists = || LAYOUT.roles.iter().copied().enumerate();
    let is_cells = |role: Role| matches!(role, Role::Above(_) | Role::Below(_));
    let others = lists().filter(move |&(_, role)| !is_cells(role));
    others.chain(lists().filter(move |&(_, role)| is_cells(role)))
}

/// Rows one after the other, in few allocations.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// So many a row as the layout has.
    pub(super) numbers: Vec<u64>,
    pub(super) texts: Vec<Vec<u8>>,
    /// The lists of all rows.
    pub(super) lists: Lists,
}

/// How much of [`Rows`] was there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    numbers: usize,
    lists: usize,
    ends: usize,
}

/// A row among others.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowView<'a> {
    pub(super) numbers: &'a [u64],
    pub(super) texts: &'a [Vec<u8>],
    lists: &'a Lists,
    first_list: usize,
}

impl<'a> RowView<'a> {
    pub(super) fn list(&self, list: usize) -> &'a [u64] {
        self.lists.list(self.first_list + list)
    }
}

impl Rows {
    pub(super) fn mark(&self) -> Mark {
        Mark {
            numbers: self.numbers.len(),
            lists: self.lists.numbers.len(),
            ends: self.lists.ends.len(),
        }
    }

    /// Forgets what came after the mark.
    pub(super) fn back_to(&mut self, mark: Mark) {
        self.numbers.truncate(mark.numbers);
        self.lists.numbers.truncate(mark.lists);
        self.lists.ends.truncate(mark.ends);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = RowView<'_>> {
        let rows = self.numbers.chunks(LAYOUT.numbers).enumerate();
        rows.map(|(k, numbers)| RowView {
            numbers,
            texts: &self.texts[k * LAYOUT.texts..][..LAYOUT.texts],
            lists: &self.lists,
            first_list: k * LAYOUT.lists,
        })
    }
}

/// A column that goes up by about as much each time.
#[derive(Debug, Default)]
struct Line {
    last: u64,
    step: u64,
}

impl Line {
    fn next(&self) -> u64 {
        self.last.wrapping_add(self.step)
    }

    fn follow(&mut self, number: u64) {
        *self = Self {
            last: number,
            step: number.wrapping_sub(self.last),
        };
    }
}

/// The octets of the columns.
pub(super) struct Columns {
    octets: Vec<u8>,
    tokens: usize,
}

impl Columns {
    pub(super) fn of(mut body: &[u8]) -> Result<Self, BlockError> {
        let mut length = || {
            let length = read_varint(&mut body).ok_or(BlockError::Short)?;
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if length > COLUMNS_MAX {
                return Err(BlockError::TooLarge);
            }
            Ok(length)
        };
        let (tokens, whole) = (length()?, length()?);
        let octets = DECOMPRESSOR
            .with_borrow_mut(|decompressor| decompressor.decompress(body, whole))
            .map_err(|_| BlockError::Compression)?;
        if octets.len() != whole || tokens > whole {
            return Err(BlockError::Short);
        }
        Ok(Self { octets, tokens })
    }

    pub(super) fn reader(&self) -> ColumnReader<'_> {
        let (tokens, bits) = self.octets.split_at(self.tokens);
        ColumnReader {
            tokens,
            bits: BitReader::new(bits),
        }
    }
}

/// Numbers as they are read.
pub(super) struct ColumnReader<'a> {
    tokens: &'a [u8],
    bits: BitReader<'a>,
}

impl ColumnReader<'_> {
    /// Whether everything was read: what is left over was never written.
    pub(super) fn is_at_end(&self) -> bool {
        self.tokens.is_empty() && self.bits.is_at_end()
    }

    fn token(&mut self) -> Result<u8, BlockError> {
        let (&token, rest) = self.tokens.split_first().ok_or(BlockError::Short)?;
        self.tokens = rest;
        Ok(token)
    }

    fn number(&mut self) -> Result<u64, BlockError> {
        let token = self.token()?;
        bits::take(token, &mut self.bits)
    }

    fn symbol(&mut self) -> Result<u64, BlockError> {
        let token = self.token()?;
        let again = token.checked_sub(bits::TOKENS);
        let number = bits::take(again.unwrap_or(token), &mut self.bits)?;
        // The highest bit tells which of the two it is.
        if number > u64::MAX >> 1 {
            return Err(BlockError::Token);
        }
        Ok(match again {
            None => Symbol::Gap(number),
            Some(_) => Symbol::Again(number),
        }
        .pack())
    }

    /// A number of things of which there are `max` at most.
    pub(super) fn count(&mut self, max: usize) -> Result<usize, BlockError> {
        let count = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if count > max {
            return Err(BlockError::TooLarge);
        }
        Ok(count)
    }

    pub(super) fn octets(&mut self) -> Result<Vec<u8>, BlockError> {
        let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        let (octets, rest) = self
            .tokens
            .split_at_checked(length)
            .ok_or(BlockError::Short)?;
        self.tokens = rest;
        Ok(octets.to_owned())
    }

    /// So many reports without their octets.
    pub(super) fn receipts(&mut self, count: usize) -> Result<Vec<BlockReport>, BlockError> {
        let unit = self.number()? as i64;
        let epochs = self.line(count)?;
        let sequences = self.line(count)?;
        let receipts = self.line(count)?;
        let reports = epochs.into_iter().zip(sequences).zip(receipts);
        Ok(reports
            .map(|((epoch, sequence), receipt)| BlockReport {
                epoch,
                sequence,
                received_at: Timestamp((receipt as i64).wrapping_mul(unit)),
                octets: Vec::new(),
            })
            .collect())
    }

    fn line(&mut self, count: usize) -> Result<Vec<u64>, BlockError> {
        let mut line = Line::default();
        (0..count)
            .map(|_| {
                let number = at_distance(self.number()?, line.next());
                line.follow(number);
                Ok(number)
            })
            .collect()
    }

    /// The fields of so many reports.
    pub(super) fn rows(&mut self, count: usize) -> Result<Rows, BlockError> {
        let layout = &*LAYOUT;
        let mut rows = Rows {
            numbers: vec![0; count * layout.numbers],
            texts: vec![Vec::new(); count * layout.texts],
            lists: Lists::default(),
        };
        for text in 0..layout.texts {
            let mut last = Vec::new();
            for row in 0..count {
                if self.number()? > 0 {
                    last = self.octets()?;
                }
                rows.texts[row * layout.texts + text].clone_from(&last);
            }
        }
        for place in 0..layout.numbers {
            if self.number()? > 0 {
                for row in 0..count {
                    rows.numbers[row * layout.numbers + place] = self.number()?;
                }
            }
        }
        let mut lengths = vec![0; count * layout.lists];
        for list in 0..layout.lists {
            if self.number()? > 0 {
                let mut last = 0;
                for row in 0..count {
                    last = at_distance(self.number()?, last);
                    // Each number has a token at least.
                    let length = usize::try_from(last).unwrap_or(usize::MAX);
                    if length > self.tokens.len() {
                        return Err(BlockError::Short);
                    }
                    lengths[row * layout.lists + list] = length;
                }
            }
        }
        let mut end = 0_usize;
        for length in lengths {
            end += length;
            rows.lists.ends.push(end);
        }
        if end > self.tokens.len() {
            return Err(BlockError::Short);
        }
        rows.lists.numbers = vec![0; end];
        for (list, role) in in_order() {
            for row in 0..count {
                let range = rows.lists.range(row * layout.lists + list);
                for number in &mut rows.lists.numbers[range] {
                    *number = match role {
                        Role::Above(_) | Role::Below(_) => self.symbol(),
                        _ => self.number(),
                    }?;
                }
            }
        }
        Ok(rows)
    }
}
