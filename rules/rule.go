// Package rules is the rule language: packages of rules are read from JSON or
// YAML, compiled once, and evaluated against events one by one.
//
// The language is that of IBM Security Advisor's Activity Insights, which is that
// of json-rules-engine with windows over it, and extensions of ours. The package
// imports nothing of ours: it asks about an event through Facts, and keeps what it
// has to remember of a stream in a State.
//
// The language is described in DESIGN.md beside this file.
package rules

import (
	"time"
)

// Type says what a rule looks at.
type Type uint8

// The types of rules.
const (
	// Boolean rules look at one event.
	Boolean Type = iota
	// Aggregate rules count events within a window.
	Aggregate
	// Coincident rules look for several sorts of events within a window.
	Coincident
	// Sequence rules look for several sorts of events, one after the other,
	// within a window. They are an extension.
	Sequence
)

var typeNames = [...]string{"boolean", "aggregate", "coincident", "sequence"}

func (t Type) String() string { return typeNames[t] }

// Severities, from the mildest.
const (
	Low      = "Low"
	Medium   = "Medium"
	High     = "High"
	Critical = "Critical"
)

var severities = []string{Low, Medium, High, Critical}

// Groups of key risk indicators.
var kris = []string{"Identity and Access", "Data and Kubernetes"}

// Rule is a rule as its package describes it. Rules are immutable.
type Rule struct {
	// ID names the rule among all packages: its id, or its event's type.
	ID string
	// Package is the name of the package, File and Line where the rule begins.
	Package, File string
	Line          int
	Type          Type
	// Version is the rule's or its package's, and may be empty. Hash is made of
	// everything that the rule says, in 16 hexadecimal digits: a rule that was
	// changed has another, however it is formatted.
	Version, Hash string
	// FindingType is the name of the finding, event.params.findingType.
	FindingType string
	// Title and Description say what was found; Title falls back to the comment
	// and then to the id.
	Title, Description, Comment string
	// Severity is Low, Medium, High or Critical; Medium where the rule does not say.
	Severity string
	// Confidence is from 0 to 1; by the severity where the rule does not say.
	Confidence float64
	// KRI is the group of key risk indicators, or empty.
	KRI string
	// Attack lists techniques of MITRE ATT&CK, such as T1078.004.
	Attack []string
	// References are addresses of pages about what the rule finds.
	References []string
	Runbook    Runbook
	// Dormant rules are not evaluated, Shadow ones are and alert nobody.
	Dormant, Shadow bool
	// Providers are those whose events the rule looks at; all where it is empty.
	Providers []string
	// Window is how long a rule that counts looks back; 0 for boolean rules.
	Window time.Duration
	// GroupBy names the facts of which each combination is counted by itself. A
	// rule without them counts by account.
	GroupBy []string
	// Extensions lists what the rule uses that json-rules-engine and IBM's
	// packages do not have.
	Extensions []string
}

// Runbook says what to do about a finding.
type Runbook struct {
	// What the finding means, how to Check it without changing anything, the
	// safest first Step, how to take it back (Rollback), and when to Escalate.
	What, Check, Step, Rollback, Escalate string
}

// Defaults of rules.
const defaultSeverity = Medium

// unsaid is the confidence of a rule that has said none yet.
const unsaid = -1

// defaultConfidence is how sure a finding is of a rule that does not say, by its
// severity: what is mild is often somebody's work.
var defaultConfidence = map[string]float64{Low: 0.5, Medium: 0.65, High: 0.8, Critical: 0.9}
