//! Documents to read and write.
//!
//! Enters: how many there are and what is done with them. Leaves: requests to make, use and remove them.
//! Guarantees: everything is below one path of this run, so that nothing else in the store is touched.

use super::plan::{Data, Operation};
use super::template::{GAP, Template};

/// Documents in one folder: what a scan returns.
const FOLDER: u64 = 100;

/// Makes the requests of one connection.
#[derive(Debug)]
pub(super) struct DataRequests {
    set: Template,
    get: Template,
    scan: Template,
    operations: Vec<Operation>,
    documents: u64,
    turn: usize,
    random: u64,
}

impl DataRequests {
    /// `root` is the path below which the documents are, `seed` makes connections differ.
    pub(super) fn new(data: &Data, root: &str, session: &str, payload: usize, seed: u64) -> DataRequests {
        let rest = format!(r#""options":{{"timeout":60000}},"sessionId":"{session}"}}"#);
        let path = format!("{root}/{GAP}/{GAP}");
        let padding = "x".repeat(payload);
        let set = format!(
            r#"{{"action":"set","eventId":{GAP},"path":"{path}","data":{{"value":{GAP},"padding":"{padding}"}},{rest}"#
        );
        let get = format!(r#"{{"action":"get","eventId":{GAP},"path":"{path}","data":null,{rest}"#);
        let scan = format!(r#"{{"action":"get","eventId":{GAP},"path":"{root}/{GAP}/*","data":null,{rest}"#);
        DataRequests {
            set: Template::new(&set),
            get: Template::new(&get),
            scan: Template::new(&scan),
            operations: data.operations.clone(),
            documents: (data.documents as u64).max(1),
            turn: 0,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        }
    }

    /// The request that makes one document.
    pub(super) fn create(&self, number: u64, document: u64) -> Vec<u8> {
        let mut out = Vec::new();
        self.set.write(&mut out, |gap| {
            [number, document / FOLDER, document, document][gap]
        });
        out
    }

    /// Appends the next request.
    pub(super) fn write(&mut self, number: u64, out: &mut Vec<u8>) {
        let operation = self.operations.get(self.turn).copied().unwrap_or(Operation::Get);
        self.turn = (self.turn + 1) % self.operations.len().max(1);
        // xorshift: any spread over the documents will do.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let document = self.random % self.documents;
        let numbers = [number, document / FOLDER, document, number];
        match operation {
            Operation::Set => self.set.write(out, |gap| numbers[gap]),
            Operation::Get => self.get.write(out, |gap| numbers[gap]),
            Operation::Scan => self.scan.write(out, |gap| numbers[gap]),
        }
    }
}
