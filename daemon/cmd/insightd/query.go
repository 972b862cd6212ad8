package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kingpin/v2"
)

// client asks a running daemon.
type client struct {
	base  string
	token string
	json  bool
}

func addQuery(app *kingpin.Application, commands map[string]command) {
	cmd := app.Command("query", "Ask a running daemon over HTTP.")
	c := &client{}
	cmd.Flag("url", "Where the daemon is.").Default("http://127.0.0.1:9470").Envar("INSIGHTD_URL").StringVar(&c.base)
	cmd.Flag("token-file", "File that holds a bearer token.").PlaceHolder("FILE").StringVar(&c.token)
	cmd.Flag("json", "Print the answer as it came.").BoolVar(&c.json)

	instant := cmd.Command("instant", "Evaluate a PromQL expression at one time.")
	expr := instant.Arg("expression", "PromQL, such as sum by (identity) (sum_over_time(activity_identity_events[1h])).").Required().String()
	at := instant.Flag("time", "RFC 3339 or unix seconds; now by default.").String()
	commands[instant.FullCommand()] = func(ctx context.Context, t *terminal) error {
		v := url.Values{"query": {*expr}}
		if *at != "" {
			v.Set("time", *at)
		}
		return c.show(ctx, t, "/api/v1/query", v, printSeries)
	}

	rng := cmd.Command("range", "Evaluate a PromQL expression over a range of time.")
	rexpr := rng.Arg("expression", "PromQL.").Required().String()
	start := rng.Flag("start", "RFC 3339 or unix seconds; an hour ago by default.").String()
	end := rng.Flag("end", "RFC 3339 or unix seconds; now by default.").String()
	step := rng.Flag("step", "Distance of two points.").Default("1m").Duration()
	commands[rng.FullCommand()] = func(ctx context.Context, t *terminal) error {
		now := time.Now()
		v := url.Values{"query": {*rexpr}, "step": {strconv.FormatFloat(step.Seconds(), 'f', -1, 64)}}
		v.Set("start", or(*start, now.Add(-time.Hour).Format(time.RFC3339)))
		v.Set("end", or(*end, now.Format(time.RFC3339)))
		return c.show(ctx, t, "/api/v1/query_range", v, printSeries)
	}

	for _, list := range []struct {
		name, help, example string
		print               func(io.Writer, json.RawMessage) error
	}{
		{"insights", "List insights.", "name=value, such as state=active type=ApiCallRateInsight min_confidence=0.5.", printInsights},
		{"incidents", "List incidents, a line each: the insights of one identity within an hour.", "name=value, such as state=active account=111122223333.", printIncidents},
	} {
		lister := cmd.Command(list.name, list.help)
		filters := lister.Arg("filter", list.example).StringMap()
		commands[lister.FullCommand()] = func(ctx context.Context, t *terminal) error {
			v := url.Values{}
			for name, value := range *filters {
				v.Set(name, value)
			}
			return c.show(ctx, t, "/api/v1/"+list.name, v, list.print)
		}
	}

	ev := cmd.Command("events", "Search events.")
	filter := ev.Arg("filter", `The filter language, such as identity=~".*/anna" outcome="error".`).Default("").String()
	limit := ev.Flag("limit", "How many at the most.").Default("20").Int()
	commands[ev.FullCommand()] = func(ctx context.Context, t *terminal) error {
		v := url.Values{"filter": {*filter}, "limit": {strconv.Itoa(*limit)}}
		return c.show(ctx, t, "/api/v1/events", v, printEvents)
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// show asks and prints the data of the answer.
func (c *client) show(ctx context.Context, t *terminal, path string, v url.Values, show func(io.Writer, json.RawMessage) error) error {
	data, err := c.get(ctx, path, v)
	if err != nil {
		return err
	}
	if c.json {
		_, err := fmt.Fprintf(t.out, "%s\n", data)
		return err
	}
	return show(t.out, data)
}

func (c *client) get(ctx context.Context, path string, v url.Values) (json.RawMessage, error) {
	target := strings.TrimSuffix(c.base, "/") + path + "?" + v.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, usageError{fmt.Errorf("--url: %w", err)}
	}
	if c.token != "" {
		token, err := os.ReadFile(c.token)
		if err != nil {
			return nil, fmt.Errorf("reading the token: %w", err)
		}
		req.Header.Set("Authorization", "Bearer "+string(bytes.TrimSpace(token)))
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w; is the daemon running there? --url names another place", c.base, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", c.base, err)
	}
	var env struct {
		Status, ErrorType, Error string
		Data                     json.RawMessage
	}
	if err := json.Unmarshal(body, &env); err != nil || env.Status == "" {
		return nil, fmt.Errorf("%s answered %s, which is not insightd's form", c.base, res.Status)
	}
	if env.Status != "success" {
		return nil, fmt.Errorf("%s: %s", env.ErrorType, env.Error)
	}
	return env.Data, nil
}

// printSeries prints Prometheus' result types.
func printSeries(w io.Writer, data json.RawMessage) error {
	var r struct {
		ResultType string
		Result     json.RawMessage
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if r.ResultType != "vector" && r.ResultType != "matrix" {
		_, err := fmt.Fprintf(w, "%s\n", r.Result)
		return err
	}
	var series []struct {
		Metric map[string]string
		Value  []any
		Values [][]any
	}
	if err := json.Unmarshal(r.Result, &series); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if len(series) == 0 {
		_, err := fmt.Fprintln(w, "no series match; /api/v1/label/__name__/values lists the metrics that there are")
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, s := range series {
		name, err := json.Marshal(s.Metric)
		if err != nil {
			return err
		}
		if s.Value != nil {
			fmt.Fprintf(tw, "%s\t%v\n", name, s.Value[1])
		}
		for _, v := range s.Values {
			at := time.UnixMilli(int64(v[0].(float64) * 1000)).UTC().Format(time.RFC3339)
			fmt.Fprintf(tw, "%s\t%s\t%v\n", name, at, v[1])
		}
	}
	return tw.Flush()
}
