package tsdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/model/labels"
	promtsdb "github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
)

// sumFile is where the checksums of a block stand, in the block's folder.
// Prometheus checks what is in the index and the chunks when it reads them, but
// not meta.json, by which it finds out what a block is and where its log begins.
// It is JSON on one line and the CRC-32C of that line on the next.
const sumFile = "insightd.sum"

const (
	metaFile       = "meta.json"
	indexFile      = "index"
	tombstonesFile = "tombstones"
	chunksDir      = "chunks"
)

// blockSum is what a block's files must be.
type blockSum struct {
	Version int `json:"version"`
	// Files are all files of the block, by their path in its folder.
	Files map[string]fileSum `json:"files"`
	// Meta and Tombstones are the contents of the small files, by which they can
	// be restored.
	Meta       []byte `json:"meta"`
	Tombstones []byte `json:"tombstones"`
}

const blockSumVersion = 1

// fileSum is the length of a file and its CRC-32C.
type fileSum struct {
	Size int64  `json:"size"`
	CRC  uint32 `json:"crc"`
}

// sumOf reads the first size bytes of a file, or all where size is negative.
func sumOf(path string, size int64) (fileSum, error) {
	f, err := os.Open(path)
	if err != nil {
		return fileSum{}, err
	}
	defer f.Close()
	var r io.Reader = f
	if size >= 0 {
		r = io.LimitReader(f, size)
	}
	h := crc32.New(castagnoli)
	n, err := io.CopyBuffer(h, struct{ io.Reader }{r}, make([]byte, 256<<10))
	return fileSum{Size: n, CRC: h.Sum32()}, err
}

// blockFiles lists the files of a block that its checksums cover.
func blockFiles(dir string) ([]string, error) {
	files := []string{metaFile, indexFile, tombstonesFile}
	segments, err := os.ReadDir(filepath.Join(dir, chunksDir))
	if err != nil {
		return nil, err
	}
	for _, s := range segments {
		files = append(files, chunksDir+"/"+s.Name())
	}
	return files, nil
}

// writeSum writes the checksums of a block and fsyncs its files: Prometheus cuts
// chunk files to their length after it fsynced them.
func writeSum(dir string) error {
	sum := blockSum{Version: blockSumVersion, Files: make(map[string]fileSum)}
	files, err := blockFiles(dir)
	if err != nil {
		return fmt.Errorf("summing block %q: %w", dir, err)
	}
	for _, name := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		s, err := sumOf(path, -1)
		if err == nil {
			err = syncFile(path)
		}
		if err != nil {
			return fmt.Errorf("summing block %q: %w", dir, err)
		}
		sum.Files[name] = s
	}
	if sum.Meta, err = os.ReadFile(filepath.Join(dir, metaFile)); err != nil {
		return fmt.Errorf("summing block %q: %w", dir, err)
	}
	if sum.Tombstones, err = os.ReadFile(filepath.Join(dir, tombstonesFile)); err != nil {
		return fmt.Errorf("summing block %q: %w", dir, err)
	}
	line, err := json.Marshal(sum)
	if err != nil {
		return fmt.Errorf("summing block %q: %w", dir, err)
	}
	if err := replaceFile(filepath.Join(dir, sumFile), withChecksum(line)); err != nil {
		return fmt.Errorf("summing block %q: %w", dir, err)
	}
	return nil
}

// readSum reads the checksums of a block. ok is false where there are none that
// can be trusted.
func readSum(dir string) (sum blockSum, ok bool) {
	b, err := os.ReadFile(filepath.Join(dir, sumFile))
	if err != nil {
		return blockSum{}, false
	}
	line, ok := checked(b)
	ok = ok && json.Unmarshal(line, &sum) == nil && sum.Version == blockSumVersion
	return sum, ok
}

// blockDirs lists the folders of blocks in dir.
func blockDirs(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if _, err := ulid.ParseStrict(e.Name()); err == nil && e.IsDir() {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out, nil
}

// blockCheck is what was found of a block.
type blockCheck struct {
	// damaged are the files that are not what they were, restored the small
	// ones that were made anew.
	damaged, restored []string
}

// checkBlock says what of a block's files is not what it was. Small files are
// restored. Chunk files are read through where deep is set; else their lengths
// and beginnings are looked at, as Prometheus checks each chunk that it reads.
func checkBlock(dir string, deep bool) (c blockCheck, err error) {
	sum, ok := readSum(dir)
	if !ok {
		// A block of before there were checksums, or of just before a crash:
		// it is read through, as Prometheus would.
		r := readBlock(dir, nil)
		if r.whole() {
			return c, writeSum(dir)
		}
		return blockCheck{damaged: r.faults}, nil
	}
	for name, want := range sum.Files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if strings.HasPrefix(name, chunksDir+"/") && !deep {
			if !looksLikeChunks(path, want.Size) {
				c.damaged = append(c.damaged, name)
			}
			continue
		}
		got, err := sumOf(path, want.Size)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return c, fmt.Errorf("checking block %q: %w", dir, err)
		}
		if got == want && err == nil {
			continue
		}
		small := map[string][]byte{metaFile: sum.Meta, tombstonesFile: sum.Tombstones}[name]
		if small == nil {
			c.damaged = append(c.damaged, name)
			continue
		}
		if err := replaceFile(path, small); err != nil {
			return c, fmt.Errorf("restoring %q: %w", path, err)
		}
		c.restored = append(c.restored, path)
	}
	slices.Sort(c.damaged)
	return c, nil
}

