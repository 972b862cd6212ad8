package insightd

import (
	"context"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	jsoniter "github.com/json-iterator/go"
)

// Result is the answer to a PromQL expression.
type Result struct {
	// Type is matrix, vector, scalar or string.
	Type   string
	Series []Series
	// Text is the value of a string.
	Text string
	Notes
}

// Series is a series of a result. Metric holds the name as __name__.
type Series struct {
	Metric map[string]string
	Times  []time.Time
	Values []float64
}

// Query evaluates an expression at a time.
func (c *Client) Query(ctx context.Context, expr string, at time.Time) (Result, error) {
	return c.promql(ctx, "/api/v1/query", url.Values{"query": {expr}, "time": {Time(at)}})
}

// QueryRange evaluates an expression at every step of a range.
func (c *Client) QueryRange(ctx context.Context, expr string, from, to time.Time, step time.Duration) (Result, error) {
	return c.promql(ctx, "/api/v1/query_range", url.Values{
		"query": {expr}, "start": {Time(from)}, "end": {Time(to)}, "step": {Seconds(step)},
	})
}

func (c *Client) promql(ctx context.Context, path string, v url.Values) (Result, error) {
	var r Result
	notes, err := c.decode(ctx, path, v, r.read)
	r.Notes = notes
	return r, err
}

// read reads the data of an answer. A result may stand before its type.
func (r *Result) read(it *jsoniter.Iterator) {
	var late []byte
	for key := it.ReadObject(); key != ""; key = it.ReadObject() {
		switch {
		case key == "resultType":
			r.Type = it.ReadString()
		case key == "result" && r.Type == "":
			late = it.SkipAndReturnBytes()
		case key == "result":
			r.result(it)
		default:
			it.Skip()
		}
	}
	if late != nil && it.Error == nil {
		sub := jsoniter.ParseBytes(codec, late)
		r.result(sub)
		if sub.Error != nil {
			it.ReportError("result", sub.Error.Error())
		}
	}
}

func (r *Result) result(it *jsoniter.Iterator) {
	switch r.Type {
	case "scalar":
		s := Series{Metric: map[string]string{}}
		s.sample(it)
		r.Series = append(r.Series, s)
	case "string":
		for n := 0; it.ReadArray(); n++ {
			if n == 1 {
				r.Text = it.ReadString()
			} else {
				it.Skip()
			}
		}
	default:
		for it.ReadArray() {
			r.Series = append(r.Series, readSeries(it))
		}
	}
}

func readSeries(it *jsoniter.Iterator) Series {
	var s Series
	for key := it.ReadObject(); key != ""; key = it.ReadObject() {
		switch key {
		case "metric":
			s.Metric = map[string]string{}
			for l := it.ReadObject(); l != ""; l = it.ReadObject() {
				s.Metric[l] = it.ReadString()
			}
		case "value":
			s.sample(it)
		case "values":
			for it.ReadArray() {
				s.sample(it)
			}
		default: // Native histograms: we keep none.
			it.Skip()
		}
	}
	return s
}

// sample reads a time and the text of a number.
func (s *Series) sample(it *jsoniter.Iterator) {
	if !it.ReadArray() {
		it.ReportError("sample", "it is empty")
		return
	}
	sec, frac := math.Modf(it.ReadFloat64())
	if !it.ReadArray() {
		it.ReportError("sample", "it has no value")
		return
	}
	v, err := strconv.ParseFloat(it.ReadString(), 64)
	if err != nil {
		it.ReportError("sample", err.Error())
	}
	if it.ReadArray() {
		it.ReportError("sample", "it has more than a time and a value")
	}
	s.Times = append(s.Times, time.Unix(int64(sec), int64(math.Round(frac*1e3))*1e6).UTC())
	s.Values = append(s.Values, v)
}

// Time writes a time as the API takes it: Unix seconds, with milliseconds.
func Time(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1e3, 'f', -1, 64)
}

// Seconds writes a duration as the API takes it.
func Seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64)
}

// product is what the daemon calls itself. Prometheus, whose paths are the same,
// calls itself nothing.
const product = "insightd"

// BuildInfo is what the daemon says of itself.
type BuildInfo struct {
	Application string `json:"application"`
	// Version is insightd's. What stands under version is that of the API of
	// Prometheus that it has.
	Version  string `json:"applicationVersion"`
	Revision string `json:"revision"`
}

// BuildInfo asks who answers, and wants it to be insightd.
func (c *Client) BuildInfo(ctx context.Context) (BuildInfo, error) {
	var b BuildInfo
	if _, err := c.get(ctx, "/api/v1/status/buildinfo", nil, &b); err != nil {
		return b, err
	}
	if b.Application != product {
		return b, &Error{
			Kind: ErrNotInsightd, Code: http.StatusOK, Text: c.URL() + " is a Prometheus",
			Hint: "use Grafana's Prometheus datasource for it, or enter insightd's own URL, such as http://127.0.0.1:9470",
		}
	}
	return b, nil
}

// Ready asks whether the daemon is ready.
func (c *Client) Ready(ctx context.Context) error {
	a, err := c.Raw(ctx, "/-/ready", nil)
	if err != nil {
		return err
	}
	text := firstLine(a.Body)
	switch a.Code {
	case http.StatusOK:
		return nil
	case http.StatusServiceUnavailable:
		return &Error{Kind: ErrNotReady, Code: a.Code, Text: text, Hint: "wait until it has read its history, and look at its log if that takes long"}
	}
	return c.refusal(a.Code, &envelope{}, false)
}

func firstLine(b []byte) string {
	for n, c := range b {
		if c == '\n' || n == 300 {
			return string(b[:n])
		}
	}
	return string(b)
}
