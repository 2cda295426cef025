//! Looks at a library file before the dynamic linker does, so that a file cut short is an error and not a crash.
//!
//! Only what is needed: the kind of file, whether all its parts are there, and the `NODELETE` flag, which a toolchain
//! may set and which would keep every version of a component in memory for ever.

/// What is wrong with a library file.
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
}

const HEADER: usize = 64;
const TYPE_SHARED: u16 = 3;
const SEGMENT_DYNAMIC: u32 = 2;
const TAG_FLAGS_1: u64 = 0x6fff_fffb;
const FLAG_NODELETE: u64 = 0x8;

#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;
#[cfg(target_arch = "riscv64")]
const MACHINE: u16 = 243;

/// Checks the file and clears its `NODELETE` flag. Returns whether the flag was set.
pub(super) fn prepare(file: &mut [u8]) -> Result<bool, ElfError> {
    if file.len() < 4 || &file[..4] != b"\x7fELF" {
        return Err(ElfError::NotElf);
    }
    if file.len() < HEADER {
        return Err(ElfError::Truncated);
    }
    if file[4] != 2 || file[5] != 1 || short(file, 18)? != MACHINE {
        return Err(ElfError::OtherMachine);
    }
    if short(file, 16)? != TYPE_SHARED {
        return Err(ElfError::NotShared);
    }
    let sections_end = end(
        long(file, 40)?,
        u64::from(short(file, 58)?) * u64::from(short(file, 60)?),
    )?;
    let segments = long(file, 32)?;
    let (size, count) = (u64::from(short(file, 54)?), u64::from(short(file, 56)?));
    if sections_end > file.len() as u64 || end(segments, size * count)? > file.len() as u64 {
        return Err(ElfError::Truncated);
    }
    let mut had_flag = false;
    for position in 0..count {
        let at = usize::try_from(segments + position * size).map_err(|_| ElfError::Truncated)?;
        let (offset, length) = (long(file, at + 8)?, long(file, at + 32)?);
        if end(offset, length)? > file.len() as u64 {
            return Err(ElfError::Truncated);
        }
        if word(file, at)? == SEGMENT_DYNAMIC {
            had_flag |= clear_nodelete(file, offset as usize, length as usize)?;
        }
    }
    Ok(had_flag)
}

fn clear_nodelete(file: &mut [u8], offset: usize, length: usize) -> Result<bool, ElfError> {
    for entry in (offset..offset + length).step_by(16) {
        if entry + 16 > file.len() || long(file, entry)? == 0 {
            break;
        }
        let value = long(file, entry + 8)?;
        if long(file, entry)? == TAG_FLAGS_1 && value & FLAG_NODELETE != 0 {
            file[entry + 8..entry + 16].copy_from_slice(&(value & !FLAG_NODELETE).to_le_bytes());
            return Ok(true);
        }
    }
    Ok(false)
}

fn end(start: u64, length: u64) -> Result<u64, ElfError> {
    start.checked_add(length).ok_or(ElfError::Truncated)
}

fn bytes<const N: usize>(file: &[u8], at: usize) -> Result<[u8; N], ElfError> {
    let end = at.checked_add(N).ok_or(ElfError::Truncated)?;
    file.get(at..end)
        .and_then(|slice| slice.try_into().ok())
        .ok_or(ElfError::Truncated)
}

fn short(file: &[u8], at: usize) -> Result<u16, ElfError> {
    bytes(file, at).map(u16::from_le_bytes)
}

fn word(file: &[u8], at: usize) -> Result<u32, ElfError> {
    bytes(file, at).map(u32::from_le_bytes)
}

fn long(file: &[u8], at: usize) -> Result<u64, ElfError> {
    bytes(file, at).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_library_is_told_apart() {
        assert_eq!(prepare(&mut b"".to_vec()), Err(ElfError::NotElf));
        assert_eq!(prepare(&mut b"#!/bin/sh\n".to_vec()), Err(ElfError::NotElf));
        assert_eq!(prepare(&mut b"\x7fELF".to_vec()), Err(ElfError::Truncated));
        let mut wrong_class = vec![0; 100];
        wrong_class[..6].copy_from_slice(b"\x7fELF\x01\x01");
        assert_eq!(prepare(&mut wrong_class), Err(ElfError::OtherMachine));
    }

    #[test]
    fn every_cut_of_a_real_library_is_noticed_and_no_damage_panics() {
        // The test's own executable is position independent, hence of the same kind as a library.
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(prepare(&mut file.clone()).is_ok());
        let length = file.len();
        for part in [5, 63, 64, 100, 4096, length / 2, length - 1] {
            assert_eq!(
                prepare(&mut file[..part].to_vec()),
                Err(ElfError::Truncated),
                "{part} of {length} bytes"
            );
        }
        for position in 0..64 {
            let mut damaged = file[..8192].to_vec();
            damaged[position] ^= 0xff;
            let _ = prepare(&mut damaged);
        }
    }
}
