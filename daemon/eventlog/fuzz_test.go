package eventlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

var update = flag.Bool("update", false, "write the fuzz corpora anew")

// smallBlock encodes a few events as a block.
func smallBlock(n, accounts int) []byte {
	g := newTraffic(31, accounts)
	o := Options{BlockEvents: 2000}
	b := &buffer{hour: hourOf(day0.UnixNano())}
	for i, e := range g.events(n, time.Minute) {
		e.Seq = uint64(i + 1)
		e.Raw = e.Raw[:60]
		if i == 0 {
			e.UID, e.Amends = "plain", "other"
		}
		k := streamOf(&e)
		b.add(&e, k, e.Time.UnixNano(), hashUID(e.UID))
	}
	data, _ := new(encoder).encode(nil, b.sorted(&o), 0, n)
	return data
}

func smallFrames() []byte {
	g := newTraffic(31, 1)
	p := binary.AppendUvarint(nil, 2)
	for i, e := range g.events(2, time.Minute) {
		e.Seq = uint64(i + 1)
		e.Raw = e.Raw[:60]
		p = appendEvent(p, &e)
	}
	out := appendJournalHeader(nil, 1)
	for _, f := range [][]byte{
		encodeFrame(nil, frameEvents, p, true), encodeFrame(nil, frameEvents, p, false),
		encodeFrame(nil, frameControl, appendControl(nil, &event.Control{Seq: 9, Kind: event.ControlWatermark, Stream: event.StreamKey{Provider: "aws", Account: "1"}, Time: day0}), false),
	} {
		sealFrame(f, 1)
		out = append(out, f...)
	}
	return out
}

func smallIndex() []byte {
	seg := &segment{hour: hourOf(day0.UnixNano())}
	data := smallBlock(3, 2)
	n, _ := peekHeader(data)
	h, err := parseHeader(data[:n], seg.hour)
	if err != nil {
		panic(err)
	}
	return encodeIndex(seg.hour, segmentHeader+h.length, []*blockMeta{{seg: seg, off: segmentHeader, hdr: h}})
}

func smallSegment() []byte {
	return append(appendSegmentHeader(nil, hourOf(day0.UnixNano())), smallBlock(3, 2)...)
}

// FuzzSegment opens a segment file of any bytes. What it serves then is whole,
// and opening it again finds nothing more to repair.
func FuzzSegment(f *testing.F) {
	hour := hourOf(day0.UnixNano())
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "00.seg")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			files := newFileCache(&disk{tap: withoutSync})
			s, found, err := openSegment(files, path, hour)
			if err != nil {
				if !errors.Is(err, errVersion) {
					t.Fatal(err)
				}
				files.closeAll()
				return
			}
			for _, m := range s.blocks {
				if err := (&block{hdr: m.hdr, src: m}).check(); err != nil {
					t.Fatalf("a block is served that is damaged: %v", err)
				}
			}
			for _, g := range found {
				if i == 1 && len(data) >= segmentHeader && g.what != "block was left out" {
					t.Fatalf("found again: %v", g)
				}
			}
			files.closeAll()
		}
	})
}

// TestCorpus keeps the committed corpora readable, and writes them with -update.
func TestCorpus(t *testing.T) {
	for name, seeds := range map[string][][]byte{
		"FuzzBlock":   {smallBlock(1, 1), smallBlock(5, 3)},
		"FuzzJournal": {smallFrames()},
		"FuzzIndex":   {smallIndex()},
		"FuzzSegment": {smallSegment()},
	} {
		for i, seed := range seeds {
			path := filepath.Join("testdata", "fuzz", name, fmt.Sprintf("seed-%d", i))
			want := fmt.Sprintf("go test fuzz v1\n[]byte(%q)\n", seed)
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
				require.NoError(t, os.WriteFile(path, []byte(want), 0o640))
			}
			got, err := os.ReadFile(path)
			require.NoError(t, err, "write it with -update")
			// The format did not change, so neither did what was committed. A new
			// version of the compressor may write other bytes: then -update.
			require.Equal(t, want, string(got), path)
		}
	}
}

