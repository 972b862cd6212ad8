package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

// pushRecord is a CloudTrail record.
func pushRecord(id string) string {
	return fmt.Sprintf(`{"eventVersion":"1.09","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/anna","accountId":"111122223333","userName":"anna"},`+
		`"eventTime":"2026-03-09T11:59:00Z","eventSource":"ec2.amazonaws.com","eventName":"StopInstances","awsRegion":"eu-central-1",`+
		`"sourceIPAddress":"198.51.100.7","eventID":%q,"eventType":"AwsApiCall","recipientAccountId":"111122223333"}`, id)
}

func gzipped(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(s))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.String()
}

func (w *world) push(body, path string, headers ...string) (int, answer, PushResult) {
	w.t.Helper()
	code, _, b := w.call(http.MethodPost, "/api/v1/events"+path, strings.NewReader(body), headers...)
	a := decode(w.t, b)
	var res PushResult
	if a.Data != nil {
		require.NoError(w.t, json.Unmarshal(a.Data, &res))
	}
	return code, a, res
}

func TestPushForms(t *testing.T) {
	w := newWorld(t, nil)
	n := 0
	f := func(form string, headers ...string) {
		t.Helper()
		n++
		a, b := pushRecord(fmt.Sprintf("a-%d", n)), pushRecord(fmt.Sprintf("b-%d", n))
		body := strings.NewReplacer("A", a, "B", b).Replace(form)
		code, ans, res := w.push(body, "", headers...)
		require.Equal(t, http.StatusOK, code, ans.Error)
		require.Equal(t, PushResult{Accepted: 2, Rejected: []Rejection{}}, res)
		// Compressed, with and without the header, it is the same again.
		for _, h := range [][]string{{"Content-Encoding", "gzip"}, nil} {
			code, ans, res = w.push(gzipped(t, body), "?provider=aws", append(h, headers...)...)
			require.Equal(t, http.StatusOK, code, ans.Error)
			require.Equal(t, PushResult{Duplicates: 2, Rejected: []Rejection{}}, res)
		}
	}
	f("[A,B]", "Content-Type", "application/json")
	f(`{"Records":[A,B]}`, "Content-Type", "application/json; charset=utf-8")
	f("A\nB\n", "Content-Type", "application/x-ndjson")
	f(" \n[A,B]\n")

	code, _, res := w.push(gzipped(t, pushRecord("c"))+gzipped(t, pushRecord("d")), "")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, 2, res.Accepted, "gzip may have several members")

	code, _, res = w.push("[]", "")
	require.Equal(t, http.StatusOK, code, "an empty list is no mistake")
	require.Zero(t, res.Accepted)

	code, ans := w.ask("/api/v1/events/a-1")
	require.Equal(t, http.StatusOK, code, ans.Error)
	require.Equal(t, 10.0, testutil.ToFloat64(w.api.metrics.pushed.WithLabelValues("accepted", "")))
	require.Equal(t, 16.0, testutil.ToFloat64(w.api.metrics.pushed.WithLabelValues("duplicate", "")))
}

