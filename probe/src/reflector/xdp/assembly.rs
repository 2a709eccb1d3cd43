//! eBPF instructions, one after the other, with labels for jumps.
//!
//! Opcodes as in the kernel's Documentation/bpf/standardization (RFC 9669).

use std::collections::BTreeMap;

/// A register; `R10` is the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Register {
    R0,
    R1,
    R2,
    R3,
    R4,
    R5,
    R6,
    R7,
    R8,
    R9,
    R10,
}

/// Octets of a load or store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    One,
    Two,
    Four,
    Eight,
}

/// What an instruction does to its destination, in 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Add = 0x00,
    Subtract = 0x10,
    Multiply = 0x20,
    Divide = 0x30,
    And = 0x50,
    ShiftLeft = 0x60,
    ShiftRight = 0x70,
    ExclusiveOr = 0xA0,
    Move = 0xB0,
}

/// When a jump is taken; numbers are compared without sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Equal = 0x10,
    Greater = 0x20,
    AtLeast = 0x30,
    NotEqual = 0x50,
}

/// A function of the kernel (`enum bpf_func_id` in linux/bpf.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Helper {
    MapLookup = 1,
    MonotonicNs = 5,
    ChecksumDifference = 28,
    TaiNs = 208,
}

/// A place in the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Label(&'static str, u32);

/// A program that is being written.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    code: Vec<u64>,
    places: BTreeMap<Label, usize>,
    jumps: Vec<(usize, Label)>,
    labels: u32,
}

impl Assembly {
    fn push(&mut self, opcode: u8, to: u8, from: u8, offset: i16, immediate: i32) {
        // struct bpf_insn; the two registers share an octet, whose halves change places with the byte order.
        let registers = if cfg!(target_endian = "big") {
            to << 4 | from
        } else {
            from << 4 | to
        };
        let [o0, o1] = offset.to_ne_bytes();
        let [i0, i1, i2, i3] = immediate.to_ne_bytes();
        let instruction = [opcode, registers, o0, o1, i0, i1, i2, i3];
        self.code.push(u64::from_ne_bytes(instruction));
    }

    /// A label that is not yet placed; the name is for whoever reads a panic.
    pub(super) fn label(&mut self, name: &'static str) -> Label {
        self.labels += 1;
        Label(name, self.labels)
    }

    /// The next instruction is at this label.
    pub(super) fn place(&mut self, label: Label) {
        self.places.insert(label, self.code.len());
    }

    pub(super) fn load(&mut self, width: Width, to: Register, from: Register, offset: i16) {
        self.push(0x61 | size(width), to as u8, from as u8, offset, 0);
    }

    pub(super) fn store(&mut self, width: Width, to: Register, offset: i16, from: Register) {
        self.push(0x63 | size(width), to as u8, from as u8, offset, 0);
    }

    pub(super) fn store_number(&mut self, width: Width, to: Register, offset: i16, number: i32) {
        self.push(0x62 | size(width), to as u8, 0, offset, number);
    }

    /// Adds a register to eight octets of memory that others change too.
    pub(super) fn add_atomically(&mut self, to: Register, offset: i16, from: Register) {
        self.push(0xDB, to as u8, from as u8, offset, 0);
    }

    pub(super) fn compute(&mut self, operation: Operation, to: Register, number: i32) {
        self.push(0x07 | operation as u8, to as u8, 0, 0, number);
    }

    pub(super) fn compute_with(&mut self, operation: Operation, to: Register, from: Register) {
        self.push(0x0F | operation as u8, to as u8, from as u8, 0, 0);
    }

    /// From the order of octets in a packet to the processor's, or back.
    pub(super) fn swap(&mut self, width: Width, register: Register) {
        let bits = match width {
            Width::One => 8,
            Width::Two => 16,
            Width::Four => 32,
            Width::Eight => 64,
        };
        self.push(0xDC, register as u8, 0, 0, bits);
    }

