package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"reflect"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// Bytes is a size, written with a unit: 512MB. Units are powers of 1024, as in
// Prometheus.
type Bytes int64

func (b Bytes) String() string { return format(b) }

// Secret is a text that is never shown: not as text, not in Go's syntax, not as
// JSON or YAML, not in a log. Only a conversion to string gives it.
type Secret string

// masked stands for a secret wherever a configuration is shown.
const masked = "<secret>"

func (Secret) String() string { return masked }

// GoString is what %#v shows.
func (Secret) GoString() string { return masked }

// MarshalText is what encoders show.
func (Secret) MarshalText() ([]byte, error) { return []byte(masked), nil }

// LogValue is what logs show.
func (Secret) LogValue() slog.Value { return slog.StringValue(masked) }

// scalar is how one type of value is written in the file.
type scalar struct {
	// name is what the reference calls the type.
	name string
	// expected completes "expected …" in errors.
	expected string
	// yaml lists the YAML types (node tags) that are taken; all where it is nil.
	yaml []string
	// parse returns a value of the type. Its error completes "found X (…".
	parse func(s string) (any, error)
	// format is the inverse of parse.
	format func(v any) string
}

var scalars = map[reflect.Type]*scalar{
	reflect.TypeFor[string](): {
		name: "string", expected: "a string", yaml: []string{"!!str"},
		parse:  func(s string) (any, error) { return s, nil },
		format: func(v any) string { return v.(string) },
	},
	reflect.TypeFor[Secret](): {
		name: "secret", expected: "a secret", yaml: []string{"!!str"},
		parse: func(s string) (any, error) {
			if s == masked {
				return nil, errors.New("what is shown in place of a secret")
			}
			return Secret(s), nil
		},
		format: func(v any) string {
			if v.(Secret) == "" {
				return ""
			}
			return masked
		},
	},
	reflect.TypeFor[bool](): {
		name: "boolean", expected: "true or false", yaml: []string{"!!bool"},
		parse:  func(s string) (any, error) { return parseBool(s) },
		format: func(v any) string { return strconv.FormatBool(v.(bool)) },
	},
	reflect.TypeFor[int](): {
		name: "integer", expected: "a whole number", yaml: []string{"!!int"},
		parse: func(s string) (any, error) {
			n, err := strconv.ParseInt(s, 0, 64)
			if errors.Is(err, strconv.ErrRange) {
				return nil, errors.New("too large")
			}
			if err != nil {
				return nil, errors.New("no whole number")
			}
			return int(n), nil
		},
		format: func(v any) string { return strconv.Itoa(v.(int)) },
	},
	reflect.TypeFor[float64](): {
		name: "number", expected: "a number", yaml: []string{"!!int", "!!float"},
		parse: func(s string) (any, error) {
			f, err := strconv.ParseFloat(s, 64)
			if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
				return nil, errors.New("no finite number")
			}
			return f, nil
		},
		format: func(v any) string { return strconv.FormatFloat(v.(float64), 'g', -1, 64) },
	},
	reflect.TypeFor[time.Duration](): {
		name: "duration", expected: "a duration such as 90d, 30m or 1h30m, with the units ms, s, m, h, d, w and y",
		parse:  func(s string) (any, error) { return parseDuration(s) },
		format: func(v any) string { return model.Duration(v.(time.Duration)).String() },
	},
	reflect.TypeFor[time.Time](): {
		name: "time", expected: "a time in RFC 3339 such as 2026-04-01T06:00:00Z, or a date", yaml: []string{"!!str", "!!timestamp"},
		parse: func(s string) (any, error) { return parseTime(s) },
		format: func(v any) string {
			if t := v.(time.Time); !t.IsZero() {
				return t.UTC().Format(time.RFC3339)
			}
			return ""
		},
	},
	reflect.TypeFor[Bytes](): {
		name: "size", expected: "a size such as 512MB, with the units B, KB, MB, GB, TB and PB",
		parse:  func(s string) (any, error) { return parseBytes(s) },
		format: func(v any) string { return formatBytes(v.(Bytes)) },
	},
	reflect.TypeFor[netip.Prefix](): {
		name: "CIDR", expected: "a network such as 198.51.100.0/24 or 2001:db8::/32, or an address",
		parse:  func(s string) (any, error) { return parsePrefix(s) },
		format: func(v any) string { return v.(netip.Prefix).String() },
	},
	reflect.TypeFor[*regexp.Regexp](): {
		name: "regexp", expected: "a regular expression (RE2)", yaml: []string{"!!str"},
		parse:  func(s string) (any, error) { return parseRegexp(s) },
		format: func(v any) string { return formatRegexp(v.(*regexp.Regexp)) },
	},
}