func TestPushBadInput(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.Limits.BodyBytes = 100_000
		o.Limits.DecompressedBytes = 200_000
	})
	f := func(body, path string, headers []string, wantCode int, want string) {
		t.Helper()
		code, a, _ := w.push(body, path, headers...)
		require.Equal(t, wantCode, code, a.Error)
		require.Equal(t, "error", a.Status)
		require.Equal(t, ErrorBadData, a.ErrorType)
		require.Contains(t, a.Error, want)
	}
	whole := gzipped(t, "["+pushRecord("x")+"]")
	bad := http.StatusBadRequest
	f("", "", nil, bad, "the body is empty; send records")
	f(" \n\t ", "", nil, bad, "white space only")
	f(gzipped(t, ""), "", nil, bad, "white space only")
	f(whole[:len(whole)/2], "", nil, bad, "gzip")
	f(whole[:len(whole)-4], "", nil, bad, "gzip")
	f(whole[:5], "", nil, bad, "gzip")
	f(whole+"rubbish", "", nil, bad, "gzip")
	f(gzipped(t, whole), "", nil, bad, "compressed twice")
	f("["+pushRecord("y")+"]", "", []string{"Content-Encoding", "gzip"}, bad, "does not begin as gzip does")
	f("{}", "", []string{"Content-Encoding", "br"}, http.StatusUnsupportedMediaType, `"br" is not taken in; send gzip`)
	f("{}", "", []string{"Content-Type", "text/plain"}, http.StatusUnsupportedMediaType, "send one of application/json, application/x-ndjson")
	f("{}", "", []string{"Content-Type", "application/x-www-form-urlencoded"}, http.StatusUnsupportedMediaType, "send one of")
	f("{}", "", []string{"Content-Type", ";"}, http.StatusUnsupportedMediaType, "send one of")
	f("{}", "?provider=acme", nil, bad, `"acme" is not known; there are aws, `)
	f("{}", "?account=prod%ff", nil, bad, `invalid parameter "account": it is not UTF-8`)
	f("hello", "", nil, bad, "")
	f(`{"Records":[`, "", nil, bad, "")
	f("\xff\xfe\x00", "", nil, bad, "")
	f(strings.Repeat(" ", 100_001), "", nil, http.StatusRequestEntityTooLarge, "larger than 100000 bytes (web.limits.max_body_size); send it in parts")
	f(gzipped(t, strings.Repeat(" ", 200_001)), "", nil, http.StatusRequestEntityTooLarge, "larger than 200000 bytes when decompressed (web.limits.max_decompressed_size); send it in parts")

	// What stood before the damage was taken in, and the answer says so.
	code, a, res := w.push(pushRecord("p")+"\n"+gzipped(t, "x"), "")
	require.True(t, code == http.StatusOK || code == bad, a.Error)
	require.Equal(t, 1, res.Accepted)
	code, a, res = w.push(gzipped(t, pushRecord("q")+"\n"+strings.Repeat(" ", 200_000)), "")
	require.Equal(t, http.StatusRequestEntityTooLarge, code)
	require.Equal(t, 1, res.Accepted)
	require.Contains(t, a.Error, "1 records before that were taken in")

	// Exactly at the bounds it goes well.
	record := pushRecord("r")
	code, a, res = w.push(gzipped(t, record+strings.Repeat(" ", 200_000-len(record))), "")
	require.Equal(t, http.StatusOK, code, a.Error)
	require.Equal(t, 1, res.Accepted)
	record = pushRecord("s")
	code, a, _ = w.push(record+strings.Repeat(" ", 100_000-len(record)), "")
	require.Equal(t, http.StatusOK, code, a.Error)

	// Invalid UTF-8 in a record costs no more than the record.
	code, a, res = w.push("["+strings.Replace(pushRecord("u"), "anna", "an\xffna", 1)+","+pushRecord("v")+"]", "")
	require.Equal(t, http.StatusOK, code, a.Error)
	require.Equal(t, 2, res.Accepted+len(res.Rejected))
}

// TestPushWithoutLength sends a body of unknown length past the bound.
func TestPushWithoutLength(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.BodyBytes = 1000 })
	code, _, b := w.call(http.MethodPost, "/api/v1/events", io.MultiReader(strings.NewReader(strings.Repeat(" ", 2000))))
	require.Equal(t, http.StatusRequestEntityTooLarge, code)
	require.Contains(t, decode(t, b).Error, "larger than 1000 bytes")
}

// TestPushSlowly lets a client stop in the middle.
func TestPushSlowly(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.BodyWindow = 50 * time.Millisecond })
	conn, err := net.Dial("tcp", w.server.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n[")
	require.NoError(t, err)
	b, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(b), "408 Request Timeout")
	require.Contains(t, string(b), "the body comes too slowly: 1 bytes in 50ms of waiting, where web.limits.min_body_rate asks for 2048 a second")
}

type failingPusher struct{ err error }

func (p failingPusher) Push(_ context.Context, _ string, body io.Reader, _ PushOptions) (PushResult, error) {
	_, err := io.Copy(io.Discard, body)
	return PushResult{}, errors.Join(p.err, err)
}

