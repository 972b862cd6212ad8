package plugin

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/insightd/insightd/grafana-plugin/pkg/insightd"
)

type profile = insightd.Profile

// identities answers what is known of identities, or of one.
func (r *request) identities(ctx context.Context) (data.Frames, error) {
	if r.Format != "table" {
		return r.identityView(ctx)
	}
	left := r.applicableTo(identityFields, "identities")
	keep, err := r.identityMatcher()
	if err != nil {
		return nil, err
	}
	page, err := r.listIdentities(ctx)
	if err != nil {
		return nil, err
	}
	rows := slices.DeleteFunc(page.Items, func(p profile) bool { return !keep(&p) })
	if err := sortIdentities(rows, r.Sort); err != nil {
		return nil, err
	}
	total := len(rows)
	rows = rows[:min(len(rows), r.rows())]
	frames := data.Frames{identityFrame("identities", rows)}
	executed(frames, "GET /api/v1/identities?"+r.identityValues("").Encode())
	notice(frames, data.NoticeSeverityWarning, left...)
	told(frames, page.Notes)
	switch {
	case len(rows) == 0:
		notice(frames, data.NoticeSeverityInfo, r.whyNoIdentities(ctx))
	case len(rows) < total:
		notice(frames, data.NoticeSeverityWarning, cut(len(rows), total, "identities"))
	case page.More:
		notice(frames, data.NoticeSeverityWarning, cut(len(rows), 0, "identities"))
	}
	return frames, nil
}

// identityValues are the parameters of the list of identities of a kind.
func (r *request) identityValues(kind string) url.Values {
	v := url.Values{}
	if kind != "" {
		v.Set("kind", kind)
	}
	if r.IdentityClass != "" {
		v.Set("class", r.IdentityClass)
	}
	for n := range r.Filters {
		// What the daemon can narrow by itself.
		if f := &r.Filters[n]; f.Operator == "=" && (f.Key == "account" || f.Key == "provider") {
			v.Set(f.Key, f.Value)
		}
	}
	return v
}

// listIdentities reads the identities of the kinds that the query asks for.
func (r *request) listIdentities(ctx context.Context) (insightd.Page[profile], error) {
	kinds := r.Kinds
	if len(kinds) == 0 {
		kinds = []string{""}
	}
	var all insightd.Page[profile]
	for _, k := range kinds {
		p, err := r.d.client.Identities(ctx, r.identityValues(k), maxRows)
		if err != nil {
			return all, err
		}
		all.Items, all.More = append(all.Items, p.Items...), all.More || p.More
		all.Add(p.Notes)
	}
	return all, nil
}

// identityFields are what identities can be filtered by.
var identityFields = []string{"provider", "account", "identity", "identity_kind", "user_type", "identity_class", "id"}

// applicableTo takes ad-hoc filters out that are for other things, and says so.
func (r *request) applicableTo(names []string, what string) []string {
	var left []string
	r.Filters = slices.DeleteFunc(slices.Clone(r.Filters), func(f Filter) bool {
		if slices.Contains(names, f.Key) {
			return false
		}
		left = append(left, fmt.Sprintf("the filter for %s is left out here: %s have no field of that name", f.Key, what))
		return true
	})
	return left
}

func identityValue(p *profile, name string) []string {
	switch name {
	case "provider":
		return []string{p.Provider}
	case "account":
		return []string{p.Account}
	case "identity":
		return []string{p.Identity}
	case "identity_kind":
		return []string{p.Kind}
	case "identity_class":
		return []string{p.Class}
	case "user_type":
		types := slices.Clone(p.UserTypes)
		if p.Class != "" {
			types = append(types, p.Class) // As in the filter for events.
		}
		return types
	}
	return []string{p.ID}
}

// identityMatcher makes of the filter what says whether an identity fits it.
func (r *request) identityMatcher() (func(*profile) bool, error) {
	terms, err := parseFilter(r.filter())
	if err != nil {
		return nil, err
	}
	tests := make([]func(*profile) bool, 0, len(terms))
	for _, t := range terms {
		if t.name == "" {
			needle := strings.ToLower(t.value)
			tests = append(tests, func(p *profile) bool {
				return strings.Contains(strings.ToLower(p.Identity), needle) == (t.op == "")
			})
			continue
		}
		if !slices.Contains(identityFields, t.name) {
			return nil, wrongf("identities have no field %q: they have %s", t.name, strings.Join(identityFields, ", "))
		}
		is := func(v string) bool { return v == t.value }
		if strings.HasSuffix(t.op, "~") {
			re, err := regexp.Compile("^(?s:" + t.value + ")$")
			if err != nil {
				return nil, wrongf("the filter for %s: %v", t.name, err)
			}
			is = re.MatchString
		}
		must := t.op == "=" || t.op == "=~"
		tests = append(tests, func(p *profile) bool {
			vs := identityValue(p, t.name)
			return (slices.ContainsFunc(vs, is) || len(vs) == 0 && is("")) == must
		})
	}
	return func(p *profile) bool {
		for _, ok := range tests {
			if !ok(p) {
				return false
			}
		}
		return true
	}, nil
}

