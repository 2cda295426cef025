//! Looks at a library file before the dynamic linker does, so that a file cut short is an error and not a crash.
//!
//! Read in place, a few bytes at a time. It reads only the kind of file, whether all its parts are there, and two
//! things that a toolchain may set. The `NODELETE` flag would keep every version of a component in memory for ever.
//! Through symbols that are unique in a process, a new version would go on with the old one's statics.

mod dynamic;
mod facts;

pub(super) use dynamic::Dynamic;
pub use facts::FileFacts;

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Faults of a library file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ElfError {
    #[error("it is no shared library (its first bytes are not those of an ELF file)")]
    NotElf,
    #[error("it is no 64-bit little-endian library for this kind of processor")]
    OtherMachine,
    #[error("it is an executable or object file, not a shared library")]
    NotShared,
    #[error("the file was cut short: its headers speak of more bytes than it has")]
    Truncated,
    #[error(
        "it asks for a stack that can be executed, which all threads of the host would get: link it with -z noexecstack"
    )]
    ExecutableStack,
}

const HEADER: usize = 64;
const TYPE_SHARED: u16 = 3;
const SEGMENT_DYNAMIC: u32 = 2;
const SEGMENT_STACK: u32 = 0x6474_e551;
const FLAG_EXECUTE: u32 = 1;
const TAG_FLAGS_1: u64 = 0x6fff_fffb;
const FLAG_NODELETE: u64 = 0x8;
const SECTION_DYNAMIC_SYMBOLS: u32 = 11;
/// Bytes of an entry of the table of symbols.
const SYMBOL: u64 = 24;
const BINDING_GLOBAL: u8 = 1;
const BINDING_UNIQUE: u8 = 10;

#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;
#[cfg(target_arch = "riscv64")]
const MACHINE: u16 = 243;

/// A file as this module reads it.
pub(super) trait Image {
    /// How many bytes there are.
    fn length(&self) -> u64;
    /// Fills `buffer` from `offset` on; false when that cannot be done.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> bool;
}

