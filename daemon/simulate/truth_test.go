package simulate

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTruthAgreesWithRecords(t *testing.T) {
	o := Options{Seed: 5, Days: 12, WarmupDays: 7, Accounts: 2, Identities: 60, Incidents: 9}
	tr := traffic(t, o)
	truth := tr.Truth()
	require.Equal(t, defaultStart.AddDate(0, 0, 7), truth.WarmupEnd)
	require.Len(t, truth.Accounts, 2)
	require.Greater(t, len(truth.Incidents), 60)

	// What everybody did beside the incidents.
	type use struct {
		actor int32
		what  uint32
	}
	apis, addrs := map[use]bool{}, map[[2]uint32]bool{}
	mine := map[string]*record{}
	r := newRenderer(tr)
	tr.parcels(func(p *parcel) bool {
		if p.flags&injected == 0 {
			apis[use{p.actor, uint32(p.api)}] = true
			addrs[[2]uint32{uint32(p.actor), p.addr}] = true
			return true
		}
		rec := parse(t, r.append(nil, &p.call))
		require.Nil(t, mine[rec.EventID], "twice: %s", rec.EventID)
		mine[rec.EventID] = rec
		return true
	})
	actors := map[string]*actor{}
	for _, a := range tr.actors {
		actors[a.acct.id+a.identity] = a
	}

	incidents := map[string]*Incident{}
	events := 0
	for i := range truth.Incidents {
		in := &truth.Incidents[i]
		incidents[in.ID] = in
		events += len(in.EventIDs)
		for _, uid := range in.EventIDs {
			rec := mine[uid]
			require.NotNil(t, rec, "the event %s of %s is nowhere", uid, in.ID)
			if rec.identity() != in.Identity || rec.RecipientAccountID != in.Account {
				require.Fail(t, "an event of another", "%s: %+v", in.Identity, rec)
			}
			require.False(t, rec.EventTime.Before(in.Start) || rec.EventTime.After(in.End))
		}
		if in.Type != kindPoisonSeed {
			require.False(t, in.Start.Before(truth.WarmupEnd), in.Type)
		} else {
			require.True(t, in.Start.Before(truth.WarmupEnd))
		}
	}
	require.Len(t, mine, events, "an injected event belongs to no incident")

	kinds := tally{}
	for i := range truth.Labels {
		l := &truth.Labels[i]
		kinds.count(l.Type)
		in := incidents[l.Incident]
		require.NotNil(t, in)
		require.Equal(t, in.Type, l.Type)
		require.Equal(t, in.Identity, l.Identity)
		require.Equal(t, in.Account, l.Account)
		require.Equal(t, l.Expected, l.Type != kindIPKnown)
		require.Equal(t, l.Start.Unix(), l.StartUnix)
		require.Equal(t, l.End.Unix(), l.EndUnix)
		require.Contains(t, l.APIs, l.API)
		n, failed, keys := 0, 0, 0
		for _, uid := range in.EventIDs {
			rec := mine[uid]
			if rec.EventTime.Before(l.Start) || rec.EventTime.After(l.End) || !slices.Contains(l.APIs, rec.EventSource+":"+rec.EventName) {
				continue
			}
			if l.Insight == insightErrorRate && rec.ErrorCode == "" {
				continue
			}
			n++
			if rec.ErrorCode != "" {
				failed++
			}
			if rec.UserIdentity.AccessKeyID == l.AccessKey {
				keys++
			}
			if l.Insight == insightIP {
				require.Equal(t, l.IP, rec.SourceIPAddress)
			}
		}
		require.Equal(t, l.Events, n, "%+v", l)
		require.Equal(t, l.Errors, failed, "%+v", l)
		require.Positive(t, keys)
		a := actors[l.Account+l.Identity]
		require.NotNil(t, a)
		if l.Insight == insightIP {
			ip, err := netip.ParseAddr(l.IP)
			require.NoError(t, err)
			b := ip.As4()
			require.False(t, addrs[[2]uint32{uint32(a.idx), binary.BigEndian.Uint32(b[:])}], "%s is an address that %s uses", l.IP, l.Identity)
		}
		if l.Type == kindNewAPI || l.Type == kindPolicy && l.Insight == insightPolicy {
			for i := range catalog {
				if catalog[i].qualified == l.API && a.changes == nil {
					require.False(t, apis[use{a.idx, uint32(i)}], "%s is nothing new for %s", l.API, l.Identity)
				}
			}
		}
	}
	for _, k := range Kinds() {
		require.Positive(t, kinds[k], "no label of the kind %s", k)
	}
	for _, b := range truth.Benign {
		require.True(t, b.End.After(b.Start))
		require.Contains(t, truth.Accounts, b.Account)
		if b.Identity != "" {
			require.NotNil(t, actors[b.Account+b.Identity])
		}
	}
}

func TestEveryBenignChange(t *testing.T) {
	tr := traffic(t, Options{Seed: 2, Days: 40, Benign: 3})
	kinds := tally{}
	for _, b := range tr.Truth().Benign {
		kinds.count(b.Type)
	}
	for _, k := range []string{holiday, missingData, levelShift, roleChange, vacation, travel, keyRotation, throttleStorm, newService, newHire} {
		require.Positive(t, kinds[k], k)
	}
	require.Empty(t, traffic(t, Options{Seed: 2, Days: 40, Benign: -1}).Truth().Benign)
}

