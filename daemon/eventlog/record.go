package eventlog

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/insightd/insightd/daemon/event"
)

// The payloads of the journals' frames: a batch of events, row by row, or one
// control record. The order of the fields is that of stringColumns and
// enumColumns at version 1 of the journal.

func appendEvent(p []byte, e *event.Event) []byte {
	p = appendText(p, e.UID)
	p = binary.AppendUvarint(p, e.Seq)
	p = binary.AppendVarint(p, e.Time.UnixNano())
	var received int64
	if !e.Received.IsZero() {
		received = e.Received.UnixNano()
	}
	p = binary.AppendVarint(p, received)
	p = appendText(p, e.Provider)
	p = appendText(p, e.Account)
	for i := range stringColumns {
		p = appendText(p, stringColumns[i].get(e))
	}
	for i := range enumColumns {
		p = append(p, enumColumns[i].get(e))
	}
	p = binary.AppendUvarint(p, uint64(e.Source.ASN))
	p = binary.AppendUvarint(p, uint64(len(e.Resources)))
	for _, r := range e.Resources {
		p = appendText(p, r)
	}
	p = binary.AppendUvarint(p, uint64(len(e.Raw)))
	return append(p, e.Raw...)
}

// parseEvents reads a batch. The events share the memory of p.
func parseEvents(p []byte) ([]event.Event, error) {
	c := cursor{p: p}
	n := c.size(len(p))
	var out []event.Event
	for range n {
		var e event.Event
		e.UID = c.text()
		e.Seq = c.uvarint()
		e.Time = time.Unix(0, c.varint()).UTC()
		if ns := c.varint(); ns != 0 {
			e.Received = time.Unix(0, ns).UTC()
		}
		e.Provider, e.Account = c.text(), c.text()
		for i := range stringColumns {
			stringColumns[i].set(&e, c.text())
		}
		for i := range enumColumns {
			enumColumns[i].set(&e, c.byte())
		}
		e.Source.ASN = uint32(c.uvarint())
		for range c.size(len(c.p)) {
			e.Resources = append(e.Resources, c.text())
		}
		e.Raw = c.bytes(c.size(len(c.p)))
		if c.err != nil {
			return nil, fmt.Errorf("event %d of a batch of %d: %w", len(out), n, c.err)
		}
		out = append(out, e)
	}
	return out, c.err
}

func appendControl(p []byte, c *event.Control) []byte {
	p = binary.AppendUvarint(p, c.Seq)
	p = appendText(p, c.Kind)
	p = appendText(p, c.Stream.Provider)
	p = appendText(p, c.Stream.Account)
	if c.Time.IsZero() {
		p = append(p, 0)
	} else {
		p = append(p, 1)
		p = binary.AppendVarint(p, c.Time.Unix())
		p = binary.AppendUvarint(p, uint64(c.Time.Nanosecond()))
	}
	return append(appendText(p, ""), c.Data...)
}

func parseControl(p []byte) (event.Control, error) {
	c := cursor{p: p}
	var out event.Control
	out.Seq = c.uvarint()
	out.Kind = string([]byte(c.text()))
	out.Stream = event.StreamKey{Provider: string([]byte(c.text())), Account: string([]byte(c.text()))}
	if c.byte() != 0 {
		sec := c.varint()
		out.Time = time.Unix(sec, int64(c.size(999_999_999))).UTC()
	}
	c.text() // Room for what a later version adds.
	if c.err == nil && len(c.p) > 0 {
		out.Data = append([]byte(nil), c.p...)
	}
	return out, c.err
}
