package event

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// member is one member of gzip, made by compress/gzip.
func member(tb testing.TB, level int, parts ...[]byte) []byte {
	tb.Helper()
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, level)
	require.NoError(tb, err)
	for _, p := range parts {
		_, err = w.Write(p)
		require.NoError(tb, err)
		require.NoError(tb, w.Flush())
	}
	require.NoError(tb, w.Close())
	return out.Bytes()
}

// wrapDeflate puts what is claimed to be DEFLATE of text into a member.
func wrapDeflate(deflate, text []byte) []byte {
	b := append([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}, deflate...)
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(text))
	return binary.LittleEndian.AppendUint32(b, uint32(len(text)))
}

// gzipTexts are texts that lead through every kind of block and copy.
func gzipTexts() map[string][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 200_000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	few := make([]byte, 150_000)
	for i := range few {
		few[i] = "abcdefgh"[min(int(r.ExpFloat64()*2), 7)]
	}
	// Frequencies like Fibonacci's make the longest codes.
	var skewed []byte
	for a, b, c := 1, 1, byte(0); c < 24; a, b, c = b, a+b, c+1 {
		skewed = append(skewed, bytes.Repeat([]byte{c}, a)...)
	}
	r.Shuffle(len(skewed), func(i, j int) { skewed[i], skewed[j] = skewed[j], skewed[i] })
	far := append(bytes.Clone(noise[:32<<10]), noise[:32<<10]...)
	return map[string][]byte{
		"empty": nil, "byte": []byte("x"), "short": []byte("hello, hello"), "run": bytes.Repeat([]byte("z"), 100_000),
		"pairs": bytes.Repeat([]byte("ab"), 70_000), "noise": noise, "few": few, "skewed": skewed, "far": far,
		"events": makeCorpus().wrapped,
	}
}

func gunzipAll(src io.Reader) ([]byte, error) {
	g := gunzippers.Get().(*gunzipper)
	defer gunzippers.Put(g)
	g.open(src)
	return io.ReadAll(g)
}

func TestGunzipReadsWhatGzipWrites(t *testing.T) {
	for name, text := range gzipTexts() {
		for _, level := range []int{gzip.HuffmanOnly, 0, 1, 6, 9} {
			z := member(t, level, text)
			got, err := gunzipAll(bytes.NewReader(z))
			require.NoError(t, err, "%s at level %d", name, level)
			require.True(t, bytes.Equal(text, got), "%s at level %d", name, level)
		}
	}
}

func TestGunzipWhateverTheReads(t *testing.T) {
	text := gzipTexts()["events"][:100_000]
	z := append(member(t, 6, text[:70_000], nil, text[70_000:]), member(t, 9, []byte("and more"))...)
	want := append(bytes.Clone(text), "and more"...)
	for name, src := range map[string]io.Reader{
		"bytes": iotest.OneByteReader(bytes.NewReader(z)), "halves": iotest.HalfReader(bytes.NewReader(z)),
		"with the end": iotest.DataErrReader(bytes.NewReader(z)),
	} {
		got, err := gunzipAll(src)
		require.NoError(t, err, name)
		require.True(t, bytes.Equal(want, got), name)
	}
}

// TestGunzipGivesWhatItHas: what has been flushed comes out before more is read,
// or a stream that goes on would be served late.
func TestGunzipGivesWhatItHas(t *testing.T) {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	r, pipe := io.Pipe()
	defer pipe.Close()
	g := new(gunzipper)
	g.open(r)
	for _, text := range []string{"first", "second, which is longer", "third"} {
		_, err := w.Write([]byte(text))
		require.NoError(t, err)
		require.NoError(t, w.Flush())
		go func(b []byte) { _, _ = pipe.Write(b) }(bytes.Clone(z.Bytes()))
		z.Reset()
		got := make([]byte, len(text))
		_, err = io.ReadFull(g, got)
		require.NoError(t, err)
		require.Equal(t, text, string(got))
	}
}

func TestGunzipCutAnywhere(t *testing.T) {
	text := gzipTexts()["events"][:3000]
	z := member(t, 6, text)
	for n := range z {
		got, err := gunzipAll(bytes.NewReader(z[:n]))
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "cut at %d", n)
		require.True(t, bytes.HasPrefix(text, got), "cut at %d", n)
		std, err := gzip.NewReader(bytes.NewReader(z[:n]))
		if err == nil {
			want, _ := io.ReadAll(std)
			require.GreaterOrEqual(t, len(got), len(want), "cut at %d", n)
		}
	}
}

