//! The fields of a report as numbered places, and protobuf to and from them.
//!
//! The tags are those of `report.proto`; a test holds this table against that
//! file. Reading is strict only as far as it must be: what is read is written
//! again and compared, so a report that is encoded in any other way, or has a
//! field that is not in this table, is found out and kept as it came.

use std::ops::Range;
use std::sync::LazyLock;

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A number; zero is left out.
    Number,
    /// A number that is written also when it is zero, or is not there.
    Optional,
    /// A text; an empty one is left out.
    Text,
    /// Numbers in one field.
    Packed,
    /// A message, or none.
    Message(&'static [Field]),
    /// Messages of numbers only.
    Repeated(&'static [Field]),
}

/// Tag, name as in report.proto, and kind.
pub(super) type Field = (u32, &'static str, Kind);

use Kind::{Message, Number, Optional, Packed, Repeated, Text};

const REPORT: &[Field] = &[
    (1, "path", Text),
    (2, "generation", Text),
    (3, "packet_interval_ns", Number),
    (4, "summary", Message(SUMMARY)),
    (5, "clock", Message(CLOCK)),
    (6, "flow", Number),
];
const SUMMARY: &[Field] = &[
    (1, "start_ns", Number),
    (2, "length_ns", Number),
    (3, "sent", Number),
    (4, "received", Number),
    (5, "late", Number),
    (6, "lost", Number),
    (7, "skipped", Number),
    (8, "lateness_max_ns", Number),
    (9, "forward", Message(DIRECTION)),
    (10, "backward", Message(DIRECTION)),
    (11, "round_trip", Message(HISTOGRAM)),
    (12, "round_trip_within", Repeated(WITHIN)),
    (13, "transmit_stamps", Message(STAMPS)),
    (14, "receive_stamps", Message(STAMPS)),
    (15, "ttl_min", Number),
    (16, "ttl_max", Number),
    (17, "peer_claims", Number),
    (18, "peer_no_claims", Number),
    (19, "peer_widest_ns", Number),
    (20, "reflector_stamps", Message(STAMPS)),
    (30, "somewhere", Message(PATTERNS)),
    (31, "reply_ttl_min", Number),
    (32, "reply_ttl_max", Number),
    (40, "own_loss", Number),
    (50, "hindrance", Number),
    (51, "hindrance_accept", Number),
];
const DIRECTION: &[Field] = &[
    (1, "raw", Message(HISTOGRAM)),
    (2, "ipdv", Message(HISTOGRAM)),
    (3, "within", Repeated(WITHIN)),
    (4, "lost", Number),
    (5, "duplicated", Number),
    (6, "reordered", Number),
    (7, "envelope_at_ns", Packed),
    (8, "envelope_raw_ns", Packed),
    (9, "patterns", Message(PATTERNS)),
    (10, "dscp_told", Number),
    (11, "remarked", Number),
    (12, "congestion", Number),
];
const PATTERNS: &[Field] = &[
    (1, "extents", Message(LENGTHS)),
    (2, "n_reordering", Message(LENGTHS)),
    (3, "loss_periods", Message(LENGTHS)),
    (4, "loss_distances", Message(LENGTHS)),
    (50, "late_offsets", Message(LENGTHS)),
];
const LENGTHS: &[Field] = &[
    (1, "counts", Packed),
    (2, "longest", Number),
    (3, "sum", Number),
];
const HISTOGRAM: &[Field] = &[
    (1, "base_ns", Number),
    (2, "min_ns", Number),
    (3, "max_ns", Number),
    (4, "sum_ns", Number),
    (5, "above_gaps", Packed),
    (6, "above_counts", Packed),
    (7, "below_gaps", Packed),
    (8, "below_counts", Packed),
];
const WITHIN: &[Field] = &[(1, "target_ns", Number), (2, "count", Number)];
const STAMPS: &[Field] = &[
    (1, "hardware", Number),
    (2, "kernel", Number),
    (3, "user", Number),
];
const CLOCK: &[Field] = &[
    (1, "as_of_ns", Number),
    (2, "source", Number),
    (3, "status", Number),
    (4, "bound_ns", Optional),
    (5, "basis", Number),
    (6, "drift_ppb", Number),
    (7, "transmit_stamp_error_ns", Number),
    (8, "receive_stamp_error_ns", Number),
    (9, "kernel_synchronised", Number),
    (10, "kernel_max_error_ns", Number),
    (11, "kernel_estimated_error_ns", Number),
    (12, "kernel_tai_offset_s", Number),
    (30, "correction_ns", Number),
    (31, "random_ns", Number),
    (32, "void_after_ns", Optional),
    (33, "steps", Number),
    (34, "as_of_monotonic_ns", Number),
    (35, "kernel_frequency_ppb", Number),
];

/// A field in its place.
#[derive(Debug)]
enum Node {
    Number(usize),
    /// Whether it is there, and the number.
    Optional(usize, usize),
    Text(usize),
    Packed(usize),
    /// Whether it is there, and its fields.
    Message(usize, Vec<(u32, Node)>),
    /// The tags of the numbers of each message; they follow each other in one list.
    Repeated(Vec<u32>, usize),
}

/// The places of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HistogramPlaces {
    pub(super) base: usize,
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) sum: usize,
    /// Lists: gaps and counts above the base, gaps and counts below it.
    pub(super) cells: [usize; 4],
}

