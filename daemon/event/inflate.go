package event

import (
	"encoding/binary"
	"errors"
	"io"
)

// This file decodes DEFLATE (RFC 1951). Half of what reading CloudTrail costs is
// spent here, and an inflater that has its input and its output in memory, looks
// up 11 bits at once and copies by words takes half the time of the library's,
// which asks for its input byte by byte. FuzzInflate holds it to compress/flate.

const (
	historySize = 32 << 10 // How far back a copy may reach.
	chunkSize   = 64 << 10 // How much is decoded before it is handed out.
	longestCopy = 258
	// overshoot is how far beyond its end a copy by words may write.
	overshoot = 16
	// outLimit is up to where one more step is sure to have room.
	outLimit = historySize + chunkSize
	outSize  = outLimit + longestCopy + 3 + overshoot

	inSize = 32 << 10
	// padding is how far behind the input bits may be loaded from.
	padding = 40
	// stepBytes is how much input one step of the fast loop may load.
	stepBytes = 16

	litBits  = 11
	distBits = 8
	litSize  = 2342 // The most that any code of 288 symbols takes (zlib's enough.c).
	distSize = 402

	maxLits  = 286
	maxDists = 30
)

// The entries of a decoding table. The low byte is how many bits the symbol and
// its extra bits take, the next four bits how many the symbol alone does, and
// the upper half is the literal, the base of a length or of a distance, or where
// a subtable begins.
const (
	entryLiteral = 1 << 31
	entryOther   = 1 << 15 // Neither a literal, a length nor a distance: one of the following.
	entrySub     = 1 << 14 // Bits 8 to 11 are how many bits the subtable looks up.
	entryEnd     = 1 << 13
)

// errDeflate names no place: where an error is found depends on how much of the
// input is there at once.
var errDeflate = errors.New("gzip: the compressed data is corrupt")

var (
	litEntries  [maxLits + 2]uint32
	distEntries [maxDists + 2]uint32
	lengthOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	lenEntries  [19]uint32
	fixedLits   [litSize]uint32
	fixedDists  [distSize]uint32
)

func init() {
	for i := range litEntries {
		litEntries[i] = entryOther // What no encoder may write.
	}
	for i := range 256 {
		litEntries[i] = entryLiteral | uint32(i)<<16
	}
	litEntries[256] = entryOther | entryEnd
	base := uint32(3)
	for i := range 28 {
		extra := uint32(max(i/4-1, 0))
		litEntries[257+i] = base<<16 | extra
		base += 1 << extra
	}
	litEntries[285] = longestCopy << 16
	for i := range distEntries {
		distEntries[i] = entryOther
	}
	base = 1
	for i := range maxDists {
		extra := uint32(max(i/2-1, 0))
		distEntries[i] = base<<16 | extra
		base += 1 << extra
	}
	for i := range lenEntries {
		lenEntries[i] = uint32(i) << 16
	}
	var lens [maxLits + 2]uint8
	for i := range lens {
		switch {
		case i < 144:
			lens[i] = 8
		case i < 256:
			lens[i] = 9
		case i < 280:
			lens[i] = 7
		default:
			lens[i] = 8
		}
	}
	buildTable(fixedLits[:], litBits, lens[:], litEntries[:])
	for i := range maxDists + 2 {
		lens[i] = 5
	}
	buildTable(fixedDists[:], distBits, lens[:maxDists+2], distEntries[:])
}

