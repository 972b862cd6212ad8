// Package simulate makes CloudTrail traffic with attacks in it, and says where
// they are: many people and automations with habits of their own over weeks,
// the legitimate changes that upset a detector, and incidents of seventeen
// kinds with the insights that they should lead to.
//
// The same options give the same bytes. Incidents are planned when the traffic
// is made, from what each identity usually does; the events themselves are
// generated a day at a time while they are read, so that weeks of traffic need
// the memory of a day. Nothing in an event tells an injected one from another.
package simulate

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Options says what traffic to make. The zero value of a field means its
// default, where the field names one.
type Options struct {
	// Seed decides everything that the other options leave open.
	Seed uint64
	// Start is the time of the first event, by default 2 March 2026, a Monday.
	Start time.Time
	// Days is how long the traffic is, by default 35; the last day may be a part.
	Days float64
	// WarmupDays is for how long there are no incidents, except those that are
	// to poison what is learned. There is no default: 0 is none.
	WarmupDays float64
	// Accounts is the number of AWS accounts, by default 1.
	Accounts int
	// Identities is the number of identities of an account, by default 100.
	Identities int
	// Activity multiplies what everybody does, by default 1: about 72,000
	// events a day for 100 identities.
	Activity float64
	// Incidents is the mean number of an account and day after the warm-up. 0
	// is none.
	Incidents float64
	// Kinds are the kinds of incident to draw from, by default all of Kinds().
	Kinds []string
	// Benign multiplies how often legitimate changes happen, by default 1; a
	// negative value is none.
	Benign float64
	// Script holds incidents at exact times, beside those that are drawn.
	Script []Scripted
	// Inject are attacks that were captured elsewhere, to be put into the traffic
	// after the warm-up: spread evenly, or all at InjectAt where that is not zero.
	Inject   []Captured
	InjectAt time.Time
	// Late delivers records as CloudTrail does: by files, minutes after the
	// event and out of order, at most MaxDelay late. Otherwise they come in
	// order of time.
	Late bool
	// Duplicates is the share of records that are delivered twice, 0 to 1.
	Duplicates float64
	// PadTo makes every record at least so many bytes long; 0 leaves them at
	// their natural length of about 1.6 KB.
	PadTo int
}

// Scripted is an incident at an exact time.
type Scripted struct {
	// Kind is one of Kinds(), or KindKeyAbuse for key abuse at any hour.
	Kind string
	At   time.Time
	// Archetype, if not empty, is that of the identity, such as "app".
	Archetype string
	// Account is the index of the account.
	Account int
	// Duration, if not 0, overrides what would be drawn for the kind.
	Duration time.Duration
}

const (
	// MaxDelay is how long after its event a record is delivered at the most.
	// A second delivery of a record comes at most MaxDelay after the first.
	MaxDelay = 25 * time.Minute

	daySeconds = 86400
	maxDays    = 3660
	maxPad     = 100 << 10
)

var defaultStart = time.Date(2026, time.March, 2, 0, 0, 0, 0, time.UTC)

// withDefaults returns the options with every default filled in.
func (o Options) withDefaults() Options {
	if o.Start.IsZero() {
		o.Start = defaultStart
	}
	o.Start = o.Start.UTC().Truncate(time.Second)
	if o.Days == 0 {
		o.Days = 35
	}
	if o.Accounts == 0 {
		o.Accounts = 1
	}
	if o.Identities == 0 {
		o.Identities = 100
	}
	if o.Activity == 0 {
		o.Activity = 1
	}
	if len(o.Kinds) == 0 {
		o.Kinds = Kinds()
	}
	if o.Benign == 0 {
		o.Benign = 1
	}
	return o
}

