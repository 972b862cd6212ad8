package plugin

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// fieldSet names a list of the fields that a filter may name.
type fieldSet string

const (
	fieldsOfEvents   fieldSet = "events"
	fieldsOfInsights fieldSet = "insights"
	// fieldsAge is how long a list is remembered: it changes with the daemon's
	// version.
	fieldsAge = time.Minute
)

// fieldLists remembers the fields that the daemon tells.
type fieldLists struct {
	mtx   sync.Mutex
	lists map[fieldSet]fieldList
}

type fieldList struct {
	at    time.Time
	names []string
}

func (d *Datasource) fieldNames(ctx context.Context, set fieldSet) ([]string, error) {
	d.fields.mtx.Lock()
	l, ok := d.fields.lists[set]
	d.fields.mtx.Unlock()
	if ok && time.Since(l.at) < fieldsAge {
		return l.names, nil
	}
	names, err := d.client.FieldNames(ctx, string(set))
	if err != nil {
		return nil, err
	}
	d.fields.mtx.Lock()
	defer d.fields.mtx.Unlock()
	if d.fields.lists == nil {
		d.fields.lists = map[fieldSet]fieldList{}
	}
	d.fields.lists[set] = fieldList{time.Now(), names}
	return names, nil
}

// applicable takes the ad-hoc filters that mean nothing here out of the query and
// says so of each. A dashboard's filters reach every panel, whatever it shows;
// what a query names itself stays, and is an error where it is wrong.
func (r *request) applicable(ctx context.Context, set fieldSet) []string {
	if len(r.Filters) == 0 {
		return nil
	}
	names, err := r.d.fieldNames(ctx, set)
	if err != nil || len(names) == 0 {
		return nil // The query itself says what is wrong.
	}
	var left []string
	r.Filters = slices.DeleteFunc(slices.Clone(r.Filters), func(f Filter) bool {
		if slices.Contains(names, f.Key) {
			return false
		}
		left = append(left, fmt.Sprintf("the filter for %s is left out here: %s have no field of that name", f.Key, set))
		return true
	})
	return left
}
