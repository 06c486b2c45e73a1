package simulation

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"causeway.dev/internal/ledger"
)

// shown says that Campaign shows a record.
func (w *world) shown(resource, key string) bool {
	return w.campaign.Record(resource, key) != nil && !w.campaign.Hidden(resource, key)
}

// familyDifferences compares the linked records in Campaign with those of Dynamics. A record
// whose parent Campaign does not hold may be gone with it, or hidden: it is as it is to be
// once the parent comes.
func (w *world) familyDifferences() []string {
	if w.family == nil {
		return nil
	}
	var out []string
	for _, k := range kinds {
		for _, key := range w.dynamics.Keys(k.set()) {
			parent, got := w.parentOf(k, key), w.campaign.Record(k.resource, key)
			held := w.shown(resourceOf(k.parent), parent)
			switch {
			case w.leftBehind(k, key), parent != "" && !held && w.setAside(k, key):
				continue
			case got == nil && (held || parent == "" && k.parent == contacts):
				out = append(out, key+" is missing")
			case got == nil, !held && k.parent != contacts:
				continue
			}
			if got == nil {
				continue
			}
			if want := w.dynamics.Row(k.set(), key)["new_name"]; got["name"] != want {
				out = append(out, fmt.Sprintf("%s: name is %v, want %v", key, got["name"], want))
			}
			link := w.campaign.LinkedTo(k.resource, key, k.to)
			if !held {
				link, _ = got[k.to].(string)
			}
			if link != parent {
				out = append(out, fmt.Sprintf("%s: parent is %q, want %q", key, link, parent))
			}
		}
		w.campaign.Each(k.resource, func(key string, _ map[string]any) bool {
			if w.dynamics.Row(k.set(), key) == nil && !w.leftBehind(k, key) && !w.hiddenForGood(k, key) {
				out = append(out, key+" is too many")
			}
			return true
		})
	}
	return out
}

// leftBehind says that Campaign hides a record for want of the parent that it has there,
// that nobody can reach it therefore, and that it waits or is set aside.
func (w *world) leftBehind(k *kin, key string) bool {
	if !w.campaign.Hidden(k.resource, key) {
		return false
	}
	return w.setAside(k, key)
}

// setAside says that a record waits, or is in quarantine.
func (w *world) setAside(k *kin, key string) bool {
	known, err := w.books.Records(context.Background(), k.table, []string{key})
	must(err)
	return known[key] != nil && (known[key].State == ledger.Parked || known[key].State == ledger.Quarantined)
}

// hiddenForGood says that Campaign hides a record whose parent there is gone in Dynamics too.
// Campaign answers to a delete of it that there is none, and only its own users can reach it.
func (w *world) hiddenForGood(k *kin, key string) bool {
	parent, _ := w.campaign.Record(k.resource, key)[k.to].(string)
	return w.campaign.Hidden(k.resource, key) && w.dynamics.Row(setOf(k.parent), parent) == nil
}

// allLeftBehind are the records that are set aside so, and those that Campaign refuses while it
// does not hold the parent that they are to have.
func (w *world) allLeftBehind() int64 {
	var n int64
	for _, k := range kinds {
		keys := slices.Clone(w.born[k.set()])
		known, err := w.books.Records(context.Background(), k.table, keys)
		must(err)
		for _, key := range keys {
			if known[key] != nil && known[key].State == ledger.Quarantined && (w.leftBehind(k, key) || !w.shown(resourceOf(k.parent), w.parentOf(k, key))) {
				n++
			}
		}
	}
	return n
}

// unlinked compares what the ledger keeps of links with Dynamics: nobody waits without a
// reason, and a record names the parent that it has.
func (w *world) unlinked() []string {
	if w.family == nil {
		return nil
	}
	var out []string
	db, err := sql.Open("sqlite", "file:"+w.file)
	must(err)
	defer func() { must(db.Close()) }()
	rows, err := db.Query(`SELECT p.tbl, p.key, p.waits, p.parent_tbl, p.parent_key, p.ready, coalesce(r.state, '') FROM parked p LEFT JOIN record r ON r.tbl = p.tbl AND r.key = p.key ORDER BY 1, 2`)
	must(err)
	parked := map[string]bool{}
	for rows.Next() {
		var table, key, waits, parentTable, parent, state string
		var ready bool
		must(rows.Scan(&table, &key, &waits, &parentTable, &parent, &ready, &state))
		parked[table+" "+key] = true
		switch {
		case ready, waits != string(ledger.WaitsForParent):
			out = append(out, fmt.Sprintf("%s: still waits for %s, ready: %v", key, waits, ready))
		case w.shown(resourceOf(parentTable), parent):
			out = append(out, fmt.Sprintf("%s: waits for %s, which is there", key, parent))
		case state != string(ledger.Parked):
			out = append(out, fmt.Sprintf("%s: waits for %s, and is %s", key, parent, state))
		}
	}
	must(rows.Err())
	must(rows.Close())
	for _, k := range kinds {
		keys := slices.Clone(w.born[k.set()])
		known, err := w.books.Records(context.Background(), k.table, keys)
		must(err)
		for _, key := range keys {
			r, names := known[key], w.linksOf(db, k.table, key)
			if r == nil {
				continue
			}
			parent := w.parentOf(k, key)
			switch waits := parked[k.table+" "+key]; {
			case (r.State == ledger.Parked) != waits:
				out = append(out, fmt.Sprintf("%s: is %s in the ledger, waits: %v", key, r.State, waits))
			case r.State == ledger.Written && (parent == "") != (len(names) == 0), r.State == ledger.Written && parent != "" && names[0] != parent:
				out = append(out, fmt.Sprintf("%s: names %v in the ledger, want %q", key, names, parent))
			case r.Payload == nil && len(names) > 0:
				out = append(out, fmt.Sprintf("%s: is %s, and still names %v", key, r.State, names))
			}
		}
	}
	return out
}

// linksOf are the parents that a record names in the ledger.
func (w *world) linksOf(db *sql.DB, table, key string) []string {
	rows, err := db.Query(`SELECT parent_key FROM link WHERE tbl = ? AND key = ? ORDER BY 1`, table, key)
	must(err)
	defer func() { must(rows.Close()) }()
	var out []string
	for rows.Next() {
		var parent string
		must(rows.Scan(&parent))
		out = append(out, parent)
	}
	must(rows.Err())
	return out
}
