package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/insightd/insightd/daemon"
	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/simulate"
)

// drill makes traffic, replays it and judges what was found, one seed after the
// other.
type drill struct {
	t      *terminal
	config *config.Config
	temp   string
	memory int64
	keep   string // Empty where nothing is kept.
	clean  bool   // Nothing in the traffic is worth an insight.
}

// run drills with the traffic of some options. The traffic goes straight from
// the generator into the replay.
func (d *drill) run(ctx context.Context, o simulate.Options, title string) (r seedResult, err error) {
	traffic, err := simulate.New(o)
	if err != nil {
		return r, usageError{err}
	}
	truth := traffic.Truth()
	r.Seed = o.Seed
	p := newProgress(d.t.err, title)
	defer p.done()

	kept, err := d.newKept(o.Seed)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, kept.close()) }()
	pr, pw := io.Pipe()
	made := make(chan error, 1)
	go func() {
		span := int64(truth.End.Sub(truth.Start) / time.Second)
		err := simulate.WriteNDJSON(ctx, io.MultiWriter(pw, kept.traffic), traffic, func(_ int, at time.Time) {
			p.set(int64(at.Sub(truth.Start)/time.Second), 2*span)
		})
		_ = pw.CloseWithError(err) // The error comes out of the other end.
		made <- err
	}()
	rep, err := daemon.Replay(ctx, daemon.ReplayOptions{
		Paths: []string{"-"}, Stdin: pr, Provider: "aws", Config: d.config, TempDir: d.temp, Memory: d.memory, Clean: d.clean,
		Judging: func(done, total int64) { p.set(total+done, 2*total) }, Logger: quiet(d.t.logger),
	})
	_ = pr.CloseWithError(io.ErrClosedPipe) // Whoever still writes stops.
	if merr := <-made; err == nil {
		err = merr
	}
	if err != nil {
		return r, err
	}
	r.Events, r.Told, r.families = rep.Events, rep.Told, rep.Families
	if rep.Told > 0 {
		r.WithdrawnShare = float64(rep.Withdrawn) / float64(rep.Told)
	}
	var records simulate.Records
	for i := range rep.Records {
		if err := records.Add(&rep.Records[i]); err != nil {
			return r, err
		}
	}
	if err := kept.write(truth, rep); err != nil {
		return r, err
	}
	r.judgement, err = simulate.Judge(&truth, records.Read(), rep.Series)
	return r, err
}

// kept are the files of a seed. The zero value keeps nothing.
type kept struct {
	prefix  string
	traffic io.Writer
	closers []io.Closer
}

func (d *drill) newKept(seed uint64) (*kept, error) {
	k := &kept{traffic: io.Discard}
	if d.keep == "" {
		return k, nil
	}
	if err := os.MkdirAll(d.keep, 0o755); err != nil {
		return nil, fmt.Errorf("making the folder of --keep: %w", err)
	}
	k.prefix = filepath.Join(d.keep, fmt.Sprintf("seed-%d", seed))
	f, err := os.Create(k.prefix + ".events.ndjson.gz")
	if err != nil {
		return nil, fmt.Errorf("keeping the traffic: %w", err)
	}
	// Speed is what counts here. The error is of a level that does not exist.
	zip, _ := gzip.NewWriterLevel(f, gzip.BestSpeed)
	k.traffic = zip
	k.closers = []io.Closer{zip, f}
	return k, nil
}

// write keeps labels and records.
func (k *kept) write(truth simulate.Truth, rep *daemon.Report) error {
	if k.prefix == "" {
		return nil
	}
	labels, err := os.Create(k.prefix + ".labels.json")
	if err != nil {
		return fmt.Errorf("keeping the labels: %w", err)
	}
	k.closers = append(k.closers, labels)
	if err := truth.WriteJSON(labels); err != nil {
		return err
	}
	insights, err := os.Create(k.prefix + ".insights.ndjson")
	if err != nil {
		return fmt.Errorf("keeping the insights: %w", err)
	}
	k.closers = append(k.closers, insights)
	return writeRecords(insights, rep, "")
}

func (k *kept) close() error {
	var errs []error
	for _, c := range k.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
