// Geogen compiles the tables of daemon/enrich/geo from the files of two
// packages of ip-location-db, unpacked:
//
//	geogen --country=…/geo-whois-asn-country.mmdb
//	       --asn-v4=…/asn-ipv4-num.csv --asn-v6=…/asn-ipv6-num.csv
//	       --source="2.3.2026061719" --out=daemon/enrich/geo/data
//
// and where countries are from the outlines of world-atlas and the codes of
// i18n-iso-countries:
//
//	geogen --outlines=…/countries-50m.json --codes=…/codes.json --out=daemon/enrich/geo/data
//
// See daemon/enrich/DESIGN.md for where they come from. The same input gives
// the same bytes.
package main

import (
	"encoding/binary"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/insightd/insightd/daemon/enrich/geo"
	"github.com/insightd/insightd/daemon/event"
)

func main() {
	country := flag.String("country", "", "database of countries, in MMDB")
	v4 := flag.String("asn-v4", "", "autonomous systems by IPv4 ranges in numbers, in CSV")
	v6 := flag.String("asn-v6", "", "autonomous systems by IPv6 ranges in numbers, in CSV")
	source := flag.String("source", "", "version of the packages, kept in the tables")
	shapes := flag.String("outlines", "", "outlines of countries, in TopoJSON; alone it makes places.csv only")
	codes := flag.String("codes", "", "codes of countries: alpha-2, alpha-3 and number, in JSON")
	out := flag.String("out", "daemon/enrich/geo/data", "folder for the tables")
	flag.Parse()
	if *shapes != "" {
		if err := outlines(*shapes, *codes, filepath.Join(*out, "places.csv")); err != nil {
			fmt.Fprintln(os.Stderr, "geogen:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(*country, *v4, *v6, *source, *out); err != nil {
		fmt.Fprintln(os.Stderr, "geogen:", err)
		os.Exit(1)
	}
}

func run(country, v4, v6, source, out string) error {
	if country == "" || v4 == "" || v6 == "" || source == "" {
		return errors.New("--country, --asn-v4, --asn-v6 and --source are needed")
	}
	b, err := countries(country, source)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, "country.geo"), b, 0o644); err != nil {
		return fmt.Errorf("writing the table of countries: %w", err)
	}
	if b, err = systems(v4, v6, source); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, "asn.geo"), b, 0o644); err != nil {
		return fmt.Errorf("writing the table of autonomous systems: %w", err)
	}
	return nil
}

// ranges gathers ranges that come in order.
type ranges[V comparable] struct {
	list []geo.Range[V]
	next uint64 // The first address behind the last range.
	full bool   // There is none behind it.
}

// add adds the range from first to last, both inclusive.
func (r *ranges[V]) add(first, last uint64, v V) error {
	if r.full || first < r.next || last < first {
		return fmt.Errorf("the range from %d to %d is out of order", first, last)
	}
	if first > r.next || len(r.list) == 0 && first > 0 {
		r.put(r.next, *new(V))
	}
	r.put(first, v)
	r.next = last + 1
	r.full = r.next == 0
	return nil
}

func (r *ranges[V]) put(start uint64, v V) {
	if n := len(r.list); n > 0 && r.list[n-1].Value == v {
		return
	}
	r.list = append(r.list, geo.Range[V]{Start: start, Value: v})
}

// close ends the list at the highest address there is.
func (r *ranges[V]) close(highest uint64) []geo.Range[V] {
	if !r.full && r.next <= highest {
		r.put(r.next, *new(V))
	}
	return r.list
}

