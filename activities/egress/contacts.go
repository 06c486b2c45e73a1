package egress

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"causeway.dev/internal/dataverse"
)

// contactsFor bounds how long what is known of a contact is believed: a merge
// re-points the activities there are, not those that come later.
const (
	contactsFor = time.Minute
	contactsMax = 50_000
	maxMerges   = 5 // a winner that lost to another, and so on
)

// contactCache remembers where the events of a contact go, so that a page whose
// contacts the last one had costs no request.
type contactCache struct {
	now func() time.Time

	mu    sync.Mutex
	since time.Time
	known map[string]string // contact -> the contact it became; "" = Dynamics has none
}

func (c *contactCache) lookUp(ids []string) (found map[string]string, missing []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || c.now().Sub(c.since) >= contactsFor || len(c.known) > contactsMax {
		c.known, c.since = map[string]string{}, c.now()
	}
	found = make(map[string]string, len(ids))
	for _, id := range ids {
		if to, ok := c.known[id]; ok {
			found[id] = to
		} else {
			missing = append(missing, id)
		}
	}
	return found, missing
}

func (c *contactCache) put(found map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, to := range found {
		c.known[id] = to
	}
}

func (c *contactCache) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, id)
}

var contactQuery = dataverse.Query{EntitySet: "contacts", KeyColumn: "contactid", Select: []string{"contactid", "merged", "_masterid_value"}}

// whereTo says for each contact where its events go: to itself, to the one it
// was merged into (docs/protocol/integration.md §26), or nowhere ("").
func (a *Activities) whereTo(ctx context.Context, ids []string) (map[string]string, error) {
	found, missing := a.contacts.lookUp(ids)
	if len(missing) == 0 {
		return found, nil
	}
	fresh := make(map[string]string, len(missing))
	into := make(map[string]string) // loser -> winner, as read
	ask := missing
	for hop := 0; len(ask) > 0 && hop <= maxMerges; hop++ {
		page, err := a.o.Dynamics.ByIDs(ctx, contactQuery, ask)
		if err != nil {
			return nil, fmt.Errorf("looking up %d contacts: %w", len(ask), err)
		}
		ask = nil
		for _, c := range page.Changes {
			row := gjson.ParseBytes(c.Raw)
			winner := row.Get("_masterid_value").String()
			if !row.Get("merged").Bool() || winner == "" {
				into[c.Key] = c.Key
				continue
			}
			into[c.Key] = winner
			if _, seen := into[winner]; !seen {
				ask = append(ask, winner)
			}
		}
	}
	for _, id := range missing {
		fresh[id] = follow(into, id)
	}
	a.contacts.put(fresh)
	for id, to := range fresh {
		found[id] = to
	}
	return found, nil
}

// follow goes from winner to winner; "" where the way ends at a contact that is gone.
func follow(into map[string]string, id string) string {
	for range maxMerges + 1 {
		to, there := into[id]
		if !there {
			return ""
		}
		if to == id {
			return id
		}
		id = to
	}
	return ""
}
