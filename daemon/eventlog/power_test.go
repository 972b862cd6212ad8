package eventlog

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

// cuts is how often the power is cut; INSIGHTD_CUTS says it for endurance runs.
func cuts(t testing.TB, usual int) int {
	if s := os.Getenv("INSIGHTD_CUTS"); s != "" {
		n, err := strconv.Atoi(s)
		require.NoError(t, err, "INSIGHTD_CUTS is a number")
		return n
	}
	if testing.Short() {
		return usual / 10
	}
	return usual
}

// inode is a file, or a directory, as the drive has it.
type inode struct {
	dir     bool
	path    string            // Where it is now.
	durable []byte            // Contents at the last sync.
	entries map[string]*inode // Of a directory, at its last sync.
	last    []byte            // Contents when its name was taken away.
	gone    bool
}

// drive notes what the disk has for certain, and what it may have.
type drive struct {
	t    testing.TB
	r    *rand.Rand
	root string

	mtx   sync.Mutex
	live  map[string]*inode // By path below root; "" is root.
	every int               // A cut comes about every so many operations.
	cut   func(state func(to string))
}

func newDrive(t testing.TB, r *rand.Rand, root string) *drive {
	d := &drive{t: t, r: r, root: root, live: map[string]*inode{}}
	require.NoError(t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		n := &inode{dir: e.IsDir(), path: d.rel(path)}
		if !n.dir {
			n.durable, err = os.ReadFile(path)
		}
		d.live[d.rel(path)] = n
		return err
	}))
	for path, n := range d.live {
		if n.dir {
			n.entries = d.listing(path)
		}
	}
	return d
}

func (d *drive) rel(path string) string {
	rel, err := filepath.Rel(d.root, path)
	require.NoError(d.t, err)
	if rel == "." {
		return ""
	}
	return rel
}

func parentOf(path string) string {
	if p := filepath.Dir(path); p != "." {
		return p
	}
	return ""
}

// listing is a directory as the system shows it now.
func (d *drive) listing(dir string) map[string]*inode {
	out := map[string]*inode{}
	for path, n := range d.live {
		if path != "" && parentOf(path) == dir {
			out[filepath.Base(path)] = n
		}
	}
	return out
}

func (d *drive) contents(path string) []byte {
	p, err := os.ReadFile(filepath.Join(d.root, path))
	require.NoError(d.t, err)
	return p
}

// drop notes what a file had when its name went.
func (d *drive) drop(path string) {
	if n := d.live[path]; n != nil {
		if !n.dir && !n.gone {
			n.last = d.contents(path)
		}
		n.gone = true
		delete(d.live, path)
	}
}

func (d *drive) tap(op diskOp, do func() error) error {
	d.mtx.Lock()
	defer d.mtx.Unlock()
	if d.r.IntN(d.every) == 0 {
		d.cut(d.state)
	}
	path := d.rel(op.path)
	// A name that goes is read while it is there.
	switch op.kind {
	case diskRename:
		if to := d.rel(op.to); d.live[to] != nil {
			d.drop(to)
		}
	case diskRemove:
		if n := d.live[path]; n != nil && !n.dir {
			d.drop(path)
		}
	}
	// The file that is open may not be the one of that name any more.
	var same bool
	if op.f != nil && op.kind == diskSync {
		a, aerr := op.f.Stat()
		b, berr := os.Stat(op.path)
		same = aerr == nil && berr == nil && os.SameFile(a, b)
	}
	if err := withoutSync(op, do); err != nil {
		return err
	}
	switch op.kind {
	case diskCreate:
		if d.live[path] == nil {
			d.live[path] = &inode{path: path}
		}
	case diskMkdir:
		d.live[path] = &inode{dir: true, path: path, entries: map[string]*inode{}}
	case diskSync:
		if n := d.live[path]; n != nil && same {
			n.durable = d.contents(path)
		}
	case diskSyncDir:
		d.live[path].entries = d.listing(path)
	case diskSyncAll:
		for path, n := range d.live {
			if n.dir {
				n.entries = d.listing(path)
			} else {
				n.durable = d.contents(path)
			}
		}
	case diskRename:
		d.live[d.rel(op.to)] = d.live[path]
		delete(d.live, path)
		d.live[d.rel(op.to)].path = d.rel(op.to)
	case diskRemove:
		if n := d.live[path]; n != nil && n.dir {
			n.gone = true
			delete(d.live, path)
		}
	}
	return nil
}

