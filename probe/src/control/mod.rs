//! Control connections: measurements that two hosts agree on over TCP before
//! the first test packet goes.

pub mod owamp;
