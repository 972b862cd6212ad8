package e2e

import (
	"context"
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/insightd/insightd/grafana-plugin/pkg/plugin"
)

func TestSubscriptions(t *testing.T) {
	path := plugin.StreamPath(url.Values{"type": {"TrailConcealmentInsight"}, "min_confidence": {"0.5"}})
	require.Equal(t, path, plugin.StreamPath(url.Values{"min_confidence": {"0.5"}, "type": {"TrailConcealmentInsight"}}), "the same filters are the same stream")
	res, err := world.Plugin.Subscribe(t.Context(), world.Settings(), path)
	require.NoError(t, err)
	require.Equal(t, pluginv2.SubscribeStreamResponse_OK, res.Status)
	var f data.Frame
	require.NoError(t, json.Unmarshal(res.Data, &f))
	require.Equal(t, "change", f.Fields[0].Name)
	require.Equal(t, "time", f.Fields[1].Name)

	for _, path := range []string{"", "insights", "events/", "insights/?", "insights/%", plugin.StreamPath(url.Values{"quiet": {"true"}})} {
		res, err := world.Plugin.Subscribe(t.Context(), world.Settings(), path)
		require.NoError(t, err)
		require.Equal(t, pluginv2.SubscribeStreamResponse_NOT_FOUND, res.Status, path)
	}
	published, err := world.Plugin.Publish(t.Context(), world.Settings(), path, []byte(`{}`))
	require.NoError(t, err)
	require.Equal(t, pluginv2.PublishStreamResponse_PERMISSION_DENIED, published.Status)
}

// told is a row of a stream.
type told struct{ change, typ, id string }

// listen runs a stream and hands out its rows.
func listen(t *testing.T, ctx context.Context, s backend.DataSourceInstanceSettings, path string) <-chan told {
	t.Helper()
	stream, err := world.Plugin.RunStream(ctx, s, path)
	require.NoError(t, err)
	rows := make(chan told, 1000)
	go func() {
		defer close(rows)
		// As Grafana's frontend does: fields once, then values alone.
		at := map[string]int{}
		for {
			p, err := stream.Recv()
			if err != nil {
				return
			}
			var m struct {
				Schema *struct{ Fields []struct{ Name string } }
				Data   struct{ Values [][]any }
			}
			if json.Unmarshal(p.Data, &m) != nil {
				return
			}
			if m.Schema != nil {
				for n, f := range m.Schema.Fields {
					at[f.Name] = n
				}
			}
			text := func(name string) string { v, _ := m.Data.Values[at[name]][0].(string); return v }
			rows <- told{text("change"), text("type"), text("id")}
		}
	}()
	return rows
}

func await(t *testing.T, rows <-chan told, ok func(told) bool) told {
	t.Helper()
	for deadline := time.After(time.Minute); ; {
		select {
		case r, open := <-rows:
			require.True(t, open, "the stream ended")
			if ok(r) {
				return r
			}
		case <-deadline:
			require.Fail(t, "nothing was told")
		}
	}
}

// What begins is told within seconds, to those whose filter it fits; and what
// happened while the connection was broken is told when it is back.
func TestLive(t *testing.T) {
	p := newProxy(t, world.URL)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	all := listen(t, ctx, world.Settings(), plugin.StreamPath(nil))
	trail := listen(t, ctx, at("broken", p.url(), ReadToken), plugin.StreamPath(url.Values{"type": {"TrailConcealmentInsight"}}))
	none := listen(t, ctx, at("other", world.URL, ReadToken), plugin.StreamPath(url.Values{"filter": {`account="nobody"`}}))
	require.Eventually(t, func() bool { return p.count() == 1 }, 20*time.Second, 10*time.Millisecond)

	n, err := world.PushLive(t.Context())
	require.NoError(t, err)
	require.Positive(t, n)
	await(t, all, func(r told) bool { return r.change == "start" && r.typ == "TrailConcealmentInsight" })
	first := await(t, trail, func(r told) bool { return true })
	require.Equal(t, "start", first.change)
	require.Equal(t, "TrailConcealmentInsight", first.typ)

	// Broken and back: the change after the break comes, and none comes twice.
	p.cut()
	require.Eventually(t, func() bool { return p.count() >= 2 }, 30*time.Second, 10*time.Millisecond)
	select {
	case r := <-none:
		require.Fail(t, "told of another account", "%v", r)
	default:
	}

	// The last subscriber leaves.
	cancel()
	for range trail { //nolint:revive // It ends when the stream does.
	}
}

// What another try would not change ends the stream.
func TestStreamsThatAreRefused(t *testing.T) {
	for name, s := range map[string]backend.DataSourceInstanceSettings{
		"no token":    at("stream none", world.URL, ""),
		"wrong token": at("stream wrong", world.URL, "unknown-token-0123456789"),
	} {
		stream, err := world.Plugin.RunStream(t.Context(), s, plugin.StreamPath(nil))
		require.NoError(t, err, name)
		_, err = stream.Recv()
		require.Error(t, err, name)
		require.NotEqual(t, codes.DeadlineExceeded, status.Code(err), name)
	}
	stream, err := world.Plugin.RunStream(t.Context(), world.Settings(), plugin.StreamPath(url.Values{"filter": {"account="}}))
	require.NoError(t, err)
	_, err = stream.Recv()
	require.ErrorContains(t, err, "expected a quoted value")
}
