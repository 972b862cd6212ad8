package eventlog

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"github.com/insightd/insightd/daemon/event"
)

// columnID names a section of a block. The numbers are on disk: they are never
// used again for something else.
type columnID uint8

const (
	colTime     columnID = 1
	colSeq      columnID = 2
	colReceived columnID = 3
	colUID      columnID = 4
	colBloom    columnID = 5 // Filter of the ids' hashes.

	colRegion      columnID = 16
	colService     columnID = 17
	colOperation   columnID = 18
	colErrorCode   columnID = 19
	colErrorText   columnID = 20
	colIdentity    columnID = 21
	colRawType     columnID = 22
	colSession     columnID = 23
	colCredential  columnID = 24
	colAddress     columnID = 25
	colCountry     columnID = 26
	colUserAgent   columnID = 27
	colAgentFamily columnID = 28
	colClass       columnID = 29
	colAmends      columnID = 30

	colCategory columnID = 40
	colAccess   columnID = 41
	colOutcome  columnID = 42
	colKind     columnID = 43
	colMFA      columnID = 44
	colNetwork  columnID = 45
	colRisk     columnID = 46

	colASN       columnID = 50
	colResources columnID = 51

	colRawDir   columnID = 60
	colRawGrams columnID = 61
	colRaw      columnID = 62

	numColumns = 64
)

// stringColumns are the dictionary-coded columns of one string an event.
var stringColumns = [...]struct {
	id  columnID
	get func(*event.Event) string
	set func(*event.Event, string)
}{
	{colRegion, func(e *event.Event) string { return e.Region }, func(e *event.Event, s string) { e.Region = s }},
	{colService, func(e *event.Event) string { return e.Service }, func(e *event.Event, s string) { e.Service = s }},
	{colOperation, func(e *event.Event) string { return e.Operation }, func(e *event.Event, s string) { e.Operation = s }},
	{colErrorCode, func(e *event.Event) string { return e.ErrorCode }, func(e *event.Event, s string) { e.ErrorCode = s }},
	{colErrorText, func(e *event.Event) string { return e.ErrorMessage }, func(e *event.Event, s string) { e.ErrorMessage = s }},
	{colIdentity, func(e *event.Event) string { return e.Actor.Identity }, func(e *event.Event, s string) { e.Actor.Identity = s }},
	{colRawType, func(e *event.Event) string { return e.Actor.RawType }, func(e *event.Event, s string) { e.Actor.RawType = s }},
	{colSession, func(e *event.Event) string { return e.Actor.Session }, func(e *event.Event, s string) { e.Actor.Session = s }},
	{colCredential, func(e *event.Event) string { return e.Actor.Credential }, func(e *event.Event, s string) { e.Actor.Credential = s }},
	{colAddress, func(e *event.Event) string { return e.Source.Address }, func(e *event.Event, s string) { e.Source.Address = s }},
	{colCountry, func(e *event.Event) string { return e.Source.Country }, func(e *event.Event, s string) { e.Source.Country = s }},
	{colUserAgent, func(e *event.Event) string { return e.UserAgent }, func(e *event.Event, s string) { e.UserAgent = s }},
	{colAgentFamily, func(e *event.Event) string { return e.AgentFamily }, func(e *event.Event, s string) { e.AgentFamily = s }},
	{colClass, func(e *event.Event) string { return e.Class }, func(e *event.Event, s string) { e.Class = s }},
	{colAmends, func(e *event.Event) string { return e.Amends }, func(e *event.Event, s string) { e.Amends = s }},
}

// enumColumns are the columns of one small number an event; name gives the word
// that a reader knows it by.
var enumColumns = [...]struct {
	id   columnID
	get  func(*event.Event) uint8
	set  func(*event.Event, uint8)
	name func(uint8) string
}{
	{
		colCategory, func(e *event.Event) uint8 { return uint8(e.Category) }, func(e *event.Event, v uint8) { e.Category = event.Category(v) },
		func(v uint8) string { return event.Category(v).String() },
	},
	{
		colAccess, func(e *event.Event) uint8 { return uint8(e.Access) }, func(e *event.Event, v uint8) { e.Access = event.Access(v) },
		func(v uint8) string { return event.Access(v).String() },
	},
	{
		colOutcome, func(e *event.Event) uint8 { return uint8(e.Outcome) }, func(e *event.Event, v uint8) { e.Outcome = event.Outcome(v) },
		func(v uint8) string { return event.Outcome(v).String() },
	},
	{
		colKind, func(e *event.Event) uint8 { return uint8(e.Actor.Kind) }, func(e *event.Event, v uint8) { e.Actor.Kind = event.Kind(v) },
		func(v uint8) string { return event.Kind(v).String() },
	},
	{
		colMFA, func(e *event.Event) uint8 { return bit(e.Actor.MFA) }, func(e *event.Event, v uint8) { e.Actor.MFA = v != 0 },
		func(v uint8) string { return strconv.FormatBool(v != 0) },
	},
	{
		colNetwork, func(e *event.Event) uint8 { return uint8(e.Source.Network) }, func(e *event.Event, v uint8) { e.Source.Network = event.Network(v) },
		func(v uint8) string { return event.Network(v).String() },
	},
	{
		colRisk, func(e *event.Event) uint8 { return e.Risk }, func(e *event.Event, v uint8) { e.Risk = v },
		func(v uint8) string { return strconv.Itoa(int(v)) },
	},
}

