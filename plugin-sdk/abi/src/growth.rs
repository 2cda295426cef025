//! How structs grow: their first sizes, and the reading of a struct that another version of the contract wrote.
//!
//! Enters: a pointer to a struct of the other side. Leaves: its fields, or an error that names the struct and its size.
//! Guarantees: no byte behind the size that the writer gave is read. No reference to a whole struct is made, since
//! today's may be longer than the one that is there.

use crate::{
    Component, Data2Extension, DataExtension, DelegationExtension, Events2Extension, EventsExtension,
    Exchange2Extension, ExchangeExtension, Host, HttpExtension, Request, Timer2Extension, TimerExtension,
    Vtable, Work,
};
use core::fmt;
use core::marker::PhantomData;
use core::mem::{align_of, offset_of, size_of};
use core::ptr::NonNull;

/// The bytes of a field; the projection says which one.
const fn size_of_field<Struct, Type>(_: fn(&Struct) -> &Type) -> usize {
    size_of::<Type>()
}

/// The bytes of a struct up to the end of a field.
macro_rules! end_of {
    ($Struct:ident . $field:ident) => {
        offset_of!($Struct, $field) + size_of_field(|value: &$Struct| &value.$field)
    };
}

/// Bytes of [`Work`] in ABI 1.0: the least that a writer may give. As all sizes here it never changes.
pub const WORK_SIZE_1_0: usize = end_of!(Work.origin);
/// Bytes of [`Host`] in ABI 1.0.
pub const HOST_SIZE_1_0: usize = end_of!(Host.get_extension);
/// Bytes of [`Vtable`] in ABI 1.0.
pub const VTABLE_SIZE_1_0: usize = end_of!(Vtable.destroy);
/// Bytes of [`Component`] in ABI 1.0.
pub const COMPONENT_SIZE_1_0: usize = end_of!(Component.get_extension);
/// Bytes of [`ExchangeExtension`] in ABI 1.0.
pub const EXCHANGE_EXTENSION_SIZE_1_0: usize = end_of!(ExchangeExtension.call);
/// Bytes of [`EventsExtension`] in ABI 1.0.
pub const EVENTS_EXTENSION_SIZE_1_0: usize = end_of!(EventsExtension.unsubscribe);
/// Bytes of [`DataExtension`] in ABI 1.0.
pub const DATA_EXTENSION_SIZE_1_0: usize = end_of!(DataExtension.remove);
/// Bytes of [`TimerExtension`] in ABI 1.0.
pub const TIMER_EXTENSION_SIZE_1_0: usize = end_of!(TimerExtension.after);
/// Bytes of [`DelegationExtension`] in ABI 1.1, which brought it.
pub const DELEGATION_EXTENSION_SIZE_1_1: usize = end_of!(DelegationExtension.act_for);
/// Bytes of [`HttpExtension`] in ABI 1.2, which brought it.
pub const HTTP_EXTENSION_SIZE_1_2: usize = end_of!(HttpExtension.respond);
/// Bytes of [`Request`] in ABI 1.3, which brought it.
pub const REQUEST_SIZE_1_3: usize = end_of!(Request.traceparent);
/// Bytes of [`Exchange2Extension`] in ABI 1.3, which brought it.
pub const EXCHANGE_2_EXTENSION_SIZE_1_3: usize = end_of!(Exchange2Extension.cancel);
/// Bytes of [`Events2Extension`] in ABI 1.3, which brought it.
pub const EVENTS_2_EXTENSION_SIZE_1_3: usize = end_of!(Events2Extension.unsubscribe);
/// Bytes of [`Data2Extension`] in ABI 1.3, which brought it.
pub const DATA_2_EXTENSION_SIZE_1_3: usize = end_of!(Data2Extension.cancel);
/// Bytes of [`Timer2Extension`] in ABI 1.3, which brought it.
pub const TIMER_2_EXTENSION_SIZE_1_3: usize = end_of!(Timer2Extension.cancel);

/// A struct of the contract that says its own size.
///
/// # Safety
///
/// The struct is `repr(C)`. A `u32` with its size is at `SIZE_OFFSET`, inside of `FIRST_SIZE`.
pub unsafe trait Growing {
    /// Its name in C, for errors.
    const NAME: &'static str;
    /// Where its size stands.
    const SIZE_OFFSET: usize;
    /// Its bytes in the version that brought it.
    const FIRST_SIZE: usize;
    /// The minor version that brought it.
    const SINCE: u16;
}

macro_rules! growing {
    ($($Struct:ident = $name:literal, $first_size:ident, since $since:literal;)*) => {$(
        // SAFETY: the struct is `repr(C)`, and `struct_size` is a `u32` among its first fields.
        unsafe impl Growing for $Struct {
            const NAME: &'static str = $name;
            const SIZE_OFFSET: usize = offset_of!($Struct, struct_size);
            const FIRST_SIZE: usize = $first_size;
            const SINCE: u16 = $since;
        }
    )*};
}