// countries reads an MMDB with country_code or country.iso_code.
func countries(file, source string) ([]byte, error) {
	db, err := maxminddb.Open(file)
	if err != nil {
		return nil, fmt.Errorf("opening the database of countries: %w", err)
	}
	defer db.Close()
	var (
		v4, v6 ranges[string]
		part   piece
		finer  int
	)
	for result := range db.Networks() {
		var code string
		if err := result.DecodePath(&code, "country_code"); err != nil {
			return nil, fmt.Errorf("reading the database of countries: %w", err)
		}
		if code == "" {
			if err := result.DecodePath(&code, "country", "iso_code"); err != nil {
				return nil, fmt.Errorf("reading the database of countries: %w", err)
			}
		}
		p := result.Prefix()
		if p.Addr().Is4() {
			b := p.Addr().As4()
			first := uint64(binary.BigEndian.Uint32(b[:]))
			err = v4.add(first, first|(1<<(32-p.Bits())-1), code)
		} else {
			first := upper(p.Addr())
			if p.Bits() > 64 {
				// The largest part of a /64 stands for all of it.
				finer++
				if first != part.first || p.Bits() < part.bits {
					if first != part.first {
						err = part.flush(&v6)
					}
					part = piece{first: first, bits: p.Bits(), code: code}
				}
			} else if err = part.flush(&v6); err == nil {
				err = v6.add(first, first|(1<<(64-p.Bits())-1), code)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("reading the database of countries: %w", err)
		}
	}
	if err := part.flush(&v6); err != nil {
		return nil, fmt.Errorf("reading the database of countries: %w", err)
	}
	l4, l6 := v4.close(1<<32-1), v6.close(1<<64-1)
	b, err := geo.WriteCountries("ip-location-db geo-whois-asn-country "+source, l4, l6)
	if err != nil {
		return nil, err
	}
	fmt.Printf("countries: %d IPv4 ranges, %d IPv6 ranges, %d finer than /64 joined, %d bytes\n", len(l4), len(l6), finer, len(b))
	return b, nil
}

// piece is a part of a /64 network.
type piece struct {
	first uint64 // The network's upper 64 bits.
	bits  int    // 0 where there is none.
	code  string
}

// flush adds the network to ranges, and forgets it.
func (p *piece) flush(rs *ranges[string]) error {
	if p.bits == 0 {
		return nil
	}
	first, code := p.first, p.code
	*p = piece{}
	return rs.add(first, first, code)
}

func upper(a netip.Addr) uint64 {
	b := a.As16()
	return binary.BigEndian.Uint64(b[:8])
}

// systems reads the two CSV files: first address, last address, number, name.
func systems(file4, file6, source string) ([]byte, error) {
	classes := map[uint32]event.Network{}
	l4, _, err := systemRanges(file4, 32, classes)
	if err != nil {
		return nil, err
	}
	l6, skipped, err := systemRanges(file6, 128, classes)
	if err != nil {
		return nil, err
	}
	var (
		list  []geo.SystemClass
		count = map[event.Network]int{}
	)
	for system, class := range classes {
		if class != event.NetworkUnknown {
			list = append(list, geo.SystemClass{System: system, Class: class})
			count[class]++
		}
	}
	slices.SortFunc(list, func(a, b geo.SystemClass) int { return int(a.System) - int(b.System) })
	b, err := geo.WriteSystems("ip-location-db asn "+source, l4, l6, list)
	if err != nil {
		return nil, err
	}
	fmt.Printf("systems: %d, of which cloud %d, hosting %d, vpn %d, tor %d\n", len(classes),
		count[event.NetworkCloud], count[event.NetworkHosting], count[event.NetworkVPN], count[event.NetworkTor])
	fmt.Printf("systems: %d IPv4 ranges, %d IPv6 ranges, %d finer than /64 left out, %d bytes\n", len(l4), len(l6), skipped, len(b))
	return b, nil
}

func systemRanges(file string, width int, classes map[uint32]event.Network) (list []geo.Range[uint32], skipped int, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, 0, fmt.Errorf("opening the autonomous systems: %w", err)
	}
	defer f.Close()
	var (
		rs       ranges[uint32]
		r        = csv.NewReader(f)
		from, to big.Int
	)
	r.FieldsPerRecord = 4
	for {
		l, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, 0, fmt.Errorf("reading %s: %w", file, err)
		}
		line, _ := r.FieldPos(0)
		var system big.Int
		if !parse(&from, l[0], width) || !parse(&to, l[1], width) || !parse(&system, l[2], 32) {
			return nil, 0, fmt.Errorf("%s:%d: found a number that is none or is too large", file, line)
		}
		number := uint32(system.Uint64())
		classes[number] = classOf(number, l[3])
		first, last := from.Uint64(), to.Uint64()
		if width == 128 {
			// Only whole /64 networks count.
			lower := new(big.Int).SetUint64(1<<64 - 1)
			atStart := new(big.Int).And(&from, lower).Sign() == 0
			atEnd := new(big.Int).And(&to, lower).Cmp(lower) == 0
			if !atStart || !atEnd {
				skipped++
				continue
			}
			first, last = new(big.Int).Rsh(&from, 64).Uint64(), new(big.Int).Rsh(&to, 64).Uint64()
		}
		// Ranges overlap now and then by mistake: the first one holds.
		if first < rs.next && last >= rs.next && !rs.full {
			fmt.Printf("%s:%d: overlaps the line before by %d\n", filepath.Base(file), line, rs.next-first)
			first = rs.next
		}
		if err := rs.add(first, last, number); err != nil {
			return nil, 0, fmt.Errorf("%s:%d: %w", file, line, err)
		}
	}
	if width == 32 {
		return rs.close(1<<32 - 1), skipped, nil
	}
	return rs.close(1<<64 - 1), skipped, nil
}

func parse(n *big.Int, s string, width int) bool {
	_, ok := n.SetString(s, 10)
	return ok && n.Sign() >= 0 && n.BitLen() <= width
}
