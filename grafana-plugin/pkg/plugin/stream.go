package plugin

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/insightd/insightd/grafana-plugin/pkg/insightd"
)

// streamPrefix begins the paths of streams. Behind it stand the filters, as a
// query string in base64url: the same filters give the same path.
const streamPrefix = "insights/"

// streamParameters are the filters that a stream may have.
var streamParameters = []string{
	"filter", "type", "state", "provider", "account", "region", "service", "operation", "object", "identity",
	"user_type", "ip", "country", "min_confidence", "level", "severity", "kri", "high_risk", "suppressed",
}

// StreamPath is the path of the stream of insights with such filters.
func StreamPath(v url.Values) string {
	return streamPrefix + base64.RawURLEncoding.EncodeToString([]byte(v.Encode()))
}

// streamValues reads a path.
func streamValues(path string) (url.Values, error) {
	coded, ok := strings.CutPrefix(path, streamPrefix)
	if !ok || len(coded) > 8<<10 {
		return nil, wrongf("there is no stream %q: it is insights/ and filters", short(path))
	}
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(coded, "="))
	if err != nil {
		return nil, wrongf("the filters of the stream are no base64url: %v", err)
	}
	v, err := url.ParseQuery(string(b))
	if err != nil {
		return nil, wrongf("the filters of the stream cannot be read: %v", err)
	}
	for name := range v {
		if !slices.Contains(streamParameters, name) {
			return nil, wrongf("a stream cannot be filtered by %q: it is one of %s", name, strings.Join(streamParameters, ", "))
		}
	}
	return v, nil
}

// SubscribeStream lets who may query subscribe, and sends the fields.
func (d *Datasource) SubscribeStream(ctx context.Context, req *backend.SubscribeStreamRequest) (*backend.SubscribeStreamResponse, error) {
	if _, err := streamValues(req.Path); err != nil {
		backend.Logger.FromContext(ctx).Info("A stream was refused", "err", err)
		return &backend.SubscribeStreamResponse{Status: backend.SubscribeStreamStatusNotFound}, nil
	}
	schema, err := backend.NewInitialFrame(d.changeFrame(nil), data.IncludeAll)
	if err != nil {
		return nil, err
	}
	return &backend.SubscribeStreamResponse{Status: backend.SubscribeStreamStatusOK, InitialData: schema}, nil
}

// PublishStream lets nobody publish: what insights there are is the daemon's to
// say.
func (d *Datasource) PublishStream(context.Context, *backend.PublishStreamRequest) (*backend.PublishStreamResponse, error) {
	return &backend.PublishStreamResponse{Status: backend.PublishStreamStatusPermissionDenied}, nil
}

// RunStream sends a row for each change, until Grafana has no more subscribers.
// Every subscriber has had the fields with its subscription, so that only the
// first row comes with them.
func (d *Datasource) RunStream(ctx context.Context, req *backend.RunStreamRequest, sender *backend.StreamSender) error {
	v, err := streamValues(req.Path)
	if err != nil {
		return backend.DownstreamError(err)
	}
	include := data.IncludeAll
	err = d.client.Live(ctx, v, func(c insightd.Change) error {
		err := sender.SendFrame(d.changeFrame([]insightd.Change{c}), include)
		include = data.IncludeDataOnly
		return err
	})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	backend.Logger.FromContext(ctx).Warn("A stream of insights ended", "err", err)
	if _, ok := statusOf(err); ok {
		return backend.DownstreamError(err)
	}
	return err
}

// changeFrame has the fields of the insights' table, with what happened in front.
func (d *Datasource) changeFrame(changes []insightd.Change) *data.Frame {
	rows := make([]record, len(changes))
	for n := range changes {
		rows[n] = changes[n].Record
	}
	fields := append([]*data.Field{
		column("change", changes, func(c *insightd.Change) string { return c.Kind }),
	}, d.insightFields(rows)...)
	return table("insights", fields...)
}
