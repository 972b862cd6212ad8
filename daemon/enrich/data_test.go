package enrich

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

// record is what the test reads of a CloudTrail record. It does not use the
// decoder, so that the two are tested apart.
type record struct {
	EventSource, EventName, AWSRegion, SourceIPAddress, UserAgent, RecipientAccountID string
	EventType, EventCategory                                                          string
	ACSRegion                                                                         string
	UserIdentity                                                                      struct {
		Type, ARN, UserName, PrincipalID, AccountID, InvokedBy, AccessKeyID, IdentityProvider string
		SessionContext                                                                        struct {
			SessionIssuer struct{ ARN string }
			Attributes    struct{ MFAAuthenticated any }
		}
		OnBehalfOf struct{ UserID string }
	}
	AdditionalEventData          map[string]any
	SessionCredentialFromConsole any
}

func (r *record) event() event.Event {
	u := &r.UserIdentity
	e := event.Event{
		Provider: "aws", Account: r.RecipientAccountID, Region: r.AWSRegion, Service: r.EventSource, Operation: r.EventName,
		UserAgent: r.UserAgent, Source: event.Source{Address: r.SourceIPAddress},
		Actor: event.Actor{
			RawType: u.Type, ARN: u.ARN, Name: u.UserName, PrincipalID: u.PrincipalID, AccountID: u.AccountID,
			InvokedBy: u.InvokedBy, Credential: u.AccessKeyID, IDProvider: u.IdentityProvider,
			Issuer: u.SessionContext.SessionIssuer.ARN, OnBehalfOf: u.OnBehalfOf.UserID,
			MFA:     fmt.Sprint(u.SessionContext.Attributes.MFAAuthenticated) == "true" || r.AdditionalEventData["MFAUsed"] == "Yes",
			Console: fmt.Sprint(r.SessionCredentialFromConsole) == "true" || r.EventType == "AwsConsoleSignIn",
		},
	}
	if e.Account == "" {
		e.Account = u.AccountID
	}
	return e
}

// walk calls f with every CloudTrail record inside a value.
func walk(v any, f func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		if v["eventName"] != nil && v["eventSource"] != nil && v["acsRegion"] == nil {
			f(v)
			return
		}
		for _, x := range v {
			walk(x, f)
		}
	case []any:
		for _, x := range v {
			walk(x, f)
		}
	case string:
		// The answer of LookupEvents holds records as text.
		var x any
		if strings.HasPrefix(v, "{") && json.Unmarshal([]byte(v), &x) == nil {
			walk(x, f)
		}
	}
}

// records reads the public CloudTrail records, or skips the test.
func records(t testing.TB) []event.Event {
	root := filepath.Join("..", "..", "..", "shared", "data")
	if _, err := os.Stat(root); err != nil {
		t.Skip("the public data for tests is not here")
	}
	var events []event.Event
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		if strings.HasSuffix(path, ".gz") {
			z, err := gzip.NewReader(bytes.NewReader(b))
			require.NoError(t, err)
			b, err = io.ReadAll(z)
			require.NoError(t, err)
		}
		for dec := json.NewDecoder(bytes.NewReader(b)); ; {
			var v any
			if dec.Decode(&v) != nil {
				// The end, or a file that is no JSON.
				return nil
			}
			walk(v, func(m map[string]any) {
				b, err := json.Marshal(m)
				require.NoError(t, err)
				var r record
				// Test cases of others have values of all kinds in places.
				_ = json.Unmarshal(b, &r)
				if r.UserIdentity.Type == "" && r.EventCategory == "" && m["userIdentity"] == nil {
					return // A list of names of operations, no record.
				}
				events = append(events, r.event())
			})
		}
	})
	require.NoError(t, err)
	return events
}

// Every record of the public data gets an identity, and one of the right form.
func TestPublicData(t *testing.T) {
	events := records(t)
	require.Greater(t, len(events), 700)
	x := newEnricher(t, Options{})
	kinds, networks, families, classes := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	for i := range events {
		e := &events[i]
		x.Enrich(e)
		require.NotEmpty(t, e.Actor.Identity, "%+v", e.Actor)
		kinds[e.Actor.RawType+" "+e.Actor.Kind.String()]++
		networks[e.Source.Network.String()]++
		families[e.AgentFamily]++
		classes[e.Class]++
		if e.Actor.RawType == "AssumedRole" && strings.HasPrefix(e.Actor.ARN, "arn:") && e.Actor.Kind == event.KindRole {
			require.Contains(t, e.Actor.Identity, ":role/")
			require.NotContains(t, e.Actor.Identity, "assumed-role")
		}
		if e.Actor.RawType != "" && e.Actor.RawType != "Unknown" {
			require.NotEqual(t, Unknown, e.Actor.Identity, "%+v", e.Actor)
		}
	}
	t.Logf("%d records", len(events))
	t.Log("types and kinds:", kinds)
	t.Log("networks:", networks)
	t.Log("user agents:", families)
	t.Log("classes:", classes)
}
