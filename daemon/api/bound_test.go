package api

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHeaderBounds(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.HeaderBytes, o.Limits.Headers = 4096, 20 })
	code, _, b := w.call(http.MethodGet, "/api/v1/insights?q="+strings.Repeat("x", 4096), nil)
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, code)
	require.Contains(t, decode(t, b).Error, "which is more than 4096 (web.limits.max_header_size)")
	var many []string
	for n := range 25 {
		many = append(many, fmt.Sprint("X-Filler-", n), "x")
	}
	code, _, b = w.call(http.MethodGet, "/-/healthy", nil, many...)
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, code)
	require.Contains(t, decode(t, b).Error, "which is more than 20 (web.limits.max_headers)")
	code, _, _ = w.call(http.MethodGet, "/-/healthy", nil, many[:20]...)
	require.Equal(t, http.StatusOK, code)
}

func TestBombIsCutOffEarly(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.Ratio = 20 })
	bomb := gzipped(t, strings.Repeat(" ", 100<<20))
	code, a, _ := w.push(bomb, "")
	require.Equal(t, http.StatusRequestEntityTooLarge, code)
	require.Contains(t, a.Error, "more than 20 times larger when decompressed, as no log is (web.limits.max_compression_ratio)")
	// A small body of one record many times over is no bomb.
	code, a, _ = w.push(gzipped(t, pushRecord("one")+strings.Repeat(" ", 4<<20)), "")
	require.Equal(t, http.StatusOK, code, a.Error)
}

// slowConn is a body that comes in pieces, each after a while, and heeds the
// deadline as a connection does.
type slowConn struct {
	piece    int
	pause    time.Duration
	left     int
	deadline time.Time
}

func (s *slowConn) Close() error { return nil }

func (s *slowConn) Read(b []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	at := time.Now().Add(s.pause)
	if !s.deadline.IsZero() && at.After(s.deadline) {
		<-time.After(time.Until(s.deadline))
		return 0, os.ErrDeadlineExceeded
	}
	<-time.After(s.pause)
	n := min(s.piece, s.left, len(b))
	s.left -= n
	return n, nil
}

func TestSlowBodies(t *testing.T) {
	f := func(piece int, pause, ours time.Duration, left int, want string) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			c := &slowConn{piece: piece, pause: pause, left: left}
			b := &patientBody{
				ReadCloser: c, rate: 1000, window: 20 * time.Second,
				deadline: func(at time.Time) error { c.deadline = at; return nil },
			}
			buf := make([]byte, 64<<10)
			var err error
			got := 0
			for err == nil {
				var n int
				n, err = b.Read(buf)
				got += n
				<-time.After(ours) // What we take to store it.
			}
			if want == "" {
				require.Equal(t, io.EOF, err)
				require.Equal(t, left, got)
				require.Zero(t, c.deadline, "the server's next request has its own")
				return
			}
			require.ErrorContains(t, err, want)
			_, again := b.Read(buf)
			require.Equal(t, err, again)
		})
	}
	f(1, time.Minute, 0, 100, "the body comes too slowly: 0 bytes in 20s of waiting, where web.limits.min_body_rate asks for 1000 a second")
	f(1, 100*time.Millisecond, 0, 1000, "too slowly: 200 bytes in 20s")
	f(900, time.Second, 0, 1<<20, "too slowly")
	f(1100, time.Second, 0, 50<<20, "")                // Half a day for 50 MB is no reason to cut it off.
	f(64<<10, 10*time.Second, time.Minute, 10<<20, "") // Our own time is not the client's.
	f(1, 100*time.Millisecond, 0, 100, "")             // Its last window needs not be full.
	f(5<<20, 19*time.Second, 0, 500<<20, "")           // Bursts with pauses.
	f(5<<20, 21*time.Second, 0, 500<<20, "too slowly") // Nothing for a whole window.
	f(19_000, 10*time.Second, 0, 100_000, "")          // Two reads fill a window.
	f(9_000, 10*time.Second, 0, 100_000, "too slowly") // Two reads do not.
}

// TestFormsMayNotBeSlowEither sends the form of a question a byte at a time.
func TestFormsMayNotBeSlowEither(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.BodyWindow = 50 * time.Millisecond })
	for _, path := range []string{"/api/v1/insights", "/api/v1/query", loginPath} {
		conn, err := net.Dial("tcp", w.server.Listener.Addr().String())
		require.NoError(t, err)
		_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nq", path)
		require.NoError(t, err)
		b, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		require.Contains(t, string(b), "the body comes too slowly", path)
	}
}

// TestBodiesThatNobodyReadsAreNotWaitedFor announces bodies that never come, where
// the answer is given before they are asked for.
func TestBodiesThatNobodyReadsAreNotWaitedFor(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.BodyWindow = 50 * time.Millisecond })
	f := func(head, want string) {
		t.Helper()
		conn, err := net.Dial("tcp", w.server.Listener.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
		_, err = fmt.Fprintf(conn, "%s\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n", head)
		require.NoError(t, err)
		b, err := io.ReadAll(conn)
		require.NoError(t, err, "the connection stays open after %s", head)
		require.Contains(t, string(b), want)
	}
	f("OPTIONS /api/v1/query HTTP/1.1", "204 No Content")
	f("POST /api/v1/events HTTP/1.1\r\nOrigin: http://evil.example", "403 Forbidden")
	f("GET /api/v1/insights HTTP/1.1"+strings.Repeat("\r\nX-A: b", 150), "431 Request Header Fields Too Large")
}

