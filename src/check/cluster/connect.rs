//! Connections between the processes, made before the engine has them: it would wait for ever for one that does
//! not come, and would not ask whether the others check the same.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use super::workers::Place;

/// What a process says first: this word, its number, how many there are, threads of each, the digest.
const HELLO: usize = 8 + 4 + 4 + 4 + DIGEST;
/// See [`crate::source::digest`].
const DIGEST: usize = 32;
const WORD: &[u8; 8] = b"idemchk1";
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);
/// For one that has come to say hello.
const GREETING: Duration = Duration::from_secs(5);
/// A connection is given up when nothing that was sent has arrived for so long.
const SILENCE: Duration = Duration::from_secs(30);

/// A socket to each of the others, by number; none to itself. Those with a lower number are called, the others call.
pub(super) fn connect(place: &Place) -> Result<Vec<Option<TcpStream>>, String> {
    let end = Instant::now() + place.patience;
    let own = &place.addresses[place.process];
    let listener = TcpListener::bind(own)
        .map_err(|error| format!("process {} cannot listen at {own}: {error}", place.process))?;
    listener.set_nonblocking(true).map_err(|error| format!("cannot listen at {own}: {error}"))?;
    let mut sockets: Vec<Option<TcpStream>> = place.addresses.iter().map(|_| None).collect();
    let is_missing =
        |sockets: &[Option<TcpStream>], number: usize| number != place.process && sockets[number].is_none();
    loop {
        for number in 0..place.process {
            if is_missing(&sockets, number) {
                sockets[number] = call(place, number)?;
            }
        }
        while let Ok((socket, _)) = listener.accept() {
            // Anybody may come by: who does not say the word is none of us.
            if let Some((number, socket)) = answer(place, socket)? {
                sockets[number] = Some(socket);
            }
        }
        let Some(number) = (0..sockets.len()).find(|number| is_missing(&sockets, *number)) else { break };
        if Instant::now() >= end {
            return Err(format!(
                "process {number} ({}) was not there after {} s",
                place.addresses[number],
                place.patience.as_secs()
            ));
        }
        std::thread::sleep(PAUSE);
    }
    for socket in sockets.iter().flatten() {
        ready(socket).map_err(|error| format!("cannot set up a connection: {error}"))?;
    }
    Ok(sockets)
}

/// None: it is not there yet.
fn call(place: &Place, number: usize) -> Result<Option<TcpStream>, String> {
    let address = &place.addresses[number];
    let found = address
        .to_socket_addrs()
        .map_err(|error| format!("the address of process {number}, {address}, cannot be found: {error}"))?;
    for address in found {
        let Ok(mut socket) = TcpStream::connect_timeout(&address, GREETING) else { continue };
        if greet(place, &mut socket).is_err() {
            continue;
        }
        let Some(theirs) = hear(&mut socket) else { continue };
        return match agree(place, &theirs)? {
            other if other == number => Ok(Some(socket)),
            other => Err(format!(
                "at {address} there is process {other}, not {number}: is the hosts file the same?"
            )),
        };
    }
    Ok(None)
}

fn answer(place: &Place, mut socket: TcpStream) -> Result<Option<(usize, TcpStream)>, String> {
    if socket.set_nonblocking(false).is_err() {
        return Ok(None);
    }
    let Some(theirs) = hear(&mut socket) else { return Ok(None) };
    if greet(place, &mut socket).is_err() {
        return Ok(None);
    }
    let number = agree(place, &theirs)?;
    if number <= place.process || number >= place.addresses.len() {
        return Err(format!("a second process calls itself {number}: each needs its own `--process`"));
    }
    Ok(Some((number, socket)))
}

fn greet(place: &Place, socket: &mut TcpStream) -> std::io::Result<()> {
    let mut hello = Vec::with_capacity(HELLO);
    hello.extend_from_slice(WORD);
    for number in [place.process, place.addresses.len(), place.workers] {
        hello.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes());
    }
    let mut digest = place.digest.clone().into_bytes();
    digest.resize(DIGEST, 0);
    hello.extend_from_slice(&digest);
    socket.write_all(&hello)
}

fn hear(socket: &mut TcpStream) -> Option<[u8; HELLO]> {
    socket.set_read_timeout(Some(GREETING)).ok()?;
    let mut theirs = [0; HELLO];
    match socket.read_exact(&mut theirs) {
        Ok(()) if theirs.starts_with(WORD) => Some(theirs),
        Ok(()) => None,
        Err(error) => {
            debug_assert!(error.kind() != ErrorKind::InvalidInput);
            None
        }
    }
}

/// The number of the other, if it asks the same.
fn agree(place: &Place, theirs: &[u8; HELLO]) -> Result<usize, String> {
    let number =
        |at: usize| theirs[at..at + 4].iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
    let (other, processes, workers) = (number(8), number(12), number(16));
    if processes != place.addresses.len() {
        let here = place.addresses.len();
        return Err(format!(
            "process {other} knows of {processes} processes, this one of {here}: is the hosts file the same?"
        ));
    }
    if workers != place.workers {
        return Err(format!(
            "process {other} has --workers {workers}, this one {}: they must be the same",
            place.workers
        ));
    }
    if !theirs[20..].iter().zip(place.digest.bytes().chain(std::iter::repeat(0))).all(|(a, b)| *a == b) {
        return Err(format!(
            "process {other} is another build, or checks other policies, models or options: all processes must be given the same"
        ));
    }
    Ok(other)
}

/// For messages large and small, and an end of those that nobody hears.
fn ready(socket: &TcpStream) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    socket.set_read_timeout(None)?;
    rustix::net::sockopt::set_socket_keepalive(socket, true)?;
    #[cfg(target_os = "linux")]
    {
        rustix::net::sockopt::set_tcp_keepidle(socket, SILENCE / 3)?;
        rustix::net::sockopt::set_tcp_keepintvl(socket, SILENCE / 6)?;
        rustix::net::sockopt::set_tcp_keepcnt(socket, 4)?;
        rustix::net::sockopt::set_tcp_user_timeout(socket, SILENCE.as_millis() as u32)?;
    }
    Ok(())
}
