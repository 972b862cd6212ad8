package event

import "time"

// Control is a record of the event log that is no event: something that the
// views made from the log depend on, kept so that a rebuild repeats it.
type Control struct {
	// Seq is the record's position in the log, in one order with the events.
	Seq uint64
	// Kind says what it is: ControlWatermark, ….
	Kind string
	// Stream is the stream that the record is about, zero for all.
	Stream StreamKey
	// Time is the watermark that was reached, for ControlWatermark, and that at
	// which it was written, for what is about a stream otherwise.
	Time time.Time
	// Data is what the kind needs beyond that, as JSON.
	Data []byte
}

// The kinds of control record.
const (
	// ControlWatermark says that a stream's watermark reached Time. An event
	// with a smaller time and a larger Seq is late.
	ControlWatermark = "watermark"
	// ControlConfig says under which configuration, catalogue and GeoIP
	// versions the events that follow were read.
	ControlConfig = "config"
	// ControlRebuild says that a stream's models were made anew from everything
	// that the log held of it at this position, up to its last watermark: history
	// had been added to it.
	ControlRebuild = "rebuild"
	// ControlFeedback is what a user said of an insight, and ControlRebaseline
	// that the role of an identity changed. Time is the watermark of the stream
	// at which it was said: it holds for what becomes final from there on.
	ControlFeedback   = "feedback"
	ControlRebaseline = "rebaseline"
	// ControlException is an exception that was made or taken back. It is about all
	// streams: Data says the watermark of each at which it was, since when it holds
	// there.
	ControlException = "exception"
	// ControlRules says which rules are in force from there on, and what of them
	// changed. Rules themselves are not part of the log.
	ControlRules = "rules"
)
