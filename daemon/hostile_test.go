package daemon

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"
)

// The tests in this file attack a daemon in a process of its own, whose greatest
// memory the kernel knows, while a client beside them goes about its business.
// INSIGHTD_ENDURANCE=1 attacks at full size.

const (
	hostileEnv = "INSIGHTD_HOSTILE_STORAGE"
	// hostileMemory is how much memory the daemon may ever have, in bytes.
	hostileMemory = 1 << 30
	// hostileFrom is the address of the attacker, peacefulFrom that of others.
	hostileFrom, peacefulFrom = "127.0.0.2", "127.0.0.1"
)

var endurance = os.Getenv("INSIGHTD_ENDURANCE") == "1"

// size is how large an attack is, normally and at full size.
func size(normal, full int) int {
	if endurance {
		return full
	}
	return normal
}

// TestHostileDaemon is the daemon under attack: the tests below start this
// binary again with it. By itself it does nothing.
func TestHostileDaemon(t *testing.T) {
	storage := os.Getenv(hostileEnv)
	if storage == "" {
		t.Skip("this is the process that other tests attack; it is theirs to start")
	}
	d, err := New(Options{
		StoragePath: storage, ListenAddresses: []string{"127.0.0.1:0"}, Tick: 100 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // It ends when the test does.
		cancel()
	}()
	_, err = fmt.Fprintln(os.Stdout, "ADDRESS", d.Addr())
	require.NoError(t, err)
	require.NoError(t, d.Run(ctx))
}

// attacked is a daemon in a process of its own.
type attacked struct {
	t    *testing.T
	addr string
	pid  int
}

func attack(t *testing.T) *attacked {
	t.Helper()
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("there is no /proc here, which tells how much memory a process had")
	}
	// Not t.Context, which ends before the clean-up does.
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestHostileDaemon$", "-test.timeout=30m")
	cmd.Env = append(os.Environ(), hostileEnv+"="+t.TempDir())
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	a := &attacked{t: t, pid: cmd.Process.Pid}
	out := bufio.NewScanner(stdout)
	for a.addr == "" && out.Scan() {
		a.addr = strings.TrimPrefix(out.Text(), "ADDRESS ")
	}
	t.Cleanup(func() {
		defer cancel()
		peak := a.peak()
		require.NoError(t, stdin.Close())
		rest, err := io.ReadAll(stdout)
		require.NoError(t, err)
		require.NoError(t, cmd.Wait(), "the daemon did not end well: %s\n%s", rest, tail(stderr.String()))
		t.Logf("the daemon's memory was at most %d MB", peak>>20)
		require.Less(t, peak, hostileMemory, "bytes of memory")
	})
	require.NotEmpty(t, a.addr, "the daemon did not start")
	c := from(t, peacefulFrom)
	require.Eventually(t, func() bool {
		code, _, err := ask(c, http.MethodGet, a.url("/-/ready"), nil)
		return err == nil && code == http.StatusOK
	}, time.Minute, 20*time.Millisecond)
	return a
}

func tail(s string) string { return s[max(0, len(s)-4096):] }

func (a *attacked) url(path string) string { return "http://" + a.addr + path }

// peak is the most memory that the process ever had, in bytes.
func (a *attacked) peak() int {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(a.pid), "status"))
	require.NoError(a.t, err)
	_, rest, ok := strings.Cut(string(b), "VmHWM:")
	require.True(a.t, ok)
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	require.NoError(a.t, err)
	return kb << 10
}

