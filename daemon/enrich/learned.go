package enrich

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
)

// What a Learner knows is written as: version u8; uvarint networks, each: u8
// length of the address, the address, u8 bits, varint last day, uvarint days,
// u64 recent, u8 people, their hashes u64. Integers are little-endian.
const learnedVersion = 1

var errLearned = errors.New("reading learned networks: not as they were written")

// AppendBinary appends what has been learned to b. What is known from elsewhere
// is not written.
func (l *Learner) AppendBinary(b []byte) ([]byte, error) {
	prefixes := make([]netip.Prefix, 0, len(l.networks))
	for p := range l.networks {
		prefixes = append(prefixes, p)
	}
	slices.SortFunc(prefixes, netip.Prefix.Compare)
	b = append(b, learnedVersion)
	b = binary.AppendUvarint(b, uint64(len(prefixes)))
	for _, p := range prefixes {
		h := l.networks[p]
		a := p.Addr().AsSlice()
		b = append(b, byte(len(a)))
		b = append(b, a...)
		b = append(b, byte(p.Bits()))
		b = binary.AppendVarint(b, int64(h.lastDay))
		b = binary.AppendUvarint(b, uint64(h.days))
		b = binary.LittleEndian.AppendUint64(b, h.recent)
		b = append(b, byte(len(h.people)))
		for _, w := range h.people {
			b = binary.LittleEndian.AppendUint64(b, w)
		}
	}
	return b, nil
}

// UnmarshalBinary takes over what AppendBinary wrote. On an error the learner is
// as it was.
func (l *Learner) UnmarshalBinary(b []byte) error {
	if len(b) < 2 || b[0] != learnedVersion {
		return errLearned
	}
	n, k := binary.Uvarint(b[1:])
	if k <= 0 || n > maxNetworks {
		return errLearned
	}
	b = b[1+k:]
	networks := make(map[netip.Prefix]*habit, n)
	for range n {
		p, h, rest, ok := parseHabit(b)
		if !ok {
			return errLearned
		}
		networks[p], b = h, rest
	}
	if len(b) > 0 {
		return errLearned
	}
	l.networks = networks
	l.last, l.lastHabit = netip.Prefix{}, nil
	return nil
}

// parseHabit reads one network.
func parseHabit(b []byte) (p netip.Prefix, h *habit, rest []byte, ok bool) {
	if len(b) < 1 || len(b) < 2+int(b[0]) {
		return p, nil, nil, false
	}
	size := int(b[0])
	addr, valid := netip.AddrFromSlice(b[1 : 1+size])
	if !valid {
		return p, nil, nil, false
	}
	p, err := addr.Prefix(int(b[1+size]))
	if err != nil {
		return p, nil, nil, false
	}
	b = b[2+size:]
	last, k := binary.Varint(b)
	if k <= 0 {
		return p, nil, nil, false
	}
	b = b[k:]
	days, k := binary.Uvarint(b)
	if k <= 0 || len(b) < k+9 {
		return p, nil, nil, false
	}
	b = b[k:]
	h = &habit{days: int(days), lastDay: int32(last), recent: binary.LittleEndian.Uint64(b)}
	people := int(b[8])
	b = b[9:]
	if people > maxPeople || len(b) < 8*people {
		return p, nil, nil, false
	}
	for i := range people {
		h.people = append(h.people, binary.LittleEndian.Uint64(b[8*i:]))
	}
	return p, h, b[8*people:], true
}
