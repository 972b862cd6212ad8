package api

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"
)

// connections bounds the open connections, in all and of one address. Beyond a
// bound an idle connection makes room, of the address that has most: whoever
// opens thousands loses his own, and not those of others.
type connections struct {
	most    int
	metrics *metrics

	mtx    sync.Mutex
	open   map[net.Conn]*connection
	byAddr map[string]int
}

type connection struct {
	addr string
	// idle is since when nothing was asked, zero while something is.
	idle time.Time
}

func newConnections(most int, m *metrics) *connections {
	return &connections{most: most, metrics: m, open: map[net.Conn]*connection{}, byAddr: map[string]int{}}
}

// share is how many of n one address may have.
func share(n int) int { return max(1, n/2) }

// ConnState is to be the server's hook of the same name.
func (a *API) ConnState(c net.Conn, s http.ConnState) { a.conns.state(c, s) }

func (cs *connections) state(c net.Conn, s http.ConnState) {
	cs.mtx.Lock()
	defer cs.mtx.Unlock()
	switch s {
	case http.StateNew:
		it := &connection{addr: hostOf(c.RemoteAddr().String()), idle: time.Now()}
		if !cs.makeRoom(it.addr) {
			cs.metrics.closed.WithLabelValues("refused").Inc()
			closeNow(c)
			return // It is not counted, and forgetting it does nothing.
		}
		cs.open[c] = it
		cs.byAddr[it.addr]++
	case http.StateActive:
		if it := cs.open[c]; it != nil {
			it.idle = time.Time{}
		}
	case http.StateIdle:
		if it := cs.open[c]; it != nil {
			it.idle = time.Now()
		}
	case http.StateClosed, http.StateHijacked:
		cs.forget(c)
	}
	cs.metrics.connections.Set(float64(len(cs.open)))
}

// makeRoom closes connections until one more of the address is within the
// bounds, and reports whether it is. mtx is held.
func (cs *connections) makeRoom(addr string) bool {
	if cs.byAddr[addr] >= share(cs.most) && !cs.evict(addr) {
		return false
	}
	return len(cs.open) < cs.most || cs.evict("")
}

// evict closes the idle connection that was idle for longest, of the address,
// or where that is empty of the one that has most.
func (cs *connections) evict(addr string) bool {
	var victim net.Conn
	var worst *connection
	for c, it := range cs.open {
		if it.idle.IsZero() || addr != "" && it.addr != addr {
			continue
		}
		n, m := cs.byAddr[it.addr], 0
		if worst != nil {
			m = cs.byAddr[worst.addr]
		}
		if worst == nil || n > m || n == m && it.idle.Before(worst.idle) {
			victim, worst = c, it
		}
	}
	if victim == nil {
		return false
	}
	cs.metrics.closed.WithLabelValues("idle").Inc()
	cs.forget(victim)
	closeNow(victim)
	return true
}

func (cs *connections) forget(c net.Conn) {
	it := cs.open[c]
	if it == nil {
		return
	}
	delete(cs.open, c)
	if cs.byAddr[it.addr]--; cs.byAddr[it.addr] == 0 {
		delete(cs.byAddr, it.addr)
	}
}

// closeNow closes without TLS' farewell, for which a client that does not read
// would be waited for.
func closeNow(c net.Conn) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	_ = c.Close() // Whatever the error, nothing is left to be done.
}

// hostOf is an address without its port.
func hostOf(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return host
}