// sortIdentities sorts by one of the fields that hold a number or a time, the
// highest first where a minus stands before it. The default is who was seen last.
func sortIdentities(rows []profile, by string) error {
	if by == "" {
		by = "-lastSeen"
	}
	name, falling := strings.CutPrefix(by, "-")
	keys := map[string]func(*profile) float64{
		"lastSeen":       func(p *profile) float64 { return float64(p.LastSeen.UnixMilli()) },
		"firstSeen":      func(p *profile) float64 { return float64(p.FirstSeen.UnixMilli()) },
		"events":         func(p *profile) float64 { return float64(p.Events) },
		"errors":         func(p *profile) float64 { return float64(p.Errors) },
		"activeDays":     func(p *profile) float64 { return float64(p.ActiveDays) },
		"activeInsights": func(p *profile) float64 { return orZero(p.Active) },
		"risk":           func(p *profile) float64 { return orZero(p.Risk) },
	}
	key, ok := keys[name]
	if !ok {
		return wrongf("identities cannot be sorted by %q: it is events, errors, risk, activeInsights, activeDays, lastSeen or firstSeen, with a minus before it for the highest first", by)
	}
	slices.SortStableFunc(rows, func(a, b profile) int {
		c := cmp.Compare(key(&a), key(&b))
		if falling {
			c = -c
		}
		return cmp.Or(c, cmp.Compare(a.Account, b.Account), cmp.Compare(a.Identity, b.Identity))
	})
	return nil
}

func orZero[T int | float64](v *T) float64 {
	if v == nil {
		return 0
	}
	return float64(*v)
}

// identityFrame has a row for each identity.
func identityFrame(name string, rows []profile) *data.Frame {
	last := func(p *profile) insightd.InsightRef {
		if p.LastInsight == nil {
			return insightd.InsightRef{}
		}
		return *p.LastInsight
	}
	f := table(name,
		with(column("identity", rows, func(p *profile) string { return p.Identity }), linked(identityLink())),
		column("kind", rows, func(p *profile) string { return p.Kind }),
		with(column("class", rows, func(p *profile) string { return p.Class }), &data.FieldConfig{
			Description: "Automation acts daily, at fixed times, or far more than others",
			Mappings:    data.ValueMappings{data.ValueMapper{"Automation": {Text: "Automation", Color: "purple"}}},
			Custom:      cell("color-text"),
		}),
		column("classReason", rows, func(p *profile) string { return p.ClassReason }),
		column("account", rows, func(p *profile) string { return p.Account }),
		column("provider", rows, func(p *profile) string { return p.Provider }),
		column("userTypes", rows, func(p *profile) string { return strings.Join(p.UserTypes, ", ") }),
		column("events", rows, func(p *profile) float64 { return float64(p.Events) }),
		column("errors", rows, func(p *profile) float64 { return float64(p.Errors) }),
		with(column("errorShare", rows, func(p *profile) float64 {
			if p.Events == 0 {
				return 0
			}
			return float64(p.Errors) / float64(p.Events)
		}), shareConfig("Errors among the events")),
		column("activeDays", rows, func(p *profile) float64 { return float64(p.ActiveDays) }),
		described(column("risk", rows, func(p *profile) *float64 { return p.Risk }), "The risk tiers of its operations, added up over its last active day"),
		described(column("riskUsual", rows, func(p *profile) *float64 { return p.RiskUsual }), "The same on an average day before"),
		column("activeInsights", rows, func(p *profile) *float64 {
			if p.Active == nil {
				return nil
			}
			return new(float64(*p.Active))
		}),
		column("lastInsight", rows, func(p *profile) *time.Time { return optional(last(p).Start) }),
		column("lastInsightType", rows, func(p *profile) string { return last(p).Type }),
		with(column("lastInsightSeverity", rows, func(p *profile) string { return last(p).Severity }), severityConfig()),
		with(column("lastInsightSummary", rows, func(p *profile) string { return last(p).Summary }), linked(insightLink("lastInsightId"))),
		column("firstSeen", rows, func(p *profile) *time.Time { return optional(p.FirstSeen) }),
		column("lastSeen", rows, func(p *profile) *time.Time { return optional(p.LastSeen) }),
		column("lastInsightId", rows, func(p *profile) string { return last(p).ID }),
		column("id", rows, func(p *profile) string { return p.ID }),
	)
	f.Meta.UniqueRowIDFields = []int{len(f.Fields) - 1}
	return f
}

