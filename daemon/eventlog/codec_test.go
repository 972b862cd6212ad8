package eventlog

import (
	"bytes"
	"context"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

func TestCompressRaw(t *testing.T) {
	text := bytes.Repeat([]byte(`{"eventSource":"ec2.amazonaws.com","eventName":"RunInstances"},`), 5000)
	for _, n := range []int{0, 1, 40, leastS2 - 1, leastS2, leastS2 + 1, 300, 65_536, len(text)} {
		for _, quick := range []bool{false, true} {
			before := []byte("before")
			packed := compressRaw(bytes.Clone(before), text[:n], quick)
			require.True(t, bytes.HasPrefix(packed, before))
			packed = packed[len(before):]
			if n > 0 {
				require.Equal(t, !quick || n < leastS2, string(packed[:4]) == zstdMagic, "%d bytes", n)
			}
			got, err := decompressRaw(packed, n)
			require.NoError(t, err, "%d bytes, quick %v", n, quick)
			require.True(t, bytes.Equal(text[:n], got))
			_, err = decompressRaw(packed, n+1)
			require.Error(t, err, "%d bytes, quick %v", n, quick)
		}
	}
}

// FuzzDecompressRaw reads frames that nobody wrote: they give an error, or as
// many bytes as they claim.
func FuzzDecompressRaw(f *testing.F) {
	text := bytes.Repeat([]byte("some text that comes again, "), 20)
	f.Add(compressRaw(nil, text, true), len(text))
	f.Add(compressRaw(nil, text, false), len(text))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f}, 1<<32-1)
	f.Fuzz(func(t *testing.T, p []byte, plain int) {
		if plain > 1<<24 {
			plain %= 1 << 24
		}
		if out, err := decompressRaw(p, plain); err == nil {
			require.Len(t, out, plain)
		}
	})
}

// TestTemporaryLogIsQuick: the blocks of a temporary log have their raw records
// in S2 and their columns as they are, and are read as others.
func TestTemporaryLogIsQuick(t *testing.T) {
	ctx := context.Background()
	for _, temporary := range []bool{false, true} {
		l := openTest(t, Options{NoSync: temporary, CacheBytes: 1})
		events := newTraffic(1, 2).events(500, 3600e9)
		_, err := l.Append(ctx, events, Replayable)
		require.NoError(t, err)
		require.NoError(t, l.Flush(ctx))

		for _, hr := range l.hours { // Nobody writes to it any more.
			for _, m := range hr.seg.blocks {
				require.Equal(t, temporary, m.hdr.section(colUserAgent).codec == codecPlain)
				b := &block{hdr: m.hdr, src: m}
				grams, err := b.gramFilters(1)
				require.NoError(t, err)
				require.Equal(t, temporary, len(grams[0]) == 0)
				raw := m.hdr.section(colRaw)
				p, err := b.readAt(m.hdr.body+raw.off, 4)
				require.NoError(t, err)
				require.Equal(t, temporary, string(p) != zstdMagic)
			}
		}
		for _, e := range events[:50] {
			got, ok, err := l.Get(ctx, e.UID)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, string(e.Raw), string(got.Raw))
		}
		page, err := l.Events(ctx, event.Query{Filter: `"` + events[7].UID + `"`, From: day0, To: day0.Add(3600e9), Raw: true})
		require.NoError(t, err)
		require.Len(t, page.Events, 1)
	}
}

// BenchmarkRawCodec compresses frames of raw records with what was considered
// for them, and tells bytes and time an event.
func BenchmarkRawCodec(b *testing.B) {
	var frames [][]byte
	var frame []byte
	events := newTraffic(1, 1).events(5000, 3600e9)
	for i := range events {
		if len(frame)+len(events[i].Raw) > frameBytes {
			frames = append(frames, frame)
			frame = nil
		}
		frame = append(frame, events[i].Raw...)
	}
	frames = append(frames, frame)
	better, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderCRC(false), zstd.WithEncoderConcurrency(1))
	require.NoError(b, err)
	for name, f := range map[string]func(dst, src []byte) []byte{
		"Zstd":        compress,
		"ZstdDefault": func(dst, src []byte) []byte { return better.EncodeAll(src, dst) },
		"S2":          func(dst, src []byte) []byte { return compressRaw(dst, src, true) },
	} {
		b.Run(name, func(b *testing.B) {
			var dst []byte
			size := 0
			for b.Loop() {
				size = 0
				for _, p := range frames {
					dst = f(dst[:0], p)
					size += len(dst)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(events)), "ns/event")
			b.ReportMetric(float64(size)/float64(len(events)), "bytes/event")
		})
	}
}