// TestAddressesShareThePushes fills the places of one address and pushes from
// another.
func TestAddressesShareThePushes(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.Pushes, o.Limits.SearchWait = 4, time.Millisecond })
	from := func(ip string) *http.Client {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
		c := &http.Client{Transport: &http.Transport{DialContext: d.DialContext}}
		t.Cleanup(c.CloseIdleConnections)
		return c
	}
	var open []*io.PipeWriter
	results := make(chan int, 2)
	for range 2 {
		r, wr := io.Pipe()
		open = append(open, wr)
		go func() {
			res, err := from("127.0.0.2").Post(w.server.URL+"/api/v1/events", "application/json", r)
			if err != nil {
				results <- 0
				return
			}
			_ = res.Body.Close()
			results <- res.StatusCode
		}()
		_, err := wr.Write([]byte("["))
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return len(w.api.pushes.all) == 2 }, 10*time.Second, time.Millisecond)
	post := func(ip string) (int, string) {
		res, err := from(ip).Post(w.server.URL+"/api/v1/events", "application/json", strings.NewReader("["+pushRecord(ip)+"]"))
		require.NoError(t, err)
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(b)
	}
	code, body := post("127.0.0.2")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Contains(t, body, "2 pushes of your own are under way, which is the limit (half of web.limits.max_concurrent_pushes)")
	code, body = post("127.0.0.1")
	require.Equal(t, http.StatusOK, code, body)
	for _, wr := range open {
		_, err := wr.Write([]byte("]"))
		require.NoError(t, err)
		require.NoError(t, wr.Close())
	}
	for range 2 {
		require.Equal(t, http.StatusOK, <-results)
	}
	require.Eventually(t, func() bool {
		w.api.pushes.mtx.Lock()
		defer w.api.pushes.mtx.Unlock()
		return len(w.api.pushes.byAddr) == 0
	}, 10*time.Second, time.Millisecond, "nothing is kept of addresses that have gone")
}

// TestConnectionBounds opens more connections than there may be.
func TestConnectionBounds(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.Connections = 20 })
	s := httptest.NewUnstartedServer(w.api.Handler())
	s.Config.ConnState = w.api.ConnState
	s.Start()
	defer s.Close()
	dial := func(ip string) net.Conn {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
		c, err := d.Dial("tcp", s.Listener.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	ask := func(c net.Conn) bool {
		if _, err := io.WriteString(c, "GET /-/healthy HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"); err != nil {
			return false
		}
		b := make([]byte, 1024)
		n, err := c.Read(b)
		return err == nil && bytes.HasPrefix(b[:n], []byte("HTTP/1.1 200"))
	}
	good := dial("127.0.0.1")
	require.True(t, ask(good))
	// Of an address that opens 100, the last ten stay; others are not touched.
	var own []net.Conn
	for range 100 {
		own = append(own, dial("127.0.0.2"))
	}
	require.True(t, ask(own[99]))
	require.False(t, ask(own[0]))
	require.True(t, ask(good))
	open := func() (all, one int) {
		w.api.conns.mtx.Lock()
		defer w.api.conns.mtx.Unlock()
		return len(w.api.conns.open), w.api.conns.byAddr["127.0.0.2"]
	}
	all, one := open()
	require.Equal(t, 11, all)
	require.Equal(t, 10, one)
	// Many addresses fill the rest; a new one still finds its place, and whoever
	// has most gives it.
	for n := range 30 {
		dial(fmt.Sprintf("127.0.1.%d", n+1))
	}
	last := dial("127.0.0.3")
	require.True(t, ask(last))
	all, one = open()
	require.Equal(t, 20, all)
	require.LessOrEqual(t, one, 2)
	_, _, b := w.call(http.MethodGet, "/metrics", nil)
	require.Contains(t, string(b), `insightd_http_connections_closed_total{reason="idle"}`)
}

// TestQueriesDoNotWaitForEver asks while all places are taken, and before there
// are series.
func TestQueriesDoNotWaitForEver(t *testing.T) {
	ready := true
	w := newWorld(t, func(o *Options) {
		o.Prometheus.MaxConcurrent, o.Limits.SearchWait = 1, 10*time.Millisecond
		o.Prometheus.Ready = func() bool { return ready }
	})
	f := func(path, want string) {
		t.Helper()
		code, header, b := w.call(http.MethodGet, path, nil)
		require.Equal(t, http.StatusServiceUnavailable, code)
		require.Equal(t, "5", header.Get("Retry-After"))
		require.Contains(t, decode(t, b).Error, want)
	}
	w.api.prom.gate <- struct{}{}
	for _, path := range []string{"/api/v1/query?query=1", "/api/v1/status/buildinfo"} {
		f(path, "1 queries are under way, which is the limit (web.limits.max_concurrent_queries); try again")
	}
	<-w.api.prom.gate
	code, _, _ := w.call(http.MethodGet, "/api/v1/query?query=1", nil)
	require.Equal(t, http.StatusOK, code)
	ready = false
	f("/api/v1/query?query=1", "the series are not open yet")
}