growing! {
    Work = "mesh_work", WORK_SIZE_1_0, since 0;
    Host = "mesh_host", HOST_SIZE_1_0, since 0;
    Vtable = "mesh_vtable", VTABLE_SIZE_1_0, since 0;
    Component = "mesh_component", COMPONENT_SIZE_1_0, since 0;
    ExchangeExtension = "mesh_exchange_extension", EXCHANGE_EXTENSION_SIZE_1_0, since 0;
    EventsExtension = "mesh_events_extension", EVENTS_EXTENSION_SIZE_1_0, since 0;
    DataExtension = "mesh_data_extension", DATA_EXTENSION_SIZE_1_0, since 0;
    TimerExtension = "mesh_timer_extension", TIMER_EXTENSION_SIZE_1_0, since 0;
    DelegationExtension = "mesh_delegation_extension", DELEGATION_EXTENSION_SIZE_1_1, since 1;
    HttpExtension = "mesh_http_extension", HTTP_EXTENSION_SIZE_1_2, since 2;
    Request = "mesh_request", REQUEST_SIZE_1_3, since 3;
    Exchange2Extension = "mesh_exchange_2_extension", EXCHANGE_2_EXTENSION_SIZE_1_3, since 3;
    Events2Extension = "mesh_events_2_extension", EVENTS_2_EXTENSION_SIZE_1_3, since 3;
    Data2Extension = "mesh_data_2_extension", DATA_2_EXTENSION_SIZE_1_3, since 3;
    Timer2Extension = "mesh_timer_2_extension", TIMER_2_EXTENSION_SIZE_1_3, since 3;
}

/// A field that came with its struct: every writer gives it. Made by [`field!`](crate::field).
pub struct Field<Struct, Type>(Place<Struct, Type>);

/// A field that was appended to its struct: some writers do not give it. Made by [`later_field!`](crate::later_field).
pub struct LaterField<Struct, Type>(Place<Struct, Type>);

/// Where a field of that type is in a struct.
struct Place<Struct, Type> {
    offset: usize,
    types: PhantomData<fn(&Struct) -> Type>,
}

impl<Struct: Growing, Type: Copy> Field<Struct, Type> {
    /// For the macro [`field!`](crate::field) only. Does not compile there when the field was appended later.
    ///
    /// # Safety
    ///
    /// `offset` is where the field that the function names begins.
    #[doc(hidden)]
    pub const unsafe fn new(offset: usize, _: fn(&Struct) -> &Type) -> Self {
        assert!(
            offset + size_of::<Type>() <= Struct::FIRST_SIZE,
            "this field was appended later, and some writers do not give it: use `later_field!`"
        );
        Field(Place {
            offset,
            types: PhantomData,
        })
    }
}

impl<Struct: Growing, Type: Copy> LaterField<Struct, Type> {
    /// For the macro [`later_field!`](crate::later_field) only.
    ///
    /// # Safety
    ///
    /// `offset` is where the field that the function names begins.
    #[doc(hidden)]
    pub const unsafe fn new(offset: usize, _: fn(&Struct) -> &Type) -> Self {
        LaterField(Place {
            offset,
            types: PhantomData,
        })
    }
}

/// A field that came with its struct, for [`Given::get`]: `field!(Work, kind)`.
#[macro_export]
macro_rules! field {
    ($Struct:ty, $field:ident) => {
        const {
            let offset = ::core::mem::offset_of!($Struct, $field);
            // SAFETY: the offset is that of the field which the function names.
            unsafe { $crate::Field::new(offset, |value: &$Struct| &value.$field) }
        }
    };
}

/// A field that was appended to its struct, for [`Given::find`]: `later_field!(Work, kind)`.
#[macro_export]
macro_rules! later_field {
    ($Struct:ty, $field:ident) => {
        const {
            let offset = ::core::mem::offset_of!($Struct, $field);
            // SAFETY: the offset is that of the field which the function names.
            unsafe { $crate::LaterField::new(offset, |value: &$Struct| &value.$field) }
        }
    };
}

/// A struct that the other side wrote, in the size of the version that it was compiled with.
pub struct Given<'a, Struct> {
    start: NonNull<Struct>,
    lent: PhantomData<&'a Struct>,
}

// SAFETY: it is read only, as behind a shared reference.
unsafe impl<Struct: Sync> Send for Given<'_, Struct> {}
// SAFETY: as above.
unsafe impl<Struct: Sync> Sync for Given<'_, Struct> {}

impl<Struct> Clone for Given<'_, Struct> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Struct> Copy for Given<'_, Struct> {}

impl<Struct: Growing> fmt::Debug for Given<'_, Struct> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.size();
        write!(formatter, "{} of {size} bytes at {:p}", Struct::NAME, self.start)
    }
}

