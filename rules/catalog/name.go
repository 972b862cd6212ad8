package catalog

import (
	"strings"
	"unicode/utf8"
)

// serviceAWS is the name of an AWS service without its suffix.
func serviceAWS(service string) string {
	if s, ok := strings.CutSuffix(service, ".amazonaws.com"); ok {
		return s
	}
	return strings.TrimSuffix(service, ".amazonaws.com.cn")
}

// serviceAlibaba reports whether a service of Alibaba Cloud, such as "Ecs",
// "ecs.aliyuncs.com" or "ecs-cn-hangzhou.aliyuncs.com", is the wanted one.
func serviceAlibaba(want, service string) bool {
	n := len(want)
	if n == 0 {
		return true
	}
	return len(service) >= n && strings.EqualFold(want, service[:n]) &&
		(len(service) == n || service[n] == '.' || service[n] == '-')
}

// normalService is the form in which a row keeps the name of its service.
func normalService(provider, service string) string {
	service = strings.ToLower(strings.TrimSpace(service))
	switch provider {
	case "aws":
		return serviceAWS(service)
	case "alibaba":
		service, _, _ = strings.Cut(service, ".")
	case "gcp":
		return strings.TrimSuffix(service, ".googleapis.com")
	}
	return service
}

// withoutDate cuts the date off that Lambda and CloudFront put behind the
// names of their operations: 20150331, 20150331v2, 2020_05_31.
func withoutDate(operation string) string {
	n := len(operation)
	i := n
	for i > 0 && isDigit(operation[i-1]) {
		i--
	}
	if i < n && i > 9 && operation[i-1] == 'v' && allDigits(operation[i-9:i-1]) {
		return operation[:i-9]
	}
	switch {
	case n-i == 8:
		return operation[:i]
	case n > 10 && operation[n-3] == '_' && operation[n-6] == '_' &&
		allDigits(operation[n-10:n-6]) && allDigits(operation[n-5:n-3]) && allDigits(operation[n-2:]):
		return operation[:n-10]
	}
	return operation
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func allDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

// fold writes an operation of Azure in small letters into buf, without white
// space and full stops at its end. It reports false where it is too long.
func fold(buf []byte, s string) ([]byte, bool) {
	if len(s) > len(buf) {
		return nil, false
	}
	s = strings.TrimRight(s, " .\u00a0")
	buf = buf[:len(s)]
	for i := range buf {
		c := s[i]
		if c-'A' < 26 {
			c |= 0x20
		}
		buf[i] = c
	}
	return buf, true
}

func foldName(s string) string {
	b, _ := fold(make([]byte, len(s)), s)
	return string(b)
}

// isPattern reports whether an operation of the catalogue has a * at an end.
func isPattern(op string) bool {
	return strings.HasPrefix(op, "*") || strings.HasSuffix(op, "*")
}

// matchPattern compares an operation with a pattern: "*.key.create",
// "impersonate *" or "*.key.*".
func matchPattern(pattern, op string) bool {
	tail, openStart := strings.CutPrefix(pattern, "*")
	head, openEnd := strings.CutSuffix(tail, "*")
	switch {
	case openStart && openEnd:
		return strings.Contains(op, head)
	case openStart:
		return strings.HasSuffix(op, tail)
	case openEnd:
		return strings.HasPrefix(op, head)
	}
	return op == pattern
}

// plain writes a dotted method of GCP without versions into buf. It reports
// false where it is too long.
func plain(buf []byte, method string) ([]byte, bool) {
	if len(method) > len(buf) {
		return nil, false
	}
	n, start := 0, 0
	for i := 0; i <= len(method); i++ {
		if i < len(method) && method[i] != '.' {
			continue
		}
		if part := method[start:i]; !isVersion(part) {
			if n > 0 {
				buf[n] = '.'
				n++
			}
			n += copy(buf[n:], part)
		}
		start = i + 1
	}
	return buf[:n], true
}

func plainName(s string) string {
	b, _ := plain(make([]byte, len(s)), s)
	return string(b)
}

// isVersion reports whether a part of a method is a version: v1, v1beta1,
// alpha, beta.
func isVersion(part string) bool {
	return len(part) > 1 && part[0] == 'v' && isDigit(part[1]) || part == "alpha" || part == "beta" || part == ""
}

// lastPart is what stands behind the last full stop.
func lastPart(method string) string { return method[strings.LastIndexByte(method, '.')+1:] }

// matchTail reports whether the last parts of a method are those of an entry.
// Both are without versions.
func matchTail(entry, method string) bool {
	n := len(method) - len(entry)
	return n >= 0 && method[n:] == entry && (n == 0 || method[n-1] == '.')
}

// printable reports whether a text from a file is fit for keys and screens.
func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0
}
