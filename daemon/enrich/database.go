package enrich

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
)

// database is an MMDB file of the user's. It is held in memory rather than
// mapped, so that a file that is replaced in place does no harm.
type database struct {
	name string
	r    *maxminddb.Reader
}

func openDB(file string) (*database, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r, err := maxminddb.OpenBytes(b)
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", file, err)
	}
	return &database{name: filepath.Base(file), r: r}, nil
}

func (d *database) version() string {
	m := d.r.Metadata
	built := time.Unix(int64(m.BuildEpoch), 0).UTC().Format(time.DateOnly)
	return fmt.Sprintf("%s %s %s", d.name, m.DatabaseType, built)
}

// country tells the country in the forms that are about: country.iso_code of
// MaxMind and DB-IP, country_code of ip-location-db, country of IPinfo.
func (d *database) country(ip netip.Addr) string {
	r := d.r.Lookup(ip)
	for _, path := range [][]any{{"country", "iso_code"}, {"country_code"}, {"country"}} {
		var code string
		// An error is a value of another kind: another form.
		if r.DecodePath(&code, path...) == nil && len(code) == 2 {
			return strings.ToUpper(code)
		}
	}
	return ""
}

// system tells the autonomous system: autonomous_system_number of MaxMind, or
// asn of IPinfo, which is a number with AS before it.
func (d *database) system(ip netip.Addr) uint32 {
	r := d.r.Lookup(ip)
	var n uint32
	if r.DecodePath(&n, "autonomous_system_number") == nil && n != 0 {
		return n
	}
	var s string
	if r.DecodePath(&s, "asn") == nil {
		if n, err := strconv.ParseUint(strings.TrimPrefix(s, "AS"), 10, 32); err == nil {
			return uint32(n)
		}
	}
	return 0
}
