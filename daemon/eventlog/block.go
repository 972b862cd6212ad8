package eventlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/insightd/insightd/daemon/event"
)

// block is the events of a block as columns: of a block on disk, from which
// columns are read when they are first asked for, or of a buffer, all of whose
// columns are there from the beginning. What it hands out is shared and never
// written. It is safe for concurrent use.
type block struct {
	hdr *header
	// src reads the block's bytes; offsets are from its first. It is nil for a
	// buffer's block.
	src io.ReaderAt
	// grown is told how many bytes more the block takes after columns were read,
	// and damaged of damage that the block can do without.
	grown   func(int64)
	damaged func(error)

	mtx   sync.Mutex
	times []int64
	seqs  []uint64
	ids   []string // The uids.
	cols  [numColumns]*column
	byUID map[string]uint32 // The first row of each uid.
	dir   *rawDir
	grams []gramFilter
	bloom bloom

	raws [][]byte // Of a buffer's block.
}

// corruptError says that bytes on disk are not what was written.
type corruptError struct {
	what string
	err  error
	// columns is true where the block's columns are hit, so that its events
	// cannot be served; else they can, though without what was hit.
	columns bool
}

func (e *corruptError) Error() string { return fmt.Sprintf("corrupt %s: %v", e.what, e.err) }
func (e *corruptError) Unwrap() error { return e.err }

func corrupt(what string, err error) error { return &corruptError{what, err, true} }

// corruptAside is corrupt for raw records and filters.
func corruptAside(what string, err error) error { return &corruptError{what, err, false} }

func isCorrupt(err error) bool {
	var c *corruptError
	return errors.As(err, &c)
}

// readAt reads n bytes of the block, telling apart what is not there (the
// file was cut) from what could not be read.
func (b *block) readAt(off int64, n int) ([]byte, error) {
	p := make([]byte, n)
	if _, err := b.src.ReadAt(p, off); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, corrupt("block", errShort)
		}
		return nil, fmt.Errorf("reading block: %w", err)
	}
	return p, nil
}

// decodeSection checks and decompresses a section's stored bytes.
func decodeSection(s *section, p []byte) ([]byte, error) {
	corrupt := corrupt
	if s.id == colBloom || s.id >= colRawDir {
		corrupt = corruptAside
	}
	if checksum(uint64(s.id), p) != s.crc {
		return nil, corrupt(fmt.Sprintf("section %d", s.id), errCRC)
	}
	if s.codec == codecPlain {
		return p, nil
	}
	out, err := decompress(p, s.plain)
	if err != nil {
		return nil, corrupt(fmt.Sprintf("section %d", s.id), err)
	}
	return out, nil
}

// load reads and decodes a section, or returns nil where the block has none.
func (b *block) load(id columnID) ([]byte, error) {
	s := b.hdr.section(id)
	if s == nil {
		return nil, nil
	}
	p, err := b.readAt(b.hdr.body+s.off, s.size)
	if err != nil {
		return nil, err
	}
	return decodeSection(s, p)
}

func (b *block) grow(n int64) {
	if b.grown != nil {
		b.grown(n)
	}
}

// timeColumn returns the events' times, a row each.
func (b *block) timeColumn() ([]int64, error) {
	b.mtx.Lock()
	defer b.mtx.Unlock()
	if b.times == nil {
		p, err := b.load(colTime)
		if err != nil {
			return nil, err
		}
		if err := b.setTimes(p); err != nil {
			return nil, err
		}
	}
	return b.times, nil
}

func (b *block) setTimes(p []byte) error {
	times, err := parseTimes(p, b.hdr.rows)
	if err != nil {
		return corrupt("times", err)
	}
	for _, r := range b.hdr.runs {
		// Binary search and merging rely on the order.
		if times[r.start] != r.mint || times[r.end-1] != r.maxt {
			return corrupt("times", errors.New("not as the header says"))
		}
		for i := r.start + 1; i < r.end; i++ {
			if times[i] < times[i-1] {
				return corrupt("times", errors.New("not in order"))
			}
		}
	}
	b.times = times
	b.grow(int64(8 * len(times)))
	return nil
}

func (b *block) setSeqs(p []byte) error {
	seqs, err := parseSeqs(p, b.hdr.rows, b.hdr.minSeq)
	if err != nil {
		return corrupt("sequence numbers", err)
	}
	b.seqs = seqs
	b.grow(int64(8 * len(seqs)))
	return nil
}

func (b *block) uidColumn() ([]string, error) {
	b.mtx.Lock()
	defer b.mtx.Unlock()
	return b.uidsLocked()
}