// validate says what is wrong with options whose defaults are filled in.
func (o Options) validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	finite := func(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }
	check(finite(o.Days) && o.Days > 0 && o.Days <= maxDays, "days must be above 0 and at most %d, not %v", maxDays, o.Days)
	check(finite(o.WarmupDays) && o.WarmupDays >= 0 && o.WarmupDays <= o.Days, "warm-up days must be between 0 and the days, not %v", o.WarmupDays)
	check(o.Accounts >= 1 && o.Accounts <= 1000, "accounts must be between 1 and 1000, not %d", o.Accounts)
	check(o.Identities >= 1 && o.Identities <= 5000, "identities must be between 1 and 5000, not %d", o.Identities)
	check(o.Accounts*o.Identities <= 400_000, "there are more than 400,000 identities in all")
	check(finite(o.Activity) && o.Activity > 0 && o.Activity <= 1000, "activity must be above 0 and at most 1000, not %v", o.Activity)
	check(finite(o.Incidents) && o.Incidents >= 0 && o.Incidents <= 1000, "incidents must be between 0 and 1000 a day, not %v", o.Incidents)
	check(finite(o.Benign) && o.Benign <= 100, "benign must be at most 100, not %v", o.Benign)
	check(o.Duplicates >= 0 && o.Duplicates <= 1, "duplicates must be a share between 0 and 1, not %v", o.Duplicates)
	check(o.PadTo >= 0 && o.PadTo <= maxPad, "padding must be between 0 and %d bytes, not %d", maxPad, o.PadTo)
	check(o.Start.Year() >= 1970 && o.Start.Year() < 9000, "start must lie between the years 1970 and 9000, not %v", o.Start)
	for _, k := range o.Kinds {
		check(slices.Contains(Kinds(), k), "unknown kind of incident %q, known are %v", k, Kinds())
	}
	end := o.end()
	check(o.InjectAt.IsZero() || !o.InjectAt.Before(o.Start) && o.InjectAt.Before(end), "what is to be injected at %s is not within the traffic", o.InjectAt.Format(time.RFC3339))
	for i, s := range o.Script {
		check(s.Kind == KindKeyAbuse || slices.Contains(Kinds(), s.Kind), "script entry %d: unknown kind of incident %q", i, s.Kind)
		check(!s.At.Before(o.Start) && s.At.Before(end), "script entry %d: %s is not within the traffic", i, s.At.Format(time.RFC3339))
		check(s.Account >= 0 && s.Account < o.Accounts, "script entry %d: there is no account %d", i, s.Account)
		check(s.Duration >= 0, "script entry %d: the duration is negative", i)
		check(s.Archetype == "" || archetypeByName(s.Archetype) >= 0, "script entry %d: unknown archetype %q", i, s.Archetype)
	}
	return errors.Join(errs...)
}

// end is when the traffic ends: no event is at or after it.
func (o Options) end() time.Time {
	return o.Start.Add(time.Duration(o.Days * float64(24*time.Hour))).Truncate(time.Second)
}

// Traffic is traffic that is planned and can be read, any number of times. It
// is safe for concurrent readers.
type Traffic struct {
	o Options
	// base is midnight UTC of the day of the start; all times inside are whole
	// seconds after it.
	base             time.Time
	start, end, warm int32
	accounts         []*account
	actors           []*actor
	injected         []call            // In order of time.
	borrowed         map[uint64][]byte // Records that were captured elsewhere, by their call's id.
	truth            Truth
}

// New plans traffic: who there is, what changes and what happens to whom.
func New(o Options) (*Traffic, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("simulate options: %w", err)
	}
	t := &Traffic{o: o, base: o.Start.Truncate(24 * time.Hour), borrowed: map[uint64][]byte{}}
	t.start = int32(o.Start.Sub(t.base) / time.Second)
	t.end = int32(o.end().Sub(t.base) / time.Second)
	t.warm = min(t.end, t.start+int32(o.WarmupDays*daySeconds))
	t.truth = Truth{
		Start: o.Start, End: o.end(), WarmupEnd: t.at(t.warm),
		Accounts: []string{}, Labels: []Label{}, Benign: []Benign{}, Incidents: []Incident{},
	}
	t.populate()
	t.change()
	if err := t.attack(); err != nil {
		return nil, fmt.Errorf("planning incidents: %w", err)
	}
	if err := t.inject(); err != nil {
		return nil, err
	}
	return t, nil
}

// Truth returns the labels of the traffic. The caller does not write to it.
func (t *Traffic) Truth() Truth { return t.truth }

// Options returns the options with the defaults filled in.
func (t *Traffic) Options() Options { return t.o }

// at returns the time that is s seconds after the base.
func (t *Traffic) at(s int32) time.Time { return t.base.Add(time.Duration(s) * time.Second) }
