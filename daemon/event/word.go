package event

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// This file reads what single words in records mean: times, addresses, and the
// names of operations.

// badTime is the error of a time that cannot be read.
func badTime(field, text string) error {
	return fmt.Errorf("%s %q is no time, expected a form such as 2024-08-02T08:53:24Z", field, clip(text, 64))
}

// timeLayouts are the forms of time in records: RFC 3339, what CloudTrail Lake's
// queries print, in UTC, and ISO 8601 with an offset without a colon, as in CADF.
var timeLayouts = [...]string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999-0700"}

// parseTime reads a time in one of the layouts.
func parseTime(s string) (time.Time, bool) {
	if t, ok := parseZulu(s); ok {
		return t, true
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// parseZulu reads 2024-08-02T08:53:24Z, the one form that CloudTrail writes,
// with a fraction of a second as Kubernetes does, and with +0000 in place of Z
// as IBM does. It is a tenth of what time.Parse costs.
func parseZulu(s string) (time.Time, bool) {
	if len(s) < 20 || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return time.Time{}, false
	}
	nanos, ok := parseFraction(s[19:])
	if !ok {
		return time.Time{}, false
	}
	bad := 0
	two := func(i int) int {
		h, l := int(s[i])-'0', int(s[i+1])-'0'
		if uint(h) > 9 || uint(l) > 9 {
			bad = 1
		}
		return h*10 + l
	}
	year, month, day := two(0)*100+two(2), two(5), two(8)
	hour, minute, second := two(11), two(14), two(17)
	if bad != 0 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) ||
		hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	// Days since 1970-01-01 in the Gregorian calendar, counted in eras of 400
	// years that begin on the first of March (H. Hinnant, "chrono-Compatible
	// Low-Level Date Algorithms", days_from_civil).
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	if year < 0 {
		era = -1
	}
	yearOfEra := year - era*400
	dayOfYear := (153*(month-3)+2)/5 + day - 1
	days := era*146097 + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear - 719468
	return time.Unix(int64(days)*86400+int64(hour*3600+minute*60+second), nanos).UTC(), true
}