impl<'a, Struct: Growing> Given<'a, Struct> {
    /// Looks at the size of a struct.
    ///
    /// # Safety
    ///
    /// `start` is null or points to such a struct. All the bytes that its size counts are there and stay as they are
    /// for `'a`. Each field among them holds a value of its type.
    ///
    /// # Errors
    ///
    /// When there is no struct, or one that is shorter than its first version.
    #[inline]
    pub unsafe fn read(start: *const Struct) -> Result<Given<'a, Struct>, StructError> {
        let Some(start) = NonNull::new(start.cast_mut()) else {
            return Err(StructError::of::<Struct>(StructErrorKind::Missing, 0));
        };
        if !start.is_aligned() {
            return Err(StructError::of::<Struct>(StructErrorKind::Misplaced, 0));
        }
        let given = Given {
            start,
            lent: PhantomData,
        };
        match given.size() {
            size if size < Struct::FIRST_SIZE => {
                Err(StructError::of::<Struct>(StructErrorKind::TooShort, size))
            }
            _ => Ok(given),
        }
    }

    /// The size that its writer gave.
    #[inline]
    pub fn size(self) -> usize {
        // SAFETY: by the promise of `Growing` the size stands there, in each version of the struct.
        let size = unsafe { self.start.byte_add(Struct::SIZE_OFFSET) }.cast::<u32>();
        // SAFETY: by the promise of `read` it is readable.
        unsafe { size.read() as usize }
    }

    /// The pointer that it was read from.
    pub fn as_ptr(self) -> *const Struct {
        self.start.as_ptr()
    }

    /// A field that every writer gives.
    #[inline]
    pub fn get<Type: Copy>(self, field: Field<Struct, Type>) -> Type {
        // SAFETY: `read` has found that the struct has its first fields.
        unsafe { self.value(field.0) }
    }

    /// A field that was appended later. `None` when it does not lie inside the size that the writer gave.
    #[inline]
    pub fn find<Type: Copy>(self, field: LaterField<Struct, Type>) -> Option<Type> {
        let is_there = field.0.offset + size_of::<Type>() <= self.size();
        // SAFETY: the field lies inside the size.
        is_there.then(|| unsafe { self.value(field.0) })
    }

    /// # Safety
    ///
    /// The place lies inside the size that the writer gave.
    #[inline]
    unsafe fn value<Type: Copy>(self, place: Place<Struct, Type>) -> Type {
        // SAFETY: by the caller's promise the place lies inside the struct.
        let value = unsafe { self.start.byte_add(place.offset) }.cast::<Type>();
        // SAFETY: by the promise of `Given::read` a value of the field's type is there.
        unsafe { value.read() }
    }
}

/// The structs of an array, each at the distance that the one before it says.
#[derive(Debug)]
pub struct Items<'a, Struct> {
    next: *const Struct,
    left: usize,
    lent: PhantomData<&'a Struct>,
}

impl<Struct: Growing> Items<'_, Struct> {
    /// The array that begins with `first`.
    ///
    /// # Safety
    ///
    /// There are `count` structs, one behind the other, and [`Given::read`] may be called with each. `first` may be
    /// anything where `count` is 0.
    #[inline]
    pub const unsafe fn new(first: *const Struct, count: usize) -> Self {
        Items {
            next: first,
            left: count,
            lent: PhantomData,
        }
    }
}

impl<'a, Struct: Growing> Iterator for Items<'a, Struct> {
    type Item = Result<Given<'a, Struct>, StructError>;

    /// The next struct, or an error: where the others lie is not known then, and nothing follows.
    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        // SAFETY: by the promise of `new` so many structs are there, and this is the place of one.
        let item = unsafe { Given::read(self.next) }.and_then(|item| {
            let size = item.size();
            if !size.is_multiple_of(align_of::<Struct>()) {
                return Err(StructError::of::<Struct>(StructErrorKind::Uneven, size));
            }
            self.next = self.next.wrapping_byte_add(size);
            Ok(item)
        });
        if item.is_err() {
            self.left = 0;
        }
        Some(item)
    }
}

/// A struct of the other side that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StructError {
    kind: StructErrorKind,
    name: &'static str,
    size: usize,
    first_size: usize,
    align: usize,
    since: u16,
}

/// Why a struct of the other side cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StructErrorKind {
    /// There is none.
    Missing,
    /// It begins where no such struct can be.
    Misplaced,
    /// It is shorter than its first version.
    TooShort,
    /// It is an item of an array, and the one behind it would be misplaced.
    Uneven,
}

impl StructError {
    fn of<Struct: Growing>(kind: StructErrorKind, size: usize) -> StructError {
        StructError {
            kind,
            name: Struct::NAME,
            size,
            first_size: Struct::FIRST_SIZE,
            align: align_of::<Struct>(),
            since: Struct::SINCE,
        }
    }

    /// Why it cannot be read.
    pub fn kind(&self) -> StructErrorKind {
        self.kind
    }
}

impl fmt::Display for StructError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StructError {
            kind,
            name,
            size,
            first_size,
            align,
            since,
        } = self;
        match kind {
            StructErrorKind::Missing => write!(formatter, "the pointer to `{name}` is null"),
            StructErrorKind::Misplaced => write!(
                formatter,
                "`{name}` begins at an address that is no multiple of {align}"
            ),
            StructErrorKind::TooShort => write!(
                formatter,
                "`{name}` has a `struct_size` of {size}: it must be {first_size} or more, as in ABI 1.{since}"
            ),
            StructErrorKind::Uneven => write!(
                formatter,
                "`{name}` in an array has a `struct_size` of {size}: it must be a multiple of {align}"
            ),
        }
    }
}

impl core::error::Error for StructError {}
