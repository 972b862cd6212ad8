package daemon

import (
	"fmt"
	"net"
	"strings"

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

// openAddresses are those at which others than this machine may do everything
// under a configuration.
func (d *Daemon) openAddresses(c *config.Config) []string {
	if len(c.Web.Tokens) > 0 || d.o.WebConfigFile != "" {
		return nil
	}
	var out []string
	for _, l := range d.listeners {
		if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
			out = append(out, a.String())
		}
	}
	return out
}

// warnIfOpen says so where others than this machine may do everything.
func (d *Daemon) warnIfOpen(c *config.Config) {
	for _, address := range d.openAddresses(c) {
		d.logger.Warn("Everybody who reaches this address may read all events and push others; name web.tokens in the configuration, or give --web.config.file with TLS and users",
			"address", address)
	}
}

// staysClosed is an error where a reload would let everybody do everything who
// could not before: a file that is empty while somebody writes it is no leave.
func (d *Daemon) staysClosed(c *config.Config) error {
	open := d.openAddresses(c)
	if len(open) == 0 || len(d.config.Load().Web.Tokens) == 0 {
		return nil
	}
	return fmt.Errorf("web.tokens is empty, so everybody who reaches %s could do everything; put the tokens back, or restart insightd if that is meant", strings.Join(open, " and "))
}
