//! Octets of the store, compressed.

/// What zstd is told: above this it takes several times as long, for a hundredth less.
const LEVEL: i32 = 3;
/// Octets that a row unpacks to at most; one that says more is damaged.
const UNPACKED_MAX: usize = 64 << 20;

/// Compressed octets.
pub(crate) fn pack(octets: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(octets, LEVEL).expect("memory is all that compression needs")
}

/// The octets again; `None` when they are damaged.
pub(crate) fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let length = zstd::zstd_safe::get_frame_content_size(packed).ok()??;
    let length = usize::try_from(length)
        .ok()
        .filter(|length| *length <= UNPACKED_MAX)?;
    zstd::bulk::decompress(packed, length).ok()
}