func TestGunzipDamaged(t *testing.T) {
	text := []byte("some text, some text")
	z := member(t, 6, text)
	flip := func(i int) []byte {
		b := bytes.Clone(z)
		b[(i+len(b))%len(b)] ^= 1
		return b
	}
	for name, c := range map[string]struct {
		z    []byte
		want error
	}{
		"checksum": {flip(-8), gzip.ErrChecksum}, "size": {flip(-1), gzip.ErrChecksum}, "magic": {flip(0), gzip.ErrHeader},
		"method": {flip(2), gzip.ErrHeader}, "behind": {append(bytes.Clone(z), "rubbish"...), gzip.ErrHeader},
		"block type": {wrapDeflate([]byte{7}, nil), errDeflate}, "stored length": {wrapDeflate([]byte{1, 1, 0, 1, 0}, nil), errDeflate},
		"copy from before": {wrapDeflate([]byte{0x63, 0x00, 0x42, 0xff, 0xff}, nil), errDeflate},
	} {
		_, err := gunzipAll(bytes.NewReader(c.z))
		require.ErrorIs(t, err, c.want, name)
	}
}

func TestGzipHeader(t *testing.T) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Name, w.Comment, w.Extra = "events.json", "a comment", []byte("extra")
	require.NoError(t, w.Close())
	b := out.Bytes()
	n, err := gzipHeader(b)
	require.NoError(t, err)
	require.Equal(t, 10+2+5+12+10, n)
	for i := range n {
		n, err := gzipHeader(b[:i])
		require.NoError(t, err)
		require.Zero(t, n, "of %d bytes", i)
	}
	// With a checksum of its own.
	h := append([]byte(nil), 0x1f, 0x8b, 8, 2, 0, 0, 0, 0, 0, 255)
	h = binary.LittleEndian.AppendUint16(h, uint16(crc32.ChecksumIEEE(h)))
	n, err = gzipHeader(h)
	require.NoError(t, err)
	require.Equal(t, 12, n)
	h[11] ^= 1
	_, err = gzipHeader(h)
	require.ErrorIs(t, err, gzip.ErrHeader)
}

// FuzzGunzip holds the gunzipper to compress/gzip: the same text, and an error
// where that has one.
func FuzzGunzip(f *testing.F) {
	for _, text := range gzipTexts() {
		text = text[:min(len(text), 5000)]
		for _, level := range []int{gzip.HuffmanOnly, 0, 1, 9} {
			z := member(f, level, text)
			f.Add(z)
			f.Add(z[:len(z)*2/3])
			f.Add(append(bytes.Clone(z), z...))
		}
	}
	f.Add([]byte{0x1f, 0x8b})
	f.Fuzz(func(t *testing.T, z []byte) {
		got, err := gunzipAll(bytes.NewReader(z))
		compareGunzip(t, z, got, err)
		// The body alone, so that a wrong checksum hides nothing.
		if n, herr := gzipHeader(z); herr == nil && n > 0 {
			want, werr := io.ReadAll(flate.NewReader(bytes.NewReader(z[n:])))
			require.True(t, bytes.HasPrefix(got, want) || bytes.HasPrefix(want, got))
			if werr == nil {
				require.True(t, bytes.HasPrefix(got, want))
				again, err := gunzipAll(bytes.NewReader(wrapDeflate(z[n:], want)))
				require.True(t, bytes.HasPrefix(again, want), "%v", err)
			}
		}
		again, aerr := gunzipAll(iotest.OneByteReader(bytes.NewReader(z)))
		require.True(t, bytes.Equal(got, again))
		require.Equal(t, err == nil, aerr == nil)
	})
}

func compareGunzip(t *testing.T, z, got []byte, err error) {
	t.Helper()
	std, serr := gzip.NewReader(bytes.NewReader(z))
	var want []byte
	if serr == nil {
		want, serr = io.ReadAll(std)
	}
	require.Equal(t, serr == nil, err == nil, "compress/gzip: %v, ours: %v", serr, err)
	if serr == nil {
		require.True(t, bytes.Equal(want, got))
	}
}

// BenchmarkGunzip unpacks CloudTrail. BenchmarkGunzipOnly is the library.
func BenchmarkGunzip(b *testing.B) {
	c := makeCorpus()
	g := new(gunzipper)
	buf := make([]byte, 64<<10)
	b.SetBytes(int64(len(c.wrapped)))
	for b.Loop() {
		g.open(bytes.NewReader(c.zipped))
		_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{g}, buf)
		require.NoError(b, err)
	}
	perEvent(b, corpusSize)
}
