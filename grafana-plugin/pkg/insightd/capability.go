package insightd

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// Capabilities are endpoints that not every daemon has.
type Capabilities struct {
	// InsightFilter is the filter language for insights, with its fields.
	InsightFilter bool `json:"insightFilter"`
	// Places counts events by country and coordinates.
	Places bool `json:"places"`
	// Live is the stream of insights.
	Live bool `json:"live"`
	// Bands are what was expected of a series.
	Bands bool `json:"bands"`
}

// Capabilities reads from the daemon's description of itself what it can.
func (c *Client) Capabilities(ctx context.Context) (Capabilities, error) {
	a, err := c.Raw(ctx, "/api/v1/openapi.yaml", url.Values{})
	if err != nil {
		return Capabilities{}, err
	}
	if a.Code != http.StatusOK {
		return Capabilities{}, c.refusal(a.Code, &envelope{}, false)
	}
	text := string(a.Body)
	has := func(path string) bool { return strings.Contains(text, "\n  "+path+":\n") }
	return Capabilities{
		InsightFilter: has("/api/v1/insights/fields"),
		Places:        has("/api/v1/events/places"),
		Live:          has("/api/v1/insights/live"),
		Bands:         has("/api/v1/bands"),
	}, nil
}

// Missing names what the daemon cannot.
func (c Capabilities) Missing() []string {
	var out []string
	for _, m := range []struct {
		has  bool
		name string
	}{
		{c.InsightFilter, "filters for insights"},
		{c.Places, "maps of events"},
		{c.Live, "the stream of insights"},
		{c.Bands, "expected bands"},
	} {
		if !m.has {
			out = append(out, m.name)
		}
	}
	return out
}
