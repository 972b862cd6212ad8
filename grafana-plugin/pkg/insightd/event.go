package insightd

import (
	"context"
	"net/url"
	"time"
)

// Event is an event as the daemon tells it.
type Event struct {
	UID          string    `json:"uid"`
	Time         time.Time `json:"time"`
	Provider     string    `json:"provider"`
	Account      string    `json:"account"`
	Region       string    `json:"region"`
	Service      string    `json:"service"`
	Operation    string    `json:"operation"`
	Category     string    `json:"category"`
	Access       string    `json:"access"`
	Outcome      string    `json:"outcome"`
	ErrorCode    string    `json:"error_code"`
	ErrorMessage string    `json:"error_message"`
	Identity     string    `json:"identity"`
	IdentityKind string    `json:"identity_kind"`
	UserType     string    `json:"user_type"`
	Session      string    `json:"session"`
	Credential   string    `json:"credential"`
	MFA          bool      `json:"mfa"`
	IP           string    `json:"ip"`
	Country      string    `json:"country"`
	ASN          uint32    `json:"asn"`
	Network      string    `json:"network"`
	UserAgent    string    `json:"user_agent"`
	Family       string    `json:"user_agent_family"`
	Resources    []string  `json:"resource"`
	Class        []string  `json:"class"`
	Risk         uint8     `json:"risk"`
	Amends       string    `json:"amends"`
	Late         bool      `json:"late"`
	// Raw is the record as it came, where it was asked for.
	Raw string `json:"raw"`
}

// ValueCount is a value of a field, with how many had it.
type ValueCount struct {
	Value string `json:"value"`
	Count uint64 `json:"count"`
}

// Volume counts events over time.
type Volume struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	// Step is in seconds.
	Step   float64 `json:"step"`
	By     string  `json:"by"`
	Total  uint64  `json:"total"`
	Series []struct {
		Value  string   `json:"value"`
		Counts []uint64 `json:"counts"`
	} `json:"series"`
	Notes `json:"-"`
}

// eventPage is how many events are asked for at a time: 10 to 20 MB with their
// raw records.
const eventPage = 5000

// Events lists events, at most limit of them.
func (c *Client) Events(ctx context.Context, v url.Values, limit int) (Page[Event], error) {
	return c.events(ctx, "/api/v1/events", v, limit)
}

// InsightEvents lists the events behind an insight, the oldest first.
func (c *Client) InsightEvents(ctx context.Context, id string, v url.Values, limit int) (Page[Event], error) {
	if err := identifier("insight", id); err != nil {
		return Page[Event]{}, err
	}
	return c.events(ctx, "/api/v1/insights/"+id+"/events", v, limit)
}

func (c *Client) events(ctx context.Context, path string, v url.Values, limit int) (Page[Event], error) {
	return pages(ctx, v, limit, eventPage, func(ctx context.Context, v url.Values) ([]Event, string, Notes, error) {
		var p struct {
			Events []Event `json:"events"`
			Next   string  `json:"next"`
		}
		notes, err := c.get(ctx, path, v, &p)
		return p.Events, p.Next, notes, err
	})
}

// Volume counts events over time.
func (c *Client) Volume(ctx context.Context, v url.Values) (Volume, error) {
	var w Volume
	notes, err := c.get(ctx, "/api/v1/events/volume", v, &w)
	w.Notes = notes
	return w, err
}

// EventValues returns the most frequent values of a field of events.
func (c *Client) EventValues(ctx context.Context, field string, v url.Values) ([]ValueCount, Notes, error) {
	if err := identifier("field", field); err != nil {
		return nil, Notes{}, err
	}
	var p struct {
		Values []ValueCount `json:"values"`
	}
	notes, err := c.get(ctx, "/api/v1/events/field/"+field+"/values", v, &p)
	return p.Values, notes, err
}

// FieldNames returns the fields that filters for events, or for insights, can
// name.
func (c *Client) FieldNames(ctx context.Context, of string) ([]string, error) {
	if err := identifier("list", of); err != nil {
		return nil, err
	}
	var p struct {
		Fields []struct {
			Name string `json:"name"`
		} `json:"fields"`
	}
	if _, err := c.get(ctx, "/api/v1/"+of+"/fields", nil, &p); err != nil {
		return nil, missing(err)
	}
	names := make([]string, len(p.Fields))
	for n := range p.Fields {
		names[n] = p.Fields[n].Name
	}
	return names, nil
}

// Place is where events came from.
type Place struct {
	// Country is an ISO 3166-1 alpha-2 code, empty where it is not known.
	Country string `json:"country"`
	City    string `json:"city"`
	// Latitude and Longitude are nil where they are not known.
	Latitude  *float64 `json:"latitude"`
	Longitude *float64 `json:"longitude"`
	Events    uint64   `json:"events"`
	Errors    uint64   `json:"errors"`
}

// PlaceList is places, those with most events first.
type PlaceList struct {
	Places []Place `json:"places"`
	// Omitted counts the places beyond the limit.
	Omitted int `json:"omitted"`
	Notes   `json:"-"`
}

// Places counts events by where they came from.
func (c *Client) Places(ctx context.Context, v url.Values) (PlaceList, error) {
	var p PlaceList
	notes, err := c.get(ctx, "/api/v1/events/places", v, &p)
	p.Notes = notes
	return p, missing(err)
}
