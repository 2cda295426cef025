//! A TCP proxy that does to a connection what bad networks do.
//!
//! Enters: connections for somebody who listens on loopback. Leaves: their bytes, unless the test wants otherwise: later, not yet, or never.
//! Guarantees: bytes that are let through are those that came, in their order. Everything ends with the value.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// One direction of the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From those who connect.
    Out,
    /// From the one that they connect to.
    In,
}

/// The proxy's orders.
#[derive(Debug, Default)]
struct Orders {
    /// How much later bytes go on.
    delay: Duration,
    /// Bytes of these directions wait.
    out_is_stopped: bool,
    in_is_stopped: bool,
    /// Nobody gets through.
    is_cut: bool,
    /// The connections that there are.
    open: Vec<TcpStream>,
}

#[derive(Debug, Default)]
struct Shared {
    orders: Mutex<Orders>,
    changed: Condvar,
}

/// A proxy in front of one listener.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Listens on a port of its own for connections to this one.
    ///
    /// # Panics
    ///
    /// When it cannot listen.
    pub fn to(port: u16) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there are free ports");
        let own = listener.local_addr().expect("it has an address").port();
        let shared = Arc::<Shared>::default();
        let proxy = Proxy {
            port: own,
            shared: shared.clone(),
        };
        let target = SocketAddr::from(([127, 0, 0, 1], port));
        // It ends with the process: a thread that waits for a connection costs nothing.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                carry(&shared, stream, target);
            }
        });
        proxy
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of a NATS server behind it.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Lets bytes go on so much later.
    pub fn delay(&self, by: Duration) {
        self.order(|orders| orders.delay = by);
    }

    /// Holds the bytes of one direction back.
    pub fn stop(&self, direction: Direction) {
        self.order(|orders| *orders.is_stopped(direction) = true);
    }

    /// Lets the bytes of one direction go on that were held back.
    pub fn go_on(&self, direction: Direction) {
        self.order(|orders| *orders.is_stopped(direction) = false);
    }

    /// Breaks all connections, and lets nobody connect.
    pub fn cut(&self) {
        self.order(|orders| {
            orders.is_cut = true;
            orders.break_all();
        });
    }

    /// Lets others connect again.
    pub fn mend(&self) {
        self.order(|orders| orders.is_cut = false);
    }

    /// Breaks all connections. New ones go through.
    pub fn interrupt(&self) {
        self.order(Orders::break_all);
    }

    fn order(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut self.shared.lock());
        self.shared.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
    }
}

impl Orders {
    fn is_stopped(&mut self, direction: Direction) -> &mut bool {
        match direction {
            Direction::Out => &mut self.out_is_stopped,
            Direction::In => &mut self.in_is_stopped,
        }
    }

    fn break_all(&mut self) {
        for stream in self.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until bytes that came then may go on. Says whether they may at all.
    fn may_go_on(&self, direction: Direction, came: Instant) -> bool {
        let mut orders = self.lock();
        loop {
            if orders.is_cut {
                return false;
            }
            let left = (came + orders.delay).saturating_duration_since(Instant::now());
            let waited = match *orders.is_stopped(direction) {
                true => self.changed.wait(orders).unwrap_or_else(PoisonError::into_inner),
                false if left.is_zero() => return true,
                false => {
                    let waited = self.changed.wait_timeout(orders, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            orders = waited;
        }
    }
}

/// Carries a connection in threads of its own.
fn carry(shared: &Arc<Shared>, near: TcpStream, target: SocketAddr) {
    if shared.lock().is_cut {
        return;
    }
    let Ok(far) = TcpStream::connect(target) else {
        return;
    };
    let both = [(&near, &far, Direction::Out), (&far, &near, Direction::In)];
    let mut orders = shared.lock();
    if orders.is_cut {
        return;
    }
    for (from, to, direction) in both {
        let _ = from.set_nodelay(true);
        let (Ok(kept), Ok(from), Ok(to)) = (from.try_clone(), from.try_clone(), to.try_clone()) else {
            return;
        };
        orders.open.push(kept);
        let (sender, receiver) = channel();
        let shared = shared.clone();
        thread::spawn(move || take(from, &sender));
        thread::spawn(move || give(&shared, direction, &receiver, to));
    }
}

fn take(mut from: TcpStream, into: &Sender<(Instant, Vec<u8>)>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 || into.send((Instant::now(), buffer[..count].to_vec())).is_err() {
            return;
        }
    }
}

fn give(shared: &Shared, direction: Direction, from: &Receiver<(Instant, Vec<u8>)>, mut to: TcpStream) {
    for (came, bytes) in from {
        if !shared.may_go_on(direction, came) || to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use super::{Direction, Proxy};
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    /// Both ends of a connection through the proxy.
    fn connected(proxy: &Proxy, listener: &TcpListener) -> (TcpStream, TcpStream) {
        let near = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        let (far, _) = listener.accept().unwrap();
        (near, far)
    }

    #[test]
    fn one_direction_is_held_back_and_the_other_is_not() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let proxy = Proxy::to(listener.local_addr().unwrap().port());
        let (mut near, mut far) = connected(&proxy, &listener);
        proxy.delay(Duration::from_millis(1));
        proxy.stop(Direction::Out);
        near.write_all(b"held").unwrap();
        far.write_all(b"goes").unwrap();
        let mut four = [0; 4];
        near.read_exact(&mut four).unwrap();
        assert_eq!(&four, b"goes");
        far.set_nonblocking(true).unwrap();
        assert!(far.read(&mut four).is_err(), "nothing came through");
        far.set_nonblocking(false).unwrap();
        proxy.go_on(Direction::Out);
        far.read_exact(&mut four).unwrap();
        assert_eq!(&four, b"held");
    }

    #[test]
    fn a_cut_ends_connections_and_refuses_new_ones_until_it_is_mended() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let proxy = Proxy::to(listener.local_addr().unwrap().port());
        let (mut near, far) = connected(&proxy, &listener);
        proxy.cut();
        assert!(matches!(near.read(&mut [0; 4]), Ok(0) | Err(_)));
        drop(far);
        let mut refused = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        assert!(matches!(refused.read(&mut [0; 4]), Ok(0) | Err(_)));
        proxy.mend();
        let (mut near, mut far) = connected(&proxy, &listener);
        near.write_all(b"back").unwrap();
        let mut four = [0; 4];
        far.read_exact(&mut four).unwrap();
        assert_eq!(&four, b"back");
    }
}
