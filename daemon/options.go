package daemon

import (
	"fmt"
	"net/netip"
	"os"

	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/engine"
	"github.com/insightd/insightd/daemon/enrich"
	"github.com/insightd/insightd/daemon/enrich/geo"
	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/rules/catalog"
)

// This file turns the configuration into the options of each room: the rooms do
// not know the file.

// engineOptions are what the configuration says to the engine.
func engineOptions(c *config.Config, enricher *current, r *ruleset) engine.Options {
	return engine.Options{
		Network: func(a netip.Addr) event.Network { return enricher.Load().Network(a) },
		Locate: func(a netip.Addr) (geo.Point, bool) {
			s, known := enricher.Load().Locate(a.String())
			return geo.Point{Latitude: s.Latitude, Longitude: s.Longitude}, known
		},
		Settings: settings(c),
		Rules:    r.set,
	}
}

// settings are what the configuration says to series and models.
func settings(c *config.Config) engine.Settings {
	return engine.Settings{
		Lateness:         c.Lateness,
		Future:           c.Future,
		WarmUp:           c.Models.WarmUp,
		BudgetPerDay:     c.Models.Budget.FalseInsightsPerDay,
		SeriesPerAccount: c.Limits.SeriesPerAccount,
		SeriesInAll:      c.Limits.Series,
		ModelStates:      c.Limits.ModelStates,
		Identities:       c.Limits.Identities,
		OpenInsights:     c.Limits.OpenInsights,
		DataEvents:       c.Models.DataEvents,
		Labels:           labelsOf(c),
	}
}

// labelsOf are what the configuration calls identities and resources; nil where it
// calls none anything.
func labelsOf(c *config.Config) *engine.Labels {
	l := &engine.Labels{}
	critical := &c.Identities.Critical
	for _, x := range [...]struct {
		label    string
		patterns []string
	}{
		{insight.LabelAdmin, critical.Admin},
		{insight.LabelBreakGlass, critical.BreakGlass},
		{insight.LabelCI, critical.CI},
		{insight.LabelDataAccess, critical.DataAccess},
	} {
		for _, p := range x.patterns {
			l.Identities = append(l.Identities, engine.IdentityLabel{Pattern: p, Label: x.label})
		}
	}
	for _, x := range [...]struct {
		level    insight.Sensitivity
		patterns []string
	}{
		{insight.SensitivityHigh, c.Resources.High}, {insight.SensitivityMedium, c.Resources.Medium}, {insight.SensitivityLow, c.Resources.Low},
	} {
		for _, p := range x.patterns {
			l.Resources = append(l.Resources, engine.ResourceLabel{Pattern: p, Sensitivity: x.level})
		}
	}
	if len(l.Identities)+len(l.Resources) == 0 {
		return nil
	}
	return l
}

// enrichment makes the enricher that the configuration asks for, in a place
// where it can be replaced.
func enrichment(c *config.Config) (*current, error) {
	x, err := newEnricher(c)
	if err != nil {
		return nil, err
	}
	cur := &current{}
	cur.Store(x)
	return cur, nil
}

// newEnricher makes the enricher that the configuration asks for.
func newEnricher(c *config.Config) (*enrich.Enricher, error) {
	cat := catalog.Default()
	for _, name := range c.Catalog.Files {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("opening a catalogue: %w", err)
		}
		more, err := catalog.Parse(name, f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("reading a catalogue: %w", err)
		}
		cat = catalog.Merge(cat, more)
	}
	var ranges []enrich.NetworkRange
	for _, of := range []struct {
		class    event.Network
		prefixes []netip.Prefix
	}{
		{event.NetworkCloud, c.Networks.Cloud},
		{event.NetworkHosting, c.Networks.Hosting},
		{event.NetworkVPN, c.Networks.VPN},
		{event.NetworkTor, c.Networks.Tor},
	} {
		for _, p := range of.prefixes {
			ranges = append(ranges, enrich.NetworkRange{Prefix: p, Network: of.class})
		}
	}
	var people []string
	for _, re := range c.Identities.PeopleSessions {
		people = append(people, re.String())
	}
	x, err := enrich.New(enrich.Options{
		Corporate:      c.Networks.Corporate,
		Networks:       ranges,
		PeopleSessions: people,
		CountryDB:      c.GeoIP.Country,
		CityDB:         c.GeoIP.City,
		ASNDB:          c.GeoIP.ASN,
		Catalog:        cat,
	})
	if err != nil {
		return nil, fmt.Errorf("preparing enrichment: %w", err)
	}
	return x, nil
}