/// The places of a lower envelope: two lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EnvelopePlaces {
    pub(super) at: usize,
    pub(super) raw: usize,
}

/// What a list is; of histograms and envelopes with their number in [`Layout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Numbers like those of the report before.
    Plain,
    /// Gaps between cells from the base upwards.
    Above(usize),
    /// And downwards.
    Below(usize),
    /// What another list tells already: how often cells were hit.
    Nothing,
    /// When the packets of an envelope were sent.
    At(usize),
    /// How far above the base they were.
    Raw(usize),
}

/// Every field of a report in its place.
#[derive(Debug)]
pub(super) struct Layout {
    root: Vec<(u32, Node)>,
    /// How many numbers, lists and texts there are.
    pub(super) numbers: usize,
    pub(super) lists: usize,
    pub(super) texts: usize,
    /// What each list is.
    pub(super) roles: Vec<Role>,
    names: Vec<(String, usize)>,
    pub(super) packet_interval: usize,
    pub(super) start: usize,
    pub(super) length: usize,
    pub(super) as_of: usize,
    pub(super) as_of_monotonic: usize,
    /// Whether it is told when the clock is void, and when.
    pub(super) void_after: (usize, usize),
    /// Raw forward, raw backward, IPDV forward, IPDV backward, round trip.
    pub(super) histograms: [HistogramPlaces; 5],
    /// Forward, backward.
    pub(super) envelopes: [EnvelopePlaces; 2],
}

/// The one layout of this version.
pub(super) static LAYOUT: LazyLock<Layout> = LazyLock::new(Layout::new);

/// What a report holds, field by field in its place; numbers as they stand on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) numbers: Vec<u64>,
    pub(super) texts: Vec<Vec<u8>>,
    pub(super) lists: Lists,
}

/// The lists of a row, one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lists {
    pub(super) numbers: Vec<u64>,
    /// Where each of them ends; of those that have been closed.
    pub(super) ends: Vec<usize>,
}

impl Lists {
    pub(super) fn clear(&mut self) {
        self.numbers.clear();
        self.ends.clear();
    }

    pub(super) fn range(&self, list: usize) -> Range<usize> {
        let end = |list: usize| self.ends.get(list).copied().unwrap_or(self.numbers.len());
        list.checked_sub(1).map_or(0, end)..end(list)
    }

    pub(super) fn list(&self, list: usize) -> &[u64] {
        &self.numbers[self.range(list)]
    }

    /// Ends the list to which numbers were pushed.
    pub(super) fn close(&mut self) {
        self.ends.push(self.numbers.len());
    }

    /// Ends every list before this one, so that what is pushed next belongs to it; `false` when it has ended already.
    fn open(&mut self, list: usize) -> bool {
        while self.ends.len() < list {
            self.close();
        }
        self.ends.len() == list
    }
}

impl Row {
    pub(super) fn empty() -> Self {
        let mut row = Self {
            numbers: vec![0; LAYOUT.numbers],
            texts: vec![Vec::new(); LAYOUT.texts],
            lists: Lists::default(),
        };
        row.lists.open(LAYOUT.lists);
        row
    }

    fn clear(&mut self) {
        self.numbers.fill(0);
        self.texts.iter_mut().for_each(Vec::clear);
        self.lists.clear();
    }
}