// from is a client with an address of its own.
func from(t *testing.T, ip string) *http.Client {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	c := &http.Client{Transport: &http.Transport{DialContext: d.DialContext, MaxIdleConnsPerHost: 4}, Timeout: 5 * time.Minute}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func ask(c *http.Client, method, address string, body io.Reader) (int, string, error) {
	req, err := http.NewRequestWithContext(context.Background(), method, address, body)
	if err != nil {
		return 0, "", err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// post attacks with a body, and returns what the daemon says.
func (a *attacked) post(body io.Reader) (int, string) {
	a.t.Helper()
	code, answer, err := ask(from(a.t, hostileFrom), http.MethodPost, a.url("/api/v1/events"), body)
	require.NoError(a.t, err)
	return code, answer
}

// peace is what the client beside an attack saw.
type peace struct {
	t        *testing.T
	stop     chan struct{}
	done     chan struct{}
	mtx      sync.Mutex
	waits    []time.Duration
	accepted int
	wrong    []string
}

// peacefully pushes a few events and asks a few questions again and again,
// until undisturbed is called.
func (a *attacked) peacefully() *peace {
	p := &peace{t: a.t, stop: make(chan struct{}), done: make(chan struct{})}
	c, id := from(a.t, peacefulFrom), rand.Uint64()
	once := func(n int) error {
		var body bytes.Buffer
		for k := range 5 {
			body.Write(hostileRecord(fmt.Sprintf("peace-%x-%d-%d", id, n, k), recordTime(0), "arn:aws:iam::111111111111:user/anna", "AKIAIOSFODNN7EXAMPLE", "198.51.100.7", "RunInstances"))
			body.WriteByte('\n')
		}
		code, answer, err := ask(c, http.MethodPost, a.url("/api/v1/events"), &body)
		if err != nil || code != http.StatusOK || !strings.Contains(answer, `"accepted":5,`) {
			return fmt.Errorf("pushing: %d %s %w", code, answer, err)
		}
		for _, path := range []string{
			"/api/v1/query?query=" + url.QueryEscape(`sum(sum_over_time(activity_events{account="111111111111"}[1h]))`),
			"/api/v1/events?limit=5&filter=" + url.QueryEscape(`account="111111111111"`), "/api/v1/insights", "/metrics",
		} {
			if code, answer, err := ask(c, http.MethodGet, a.url(path), nil); err != nil || code != http.StatusOK {
				return fmt.Errorf("asking %s: %d %s %w", path, code, tail(answer), err)
			}
		}
		return nil
	}
	go func() {
		defer close(p.done)
		every := time.NewTicker(100 * time.Millisecond)
		defer every.Stop()
		for n := 0; ; n++ {
			begun := time.Now()
			err := once(n)
			p.mtx.Lock()
			p.waits = append(p.waits, time.Since(begun))
			if err == nil {
				p.accepted += 5
			} else {
				p.wrong = append(p.wrong, err.Error())
			}
			p.mtx.Unlock()
			select {
			case <-p.stop:
				return
			case <-every.C:
			}
		}
	}()
	return p
}

func (p *peace) rounds() int {
	p.mtx.Lock()
	defer p.mtx.Unlock()
	return len(p.waits)
}

// undisturbed wants every push to have been accepted and every question to have
// been answered. A round is a push and four questions.
func (p *peace) undisturbed() {
	p.t.Helper()
	// There were rounds while the attack was on.
	want := p.rounds() + 3
	require.Eventually(p.t, func() bool { return p.rounds() >= want }, time.Minute, 10*time.Millisecond)
	close(p.stop)
	<-p.done
	require.Empty(p.t, p.wrong)
	require.Equal(p.t, 5*len(p.waits), p.accepted)
	slices.Sort(p.waits)
	median, worst := p.waits[len(p.waits)/2], p.waits[len(p.waits)-1]
	p.t.Logf("beside it: %d rounds, median %s, worst %s", len(p.waits), median.Round(time.Millisecond), worst.Round(time.Millisecond))
	require.Less(p.t, median, 5*time.Second)
	require.Less(p.t, worst, time.Minute)
}

func recordTime(ago time.Duration) string { return time.Now().Add(-ago).UTC().Format(time.RFC3339) }

// hostileRecord is a record of CloudTrail. Its account is that of the ARN.
func hostileRecord(id, at, arn, key, ip, operation string) []byte {
	account := strings.Split(arn, ":")[4]
	return fmt.Appendf(nil, `{"eventVersion":"1.09","eventTime":%q,"eventSource":"ec2.amazonaws.com","eventName":%q,"awsRegion":"eu-central-1","sourceIPAddress":%q,"userAgent":"x","eventID":%q,"recipientAccountId":%q,"readOnly":false,"eventType":"AwsApiCall","eventCategory":"Management","managementEvent":true,"userIdentity":{"type":"IAMUser","arn":%q,"accountId":%q,"accessKeyId":%q,"userName":"x"}}`,
		at, operation, ip, id, account, arn, account, key)
}

// squeezed compresses what write writes, on its way.
func squeezed(write func(w io.Writer) error) io.Reader {
	r, w := io.Pipe()
	go func() {
		z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // The level is a good one.
		err := write(z)
		if err == nil {
			err = z.Close()
		}
		_ = w.CloseWithError(err) // It never fails.
	}()
	return r
}

// noise writes n octal digits, which do not compress to nothing.
func noise(w io.Writer, n int) error {
	src := rand.NewChaCha8([32]byte{1})
	raw, text := make([]byte, 16<<10), make([]byte, 32<<10)
	for n > 0 {
		_, _ = src.Read(raw) // It never fails.
		for i, b := range raw {
			text[2*i], text[2*i+1] = '0'+b>>5, '0'+b&7
		}
		k, err := w.Write(text[:min(n, len(text))])
		if err != nil {
			return err
		}
		n -= k
	}
	return nil
}

func TestHostileGzipBomb(t *testing.T) {
	a := attack(t)
	p := a.peacefully()
	for name, text := range map[string]string{"white space": strings.Repeat(" ", 1<<20), "records": strings.Repeat(`{"a":"b"}`+"\n", 100_000)} {
		begun := time.Now()
		code, answer := a.post(squeezed(func(w io.Writer) error {
			for range size(200, 2000) {
				if _, err := io.WriteString(w, text); err != nil {
					return err
				}
			}
			return nil
		}))
		require.Equal(t, http.StatusRequestEntityTooLarge, code, "%s: %s", name, tail(answer))
		require.Contains(t, answer, "web.limits.max_compression_ratio", name)
		require.Less(t, time.Since(begun), time.Minute, name)
	}
	// A body that is just not a bomb, of records that are none: each is counted,
	// few are listed.
	code, answer := a.post(squeezed(func(w io.Writer) error {
		for n := range size(200_000, 5_000_000) {
			if _, err := fmt.Fprintf(w, "{\"a\":\"%x\"}\n", n*2654435761); err != nil {
				return err
			}
		}
		return nil
	}))
	require.Equal(t, http.StatusBadRequest, code, tail(answer))
	require.Contains(t, answer, fmt.Sprintf(`"unlisted":%d`, size(200_000, 5_000_000)-1000))
	p.undisturbed()
}

func TestHostileLine(t *testing.T) {
	a := attack(t)
	p := a.peacefully()
	code, answer := a.post(squeezed(func(w io.Writer) error {
		if _, err := io.WriteString(w, `{"eventVersion":"1.09","eventID":"`); err != nil {
			return err
		}
		return noise(w, size(20, 100)<<20)
	}))
	require.Equal(t, http.StatusBadRequest, code, tail(answer))
	require.Contains(t, answer, "the record is larger than 2097152 bytes")
	code, answer = a.post(bytes.NewReader(bytes.Repeat([]byte("x"), 65<<20)))
	require.Equal(t, http.StatusRequestEntityTooLarge, code)
	require.Contains(t, answer, "web.limits.max_body_size")
	p.undisturbed()
}

func TestHostileRecord(t *testing.T) {
	a := attack(t)
	p := a.peacefully()
	arn := "arn:aws:iam::222222222222:user/eve"
	good := func(id string) string {
		return string(hostileRecord(id, recordTime(0), arn, "AKIAEVE", "198.51.100.9", "RunInstances"))
	}
	var large bytes.Buffer
	require.NoError(t, noise(&large, 10<<20))
	for n, body := range []string{
		"[" + good("a1") + "," + strings.Replace(good("a2"), `"userAgent":"x"`, `"userAgent":"`+large.String()+`"`, 1) + "," + good("a3") + "]",
		good("b1") + "\n" + strings.Replace(good("b2"), `"userAgent":"x"`, `"userAgent":"`+large.String()+`"`, 1) + "\n" + good("b3") + "\n",
	} {
		code, answer := a.post(strings.NewReader(body))
		require.Equal(t, http.StatusOK, code, answer)
		require.Contains(t, answer, `"accepted":2,`, "body %d: %s", n, answer)
		require.Contains(t, answer, "the record is larger than 2097152 bytes")
	}
	// Nested ten thousand deep: as a field of a record, in front of one, and as
	// nothing but brackets.
	const deep = 10_000
	lists := strings.Repeat("[", deep) + strings.Repeat("]", deep)
	objects := strings.Repeat(`{"a":`, deep) + "1" + strings.Repeat("}", deep)
	for name, body := range map[string]string{
		"lists in a field":     "[" + strings.Replace(good("c1"), `"userAgent":"x"`, `"requestParameters":`+lists, 1) + "," + good("c2") + "]",
		"objects in a field":   "[" + strings.Replace(good("d1"), `"userAgent":"x"`, `"requestParameters":`+objects, 1) + "," + good("d2") + "]",
		"objects with records": strings.Repeat(`{"Records":[`, deep),
		"brackets":             strings.Repeat("[", 10*deep),
		"closed brackets":      lists + "\n" + good("e1"),
	} {
		begun := time.Now()
		code, answer := a.post(strings.NewReader(body))
		require.Contains(t, []int{http.StatusOK, http.StatusBadRequest}, code, "%s: %s", name, tail(answer))
		require.Less(t, time.Since(begun), time.Minute, name)
		if code == http.StatusOK {
			require.Regexp(t, `"accepted":[12],`, answer, name)
		} else {
			require.Contains(t, answer, `"errorType":"bad_data"`, name)
		}
	}
	p.undisturbed()
}

func TestHostileTimes(t *testing.T) {
	a := attack(t)
	p := a.peacefully()
	arn := "arn:aws:iam::222222222222:user/eve"
	for n, at := range []string{"1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "0001-01-01T00:00:00Z"} {
		code, answer := a.post(bytes.NewReader(hostileRecord(fmt.Sprint("old", n), at, arn, "AKIAEVE", "198.51.100.9", "RunInstances")))
		require.Contains(t, answer, `"accepted":0`, "%s: %d %s", at, code, answer)
		require.Regexp(t, `"refused":1|"index":0`, answer, at)
	}
	code, answer := a.post(bytes.NewReader(hostileRecord("new", "2100-01-01T00:00:00Z", arn, "AKIAEVE", "198.51.100.9", "RunInstances")))
	require.Equal(t, http.StatusOK, code, answer)
	require.Contains(t, answer, `"accepted":1,`)
	// It is counted as from the future, and enters no series and no watermark.
	c := from(t, peacefulFrom)
	code, answer, err := ask(c, http.MethodGet, a.url("/api/v1/coverage"), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, code)
	var env struct {
		Data struct {
			Streams []struct {
				Account   string
				Future    int
				Watermark string
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &env))
	seen := false
	for _, s := range env.Data.Streams {
		if s.Account == "222222222222" {
			seen = true
			require.Equal(t, 1, s.Future)
			require.False(t, strings.HasPrefix(s.Watermark, "2100"))
		}
	}
	require.True(t, seen, answer)
	code, answer, err = ask(c, http.MethodGet, a.url("/api/v1/query?time=2100-01-01T00:01:00Z&query="+url.QueryEscape(`sum(sum_over_time(activity_events{account="222222222222"}[80000h]))`)), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, code, answer)
	require.Contains(t, answer, `"result":[]`)
	p.undisturbed()
}

// TestHostileCardinality pushes events that have nothing in common: each has an
// identity, a key, an address and an operation of its own.
func TestHostileCardinality(t *testing.T) {
	a := attack(t)
	p := a.peacefully()
	total, perBody := size(30_000, 1_000_000), 2000
	c := from(t, hostileFrom)
	for n := 0; n < total; n += perBody {
		var body bytes.Buffer
		at := recordTime(0)
		for k := n; k < n+perBody; k++ {
			body.Write(hostileRecord(fmt.Sprint("card-", k), at, fmt.Sprintf("arn:aws:iam::222222222222:user/u%d", k),
				fmt.Sprintf("AKIA%016d", k), fmt.Sprintf("10.%d.%d.%d", k>>16&255, k>>8&255, k&255), fmt.Sprintf("Do%dThings", k)))
			body.WriteByte('\n')
		}
		code, answer, err := ask(c, http.MethodPost, a.url("/api/v1/events"), &body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, code, answer)
		require.Contains(t, answer, fmt.Sprintf(`"accepted":%d,`, perBody))
	}
	p.undisturbed()
}

// open makes connections that send something and then nothing.
func (a *attacked) open(n int, send string) (all []net.Conn) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(hostileFrom)}}
	for range n {
		c, err := d.Dial("tcp", a.addr)
		require.NoError(a.t, err)
		a.t.Cleanup(func() { _ = c.Close() })
		_, _ = io.WriteString(c, send) // It may have been closed already.
		all = append(all, c)
	}
	return all
}

// value is that of a metric without labels of the daemon's own.
func (a *attacked) value(name string) float64 {
	code, text, err := ask(from(a.t, peacefulFrom), http.MethodGet, a.url("/metrics"), nil)
	require.NoError(a.t, err)
	require.Equal(a.t, http.StatusOK, code)
	_, rest, ok := strings.Cut(text, "\n"+name+" ")
	require.True(a.t, ok, name)
	v, err := strconv.ParseFloat(strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0]), 64)
	require.NoError(a.t, err)
	return v
}

