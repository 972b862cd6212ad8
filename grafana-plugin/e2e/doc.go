// Package e2e puts the plugin's backend before a real insightd, for tests: the
// daemon runs in the same process on a port of its own, full of generated traffic
// with attacks in it, and the backend is asked over gRPC, as Grafana does.
//
// It is the only package of the plugin that imports the daemon, and nothing but
// tests imports it.
package e2e
