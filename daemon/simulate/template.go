package simulate

// A template is JSON with holes, cut up once. A hole is % and a letter; what
// fills it is a function of the event's id, so that the same letter gives the
// same value in the request and in the response, and the next event others.
//
//	%x %y    17 hex digits     %h  8 hex digits      %u  UUID
//	%a %r    account, region   %N %M  resource name  %b  bucket name
//	%d %D    1 to 99, 6 digits %t %e  event time as RFC 3339, as unix ms
//	%p %z    private address, zone letter            %w  instance type
//	%c %C    32 and 300 base64 digits                %k  16 digits of an IAM id
//	%U %R    user name, role name of the account
type template []part

type part struct {
	lit  string
	verb byte // 0 after the last literal.
}

func compile(s string) template {
	if s == "" {
		return nil
	}
	var t template
	last := 0
	for i := 0; i+1 < len(s); i++ {
		if s[i] == '%' {
			t = append(t, part{s[last:i], s[i+1]})
			i++
			last = i + 1
		}
	}
	return append(t, part{lit: s[last:]})
}

// append renders the template for a call.
func (t template) append(b []byte, f *filling) []byte {
	for i := range t {
		b = append(b, t[i].lit...)
		if v := t[i].verb; v != 0 {
			b = f.append(b, v)
		}
	}
	return b
}

// filling is what the holes of an event's templates are filled from.
type filling struct {
	id     uint64
	acct   *account
	region string
	time   []byte // RFC 3339.
	millis int64
}

const (
	hexDigits    = "0123456789abcdef"
	base32Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
)

func (f *filling) append(b []byte, verb byte) []byte {
	h := mix(f.id ^ uint64(verb)*0x9e3779b97f4a7c15)
	switch verb {
	case 'a':
		return append(b, f.acct.id...)
	case 'r':
		return append(b, f.region...)
	case 't':
		return append(b, f.time...)
	case 'e':
		return appendInt(b, f.millis)
	case 'x', 'y':
		b = append(b, '0')
		return appendHex(b, h, 16)
	case 'h':
		return appendHex(b, h, 8)
	case 'u':
		return appendUUID(b, h)
	case 'N', 'M':
		return append(b, f.acct.names[h%uint64(len(f.acct.names))]...)
	case 'b':
		return append(b, f.acct.buckets[h%uint64(len(f.acct.buckets))]...)
	case 'U':
		return append(b, f.acct.users[h%uint64(len(f.acct.users))]...)
	case 'R':
		return append(b, f.acct.roles[h%uint64(len(f.acct.roles))]...)
	case 'w':
		return append(b, instanceTypes[h%uint64(len(instanceTypes))]...)
	case 'd':
		return appendInt(b, int64(h%99)+1)
	case 'D':
		return appendInt(b, int64(h%900000)+100000)
	case 'p':
		b = append(b, "10."...)
		b = appendInt(b, int64(h>>8&63))
		b = append(b, '.')
		b = appendInt(b, int64(h>>16&255))
		b = append(b, '.')
		return appendInt(b, int64(h>>24%250)+4)
	case 'z':
		return append(b, 'a'+byte(h%3))
	case 'c':
		return appendBase64(b, h, 32)
	case 'C':
		return appendBase64(b, h, 300)
	case 'k':
		return appendBase32(b, h, 16)
	}
	panic("simulate: a template has the unknown verb " + string(verb))
}

// appendHex appends the lowest n hex digits of h, at most 16.
func appendHex(b []byte, h uint64, n int) []byte {
	for i := n - 1; i >= 0; i-- {
		b = append(b, hexDigits[h>>(uint(i)*4)&15])
	}
	return b
}

// appendUUID appends the version 4 UUID that belongs to h.
func appendUUID(b []byte, h uint64) []byte {
	hi := mix(h ^ 0x6a09e667f3bcc908)
	lo := mix(h ^ 0xbb67ae8584caa73b)
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 2<<62
	b = appendHex(b, hi>>32, 8)
	b = append(b, '-')
	b = appendHex(b, hi>>16, 4)
	b = append(b, '-')
	b = appendHex(b, hi, 4)
	b = append(b, '-')
	b = appendHex(b, lo>>48, 4)
	b = append(b, '-')
	return appendHex(b, lo, 12)
}

func appendBase32(b []byte, h uint64, n int) []byte {
	for i := range n {
		if i == 12 {
			h = mix(h)
		}
		b = append(b, base32Digits[h>>(uint(i%12)*5)&31])
	}
	return b
}

func appendBase64(b []byte, h uint64, n int) []byte {
	for i := range n {
		if i%10 == 9 {
			h = mix(h)
		}
		b = append(b, base64Digits[h>>(uint(i%10)*6)&63])
	}
	return b
}

func appendInt(b []byte, n int64) []byte {
	if n < 0 {
		b = append(b, '-')
		n = -n
	}
	var d [20]byte
	i := len(d)
	for {
		i--
		d[i] = '0' + byte(n%10)
		n /= 10
		if n == 0 {
			return append(b, d[i:]...)
		}
	}
}

// appendTwo appends n as two digits.
func appendTwo(b []byte, n int) []byte { return append(b, '0'+byte(n/10%10), '0'+byte(n%10)) }