// What the changes say is in the records.
func TestBenignChangesShow(t *testing.T) {
	tr := traffic(t, Options{Seed: 4, Days: 30, Benign: 2, Incidents: 3})
	type months struct{ before, after, during int }
	seen := map[int]*months{}
	byName := map[string][]int{}
	var spans []span
	for i, b := range tr.Truth().Benign {
		seen[i] = &months{}
		byName[b.Account+b.Identity] = append(byName[b.Account+b.Identity], i)
		spans = append(spans, span{int32(b.Start.Sub(tr.base) / time.Second), int32(b.End.Sub(tr.base) / time.Second)})
	}
	tr.parcels(func(p *parcel) bool {
		if p.flags&injected != 0 {
			return true
		}
		a := tr.actors[p.actor]
		for _, key := range []string{a.acct.id, a.acct.id + a.identity} {
			for _, i := range byName[key] {
				switch s := spans[i]; {
				case p.t < s.from:
					seen[i].before++
				case p.t < s.to:
					if b := &tr.truth.Benign[i]; b.Type != throttleStorm || p.err == throttled {
						seen[i].during++
					}
				default:
					seen[i].after++
				}
			}
		}
		return true
	})
	for i, b := range tr.Truth().Benign {
		s := seen[i]
		switch b.Type {
		case missingData:
			require.Zero(t, s.during, "%+v", b)
		case newHire:
			require.Zero(t, s.before, "%+v", b)
		case vacation:
			// The local day may begin and end some hours off.
			require.Less(t, s.during, 200, "%+v", b)
		case throttleStorm:
			require.Positive(t, s.during, "%+v", b)
		}
	}
}

func TestScript(t *testing.T) {
	hour := defaultStart.AddDate(0, 0, 3).Add(14 * time.Hour)
	want := map[string][]string{
		kindBurst20:   {insightCallRate},
		kindNewAPI:    {insightCallRate, insightAk},
		kindCredEnum:  {insightErrorRate, insightIP},
		KindKeyAbuse:  {insightAk, insightIP},
		kindTakeover:  {insightIP, insightErrorRate, insightPolicy, insightPassword, insightTrail, insightCallRate},
		kindPolicy:    {insightPolicy},
		kindPassword:  {insightPassword},
		kindTrail:     {insightTrail},
		kindIPUnknown: {insightIP},
		kindIPKnown:   {insightIP},
		kindSlowLow:   {insightCallRate},
		kindErrors20:  {insightErrorRate},
		kindBurst5:    {insightCallRate},
		kindBurst2:    {insightCallRate},
		kindErrors5:   {insightErrorRate},
	}
	o := Options{Seed: 11, Days: 4}
	at := hour
	for _, k := range append(Kinds(), KindKeyAbuse) {
		if want[k] != nil {
			o.Script = append(o.Script, Scripted{Kind: k, At: at})
			at = at.Add(4 * time.Minute)
		}
	}
	o.Script = append(o.Script, Scripted{Kind: kindBurst20, At: hour.Add(2 * time.Hour), Archetype: "app", Duration: 6 * time.Minute})
	tr := traffic(t, o)
	truth := tr.Truth()
	require.Len(t, truth.Incidents, len(o.Script))
	for i, in := range truth.Incidents {
		require.Equal(t, o.Script[i].At, in.Start, in.Type)
		require.Equal(t, o.Script[i].Kind, in.Type)
		var got []string
		for _, l := range truth.Labels {
			if l.Incident == in.ID {
				got = append(got, l.Insight)
			}
		}
		for _, insight := range want[in.Type] {
			require.Contains(t, got, insight, in.Type)
		}
	}
	last := truth.Incidents[len(truth.Incidents)-1]
	require.LessOrEqual(t, last.End.Sub(last.Start), 6*time.Minute)
	for _, a := range tr.actors {
		if a.identity == last.Identity {
			require.Equal(t, app, a.arch)
		}
	}
}

func TestPoisonComesInPairs(t *testing.T) {
	truth := traffic(t, Options{Seed: 3, Days: 12, WarmupDays: 8, Incidents: 0.5, Kinds: []string{kindPoisonSeed}}).Truth()
	seeds, repeats := map[string]Label{}, 0
	for _, l := range truth.Labels {
		if l.Insight != insightCallRate {
			continue
		}
		switch l.Type {
		case kindPoisonSeed:
			require.GreaterOrEqual(t, l.End.Sub(l.Start), 170*time.Minute)
			require.InDelta(t, 30*l.RefPerMin, float64(l.Events)/l.End.Sub(l.Start).Minutes(), 3*l.RefPerMin)
			seeds[l.Identity] = l
		case kindPoisonRepeat:
			repeats++
			require.Equal(t, seeds[l.Identity].API, l.API)
		}
	}
	require.Positive(t, repeats)
	require.Len(t, seeds, repeats)
}