// withoutSync is a disk that syncs nothing, which is quick. What would be
// durable is known otherwise.
func withoutSync(op diskOp, do func() error) error {
	switch op.kind {
	case diskSync, diskSyncDir, diskSyncAll:
		return nil
	}
	return do()
}

// state writes what a power cut would leave now.
func (d *drive) state(to string) { d.write("", d.live[""], to) }

func (d *drive) write(path string, n *inode, to string) {
	if !n.dir {
		live := n.last
		if !n.gone {
			live = d.contents(n.path)
		}
		require.NoError(d.t, os.WriteFile(to, d.torn(n.durable, live), 0o640))
		return
	}
	require.NoError(d.t, os.MkdirAll(to, 0o750))
	var now map[string]*inode
	if !n.gone {
		now = d.listing(n.path)
	}
	names := slices.Sorted(maps.Keys(n.entries))
	for name := range now {
		if n.entries[name] == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		was, is := n.entries[name], now[name]
		pick := is
		if was != is && d.r.IntN(2) == 0 {
			pick = was
		}
		if pick != nil {
			d.write(filepath.Join(path, name), pick, filepath.Join(to, name))
		}
	}
}

// torn mixes what is durable of a file with what was written since, sector by
// sector.
func (d *drive) torn(durable, live []byte) []byte {
	if bytes.Equal(durable, live) {
		return durable
	}
	size := len(durable)
	switch d.r.IntN(4) {
	case 0:
		return durable
	case 1:
		size = len(live)
	case 2:
		size += int(d.r.Int64N(int64(max(len(live)-len(durable), 0) + 1)))
	case 3: // Garbage behind it.
		size += d.r.IntN(2000)
	}
	const sector = 512
	out := make([]byte, size)
	mode := d.r.IntN(3)
	for lo := 0; lo < size; lo += sector {
		hi := min(lo+sector, size)
		from := live
		if mode == 0 && d.r.IntN(2) == 0 || mode == 1 && d.r.IntN(20) == 0 {
			from = durable // Zeros behind its end.
		}
		if lo < len(from) {
			copy(out[lo:hi], from[lo:min(hi, len(from))])
		}
		if hi > max(len(durable), len(live)) && d.r.IntN(2) == 0 {
			for i := max(lo, len(durable), len(live)); i < hi; i++ {
				out[i] = byte(d.r.Uint32())
			}
		}
	}
	return out
}

// promises is what the log acknowledged, and all that it was ever given.
type promises struct {
	mtx      sync.Mutex
	sent     map[string]event.Event
	again    map[string]bool // Sent more than once: the number may be another.
	acked    map[string]bool
	controls map[uint64]event.Control // Acknowledged and not to be thinned.
	marks    map[event.StreamKey]time.Time
	tried    map[event.StreamKey]time.Time
	said     map[string]bool // Data of control records that were ever given.
	now      time.Time
}

func (p *promises) clone() *promises {
	p.mtx.Lock()
	defer p.mtx.Unlock()
	return &promises{
		sent: maps.Clone(p.sent), again: maps.Clone(p.again), acked: maps.Clone(p.acked), controls: maps.Clone(p.controls),
		marks: maps.Clone(p.marks), tried: maps.Clone(p.tried), said: maps.Clone(p.said), now: p.now,
	}
}

const powerRetention = 6 * time.Hour

// check opens what a cut left and compares it with the promises. It returns
// which events are there.
func (p *promises) check(t testing.TB, dir string) map[string]event.Event {
	t.Helper()
	l, err := Open(Options{Dir: dir, BlockEvents: 40, Retention: powerRetention, Now: func() time.Time { return p.now }, tap: withoutSync})
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	page, err := l.Events(ctx, event.Query{Limit: maxLimit, Raw: true})
	require.NoError(t, err)
	there := map[string]event.Event{}
	seqs := map[uint64]string{}
	for _, e := range page.Events {
		want, ok := p.sent[e.UID]
		require.True(t, ok, "an event that nobody sent: %s", e.UID)
		_, twice := there[e.UID]
		require.False(t, twice, "%s is there twice", e.UID)
		require.Empty(t, seqs[e.Seq], "number %d is there twice", e.Seq)
		seqs[e.Seq], there[e.UID] = e.UID, e
		want = stored(want, true)
		if p.again[e.UID] || want.Seq == 0 || !p.acked[e.UID] {
			want.Seq = e.Seq
		}
		if !sameEvent(&want, &e) {
			require.Equal(t, want, e)
		}
	}
	floor := p.now.Add(-powerRetention)
	for uid := range p.acked {
		if _, ok := there[uid]; !ok && !p.sent[uid].Time.Before(floor) {
			require.Fail(t, "an acknowledged event is lost", uid)
		}
	}
	last := uint64(0)
	controls := map[uint64]event.Control{}
	for c := range l.Controls {
		require.Greater(t, c.Seq, last)
		require.Empty(t, seqs[c.Seq], "a number of an event")
		last = c.Seq
		controls[c.Seq] = c
		if c.Kind == event.ControlFeedback {
			require.True(t, p.said[string(c.Data)])
		}
	}
	for seq, c := range p.controls {
		require.Equal(t, c, controls[seq], "an acknowledged control record is lost")
	}
	for k, at := range p.marks {
		require.False(t, l.Watermark(k).Before(at), "an acknowledged watermark is lost")
		require.False(t, l.Watermark(k).After(p.tried[k]))
	}
	require.GreaterOrEqual(t, l.LastSeq(), last)
	return there
}

