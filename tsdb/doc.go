// Package tsdb keeps series on Prometheus' TSDB: it appends the counts of
// minutes, takes in history by the day, answers queries merged with what is not
// stored yet, and deletes what is past its retention.
//
// A series is a gauge with one sample a minute, which holds how many events
// fell in that minute. DESIGN.md beside this file says what the choices rest on.
package tsdb
