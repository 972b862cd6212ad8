package enrich

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"time"
)

// mmdb makes small MaxMind DB files for tests, after the specification at
// https://maxmind.github.io/MaxMind-DB/: an IPv6 tree with records of 32 bits.
type mmdb struct {
	kind     string
	networks map[string]any
}

const (
	typeString = 2
	typeDouble = 3
	typeUint16 = 5
	typeUint32 = 6
	typeMap    = 7
	typeUint64 = 9
	typeArray  = 11
)

func (m mmdb) bytes() []byte {
	type node struct{ next, data [2]int } // 0 is none; data is an offset plus 1.
	nodes := []node{{}}
	var data []byte
	for _, s := range slices.Sorted(maps.Keys(m.networks)) {
		p := netip.MustParsePrefix(s)
		a, bits := p.Addr().As16(), p.Bits()
		if p.Addr().Is4() {
			// IPv4 lives at ::/96.
			a4 := p.Addr().As4()
			a, bits = [16]byte{}, bits+96
			copy(a[12:], a4[:])
		}
		at := 0
		for i := range bits {
			side := a[i/8] >> (7 - i%8) & 1
			if i == bits-1 {
				nodes[at].data[side] = len(data) + 1
				break
			}
			if nodes[at].next[side] == 0 {
				nodes = append(nodes, node{})
				nodes[at].next[side] = len(nodes) - 1
			}
			at = nodes[at].next[side]
		}
		data = appendMMDB(data, m.networks[s])
	}
	var b []byte
	for _, n := range nodes {
		for side := range 2 {
			v := len(nodes)
			if n.next[side] != 0 {
				v = n.next[side]
			} else if n.data[side] != 0 {
				v = len(nodes) + 16 + n.data[side] - 1
			}
			b = binary.BigEndian.AppendUint32(b, uint32(v))
		}
	}
	b = append(b, make([]byte, 16)...)
	b = append(b, data...)
	b = append(b, "\xab\xcd\xefMaxMind.com"...)
	return appendMMDB(b, map[string]any{
		"binary_format_major_version": uint16(2), "binary_format_minor_version": uint16(0),
		"build_epoch": uint64(time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC).Unix()), "database_type": m.kind,
		"description": map[string]any{"en": "made by a test"}, "ip_version": uint16(6), "languages": []any{"en"},
		"node_count": uint32(len(nodes)), "record_size": uint16(32),
	})
}

func appendMMDB(b []byte, v any) []byte {
	control := func(kind, size int) {
		if size > 28 {
			panic(fmt.Sprintf("size %d is not needed in tests", size))
		}
		if kind > 7 {
			b = append(b, byte(size), byte(kind-7))
			return
		}
		b = append(b, byte(kind<<5|size))
	}
	switch v := v.(type) {
	case string:
		control(typeString, len(v))
		b = append(b, v...)
	case float64:
		control(typeDouble, 8)
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(v))
	case uint16:
		control(typeUint16, 2)
		b = binary.BigEndian.AppendUint16(b, v)
	case uint32:
		control(typeUint32, 4)
		b = binary.BigEndian.AppendUint32(b, v)
	case uint64:
		control(typeUint64, 8)
		b = binary.BigEndian.AppendUint64(b, v)
	case []any:
		control(typeArray, len(v))
		for _, x := range v {
			b = appendMMDB(b, x)
		}
	case map[string]any:
		control(typeMap, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			b = appendMMDB(b, k)
			b = appendMMDB(b, v[k])
		}
	default:
		panic(fmt.Sprintf("%T is not needed in tests", v))
	}
	return b
}