// buildTable makes the table of a canonical code, whose first level looks up
// main bits. It reports whether the code is one: complete, empty, or of one
// symbol of one bit.
func buildTable(tab []uint32, main uint, lens []uint8, entries []uint32) bool {
	var count [16]uint32
	for _, n := range lens {
		count[n]++
	}
	used := uint32(len(lens)) - count[0]
	count[0] = 0
	var next [17]uint32
	var sum uint32
	for n := 1; n < 16; n++ {
		next[n+1] = next[n] + count[n]
		sum += count[n] << (15 - n)
	}
	complete := sum == 1<<15
	if !complete && used != 0 && (used != 1 || count[1] != 1) {
		return false
	}
	if !complete {
		for i := range tab[:1<<main] {
			tab[i] = entryOther
		}
	}
	var order [maxLits + 2]uint16
	for sym, n := range lens {
		if n != 0 {
			order[next[n]] = uint16(sym)
			next[n]++
		}
	}
	free := uint32(1) << main // Where the next subtable begins.
	var code, prefix, start, subBits uint32
	prefix = ^uint32(0)
	n := uint32(1)
	for _, sym := range order[:used] {
		for count[n] == 0 {
			n++
			code <<= 1
		}
		rev := reverse15(code) >> (15 - n)
		entry := entries[sym] + n*0x101
		if n <= uint32(main) {
			for i := rev; i < 1<<main; i += 1 << n {
				tab[i] = entry
			}
		} else {
			if low := rev & (1<<main - 1); low != prefix {
				// The codes that follow share the prefix until its room is used up.
				prefix, start, subBits = low, free, n-uint32(main)
				room := count[n]
				for room < 1<<subBits {
					subBits++
					room = room<<1 + count[uint32(main)+subBits]
				}
				free += 1 << subBits
				tab[low] = entryOther | entrySub | start<<16 | subBits<<8 | uint32(main)
			}
			entry = entries[sym] + (n-uint32(main))*0x101
			for i := rev >> main; i < 1<<subBits; i += 1 << (n - uint32(main)) {
				tab[start+i] = entry
			}
		}
		code++
		count[n]--
	}
	return true
}

// reverse15 turns the low 15 bits around.
func reverse15(x uint32) uint32 {
	x = x>>1&0x5555 | x&0x5555<<1
	x = x>>2&0x3333 | x&0x3333<<2
	x = x>>4&0x0f0f | x&0x0f0f<<4
	x = x>>8 | x<<8&0xff00
	return x >> 1 & 0x7fff
}

// inflateState says what the input holds next.
type inflateState uint8

const (
	inflateBlock inflateState = iota
	inflateStored
	inflateCodes
	inflateDone
)

// inflater decodes one stream of DEFLATE after the other. Its owner fills the
// input and takes the output.
type inflater struct {
	// in[ip:n] is unread; what bits holds has been read. Behind n are zeros.
	in    [inSize + padding]byte
	ip, n int
	bits  uint64
	nbits uint // How many of bits count; those above are what comes next, or 0.

	// out[low:op] is what has been decoded and can be copied from.
	out     [outSize]byte
	op, low int

	state  inflateState
	last   bool
	stored int // Bytes of a stored block that are left.
	lits   *[litSize]uint32
	dists  *[distSize]uint32

	ownLits  [litSize]uint32
	ownDists [distSize]uint32
	lens     [maxLits + maxDists + 2]uint8
}

// reset begins another stream at the next whole byte of input. What was decoded
// before can not be copied from.
func (z *inflater) reset() {
	z.giveBack()
	z.state, z.last, z.low = inflateBlock, false, z.op
}

// giveBack makes whole bytes of bits unread.
func (z *inflater) giveBack() {
	z.ip -= int(z.nbits >> 3)
	z.nbits &= 7
	z.bits &= 1<<z.nbits - 1
}

