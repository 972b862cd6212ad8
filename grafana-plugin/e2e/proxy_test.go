package e2e

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// proxy passes connections on to the daemon, and can break them.
type proxy struct {
	l      net.Listener
	target string

	mtx sync.Mutex
	// limit is how many bytes of answers a connection passes on before it breaks;
	// negative is no limit.
	limit int64
	conns map[net.Conn]bool
	// opened counts connections.
	opened int
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{l: l, target: strings.TrimPrefix(target, "http://"), limit: -1, conns: map[net.Conn]bool{}}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.cut()
		serving.Wait()
	})
	return p
}

func (p *proxy) url() string { return "http://" + p.l.Addr().String() }

func (p *proxy) serve(in net.Conn) {
	out, err := net.Dial("tcp", p.target)
	if err != nil {
		in.Close()
		return
	}
	p.mtx.Lock()
	p.conns[in], p.conns[out] = true, true
	p.opened++
	limit := p.limit
	p.mtx.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(out, in)
		out.Close()
	}()
	if limit >= 0 {
		_, _ = io.CopyN(in, out, limit)
	} else {
		_, _ = io.Copy(in, out)
	}
	in.Close()
	<-done
	p.mtx.Lock()
	defer p.mtx.Unlock()
	delete(p.conns, in)
	delete(p.conns, out)
}

// cut breaks what is open.
func (p *proxy) cut() {
	p.mtx.Lock()
	defer p.mtx.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

// breakAfter breaks connections that are opened from now on after so many bytes.
func (p *proxy) breakAfter(n int64) {
	p.mtx.Lock()
	defer p.mtx.Unlock()
	p.limit = n
}

func (p *proxy) count() int {
	p.mtx.Lock()
	defer p.mtx.Unlock()
	return p.opened
}
