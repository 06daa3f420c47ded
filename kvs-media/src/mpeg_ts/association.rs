//! The association table (§2.4.4.3): which programs the stream has, and which of them is read.

use std::collections::{BTreeMap, BTreeSet};

use super::packet::Packet;
use super::tables::{self, Program, Sections};

/// Collects the sections of the table and keeps the program that is read.
#[derive(Debug, Default)]
pub(super) struct Association {
    sections: Sections,
    /// The programs by section, and the number of the last section.
    table: BTreeMap<u8, Vec<Program>>,
    last: u8,
    program: Option<Program>,
    /// Numbers of all programs so far, and of those that were read.
    named: BTreeSet<u16>,
    read: BTreeSet<u16>,
}

impl Association {
    /// Takes a packet of the table; returns whether another program, or one with another map, is read from now on.
    pub(super) fn push(&mut self, packet: &Packet) -> bool {
        let mut is_changed = false;
        for section in self.sections.push(packet) {
            is_changed |= self.section(&section);
        }
        is_changed
    }

    fn section(&mut self, section: &[u8]) -> bool {
        let Some((number, last, programs)) = tables::programs(section) else { return false };
        // Another content of the same section, or another number of sections, begins a new table.
        if last != self.last || self.table.get(&number).is_some_and(|known| *known != programs) {
            self.table.clear();
        }
        self.last = last;
        self.named.extend(programs.iter().map(|program| program.number));
        self.table.insert(number, programs);
        let is_whole = self.table.len() > usize::from(last);
        let programs = || self.table.values().flatten().copied();
        let same = programs().find(|program| self.program.is_some_and(|read| read.number == program.number));
        // The first program is known before the whole table; that one has gone is not.
        let next = match (self.program, same) {
            (_, Some(same)) => Some(same),
            (Some(_), None) if !is_whole => self.program,
            (_, None) => programs().next().or(self.program),
        };
        self.read.extend(next.map(|program| program.number));
        std::mem::replace(&mut self.program, next) != next
    }

    /// The PID of the map that is read.
    pub(super) fn map(&self) -> Option<u16> {
        self.program.map(|program| program.map)
    }

    /// Whether a map section describes the program that is read. A map's PID may be shared by several programs.
    pub(super) fn is_read(&self, section: &[u8]) -> bool {
        let Some(read) = self.program else { return false };
        let shared = self.table.values().flatten().filter(|program| program.map == read.map).count() > 1;
        !shared || tables::extension(section) == Some(read.number)
    }

    /// Names the programs that were never read.
    pub(super) fn left_out(&self) -> Option<String> {
        let mut others = self.named.difference(&self.read);
        let names: Vec<_> = others.by_ref().take(NAMED).map(|number| format!("program {number}")).collect();
        let more = match others.count() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (!names.is_empty()).then(|| format!("left out: {}{more}", names.join(", ")))
    }
}

/// Most programs that a notice names. A broadcast multiplex has about ten.
const NAMED: usize = 20;

#[cfg(test)]
mod tests {
    use super::super::tables::section;
    use super::*;

    /// A packet with one section of the table.
    fn packet(number: u8, last: u8, programs: &[(u16, u16)]) -> Packet {
        let entries = programs.iter().flat_map(|(number, map)| {
            let ([n1, n2], [p1, p2]) = (number.to_be_bytes(), map.to_be_bytes());
            [n1, n2, p1 | 0xe0, p2]
        });
        let body: Vec<u8> = [0, 1, 0xc1, number, last].into_iter().chain(entries).collect();
        let payload = [vec![0], section(0, &body)].concat().into();
        Packet { pid: 0, starts_unit: true, is_scrambled: false, is_discontinuous: false, counter: 0, payload }
    }

    #[test]
    fn first_program_is_read_until_it_has_gone() {
        let mut association = Association::default();
        assert!(association.push(&packet(0, 0, &[(0, 16), (1, 100), (2, 200)])));
        assert_eq!(association.map(), Some(100));
        assert!(!association.push(&packet(0, 0, &[(0, 16), (1, 100), (2, 200)])));
        assert!(!association.push(&packet(0, 0, &[(2, 200), (1, 100)])), "the order is another");
        assert!(association.push(&packet(0, 0, &[(2, 200), (1, 101)])), "the map has moved");
        assert_eq!(association.map(), Some(101));
        assert!(association.push(&packet(0, 0, &[(2, 200), (3, 300)])), "the program has gone");
        assert_eq!((association.map(), association.left_out()), (Some(200), Some("left out: program 3".to_owned())));
        assert!(!association.push(&packet(0, 0, &[])), "an empty table names no other");
    }

    #[test]
    fn table_of_several_sections_is_read_as_one() {
        let mut association = Association::default();
        assert!(association.push(&packet(0, 1, &[(1, 100)])));
        assert!(!association.push(&packet(1, 1, &[(2, 200)])), "the second section does not replace the first");
        assert!(!association.push(&packet(0, 1, &[(1, 100)])));
        assert!(!association.push(&packet(0, 1, &[(3, 300)])), "the other section may have the program");
        assert!(association.push(&packet(1, 1, &[(4, 400)])));
        assert_eq!(association.map(), Some(300));
    }

    #[test]
    fn shared_map_pid_is_read_for_one_program() {
        let mut association = Association::default();
        association.push(&packet(0, 0, &[(1, 100), (2, 100)]));
        let map = |number: u8| section(2, &[0, number, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0]);
        assert_eq!([1, 2].map(|number| association.is_read(&map(number))), [true, false]);
        // With a PID of its own, a map of another number is that of a muxer that counts otherwise.
        association.push(&packet(0, 0, &[(1, 100), (2, 200)]));
        assert!(association.is_read(&map(2)));
    }

    #[test]
    fn notice_names_a_few_programs() {
        let mut association = Association::default();
        let programs: Vec<_> = (1..=100).map(|number| (number, number + 100)).collect();
        association.push(&packet(0, 0, &programs));
        let text = association.left_out().unwrap();
        assert!(
            text.starts_with("left out: program 2, program 3") && text.ends_with("program 21 and 79 more"),
            "{text}"
        );
    }
}
