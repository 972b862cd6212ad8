// Package plugin answers Grafana from insightd's HTTP API.
package plugin

import (
	"context"
	"fmt"
	"net/http"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/httpclient"
	"github.com/grafana/grafana-plugin-sdk-go/backend/instancemgmt"
)

// ID is the plugin's id, the same as in plugin.json.
const ID = "insightd-insightd-datasource"

// Datasource is one configured daemon.
type Datasource struct {
	url    string
	client *http.Client
}

// New makes a datasource of its settings.
func New(ctx context.Context, s backend.DataSourceInstanceSettings) (instancemgmt.Instance, error) {
	o, err := s.HTTPClientOptions(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the datasource's settings: %w", err)
	}
	c, err := httpclient.New(o)
	if err != nil {
		return nil, fmt.Errorf("making the HTTP client: %w", err)
	}
	return &Datasource{url: s.URL, client: c}, nil
}

// Dispose closes what is idle.
func (d *Datasource) Dispose() { d.client.CloseIdleConnections() }

// CheckHealth says whether the daemon is ready.
func (d *Datasource) CheckHealth(ctx context.Context, _ *backend.CheckHealthRequest) (*backend.CheckHealthResult, error) {
	bad := func(err error) (*backend.CheckHealthResult, error) {
		return &backend.CheckHealthResult{Status: backend.HealthStatusError, Message: err.Error()}, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+"/-/ready", nil)
	if err != nil {
		return bad(err)
	}
	res, err := d.client.Do(req)
	if err != nil {
		return bad(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return bad(fmt.Errorf("the daemon answered %s", res.Status))
	}
	return &backend.CheckHealthResult{Status: backend.HealthStatusOk, Message: "The daemon is ready."}, nil
}
