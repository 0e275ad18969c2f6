//! A remediation's part of a world as bytes.

use smallvec::SmallVec;

use super::{GuardState, Job, Remedy, TargetState};
use crate::system::world::Slot;

impl Remedy {
    pub(in crate::system) fn pack(&self, out: &mut impl FnMut(u8)) {
        out(self.targets.len() as u8);
        out(self.episodes);
        for t in &self.targets {
            let flags = [t.faulty, t.half, t.paged, t.overdue, t.acted];
            out(bits(&flags) | t.reversals << 5 | u8::from(t.cured) << 7);
            out(t.value);
            out(t.was.map_or(0, |was| was + 1));
            out(t.actions << 4 | t.starts.len() as u8);
            out(bits(&[t.changed, t.went, t.over, t.since, t.undone].map(Slot::present)));
        }
        out(self.jobs.len() as u8);
        for job in &self.jobs {
            out(job.part << 4 | job.target);
            out(bits(&[job.undo, job.current, job.counted, job.locked, job.breaks, job.clock.present()]));
        }
        out(self.guards.len() as u8);
        for guard in &self.guards {
            out(guard.mode);
            out(guard.count << 4 | guard.clocks.len() as u8);
            guard.bits.to_le_bytes().into_iter().for_each(&mut *out);
        }
    }

    /// The inverse of [`Remedy::pack`]; `slot` numbers a clock that is there.
    pub(in crate::system) fn unpack(
        mut next: impl FnMut() -> u8,
        mut slot: impl FnMut(bool) -> Slot,
    ) -> Remedy {
        let (count, episodes) = (next(), next());
        let mut targets = SmallVec::new();
        for _ in 0..count {
            let (flags, value, was, counts, clocks) = (next(), next(), next(), next(), next());
            let has = |bit: u8| flags >> bit & 1 != 0;
            targets.push(TargetState {
                faulty: has(0),
                half: has(1),
                paged: has(2),
                overdue: has(3),
                acted: has(4),
                cured: has(7),
                reversals: flags >> 5 & 3,
                value,
                was: was.checked_sub(1),
                actions: counts >> 4,
                changed: slot(clocks & 1 != 0),
                went: slot(clocks & 2 != 0),
                over: slot(clocks & 4 != 0),
                since: slot(clocks & 8 != 0),
                undone: slot(clocks & 16 != 0),
                starts: (0..counts & 15).map(|_| slot(true)).collect(),
            });
        }
        let mut jobs = SmallVec::new();
        for _ in 0..next() {
            let (place, flags) = (next(), next());
            let has = |bit: u8| flags >> bit & 1 != 0;
            jobs.push(Job {
                part: place >> 4,
                target: place & 15,
                undo: has(0),
                current: has(1),
                counted: has(2),
                locked: has(3),
                breaks: has(4),
                clock: slot(has(5)),
                name: (0, 0),
            });
        }
        let mut guards = SmallVec::new();
        for _ in 0..next() {
            let (mode, counts) = (next(), next());
            let bits = u32::from_le_bytes(std::array::from_fn(|_| next()));
            let clocks = (0..counts & 15).map(|_| slot(true)).collect();
            guards.push(GuardState { mode, count: counts >> 4, bits, clocks });
        }
        Remedy { targets, jobs, guards, episodes }
    }
}

fn bits(flags: &[bool]) -> u8 {
    (0..).zip(flags).fold(0, |all, (bit, flag)| all | u8::from(*flag) << bit)
}