// fill reads more input. It returns what src returned, and io.ErrNoProgress
// where that is nothing again and again.
func (z *inflater) fill(src io.Reader) error {
	z.giveBack()
	z.n = copy(z.in[:], z.in[z.ip:z.n])
	z.ip = 0
	for range 100 {
		n, err := src.Read(z.in[z.n:inSize])
		z.n += n
		clear(z.in[z.n : z.n+padding])
		if n > 0 {
			return nil // An error comes again.
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// slide makes room for output. All of it must have been taken.
func (z *inflater) slide() {
	if z.op < outLimit {
		return
	}
	by := z.op - historySize
	copy(z.out[:historySize], z.out[by:z.op])
	z.op, z.low = historySize, max(z.low-by, 0)
}

// run decodes until the output is full, the stream has ended, or there is not
// enough input for another step, which more says.
func (z *inflater) run() (more bool, err error) {
	for z.op < outLimit {
		switch z.state {
		case inflateBlock:
			if z.last {
				z.state = inflateDone
				return false, nil
			}
			bits, nbits, ip := z.bits, z.nbits, z.ip
			err := z.block()
			if z.overrun() {
				z.bits, z.nbits, z.ip, z.last, z.state = bits, nbits, ip, false, inflateBlock
				return true, nil
			}
			if err != nil {
				return false, err
			}
		case inflateStored:
			n := min(z.stored, z.n-z.ip, outSize-overshoot-z.op)
			z.op += copy(z.out[z.op:], z.in[z.ip:z.ip+n])
			z.ip += n
			if z.stored -= n; z.stored == 0 {
				z.state = inflateBlock
			} else if z.ip == z.n {
				return true, nil
			}
		case inflateCodes:
			if err := z.fast(); err != nil {
				return false, err
			}
			if z.state != inflateCodes || z.op >= outLimit {
				continue
			}
			bits, nbits, ip, op := z.bits, z.nbits, z.ip, z.op
			err := z.one()
			if z.overrun() {
				z.bits, z.nbits, z.ip, z.op, z.state = bits, nbits, ip, op, inflateCodes
				return true, nil
			}
			if err != nil {
				return false, err
			}
		case inflateDone:
			return false, nil
		}
	}
	return false, nil
}

// overrun reports whether bits were used that are not there yet.
func (z *inflater) overrun() bool { return 8*z.ip-int(z.nbits) > 8*z.n }

// refill makes at least 56 bits count. Where the input ends they are zeros.
func (z *inflater) refill() {
	z.bits |= binary.LittleEndian.Uint64(z.in[z.ip:]) << (z.nbits & 63)
	z.ip += int(63-z.nbits) >> 3
	z.nbits |= 56
}

// take uses up n bits, of which refill has provided enough.
func (z *inflater) take(n uint) uint32 {
	v := uint32(z.bits & (1<<n - 1))
	z.bits >>= n
	z.nbits -= n
	return v
}

// block reads what stands before a block's data.
func (z *inflater) block() error {
	z.refill()
	z.last = z.take(1) == 1
	switch z.take(2) {
	case 0:
		z.take(z.nbits & 7)
		z.giveBack()
		z.refill()
		n := z.take(16)
		if z.take(16) != n^0xffff {
			return errDeflate
		}
		z.giveBack()
		z.stored = int(n)
		z.state = inflateStored
		return nil
	case 1:
		z.lits, z.dists = &fixedLits, &fixedDists
		z.state = inflateCodes
		return nil
	case 2:
		z.state = inflateCodes
		return z.codes()
	}
	return errDeflate
}

// codes reads the codes of a dynamic block.
func (z *inflater) codes() error {
	lits, dists, lens := int(z.take(5))+257, int(z.take(5))+1, int(z.take(4))+4
	if lits > maxLits || dists > maxDists {
		return errDeflate
	}
	var small [19]uint8
	for _, sym := range lengthOrder[:lens] {
		z.refill()
		small[sym] = uint8(z.take(3))
	}
	const smallBits = 7
	tab := &z.ownDists // It is made only after this one has been used.
	if !buildTable(tab[:], smallBits, small[:], lenEntries[:]) {
		return errDeflate
	}
	for i := 0; i < lits+dists; {
		z.refill()
		if z.overrun() {
			return nil // The caller sees it too.
		}
		e := tab[z.bits&(1<<smallBits-1)]
		if e&entryOther != 0 {
			return errDeflate
		}
		z.take(uint(e & 0xff))
		sym := e >> 16
		if sym < 16 {
			z.lens[i] = uint8(sym)
			i++
			continue
		}
		var n int
		var v uint8
		switch sym {
		case 16:
			if i == 0 {
				return errDeflate
			}
			v = z.lens[i-1]
			n = 3 + int(z.take(2))
		case 17:
			n = 3 + int(z.take(3))
		default:
			n = 11 + int(z.take(7))
		}
		if i+n > lits+dists {
			return errDeflate
		}
		for range n {
			z.lens[i] = v
			i++
		}
	}
	if !buildTable(z.ownLits[:], litBits, z.lens[:lits], litEntries[:]) ||
		!buildTable(z.ownDists[:], distBits, z.lens[lits:lits+dists], distEntries[:]) {
		return errDeflate
	}
	z.lits, z.dists = &z.ownLits, &z.ownDists
	return nil
}

// one decodes one symbol, with what belongs to it, at the end of the input that
// is there. Bits that are not there are zeros.
func (z *inflater) one() error {
	z.refill()
	e := z.lits[z.bits&(1<<litBits-1)]
	if e&entrySub != 0 && e&(entryLiteral|entryOther) == entryOther {
		z.take(litBits)
		e = z.lits[e>>16&0x7fff+uint32(z.bits)&(1<<(e>>8&15)-1)]
	}
	switch {
	case e&entryLiteral != 0:
		z.take(uint(e & 0xff))
		z.out[z.op] = byte(e >> 16)
		z.op++
		return nil
	case e&entryOther != 0:
		if e&entryEnd == 0 {
			return errDeflate
		}
		z.take(uint(e & 0xff))
		z.state = inflateBlock
		return nil
	}
	length := z.extra(e)
	e = z.dists[z.bits&(1<<distBits-1)]
	if e&entryOther != 0 && e&entrySub != 0 {
		z.take(distBits)
		e = z.dists[e>>16+uint32(z.bits)&(1<<(e>>8&15)-1)]
	}
	if e&entryOther != 0 {
		return errDeflate
	}
	distance := z.extra(e)
	if distance > z.op-z.low {
		return errDeflate
	}
	for range length {
		z.out[z.op] = z.out[z.op-distance]
		z.op++
	}
	return nil
}

// extra uses up a length or a distance and its extra bits.
func (z *inflater) extra(e uint32) int {
	n := uint(e >> 8 & 15)
	return int(e>>16) + int(z.take(uint(e&0xff))>>n)
}

// fast decodes symbols while there is input and room enough to need no checks.
func (z *inflater) fast() error {
	var (
		in    = &z.in
		out   = &z.out
		lits  = z.lits
		dists = z.dists
		bits  = z.bits
		nbits = z.nbits
		ip    = z.ip
		op    = z.op
		inEnd = z.n - stepBytes
		err   error
	)
loop:
	for ip <= inEnd && op < outLimit {
		bits |= binary.LittleEndian.Uint64(in[ip:]) << (nbits & 63)
		ip += int(63-nbits) >> 3
		nbits |= 56
		e := lits[bits&(1<<litBits-1)]
		if e&entryLiteral != 0 {
			// Three literals take 33 bits at the most.
			bits >>= e & 63
			nbits -= uint(e & 63)
			out[op] = byte(e >> 16)
			op++
			if e = lits[bits&(1<<litBits-1)]; e&entryLiteral != 0 {
				bits >>= e & 63
				nbits -= uint(e & 63)
				out[op] = byte(e >> 16)
				op++
				if e = lits[bits&(1<<litBits-1)]; e&entryLiteral != 0 {
					bits >>= e & 63
					nbits -= uint(e & 63)
					out[op] = byte(e >> 16)
					op++
					continue
				}
			}
			bits |= binary.LittleEndian.Uint64(in[ip:]) << (nbits & 63)
			ip += int(63-nbits) >> 3
			nbits |= 56
		}
		if e&entryOther != 0 {
			if e&entrySub != 0 {
				bits >>= litBits
				nbits -= litBits
				e = lits[e>>16&0x7fff+uint32(bits)&(1<<(e>>8&15)-1)]
				if e&entryLiteral != 0 {
					bits >>= e & 63
					nbits -= uint(e & 63)
					out[op] = byte(e >> 16)
					op++
					continue
				}
			}
			if e&entryOther != 0 {
				if e&entryEnd == 0 {
					err = errDeflate
					break loop
				}
				bits >>= e & 63
				nbits -= uint(e & 63)
				z.state = inflateBlock
				break loop
			}
		}
		// A length takes 20 bits at the most, and a distance 28.
		length := int(e>>16) + int(bits&(1<<(e&63)-1)>>(e>>8&15))
		bits >>= e & 63
		nbits -= uint(e & 63)
		e = dists[bits&(1<<distBits-1)]
		if e&entryOther != 0 {
			if e&entrySub != 0 {
				bits >>= distBits
				nbits -= distBits
				e = dists[e>>16+uint32(bits)&(1<<(e>>8&15)-1)]
			}
			if e&entryOther != 0 {
				err = errDeflate
				break
			}
		}
		distance := int(e>>16) + int(bits&(1<<(e&63)-1)>>(e>>8&15))
		bits >>= e & 63
		nbits -= uint(e & 63)
		if distance > op-z.low {
			err = errDeflate
			break
		}
		from, end := op-distance, op+length
		switch {
		case distance < length:
			for op < end {
				op += copy(out[op:end], out[from:op])
			}
		case length <= overshoot:
			// Both words are loaded before they are written: what the second may
			// hold of what is not there yet is beyond the end.
			a, b := binary.LittleEndian.Uint64(out[from:]), binary.LittleEndian.Uint64(out[from+8:])
			binary.LittleEndian.PutUint64(out[op:], a)
			binary.LittleEndian.PutUint64(out[op+8:], b)
			op = end
		default:
			op += copy(out[op:end], out[from:])
		}
	}
	z.bits, z.nbits, z.ip, z.op = bits, nbits, ip, op
	return err
}
