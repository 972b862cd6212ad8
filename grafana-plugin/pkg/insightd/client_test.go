package insightd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	jsoniter "github.com/json-iterator/go"
	"github.com/stretchr/testify/require"
)

func client(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := New(Options{URL: s.URL + "/prefix/", MaxBody: 1 << 20})
	require.NoError(t, err)
	return c
}

func success(w http.ResponseWriter, data string) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"status":"success","data":%s}`, data)
}

func TestRequests(t *testing.T) {
	var got []string
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, r.ParseForm())
		got = append(got, fmt.Sprintf("%s %s %d", r.Method, r.URL.EscapedPath(), len(r.Form.Get("filter"))))
		success(w, `{}`)
	})
	ask := func(path string, n int) {
		_, err := c.get(t.Context(), path, url.Values{"filter": {strings.Repeat("x", n)}}, &struct{}{})
		require.NoError(t, err)
	}
	ask("/api/v1/insights", 10)
	ask("/api/v1/insights", 5000)
	ask("/api/v1/events", 5000) // Its POST takes in events.
	ask("/api/v1/events/field/a b/values", 5000)
	require.Equal(t, []string{
		"GET /prefix/api/v1/insights 10", "POST /prefix/api/v1/insights 5000", "GET /prefix/api/v1/events 5000",
		"POST /prefix/api/v1/events/field/a%20b/values 5000",
	}, got)
}

func TestAnswersAreBounded(t *testing.T) {
	c := client(t, func(w http.ResponseWriter, _ *http.Request) { success(w, `"`+strings.Repeat("x", 2<<20)+`"`) })
	_, err := c.get(t.Context(), "/api/v1/coverage", nil, new(string))
	require.ErrorIs(t, err, ErrTooLarge)
	require.ErrorContains(t, err, "1 MiB")
}

func TestPagesAreFollowed(t *testing.T) {
	var asked []string
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Query().Get("limit")+" "+r.URL.Query().Get("next"))
		next := fmt.Sprintf("p%d", len(asked))
		if len(asked) == 4 {
			next = ""
		}
		success(w, fmt.Sprintf(`{"insights":[{"sharedEventID":"1"},{"sharedEventID":"2"}],"next":%q}`, next))
	})
	p, err := c.Insights(t.Context(), nil, 5)
	require.NoError(t, err)
	require.Equal(t, []string{"5 ", "3 p1", "1 p2"}, asked)
	require.True(t, p.More)
	p, err = c.Insights(t.Context(), nil, 50)
	require.NoError(t, err)
	require.False(t, p.More)
	require.Len(t, p.Items, 2)
}

// What the daemon did not understand of a question makes the answer a wrong one.
func TestIgnoredParametersAreAnError(t *testing.T) {
	c := client(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"status":"success","data":{},"warnings":["unknown parameters were ignored: \"filter\""]}`)
	})
	_, err := c.Insights(t.Context(), nil, 1)
	require.ErrorIs(t, err, ErrTooOld)
	require.ErrorContains(t, err, `"filter"; update insightd`)
}

func TestResults(t *testing.T) {
	read := func(text string) (Result, error) {
		var r Result
		it := jsoniter.ParseString(codec, text)
		r.read(it)
		return r, it.Error
	}
	r, err := read(`{"result":[{"values":[[1.5,"NaN"],[2,"+Inf"],[1773057600.123,"-1e3"]],"metric":{"__name__":"x","a":"é"},"histograms":[[1,{}]]}],"resultType":"matrix"}`)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"__name__": "x", "a": "é"}, r.Series[0].Metric)
	require.True(t, math.IsNaN(r.Series[0].Values[0]))
	require.True(t, math.IsInf(r.Series[0].Values[1], 1))
	require.Equal(t, -1000.0, r.Series[0].Values[2])
	require.Equal(t, time.UnixMilli(1500).UTC(), r.Series[0].Times[0])
	require.Equal(t, time.UnixMilli(1773057600123).UTC(), r.Series[0].Times[2])
	r, err = read(`{"resultType":"string","result":[1,"text"]}`)
	require.NoError(t, err)
	require.Equal(t, "text", r.Text)
	r, err = read(`{"resultType":"scalar","result":[1,"7"]}`)
	require.NoError(t, err)
	require.Equal(t, []float64{7}, r.Series[0].Values)
	for _, bad := range []string{`{"resultType":"scalar","result":[]}`, `{"resultType":"vector","result":[{"value":[1]}]}`, `{"resultType":"vector","result":[{"value":[1,"x"]}]}`, `{"resultType":"vector","result":[{"value":[1,"2",3]}]}`} {
		_, err := read(bad)
		require.Error(t, err, bad)
	}
}