func bit(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// fieldColumns maps the names of event.Fields to columns. Provider and account
// are of the run, and uid has a column of its own form.
var fieldColumns = map[string]columnID{
	"region": colRegion, "service": colService, "operation": colOperation, "category": colCategory,
	"access": colAccess, "outcome": colOutcome, "error_code": colErrorCode, "identity": colIdentity,
	"identity_kind": colKind, "user_type": colRawType, "session": colSession, "credential": colCredential,
	"mfa": colMFA, "ip": colAddress, "country": colCountry, "asn": colASN, "network": colNetwork,
	"user_agent": colUserAgent, "user_agent_family": colAgentFamily, "resource": colResources,
	"class": colClass, "risk": colRisk, "uid": colUID,
}

// enumNames holds the words of every number of every enumeration.
var enumNames = sync.OnceValue(func() [numColumns][]string {
	var out [numColumns][]string
	for _, c := range enumColumns {
		names := make([]string, 256)
		for v := range names {
			names[v] = c.name(uint8(v))
		}
		out[c.id] = names
	}
	return out
})

// column is a decoded column: row r has dict[ids[r]], or dict[base] where ids
// is nil. Numbers have nums instead of dict until somebody asks for words. A
// list column's row r has the ids from off[r] to off[r+1]. Everything in it is
// shared and never written again.
type column struct {
	dict []string
	nums []int64
	ids  []uint32
	base uint32
	off  []uint32
	flat []string     // Of lists: dict[ids[i]], so that rows share it.
	ips  []netip.Addr // Of addresses: the parsed dictionary.
	once sync.Once    // Guards what is derived on demand: words, ips.
}

func (c *column) at(row int) uint32 {
	if c.ids == nil {
		return c.base
	}
	return c.ids[row]
}

// word returns the row's string.
func (c *column) word(row int) string {
	if c.ids == nil {
		return c.dict[c.base]
	}
	return c.dict[c.ids[row]]
}

// words returns the dictionary as strings.
func (c *column) words() []string {
	if c.nums == nil {
		return c.dict
	}
	c.once.Do(func() {
		c.dict = make([]string, len(c.nums))
		for i, v := range c.nums {
			if v != 0 {
				c.dict[i] = strconv.FormatInt(v, 10)
			}
		}
	})
	return c.dict
}

// addrs returns the dictionary of addresses, parsed.
func (c *column) addrs() []netip.Addr {
	c.once.Do(func() {
		c.ips = make([]netip.Addr, len(c.dict))
		for i, s := range c.dict {
			c.ips[i] = parseAddr(s)
		}
	})
	return c.ips
}

func parseAddr(s string) netip.Addr {
	// Most that is no address is a host name, for which ParseAddr makes an error.
	if s == "" || !(s[0] >= '0' && s[0] <= '9' || s[0] == ':' || s[0] == '[' || strings.IndexByte(s, ':') > 0) {
		return netip.Addr{}
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return a
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr()
	}
	return netip.Addr{}
}

func (c *column) memory() int64 {
	n := int64(16*len(c.dict) + 8*len(c.nums) + 4*len(c.ids) + 4*len(c.off) + 16*len(c.flat) + 24*len(c.ips) + 96)
	for _, s := range c.dict {
		n += int64(len(s))
	}
	return n
}

// narrow maps the ids of a column that rows lo to hi use to a dense range from
// 0 in order of first use. It is the encoder's scratch.
type narrow struct {
	to   []uint32 // Old id to new id plus one.
	used []uint32 // New id to old id.
	ids  []uint32
}

func (n *narrow) run(ids []uint32, dictLen int) {
	if cap(n.to) < dictLen {
		n.to = make([]uint32, dictLen)
	}
	n.to = n.to[:dictLen]
	n.used = n.used[:0]
	n.ids = n.ids[:0]
	for _, id := range ids {
		if n.to[id] == 0 {
			n.used = append(n.used, id)
			n.to[id] = uint32(len(n.used))
		}
		n.ids = append(n.ids, n.to[id]-1)
	}
	for _, id := range n.used {
		n.to[id] = 0
	}
}

func idWidth(dictLen int) int {
	switch {
	case dictLen <= 1:
		return 0
	case dictLen <= 1<<8:
		return 1
	case dictLen <= 1<<16:
		return 2
	}
	return 4
}

func appendIDs(dst []byte, ids []uint32, dictLen int) []byte {
	switch idWidth(dictLen) {
	case 1:
		for _, id := range ids {
			dst = append(dst, byte(id))
		}
	case 2:
		for _, id := range ids {
			dst = binary.LittleEndian.AppendUint16(dst, uint16(id))
		}
	case 4:
		for _, id := range ids {
			dst = binary.LittleEndian.AppendUint32(dst, id)
		}
	}
	return dst
}

// parseIDs returns nil where the dictionary has but one entry.
func (c *cursor) ids(n, dictLen int) []uint32 {
	w := idWidth(dictLen)
	if w == 0 {
		return nil
	}
	p := c.bytes(n * w)
	if p == nil {
		return nil
	}
	ids := make([]uint32, n)
	var top uint32
	switch w {
	case 1:
		for i := range ids {
			v := uint32(p[i])
			top = max(top, v)
			ids[i] = v
		}
	case 2:
		for i := range ids {
			v := uint32(binary.LittleEndian.Uint16(p[2*i:]))
			top = max(top, v)
			ids[i] = v
		}
	default:
		for i := range ids {
			v := binary.LittleEndian.Uint32(p[4*i:])
			top = max(top, v)
			ids[i] = v
		}
	}
	if int(top) >= dictLen && n > 0 {
		c.fail()
		return nil
	}
	return ids
}

// appendDict appends a dictionary: its count, the lengths, the bytes.
func appendDict(dst []byte, dict []string, used []uint32) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(used)))
	for _, id := range used {
		dst = binary.AppendUvarint(dst, uint64(len(dict[id])))
	}
	for _, id := range used {
		dst = append(dst, dict[id]...)
	}
	return dst
}

