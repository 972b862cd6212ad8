//go:build linux

package endurance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// pushClients is how many clients push.
	pushClients = 4
	// step is how far the clock goes at once. No record is delivered more than
	// simulate.MaxDelay after its event, so with the clock never further than a
	// step beyond what was acknowledged, none is late: 25 + 5 minutes.
	step = 5 * time.Minute
)

// driver delivers traffic to a node and moves its clock. It goes on only when
// everything that is due was acknowledged, whatever happens to the daemon.
type driver struct {
	t      *testing.T
	node   *node
	folder string
	rnd    *rand.Rand
	known  map[string]bool // the ids that were delivered
	lines  *os.File        // the file that grows
	stdin  io.Writer
	// shuffle mixes what is due within a step.
	shuffle bool
	// before is called with the number of a step and how many there are.
	before func(i, of int)
}

// newDriver makes the folder that the node's configuration names.
func newDriver(t *testing.T, n *node, folder string, seed uint64) *driver {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(folder, "growing.ndjson"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return &driver{t: t, node: n, folder: folder, rnd: rand.New(rand.NewPCG(seed, 2)), known: map[string]bool{}, lines: f, before: func(int, int) {}}
}

func (d *driver) know(ds []delivery) {
	for i := range ds {
		d.known[ds[i].uid] = true
	}
}

// history writes what is there before the daemon starts.
func (d *driver) history(ds []delivery) {
	d.t.Helper()
	d.know(ds)
	writeFiles(d.t, d.folder, ds, time.Hour)
}

// run delivers a live part, step by step, and returns when the daemon has all.
func (d *driver) run(from time.Time, ds []delivery) {
	d.t.Helper()
	steps := 0
	if len(ds) > 0 {
		steps = int(ds[len(ds)-1].at.Sub(from)/step) + 1
	}
	for i := range steps {
		d.before(i, steps)
		to := from.Add(step)
		n := 0
		for n < len(ds) && ds[n].at.Before(to) {
			n++
		}
		d.node.clock.set(to)
		d.deliver(ds[:n])
		ds, from = ds[n:], to
	}
}

// deliver sends everything that is due, by every way at once, and returns when
// the daemon has acknowledged it or has it in its log.
func (d *driver) deliver(due []delivery) {
	d.t.Helper()
	due = slices.Clone(due)
	if d.shuffle {
		d.rnd.Shuffle(len(due), func(i, j int) { due[i], due[j] = due[j], due[i] })
	}
	var files, grown, typed []delivery
	var pushed [pushClients][]delivery
	for _, x := range due {
		switch x.way {
		case byFile:
			files = append(files, x)
		case byLines:
			grown = append(grown, x)
		case byStdin:
			typed = append(typed, x)
		default:
			pushed[x.client] = append(pushed[x.client], x)
		}
	}
	d.know(due)
	ctx, cancel := context.WithTimeout(d.t.Context(), 3*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	errs := make([]error, pushClients)
	for i, ds := range pushed {
		rnd := rand.New(rand.NewPCG(d.rnd.Uint64(), uint64(i)))
		wg.Go(func() { errs[i] = d.push(ctx, i, ds, rnd) })
	}
	writeFiles(d.t, d.folder, files, step)
	// Somebody may look at the file in the middle of a line.
	if text := lines(grown); len(text) > 0 {
		cut := d.rnd.IntN(len(text))
		for _, part := range [][]byte{text[:cut], text[cut:]} {
			_, err := d.lines.Write(part)
			require.NoError(d.t, err)
		}
	}
	if len(typed) > 0 {
		_, err := d.stdin.Write(lines(typed))
		require.NoError(d.t, err)
	}
	wg.Wait()
	require.NoError(d.t, errors.Join(errs...))
	if len(due) > 0 {
		d.node.holds(len(d.known))
	}
}

// push sends records until each was acknowledged, in bodies of all sizes and
// forms.
func (d *driver) push(ctx context.Context, client int, ds []delivery, rnd *rand.Rand) error {
	for len(ds) > 0 {
		n := min(len(ds), 1+int(math.Exp(rnd.Float64()*6)))
		body, header := document(ds[:n], false), []string{"Content-Type", "application/json"}
		if rnd.IntN(2) == 0 {
			body, header[1] = lines(ds[:n]), "application/x-ndjson"
		}
		if rnd.IntN(3) == 0 {
			body, header = zipped(body), append(header, "Content-Encoding", "gzip")
		}
		if err := d.insist(ctx, client, body, n, header); err != nil {
			return err
		}
		ds = ds[n:]
	}
	return nil
}

func (d *driver) insist(ctx context.Context, client int, body []byte, n int, header []string) error {
	var last error
	for {
		code, answer, err := d.pushOnce(ctx, client, body, header)
		switch {
		case err != nil:
			last = err
		case code == http.StatusOK:
			return acknowledged(answer, n)
		case code == http.StatusServiceUnavailable:
			last = fmt.Errorf("%d: %s", code, answer)
		default:
			return fmt.Errorf("a push was answered %d: %s", code, answer)
		}
		if !pause(ctx, 10*time.Millisecond) {
			return fmt.Errorf("a push was not acknowledged in time; the last error: %w", last)
		}
	}
}

func (d *driver) pushOnce(ctx context.Context, client int, body []byte, header []string) (int, []byte, error) {
	req, err := newPush(ctx, d.node.url, client, body, header)
	if err != nil {
		return 0, nil, err
	}
	res, err := d.node.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}

// acknowledged checks that an answer speaks of every record of the body.
func acknowledged(answer []byte, n int) error {
	var env struct {
		Data struct {
			Accepted, Duplicates, Refused int
			Rejected                      []any
		}
	}
	if err := json.Unmarshal(answer, &env); err != nil {
		return fmt.Errorf("reading the answer to a push: %w", err)
	}
	if got := env.Data.Accepted + env.Data.Duplicates; got != n {
		return fmt.Errorf("of %d records %d were taken: %s", n, got, answer)
	}
	return nil
}

// killer kills a node at random moments, as many times as were asked for,
// evenly over the steps of a driver.
type killer struct {
	node  *node
	kills int
	rnd   *rand.Rand
	due   chan struct{}
	done  sync.WaitGroup
	given int
}

func newKiller(n *node, kills int, seed uint64) *killer {
	k := &killer{node: n, kills: kills, rnd: rand.New(rand.NewPCG(seed, 3)), due: make(chan struct{}, 1)}
	k.done.Go(k.run)
	return k
}

// pace lets as many kills happen as are due by a step. It waits while the
// kills before it have not happened.
func (k *killer) pace(i, of int) {
	for k.given < k.kills*(i+1)/of {
		k.due <- struct{}{}
		k.given++
	}
}

// finish returns when every kill has happened and the daemon runs.
func (k *killer) finish() {
	k.pace(0, 1)
	close(k.due)
	k.done.Wait()
}

func (k *killer) run() {
	for range k.due {
		// A third while the first records of a step come in, a third within the
		// second, a third anywhere in the life of a process.
		wait := [...]time.Duration{50 * time.Millisecond, time.Second, 3 * time.Second}[k.rnd.IntN(3)]
		if !pause(k.node.t.Context(), time.Duration(k.rnd.Int64N(int64(wait)))+3*time.Millisecond) {
			return
		}
		k.node.kill()
		if k.node.failed() {
			return
		}
		k.node.start()
	}
}

// newPush makes the request of a push client: clients are told apart by their
// users.
func newPush(ctx context.Context, url string, client int, body []byte, header []string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/api/v1/events?provider=aws", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.SetBasicAuth("client-"+strconv.Itoa(client), "")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return req, nil
}
