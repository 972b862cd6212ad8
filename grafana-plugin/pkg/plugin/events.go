package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/insightd/insightd/grafana-plugin/pkg/insightd"
)

type event = insightd.Event

// events answers events in one of their forms.
func (r *request) events(ctx context.Context) (data.Frames, error) {
	left := r.applicable(ctx, fieldsOfEvents)
	var frames data.Frames
	var err error
	switch r.Format {
	case "volume":
		frames, err = r.volume(ctx)
	case "values":
		frames, err = r.values(ctx)
	default:
		frames, err = r.eventRows(ctx)
	}
	if err != nil {
		return nil, err
	}
	notice(frames, data.NoticeSeverityWarning, left...)
	return frames, nil
}

// behind makes the query one for the events behind an insight, and reports
// whether the daemon knows which these are by a filter.
func (r *request) behind(ctx context.Context) (bool, error) {
	v, err := r.d.client.Insight(ctx, r.InsightID)
	if err != nil {
		return false, err
	}
	if v.Filter == "" {
		return false, nil
	}
	r.Filter = v.Filter
	return true, nil
}

// eventRows answers events as log lines or as a table.
func (r *request) eventRows(ctx context.Context) (data.Frames, error) {
	limit := r.rows()
	v := url.Values{}
	if r.Format == "logs" {
		v.Set("raw", "true")
	}
	var page insightd.Page[event]
	var err error
	asked := "/api/v1/events"
	if r.InsightID != "" && r.filter() == "" {
		asked = "/api/v1/insights/" + r.InsightID + "/events"
		page, err = r.d.client.InsightEvents(ctx, r.InsightID, v, limit)
	} else {
		if r.InsightID != "" { // A filter narrows what is behind the insight.
			own := r.filter()
			if ok, err := r.behind(ctx); err != nil {
				return nil, err
			} else if ok {
				r.Filter, r.Filters = strings.TrimSpace(r.Filter+" "+own), nil
			}
		}
		v.Set("start", insightd.Time(r.from))
		v.Set("end", insightd.Time(r.to))
		v.Set("direction", "backward")
		if r.Direction != "" {
			v.Set("direction", r.Direction)
		}
		if f := r.filter(); f != "" {
			v.Set("filter", f)
		}
		page, err = r.d.client.Events(ctx, v, limit)
	}
	if err != nil {
		return nil, err
	}
	var f *data.Frame
	if r.Format == "table" {
		f = r.eventTable(page.Items)
	} else {
		f = eventLogs(page.Items)
		f.Meta.Custom = map[string]any{"limit": limit, "searchWords": words(r.Filter)}
	}
	frames := data.Frames{f}
	executed(frames, "GET "+asked+"?"+v.Encode())
	told(frames, page.Notes)
	switch {
	case len(page.Items) == 0:
		notice(frames, data.NoticeSeverityInfo, r.whyNoEvents(ctx))
	case page.More:
		notice(frames, data.NoticeSeverityWarning, cut(len(page.Items), r.countEvents(ctx), "events"))
	}
	return frames, nil
}

// countEvents counts what the query fits, 0 where that is not known.
func (r *request) countEvents(ctx context.Context) int {
	span := r.to.Sub(r.from)
	if span <= 0 || asked(r) {
		return 0
	}
	v := r.eventValues()
	v.Set("step", insightd.Seconds(span))
	w, err := r.d.client.Volume(ctx, v)
	if err != nil {
		return 0
	}
	return int(w.Total)
}

// asked reports whether the daemon chose the events itself.
func asked(r *request) bool { return r.InsightID != "" && r.filter() == "" }

// eventValues are the parameters of a count of events.
func (r *request) eventValues() url.Values {
	v := url.Values{"start": {insightd.Time(r.from)}, "end": {insightd.Time(r.to)}}
	if f := r.filter(); f != "" {
		v.Set("filter", f)
	}
	return v
}

// words are the texts of a filter, to be marked in log lines.
func words(filter string) []string {
	cs, err := parseFilter(filter)
	if err != nil {
		return []string{}
	}
	out := []string{}
	for _, c := range cs {
		if c.name == "" && c.op == "" {
			out = append(out, c.value)
		}
	}
	return out
}