// format writes a value as it stands in a file.
func format(v any) string { return scalars[reflect.TypeOf(v)].format(v) }

func parseBool(s string) (bool, error) {
	switch s {
	case "true", "True", "TRUE":
		return true, nil
	case "false", "False", "FALSE":
		return false, nil
	}
	return false, errors.New("neither")
}

// parseTime reads a time; a date is its midnight in UTC, and an empty text no time.
func parseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errors.New("no time with its zone")
}

func parseDuration(s string) (time.Duration, error) {
	d, err := model.ParseDuration(s)
	switch {
	case err == nil:
		return time.Duration(d), nil
	case s != "" && strings.Trim(s, "0123456789.") == "":
		return 0, errors.New("a number without a unit")
	case strings.HasPrefix(s, "-"):
		return 0, errors.New("less than nothing")
	case strings.Contains(err.Error(), "overflow") || strings.Contains(err.Error(), "out of range"):
		return 0, errors.New("too long")
	}
	return 0, errors.New("no duration")
}

// byteUnits stand in falling order, so that the largest that divides a size is
// found first.
var byteUnits = []struct {
	name  string
	bytes int64
}{{"PB", 1 << 50}, {"TB", 1 << 40}, {"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}, {"B", 1}}

func parseBytes(s string) (Bytes, error) {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789."))
	n, err := strconv.ParseFloat(s[:digits], 64)
	if err != nil {
		return 0, errors.New("no size")
	}
	if n == 0 && digits == len(s) {
		return 0, nil
	}
	unit := strings.ToUpper(s[digits:])
	if unit == "" {
		return 0, errors.New("a number without a unit")
	}
	// KiB and K are KB.
	unit = strings.Replace(unit, "IB", "B", 1)
	if len(unit) == 1 && unit != "B" {
		unit += "B"
	}
	for _, u := range byteUnits {
		if u.name != unit {
			continue
		}
		if n *= float64(u.bytes); n >= 1<<62 {
			return 0, errors.New("too large")
		}
		return Bytes(n), nil
	}
	return 0, fmt.Errorf("unknown unit %q", s[digits:])
}

func formatBytes(b Bytes) string {
	for _, u := range byteUnits {
		if n := int64(b); n != 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return "0"
}

func parsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		if a.Zone() != "" {
			return netip.Prefix{}, errors.New("an address with a zone")
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, errors.New("no network")
	}
	if p.Addr().Is4In6() {
		return netip.Prefix{}, errors.New("an IPv4 network in the form of IPv6")
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("bits are set behind the prefix; the network is %v", p.Masked())
	}
	return p, nil
}

// The expression has to match a whole name, as in Prometheus.
const regexpHead, regexpTail = "^(?:", ")$"

func parseRegexp(s string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(s); err != nil {
		if se, ok := errors.AsType[*syntax.Error](err); ok {
			return nil, fmt.Errorf("%v: %s", se.Code, se.Expr)
		}
		return nil, err
	}
	return regexp.Compile(regexpHead + s + regexpTail)
}

func formatRegexp(re *regexp.Regexp) string {
	s := re.String()
	if t, ok := strings.CutPrefix(s, regexpHead); ok {
		return strings.TrimSuffix(t, regexpTail)
	}
	return s
}
