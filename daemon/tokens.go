package daemon

import (
	"net"

	"github.com/insightd/insightd/daemon/api"
	"github.com/insightd/insightd/daemon/config"
)

// tokens reads the tokens that the configuration names. Their files are read
// each time, so that a reload takes a token that was changed in place.
func tokens(c *config.Config) ([]api.Token, error) {
	var out []api.Token
	for i := range c.Web.Tokens {
		t := &c.Web.Tokens[i]
		hash, err := t.Hash()
		if err != nil {
			return nil, err
		}
		token := api.Token{Name: t.Name, Hash: hash}
		for _, s := range t.Scopes {
			token.Scopes = append(token.Scopes, api.Scope(s))
		}
		out = append(out, token)
	}
	return out, nil
}

// warnIfOpen says so where others than this machine may do everything.
func (d *Daemon) warnIfOpen(c *config.Config) {
	if len(c.Web.Tokens) > 0 || d.o.WebConfigFile != "" {
		return
	}
	for _, l := range d.listeners {
		if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
			d.logger.Warn("Everybody who reaches this address may read all events and push others; name web.tokens in the configuration, or give --web.config.file with TLS and users",
				"address", a.String())
		}
	}
}