// FuzzBlock reads a block of which every checksum is right.
func FuzzBlock(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := peekHeader(data)
		if err != nil || n > len(data) {
			return
		}
		hour := hourOf(day0.UnixNano())
		h, err := parseHeaderBody(data[:n], hour)
		if err != nil {
			return
		}
		at := func(off int64, size int) []byte {
			if off < 0 || off+int64(size) > int64(len(data)) {
				return nil
			}
			return data[off : off+int64(size)]
		}
		for i := range h.sections {
			s := &h.sections[i]
			if s.plain > 1<<22 {
				return
			}
			s.crc = checksum(uint64(s.id), at(h.body+s.off, s.size))
		}
		open := func() *block {
			b := &block{hdr: h, src: bytes.NewReader(data)}
			if d, err := b.rawDirectory(); err == nil {
				for i := range d.frames {
					if fr := &d.frames[i]; fr.plain > 1<<22 {
						fr.plain = 0
					} else if s := h.section(colRaw); s != nil {
						fr.crc = checksum(uint64(colRaw), at(h.body+s.off+fr.off, fr.size))
					}
				}
			}
			return b
		}
		open().check()
		open().verify()
		b := open()
		if fl, err := b.filler(); err == nil {
			for row := range h.rows {
				var e event.Event
				fl.fill(&e, runOf(h, row), row)
			}
		}
		for _, filter := range []string{`"AccessDenied" resource!="a"`, `operation=~"Run.*" class="iam"`, `uid="plain"`, `mfa="true" asn!="3"`} {
			p, err := newPlan(filter, time.Time{}, time.Time{}, Lookups{})
			if err != nil {
				t.Fatal(err)
			}
			b := open()
			if rows, _, err := p.rows(b, p.w); err == nil {
				for _, field := range []string{"", "uid", "resource", "class", "account", "asn"} {
					newTally(field, h.mint, hourNanos, 2).count(b, rows)
				}
			}
		}
	})
}

// FuzzJournal scans a journal file, then frames whose checksums are right.
func FuzzJournal(f *testing.F) {
	take := func(kind byte, payload []byte) error {
		if kind == frameControl {
			_, err := parseControl(payload)
			return err
		}
		_, err := parseEvents(payload)
		return err
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		last := 0
		for _, g := range scanFrames(data, 1, take) {
			if g.off < last || g.end < g.off || g.end > len(data) {
				t.Fatalf("gap from %d to %d of %d bytes", g.off, g.end, len(data))
			}
			last = g.end
		}
		parseEvents(data)
		parseControl(data)
		if len(data) > frameHeader {
			p := bytes.Clone(data)
			copy(p, frameMagic)
			binary.LittleEndian.PutUint32(p[4:], uint32(len(p)-frameHeader))
			if binary.LittleEndian.Uint32(p[8:]) > 1<<22 {
				return
			}
			sealFrame(p, 7)
			if kind, payload, _, err := parseFrame(p, 7); err == nil {
				take(kind, payload)
			}
		}
	})
}

// FuzzIndex reads an index whose checksum is right.
func FuzzIndex(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		hour := hourOf(day0.UnixNano())
		parseIndex(data, hour)
		if len(data) < 4 {
			return
		}
		p := bytes.Clone(data)
		binary.LittleEndian.PutUint32(p[len(p)-4:], checksum(uint64(hour), p[:len(p)-4]))
		blocks, covered, err := parseIndex(p, hour)
		if err != nil {
			return
		}
		for i := range blocks {
			m := &blocks[i]
			if m.off < segmentHeader || m.off+m.hdr.length > covered {
				t.Fatalf("a block from %d of %d bytes beyond %d", m.off, m.hdr.length, covered)
			}
		}
	})
}