// parseFraction reads what stands behind the seconds of a time in UTC: "Z",
// ".25Z", "+0000". Of a fraction nine digits count.
func parseFraction(s string) (nanos int64, ok bool) {
	if s[0] == '.' {
		i, unit := 1, int64(100_000_000)
		for i < len(s) && s[i]-'0' < 10 {
			nanos += int64(s[i]-'0') * unit
			unit /= 10
			i++
		}
		if i == 1 || i == len(s) {
			return 0, false
		}
		s = s[i:]
	}
	return nanos, s == "Z" || s == "+0000"
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// parseAddress returns the IP address that s is, without zone, and IPv4 as
// such. Host names, "AWS Internal" and malformed addresses give the zero Addr,
// at no allocation.
func parseAddress(s string) netip.Addr {
	if a, ok := parseIPv4(s); ok {
		return a
	}
	if strings.IndexByte(s, ':') < 0 {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return a.WithZone("").Unmap()
}

func parseIPv4(s string) (netip.Addr, bool) {
	if len(s) < 7 || len(s) > 15 {
		return netip.Addr{}, false
	}
	var (
		ip            [4]byte
		part          int
		value, digits uint
	)
	for i := range len(s) {
		c := uint(s[i]) - '0'
		switch {
		case c <= 9:
			if digits > 0 && value == 0 { // A leading zero: nobody knows whether it means octal.
				return netip.Addr{}, false
			}
			value = value*10 + c
			if digits++; value > 255 {
				return netip.Addr{}, false
			}
		case s[i] == '.' && digits > 0 && part < 3:
			ip[part] = byte(value)
			part++
			value, digits = 0, 0
		default:
			return netip.Addr{}, false
		}
	}
	if part != 3 || digits == 0 {
		return netip.Addr{}, false
	}
	ip[3] = byte(value)
	return netip.AddrFrom4(ip), true
}

// stripVersion takes the API's date off the name of an operation:
// CreateFunction20150331, AddPermission20150331v2 (Lambda) and
// CreateDistribution2020_05_31 (CloudFront).
func stripVersion(s string) string {
	n := len(s)
	if n < 9 || s[n-1]-'0' > 9 {
		return s
	}
	// A "v" with digits may stand behind the date.
	end := n
	for end > 0 && s[end-1]-'0' <= 9 {
		end--
	}
	if end > 0 && end < n && s[end-1] == 'v' {
		if cut := stripDate(s[:end-1]); len(cut) < end-1 {
			return cut
		}
	}
	return stripDate(s)
}

// stripDate takes off a trailing YYYYMMDD, YYYY_MM_DD or _YYYY_MM_DD that is a
// date. What is left ends in a letter, or nothing is taken off.
func stripDate(s string) string {
	var year, month, day int
	var rest string
	switch n := len(s); {
	case n > 10 && s[n-3] == '_' && s[n-6] == '_':
		year, month, day = number4(s[n-10:n-6]), number2(s[n-5:n-3]), number2(s[n-2:])
		rest = strings.TrimSuffix(s[:n-10], "_")
	case n > 8:
		year, month, day = number4(s[n-8:n-4]), number2(s[n-4:n-2]), number2(s[n-2:])
		rest = s[:n-8]
	default:
		return s
	}
	if year < 1990 || year > 2199 || month < 1 || month > 12 || day < 1 || day > 31 ||
		rest == "" || (rest[len(rest)-1]|0x20)-'a' > 25 {
		return s
	}
	return rest
}

// number2 and number4 read digits, and return -1 where there are others.
func number2(s string) int {
	h, l := int(s[0])-'0', int(s[1])-'0'
	if uint(h) > 9 || uint(l) > 9 {
		return -1
	}
	return h*10 + l
}

func number4(s string) int {
	h, l := number2(s), number2(s[2:])
	if h < 0 || l < 0 {
		return -1
	}
	return h*100 + l
}

// readVerbs are the first words of operations that only look.
var readVerbs = [...]string{
	"Get", "List", "Describe", "Head", "Lookup", "Search", "BatchGet", "BatchDescribe", "Query", "Scan",
	"Select", "Check", "Test", "Validate", "Verify", "Preview", "Estimate", "Simulate", "Discover", "View",
	"Count", "Filter", "Download", "Is", "Has", "Retrieve", "Read", "Detect",
}

// accessOf says whether an operation reads or writes, by its name. It is asked
// only where the record does not say. Names that begin with no verb of looking
// write; the calls of STS and KMS that CloudTrail itself marks as read-only
// read, and sign-ins write, as in CloudTrail.
func accessOf(operation string) Access {
	switch operation {
	case "":
		return AccessUnknown
	case "CheckMfa":
		return AccessWrite
	case "AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity",
		"Decrypt", "Encrypt", "ReEncrypt", "Sign", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext",
		"GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext", "GenerateRandom":
		return AccessRead
	}
	for _, verb := range readVerbs {
		// A verb ends where the next word begins: Listen is not List.
		if strings.HasPrefix(operation, verb) &&
			(len(operation) == len(verb) || operation[len(verb)]-'a' > 25) {
			return AccessRead
		}
	}
	return AccessWrite
}

// isDataOperation reports whether an operation is of CloudTrail's data
// category. It is asked only for records from before CloudTrail said so.
func isDataOperation(service, operation string) bool {
	switch service {
	case "s3.amazonaws.com":
		switch operation {
		case "GetObject", "PutObject", "DeleteObject", "DeleteObjects", "HeadObject", "CopyObject", "PostObject",
			"RestoreObject", "ListParts", "UploadPart", "UploadPartCopy", "GetObjectAcl", "PutObjectAcl",
			"GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging", "GetObjectTorrent", "SelectObjectContent",
			"CreateMultipartUpload", "CompleteMultipartUpload", "AbortMultipartUpload":
			return true
		}
	case "lambda.amazonaws.com":
		return operation == "Invoke"
	}
	return false
}