impl Image for File {
    fn length(&self) -> u64 {
        self.metadata().map_or(0, |about| about.len())
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> bool {
        self.read_exact_at(buffer, offset).is_ok()
    }
}

/// Bytes that are to stand at an offset of the file instead of those that do.
pub(super) type Change = (u64, Vec<u8>);

/// Checks a library. Returns what is to be changed in a copy so that it can be unloaded, and shares nothing with another version of
/// itself.
pub(super) fn check(file: &impl Image) -> Result<Vec<Change>, ElfError> {
    let begin: [u8; 4] = bytes(file, 0).map_err(|_| ElfError::NotElf)?;
    if begin != *b"\x7fELF" {
        return Err(ElfError::NotElf);
    }
    let header: [u8; HEADER] = bytes(file, 0)?;
    if header[4] != 2 || header[5] != 1 || short(file, 18)? != MACHINE {
        return Err(ElfError::OtherMachine);
    }
    if short(file, 16)? != TYPE_SHARED {
        return Err(ElfError::NotShared);
    }
    let whole = |start: u64, length: u64| match start.checked_add(length) {
        Some(end) if end <= file.length() => Ok(()),
        _ => Err(ElfError::Truncated),
    };
    whole(
        long(file, 40)?,
        u64::from(short(file, 58)?) * u64::from(short(file, 60)?),
    )?;
    let mut changes = Vec::new();
    // A library that says nothing gets one, where old toolchains knew no other.
    let mut wants_executable_stack = cfg!(target_arch = "x86_64");
    for segment in segments(file)? {
        whole(segment.offset, segment.length)?;
        match segment.kind {
            SEGMENT_DYNAMIC => changes.extend(nodelete(file, &segment)?),
            SEGMENT_STACK => wants_executable_stack = segment.flags & FLAG_EXECUTE != 0,
            _ => {}
        }
    }
    if wants_executable_stack {
        return Err(ElfError::ExecutableStack);
    }
    changes.extend(unique_symbols(file)?);
    Ok(changes)
}

/// Symbols of which a process has one, whatever is loaded how: those of the next version would be this one's. C++ makes them of statics
/// in templates and inline functions. Bound like others, each version has its own.
fn unique_symbols(file: &impl Image) -> Result<Vec<Change>, ElfError> {
    let (sections, size, count) = (
        long(file, 40)?,
        u64::from(short(file, 58)?),
        u64::from(short(file, 60)?),
    );
    let mut changes = Vec::new();
    for position in 0..count {
        let at = sections + position * size;
        if word(file, at + 4)? != SECTION_DYNAMIC_SYMBOLS {
            continue;
        }
        let (offset, length) = (long(file, at + 24)?, long(file, at + 32)?);
        if offset.checked_add(length).is_none_or(|end| end > file.length()) {
            return Err(ElfError::Truncated);
        }
        for symbol in (offset..offset + length).step_by(SYMBOL as usize) {
            let [info] = bytes::<1>(file, symbol + 4)?;
            if info >> 4 == BINDING_UNIQUE {
                changes.push((symbol + 4, vec![BINDING_GLOBAL << 4 | (info & 0xf)]));
            }
        }
    }
    Ok(changes)
}

fn nodelete(file: &impl Image, dynamic: &Segment) -> Result<Option<Change>, ElfError> {
    let entries = entries(file, dynamic)?;
    let flags = entries.iter().find(|entry| entry.tag == TAG_FLAGS_1);
    let set = flags.filter(|entry| entry.value & FLAG_NODELETE != 0);
    Ok(set.map(|entry| {
        let without = (entry.value & !FLAG_NODELETE).to_le_bytes().to_vec();
        (entry.value_at, without)
    }))
}

/// A part of the file that is loaded or tells the linker something.
struct Segment {
    kind: u32,
    flags: u32,
    /// Where it is in the file.
    offset: u64,
    /// Where it is loaded.
    address: u64,
    /// How many bytes of the file it has.
    length: u64,
}

/// The segments of a file whose header is whole.
fn segments(file: &impl Image) -> Result<Vec<Segment>, ElfError> {
    let (size, count) = (u64::from(short(file, 54)?), u64::from(short(file, 56)?));
    let begin = long(file, 32)?;
    if begin
        .checked_add(size * count)
        .is_none_or(|end| end > file.length())
    {
        return Err(ElfError::Truncated);
    }
    (0..count)
        .map(|position| {
            let at = begin + position * size;
            let field = |offset: u64| long(file, at.checked_add(offset).ok_or(ElfError::Truncated)?);
            Ok(Segment {
                kind: word(file, at)?,
                flags: word(file, at.checked_add(4).ok_or(ElfError::Truncated)?)?,
                offset: field(8)?,
                address: field(16)?,
                length: field(32)?,
            })
        })
        .collect()
}

/// An entry of the dynamic section.
struct Entry {
    tag: u64,
    value: u64,
    /// Where its value is in the file.
    value_at: u64,
}

/// The entries of the dynamic section, up to the one that ends it.
fn entries(file: &impl Image, dynamic: &Segment) -> Result<Vec<Entry>, ElfError> {
    let mut entries = Vec::new();
    for position in 0..dynamic.length / 16 {
        let at = dynamic.offset.saturating_add(position * 16);
        let tag = long(file, at)?;
        if tag == 0 {
            break;
        }
        let value_at = at.saturating_add(8);
        let value = long(file, value_at)?;
        entries.push(Entry { tag, value, value_at });
    }
    Ok(entries)
}

/// The entries of all that the segments say is the dynamic section. A library without one has none.
fn dynamic_entries(file: &impl Image, segments: &[Segment]) -> Result<Vec<Entry>, ElfError> {
    let dynamic = segments.iter().rfind(|segment| segment.kind == SEGMENT_DYNAMIC);
    dynamic.map_or_else(|| Ok(Vec::new()), |dynamic| entries(file, dynamic))
}

fn bytes<const N: usize>(file: &impl Image, at: u64) -> Result<[u8; N], ElfError> {
    let mut buffer = [0; N];
    if file.read(at, &mut buffer) {
        Ok(buffer)
    } else {
        Err(ElfError::Truncated)
    }
}

fn short(file: &impl Image, at: u64) -> Result<u16, ElfError> {
    bytes(file, at).map(u16::from_le_bytes)
}

fn word(file: &impl Image, at: u64) -> Result<u32, ElfError> {
    bytes(file, at).map(u32::from_le_bytes)
}

fn long(file: &impl Image, at: u64) -> Result<u64, ElfError> {
    bytes(file, at).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Image for Vec<u8> {
        fn length(&self) -> u64 {
            self.len() as u64
        }

        fn read(&self, offset: u64, buffer: &mut [u8]) -> bool {
            let found = usize::try_from(offset)
                .ok()
                .and_then(|start| self.get(start..start.checked_add(buffer.len())?));
            found.map(|bytes| buffer.copy_from_slice(bytes)).is_some()
        }
    }

    #[test]
    fn files_that_are_no_library_are_told_apart() {
        assert_eq!(check(&b"".to_vec()), Err(ElfError::NotElf));
        assert_eq!(check(&b"#!/bin/sh\n".to_vec()), Err(ElfError::NotElf));
        assert_eq!(check(&b"\x7fELF".to_vec()), Err(ElfError::Truncated));
        let mut wrong_class = vec![0; 100];
        wrong_class[..6].copy_from_slice(b"\x7fELF\x01\x01");
        assert_eq!(check(&wrong_class), Err(ElfError::OtherMachine));
    }

    #[test]
    fn every_cut_of_a_real_library_is_noticed_and_no_damage_panics() {
        // The test's own executable is position independent, hence of the same kind as a library.
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(check(&file).is_ok());
        let length = file.len();
        for part in [5, 63, 64, 100, 4096, length / 2, length - 1] {
            assert_eq!(
                check(&file[..part].to_vec()),
                Err(ElfError::Truncated),
                "{part} of {length} bytes"
            );
        }
        for position in 0..64 {
            for value in [0, 1, 0x7f, 0xff] {
                let mut damaged = file[..8192].to_vec();
                damaged[position] = value;
                assert!(check(&damaged).is_err());
            }
        }
    }
}