func (b *block) uidsLocked() ([]string, error) {
	if b.ids == nil {
		p, err := b.load(colUID)
		if err != nil {
			return nil, err
		}
		if err := b.setUIDs(p); err != nil {
			return nil, err
		}
	}
	return b.ids, nil
}

func (b *block) setUIDs(p []byte) error {
	ids, err := parseUIDs(p, b.hdr.rows)
	if err != nil {
		return corrupt("ids", err)
	}
	b.ids = ids
	b.grow(int64((16 + uuidLen) * len(ids)))
	return nil
}

// rowOf returns the row of an event of a stream by its uid, or -1.
func (b *block) rowOf(s streamID, uid string) (int, error) {
	r := b.hdr.run(s)
	if r == nil {
		return -1, nil
	}
	b.mtx.Lock()
	defer b.mtx.Unlock()
	if b.byUID == nil {
		ids, err := b.uidsLocked()
		if err != nil {
			return -1, err
		}
		m := make(map[string]uint32, len(ids))
		for i, id := range slices.Backward(ids) {
			m[id] = uint32(i)
		}
		b.byUID = m
		b.grow(int64(48 * len(ids)))
	}
	first, ok := b.byUID[uid]
	switch row := int(first); {
	case !ok || row >= r.end:
		return -1, nil
	case row >= r.start:
		return row, nil
	default: // Another stream of the block has an event of the same uid.
		for row = r.start; row < r.end; row++ {
			if b.ids[row] == uid {
				return row, nil
			}
		}
		return -1, nil
	}
}

// mayHave reports whether the block may hold an event whose uid has that hash.
func (b *block) mayHave(h uint64) (bool, error) {
	b.mtx.Lock()
	defer b.mtx.Unlock()
	if b.bloom == nil {
		if b.src == nil {
			return true, nil
		}
		p, err := b.load(colBloom)
		if err == nil {
			if b.bloom, err = parseBloom(p); err != nil {
				err = corruptAside("id filter", err)
			}
		}
		if isCorrupt(err) && b.damaged != nil {
			b.damaged(err)
			return true, nil
		}
		if err != nil {
			return false, err
		}
		b.grow(int64(8 * len(b.bloom)))
	}
	return b.bloom.has(h), nil
}

func hashUID(uid string) uint64 { return xxhash.Sum64String(uid) }

// column returns a dictionary-coded column.
func (b *block) column(id columnID) (*column, error) {
	b.mtx.Lock()
	defer b.mtx.Unlock()
	if c := b.cols[id]; c != nil {
		return c, nil
	}
	p, err := b.load(id)
	if err != nil {
		return nil, err
	}
	if err := b.setColumn(id, p); err != nil {
		return nil, err
	}
	return b.cols[id], nil
}

// setColumn decodes a column; p is nil where the block has no such section,
// since every event has the zero value.
func (b *block) setColumn(id columnID, p []byte) error {
	var c *column
	var err error
	n := b.hdr.rows
	switch {
	case id >= colCategory && id <= colRisk:
		if p == nil {
			p = []byte{0}
		}
		c, err = parseEnum(p, n, id)
	case id == colASN || id == colReceived:
		if p == nil {
			c = &column{nums: []int64{0}}
		} else {
			c, err = parseNumbers(p, n)
		}
	case id == colResources:
		if p == nil {
			c = &column{off: make([]uint32, n+1)}
		} else {
			c, err = parseLists(p, n)
		}
	default:
		if p == nil {
			c = &column{dict: []string{""}}
		} else {
			c, err = parseStrings(p, n)
		}
	}
	if err != nil {
		return corrupt(fmt.Sprintf("column %d", id), err)
	}
	b.cols[id] = c
	b.grow(c.memory())
	return nil
}

