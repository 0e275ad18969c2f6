use idemcheck::check::search::*;
use idemcheck::system::{System, world::*};
use std::collections::HashSet;
fn main() {
    let path: Vec<std::path::PathBuf> = vec![std::env::args().nth(1).unwrap().into()];
    let loaded = idemcheck::policy::load::load(&path, None);
    let p = &loaded.policies[0];
    let s = System::new(&p.policy, &p.protocol).unwrap();
    let t = std::time::Instant::now();
    let e = explore(&s, &SearchOptions::default(), &mut ()).unwrap();
    println!("{:?} {:?}", e.stats(), t.elapsed());
    let worlds: Vec<World> = e.states().map(World::unpack).collect();
    let count = |name: &str, f: &dyn Fn(&mut World)| {
        let set: HashSet<Packed> = worlds
            .iter()
            .map(|w| {
                let mut w = w.clone();
                f(&mut w);
                w.rank_tokens();
                w.sort();
                w.pack()
            })
            .collect();
        println!("without {name}: {}", set.len());
    };
    count("nothing", &|_| {});
    count("effects", &|w| {
        w.effects = [0; 3];
    });
    count("versions", &|w| {
        let k = |k: &mut Known| {
            if let Known::Done { class, .. } = *k {
                *k = Known::Done { class, version: 1 }
            }
        };
        for key in &mut w.keys {
            k(&mut key.receipt.known);
            k(&mut key.receipt.first_answer);
            key.native.version = 1.min(key.native.version);
        }
        for a in w.clients.iter_mut().filter_map(|c| c.attempt.as_mut()).chain(w.zombies.iter_mut()) {
            k(&mut a.known);
            if let Call::Landed(x) = &mut a.call {
                k(x)
            }
        }
    });
    count("effects+versions", &|w| {
        w.effects = w.effects.map(|e| e.min(1));
        let k = |k: &mut Known| {
            if let Known::Done { class, .. } = *k {
                *k = Known::Done { class, version: 1 }
            }
        };
        for key in &mut w.keys {
            k(&mut key.receipt.known);
            k(&mut key.receipt.first_answer);
            key.native.version = 1.min(key.native.version);
        }
        for a in w.clients.iter_mut().filter_map(|c| c.attempt.as_mut()).chain(w.zombies.iter_mut()) {
            k(&mut a.known);
            if let Call::Landed(x) = &mut a.call {
                k(x)
            }
        }
    });
    count("tokens", &|w| {
        w.seen = 0;
        w.granted = 0;
        for k in &mut w.keys {
            k.receipt.token = 0
        }
        for a in w.clients.iter_mut().filter_map(|c| c.attempt.as_mut()).chain(w.zombies.iter_mut()) {
            a.token = 0
        }
        for f in &mut w.flights {
            f.token = 0;
            f.grant = 0
        }
    });
    count("first_answer", &|w| {
        for k in &mut w.keys {
            k.receipt.first_answer = Known::Nothing
        }
    });
    count("was_recorded", &|w| {
        for k in &mut w.keys {
            k.receipt.was_recorded = false
        }
    });
    count("budget", &|w| {
        w.budget = Budget { crashes: 0, lost_requests: 0, lost_responses: 0, ambiguous_acks: 0, aborts: 0 }
    });
    count("flights", &|w| w.flights.clear());
    count("zombies", &|w| w.zombies.clear());
    count("known", &|w| {
        for a in w.clients.iter_mut().filter_map(|c| c.attempt.as_mut()).chain(w.zombies.iter_mut()) {
            a.known = Known::Nothing
        }
    });
    count("owns", &|w| {
        for a in w.clients.iter_mut().filter_map(|c| c.attempt.as_mut()).chain(w.zombies.iter_mut()) {
            a.owns = false
        }
    });
}