// chunksHeader begins each chunk file: a magic number, a version and padding.
var chunksHeader = []byte{0x85, 0xBD, 0x40, 0xDD, 1}

// looksLikeChunks says whether a chunk file has its length and its header.
func looksLikeChunks(path string, size int64) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() < size {
		return false
	}
	head := make([]byte, len(chunksHeader))
	if _, err := io.ReadFull(f, head); err != nil {
		return false
	}
	return slices.Equal(head, chunksHeader)
}

// blockRead is what could be read of a block.
type blockRead struct {
	meta promtsdb.BlockMeta
	// known says that meta can be trusted.
	known bool
	// samples is how many were read.
	samples uint64
	// faults say what could not be read.
	faults []string
	// lost bounds what could not be read.
	lost []Range
	// failed is what yield returned.
	failed error
}

// whole says whether all of the block could be read.
func (r *blockRead) whole() bool {
	return len(r.faults) == 0 && r.samples == r.meta.Stats.NumSamples
}

// readBlock reads a block series by series and calls yield, which may be nil,
// with the samples of each chunk that is what it was: Prometheus checks the sums
// of index entries and chunks. The samples are valid until yield returns.
func readBlock(dir string, yield func(*Series, []Sample) error) (r blockRead) {
	fault := func(what string, err error, lost Range) {
		if len(r.faults) < 10 {
			r.faults = append(r.faults, fmt.Sprintf("%s: %s", what, err))
		}
		r.lost = addRange(r.lost, lost)
	}
	all := Range{Mint: math.MinInt64 + 1, Maxt: math.MaxInt64 - 1}
	// A reader that trips over what it reads says no more of it than an error.
	defer func() {
		if p := recover(); p != nil {
			fault("reading", fmt.Errorf("%v", p), all)
		}
	}()
	b, err := os.ReadFile(filepath.Join(dir, metaFile))
	if sum, ok := readSum(dir); ok {
		b, err = sum.Meta, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &r.meta)
	}
	if err == nil && (r.meta.ULID.String() != filepath.Base(dir) || r.meta.Version != 1 || r.meta.MinTime >= r.meta.MaxTime) {
		err = errors.New("it is not that of this block")
	}
	if err != nil {
		fault(metaFile, err, all)
		return r
	}
	r.known = true
	all = Range{Mint: r.meta.MinTime, Maxt: r.meta.MaxTime - 1}
	block, err := promtsdb.OpenBlock(slog.New(slog.DiscardHandler), dir, nil, nil)
	if err != nil {
		fault("opening", err, all)
		return r
	}
	defer block.Close()
	ir, err := block.Index()
	if err != nil {
		fault(indexFile, err, all)
		return r
	}
	defer ir.Close()
	cr, err := block.Chunks()
	if err != nil {
		fault(chunksDir, err, all)
		return r
	}
	defer cr.Close()
	name, value := index.AllPostingsKey()
	postings, err := ir.Postings(context.Background(), name, value)
	if err != nil {
		fault(indexFile, err, all)
		return r
	}
	var builder labels.ScratchBuilder
	var metas []chunks.Meta
	var samples []Sample
	var it chunkenc.Iterator
	series := uint64(0)
	for postings.Next() {
		if err := ir.Series(postings.At(), &builder, &metas); err != nil {
			fault(indexFile, err, all)
			continue
		}
		series++
		s := NewSeries(builder.Labels().Copy())
		for _, m := range metas {
			lost := Range{Mint: max(m.MinTime, all.Mint), Maxt: min(m.MaxTime, all.Maxt)}
			chunk, iterable, err := cr.ChunkOrIterable(m)
			if err == nil && (chunk == nil || iterable != nil) {
				err = errors.New("chunk is of no known kind")
			}
			if err != nil {
				fault(chunksDir, err, lost)
				continue
			}
			samples = samples[:0]
			for it = chunk.Iterator(it); it.Next() == chunkenc.ValFloat; {
				t, v := it.At()
				samples = append(samples, Sample{Series: s, T: t, V: v})
			}
			if err := it.Err(); err != nil {
				fault(chunksDir, err, lost)
				continue
			}
			// A sum can be right where the place is wrong: the chunk of another
			// series would not have these bounds.
			if n := len(samples); n == 0 || samples[0].T != m.MinTime || samples[n-1].T != m.MaxTime || m.MinTime < all.Mint || m.MaxTime > all.Maxt {
				fault(chunksDir, errors.New("chunk is not what the index says"), lost)
				continue
			}
			r.samples += uint64(len(samples))
			if yield == nil {
				continue
			}
			if err := yield(s, samples); err != nil {
				r.failed = err
				return r
			}
		}
	}
	if err := postings.Err(); err != nil {
		fault(indexFile, err, all)
	}
	if len(r.lost) == 0 && (r.samples != r.meta.Stats.NumSamples || series != r.meta.Stats.NumSeries) {
		fault("counting", fmt.Errorf("%d samples are there, and %d were", r.samples, r.meta.Stats.NumSamples), all)
	}
	return r
}
