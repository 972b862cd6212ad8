package simulate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/klauspost/compress/gzip"
)

// Progress is told of the records that were written so far, and which time the
// traffic has reached. It may be nil.
type Progress func(records int, at time.Time)

// progressEvery is how many records there are between two calls of Progress,
// and between two looks at the context.
const progressEvery = 8192

// each hands every record to f until one fails or the context ends.
func each(ctx context.Context, t *Traffic, progress Progress, f func(*Record) error) error {
	n := 0
	for r := range t.Records() {
		if err := f(&r); err != nil {
			return err
		}
		if n++; n%progressEvery == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if progress != nil {
				progress(n, r.Delivered)
			}
		}
	}
	if progress != nil {
		progress(n, t.truth.End)
	}
	return ctx.Err()
}

// WriteNDJSON writes one record a line.
func WriteNDJSON(ctx context.Context, w io.Writer, t *Traffic, progress Progress) error {
	b := bufio.NewWriterSize(w, 256<<10)
	err := each(ctx, t, progress, func(r *Record) error {
		_, err := b.Write(r.JSON)
		return errors.Join(err, b.WriteByte('\n'))
	})
	if err == nil {
		err = b.Flush()
	}
	if err != nil {
		return fmt.Errorf("writing records: %w", err)
	}
	return nil
}

// WriteRecords writes one {"Records":[…]} document, in gzip, as a file of
// CloudTrail's is.
func WriteRecords(ctx context.Context, w io.Writer, t *Traffic, progress Progress) error {
	var f file
	f.begin(w)
	err := each(ctx, t, progress, f.add)
	if err == nil {
		err = f.finish()
	}
	if err != nil {
		return fmt.Errorf("writing records: %w", err)
	}
	return nil
}

// WriteS3 writes the records under a folder as CloudTrail writes them into a
// bucket: AWSLogs/ACCOUNT/CloudTrail/REGION/YYYY/MM/DD/, one file for each
// account, region and period of delivery. A period of 0 is five minutes. It
// returns how many files there are. Existing files of the same names are
// replaced, others left alone.
func WriteS3(ctx context.Context, dir string, t *Traffic, period time.Duration, progress Progress) (int, error) {
	if period == 0 {
		period = 5 * time.Minute
	}
	if period < time.Minute || period%time.Minute != 0 {
		return 0, fmt.Errorf("writing files: the period must be whole minutes, not %s", period)
	}
	s := s3{dir: dir, period: period, seed: t.o.Seed, open: map[stream]*file{}}
	err := each(ctx, t, progress, s.add)
	if err == nil {
		err = s.flush()
	}
	if err != nil {
		return s.files, fmt.Errorf("writing files: %w", err)
	}
	return s.files, nil
}

// stream is what has files of its own.
type stream struct{ account, region string }

// s3 holds the files of the period that is being written.
type s3 struct {
	dir    string
	period time.Duration
	seed   uint64
	window time.Time
	open   map[stream]*file
	spare  []*file
	files  int
}

func (s *s3) add(r *Record) error {
	if w := r.Delivered.Truncate(s.period); !w.Equal(s.window) {
		if err := s.flush(); err != nil {
			return err
		}
		s.window = w
	}
	key := stream{r.Account, r.Region}
	f := s.open[key]
	if f == nil {
		if n := len(s.spare); n > 0 {
			f, s.spare = s.spare[n-1], s.spare[:n-1]
		} else {
			f = &file{}
		}
		f.buf.b = f.buf.b[:0]
		f.begin(&f.buf)
		s.open[key] = f
	}
	return f.add(r)
}

// flush writes the files of the period, in the order of their names.
func (s *s3) flush() error {
	keys := make([]stream, 0, len(s.open))
	for k := range s.open {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b stream) int {
		return slices.Compare([]string{a.account, a.region}, []string{b.account, b.region})
	})
	for _, k := range keys {
		f := s.open[k]
		delete(s.open, k)
		if err := f.finish(); err != nil {
			return err
		}
		name := s.name(k)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, f.buf.b, 0o644); err != nil {
			return err
		}
		s.files++
		s.spare = append(s.spare, f)
	}
	return nil
}

const base62Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// name is the path of a stream's file of the period.
func (s *s3) name(k stream) string {
	h := hash(s.seed, hashString(k.account), hashString(k.region), uint64(s.window.Unix()))
	unique := make([]byte, 16)
	for i := range unique {
		unique[i] = base62Digits[h%62]
		h = mix(h)
	}
	return filepath.Join(s.dir, "AWSLogs", k.account, "CloudTrail", k.region, s.window.Format("2006/01/02"),
		fmt.Sprintf("%s_CloudTrail_%s_%s_%s.json.gz", k.account, k.region, s.window.Format("20060102T1504Z"), unique))
}

// file is a {"Records":[…]} document in gzip that is being written.
type file struct {
	zip   *gzip.Writer
	buf   buffer
	comma bool
}

func (f *file) begin(w io.Writer) {
	if f.zip == nil {
		// The level at which the ratio, 8 to 1, is that of CloudTrail's own files.
		// The error is of a level that does not exist.
		f.zip, _ = gzip.NewWriterLevel(w, 3)
	} else {
		f.zip.Reset(w)
	}
	f.comma = false
}

func (f *file) add(r *Record) error {
	head := ","
	if !f.comma {
		head, f.comma = `{"Records":[`, true
	}
	if _, err := io.WriteString(f.zip, head); err != nil {
		return err
	}
	_, err := f.zip.Write(r.JSON)
	return err
}

func (f *file) finish() error {
	tail := "]}"
	if !f.comma {
		tail = `{"Records":[]}`
	}
	if _, err := io.WriteString(f.zip, tail); err != nil {
		return err
	}
	return f.zip.Close()
}

type buffer struct{ b []byte }

func (b *buffer) Write(p []byte) (int, error) { b.b = append(b.b, p...); return len(p), nil }
