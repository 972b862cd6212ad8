package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/insightd/insightd/grafana-plugin/pkg/insightd"
)

// health is what the check says beside its sentence.
type health struct {
	URL     string `json:"url"`
	Version string `json:"version,omitempty"`
	// Capabilities are what the daemon can that older ones cannot.
	Capabilities *insightd.Capabilities `json:"capabilities,omitempty"`
	Streams      int                    `json:"streams"`
	Sources      int                    `json:"sources"`
	Learning     int                    `json:"learning"`
	// VerboseMessage is what Grafana shows below the sentence.
	VerboseMessage string `json:"verboseMessage,omitempty"`
}

// CheckHealth asks the daemon real questions and says what to do where one of
// them fails. A failure that can be expected is no error of ours.
func (d *Datasource) CheckHealth(ctx context.Context, _ *backend.CheckHealthRequest) (*backend.CheckHealthResult, error) {
	h := health{URL: d.client.URL()}
	text, err := d.check(ctx, &h)
	res := &backend.CheckHealthResult{Status: backend.HealthStatusOk, Message: text}
	if err != nil {
		res.Status, res.Message = backend.HealthStatusError, sentence(err.Error())
		backend.Logger.FromContext(ctx).Info("The check of the datasource failed", "err", err)
	}
	if res.JSONDetails, err = json.Marshal(h); err != nil {
		return nil, fmt.Errorf("writing the details of the check: %w", err)
	}
	return res, nil
}

// check asks whether the daemon is ready, who it is, whether it lets us read, and
// what it knows.
func (d *Datasource) check(ctx context.Context, h *health) (string, error) {
	if err := d.client.Ready(ctx); err != nil {
		return "", err
	}
	info, err := d.client.BuildInfo(ctx)
	if err != nil {
		return "", err
	}
	h.Version = info.Version
	page, err := d.client.Insights(ctx, url.Values{"state": {"active"}}, 1)
	if err != nil {
		return "", err
	}
	if _, err := d.client.Query(ctx, "1+1", epoch); err != nil {
		return "", err
	}
	c, err := d.client.Coverage(ctx)
	if err != nil {
		return "", err
	}
	if caps, err := d.client.Capabilities(ctx); err == nil {
		h.Capabilities = &caps
		if missing := caps.Missing(); len(missing) > 0 {
			h.VerboseMessage = "This insightd lacks " + strings.Join(missing, ", ") + ": update it to use all of the plugin."
		}
	}
	h.Streams, h.Sources = len(c.Streams), len(c.Sources)
	events := uint64(0)
	for n := range c.Streams {
		events += c.Streams[n].Events
		for _, det := range c.Streams[n].Detectors {
			if det.State == insightd.DetectorLearning {
				h.Learning++
				break
			}
		}
	}
	text := strings.TrimSpace("insightd "+info.Version) + " is ready"
	switch {
	case len(c.Streams) == 0:
		text += ", and has no events yet: push some, or configure a source."
	case h.Learning > 0:
		text += fmt.Sprintf(": %s of %s, of which %d still being learned.", plural(int(events), "event", "events"), plural(len(c.Streams), "account", "accounts"), h.Learning)
	default:
		text += fmt.Sprintf(": %s of %s.", plural(int(events), "event", "events"), plural(len(c.Streams), "account", "accounts"))
	}
	if len(page.Warnings) > 0 {
		h.VerboseMessage = strings.TrimSpace(h.VerboseMessage + " " + strings.Join(page.Warnings, "; "))
	}
	return text, nil
}

// sentence begins a text with a capital and ends it with a full stop. The name of
// the daemon is written small.
func sentence(s string) string {
	if s == "" {
		return s
	}
	if !strings.HasPrefix(s, "insightd") {
		s = strings.ToUpper(s[:1]) + s[1:]
	}
	return strings.TrimSuffix(s, ".") + "."
}

// epoch is when the check evaluates an expression that needs no data.
var epoch = time.Unix(0, 0)
