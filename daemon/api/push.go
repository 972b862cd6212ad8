package api

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"

	"github.com/insightd/insightd/daemon/event"
)

// pushTypes are the content types that a pushed body may have. What browsers
// send without asking first is not among them.
var pushTypes = []string{
	"application/json", "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines",
	"application/gzip", "application/x-gzip", "application/octet-stream",
}

// maxRejections is how many rejections an answer lists.
const maxRejections = 1000

// push takes in the events of a body and answers once they are durable.
func (a *API) push(w http.ResponseWriter, r *http.Request) {
	o, err := a.checkPush(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	leave, err := a.enter(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	defer leave()
	// The server's own deadline would cut off a body that takes long. The time that
	// writing the answer may take begins when the body has ended.
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Time{})
	answering := func() { _ = rc.SetWriteDeadline(time.Now().Add(answerTime)) }
	body := newPushBody(http.MaxBytesReader(w, r.Body, a.o.Limits.BodyBytes), a.o.Limits)
	if err := body.open(r.Header.Get("Content-Encoding")); err != nil {
		answering()
		a.fail(w, r, a.pushFailure(err, body))
		return
	}
	defer body.close()
	res, err := a.o.Pusher.Push(r.Context(), client(r), body, o)
	if err == nil && body.err != nil && !errors.Is(body.err, io.EOF) {
		err = body.err // Nobody may overlook that the body broke off.
	}
	name, rejected := tokenName(r), len(res.Rejected)+res.Unlisted
	for result, n := range map[string]int{"accepted": res.Accepted, "duplicate": res.Duplicates, "refused": res.Refused, "rejected": rejected, "omitted": res.Omitted} {
		a.metrics.pushed.WithLabelValues(result, name).Add(float64(n))
	}
	answering()
	var warnings []string
	if n := rejected; n > maxRejections {
		warnings = append(warnings, fmt.Sprintf("%d records were rejected; the first %d are listed", n, maxRejections))
		res.Rejected, res.Unlisted = res.Rejected[:maxRejections], n-maxRejections
	}
	if res.Rejected == nil {
		res.Rejected = []Rejection{}
	}
	if res.Refused > 0 {
		warnings = append(warnings, fmt.Sprintf("%d events are older than what is kept (storage.events.retention) and were refused", res.Refused))
	}
	taken := res.Accepted + res.Duplicates
	switch {
	case err != nil:
		f := a.pushFailure(err, body)
		if taken > 0 {
			f.text += fmt.Sprintf("; %d records before that were taken in", taken)
		}
		f.data = res
		a.fail(w, r, f)
	case !body.seen:
		a.fail(w, r, badData("the body holds white space only; %s", pushForms))
	case taken == 0 && len(res.Rejected) > 0:
		f := badData("none of the records could be read; the first: %s", res.Rejected[0].Error)
		f.data = res
		a.fail(w, r, f)
	default:
		a.succeed(w, r, res, warnings)
	}
}

const pushForms = `send records as a JSON list, as {"Records":[…]} or {"items":[…]}, or one a line`

// maxAccount is how long the account may be that a client names.
const maxAccount = 512

// checkPush looks at what stands around a body, and returns how it is read.
func (a *API) checkPush(r *http.Request) (o PushOptions, err error) {
	if v := r.Header.Get("Content-Type"); v != "" {
		typ, _, err := mime.ParseMediaType(v)
		if err != nil || !slices.Contains(pushTypes, typ) {
			return o, &failure{ErrorBadData, http.StatusUnsupportedMediaType, fmt.Sprintf("Content-Type %q is not taken in; send one of %s", v, strings.Join(pushTypes, ", ")), nil}
		}
	}
	if r.ContentLength > a.o.Limits.BodyBytes {
		return o, a.tooLarge(false)
	}
	query := r.URL.Query()
	o = PushOptions{Provider: query.Get("provider"), Account: query.Get("account"), MaxRecordBytes: a.o.Limits.RecordBytes}
	if known := event.Providers(); o.Provider != "" && !slices.Contains(known, o.Provider) {
		return o, badData("invalid parameter \"provider\": %q is not known; there are %s", o.Provider, strings.Join(known, ", "))
	}
	if !utf8.ValidString(o.Account) {
		return o, badData("invalid parameter \"account\": %v", errNotUTF8)
	}
	if len(o.Account) > maxAccount {
		return o, badData("invalid parameter \"account\": it has %d bytes, send at most %d", len(o.Account), maxAccount)
	}
	return o, nil
}

// answerTime is how long a client may take to read the answer to a push.
const answerTime = time.Minute

// client names who sent a request: its token, the user that signed in, or the
// address.
func client(r *http.Request) string { return "push/" + askedBy(r) }

// askedBy names who asks: by the name of his token, else as a user of basic
// authentication, else by his address.
func askedBy(r *http.Request) string {
	if name := tokenName(r); name != "" {
		return name
	}
	if user, _, ok := r.BasicAuth(); ok && user != "" {
		return user
	}
	return hostOf(r.RemoteAddr)
}

// pushFailure says what an error of a push is to the client.
func (a *API) pushFailure(err error, b *pushBody) *failure {
	var tooLarge *http.MaxBytesError
	if f, ok := errors.AsType[*failure](b.err); ok {
		slow := *f // The body came too slowly.
		return &slow
	}
	switch {
	case errors.As(err, &tooLarge), errors.Is(err, errDecompressed):
		return a.tooLarge(errors.Is(err, errDecompressed))
	case errors.Is(err, errRatio):
		return &failure{ErrorBadData, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is more than %d times larger when decompressed, as no log is (web.limits.max_compression_ratio); send it in parts, or as it is", a.o.Limits.Ratio), nil}
	case b.err != nil && !errors.Is(b.err, io.EOF):
		// The body is to blame, not us.
		if b.compressed {
			return badData("reading the body as gzip: %v", b.err)
		}
		return badData("reading the body: %v", b.err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return badData("%v", err) // The records break off.
	}
	f := *a.classify(err)
	return &f
}

// tooLarge says which bound a body goes past.
func (a *API) tooLarge(decompressed bool) *failure {
	text := fmt.Sprintf("the body is larger than %d bytes (web.limits.max_body_size)", a.o.Limits.BodyBytes)
	if decompressed {
		text = fmt.Sprintf("the body is larger than %d bytes when decompressed (web.limits.max_decompressed_size)", a.o.Limits.DecompressedBytes)
	}
	return &failure{ErrorBadData, http.StatusRequestEntityTooLarge, text + "; send it in parts", nil}
}

var (
	errDecompressed = errors.New("the decompressed body is too large")
	errRatio        = errors.New("the body is compressed beyond measure")
)

// ratioFrom is from how many decompressed bytes on the ratio counts: small
// bodies may well be of one record many times over.
const ratioFrom = 8 << 20

// pushBody reads a pushed body, decompresses it where it is compressed, and
// bounds both forms. It remembers its first error.
type pushBody struct {
	raw        *bufio.Reader
	src        io.Reader
	gz         *gzip.Reader
	compressed bool
	left       int64
	// came counts the bytes as they come, used those that were decompressed.
	came  countingReader
	used  int64
	ratio int64
	// seen says that there was more than white space.
	seen bool
	err  error
}

func newPushBody(r io.Reader, l Limits) *pushBody {
	b := &pushBody{came: countingReader{r: r}, left: l.DecompressedBytes, ratio: int64(or(l.Ratio, 250))}
	b.raw = bufio.NewReaderSize(&b.came, 64<<10)
	return b
}

// open looks at the beginning. Bodies are compressed where they begin so,
// whatever the header says.
func (b *pushBody) open(encoding string) error {
	switch strings.ToLower(encoding) {
	case "", "identity", "gzip", "x-gzip":
	default:
		return &failure{ErrorBadData, http.StatusUnsupportedMediaType, fmt.Sprintf("Content-Encoding %q is not taken in; send gzip, or none", encoding), nil}
	}
	magic, err := b.raw.Peek(2)
	if len(magic) == 0 {
		if err != nil && !errors.Is(err, io.EOF) {
			b.err = err
			return err
		}
		return badData("the body is empty; %s", pushForms)
	}
	b.src = b.raw
	if !isGzip(magic) {
		if strings.HasSuffix(strings.ToLower(encoding), "gzip") {
			return badData("Content-Encoding is %q, but the body does not begin as gzip does", encoding)
		}
		return nil
	}
	b.compressed = true
	if b.gz, err = gzip.NewReader(b.raw); err != nil {
		b.err = err
		return err
	}
	// A decoder that finds gzip again would go past the bound.
	inner := bufio.NewReaderSize(b.gz, 64<<10)
	if magic, _ := inner.Peek(2); isGzip(magic) {
		return badData("the body is compressed twice")
	}
	b.src = inner
	return nil
}

func isGzip(b []byte) bool { return len(b) >= 2 && b[0] == 0x1f && b[1] == 0x8b }

// Read reads what is to be decoded.
func (b *pushBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // One more tells the end from what is too much.
	}
	n, err := b.src.Read(p)
	if int64(n) > b.left {
		n, err = int(b.left), errDecompressed
	}
	b.left -= int64(n)
	if b.used += int64(n); b.compressed && b.used > ratioFrom && b.used > b.ratio*b.came.n {
		n, err = 0, errRatio
	}
	b.seen = b.seen || strings.TrimLeft(string(p[:min(n, 4096)]), " \t\r\n\ufeff") != ""
	b.err = err
	return n, err
}

// countingReader counts what is read from r.
type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (b *pushBody) close() {
	if b.gz != nil {
		_ = b.gz.Close() // It holds no more than memory.
	}
}
