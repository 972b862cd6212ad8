package event

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"
)

// perEvent reports a benchmark in events, of which one operation handles n.
func perEvent(b *testing.B, n int) {
	events := float64(b.N) * float64(n)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/events, "ns/event")
	b.ReportMetric(events/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkScan decodes records one by one: the field scan alone.
func BenchmarkScan(b *testing.B) {
	c := makeCorpus()
	var (
		e Event
		p = stringPool{size: 128}
	)
	b.SetBytes(int64(len(c.lines)))
	b.ReportAllocs()
	for b.Loop() {
		for _, raw := range c.records {
			if _, v, err := decodeCloudTrail(raw, &e, &p); v != verdictDecoded {
				b.Fatal(err)
			}
		}
	}
	perEvent(b, corpusSize)
}

// BenchmarkSkip checks records without reading any field: what validation
// costs.
func BenchmarkSkip(b *testing.B) {
	c := makeCorpus()
	b.SetBytes(int64(len(c.lines)))
	for b.Loop() {
		for _, raw := range c.records {
			if skipDocument(raw) < 0 {
				b.Fatal("not JSON")
			}
		}
	}
	perEvent(b, corpusSize)
}

// BenchmarkStandardValid is encoding/json doing what BenchmarkSkip does.
func BenchmarkStandardValid(b *testing.B) {
	c := makeCorpus()
	b.SetBytes(int64(len(c.lines)))
	for b.Loop() {
		for _, raw := range c.records {
			if !json.Valid(raw) {
				b.Fatal("not JSON")
			}
		}
	}
	perEvent(b, corpusSize)
}

func readAll(tb testing.TB, b []byte) int {
	r := NewReader(bytes.NewReader(b), ReaderOptions{})
	var e Event
	for {
		err := r.Next(&e)
		if err == io.EOF {
			return r.Records()
		}
		require.NoError(tb, err)
	}
}

// BenchmarkReader reads plain CloudTrail from memory.
func BenchmarkReader(b *testing.B) {
	c := makeCorpus()
	for name, text := range map[string][]byte{"records": c.wrapped, "lines": c.lines} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if readAll(b, text) != corpusSize {
					b.Fatal("events are missing")
				}
			}
			perEvent(b, corpusSize)
		})
	}
}

// BenchmarkReaderGzip reads CloudTrail as it lies in S3. Its ratio is to
// BenchmarkGunzipOnly, measured here too.
func BenchmarkReaderGzip(b *testing.B) {
	c := makeCorpus()
	z, err := gzip.NewReader(bytes.NewReader(c.zipped))
	require.NoError(b, err)
	const rounds = 20
	began := time.Now()
	for range rounds {
		gunzip(b, z, c.zipped)
	}
	floor := time.Since(began) / rounds
	b.SetBytes(int64(len(c.wrapped)))
	b.ReportAllocs()
	for b.Loop() {
		if readAll(b, c.zipped) != corpusSize {
			b.Fatal("events are missing")
		}
	}
	perEvent(b, corpusSize)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(floor), "x-of-gunzip")
}

// BenchmarkGunzipOnly is the floor: the same bytes unpacked and dropped.
func BenchmarkGunzipOnly(b *testing.B) {
	c := makeCorpus()
	z, err := gzip.NewReader(bytes.NewReader(c.zipped))
	require.NoError(b, err)
	b.SetBytes(int64(len(c.wrapped)))
	for b.Loop() {
		gunzip(b, z, c.zipped)
	}
	perEvent(b, corpusSize)
	b.ReportMetric(float64(len(c.wrapped))/float64(len(c.zipped)), "gzip-ratio")
	b.ReportMetric(float64(len(c.lines))/corpusSize, "bytes/event")
}

// gunzip unpacks b as the Reader does, from a buffered stream, and drops it.
func gunzip(tb testing.TB, z *gzip.Reader, b []byte) {
	require.NoError(tb, z.Reset(bufio.NewReaderSize(bytes.NewReader(b), 32<<10)))
	_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{z}, make([]byte, 64<<10))
	require.NoError(tb, err)
}

// otherCorpus are records of a provider as they come, made of a few by giving
// each an id of its own.
func otherCorpus(b *testing.B, name, id string) (records [][]byte) {
	b.Helper()
	text, err := os.ReadFile("testdata/" + name)
	require.NoError(b, err)
	var kinds [][]byte
	r := NewReader(bytes.NewReader(text), ReaderOptions{})
	for {
		var e Event
		if err := r.Next(&e); err == io.EOF {
			break
		}
		require.NoError(b, err)
		kinds = append(kinds, e.Raw)
	}
	for i := range corpusSize {
		fresh := fmt.Sprintf("%s%08d", id, i)
		records = append(records, bytes.Replace(kinds[i%len(kinds)], []byte(id), []byte(fresh), 1))
	}
	return records
}

// BenchmarkScanOthers is BenchmarkScan for the other providers. Its ratio is to
// CloudTrail's decoder, measured here too, by the byte.
func BenchmarkScanOthers(b *testing.B) {
	c := makeCorpus()
	var (
		e Event
		p = stringPool{size: 128}
	)
	const rounds = 20
	began := time.Now()
	for range rounds {
		for _, raw := range c.records {
			decodeCloudTrail(raw, &e, &p)
		}
	}
	floor := float64(time.Since(began)) / float64(rounds*len(c.lines))
	for _, o := range []struct {
		file, id string
		d        *decoder
	}{
		{"kubernetes/create.json", "5a1d0c3e", &kubernetesDecoder},
		{"kubernetes/gke.json", "0b2c", &kubernetesDecoder},
		{"alibaba/management.json", "3AD717A2", &actionTrailDecoder},
		{"ibm/tracker.json", "crn:v1", &cadfDecoder},
	} {
		records := otherCorpus(b, o.file, o.id)
		size := 0
		for _, raw := range records {
			size += len(raw)
		}
		b.Run(o.file, func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				for _, raw := range records {
					if _, v, err := o.d.decode(raw, &e, &p); v != verdictDecoded {
						b.Fatal(err)
					}
				}
			}
			perEvent(b, len(records))
			b.ReportMetric(float64(size)/float64(len(records)), "bytes/event")
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(size)/floor, "x-of-cloudtrail")
		})
	}
}

// BenchmarkReaderMixed reads records of all providers in turn, of which each is
// another's than the one before.
func BenchmarkReaderMixed(b *testing.B) {
	c := makeCorpus()
	var text []byte
	others := [][][]byte{
		otherCorpus(b, "kubernetes/create.json", "5a1d0c3e"), otherCorpus(b, "alibaba/management.json", "3AD717A2"),
		otherCorpus(b, "ibm/tracker.json", "crn:v1"),
	}
	for i := range corpusSize {
		raw := c.records[i]
		if k := i % 4; k < len(others) {
			raw = others[k][i]
		}
		text = append(append(text, raw...), '\n')
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if readAll(b, text) != corpusSize {
			b.Fatal("events are missing")
		}
	}
	perEvent(b, corpusSize)
}