    pub(super) fn set(&mut self, to: Register, number: u64) {
        self.wide(to, 0, number);
    }

    /// The map with this file descriptor (BPF_PSEUDO_MAP_FD).
    pub(super) fn set_map(&mut self, to: Register, descriptor: i32) {
        self.wide(to, 1, u64::from(descriptor.cast_unsigned()));
    }

    fn wide(&mut self, to: Register, kind: u8, number: u64) {
        let (low, high) = (number as u32, (number >> 32) as u32);
        self.push(0x18, to as u8, kind, 0, low.cast_signed());
        self.push(0, 0, 0, 0, high.cast_signed());
    }

    pub(super) fn jump(&mut self, label: Label) {
        self.jumps.push((self.code.len(), label));
        self.push(0x05, 0, 0, 0, 0);
    }

    pub(super) fn jump_if(
        &mut self,
        condition: Condition,
        register: Register,
        number: i32,
        label: Label,
    ) {
        self.jumps.push((self.code.len(), label));
        self.push(0x05 | condition as u8, register as u8, 0, 0, number);
    }

    pub(super) fn jump_if_with(
        &mut self,
        condition: Condition,
        register: Register,
        other: Register,
        label: Label,
    ) {
        self.jumps.push((self.code.len(), label));
        self.push(0x0D | condition as u8, register as u8, other as u8, 0, 0);
    }

    pub(super) fn call(&mut self, helper: Helper) {
        self.push(0x85, 0, 0, 0, helper as i32);
    }

    pub(super) fn exit(&mut self, result: i32) {
        self.compute(Operation::Move, Register::R0, result);
        self.push(0x95, 0, 0, 0, 0);
    }

    /// The instructions, with every jump at its place.
    pub(super) fn finish(mut self) -> Vec<u64> {
        for (at, label) in self.jumps {
            let place = self.places.get(&label).copied();
            let place = place.expect("every label that is jumped to is placed") as i64;
            let distance = i16::try_from(place - at as i64 - 1);
            let distance = distance.expect("the program is far shorter than 2^15 instructions");
            let mut octets = self.code[at].to_ne_bytes();
            octets[2..4].copy_from_slice(&distance.to_ne_bytes());
            self.code[at] = u64::from_ne_bytes(octets);
        }
        self.code
    }
}

fn size(width: Width) -> u8 {
    match width {
        Width::Four => 0x00,
        Width::Two => 0x08,
        Width::One => 0x10,
        Width::Eight => 0x18,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn instructions_are_encoded_as_the_kernel_reads_them() {
        let mut assembly = Assembly::default();
        let end = assembly.label("end");
        assembly.load(Width::Two, Register::R2, Register::R6, 12);
        assembly.swap(Width::Two, Register::R2);
        assembly.jump_if(Condition::NotEqual, Register::R2, 0x0800, end);
        assembly.set(Register::R3, 0x1122_3344_5566_7788);
        assembly.store(Width::Eight, Register::R10, -8, Register::R3);
        assembly.place(end);
        assembly.exit(2);
        let octets: Vec<_> = assembly
            .finish()
            .into_iter()
            .map(u64::to_le_bytes)
            .collect();
        // As `llvm-objdump -d` shows the same program.
        assert_eq!(
            octets,
            [
                [0x69, 0x62, 0x0C, 0x00, 0x00, 0x00, 0x00, 0x00],
                [0xDC, 0x02, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00],
                [0x55, 0x02, 0x03, 0x00, 0x00, 0x08, 0x00, 0x00],
                [0x18, 0x03, 0x00, 0x00, 0x88, 0x77, 0x66, 0x55],
                [0x00, 0x00, 0x00, 0x00, 0x44, 0x33, 0x22, 0x11],
                [0x7B, 0x3A, 0xF8, 0xFF, 0x00, 0x00, 0x00, 0x00],
                [0xB7, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00],
                [0x95, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00],
            ]
        );
    }
}
