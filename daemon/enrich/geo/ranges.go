package geo

import (
	"encoding/binary"
	"net/netip"
)

// ranges maps addresses to values. A range starts at an address and ends where
// the next one starts; the first starts at 0, so every address is in one. Of
// IPv6 addresses only the upper 64 bits count: nothing is routed by less.
type ranges[V uint8 | uint32] struct {
	v4       []uint32
	v4Values []V
	v6       []uint64
	v6Values []V
	// v4Index and v6Index hold, for the upper 16 bits of an address, how many
	// ranges start at an address with smaller ones: one more than there are.
	v4Index, v6Index []uint32
}

const indexSize = 1<<16 + 1

// index fills the indexes once starts and values are there.
func (r *ranges[V]) index() {
	r.v4Index = make([]uint32, indexSize)
	r.v6Index = make([]uint32, indexSize)
	for _, s := range r.v4 {
		r.v4Index[s>>16+1]++
	}
	for _, s := range r.v6 {
		r.v6Index[s>>48+1]++
	}
	for i := 1; i < indexSize; i++ {
		r.v4Index[i] += r.v4Index[i-1]
		r.v6Index[i] += r.v6Index[i-1]
	}
}

func (r *ranges[V]) lookup(ip netip.Addr) (V, bool) {
	switch {
	case ip.Is4() || ip.Is4In6():
		b := ip.As4()
		a := binary.BigEndian.Uint32(b[:])
		return r.v4Values[search(r.v4, r.v4Index, a, a>>16)], true
	case ip.Is6():
		b := ip.As16()
		a := binary.BigEndian.Uint64(b[:8])
		return r.v6Values[search(r.v6, r.v6Index, a, uint32(a>>48))], true
	}
	return 0, false
}

// search returns the last range that starts at or before a, whose upper 16 bits
// are given. There is one, since the first range starts at 0.
func search[A uint32 | uint64](starts []A, index []uint32, a A, upper uint32) int {
	lo, hi := int(index[upper]), int(index[upper+1])
	for lo < hi {
		m := int(uint(lo+hi) >> 1)
		if starts[m] <= a {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo - 1
}
