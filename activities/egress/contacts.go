package egress

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"causeway.dev/internal/dataverse"
)

// contactsKept is how long an answer about a contact is used. A merge moves the activities
// that exist to the winner, and not those that are written later.
const (
	contactsKept = time.Minute
	maxContacts  = 50_000
	maxMerges    = 5 // that are followed, from winner to winner
)

// contactCache remembers where the events of a contact go, so that pages with the same
// contacts cost no request.
type contactCache struct {
	now func() time.Time

	mu    sync.Mutex
	since time.Time
	known map[string]string // contact -> the contact it became; "" = Dynamics has none
}

func (c *contactCache) lookUp(ids []string) (found map[string]string, missing []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || c.now().Sub(c.since) >= contactsKept || len(c.known) > maxContacts {
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

// resolveContacts says for each contact where its events go: to the contact itself, to the
// one that it was merged into (docs/protocol/integration.md §26), or nowhere ("").
func (a *Activities) resolveContacts(ctx context.Context, ids []string) (map[string]string, error) {
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
		fresh[id] = followMerges(into, id)
	}
	a.contacts.put(fresh)
	for id, to := range fresh {
		found[id] = to
	}
	return found, nil
}

// followMerges goes from winner to winner; "" when it ends at a contact that does not
// exist.
func followMerges(into map[string]string, id string) string {
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
