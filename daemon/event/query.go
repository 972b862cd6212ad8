package event

import "time"

// Query asks for stored events. The filter language is that of
// daemon/eventlog: `name="value" name!~"re" "text"`, side by side means and.
type Query struct {
	Filter string
	// From and To bound the event time: From inclusive, To exclusive. A zero
	// value leaves that side open.
	From, To time.Time
	// Limit is how many events a page holds at the most.
	Limit int
	// Forward asks for the oldest first; the default is the newest first.
	Forward bool
	// Cursor is Page.Next of the page before.
	Cursor string
	// Around is the id of an event, behind which, in the direction that is asked
	// for, the first page begins. It is not part of the page itself.
	Around string
	// Raw asks for the raw records too, which costs their decompression.
	Raw bool
}

// Page is one page of an answer, in order of (time, uid).
type Page struct {
	Events []Event
	// Next is the cursor of the next page, empty at the end.
	Next string
	// Scanned counts the events that were looked at.
	Scanned int
}

// VolumeQuery asks how many events matched, over time.
type VolumeQuery struct {
	Filter   string
	From, To time.Time
	// Step is the width of a bucket.
	Step time.Duration
	// By names a field to split the counts by, empty for none.
	By string
	// Top is how many values of By are kept; the rest is counted under "Other".
	Top int
}

// Volume is the answer to a VolumeQuery.
type Volume struct {
	From   time.Time
	Step   time.Duration
	Series []VolumeSeries
}

// VolumeSeries holds the counts of one value, one a bucket.
type VolumeSeries struct {
	Value  string
	Counts []uint64
}

// ValueCount is a value of a field with how many events had it.
type ValueCount struct {
	Value string `json:"value"`
	Count uint64 `json:"count"`
}

// ValuesQuery asks for the most frequent values of fields.
type ValuesQuery struct {
	Filter   string
	From, To time.Time
	// Field is the field whose values are asked for.
	Field string
	// Contains keeps the values that contain this text, without regard to case.
	Contains string
	Limit    int
}

// StreamKey names a stream: what one provider's account did.
type StreamKey struct {
	Provider string
	Account  string
}

func (k StreamKey) String() string { return k.Provider + "/" + k.Account }
