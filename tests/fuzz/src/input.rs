//! An input taken apart.
//!
//! Enters: the bytes of an input. Leaves: numbers, choices and texts, in the order in which they are asked for. Guarantees:
//! any input gives something; one that has ended gives zeros and empty texts.

/// The rest of an input.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// The whole of an input.
    pub fn new(bytes: &'a [u8]) -> Input<'a> {
        Input(bytes)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((byte, rest)) => {
                self.0 = rest;
                *byte
            }
            None => 0,
        }
    }

    /// The next two bytes as a number.
    pub fn short(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// The next four bytes as a number.
    pub fn number(&mut self) -> u32 {
        u32::from(self.short()) << 16 | u32::from(self.short())
    }

    /// A number below a limit, from one byte.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit.max(1)
    }

    /// One of a list, which must not be empty.
    ///
    /// # Panics
    ///
    /// When the list is empty.
    pub fn pick<'l, T>(&mut self, list: &'l [T]) -> &'l T {
        &list[self.below(list.len())]
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// All that is left, as text; nothing where it is no text.
    pub fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.rest()).ok()
    }

    /// The bytes up to a mark, which is left out, or to the end.
    pub fn until(&mut self, mark: u8) -> &'a [u8] {
        match self.0.iter().position(|byte| *byte == mark) {
            Some(place) => {
                let before = &self.0[..place];
                self.0 = &self.0[place + 1..];
                before
            }
            None => self.rest(),
        }
    }

    /// The next line as text; nothing where it is no text.
    pub fn line(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.until(b'\n')).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_taken_in_order_and_its_end_gives_zeros() {
        let mut input = Input::new(b"\x01\x02\x03one\ntwo\nthree");
        assert_eq!(input.byte(), 1);
        assert_eq!(input.short(), 0x0203);
        assert_eq!(input.line(), Some("one"));
        assert_eq!(input.until(b'w'), b"t");
        assert_eq!(input.text(), Some("o\nthree"));
        assert!(input.is_empty());
        assert_eq!((input.number(), input.below(5), input.line()), (0, 0, Some("")));
    }

    #[test]
    fn bytes_that_are_no_text_give_no_text() {
        assert_eq!(Input::new(b"\xff\n").line(), None);
        assert_eq!(Input::new(b"\xff").text(), None);
    }
}