func eventLogs(rows []event) *data.Frame {
	return logs("events",
		column("timestamp", rows, func(e *event) time.Time { return e.Time }),
		column("body", rows, body),
		column("severity", rows, func(e *event) string { return level(e.Outcome) }),
		column("id", rows, func(e *event) string { return e.UID }),
		column("labels", rows, eventLabels),
	)
}

// level is Grafana's word for an outcome. The histogram has the same.
func level(outcome string) string {
	if outcome == "error" {
		return "error"
	}
	return "info"
}

// body is the whole event as its provider sent it, on one line; as the daemon
// tells it where what was sent is not kept.
func body(e *event) string {
	if e.Raw != "" {
		if !strings.ContainsAny(e.Raw, "\n\r") {
			return e.Raw
		}
		var b bytes.Buffer
		if json.Compact(&b, []byte(e.Raw)) == nil {
			return b.String()
		}
		return e.Raw
	}
	b, err := json.Marshal(e)
	if err != nil {
		return e.UID
	}
	return string(b)
}

func eventLabels(e *event) rawJSON {
	var l labelWriter
	l.add("provider", e.Provider)
	l.add("account", e.Account)
	l.add("region", e.Region)
	l.add("service", e.Service)
	l.add("operation", e.Operation)
	l.add("category", e.Category)
	l.add("access", e.Access)
	l.add("outcome", e.Outcome)
	l.add("error_code", e.ErrorCode)
	l.add("identity", e.Identity)
	l.add("identity_kind", e.IdentityKind)
	l.add("user_type", e.UserType)
	l.add("session", e.Session)
	l.add("credential", e.Credential)
	l.add("mfa", strconv.FormatBool(e.MFA))
	l.add("ip", e.IP)
	l.add("country", e.Country)
	if e.ASN != 0 {
		l.add("asn", strconv.FormatUint(uint64(e.ASN), 10))
	}
	l.add("network", e.Network)
	l.add("user_agent_family", e.Family)
	l.list("resource", e.Resources)
	l.list("class", e.Class)
	l.add("risk", strconv.Itoa(int(e.Risk)))
	return l.json()
}

func (r *request) eventTable(rows []event) *data.Frame {
	f := table("events",
		column("time", rows, func(e *event) time.Time { return e.Time }),
		column("operation", rows, func(e *event) string { return e.Operation }),
		column("service", rows, func(e *event) string { return e.Service }),
		with(column("outcome", rows, func(e *event) string { return e.Outcome }), &data.FieldConfig{
			Mappings: data.ValueMappings{data.ValueMapper{
				"success": {Text: "success", Color: "green", Index: 0}, "error": {Text: "error", Color: "red", Index: 1},
			}}, Custom: cell("color-text"),
		}),
		column("error_code", rows, func(e *event) string { return e.ErrorCode }),
		column("error_message", rows, func(e *event) string { return e.ErrorMessage }),
		with(column("identity", rows, func(e *event) string { return e.Identity }), linked(identityLink())),
		column("identity_kind", rows, func(e *event) string { return e.IdentityKind }),
		column("access", rows, func(e *event) string { return e.Access }),
		column("provider", rows, func(e *event) string { return e.Provider }),
		column("account", rows, func(e *event) string { return e.Account }),
		column("region", rows, func(e *event) string { return e.Region }),
		column("ip", rows, func(e *event) string { return e.IP }),
		column("country", rows, func(e *event) string { return e.Country }),
		column("network", rows, func(e *event) string { return e.Network }),
		column("user_agent_family", rows, func(e *event) string { return e.Family }),
		column("credential", rows, func(e *event) string { return e.Credential }),
		column("session", rows, func(e *event) string { return e.Session }),
		column("mfa", rows, func(e *event) bool { return e.MFA }),
		column("resource", rows, func(e *event) string { return strings.Join(e.Resources, ", ") }),
		column("class", rows, func(e *event) string { return strings.Join(e.Class, ", ") }),
		with(column("risk", rows, func(e *event) float64 { return float64(e.Risk) }), &data.FieldConfig{
			Description: "The catalogue's risk tier, 0 to 3",
			Mappings: data.ValueMappings{data.ValueMapper{
				"0": {Text: "0", Color: "text", Index: 0}, "1": {Text: "1", Color: "yellow", Index: 1},
				"2": {Text: "2", Color: "orange", Index: 2}, "3": {Text: "3", Color: "red", Index: 3},
			}}, Custom: cell("color-text"),
		}),
		column("uid", rows, func(e *event) string { return e.UID }),
	)
	f.Meta.UniqueRowIDFields = []int{len(f.Fields) - 1}
	return f
}