// dict reads a dictionary; its strings share the memory that is read.
func (c *cursor) dict() []string {
	n := c.size(len(c.p))
	if c.err != nil {
		return nil
	}
	out := make([]string, n)
	lens := *c
	total := 0
	for range n {
		total += c.size(maxPlain)
		if total > maxPlain {
			c.fail()
			return nil
		}
	}
	all := alias(c.bytes(total))
	if c.err != nil {
		return nil
	}
	for i := range out {
		l := int(lens.uvarint())
		out[i], all = all[:l], all[l:]
	}
	return out
}

func parseStrings(p []byte, n int) (*column, error) {
	c := cursor{p: p}
	col := &column{dict: c.dict()}
	if c.err == nil && len(col.dict) == 0 {
		c.fail()
	}
	col.ids = c.ids(n, len(col.dict))
	return col, c.err
}

func parseEnum(p []byte, n int, id columnID) (*column, error) {
	col := &column{dict: enumNames()[id]}
	switch {
	case len(p) == 1:
		col.base = uint32(p[0])
	case len(p) == n:
		col.ids = make([]uint32, n)
		for i, v := range p {
			col.ids[i] = uint32(v)
		}
	default:
		return nil, errShort
	}
	return col, nil
}

// parseNumbers reads a dictionary of numbers, each as the difference to the one
// before.
func parseNumbers(p []byte, n int) (*column, error) {
	c := cursor{p: p}
	nums := make([]int64, c.size(min(n, len(p))))
	var v int64
	for i := range nums {
		v += c.varint()
		nums[i] = v
	}
	if len(nums) == 0 {
		c.fail()
	}
	col := &column{nums: nums, ids: c.ids(n, len(nums))}
	return col, c.err
}

func parseLists(p []byte, n int) (*column, error) {
	c := cursor{p: p}
	col := &column{dict: c.dict(), off: make([]uint32, n+1)}
	total := 0
	for i := range n {
		total += c.size(maxPlain)
		if total > maxPlain {
			c.fail()
		}
		col.off[i+1] = uint32(total)
	}
	if c.err != nil {
		return nil, c.err
	}
	col.ids = c.ids(total, len(col.dict))
	if c.err != nil {
		return nil, c.err
	}
	if total > 0 && len(col.dict) == 0 {
		return nil, errShort
	}
	if col.ids == nil && total > n+len(p)*1024 {
		return nil, fmt.Errorf("list column claims %d values", total)
	}
	col.flat = make([]string, total)
	for i := range col.flat {
		col.flat[i] = col.dict[col.at(i)]
	}
	return col, nil
}
