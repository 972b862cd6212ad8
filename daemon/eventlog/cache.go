package eventlog

import (
	"container/list"
	"sync"
)

// blockCache keeps the decoded columns that were used last, within a bound of
// bytes. A block that falls out stays good for whoever holds it.
type blockCache struct {
	mtx   sync.Mutex
	limit int64
	bytes int64
	order list.List // Of *blockMeta, used last first.
	// damaged is told of damage that a block can do without.
	damaged func(*blockMeta, error)
}

// get returns a block's columns, decoded so far or not.
func (c *blockCache) get(m *blockMeta) *block {
	c.mtx.Lock()
	defer c.mtx.Unlock()
	if m.cached != nil {
		c.order.MoveToFront(m.elem)
		return m.cached
	}
	b := &block{hdr: m.hdr, src: m}
	b.grown = func(n int64) { c.grow(m, b, n) }
	b.damaged = func(err error) { c.damaged(m, err) }
	m.cached, m.cachedBytes = b, 1024
	m.elem = c.order.PushFront(m)
	c.bytes += m.cachedBytes
	c.shrink()
	return b
}

// grow counts what a cached block has decoded.
func (c *blockCache) grow(m *blockMeta, b *block, n int64) {
	c.mtx.Lock()
	defer c.mtx.Unlock()
	if m.cached != b {
		return
	}
	m.cachedBytes += n
	c.bytes += n
	c.shrink()
}

func (c *blockCache) shrink() {
	for c.bytes > c.limit && c.order.Len() > 1 {
		c.evict(c.order.Back().Value.(*blockMeta))
	}
}

func (c *blockCache) evict(m *blockMeta) {
	c.bytes -= m.cachedBytes
	c.order.Remove(m.elem)
	m.cached, m.elem, m.cachedBytes = nil, nil, 0
}

// forget drops blocks that are deleted.
func (c *blockCache) forget(blocks []*blockMeta) {
	c.mtx.Lock()
	defer c.mtx.Unlock()
	for _, m := range blocks {
		if m.cached != nil {
			c.evict(m)
		}
	}
}
