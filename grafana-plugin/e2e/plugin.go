package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"
	"github.com/grafana/grafana-plugin-sdk-go/config"
	"github.com/grafana/grafana-plugin-sdk-go/experimental/datasourcetest"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/insightd/insightd/grafana-plugin/pkg/plugin"
)

// Plugin is the backend behind a gRPC server, with a client that asks as Grafana
// does. It is safe for concurrent use.
type Plugin struct {
	served  datasourcetest.TestPlugin
	conn    *grpc.ClientConn
	data    pluginv2.DataClient
	health  pluginv2.DiagnosticsClient
	res     pluginv2.ResourceClient
	streams pluginv2.StreamClient
}

// StartPlugin starts the backend on a free port. Stop it.
func StartPlugin() (*Plugin, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("finding a port for the plugin: %w", err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, fmt.Errorf("freeing the port for the plugin: %w", err)
	}
	// The SDK tells of every request.
	log.DefaultLogger = log.NewNullLogger()
	backend.Logger = log.DefaultLogger
	p := &Plugin{}
	if p.served, err = datasourcetest.Manage(plugin.New, datasourcetest.ManageOpts{Address: address}); err != nil {
		return nil, fmt.Errorf("serving the plugin: %w", err)
	}
	// Grafana takes answers of any size.
	p.conn, err = grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32)))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connecting with the plugin: %w", err), p.served.Shutdown())
	}
	p.data, p.health = pluginv2.NewDataClient(p.conn), pluginv2.NewDiagnosticsClient(p.conn)
	p.res, p.streams = pluginv2.NewResourceClient(p.conn), pluginv2.NewStreamClient(p.conn)
	return p, nil
}

// Stop stops server and client.
func (p *Plugin) Stop() error { return errors.Join(p.conn.Close(), p.served.Shutdown()) }

// Settings are those of a datasource for a daemon. An empty token is none.
func Settings(url, token string) backend.DataSourceInstanceSettings {
	s := backend.DataSourceInstanceSettings{
		UID: "insightd", Name: "insightd", Type: plugin.ID, URL: url,
		JSONData: []byte(`{"timeout":30}`), DecryptedSecureJSONData: map[string]string{},
		Updated: time.Unix(1, 0),
	}
	if token != "" {
		s.DecryptedSecureJSONData["token"] = token
	}
	return s
}

// Context is what Grafana says of itself with every request. Settings that differ
// have to differ in UID or ID, as they do in Grafana.
func Context(s backend.DataSourceInstanceSettings) backend.PluginContext {
	return backend.PluginContext{
		PluginID: plugin.ID, PluginVersion: "1.0.0", Namespace: "default",
		DataSourceInstanceSettings: &s,
		GrafanaConfig:              config.NewGrafanaCfg(map[string]string{}),
	}
}

// DataQuery makes a query of what JSON can be made of, with what a panel of a
// thousand pixels sends.
func DataQuery(refID string, query any, from, to time.Time) (backend.DataQuery, error) {
	b, ok := query.(json.RawMessage)
	if !ok {
		var err error
		if b, err = json.Marshal(query); err != nil {
			return backend.DataQuery{}, fmt.Errorf("writing the query %s: %w", refID, err)
		}
	}
	interval := max(to.Sub(from)/1000, time.Second).Truncate(time.Second)
	return backend.DataQuery{
		RefID: refID, JSON: b, TimeRange: backend.TimeRange{From: from, To: to},
		MaxDataPoints: 1000, Interval: interval,
	}, nil
}

// QueryData asks queries.
func (p *Plugin) QueryData(ctx context.Context, req *backend.QueryDataRequest) (*backend.QueryDataResponse, error) {
	res, err := p.data.QueryData(ctx, backend.ToProto().QueryDataRequest(req))
	if err != nil {
		return nil, err
	}
	return backend.FromProto().QueryDataResponse(res)
}

// CheckHealth asks for the health.
func (p *Plugin) CheckHealth(ctx context.Context, s backend.DataSourceInstanceSettings) (*backend.CheckHealthResult, error) {
	res, err := p.health.CheckHealth(ctx, &pluginv2.CheckHealthRequest{PluginContext: backend.ToProto().PluginContext(Context(s))})
	if err != nil {
		return nil, err
	}
	return backend.FromProto().CheckHealthResponse(res), nil
}

// CallResource asks for a resource and returns the whole answer.
func (p *Plugin) CallResource(ctx context.Context, s backend.DataSourceInstanceSettings, method, path, query string) (*backend.CallResourceResponse, error) {
	url := path
	if query != "" {
		url += "?" + query
	}
	stream, err := p.res.CallResource(ctx, backend.ToProto().CallResourceRequest(&backend.CallResourceRequest{
		PluginContext: Context(s), Method: method, Path: path, URL: url, Headers: map[string][]string{},
	}))
	if err != nil {
		return nil, err
	}
	first, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	return backend.FromProto().CallResourceResponse(first), nil
}

// Subscribe asks to subscribe to a stream.
func (p *Plugin) Subscribe(ctx context.Context, s backend.DataSourceInstanceSettings, path string) (*pluginv2.SubscribeStreamResponse, error) {
	return p.streams.SubscribeStream(ctx, &pluginv2.SubscribeStreamRequest{PluginContext: backend.ToProto().PluginContext(Context(s)), Path: path})
}

// Publish tries to publish to a stream.
func (p *Plugin) Publish(ctx context.Context, s backend.DataSourceInstanceSettings, path string, body []byte) (*pluginv2.PublishStreamResponse, error) {
	return p.streams.PublishStream(ctx, &pluginv2.PublishStreamRequest{PluginContext: backend.ToProto().PluginContext(Context(s)), Path: path, Data: body})
}

// RunStream runs a stream, whose packets are frames as JSON.
func (p *Plugin) RunStream(ctx context.Context, s backend.DataSourceInstanceSettings, path string) (grpc.ServerStreamingClient[pluginv2.StreamPacket], error) {
	return p.streams.RunStream(ctx, &pluginv2.RunStreamRequest{PluginContext: backend.ToProto().PluginContext(Context(s)), Path: path})
}