func TestHostileConnections(t *testing.T) {
	a := attack(t)
	p := a.peacefully()
	a.open(size(1500, 5000), "")
	require.LessOrEqual(t, a.value("insightd_http_connections"), 1000.0)
	p.undisturbed()

	p = a.peacefully()
	half := a.open(size(700, 5000), "POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: ")
	require.LessOrEqual(t, a.value("insightd_http_connections"), 1000.0)
	p.undisturbed()
	if endurance {
		// Headers that do not come to their end are given up after ten seconds.
		for _, c := range half {
			require.NoError(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
			_, err := io.Copy(io.Discard, c)
			require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
		}
	}
}

func TestHostileSlowBodies(t *testing.T) {
	a := attack(t)
	p := a.peacefully()
	conns := a.open(size(100, 400), "POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n[")
	stop, trickled := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(trickled)
		every := time.NewTicker(500 * time.Millisecond)
		defer every.Stop()
		for {
			for _, c := range conns {
				_, _ = io.WriteString(c, " ") // It may have been given up.
			}
			select {
			case <-stop:
				return
			case <-every.C:
			}
		}
	}()
	answers := map[string]int{}
	deadline := time.Now().Add(time.Minute)
	for _, c := range conns {
		require.NoError(t, c.SetReadDeadline(deadline))
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil {
			line = "closed"
		}
		answers[strings.TrimSpace(line)]++
	}
	close(stop)
	<-trickled
	p.undisturbed()
	t.Log(answers)
	// Half of the places were the attacker's, and were taken back; the rest was
	// told to come again.
	require.Equal(t, map[string]int{"HTTP/1.1 408 Request Timeout": 16, "HTTP/1.1 503 Service Unavailable": len(conns) - 16}, answers)
}
