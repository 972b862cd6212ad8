package plugin

import (
	"context"
	"fmt"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/httpclient"
	"github.com/grafana/grafana-plugin-sdk-go/backend/instancemgmt"

	"github.com/insightd/insightd/grafana-plugin/pkg/insightd"
)

// ID is the plugin's id, the same as in plugin.json.
const ID = "insightd-insightd-datasource"

// Datasource is one configured daemon. Grafana makes another whenever its
// settings change, so that it keeps little.
type Datasource struct {
	backend.CallResourceHandler

	// uid and name are how Grafana knows it: links point to it.
	uid, name string
	client    *insightd.Client
	knowledge knowledge
	fields    fieldLists
}

var (
	_ backend.QueryDataHandler      = (*Datasource)(nil)
	_ backend.CheckHealthHandler    = (*Datasource)(nil)
	_ backend.CallResourceHandler   = (*Datasource)(nil)
	_ backend.StreamHandler         = (*Datasource)(nil)
	_ instancemgmt.InstanceDisposer = (*Datasource)(nil)
)

// New makes a datasource of its settings. It asks the daemon nothing.
func New(ctx context.Context, s backend.DataSourceInstanceSettings) (instancemgmt.Instance, error) {
	o, err := s.HTTPClientOptions(ctx)
	if err != nil {
		return nil, backend.DownstreamErrorf("reading the datasource's settings: %w", err)
	}
	questions, err := httpclient.New(o)
	if err != nil {
		return nil, backend.DownstreamErrorf("making the HTTP client: %w; look at TLS in the datasource's settings", err)
	}
	endless := httpclient.DefaultTimeoutOptions
	if o.Timeouts != nil {
		endless = *o.Timeouts
	}
	endless.Timeout = 0
	o.Timeouts = &endless
	streams, err := httpclient.New(o)
	if err != nil {
		return nil, backend.DownstreamErrorf("making the HTTP client of streams: %w", err)
	}
	client, err := insightd.New(insightd.Options{
		URL: s.URL, HTTP: questions, Stream: streams,
		Token: strings.TrimSpace(s.DecryptedSecureJSONData["token"]), BasicAuth: o.BasicAuth != nil,
	})
	if err != nil {
		return nil, backend.DownstreamError(fmt.Errorf("setting up the datasource: %w", err))
	}
	d := &Datasource{uid: s.UID, name: s.Name, client: client}
	d.CallResourceHandler = newResources(client)
	return d, nil
}

// Dispose closes what is idle.
func (d *Datasource) Dispose() { d.client.CloseIdleConnections() }