impl Layout {
    fn new() -> Self {
        let mut layout = Self {
            root: Vec::new(),
            numbers: 0,
            lists: 0,
            texts: 0,
            roles: Vec::new(),
            names: Vec::new(),
            packet_interval: 0,
            start: 0,
            length: 0,
            as_of: 0,
            as_of_monotonic: 0,
            void_after: (0, 0),
            histograms: [HistogramPlaces {
                base: 0,
                min: 0,
                max: 0,
                sum: 0,
                cells: [0; 4],
            }; 5],
            envelopes: [EnvelopePlaces { at: 0, raw: 0 }; 2],
        };
        layout.root = layout.place("", REPORT);
        let find = |name: &str| {
            let found = layout.names.iter().find(|(known, _)| known == name);
            found.expect("the name stands in the table above").1
        };
        let histogram = |of: &str| HistogramPlaces {
            base: find(&format!("{of}.base_ns")),
            min: find(&format!("{of}.min_ns")),
            max: find(&format!("{of}.max_ns")),
            sum: find(&format!("{of}.sum_ns")),
            cells: ["above_gaps", "above_counts", "below_gaps", "below_counts"]
                .map(|list| find(&format!("{of}.{list}"))),
        };
        let envelope = |of: &str| EnvelopePlaces {
            at: find(&format!("{of}.envelope_at_ns")),
            raw: find(&format!("{of}.envelope_raw_ns")),
        };
        let histograms = [
            ".summary.forward.raw",
            ".summary.backward.raw",
            ".summary.forward.ipdv",
            ".summary.backward.ipdv",
            ".summary.round_trip",
        ]
        .map(histogram);
        let envelopes = [".summary.forward", ".summary.backward"].map(envelope);
        let [packet_interval, start, length, as_of, as_of_monotonic, void] = [
            ".packet_interval_ns",
            ".summary.start_ns",
            ".summary.length_ns",
            ".clock.as_of_ns",
            ".clock.as_of_monotonic_ns",
            ".clock.void_after_ns",
        ]
        .map(find);
        let mut roles = vec![Role::Plain; layout.lists];
        for (k, places) in histograms.iter().enumerate() {
            let cells = [Role::Above(k), Role::Nothing, Role::Below(k), Role::Nothing];
            for (list, role) in places.cells.into_iter().zip(cells) {
                roles[list] = role;
            }
        }
        for (k, places) in envelopes.iter().enumerate() {
            roles[places.at] = Role::At(k);
            roles[places.raw] = Role::Raw(k);
        }
        layout.roles = roles;
        Self {
            packet_interval,
            start,
            length,
            as_of,
            as_of_monotonic,
            // Whether an optional field is there stands right before it.
            void_after: (void - 1, void),
            histograms,
            envelopes,
            ..layout
        }
    }

    fn place(&mut self, prefix: &str, fields: &[Field]) -> Vec<(u32, Node)> {
        let next = |count: &mut usize| {
            *count += 1;
            *count - 1
        };
        let place = |&(tag, name, kind): &Field| {
            let name = format!("{prefix}.{name}");
            let node = match kind {
                Number => Node::Number(next(&mut self.numbers)),
                Optional => Node::Optional(next(&mut self.numbers), next(&mut self.numbers)),
                Text => Node::Text(next(&mut self.texts)),
                Packed => Node::Packed(next(&mut self.lists)),
                Message(fields) => {
                    Node::Message(next(&mut self.numbers), self.place(&name, fields))
                }
                Repeated(fields) => {
                    let tags = fields.iter().map(|&(tag, _, _)| tag);
                    Node::Repeated(tags.collect(), next(&mut self.lists))
                }
            };
            if let Node::Number(place) | Node::Optional(_, place) | Node::Packed(place) = node {
                self.names.push((name, place));
            }
            (tag, node)
        };
        fields.iter().map(place).collect()
    }

    /// Takes a report apart; `false` when it is no protobuf of these fields.
    pub(super) fn read(&self, octets: &[u8], row: &mut Row) -> bool {
        row.clear();
        let read = read(&self.root, octets, row).is_some();
        row.lists.open(self.lists);
        read
    }

    /// Puts a report together again.
    pub(super) fn write(&self, row: &Row, octets: &mut Vec<u8>) {
        write(&self.root, row, octets);
    }
}

/// Wire types (https://protobuf.dev/programming-guides/encoding/#structure).
const VARINT: u64 = 0;
const DELIMITED: u64 = 2;

pub(super) fn read_varint(octets: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (&octet, rest) = octets.split_first()?;
        *octets = rest;
        number |= u64::from(octet & 0x7F) << shift;
        if octet < 0x80 {
            return Some(number);
        }
    }
    None
}

pub(super) fn write_varint(mut number: u64, octets: &mut Vec<u8>) {
    while number >= 0x80 {
        octets.push(number as u8 | 0x80);
        number >>= 7;
    }
    octets.push(number as u8);
}

pub(super) fn read_delimited<'a>(octets: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(read_varint(octets)?).ok()?;
    let (inside, rest) = octets.split_at_checked(length)?;
    *octets = rest;
    Some(inside)
}

