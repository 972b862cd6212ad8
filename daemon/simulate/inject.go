package simulate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/insightd/insightd/daemon/event"
)

// Captured is what was recorded of one attack elsewhere, to be put into the
// traffic: CloudTrail records in any order.
type Captured struct {
	// Name is what labels call it.
	Name    string
	records []captured
}

// captured is one record of it.
type captured struct {
	raw             []byte
	at              time.Time
	uid             string
	account, region string
	service         string
	regionIdx       uint8 // Once it is placed.
}

// Injected is a capture that is in the traffic: which events are of it. It is
// not judged; what should be found of it is for the reader to say.
type Injected struct {
	Name     string    `json:"name"`
	Account  string    `json:"account"`
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	EventIDs []string  `json:"eventIDs"`
}

// recordsMost is how many records a capture may have.
const recordsMost = 1 << 20

// ReadCaptured reads a file of CloudTrail records, in any of the forms that the
// daemon reads, or all such files in a folder and below it. Each file is a
// capture, called like the file without its endings. Files in a folder that hold
// no record are left out.
func ReadCaptured(path string) ([]Captured, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading what is to be injected: %w", err)
	}
	if !info.IsDir() {
		c, err := readCapture(path)
		if err == nil && len(c.records) == 0 {
			err = errors.New("it holds no CloudTrail record")
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		return []Captured{c}, nil
	}
	var out []Captured
	err = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !holdsRecords(name) {
			return err
		}
		c, err := readCapture(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if len(c.records) > 0 {
			out = append(out, c)
		}
		return nil
	})
	if err == nil && len(out) == 0 {
		err = errors.New("no file there holds a CloudTrail record")
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return out, nil
}

// holdsRecords reports whether a file in a folder is looked into.
func holdsRecords(name string) bool {
	name = strings.TrimSuffix(strings.ToLower(name), ".gz")
	return slices.Contains([]string{".json", ".ndjson", ".jsonl", ".log"}, filepath.Ext(name))
}

func readCapture(name string) (Captured, error) {
	f, err := os.Open(name)
	if err != nil {
		return Captured{}, err
	}
	defer f.Close()
	base := filepath.Base(name)
	for _, end := range []string{".gz", ".json", ".ndjson", ".jsonl", ".log"} {
		base = strings.TrimSuffix(base, end)
	}
	c := Captured{Name: base}
	r := event.NewReader(f, event.ReaderOptions{Provider: "aws"})
	for {
		var e event.Event
		if err := r.Next(&e); errors.Is(err, io.EOF) {
			return c, nil
		} else if err != nil {
			return c, err
		}
		if len(c.records) == recordsMost {
			return c, fmt.Errorf("it has more than %d records", recordsMost)
		}
		var raw bytes.Buffer
		if err := json.Compact(&raw, e.Raw); err != nil {
			return c, fmt.Errorf("record %d: %w", len(c.records)+1, err)
		}
		c.records = append(c.records, captured{
			raw: raw.Bytes(), at: e.Time, uid: e.UID, account: e.Account, region: e.Region, service: e.Service,
		})
	}
}

// inject puts captures into the traffic, spread evenly over the time after the
// warm-up, or all at InjectAt, and over the accounts.
func (t *Traffic) inject() error {
	r := newRNG(t.o.Seed, 60)
	taken := map[string]bool{}
	room := t.end - t.warm
	n := float64(len(t.o.Inject))
	for i := range t.o.Inject {
		c := &t.o.Inject[i]
		// A third of its place early or late, so that not all are at one hour.
		at := t.warm + int32((float64(i)+0.5+r.uniform(-0.3, 0.3))/n*float64(room))
		if !t.o.InjectAt.IsZero() {
			at = int32(t.o.InjectAt.Sub(t.base) / time.Second)
		}
		if err := t.place(c, t.accounts[i%len(t.accounts)], at, taken); err != nil {
			return fmt.Errorf("injecting %s: %w", c.Name, err)
		}
	}
	t.sortInjected()
	slices.SortStableFunc(t.truth.Injected, func(a, b Injected) int { return a.Start.Compare(b.Start) })
	return nil
}

