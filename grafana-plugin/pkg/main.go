// Command gpx_insightd is the backend of the Grafana datasource: Grafana starts
// it and speaks gRPC with it.
package main

import (
	"os"

	"github.com/grafana/grafana-plugin-sdk-go/backend/datasource"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"

	"github.com/insightd/insightd/grafana-plugin/pkg/plugin"
)

func main() {
	if err := datasource.Manage(plugin.ID, plugin.New, datasource.ManageOpts{}); err != nil {
		log.DefaultLogger.Error("The datasource ended", "err", err)
		os.Exit(1)
	}
}
