package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/insightd/insightd/daemon"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/daemon/simulate"
)

// clock runs faster than life until it has caught up with it.
type clock struct {
	start time.Time
	speed float64

	mtx   sync.Mutex
	begun time.Time
}

// run lets the clock go; until then it stands at its start.
func (c *clock) run() {
	c.mtx.Lock()
	defer c.mtx.Unlock()
	c.begun = time.Now()
}

func (c *clock) now() time.Time {
	c.mtx.Lock()
	defer c.mtx.Unlock()
	if c.begun.IsZero() {
		return c.start
	}
	life := time.Now()
	t := c.start.Add(time.Duration(float64(life.Sub(c.begun)) * c.speed))
	if t.After(life) {
		return life.UTC()
	}
	return t.UTC()
}

// player plays generated traffic to a daemon: history, and then the same people
// and workloads in an hour with attacks.
type player struct {
	history *simulate.Traffic
	traffic *simulate.Traffic
	live    time.Time
	clock   *clock
}

// writeHistory writes what happens before the live hour under a folder, in the
// files and the names that CloudTrail uses.
func (p *player) writeHistory(ctx context.Context, dir string) (int, error) {
	n := 0
	_, err := simulate.WriteS3(ctx, dir, p.history, 0, func(done int, _ time.Time) { n = done })
	if err != nil {
		return n, fmt.Errorf("writing the history: %w", err)
	}
	return n, nil
}

// playEvery is how often what is due is pushed.
const playEvery = 200 * time.Millisecond

// play pushes the live hour, each record when its time has come.
func (p *player) play(ctx context.Context, url string) error {
	var body bytes.Buffer
	n := 0
	push := func() error {
		if n == 0 {
			return nil
		}
		defer func() { body.Reset(); n = 0 }()
		return post(ctx, url, &body)
	}
	tick := time.NewTicker(playEvery)
	defer tick.Stop()
	for r := range p.traffic.Records() {
		if r.Time.Before(p.live) {
			continue
		}
		for r.Time.After(p.clock.now()) {
			if err := push(); err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-tick.C:
			}
		}
		body.Write(r.JSON)
		body.WriteByte('\n')
		if n++; n == 1000 {
			if err := push(); err != nil {
				return err
			}
		}
	}
	return push()
}

func post(ctx context.Context, url string, body io.Reader) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/api/v1/events?provider=aws&source=demo", body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("pushing events: %w", err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("pushing events: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("pushing events: %s: %s", res.Status, answer)
	}
	return nil
}

// settle waits until everything that was played is final: the traffic's end,
// the allowed lateness, and the quarter of an hour after which insights end.
func (p *player) settle(ctx context.Context, d *daemon.Daemon) error {
	tick := time.NewTicker(playEvery)
	defer tick.Stop()
	last := p.traffic.Truth().End.Add(-2 * time.Minute)
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); {
		if d.FinalUpTo().After(last) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// compare shows what was put into the hour beside what was raised for it, and
// then what was raised beside that.
func (p *player) compare(w io.Writer, store *insight.Store) error {
	told := false // What nobody was told of is left out.
	page, err := store.List(insight.Query{From: p.live, Sort: "start", Suppressed: &told, Limit: 1000})
	if err != nil {
		return fmt.Errorf("listing insights: %w", err)
	}
	claimed := map[string]bool{}
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "INJECTED\tFROM\tINSIGHT DUE\tBY\tRAISED\tAFTER")
	for _, l := range p.traffic.Truth().Labels {
		if l.Start.Before(p.live) || !l.Expected {
			continue
		}
		raised, after := "missed", ""
		for _, in := range page.Insights {
			if about(&in, &l) {
				if claimed[in.ID] = true; after == "" {
					raised = fmt.Sprintf("%s %.2f", in.Object, in.Confidence)
					after = max(0, in.Detected.Sub(l.Start)).Round(time.Second).String()
				}
			}
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", l.Type, l.Start.Format("15:04:05"), l.Insight, insight.ShortName(l.Identity), raised, after)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	others := slices.DeleteFunc(page.Insights, func(in insight.Insight) bool { return claimed[in.ID] || in.Start.Before(p.live) })
	if len(others) == 0 {
		_, err := fmt.Fprintln(w, "\nNothing else was raised in the hour.")
		return err
	}
	fmt.Fprintln(w, "\nRaised beside that:")
	return printTable(w, others)
}

// about reports whether an insight is the one that a label asks for.
func about(in *insight.Insight, l *simulate.Label) bool {
	if in.Type != l.Insight || in.Detected.Before(l.Start.Add(-time.Minute)) || in.Detected.After(l.End.Add(15*time.Minute)) {
		return false
	}
	switch {
	case in.Type == insight.TypeIP:
		return in.Object == l.IP
	case in.Identity != "":
		return in.Identity == l.Identity
	case in.Type == insight.TypeAk:
		return in.Object == l.AccessKey
	}
	return slices.Contains(l.APIs, in.Object)
}

// quiet keeps the daemon's messages below a warning from the demo's.
func quiet(l *slog.Logger) *slog.Logger { return slog.New(quietHandler{l.Handler()}) }

type quietHandler struct{ slog.Handler }

// Enabled drops what is less than a warning.
func (h quietHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, level)
}

// WithAttrs keeps the handler quiet.
func (h quietHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quietHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the handler quiet.
func (h quietHandler) WithGroup(name string) slog.Handler {
	return quietHandler{h.Handler.WithGroup(name)}
}