// place puts a capture into an account, its first record at second at.
func (t *Traffic) place(c *Captured, ac *account, at int32, taken map[string]bool) error {
	records := slices.Clone(c.records)
	slices.SortStableFunc(records, func(a, b captured) int { return a.at.Compare(b.at) })
	first, last := records[0].at, records[len(records)-1].at
	length := int64(last.Sub(first) / time.Second)
	if int64(at)+length >= int64(t.end) {
		at = int32(int64(t.end) - 1 - length)
	}
	if at < t.start || length >= int64(t.end-t.start) {
		return fmt.Errorf("its records span %s, and there is no room for that in the traffic", last.Sub(first))
	}
	shift := t.at(at).Sub(first.Truncate(time.Second))
	actor := ac.actors[0].idx
	in := Injected{Name: c.Name, Account: ac.id, Start: t.at(at)}
	for i := range records {
		rec := &records[i]
		rec.adopt(ac, shift)
		if taken[rec.uid] || rec.uid == "" {
			uid := string(appendUUID(nil, hash(t.o.Seed, 61, hashString(rec.uid), uint64(len(taken)))))
			rec.rename(uid)
		}
		taken[rec.uid] = true
		in.EventIDs = append(in.EventIDs, rec.uid)
		in.End = rec.at.Add(shift).Truncate(time.Second)
		call := call{
			id: hash(t.o.Seed, 62, hashString(rec.uid)), t: int32(in.End.Sub(t.base) / time.Second),
			actor: actor, region: rec.regionIdx, flags: injected | borrowed,
		}
		t.borrowed[call.id] = rec.raw
		t.injected = append(t.injected, call)
	}
	t.truth.Injected = append(t.truth.Injected, in)
	return nil
}

var (
	// dated are the times of a record that move with it.
	dated = regexp.MustCompile(`"(eventTime|creationDate)":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)"`)
	uids  = regexp.MustCompile(`"eventID":"[^"]*"`)
	// globalService are those whose events are told in the first region, beside
	// those that the catalogue knows.
	globalServices = []string{"support.amazonaws.com", "trustedadvisor.amazonaws.com", "health.amazonaws.com", "waf.amazonaws.com", "shield.amazonaws.com", "account.amazonaws.com"}
)

// adopt makes a record one of an account: its own account's number, wherever it
// stands, is that of the account, its region the account's home or, for a global
// service, where such report, and its times are shifted.
func (c *captured) adopt(ac *account, shift time.Duration) {
	c.raw = dated.ReplaceAllFunc(c.raw, func(m []byte) []byte {
		parts := dated.FindSubmatch(m)
		at, err := time.Parse(time.RFC3339Nano, string(parts[2]))
		if err != nil { // Such as the 31st of February.
			return m
		}
		return fmt.Appendf(nil, `"%s":"%s"`, parts[1], at.Add(shift).UTC().Format(time.RFC3339))
	})
	digit := func(b byte) bool { return b >= '0' && b <= '9' }
	c.raw = replaceWord(c.raw, c.account, ac.id, func(before, after []byte) bool {
		return !digit(lastByte(before)) && !digit(firstByte(after))
	})
	c.regionIdx = ac.region
	if global(c.service) {
		c.regionIdx = 0
	}
	part := func(b byte) bool { return b == '-' || digit(b) || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' }
	c.raw = replaceWord(c.raw, c.region, regions[c.regionIdx], func(before, after []byte) bool {
		// The letter of an availability zone may follow.
		if f := firstByte(after); f >= 'a' && f <= 'f' {
			after = after[1:]
		}
		return !part(lastByte(before)) && !part(firstByte(after))
	})
	c.account, c.region = ac.id, regions[c.regionIdx]
}

// rename gives the record another id.
func (c *captured) rename(uid string) {
	c.uid = uid
	field := []byte(`"eventID":"` + uid + `"`)
	if loc := uids.FindIndex(c.raw); loc != nil {
		c.raw = slices.Concat(c.raw[:loc[0]], field, c.raw[loc[1]:])
		return
	}
	c.raw = slices.Concat([]byte("{"), field, []byte(","), c.raw[1:])
}

// global reports whether a service's events are told in the first region.
func global(source string) bool {
	for _, s := range services {
		if s.source == source {
			return s.global
		}
	}
	return slices.Contains(globalServices, source)
}

// replaceWord puts another word in the place of one where whole says that it
// stands alone.
func replaceWord(b []byte, old, other string, whole func(before, after []byte) bool) []byte {
	if old == "" || old == other {
		return b
	}
	var out []byte
	for {
		i := bytes.Index(b, []byte(old))
		if i < 0 {
			return append(out, b...)
		}
		before, after := b[:i], b[i+len(old):]
		if i == 0 {
			before = out // What was before is there already.
		}
		out = append(out, b[:i]...)
		if whole(before, after) {
			out = append(out, other...)
		} else {
			out = append(out, old...)
		}
		b = after
	}
}

func firstByte(b []byte) byte {
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

func lastByte(b []byte) byte {
	if len(b) == 0 {
		return 0
	}
	return b[len(b)-1]
}