func (r *request) whyNoIdentities(ctx context.Context) string {
	if c, err := r.d.coverage(ctx); err == nil && len(c.Streams) == 0 {
		return noEvents
	}
	if r.filter() != "" || len(r.Kinds) > 0 || r.IdentityClass != "" {
		return "no identity fits the query"
	}
	return "no identity is known yet"
}

// identityView answers one part of what is known of one identity. Where none is
// chosen yet, there are the fields and the reason.
func (r *request) identityView(ctx context.Context) (data.Frames, error) {
	var p profile
	var notes insightd.Notes
	why := "choose an identity"
	if r.IdentityID != "" {
		var err error
		if p, notes, err = r.findIdentity(ctx); err != nil {
			return nil, err
		}
		why = fmt.Sprintf("no %s are known of this identity yet", r.Format)
		if p.ID == "" {
			why = fmt.Sprintf("there is no identity %q", r.IdentityID)
		}
	}
	var f *data.Frame
	switch r.Format {
	case "summary":
		rows := []profile{p}
		if p.ID == "" {
			rows = nil
		}
		f = identityFrame("identity", rows)
	case "hours":
		f = hourFrame(p.Hours)
	case "networks":
		f = knownFrame("network", p.Networks)
	case "countries":
		f = knownFrame("country", p.Countries)
	case "agents":
		f = knownFrame("agent", p.Agents)
	case "regions":
		f = knownFrame("region", p.Regions)
	default:
		f = knownFrame("operation", p.Operations)
	}
	frames := data.Frames{f}
	if p.ID != "" {
		executed(frames, "GET /api/v1/identities/"+p.ID)
	}
	told(frames, notes)
	if f.Rows() == 0 {
		notice(frames, data.NoticeSeverityInfo, why)
	}
	if p.Rebaselined != nil && !p.Rebaselined.Until.IsZero() {
		notice(frames, data.NoticeSeverityInfo, "this identity is being learned anew until "+p.Rebaselined.Until.UTC().Format(time.RFC3339))
	}
	return frames, nil
}

// hexID is what the ids of identities and insights look like.
var hexID = regexp.MustCompile(`^[0-9a-f]{8,64}$`)

// findIdentity looks an identity up by its id, or by its key, which several
// accounts may have: the one that was seen last is taken.
func (r *request) findIdentity(ctx context.Context) (profile, insightd.Notes, error) {
	if hexID.MatchString(r.IdentityID) {
		return r.d.client.Identity(ctx, r.IdentityID)
	}
	page, err := r.d.client.Identities(ctx, url.Values{"q": {r.IdentityID}}, maxRows)
	if err != nil {
		return profile{}, insightd.Notes{}, err
	}
	var found profile
	for n := range page.Items {
		if p := &page.Items[n]; p.Identity == r.IdentityID && (found.ID == "" || p.LastSeen.After(found.LastSeen)) {
			found = *p
		}
	}
	return found, page.Notes, nil
}

// hour is an hour of the day, UTC, with its share of the events.
type hour struct {
	n     int
	share float64
}

func hourFrame(shares []float64) *data.Frame {
	var rows []hour
	for n, s := range shares {
		rows = append(rows, hour{n, s})
	}
	return table("hours",
		described(column("hour", rows, func(h *hour) string { return fmt.Sprintf("%02d", h.n) }), "Hour of the day, UTC"),
		with(column("share", rows, func(h *hour) float64 { return h.share }), shareConfig("Share of the events")),
	)
}

func knownFrame(name string, rows []insightd.Known) *data.Frame {
	return table(name,
		column(name, rows, func(k *insightd.Known) string { return k.Value }),
		column("events", rows, func(k *insightd.Known) float64 { return float64(k.Count) }),
		with(column("frequency", rows, func(k *insightd.Known) string { return k.Frequency }), &data.FieldConfig{
			Description: "Frequent is daily to weekly, infrequent a few times a month",
			Mappings: data.ValueMappings{data.ValueMapper{
				"frequent":   {Text: "Frequent", Color: "green", Index: 0},
				"infrequent": {Text: "Infrequent", Color: "yellow", Index: 1},
				"rare":       {Text: "Rare", Color: "orange", Index: 2},
			}}, Custom: cell("color-text"),
		}),
	)
}
