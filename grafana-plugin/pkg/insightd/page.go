package insightd

import (
	"context"
	"maps"
	"net/url"
	"strconv"
)

// Page is a list that was read in one or more pages of the daemon's.
type Page[T any] struct {
	Items []T
	// More says that the daemon has more of them.
	More bool
	Notes
}

// pages reads at most limit things, so many at a time, following next.
func pages[T any](ctx context.Context, v url.Values, limit, size int, ask func(context.Context, url.Values) ([]T, string, Notes, error)) (Page[T], error) {
	p := Page[T]{Items: make([]T, 0, min(limit, size))}
	q := url.Values{}
	maps.Copy(q, v)
	for len(p.Items) < limit {
		q.Set("limit", strconv.Itoa(min(size, limit-len(p.Items))))
		found, next, notes, err := ask(ctx, q)
		if err != nil {
			return p, err
		}
		p.Add(notes)
		p.Items = append(p.Items, found...)
		p.More = next != ""
		if next == "" || len(found) == 0 {
			break
		}
		q.Set("next", next)
	}
	return p, nil
}
