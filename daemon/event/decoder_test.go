package event

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// noteDecoder reads {"note":"id"}, which no provider writes: it stands beside
// CloudTrail's to show how a second decoder fits in.
var noteDecoder = decoder{
	provider: "notes",
	format:   15,
	wants:    "a note",
	decode: func(b []byte, e *Event, p *stringPool) (int, verdict, error) {
		*e = Event{}
		i := oneString(b, 0, 0, "note", &e.UID)
		switch {
		case i < 0:
			return i, verdictBroken, nil
		case e.UID == "":
			return i, verdictForeign, nil
		}
		return i, verdictDecoded, nil
	},
}

func TestReaderAsksEveryDecoder(t *testing.T) {
	text := rec("1") + `{"note":"2"}{"note":"3"}` + "\n[" + rec("4") + `,{"neither":1},{"note":"5"}]`
	r := NewReader(strings.NewReader(text), ReaderOptions{})
	r.ds = []*decoder{&cloudTrailDecoder, &noteDecoder}
	var got []string
	for {
		var e Event
		err := r.Next(&e)
		if err == io.EOF {
			break
		}
		if err != nil {
			require.ErrorContains(t, err, `the keys "neither"`)
			require.ErrorContains(t, err, "a CloudTrail record")
			require.ErrorContains(t, err, " or a note")
			continue
		}
		got = append(got, e.Provider+" "+e.UID)
	}
	require.Equal(t, []string{"aws 1", "notes 2", "notes 3", "aws 4", "notes 5"}, got)
}
