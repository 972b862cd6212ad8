// Package plugin answers Grafana from insightd's HTTP API: a query in, data
// frames out. DESIGN.md of the plugin describes the queries and their answers.
package plugin
