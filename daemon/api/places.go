package api

import (
	"net/http"
	"sync"
)

// places are the pushes that may be under way, in all and of one address.
type places struct {
	all chan struct{}

	mtx    sync.Mutex
	byAddr map[string]*addrPlaces
}

type addrPlaces struct {
	taken chan struct{}
	// users counts who has a place or waits for one.
	users int
}

func newPlaces(n int) *places {
	return &places{all: make(chan struct{}, n), byAddr: map[string]*addrPlaces{}}
}

// enter takes a place for a push, and waits for one no longer than the limit.
// leave gives it back.
func (a *API) enter(r *http.Request) (leave func(), err error) {
	p, addr := a.pushes, hostOf(r.RemoteAddr)
	own := p.of(addr)
	if err := a.acquire(r.Context(), own.taken, "pushes of your own"); err != nil {
		p.done(addr)
		return nil, err
	}
	if err := a.acquire(r.Context(), p.all, "pushes"); err != nil {
		<-own.taken
		p.done(addr)
		return nil, err
	}
	return func() {
		<-p.all
		<-own.taken
		p.done(addr)
	}, nil
}

func (p *places) of(addr string) *addrPlaces {
	p.mtx.Lock()
	defer p.mtx.Unlock()
	own := p.byAddr[addr]
	if own == nil {
		own = &addrPlaces{taken: make(chan struct{}, share(cap(p.all)))}
		p.byAddr[addr] = own
	}
	own.users++
	return own
}

func (p *places) done(addr string) {
	p.mtx.Lock()
	defer p.mtx.Unlock()
	if own := p.byAddr[addr]; own != nil {
		if own.users--; own.users == 0 {
			delete(p.byAddr, addr)
		}
	}
}
