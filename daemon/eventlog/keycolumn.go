package eventlog

import (
	"encoding/binary"
	"encoding/hex"
)

// The columns that place an event: its time, its position in the log, its id.

// timeUnits are the units in which times are kept: the largest that divides all
// of a block's.
var timeUnits = [...]int64{1, 1e3, 1e6, 1e9}

func appendTimes(dst []byte, times []int64) []byte {
	u := len(timeUnits) - 1
	for u > 0 {
		ok := true
		for _, t := range times {
			if t%timeUnits[u] != 0 {
				ok = false
				break
			}
		}
		if ok {
			break
		}
		u--
	}
	dst = append(dst, byte(u))
	var prev int64
	for _, t := range times {
		v := t / timeUnits[u]
		dst = binary.AppendVarint(dst, v-prev)
		prev = v
	}
	return dst
}

func parseTimes(p []byte, n int) ([]int64, error) {
	c := cursor{p: p}
	u := int(c.byte())
	if u >= len(timeUnits) || n > len(p) {
		return nil, errShort
	}
	out := make([]int64, n)
	var v int64
	for i := range out {
		v += c.varint()
		out[i] = v * timeUnits[u]
	}
	return out, c.err
}

func parseSeqs(p []byte, n int, base uint64) ([]uint64, error) {
	c := cursor{p: p}
	if n > len(p) {
		return nil, errShort
	}
	out := make([]uint64, n)
	prev := int64(base)
	for i := range out {
		prev += c.varint()
		out[i] = uint64(prev)
	}
	return out, c.err
}

// Ids in the usual form of a UUID in lower case take 16 bytes, all others their
// own: a bit an id says which, then come the UUIDs, then the lengths and bytes
// of the others.
const uuidLen = 36

func packUUID(dst []byte, s string) ([]byte, bool) {
	if len(s) != uuidLen || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return dst, false
	}
	var b [16]byte
	j := 0
	for i := 0; i < uuidLen; {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			i++
			continue
		}
		hi, lo := unhex[s[i]], unhex[s[i+1]]
		if hi|lo > 15 {
			return dst, false
		}
		b[j] = hi<<4 | lo
		j++
		i += 2
	}
	return append(dst, b[:]...), true
}

var unhex = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xFF
	}
	for i := range byte(10) {
		t['0'+i] = i
	}
	for i := range byte(6) {
		t['a'+i] = 10 + i
	}
	return t
}()

func appendUIDs(dst []byte, uids []string) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, (len(uids)+7)/8)...)
	var others []string
	for i, s := range uids {
		var ok bool
		if dst, ok = packUUID(dst, s); ok {
			dst[start+i/8] |= 1 << (i % 8)
		} else {
			others = append(others, s)
		}
	}
	for _, s := range others {
		dst = binary.AppendUvarint(dst, uint64(len(s)))
	}
	for _, s := range others {
		dst = append(dst, s...)
	}
	return dst
}

func parseUIDs(p []byte, n int) ([]string, error) {
	c := cursor{p: p}
	bitmap := c.bytes((n + 7) / 8)
	if c.err != nil {
		return nil, c.err
	}
	packed := 0
	for i := range n {
		packed += int(bitmap[i/8] >> (i % 8) & 1)
	}
	raw := c.bytes(16 * packed)
	if c.err != nil {
		return nil, c.err
	}
	text := make([]byte, uuidLen*packed)
	for i := range packed {
		b, t := raw[16*i:16*i+16], text[uuidLen*i:uuidLen*i+uuidLen]
		hex.Encode(t[0:8], b[0:4])
		t[8] = '-'
		hex.Encode(t[9:13], b[4:6])
		t[13] = '-'
		hex.Encode(t[14:18], b[6:8])
		t[18] = '-'
		hex.Encode(t[19:23], b[8:10])
		t[23] = '-'
		hex.Encode(t[24:36], b[10:16])
	}
	all := alias(text)
	lens := c
	for range n - packed {
		c.size(maxPlain)
	}
	rest := alias(c.p)
	if c.err != nil {
		return nil, c.err
	}
	out := make([]string, n)
	for i := range out {
		if bitmap[i/8]>>(i%8)&1 == 1 {
			out[i], all = all[:uuidLen], all[uuidLen:]
			continue
		}
		l := int(lens.uvarint())
		if l > len(rest) {
			return nil, errShort
		}
		out[i], rest = rest[:l], rest[l:]
	}
	return out, nil
}