fn read(fields: &[(u32, Node)], mut octets: &[u8], row: &mut Row) -> Option<()> {
    // Fields come in the order of their tags, so the search goes on where it found the last one.
    let mut from = 0;
    while !octets.is_empty() {
        let key = read_varint(&mut octets)?;
        let (tag, wire) = (u32::try_from(key >> 3).ok()?, key & 7);
        from += fields[from..].iter().position(|node| node.0 == tag)?;
        match (&fields[from].1, wire) {
            (&Node::Number(place), VARINT) => row.numbers[place] = read_varint(&mut octets)?,
            (&Node::Optional(there, place), VARINT) => {
                row.numbers[there] = 1;
                row.numbers[place] = read_varint(&mut octets)?;
            }
            (&Node::Text(place), DELIMITED) => {
                row.texts[place].extend_from_slice(read_delimited(&mut octets)?);
            }
            (&Node::Packed(place), DELIMITED) => {
                let mut inside = read_delimited(&mut octets)?;
                if !row.lists.open(place) {
                    return None;
                }
                while !inside.is_empty() {
                    row.lists.numbers.push(read_varint(&mut inside)?);
                }
            }
            (Node::Message(there, fields), DELIMITED) => {
                row.numbers[*there] = 1;
                read(fields, read_delimited(&mut octets)?, row)?;
            }
            (Node::Repeated(tags, list), DELIMITED) => {
                let mut inside = read_delimited(&mut octets)?;
                if !row.lists.open(*list) {
                    return None;
                }
                let first = row.lists.numbers.len();
                row.lists.numbers.resize(first + tags.len(), 0);
                while !inside.is_empty() {
                    let key = read_varint(&mut inside)?;
                    let which = tags.iter().position(|&tag| u64::from(tag) << 3 == key)?;
                    row.lists.numbers[first + which] = read_varint(&mut inside)?;
                }
            }
            _ => return None,
        }
    }
    Some(())
}

fn write_key(tag: u32, wire: u64, octets: &mut Vec<u8>) {
    write_varint(u64::from(tag) << 3 | wire, octets);
}

/// Writes a field whose length is known once it is written.
fn write_delimited(tag: u32, octets: &mut Vec<u8>, inside: impl FnOnce(&mut Vec<u8>)) {
    write_key(tag, DELIMITED, octets);
    let place = octets.len();
    octets.push(0);
    inside(octets);
    let mut length = octets.len() - place - 1;
    let mut end = place;
    // Most are shorter than 128 octets, and their length takes the one octet that was left for it.
    while length >= 0x80 {
        octets[end] = length as u8 | 0x80;
        length >>= 7;
        end += 1;
        octets.insert(end, 0);
    }
    octets[end] = length as u8;
}

fn write(fields: &[(u32, Node)], row: &Row, octets: &mut Vec<u8>) {
    for (tag, node) in fields {
        let tag = *tag;
        match node {
            &Node::Number(place) => {
                if row.numbers[place] != 0 {
                    write_key(tag, VARINT, octets);
                    write_varint(row.numbers[place], octets);
                }
            }
            &Node::Optional(there, place) => {
                if row.numbers[there] != 0 {
                    write_key(tag, VARINT, octets);
                    write_varint(row.numbers[place], octets);
                }
            }
            &Node::Text(place) => {
                if !row.texts[place].is_empty() {
                    write_key(tag, DELIMITED, octets);
                    write_varint(row.texts[place].len() as u64, octets);
                    octets.extend_from_slice(&row.texts[place]);
                }
            }
            &Node::Packed(place) => {
                let list = row.lists.list(place);
                if !list.is_empty() {
                    write_delimited(tag, octets, |octets| {
                        list.iter().for_each(|&number| write_varint(number, octets));
                    });
                }
            }
            Node::Message(there, fields) => {
                if row.numbers[*there] != 0 {
                    write_delimited(tag, octets, |octets| write(fields, row, octets));
                }
            }
            Node::Repeated(tags, list) => {
                for message in row.lists.list(*list).chunks(tags.len()) {
                    write_delimited(tag, octets, |octets| {
                        for (&tag, &number) in tags.iter().zip(message) {
                            if number != 0 {
                                write_key(tag, VARINT, octets);
                                write_varint(number, octets);
                            }
                        }
                    });
                }
            }
        }
    }
}

/// Each message with its name in report.proto.
#[cfg(test)]
pub(super) fn messages() -> [(&'static str, &'static [Field]); 9] {
    [
        ("Report", REPORT),
        ("Summary", SUMMARY),
        ("Direction", DIRECTION),
        ("Patterns", PATTERNS),
        ("Lengths", LENGTHS),
        ("Histogram", HISTOGRAM),
        ("Within", WITHIN),
        ("Stamps", STAMPS),
        ("Clock", CLOCK),
    ]
}