const (
	defaultTop = 10
	maxTop     = 100
	// noValue is how an empty value is called in a legend.
	noValue = "(none)"
)

// volume answers how many events there were over time, split by a field.
func (r *request) volume(ctx context.Context) (data.Frames, error) {
	step, err := r.step(time.Second)
	if err != nil {
		return nil, err
	}
	if r.InsightID != "" {
		own := r.filter()
		ok, err := r.behind(ctx)
		if err != nil {
			return nil, err
		}
		if !ok {
			frames := data.Frames{nothing(data.FrameTypeTimeSeriesMulti)}
			notice(frames, data.NoticeSeverityInfo, "the events behind this insight are single ones, which have no histogram")
			return frames, nil
		}
		r.Filter, r.Filters = strings.TrimSpace(r.Filter+" "+own), nil
	}
	v := r.eventValues()
	v.Set("start", insightd.Time(align(r.from, step)))
	v.Set("step", insightd.Seconds(step))
	if r.By != "" {
		v.Set("by", r.By)
		v.Set("top", strconv.Itoa(r.top(defaultTop)))
	}
	w, err := r.d.client.Volume(ctx, v)
	if err != nil {
		return nil, err
	}
	frames := make(data.Frames, 0, max(1, len(w.Series)))
	for n := range w.Series {
		s := &w.Series[n]
		times, values := make([]time.Time, len(s.Counts)), make([]float64, len(s.Counts))
		for k, c := range s.Counts {
			times[k], values[k] = w.Start.Add(time.Duration(float64(k)*w.Step*float64(time.Second))), float64(c)
		}
		labels, name := data.Labels{}, "events"
		if r.By != "" {
			name = s.Value
			if name == "" {
				name = noValue
			} else {
				labels[r.By] = s.Value
			}
			if r.By == "outcome" {
				labels["level"] = level(s.Value)
			}
		}
		f := series("events", labels, times, values, step)
		c := &data.FieldConfig{DisplayNameFromDS: name}
		f.Fields[1].Config = c.SetMin(0).SetDecimals(0)
		frames = append(frames, f)
	}
	if len(frames) == 0 {
		frames = append(frames, nothing(data.FrameTypeTimeSeriesMulti))
	}
	if w.Total == 0 {
		notice(frames, data.NoticeSeverityInfo, r.whyNoEvents(ctx))
	}
	executed(frames, "GET /api/v1/events/volume?"+v.Encode())
	told(frames, w.Notes)
	return frames, nil
}

func (r *request) top(otherwise int) int {
	if r.Top > 0 {
		return min(r.Top, maxTop)
	}
	return otherwise
}

// values answers the most frequent values of a field.
func (r *request) values(ctx context.Context) (data.Frames, error) {
	by := r.By
	if by == "" {
		by = "operation"
	}
	if !filterName.MatchString(by) {
		return nil, wrongf("%q is no name of a field", by)
	}
	if r.InsightID != "" {
		own := r.filter()
		ok, err := r.behind(ctx)
		if err != nil {
			return nil, err
		}
		if ok {
			r.Filter, r.Filters = strings.TrimSpace(r.Filter+" "+own), nil
		}
	}
	limit := r.rows()
	if r.Limit <= 0 {
		limit = r.top(defaultTop)
	}
	v := r.eventValues()
	v.Set("limit", strconv.Itoa(min(limit, 10_000)))
	counts, notes, err := r.d.client.EventValues(ctx, by, v)
	if err != nil {
		return nil, err
	}
	name := column(by, counts, func(c *insightd.ValueCount) string { return c.Value })
	if by == "identity" {
		name.Config = linked(identityLink())
	}
	f := table("values", name, column("events", counts, func(c *insightd.ValueCount) float64 { return float64(c.Count) }))
	frames := data.Frames{f}
	executed(frames, fmt.Sprintf("GET /api/v1/events/field/%s/values?%s", by, v.Encode()))
	told(frames, notes)
	if len(counts) == 0 {
		notice(frames, data.NoticeSeverityInfo, r.whyNoEvents(ctx))
	}
	return frames, nil
}
