//! Structs of other versions are read as far as their writers wrote them.
//!
//! Enters: bytes as an older or a newer writer leaves them, in memory that ends where they end. Leaves: the fields that are
//! there. Guarantees: a tool that watches memory, such as Miri, sees each read behind the end.

use mesh_plugin_abi::{
    self as abi, Given, Growing, Items, StructErrorKind, WORK_SIZE_1_0, field, later_field,
};
use std::mem::offset_of;

/// A struct that has grown: version 1.0 ended behind `first`, and 1.7 appended the rest.
#[repr(C)]
struct Grown {
    struct_size: u32,
    first: u32,
    later: u64,
    last: Option<unsafe extern "C" fn() -> u32>,
}

// SAFETY: the struct is `repr(C)`, and `struct_size` is its first field.
unsafe impl Growing for Grown {
    const NAME: &'static str = "grown";
    const SIZE_OFFSET: usize = 0;
    const FIRST_SIZE: usize = 8;
    const SINCE: u16 = 0;
}

unsafe extern "C" fn seven() -> u32 {
    7
}

/// Memory that ends where the bytes end, and begins at a multiple of 8.
struct Exact(Box<[u64]>);

impl Exact {
    /// One struct behind the other, each as long as its size says. The values are 1, 2 and so on.
    fn with(sizes: &[usize]) -> Exact {
        let mut words = Vec::new();
        for (number, size) in sizes.iter().enumerate() {
            let first = (number as u64 + 1) << 32;
            let mut item = vec![first | *size as u64];
            item.resize(size.div_ceil(8).max(1), number as u64 + 1);
            if let Some(last) = item.get_mut(2) {
                *last = seven as *const () as u64;
            }
            words.append(&mut item);
        }
        Exact(words.into())
    }

    fn start<T>(&self) -> *const T {
        self.0.as_ptr().cast()
    }
}

#[test]
fn a_field_is_there_when_it_lies_inside_the_size_of_the_writer() {
    for size in [8, 12, 16, 20, 24, 64] {
        let memory = Exact::with(&[size]);
        // SAFETY: the memory is as long as the size says, and its bytes are values of all fields.
        let given: Given<'_, Grown> = unsafe { Given::read(memory.start()) }.unwrap();
        assert_eq!((given.size(), given.get(field!(Grown, first))), (size, 1));
        let later = given.find(later_field!(Grown, later));
        assert_eq!(later, (size >= 16).then_some(1), "{size} bytes");
        let last = given.find(later_field!(Grown, last)).flatten();
        assert_eq!(last.is_some(), size >= 24, "{size} bytes");
        // SAFETY: it is a function of this test.
        assert!(last.is_none_or(|last| unsafe { last() } == 7));
    }
}

#[test]
fn items_lie_as_far_apart_as_they_say() {
    for size in [8, 16, 24, 120] {
        let memory = Exact::with(&[size; 5]);
        // SAFETY: there are five, in memory that is as long as they say.
        let items: Items<'_, Grown> = unsafe { Items::new(memory.start(), 5) };
        let firsts: Vec<u32> = items
            .map(|item| item.unwrap().get(field!(Grown, first)))
            .collect();
        assert_eq!(firsts, [1, 2, 3, 4, 5], "{size} bytes");
    }
    // Of several lengths, as no host writes them.
    let memory = Exact::with(&[24, 8, 16]);
    // SAFETY: as above, with three.
    let items: Items<'_, Grown> = unsafe { Items::new(memory.start(), 3) };
    let laters: Vec<Option<u64>> = items
        .map(|item| item.unwrap().find(later_field!(Grown, later)))
        .collect();
    assert_eq!(laters, [Some(1), None, Some(3)]);
    // SAFETY: there are none.
    let mut none: Items<'_, Grown> = unsafe { Items::new(std::ptr::null(), 0) };
    assert!(none.next().is_none());
}

#[test]
fn sizes_that_cannot_be_are_refused_by_name() {
    let refused = |size: usize| {
        let memory = Exact::with(&[size]);
        // SAFETY: the memory has a size, and no more is read of a struct that is refused.
        let given: Result<Given<'_, Grown>, _> = unsafe { Given::read(memory.start()) };
        given.unwrap_err()
    };
    for size in [0, 4, 7] {
        let error = refused(size);
        assert_eq!(error.kind(), StructErrorKind::TooShort);
        let says = format!("`grown` has a `struct_size` of {size}: it must be 8 or more, as in ABI 1.0");
        assert_eq!(error.to_string(), says);
    }
    // SAFETY: there is nothing to read.
    let error = unsafe { Given::<Grown>::read(std::ptr::null()) }.unwrap_err();
    assert_eq!(
        (error.kind(), &*error.to_string()),
        (StructErrorKind::Missing, "the pointer to `grown` is null")
    );
    let memory = Exact::with(&[24]);
    let odd = memory.start::<Grown>().wrapping_byte_add(4);
    // SAFETY: no struct is read from an address that cannot be that of one.
    let error = unsafe { Given::read(odd) }.unwrap_err();
    assert_eq!(error.kind(), StructErrorKind::Misplaced);
}

#[test]
fn an_array_ends_before_an_item_that_cannot_be_read() {
    for (wrong, kind) in [(4, StructErrorKind::TooShort), (20, StructErrorKind::Uneven)] {
        let memory = Exact::with(&[16, wrong, 16]);
        // SAFETY: the first two are there, and none is looked for behind a wrong one.
        let items: Items<'_, Grown> = unsafe { Items::new(memory.start(), 3) };
        let mut items = items.map(|item| item.map(|item| item.get(field!(Grown, first))));
        assert_eq!(items.next(), Some(Ok(1)));
        let error = items.next().unwrap().unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(
            error.to_string().contains(&format!("`struct_size` of {wrong}:")),
            "{error}"
        );
        assert_eq!(items.next(), None);
    }
}

/// A work item of ABI 1.0, and of a later host: the struct of today is not asked how long they are.
#[test]
#[cfg(target_pointer_width = "64")]
fn work_of_the_first_version_and_of_a_later_one_is_read() {
    static TEXT: &[u8] = b"method";
    for size in [WORK_SIZE_1_0, WORK_SIZE_1_0 + 16, WORK_SIZE_1_0 + 40] {
        let mut memory = Exact(vec![0; 3 * size / 8].into());
        for (number, item) in memory.0.chunks_exact_mut(size / 8).enumerate() {
            item.fill(u64::MAX);
            item[0] = size as u64;
            item[1] = number as u64;
            let origin = offset_of!(abi::Work, origin) / 8;
            item[origin] = TEXT.as_ptr() as u64;
            item[origin + 1] = TEXT.len() as u64;
        }
        // SAFETY: there are three, in memory that is as long as they say.
        let items: Items<'_, abi::Work> = unsafe { Items::new(memory.start(), 3) };
        let mut tokens = Vec::new();
        for item in items {
            let item = item.unwrap();
            tokens.push(item.get(field!(abi::Work, token)));
            let origin = item.get(field!(abi::Work, origin));
            // SAFETY: the text is static.
            assert_eq!(unsafe { origin.as_bytes() }, TEXT);
        }
        assert_eq!(tokens, [0, 1, 2], "{size} bytes");
    }
}
