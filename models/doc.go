// Package models holds the statistics of the line: numbers and minutes in,
// verdicts out. It tells how surprising the count of a minute is for a series
// that it has followed, in units that an alert budget can be set in.
//
// The package has no clock, does no I/O, starts no goroutines and knows no
// metrics library; it imports the standard library and gonum. The same calls in
// the same order give the same verdicts, bit for bit on one architecture.
//
// A Family is what the series of one stream and one kind share. A Count is one
// series, a Novelty one identity. The formulas, their sources and the decisions
// taken are in DESIGN.md.
package models
