package eventlog

import (
	"fmt"
	"os"
	"slices"

	"github.com/insightd/insightd/daemon/event"
)

// thinFrom is how many bytes the control records take before it is worth
// looking for some that can go.
const thinFrom = 256 << 10

// Thin says that no view needs the watermark records before a position any
// more, as after a snapshot that covers it. Of those only the newest of each
// stream stays, and the newest of each stream before each configuration record,
// so that a rebuild knows how far the streams were when a configuration came
// into force. Whatever else was recorded, and everything from seq on, stays.
//
// It does so only where the records have doubled since it last did, so that it
// can be called after every snapshot.
func (l *Log) Thin(seq uint64) error {
	l.ops.RLock()
	defer l.ops.RUnlock()
	if l.isClosed() {
		return ErrClosed
	}
	if l.o.NoSync {
		l.mtx.Lock()
		defer l.mtx.Unlock()
		r := thinRule(seq)
		for i := range l.controls {
			r.see(&l.controls[i])
		}
		kept := make([]event.Control, 0, len(l.controls))
		for i := range l.controls {
			if r.keeps(&l.controls[i]) {
				kept = append(kept, l.controls[i])
			}
		}
		l.controls = kept // Anew, since readers hold the old one.
		return nil
	}
	total, _ := l.control.bytes()
	l.pruneMtx.Lock()
	worth := total > 2*l.thinned+thinFrom
	l.pruneMtx.Unlock()
	if !worth {
		return nil
	}
	return l.thin(seq)
}

// thin is Thin without asking whether it is worth it.
func (l *Log) thin(seq uint64) error {
	if _, err := l.control.rotate(l.o.Now()); err != nil {
		return fmt.Errorf("thinning control records: %w", err)
	}
	if err := l.prune(thinRule(seq)); err != nil {
		return err
	}
	total, _ := l.control.bytes()
	l.pruneMtx.Lock()
	l.thinned = total
	l.pruneMtx.Unlock()
	return nil
}

// pruneControls drops the control records that nothing depends on any more once
// the oldest event that is kept has the number minSeq: of those before it only
// the newest watermark of each stream, the newest retention and the newest
// configuration stay, and all that users said.
func (l *Log) pruneControls(minSeq uint64) error {
	return l.prune(&pruneRule{
		before: minSeq,
		single: func(kind string) bool {
			return kind == event.ControlWatermark || kind == event.ControlConfig || kind == ControlRetention
		},
	})
}

// pruneRule says which control records stay: of those of a single kind that
// stand before a position, the newest of each stream. With epochs the newest of
// each stream and configuration.
type pruneRule struct {
	before uint64
	single func(kind string) bool
	epochs bool

	epoch  int
	newest map[pruneKey]uint64
	stays  map[uint64]struct{}
}

type pruneKey struct {
	kind   string
	stream event.StreamKey
	epoch  int
}

func thinRule(seq uint64) *pruneRule {
	return &pruneRule{before: seq, single: func(kind string) bool { return kind == event.ControlWatermark }, epochs: true}
}

// see is told of every record, in their order, before keeps is asked.
func (r *pruneRule) see(c *event.Control) {
	if r.epochs && c.Kind == event.ControlConfig {
		r.epoch++
	}
	if c.Seq >= r.before || !r.single(c.Kind) {
		return
	}
	if r.newest == nil {
		r.newest = map[pruneKey]uint64{}
	}
	r.newest[pruneKey{c.Kind, c.Stream, r.epoch}] = c.Seq
}

func (r *pruneRule) keeps(c *event.Control) bool {
	if c.Seq >= r.before || !r.single(c.Kind) {
		return true
	}
	if r.stays == nil {
		r.stays = map[uint64]struct{}{}
		for _, s := range r.newest {
			r.stays[s] = struct{}{}
		}
	}
	_, ok := r.stays[c.Seq]
	return ok
}

// prune writes the control files that are closed as one, without what the rule
// drops. The log goes on meanwhile: closed files do not change.
func (l *Log) prune(rule *pruneRule) error {
	l.pruneMtx.Lock()
	defer l.pruneMtx.Unlock()
	j := l.control
	j.mtx.Lock()
	old := make([]uint64, 0, len(j.old))
	for n := range j.old {
		old = append(old, n)
	}
	j.mtx.Unlock()
	if len(old) == 0 {
		return nil
	}
	slices.Sort(old)
	// Which records are the newest is only known at the end of the last file.
	// After a crash in here some stand in two files.
	each := func(fn func(c *event.Control, payload []byte)) error {
		seen := uint64(0)
		for _, n := range old {
			p, err := os.ReadFile(journalPath(j.dir, j.prefix, n))
			if err != nil {
				return err
			}
			scanFrames(p, n, func(_ byte, payload []byte) error {
				c, err := parseControl(payload)
				if err == nil && c.Seq > seen {
					seen = c.Seq
					fn(&c, payload)
				}
				return err
			})
		}
		return nil
	}
	if err := each(func(c *event.Control, _ []byte) { rule.see(c) }); err != nil {
		return fmt.Errorf("reading control records to prune: %w", err)
	}
	// All old files become one under the first of their numbers, which is
	// replaced at once; the others are then deleted. A crash may leave any of
	// those: nothing in them is newer than the end of the first, by which
	// recovery knows them.
	first := old[0]
	out := appendJournalHeader(nil, first)
	if err := each(func(c *event.Control, payload []byte) {
		if rule.keeps(c) {
			f := encodeFrame(nil, frameControl, payload, false)
			sealFrame(f, first)
			out = append(out, f...)
		}
	}); err != nil {
		return fmt.Errorf("reading control records to prune: %w", err)
	}
	if err := l.disk.writeAtomic(journalPath(j.dir, j.prefix, first), out, true); err != nil {
		return fmt.Errorf("pruning control records: %w", err)
	}
	j.mtx.Lock()
	defer j.mtx.Unlock()
	j.total += int64(len(out)) - j.old[first]
	j.old[first] = int64(len(out))
	for _, n := range old[1:] {
		if err := j.disk.remove(journalPath(j.dir, j.prefix, n)); err != nil {
			return fmt.Errorf("pruning control records: %w", err)
		}
		j.total -= j.old[n]
		delete(j.old, n)
	}
	return nil
}