// A reader of a stranger's bytes neither panics nor hangs.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("../../../testdata/api/quer*.json")
	require.NoError(f, err)
	for _, name := range files {
		b, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Add([]byte(`{"data":{"result":[[1,"2"]],"resultType":"matrix"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Result
		_, _ = parse(b, r.read)
		for _, s := range r.Series {
			require.Len(t, s.Values, len(s.Times))
		}
	})
}

// A stream that breaks goes on where it broke, and tells nothing twice.
func TestStreamsGoOnWhereTheyBroke(t *testing.T) {
	var mtx sync.Mutex
	var last []string
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		mtx.Lock()
		n := len(last)
		last = append(last, r.Header.Get("Last-Event-ID"))
		mtx.Unlock()
		if n == 1 { // In between somebody restarts.
			http.Error(w, "gone", http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "retry: 1\n: insightd\n\n: heartbeat\n\n")
		for k := range 2 {
			fmt.Fprintf(w, "id: %d\nevent: start\ndata: {\"sharedEventID\":\ndata: \"i%d\"}\n\n", 10*n+k, 10*n+k)
		}
		fmt.Fprint(w, "id: 99\nevent: start\ndata: {\"sharedEv") // It breaks off here.
	})
	var told []string
	stop := errors.New("enough")
	err := c.Live(t.Context(), nil, func(ch Change) error {
		require.Equal(t, "start", ch.Kind)
		told = append(told, ch.Record.ID)
		if len(told) == 4 {
			return stop
		}
		return nil
	})
	require.ErrorIs(t, err, stop)
	require.Equal(t, []string{"i0", "i1", "i20", "i21"}, told)
	require.Equal(t, []string{"", "1", "1"}, last)
}

func TestStreamsEnd(t *testing.T) {
	f := func(code int, body string, want error) {
		t.Helper()
		c := client(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			fmt.Fprint(w, body)
		})
		require.ErrorIs(t, c.Live(t.Context(), nil, func(Change) error { return nil }), want)
	}
	f(401, `{"status":"error","errorType":"unauthorized","error":"a token is needed"}`, ErrUnauthorized)
	f(403, `{"status":"error","errorType":"forbidden","error":"no"}`, ErrForbidden)
	f(400, `{"status":"error","errorType":"bad_data","error":"no"}`, ErrBadRequest)
	f(404, "404 page not found", ErrNotInsightd)
	f(200, "<html>", ErrNotInsightd)

	ctx, cancel := context.WithCancel(t.Context())
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		cancel()
		<-r.Context().Done()
	})
	require.ErrorIs(t, c.Live(ctx, nil, func(Change) error { return nil }), context.Canceled)
}

func TestIdentifiers(t *testing.T) {
	for _, id := range []string{"", ".", "..", "a/b", "a?b", "a%2fb", `a\b`, strings.Repeat("x", 600)} {
		require.ErrorIs(t, identifier("insight", id), ErrBadRequest, id)
	}
	require.NoError(t, identifier("insight", "de2e2541c7166d83253f90b667a92bb3"))
}
