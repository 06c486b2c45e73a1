package reconcile_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/mapping"
	"causeway.dev/internal/reconcile"
)

// What Campaign shows of a doubtful record, and what the decision is made with.
func TestLookAtADoubtfulRecord(t *testing.T) {
	t.Parallel()
	rules := cars(t)
	bare := beetle.but(func(c *car) { c.Owner, c.Garage = "", "" })
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	mapped := func(c car) *mapping.Payload {
		var none reconcile.Known
		e := entry(t, &rules, &none, c)
		return e.Whole
	}
	later := func(target reconcile.Target) reconcile.Target {
		target.Created = began.Add(time.Second)
		return target
	}
	earlier := func(target reconcile.Target) reconcile.Target {
		target.Created = began.Add(-time.Hour)
		return target
	}
	older := bare.but(func(c *car) { c.Name = "Older" })
	out := bare.but(func(c *car) { c.OptedOut = true })
	request := func(sent ...*mapping.Payload) reconcile.Doubt {
		return reconcile.Doubt{Requests: true, Since: began, Sent: sent}
	}
	var never reconcile.Known
	known := written(t, &rules, bare)
	for name, c := range map[string]struct {
		known reconcile.Known
		there reconcile.Target
		doubt reconcile.Doubt
		want  reconcile.Looked
		holds *car // what the ledger is to hold; nil: as before
	}{
		"nothing came late":                       {known: known, there: shows(t, &rules, bare), doubt: request(mapped(bare))},
		"an old value":                            {known: known, there: shows(t, &rules, older), doubt: request(mapped(older)), want: reconcile.Looked{Differs: true}, holds: &older},
		"an opt-out that one of them carried":     {known: known, there: shows(t, &rules, out), doubt: request(mapped(out)), want: reconcile.Looked{Differs: true}, holds: &out},
		"an opt-out that none of them carried":    {known: known, there: shows(t, &rules, out), doubt: request(mapped(bare))},
		"an opt-out, and nothing is known of one": {known: known, there: shows(t, &rules, out), doubt: request(nil)},
		"a delete":                                           {known: known, there: shownNothing, doubt: request(), want: reconcile.Looked{Differs: true, LinksLost: true}},
		"nobody, as is right":                                {known: never, there: shownNothing, doubt: request(mapped(bare))},
		"somebody who was created":                           {known: never, there: later(shows(t, &rules, bare)), doubt: request(mapped(bare)), want: reconcile.Looked{Differs: true, Created: true}, holds: &bare},
		"somebody who was there before":                      {known: never, there: earlier(shows(t, &rules, bare)), doubt: request(mapped(bare))},
		"what was sent, where Campaign says no time":         {known: never, there: shows(t, &rules, bare), doubt: request(nil, mapped(bare)), want: reconcile.Looked{Differs: true, Created: true}, holds: &bare},
		"something else, where Campaign says no time":        {known: never, there: shows(t, &rules, older), doubt: request(nil, mapped(bare))},
		"somebody who was made while a delete was under way": {known: never, there: later(shows(t, &rules, bare)), doubt: request()},
		"a child that was removed with its parent":           {known: known, there: shownNothing, want: reconcile.Looked{Differs: true, LinksLost: true}},
		"a child that has its parent":                        {known: known, there: shows(t, &rules, older)},
		"a child that lost its parent":                       {known: written(t, &rules, beetle), there: shows(t, &rules, beetle.but(func(c *car) { c.Owner = "" })), want: reconcile.Looked{LinksLost: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := rules.Look(&c.known, &c.there, &c.doubt)
			require.NoError(t, err)
			want := c.want
			want.Known = c.known
			if c.holds != nil {
				p, err := mapping.ParsePayload(got.Payload)
				require.NoError(t, err)
				require.Equal(t, p.Fingerprint(), got.Fingerprint)
				_, differs := p.Diff(mapped(*c.holds))
				require.Empty(t, differs)
				got.Known = c.known
			}
			require.Equal(t, want, got)
		})
	}
}
