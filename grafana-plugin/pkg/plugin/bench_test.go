package plugin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/stretchr/testify/require"
)

// many makes an answer with n of the first thing in a golden's list, in pages of
// as many as are asked for.
func many(b *testing.B, file, list string, n int, edit func(item map[string]any)) *httptest.Server {
	b.Helper()
	text, err := os.ReadFile(filepath.Join(goldens, file))
	require.NoError(b, err)
	var env struct{ Data map[string]json.RawMessage }
	require.NoError(b, json.Unmarshal(text, &env))
	var items []map[string]any
	require.NoError(b, json.Unmarshal(env.Data[list], &items))
	edit(items[0])
	item, err := json.Marshal(items[0])
	require.NoError(b, err)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := r.URL.Query()
		limit, _ := strconv.Atoi(v.Get("limit"))
		from, _ := strconv.Atoi(v.Get("next"))
		count := min(limit, n-from)
		next := ""
		if from+count < n {
			next = strconv.Itoa(from + count)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"status":"success","data":{"next":%q,%q:[`, next, list)
		_, _ = w.Write(bytes.Join(repeat(item, count), []byte{','}))
		fmt.Fprint(w, `]}}`)
	}))
	b.Cleanup(s.Close)
	return s
}

func repeat(item []byte, n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = item
	}
	return out
}

// bench asks a query and encodes the answer as Grafana gets it. The server's time
// is in it.
func bench(b *testing.B, s *httptest.Server, query string, rows int) {
	b.Helper()
	d := datasource(b, s.URL)
	b.ReportAllocs()
	for b.Loop() {
		res, err := d.QueryData(b.Context(), &backend.QueryDataRequest{Queries: []backend.DataQuery{dataQuery(query)}})
		require.NoError(b, err)
		r := res.Responses["A"]
		require.NoError(b, r.Error)
		require.Equal(b, rows, r.Frames[0].Rows())
		_, err = backend.ToProto().QueryDataResponse(backend.DataFrameFormat_ARROW, res)
		require.NoError(b, err)
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/float64(rows)*1e6, "µs/row")
}

func BenchmarkThousandInsights(b *testing.B) {
	s := many(b, "insights.json", "insights", 1000, func(map[string]any) {})
	bench(b, s, `{"queryType":"insights","limit":1000}`, 1000)
}

func BenchmarkTenThousandLogLines(b *testing.B) {
	s := many(b, "events-raw.json", "events", 10_000, func(e map[string]any) {
		e["raw"] = `{"eventVersion":"1.10","padding":"` + strings.Repeat("x", 1500) + `"}` // As long as CloudTrail's.
	})
	bench(b, s, `{"queryType":"events","limit":10000}`, 10_000)
}