// sameEvent compares what is stored of two events.
func sameEvent(a, b *event.Event) bool {
	return a.Source.IP == b.Source.IP && bytes.Equal(appendEvent(nil, a), appendEvent(nil, b))
}

// TestPowerCuts cuts the power at random moments of a log's life and looks
// whether it keeps its promises: every acknowledged event and control record is
// there once, as it was given, and nothing else. Each life begins with what a
// cut of the one before left.
func TestPowerCuts(t *testing.T) {
	total := cuts(t, 60)
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("INSIGHTD_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
		seed = n
	}
	t.Logf("INSIGHTD_SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	g := newTraffic(seed, 2)
	dir := t.TempDir()
	begin := func() *promises {
		return &promises{
			sent: map[string]event.Event{}, again: map[string]bool{}, acked: map[string]bool{}, controls: map[uint64]event.Control{},
			marks: map[event.StreamKey]time.Time{}, tried: map[event.StreamKey]time.Time{}, said: map[string]bool{}, now: day0.Add(time.Hour),
		}
	}
	p := begin()
	done := 0
	for life := 0; done < total && !t.Failed(); life++ {
		type left struct {
			dir string
			p   *promises
		}
		var found []left
		if life%4 == 0 { // Or it would hold more and more.
			dir, p = t.TempDir(), begin()
		}
		d := newDrive(t, r, dir)
		d.every = 15 + r.IntN(60)
		d.cut = func(state func(string)) {
			if done+len(found) >= total || len(found) >= 30 {
				return
			}
			p := p.clone() // Before the state: what is acknowledged meanwhile may be there.
			to := filepath.Join(t.TempDir(), "cut")
			state(to)
			found = append(found, left{to, p})
		}
		live(t, d, p, g, rand.New(rand.NewPCG(seed, uint64(life)+2)))
		if len(found) == 0 {
			continue
		}
		next := r.IntN(len(found))
		for i, f := range found {
			if i == next {
				dir = filepath.Join(t.TempDir(), "next")
				require.NoError(t, os.CopyFS(dir, os.DirFS(f.dir)))
			}
			there := f.p.check(t, filepath.Join(f.dir, "log"))
			if i == next {
				p = f.p
				for uid, e := range there {
					want := p.sent[uid]
					want.Seq = e.Seq
					p.sent[uid] = want
				}
			}
			require.NoError(t, os.RemoveAll(f.dir))
		}
		done += len(found)
	}
	t.Logf("%d cuts", done)
}

// live opens the log of a drive, uses it for a while and closes it.
func live(t testing.TB, d *drive, p *promises, g *traffic, r *rand.Rand) {
	l, err := Open(Options{Dir: filepath.Join(d.root, "log"), BlockEvents: 40, Retention: powerRetention, tap: d.tap, Now: func() time.Time {
		p.mtx.Lock()
		defer p.mtx.Unlock()
		return p.now
	}})
	require.NoError(t, err)
	var wg sync.WaitGroup
	seeds := [3]uint64{r.Uint64(), r.Uint64(), r.Uint64()}
	var gmtx sync.Mutex
	fail := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	var flushMtx sync.RWMutex // Which events a Flush covers is known for certain.
	pending := map[string]bool{}
	for w := range 2 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seeds[w], 1))
			for range 40 {
				p.mtx.Lock()
				now := p.now
				gmtx.Lock()
				batch := g.events(1+r.IntN(20), time.Minute)
				gmtx.Unlock()
				for i := range batch {
					batch[i].Raw = batch[i].Raw[:200+r.IntN(300)]
					batch[i].Time = now.Add(-time.Duration(r.Int64N(int64(3 * time.Hour)))).Truncate(time.Millisecond)
					p.sent[batch[i].UID] = batch[i]
				}
				if r.IntN(3) == 0 { // Some that were sent before.
					for _, e := range p.sent {
						if len(batch) > 25 {
							break
						}
						e.Seq, e.Late = 0, false
						p.again[e.UID] = true
						batch = append(batch, e)
					}
				}
				p.mtx.Unlock()
				d := Durability(r.IntN(2))
				flushMtx.RLock()
				_, err := l.Append(ctx, batch, d)
				fail(err)
				p.mtx.Lock()
				for _, e := range batch {
					if e.Seq != 0 {
						p.sent[e.UID] = e
					}
					if e.Time.Before(now.Add(-powerRetention)) {
						continue // Perhaps refused.
					}
					if d == Logged {
						p.acked[e.UID] = true
					} else {
						pending[e.UID] = true
					}
				}
				p.mtx.Unlock()
				flushMtx.RUnlock()
			}
		})
	}
	wg.Go(func() {
		r := rand.New(rand.NewPCG(seeds[2], 1))
		for i := range 40 {
			switch r.IntN(6) {
			case 0, 1:
				flushMtx.Lock()
				p.mtx.Lock()
				covered := maps.Clone(pending)
				p.mtx.Unlock()
				flushMtx.Unlock()
				fail(l.Flush(ctx))
				p.mtx.Lock()
				maps.Copy(p.acked, covered)
				p.mtx.Unlock()
			case 2:
				p.mtx.Lock()
				p.now = p.now.Add(time.Duration(r.Int64N(int64(40 * time.Minute))))
				p.mtx.Unlock()
				fail(l.maintain(l.o.Now()))
			case 3:
				c := event.Control{Kind: event.ControlFeedback, Data: fmt.Appendf(nil, "%d", r.Uint64())}
				p.mtx.Lock()
				p.said[string(c.Data)] = true
				p.mtx.Unlock()
				var err error
				c.Seq, err = l.AppendControl(ctx, c)
				fail(err)
				p.mtx.Lock()
				p.controls[c.Seq] = c
				p.mtx.Unlock()
			case 4:
				c := event.Control{Kind: event.ControlWatermark, Stream: event.StreamKey{Provider: "aws", Account: g.accounts[i%2]}}
				p.mtx.Lock()
				c.Time = p.tried[c.Stream].Add(time.Minute)
				if c.Time.Year() < 1970 {
					c.Time = day0
				}
				p.tried[c.Stream] = c.Time
				p.mtx.Unlock()
				_, err := l.AppendControl(ctx, c)
				fail(err)
				p.mtx.Lock()
				p.marks[c.Stream] = c.Time
				p.mtx.Unlock()
			case 5:
				if r.IntN(4) == 0 {
					fail(l.thin(l.LastSeq()))
				}
			}
		}
	})
	wg.Wait()
	if r.IntN(2) == 0 {
		require.NoError(t, l.Close())
		return
	}
	// The process dies. What it holds is given free, and nothing is written.
	l.mtx.Lock()
	l.closed = true
	l.mtx.Unlock()
	close(l.stop)
	<-l.stopped
	l.release()
}

// TestPowerCutsAreNoticed proves that the test above can fail: a log whose syncs
// do nothing loses what it promised.
func TestPowerCutsAreNoticed(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	dir := t.TempDir()
	d := newDrive(t, r, dir)
	d.every = 1 << 30
	l, err := Open(Options{Dir: filepath.Join(dir, "log"), tap: func(op diskOp, do func() error) error {
		if op.kind == diskSync && strings.Contains(op.path, "events-") {
			if st, err := op.f.Stat(); err == nil && st.Size() > journalHeader {
				return nil
			}
		}
		return d.tap(op, do)
	}})
	require.NoError(t, err)
	_, err = l.Append(ctx, newTraffic(1, 1).events(10, time.Minute), Logged)
	require.NoError(t, err)
	lost := false
	for range 20 {
		to := filepath.Join(t.TempDir(), "cut")
		d.state(to)
		c, err := Open(Options{Dir: filepath.Join(to, "log")})
		require.NoError(t, err)
		lost = lost || c.Stats().Events < 10
		require.NoError(t, c.Close())
	}
	require.True(t, lost)
	require.NoError(t, l.Close())
}
