package api

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// misdirected refuses what a page of elsewhere asks under a name that it has pointed to
// this machine: where everybody on this machine may do everything, a browser on it takes
// the daemon for that page's own server and says nothing of another origin. Addresses
// and names of this machine cannot be pointed elsewhere.
func (a *API) misdirected(r *http.Request) error {
	if !a.o.LocalNames {
		return nil
	}
	if tokens, _ := a.auth.inForce(); len(tokens) > 0 {
		return nil
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok || !loopback(local) {
		return nil
	}
	host := hostname(r.Host)
	if _, err := netip.ParseAddr(host); err == nil || host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return nil
	}
	if a.external.Host != "" && hostname(a.external.Host) == host {
		return nil
	}
	return &failure{
		ErrorForbidden, http.StatusMisdirectedRequest,
		"without web.tokens only 127.0.0.1, localhost and the host of --web.external-url are answered, or pages of elsewhere could ask under names of their own; ask under one of these, name " + host + " in --web.external-url, or set web.tokens",
		nil,
	}
}

// loopback reports whether only this machine can reach an address.
func loopback(a net.Addr) bool {
	at, err := netip.ParseAddrPort(a.String())
	return err == nil && at.Addr().Unmap().IsLoopback()
}

// hostname is the host of an address without its port, in lower case.
func hostname(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		address = host
	}
	address = strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")
	return strings.TrimSuffix(strings.ToLower(address), ".")
}