func TestPushUnavailable(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.Pusher = failingPusher{fmt.Errorf("storing events: %w: disk full", ErrUnavailable)}
	})
	code, header, b := w.call(http.MethodPost, "/api/v1/events", strings.NewReader("[]"))
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.NotEmpty(t, header.Get("Retry-After"))
	require.Equal(t, ErrorUnavailable, decode(t, b).ErrorType)
}

// slowPusher takes its time in the middle of a body, as a slow disk does.
type slowPusher struct{ pause time.Duration }

func (p slowPusher) Push(ctx context.Context, _ string, body io.Reader, _ PushOptions) (PushResult, error) {
	if _, err := io.ReadFull(body, make([]byte, 4096)); err != nil {
		return PushResult{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.pause)
	defer cancel()
	<-ctx.Done()
	_, err := io.Copy(io.Discard, body)
	return PushResult{Accepted: 1}, err
}

// TestStoringMayTakeLong pushes where storing takes longer than a client is waited
// for, and than the server lets others write.
func TestStoringMayTakeLong(t *testing.T) {
	f := func(http2 bool, window, write time.Duration) {
		t.Helper()
		w := newWorld(t, func(o *Options) {
			o.Limits.BodyWindow, o.Pusher = window, slowPusher{300 * time.Millisecond}
		})
		w.overTLS(http2, write)
		code, a, res := w.push("["+strings.Repeat(" ", 3<<20)+"]", "")
		require.Equal(t, http.StatusOK, code, a.Error)
		require.Equal(t, 1, res.Accepted)
	}
	for _, http2 := range []bool{false, true} {
		f(http2, 100*time.Millisecond, 0)
		f(http2, 0, 100*time.Millisecond)
	}
}

type source struct{ name string }

func (s *source) Push(_ context.Context, source string, body io.Reader, _ PushOptions) (PushResult, error) {
	s.name = source
	n := 0
	_, err := io.Copy(io.Discard, body)
	rejected := make([]Rejection, maxRejections+5)
	for ; n < len(rejected); n++ {
		rejected[n] = Rejection{Index: n, Error: "no"}
	}
	return PushResult{Accepted: 1, Rejected: rejected}, err
}

func TestPushClientAndManyRejections(t *testing.T) {
	s := &source{}
	w := newWorld(t, func(o *Options) { o.Pusher = s })
	code, a, res := w.push("[]", "")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "push/127.0.0.1", s.name)
	require.Len(t, res.Rejected, maxRejections)
	require.Equal(t, 5, res.Unlisted)
	require.Equal(t, []string{"1005 records were rejected; the first 1000 are listed"}, a.Warnings)

	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+"/api/v1/events", strings.NewReader("[]"))
	require.NoError(t, err)
	req.SetBasicAuth("shipper", "secret")
	r, err := w.server.Client().Do(req)
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	require.Equal(t, "push/shipper", s.name)
}

func FuzzPushBody(f *testing.F) {
	f.Add([]byte("[]"), "", int64(100))
	f.Add([]byte{0x1f, 0x8b, 8, 0}, "gzip", int64(10))
	f.Fuzz(func(t *testing.T, b []byte, encoding string, limit int64) {
		if limit < 1 || limit > 1<<20 {
			return
		}
		body := newPushBody(bytes.NewReader(b), Limits{DecompressedBytes: limit})
		if body.open(encoding) != nil {
			return
		}
		defer body.close()
		out, err := io.ReadAll(body)
		require.LessOrEqual(t, int64(len(out)), limit)
		if err == nil && !body.compressed {
			require.Equal(t, b, out)
		}
	})
}

func BenchmarkPush(b *testing.B) {
	const n = 1000
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	size := 0
	for i := range n {
		k, err := z.Write([]byte(pushRecord(fmt.Sprint(i)) + "\n"))
		require.NoError(b, err)
		size += k
	}
	require.NoError(b, z.Close())
	b.SetBytes(int64(size))
	limits := Limits{}
	require.NoError(b, limits.validate())
	for b.Loop() {
		p := newPushBody(bytes.NewReader(body.Bytes()), limits)
		require.NoError(b, p.open("gzip"))
		if got, err := io.Copy(io.Discard, p); err != nil || got != int64(size) {
			b.Fatal(got, err)
		}
		p.close()
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
