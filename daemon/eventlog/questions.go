package eventlog

import "sync"

// maxReplaced bounds the files of segments that were replaced and that somebody still
// reads: beyond it nothing is merged.
const maxReplaced = 128

// questions keeps account of who reads segments, so that the file of a segment that is
// replaced stays open until the last is done that may have listed its blocks. It is safe
// for concurrent use.
type questions struct {
	mtx   sync.Mutex
	era   uint64         // How many segments were replaced.
	asked map[uint64]int // The questions that are under way, by the era in which they began.
	old   []replacedFile // Rising.
}

type replacedFile struct {
	era   uint64 // Questions that began in it, or before, may read the file.
	close func()
}

// begin notes a question, and returns what to end it with.
func (q *questions) begin() (end func()) {
	q.mtx.Lock()
	defer q.mtx.Unlock()
	if q.asked == nil {
		q.asked = map[uint64]int{}
	}
	era := q.era
	q.asked[era]++
	return func() {
		q.mtx.Lock()
		defer q.mtx.Unlock()
		if q.asked[era]--; q.asked[era] == 0 {
			delete(q.asked, era)
		}
		q.closeOld()
	}
}

// replaced has a file closed when all questions that are under way are done.
func (q *questions) replaced(done func()) {
	q.mtx.Lock()
	defer q.mtx.Unlock()
	q.old = append(q.old, replacedFile{q.era, done})
	q.era++
	q.closeOld()
}

// open returns how many replaced files are open.
func (q *questions) open() int {
	q.mtx.Lock()
	defer q.mtx.Unlock()
	return len(q.old)
}

func (q *questions) closeOld() {
	first := q.era
	for era := range q.asked {
		first = min(first, era)
	}
	for len(q.old) > 0 && q.old[0].era < first {
		q.old[0].close()
		q.old = q.old[1:]
	}
}
