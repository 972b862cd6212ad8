package rules

import (
	"time"
)

// testFacts are the facts of a test: fields as they are given, and a record.
type testFacts struct {
	at     time.Time
	uid    string
	fields map[Field]Value
	raw    []byte
	// asked counts how often the record was asked for.
	asked int
}

func (f *testFacts) Time() time.Time    { return f.at }
func (f *testFacts) UID() string        { return f.uid }
func (f *testFacts) Fact(x Field) Value { return f.fields[x] }
func (f *testFacts) Raw() []byte        { f.asked++; return f.raw }

// monday is where the tests' time begins.
var monday = time.Date(2026, time.March, 2, 0, 0, 0, 0, time.UTC)