// loadAll decodes every column that is not yet, with one read.
func (b *block) loadAll() error {
	b.mtx.Lock()
	defer b.mtx.Unlock()
	if b.src == nil || b.allLoaded() {
		return nil
	}
	end := int64(0)
	for i := range b.hdr.sections {
		if s := &b.hdr.sections[i]; s.id < colRawDir && s.id != colBloom {
			end = max(end, s.off+int64(s.size))
		}
	}
	p, err := b.readAt(b.hdr.body, int(end))
	if err != nil {
		return err
	}
	get := func(id columnID) ([]byte, error) {
		s := b.hdr.section(id)
		if s == nil {
			return nil, nil
		}
		q := p[s.off : s.off+int64(s.size)]
		if s.codec == codecPlain {
			// Dictionaries share the bytes that they are read from, and would keep
			// all of them.
			q = bytes.Clone(q)
		}
		return decodeSection(s, q)
	}
	for _, f := range []struct {
		have bool
		id   columnID
		set  func([]byte) error
	}{{b.times != nil, colTime, b.setTimes}, {b.seqs != nil, colSeq, b.setSeqs}, {b.ids != nil, colUID, b.setUIDs}} {
		if f.have {
			continue
		}
		q, err := get(f.id)
		if err == nil {
			err = f.set(q)
		}
		if err != nil {
			return err
		}
	}
	for _, id := range allColumns {
		if b.cols[id] != nil {
			continue
		}
		q, err := get(id)
		if err == nil {
			err = b.setColumn(id, q)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *block) allLoaded() bool {
	if b.times == nil || b.seqs == nil || b.ids == nil {
		return false
	}
	for _, id := range allColumns {
		if b.cols[id] == nil {
			return false
		}
	}
	return true
}

// allColumns are the dictionary-coded columns.
var allColumns = func() []columnID {
	out := []columnID{colReceived, colASN, colResources}
	for _, c := range stringColumns {
		out = append(out, c.id)
	}
	for _, c := range enumColumns {
		out = append(out, c.id)
	}
	return out
}()

// filler writes rows of a block into events.
type filler struct {
	b        *block
	received *column
	asn      *column
	res      *column
	addr     *column
	ips      []netip.Addr
	strs     [len(stringColumns)]*column
	enums    [len(enumColumns)]*column
}

// filler loads all columns. The events that it fills share the block's strings.
func (b *block) filler() (*filler, error) {
	if err := b.loadAll(); err != nil {
		return nil, err
	}
	f := &filler{b: b, received: b.cols[colReceived], asn: b.cols[colASN], res: b.cols[colResources], addr: b.cols[colAddress]}
	f.ips = f.addr.addrs()
	for i := range stringColumns {
		f.strs[i] = b.cols[stringColumns[i].id]
	}
	for i := range enumColumns {
		f.enums[i] = b.cols[enumColumns[i].id]
	}
	return f, nil
}

func (f *filler) fill(e *event.Event, r *run, row int) {
	k := r.stream.Value()
	e.Provider, e.Account = k.Provider, k.Account
	e.UID = f.b.ids[row]
	e.Seq = f.b.seqs[row]
	e.Time = time.Unix(0, f.b.times[row]).UTC()
	if ns := f.received.nums[f.received.at(row)]; ns != 0 {
		e.Received = time.Unix(0, ns).UTC()
	}
	e.Source.ASN = uint32(f.asn.nums[f.asn.at(row)])
	e.Source.IP = f.ips[f.addr.at(row)]
	if lo, hi := f.res.off[row], f.res.off[row+1]; lo < hi {
		e.Resources = f.res.flat[lo:hi:hi]
	}
	// Field by field rather than through the tables: a rebuild spends its time
	// here. A test compares every field.
	s := &f.strs
	e.Region, e.Service, e.Operation = s[0].word(row), s[1].word(row), s[2].word(row)
	e.ErrorCode, e.ErrorMessage = s[3].word(row), s[4].word(row)
	e.Actor.Identity, e.Actor.RawType, e.Actor.Session, e.Actor.Credential = s[5].word(row), s[6].word(row), s[7].word(row), s[8].word(row)
	e.Source.Address, e.Source.Country = s[9].word(row), s[10].word(row)
	e.UserAgent, e.AgentFamily = s[11].word(row), s[12].word(row)
	e.Class, e.Amends = s[13].word(row), s[14].word(row)
	n := &f.enums
	e.Category, e.Access, e.Outcome = event.Category(n[0].at(row)), event.Access(n[1].at(row)), event.Outcome(n[2].at(row))
	e.Actor.Kind, e.Actor.MFA = event.Kind(n[3].at(row)), n[4].at(row) != 0
	e.Source.Network, e.Risk = event.Network(n[5].at(row)), uint8(n[6].at(row))
}

// verify reads everything of a block and returns the first thing that is wrong.
func (b *block) verify() error {
	for i := range b.hdr.sections {
		s := &b.hdr.sections[i]
		if s.id == colRaw {
			continue
		}
		if _, err := b.load(s.id); err != nil {
			return err
		}
	}
	if err := b.loadAll(); err != nil {
		return err
	}
	d, err := b.rawDirectory()
	if err != nil {
		return err
	}
	for i := range d.frames {
		if _, err := b.frame(d, i); err != nil {
			return err
		}
	}
	if _, err := b.gramFilters(len(d.frames)); err != nil {
		return err
	}
	_, err = b.mayHave(0)
	return err
}
