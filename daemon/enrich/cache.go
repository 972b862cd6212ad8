package enrich

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

// ways is how many keys may share a place in a cache.
const ways = 4

// maxKey is the longest key that is kept, in bytes, which bounds a cache's
// memory: longer ones are worked out each time.
const maxKey = 512

// cache keeps answers by strings. Its size is fixed: a new key takes the place
// of another one. It has no locks, and is safe for use by several goroutines;
// two that miss at the same time both work the answer out.
type cache[V any] struct {
	seed maphash.Seed
	sets [][ways]atomic.Pointer[cached[V]]
	// turn picks whose place a new key takes.
	turn atomic.Uint32
}

type cached[V any] struct {
	key   string
	value V
}

// newCache makes a cache of sets × ways keys. Sets is a power of two.
func newCache[V any](sets int) *cache[V] {
	return &cache[V]{seed: maphash.MakeSeed(), sets: make([][ways]atomic.Pointer[cached[V]], sets)}
}

func (c *cache[V]) set(key string) *[ways]atomic.Pointer[cached[V]] {
	return &c.sets[maphash.String(c.seed, key)&uint64(len(c.sets)-1)]
}

func (c *cache[V]) get(key string) (v V, ok bool) {
	set := c.set(key)
	for i := range set {
		if p := set[i].Load(); p != nil && p.key == key {
			return p.value, true
		}
	}
	return v, false
}

// put keeps an answer. The key is copied; the value must not share memory with
// an event.
func (c *cache[V]) put(key string, v V) {
	if len(key) > maxKey {
		return
	}
	set := c.set(key)
	p := &cached[V]{key: strings.Clone(key), value: v}
	for i := range set {
		if set[i].Load() == nil && set[i].CompareAndSwap(nil, p) {
			return
		}
	}
	set[c.turn.Add(1)%ways].Store(p)
}

// interner makes strings from parts, and gives the same string again without
// making it.
type interner struct {
	seed maphash.Seed
	sets [][ways]atomic.Pointer[string]
	turn atomic.Uint32
}

func newInterner(sets int) *interner {
	return &interner{seed: maphash.MakeSeed(), sets: make([][ways]atomic.Pointer[string], sets)}
}

// join puts strings behind each other.
func (n *interner) join(parts ...string) string {
	var buf [maxKey]byte
	b := buf[:0]
	for _, p := range parts {
		if len(p) > len(buf)-len(b) {
			return strings.Join(parts, "")
		}
		b = append(b, p...)
	}
	set := &n.sets[maphash.Bytes(n.seed, b)&uint64(len(n.sets)-1)]
	for i := range set {
		if p := set[i].Load(); p != nil && *p == string(b) {
			return *p
		}
	}
	s := string(b)
	for i := range set {
		if set[i].Load() == nil && set[i].CompareAndSwap(nil, &s) {
			return s
		}
	}
	set[n.turn.Add(1)%ways].Store(&s)
	return s
}
